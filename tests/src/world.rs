mod happening;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_metainfo::{Info, InfoBuilder};
use bt_sim::{EventQueue, Network, SimRng};
use bt_swarm::{Config, Swarm};
use bt_types::{Bitfield, FileIndex, PeerId, PeerSource, PieceIndex};
use happening::Happening;

use crate::{NodeReport, NodeSpec, Report, node::Node, tracker::Tracker};

/// What is the same for all nodes of a [`World`].
#[derive(Clone, Copy, Debug)]
pub struct WorldConfig {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// How many pieces the torrent has.
    pub piece_count: u32,
    /// How long each is.
    pub piece_length: u32,
    /// How many peers the tracker returns at a time.
    pub peers_returned: usize,
    /// How many connections a node may have.
    pub max_peers: usize,
    /// How many bytes of payload a node may hold in memory, or reserve for requests.
    pub memory_bytes: usize,
}

/// Nodes, their lines and disks, a tracker, and one clock.
pub struct World {
    config: WorldConfig,
    info: Arc<Info>,
    /// Where the machines' time begins.
    epoch: Instant,
    queue: EventQueue<Happening>,
    network: Network,
    nodes: Vec<Node>,
    tracker: Tracker,
    rng: SimRng,
    /// For measuring messages.
    scratch: Vec<u8>,
}

impl World {
    /// An empty world with one torrent in it.
    ///
    /// # Panics
    /// If the torrent would be one that no client accepts.
    #[must_use]
    pub fn new(config: WorldConfig) -> Self {
        let rng = SimRng::new(config.seed);
        let total = u64::from(config.piece_count) * u64::from(config.piece_length);
        let info = InfoBuilder::new("torrent", config.piece_length)
            .single_file(total)
            .pieces(vec![[0; 20]; config.piece_count as usize])
            .build();
        Self {
            config,
            info: Arc::new(info.expect("holds for the sizes of a scenario")),
            epoch: epoch(),
            queue: EventQueue::new(),
            network: Network::new(rng.fork(1)),
            nodes: Vec::new(),
            tracker: Tracker::new(config.peers_returned, rng.fork(2)),
            rng: rng.fork(3),
            scratch: Vec::new(),
        }
    }

    /// Adds a node; returns its number.
    pub fn add(&mut self, spec: NodeSpec) -> usize {
        let index = self.nodes.len();
        let line = self.network.add(spec.access);
        let id = index as u32;
        let addr = SocketAddr::from(([10, (id >> 16) as u8, (id >> 8) as u8, id as u8], 6881));
        let mut random = [0; 12];
        random[..8].copy_from_slice(&self.rng.next_u64().to_le_bytes());
        let mut config = Config::new(PeerId::azureus(*b"bt", *b"0000", random), addr.port());
        config.grant.max_peers = self.config.max_peers;
        config.grant.memory_bytes = self.config.memory_bytes;
        let swarm = Swarm::new(self.info.ids(), config, self.rng.seed());
        self.queue
            .schedule_at(spec.joins_at, Happening::Join(index));
        let rng = self.rng.fork(u64::from(id));
        self.nodes.push(Node::new(spec, addr, line, swarm, rng));
        index
    }

    /// The bytes of the torrent.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.info.layout().data_length()
    }

    /// Lets the world run until every leecher is complete, or until `end`.
    pub fn run(&mut self, end: Duration) -> Report {
        while !self.is_over() {
            let Some((now, happening)) = self.queue.pop_until(end) else {
                break;
            };
            let touched = self.happen(now, happening);
            for index in touched.into_iter().flatten() {
                self.settle(now, index);
            }
        }
        self.report()
    }

    /// What one node went through, for assertions.
    pub fn events(&self, node: usize) -> impl Iterator<Item = &(Duration, bt_swarm::Event)> {
        self.nodes[node].events.iter()
    }

    /// The address of a node.
    #[must_use]
    pub fn addr(&self, node: usize) -> SocketAddr {
        self.nodes[node].addr
    }

    fn is_over(&self) -> bool {
        let mut leechers = self.nodes.iter().filter(|node| !node.spec.is_seed);
        leechers.all(|node| node.completed_at.is_some())
    }

    fn report(&self) -> Report {
        let now = self.queue.now();
        let nodes = self.nodes.iter().map(|node| NodeReport {
            is_seed: node.spec.is_seed,
            completion_time: node.completed_at.map(|at| at - node.spec.joins_at),
            peak_memory_bytes: node.peak_memory_bytes,
            stats: node.swarm.stats(self.epoch + now),
        });
        Report {
            ended_at: now,
            nodes: nodes.collect(),
        }
    }

    fn join(&mut self, now: Duration, index: usize) {
        let node = &mut self.nodes[index];
        node.is_present = true;
        let count = self.info.layout().piece_count();
        let have = if node.spec.is_seed {
            Bitfield::full(count)
        } else {
            Bitfield::new(count)
        };
        node.swarm
            .handle_metadata(self.epoch + now, Arc::clone(&self.info), have);
        self.announce(now, index);
    }

    /// Asks the tracker for peers, and comes back for more as long as more would help.
    fn announce(&mut self, now: Duration, index: usize) {
        let peers = self.tracker.announce(self.nodes[index].addr);
        let node = &mut self.nodes[index];
        node.swarm
            .add_peers(self.epoch + now, PeerSource::Tracker, peers);
        self.queue
            .schedule_in(ANNOUNCE_INTERVAL, Happening::Announce(index));
    }

    fn leave(&mut self, now: Duration, index: usize) {
        let node = &mut self.nodes[index];
        node.is_present = false;
        self.tracker.leave(node.addr);
        node.swarm.stop(self.epoch + now);
    }

    /// Where a piece lies on a node's disk.
    fn position(&self, piece: PieceIndex) -> u64 {
        let slice = self.info.layout().slices(piece, 0, 1).next();
        slice.map_or(0, |slice| {
            debug_assert_eq!(slice.file, FileIndex(0));
            slice.offset
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary epoch; only offsets from it matter"
)]
fn epoch() -> Instant {
    Instant::now()
}

/// How often a node asks the tracker whether there is somebody new: trackers of busy swarms say
/// so; a node that has enough peers ignores them.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(120);
