use std::{io, net::SocketAddr, path::PathBuf};

use bt_metainfo::MetainfoError;
use bt_storage::StorageError;
use bt_tracker::{Family, Retry};
use bt_tracker_http::{RequestError, ResponseError, UrlError};

pub use crate::net::{HttpError, ListenError};

/// Why a session could not start: something about the machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// No port could be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No socket for a tracker, or to ask one from, can be had.
    #[error("cannot open a socket for the tracker")]
    Tracker(#[source] std::io::Error),
    /// No socket to ask the DHT from can be had.
    #[error("cannot open a socket for the DHT")]
    Dht(#[source] std::io::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// Why a torrent was not added: something about the torrent, or about the caller.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The torrent can only be joined as a v2 swarm (BEP 52).
    #[error("this is a v2-only torrent, which bt cannot transfer yet")]
    V2Only,
    /// The session has it already.
    #[error("the torrent has been added before")]
    AlreadyAdded,
    /// Another torrent of the session keeps its data at the same place.
    #[error("another torrent is using {}", .0.display())]
    PathTaken(PathBuf),
}

/// Why an announce or a scrape brought no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnounceError {
    /// It is the URL of another kind of tracker.
    #[error("only udp, http and https trackers are supported yet")]
    UnsupportedScheme,
    /// The URL cannot be asked, whatever its scheme.
    #[error("the URL names no host and port")]
    NoHostAndPort,
    /// The host has no address that we know of.
    #[error("cannot look up {host}")]
    LookUp {
        /// The host in the URL. Untrusted text.
        host: String,
        /// Why not, in the system's words.
        source: io::Error,
    },
    /// The host has addresses of a family only that this machine does not have.
    #[error("no address of it can be reached from here")]
    NoReachableAddress,
    /// The host has no address of the family that was asked for.
    #[error("it has no {0} address")]
    NoAddressOf(Family),
    /// The URL is no `http` or `https` URL that can be asked.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// There is no such request to this tracker.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The web server gave no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// What came back is no answer of a tracker.
    #[error("{tracker}: {source}")]
    NotAnAnswer {
        /// Its address.
        tracker: SocketAddr,
        /// What is wrong with it.
        source: ResponseError,
    },
    /// So many swarms cannot be asked about at once.
    #[error("from 1 to {max} swarms can be asked about at once")]
    ScrapeCount {
        /// How many.
        max: usize,
    },
    /// The tracker does not want us.
    #[error("{tracker}: {reason}")]
    Refused {
        /// Its address.
        tracker: SocketAddr,
        /// Why not, in its own words. Untrusted text of bounded length.
        reason: String,
        /// What it says about trying again.
        retry: Retry,
    },
    /// Nothing came back that was an answer.
    #[error("{tracker}: no answer")]
    NoAnswer {
        /// Its address.
        tracker: SocketAddr,
    },
    /// The system does not send there.
    #[error("{tracker}: cannot be sent to")]
    Unreachable {
        /// Its address.
        tracker: SocketAddr,
        /// Why not, in the system's words.
        source: io::Error,
    },
    /// So many announces wait for this address that it gets no more, or has not got this one in time.
    #[error("{tracker}: too many announces wait for this tracker")]
    Busy {
        /// Its address.
        tracker: SocketAddr,
    },
}

/// Why a torrent could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TorrentError {
    /// What a magnet link leads to is no torrent, though it is what the link's hash stands for.
    #[error("what the link leads to is no valid torrent: {0}")]
    BadMetadata(MetainfoError),
    /// The torrent to which a link leads can only be joined as a v2 swarm (BEP 52).
    #[error("this is a v2-only torrent, which bt cannot transfer yet")]
    V2Only,
    /// What one of the link's two hashes stands for is not what the other does.
    #[error("the two hashes of the link are of different torrents")]
    IdsContradict,
    /// Nobody can say which of its files to fetch, now that they are known.
    #[error("{0}")]
    NotChosen(Box<dyn std::error::Error + Send + Sync>),
    /// Another torrent of the session keeps its data at the same place, as turns out when its name
    /// is known.
    #[error("another torrent is using {}", .0.display())]
    PathTaken(PathBuf),
    /// The disk refused. What was verified is intact.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Another process is using the same data.
    #[error("another bt is using {}", .0.display())]
    InUse(PathBuf),
    /// Data that was to be served is not what the torrent says.
    #[error("only {pieces_good} of {piece_count} pieces are there and good")]
    DataIncomplete {
        /// Pieces that are there and good.
        pieces_good: u32,
        /// All pieces.
        piece_count: u32,
    },
}
