//! One torrent: the task that drives its swarm and its trackers, and the handle that others hold.

mod check;
mod discovery;
mod drive;
mod handle;
mod log;
mod parts;
mod publish;
mod record;
mod selecting;
mod task;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use bt_metainfo::{Info, Metainfo};
use bt_scheduler::RateLimits;
use bt_types::Selection;

pub(crate) use self::{discovery::Discovery, parts::Parts, publish::publisher, task::run};
pub use self::{
    handle::{Events, TorrentHandle},
    publish::Event,
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
    /// Nodes of the DHT that its maker names (BEP 5), host and port.
    pub dht_nodes: Vec<(String, u16)>,
    /// Which of its files are wanted, and what of them comes first. Counts for [`Mode::Get`].
    pub selection: Arc<Selection>,
    /// Whether files are called `NAME.part` until they are complete. Those that are called so
    /// already are recognised in any case.
    pub part_names: bool,
    /// How fast it may be, whatever the session's limits are; the lower counts.
    pub limits: RateLimits,
    /// To hash all that is on disk first, though the session may remember what it is.
    pub recheck: bool,
}

/// What to do with a torrent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Mode {
    /// Fetch what is missing of what is wanted, then serve.
    Get,
    /// Serve. Data that is not complete is an error, and nothing is written.
    Seed,
    /// As [`Seed`](Self::Seed), and show each peer only pieces that no other has, until all are
    /// among them (BEP 16, super-seeding): for the first seed of a torrent.
    SuperSeed,
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
            dht_nodes: metainfo.nodes().to_vec(),
            selection: Arc::default(),
            part_names: false,
            limits: RateLimits::NONE,
            recheck: false,
        }
    }
}
