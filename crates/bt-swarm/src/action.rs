use std::net::SocketAddr;

use bt_types::{Block, ConnId, Encryption, PieceIndex, Transport};
use bt_wire::Message;

use crate::BanReason;

/// What the driver must do for a [`Swarm`](crate::Swarm). In order: actions about one connection
/// must keep it.
#[derive(Debug)]
pub enum Action<P> {
    /// Connect to a peer and exchange handshakes; answer with
    /// [`handle_connected`](crate::Swarm::handle_connected) or
    /// [`handle_dial_failed`](crate::Swarm::handle_dial_failed).
    Dial(Dial),
    /// Give up a dial that takes too long. The swarm has forgotten it; no answer is wanted.
    AbortDial(DialId),
    /// Send to a connected peer.
    Send(ConnId, Outgoing<P>),
    /// The peer has cancelled its request for a block that it was to be sent. If not a byte of it
    /// (its header included) has been handed to the network, throw it away and say
    /// [`handle_block_taken_back`](crate::Swarm::handle_block_taken_back); else it is sent as if
    /// nothing had been said.
    TakeBack(ConnId, Block),
    /// Close a connection. The swarm has forgotten it; no answer is wanted.
    Disconnect(ConnId, DisconnectReason),
    /// Work for the disk; answer with [`handle_disk`](crate::Swarm::handle_disk).
    Disk(DiskJob<P>),
    /// The info dictionary has come from peers, byte for byte as the info hash stands for (BEP 9).
    /// Once. Read it with [`Info::from_bytes`](bt_metainfo::Info::from_bytes), see what of the
    /// torrent is on disk, and answer with [`handle_metadata`](crate::Swarm::handle_metadata). If it
    /// cannot be read, it is the torrent that is bad: stop the swarm.
    Metadata(Box<[u8]>),
}

/// Names one attempt to reach a peer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DialId(pub u64);

/// An attempt to reach a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Dial {
    /// To be named in the answer.
    pub id: DialId,
    /// Where.
    pub peer: SocketAddr,
    /// Over what.
    pub transport: Transport,
    /// How the connection begins.
    pub encryption: Encryption,
}

/// What goes to a peer.
#[derive(Debug)]
pub enum Outgoing<P> {
    /// A message without payload. A `Request` or `Cancel` also tells the driver which blocks to
    /// expect, so that their bytes can be read straight into a buffer of their own.
    Message(Message),
    /// A block that the peer asked for. When its last byte has been handed to the network the
    /// driver calls [`handle_block_sent`](crate::Swarm::handle_block_sent).
    Block(Block, P),
}

/// Work for the disk. Jobs may be done in any order and side by side.
#[derive(Debug)]
pub enum DiskJob<P> {
    /// Hash a piece, and write it if it is good.
    Verify {
        /// The piece, of which every block has arrived, or which has been on disk before.
        piece: PieceIndex,
        /// Where each block that is in memory begins, ascending, and its bytes. What is missing
        /// is on disk and must be read back: it has been spilled, or written when the piece was
        /// verified the first time.
        blocks: Vec<(u32, P)>,
        /// Whether to tell the digests of the blocks if the piece is good: it was not before, and
        /// they tell who had lied. Rare, so that who is honest pays nothing for it.
        wants_digests: bool,
    },
    /// Write blocks of an incomplete piece to their place, unverified, because memory is short.
    Spill {
        /// The piece.
        piece: PieceIndex,
        /// Where each block begins, ascending, and its bytes.
        blocks: Vec<(u32, P)>,
    },
    /// Read verified bytes to send them to a peer.
    Read {
        /// For whom: to be given back in the answer.
        conn: ConnId,
        /// What.
        block: Block,
    },
    /// Look which pieces cannot be on disk, because a file is missing or too short; nothing need be
    /// read. Only when the disk has refused something before.
    Survey,
}

/// How work for the disk went.
#[derive(Debug)]
pub enum DiskDone<P> {
    /// The piece is good, and written.
    Verified {
        /// The piece.
        piece: PieceIndex,
        /// Where each block begins, and its SHA-1: of those that were spilled, too. Empty unless
        /// the job wanted them.
        block_digests: Vec<(u32, [u8; 20])>,
    },
    /// The piece is not what the torrent says; nothing was written.
    Corrupt {
        /// The piece.
        piece: PieceIndex,
        /// Where each block begins, and its SHA-1: tells later who lied. Spilled blocks that
        /// cannot be read back may be left out.
        block_digests: Vec<(u32, [u8; 20])>,
    },
    /// The blocks are on disk and their memory is free.
    Spilled(PieceIndex),
    /// The bytes to send.
    Read {
        /// For whom.
        conn: ConnId,
        /// What.
        block: Block,
        /// Exactly `block.length` bytes.
        payload: P,
    },
    /// The pieces that cannot be there, as a [`DiskJob::Survey`] has found.
    Surveyed {
        /// Whether or not we have said to have them.
        missing: Vec<PieceIndex>,
        /// Those that may be lost, all or in part, though that cannot be seen from outside: they are read
        /// anew.
        doubtful: Vec<PieceIndex>,
    },
    /// The disk refused. The job comes back with all its blocks, so that it can be tried again
    /// later; if blocks are gone, the piece is fetched again.
    Failed(DiskJob<P>, DiskRefusal),
}

/// What a disk refused to do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DiskRefusal {
    /// To write. What is there can still be read.
    Write,
    /// To read, or everything.
    Read,
    /// To read a file, or an end of it, that is not there any more, or to write to a file that has
    /// gone. Not when more is amiss, as with a disk that is not mounted: what is on that is not lost.
    Missing,
    /// The same of what is kept beside the files, for pieces that are wanted in part: which of them
    /// are lost a survey tells for certain, and nothing else is in doubt.
    MissingBeside,
}

impl DiskRefusal {
    /// Whether something that was there is not any more.
    #[must_use]
    pub fn is_loss(self) -> bool {
        matches!(self, Self::Missing | Self::MissingBeside)
    }
}

/// Which work the disk refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailedJob {
    /// A [`DiskJob::Verify`].
    Verify(PieceIndex),
    /// A [`DiskJob::Spill`].
    Spill(PieceIndex),
    /// A [`DiskJob::Read`].
    Read(ConnId, Block),
    /// A [`DiskJob::Survey`].
    Survey,
}

impl<P> From<&DiskJob<P>> for FailedJob {
    fn from(job: &DiskJob<P>) -> Self {
        match *job {
            DiskJob::Verify { piece, .. } => Self::Verify(piece),
            DiskJob::Spill { piece, .. } => Self::Spill(piece),
            DiskJob::Read { conn, block } => Self::Read(conn, block),
            DiskJob::Survey => Self::Survey,
        }
    }
}

/// Why we close a connection: for the log, the statistics and the user.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The peer broke the protocol; what it did is told in words.
    #[error("protocol broken: {0}")]
    Protocol(ProtocolBreach),
    /// The peer has sent nothing for longer than a keep-alive interval.
    #[error("silent for too long")]
    Silent,
    /// The peer has sent bad data.
    #[error(transparent)]
    BadData(BanReason),
    /// The peer has sent bad data before: in another torrent, or from another port.
    #[error("banned for bad data")]
    Banned,
    /// Both of us have everything.
    #[error("both sides have everything")]
    BothComplete,
    /// Both of us have all that we want (BEP 21).
    #[error("both sides only upload")]
    BothUploadOnly,
    /// Not a byte of payload has gone either way for long, and others wait.
    #[error("no payload either way for long, and others wait")]
    Useless,
    /// The torrent may have fewer connections than before, and others carry more.
    #[error("other torrents need the room")]
    NoRoom,
    /// The torrent goes over to another tracker, and may take nobody along (BEP 27).
    #[error("the private torrent's tracker has changed")]
    TrackerSwitched,
    /// The torrent turned out to be private, and no tracker has named the peer (BEP 27).
    #[error("the torrent is private, and no tracker has named the peer")]
    Private,
    /// A second connection to the same peer, of which one is kept.
    #[error("connected twice")]
    Duplicate,
    /// The torrent has been stopped.
    #[error("the torrent has been stopped")]
    Stopped,
    /// What the peer sent is no message at all; the driver found out.
    #[error("malformed message: {0}")]
    Malformed(bt_wire::DecodeError),
    /// The peer does not take what we send.
    #[error("does not read what we send")]
    NotReading,
}

/// How a peer broke the protocol.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolBreach {
    /// It spoke of a piece that the torrent does not have.
    #[error("{message} about a piece that does not exist: {error}")]
    NoSuchPiece {
        /// The message's name.
        message: &'static str,
        /// The numbers.
        error: bt_types::PieceOutOfRange,
    },
    /// Its bitfield is not one of this torrent.
    #[error(transparent)]
    Bitfield(#[from] bt_types::BitfieldError),
    /// It used a message of an extension that was not agreed on.
    #[error("{0} without the fast extension")]
    FastNotAgreed(&'static str),
    /// It asked too often for what it cannot have: what is not there, more than a block, what we
    /// have not got; or, again and again, while we choke it.
    #[error("{0} requests for what it cannot have")]
    InvalidRequests(u32),
    /// It sent too many blocks that nobody asked for.
    #[error("{0} blocks that were not requested")]
    UnrequestedBlocks(u32),
    /// It sent too many messages that nobody knows.
    #[error("{0} unknown messages")]
    UnknownMessages(u32),
    /// It introduced itself again and again (BEP 10).
    #[error("{0} extended handshakes")]
    ExtendedHandshakes(u32),
    /// It sent more `have` messages before the metadata was known than a torrent has pieces.
    #[error("{0} pieces announced before the metadata was known")]
    TooManyHaves(usize),
    /// It sent a block of metadata of another length than it must have, or of metadata of another
    /// size than it had said (BEP 9).
    #[error("metadata block {0} of the wrong size")]
    MetadataBlock(u32),
    /// It asked too often for metadata that it cannot have: more than there is, or more often than
    /// anybody needs it.
    #[error("{0} requests for metadata that it cannot have")]
    MetadataRequests(u32),
    /// It told of other peers again and again (BEP 11 allows it once a minute).
    #[error("{0} messages about other peers within a minute")]
    PexFlood(u32),
    /// It took the same piece again and again, and never said that it has it.
    #[error("piece {piece} taken {times} times over")]
    SamePiece {
        /// The piece.
        piece: PieceIndex,
        /// How often it could have had it for what it was sent.
        times: u64,
    },
}
