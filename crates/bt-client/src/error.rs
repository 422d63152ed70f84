use bt_storage::StorageError;

pub use crate::net::ListenError;

/// Why a session could not start: something about the machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// No port could be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The address for a tracker cannot be had.
    #[error("cannot open a socket for the tracker")]
    Tracker(#[source] std::io::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// Why a torrent was not added: something about the torrent, or about the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The torrent can only be joined as a v2 swarm (BEP 52).
    #[error("this is a v2-only torrent, which bt cannot transfer yet")]
    V2Only,
    /// The session has it already.
    #[error("the torrent has been added before")]
    AlreadyAdded,
}

/// Why a torrent could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TorrentError {
    /// The disk refused. What was verified is intact.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Data that was to be served is not what the torrent says.
    #[error("only {pieces_good} of {piece_count} pieces are there and good")]
    DataIncomplete {
        /// Pieces that are there and good.
        pieces_good: u32,
        /// All pieces.
        piece_count: u32,
    },
}
