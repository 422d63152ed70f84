//! One torrent: the task that drives its swarm and its trackers, and the handle that others hold.

mod check;
mod drive;
mod handle;
mod log;
mod publish;
mod task;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use bt_metainfo::{Info, Metainfo};
use bt_scheduler::Grant;
use bt_swarm::DialId;
use bt_tracker::AnnounceId;
use tokio::sync::mpsc;

pub use self::{
    handle::{Events, TorrentHandle},
    publish::Event,
};
pub(crate) use self::{publish::publisher, task::Task};
use crate::{
    disk::DiskReport,
    handshake::{Established, HandshakeFailure},
    trackers::Outcome,
};

/// What a session needs to know of a torrent to transfer it.
#[derive(Clone, Debug)]
pub struct AddTorrent {
    /// What it consists of.
    pub info: Arc<Info>,
    /// The folder that holds, or will hold, its file or its top folder.
    pub root: PathBuf,
    /// What to do with it.
    pub mode: Mode,
    /// Its trackers' URLs, by tier (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// Peers to begin with.
    pub peers: Vec<SocketAddr>,
}

/// What to do with a torrent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Mode {
    /// Fetch what is missing, then serve.
    Get,
    /// Serve. Data that is not complete is an error, and nothing is written.
    Seed,
}

impl AddTorrent {
    /// A torrent as its file describes it.
    #[must_use]
    pub fn new(metainfo: &Metainfo, root: PathBuf, mode: Mode) -> Self {
        Self {
            info: Arc::clone(metainfo.info()),
            root,
            mode,
            trackers: metainfo.tiers().to_vec(),
            peers: Vec::new(),
        }
    }
}

/// What others send to a torrent's task. Unbounded, since each sender waits for an answer before
/// it sends again: what is under way is bounded by whoever started it.
pub(crate) type Mailbox = mpsc::UnboundedSender<Mail>;

pub(crate) enum Mail {
    /// A dial has ended.
    Dialled(DialId, Result<Established, HandshakeFailure>),
    /// A peer has connected to us.
    Accepted(Established),
    Disk(DiskReport),
    Announced(AnnounceId, Outcome),
    /// What the torrent may use has changed.
    Grant(Grant),
    /// The owner wishes the torrent to end.
    Stop,
}
