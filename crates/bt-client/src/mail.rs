//! What others tell a torrent's task.

use std::{net::SocketAddr, sync::Arc};

use bt_metainfo::{Info, MetainfoError};
use bt_scheduler::{Grant, RateLimits};
use bt_storage::StorageError;
use bt_swarm::{BanList, DialId, DiskDone, Limit, PeerInfo};
use bt_tracker::{AnnounceFailure, AnnounceId};
use bt_types::{AnnounceResponse, PeerSource, Selection};
use tokio::sync::{mpsc, oneshot};

use crate::{
    State, TorrentError,
    buffers::Buffer,
    handshake::{Established, HandshakeFailure},
    net::Wait,
    torrent::Found,
    trackers::SeenAs,
};

/// What others send to a torrent's task. Unbounded, since each sender but one waits for an answer
/// before it sends again: what is under way is bounded by whoever started it. Grants come a few
/// times a second, and when torrents come and go; bans are rare.
pub(crate) type Mailbox = mpsc::UnboundedSender<Mail>;

pub(crate) enum Mail {
    /// A dial has ended.
    Dialled(DialId, Result<Established, HandshakeFailure>),
    /// A peer has connected to us.
    Accepted(Established),
    Disk(DiskReport),
    /// Of which generation of trackers it is, and whether it waits for its turn.
    AnnounceWaits(u32, AnnounceId, Wait),
    /// Of which generation of trackers it was, and how it ended.
    Announced(u32, AnnounceId, Outcome),
    /// A tracker has told our address.
    SeenAs(SeenAs),
    /// The names of peers have been looked up.
    PeersNamed(Vec<SocketAddr>),
    /// The metadata that peers have sent has been read.
    Metadata(Result<Info, MetainfoError>),
    /// And it has been kept, if it can be.
    MetadataKept,
    /// How the look at what is on disk goes, while peers are connected already.
    Looking(State, Limit),
    /// What it has found; `None` if it was to end early.
    Looked(Result<Option<Box<Found>>, TorrentError>),
    /// Peers are known from somewhere else than from trackers; as many as the datagrams of one
    /// look-up bring, and of searches on the local network a bounded many a second.
    Found(PeerSource, Vec<SocketAddr>),
    /// An announce in the DHT has ended.
    DhtAnnounced {
        /// How many nodes have taken it.
        nodes: usize,
    },
    /// What the torrent may use has changed.
    Grant(Grant),
    /// A peer has lied to some torrent of the session.
    Bans(Arc<BanList>),
    /// The owner changes how fast the torrent may be.
    Limits(RateLimits),
    /// Somebody wants to see the peers.
    Peers(oneshot::Sender<Vec<PeerInfo>>),
    /// The owner wants other files than before.
    Select(Arc<Selection>),
    /// What lies on disk is as this selection wants it; or the disk refused.
    Selected(Arc<Selection>, Result<(), StorageError>),
    /// The owner wishes the torrent to end.
    Stop,
}

/// How a job ended, in the swarm's words; and in ours, if the disk refused.
#[derive(Debug)]
pub(crate) struct DiskReport {
    pub(crate) done: DiskDone<Buffer>,
    pub(crate) error: Option<StorageError>,
}

/// How an announce ended.
pub(crate) type Outcome = Result<AnnounceResponse, AnnounceFailure>;
