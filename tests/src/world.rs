mod happening;
mod lying;
mod network;
mod observing;
mod session;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bt_metainfo::{Info, InfoBuilder};
use bt_scheduler::{Evaluator, Grant};
use bt_sim::{EventQueue, Network, SimRng};
use bt_swarm::{Config, Swarm};
use bt_types::{Bitfield, ConnId, FileIndex, PeerId, PeerSource, PieceIndex};
use happening::{Happening, What};
pub(crate) use network::Wires;
use network::{Batch, Host, Parcel};
use session::Session;
pub use session::SessionUse;

use crate::{
    Behaviour, NodeReport, NodeSpec, Report, Tag, node::Node, timeline::Timeline, tracker::Tracker,
};

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
    /// How many connections a node may be making at once.
    pub max_half_open: usize,
    /// The network falls into two parts for a while.
    pub partition: Option<Partition>,
    /// How nodes judge each other.
    pub evaluator: Evaluator,
    /// Until then the tracker does not answer.
    pub tracker_down_until: Duration,
    /// Peers tell each other of peers (BEP 11).
    pub pex: bool,
    /// Peers give each other the info dictionary (BEP 9).
    pub exchange_metadata: bool,
    /// All that the tracker tells of, in place of peers at random: the node with this number.
    pub only_named: Option<usize>,
}

/// For how long [near and far](NodeSpec::is_far) nodes do not reach each other. The tracker is
/// with the near ones.
///
/// Connections do not break by that: what is sent waits, and arrives when TCP tries again. It
/// does so less and less often (RFC 6298 doubles the time-out), so up to as long after the end as
/// the partition lasted, but never more than a minute.
#[derive(Clone, Copy, Debug)]
pub struct Partition {
    /// When it begins.
    pub from: Duration,
    /// When it ends.
    pub until: Duration,
}

/// Nodes, their lines and disks, trackers, and one clock.
///
/// What is modelled of a node: the line that it shares among its connections, packet by packet
/// (see [`bt_sim::Stream`], also for what loss does to TCP); whether others can
/// [dial it](NodeSpec::nat); its disk, which does one thing at a time. All bytes of the peer
/// protocol count, with the headers of TCP and IP; those of trackers do not.
pub struct World {
    config: WorldConfig,
    /// Where the machines' time begins.
    epoch: Instant,
    queue: EventQueue<Happening>,
    network: Network,
    torrents: Vec<Torrent>,
    nodes: Vec<Node>,
    /// One for each line; the network's node of the same number.
    hosts: Vec<Host>,
    sessions: Vec<Session>,
    /// What waits for the end of the partition, by sender.
    held: BTreeMap<(usize, ConnId), Vec<Parcel>>,
    /// Nodes without whose completion the world is not over.
    awaited: usize,
    /// Those of them that give something.
    awaited_contributors: usize,
    timeline: Timeline,
    rng: SimRng,
    /// Messages that go out by one write.
    batch: Option<Batch>,
    /// To whom something has happened.
    touched: Vec<usize>,
    /// For measuring messages.
    scratch: Vec<u8>,
}

struct Torrent {
    info: Arc<Info>,
    tracker: Tracker,
}

impl WorldConfig {
    /// The setting that our figures are stated for: 1,000 pieces of 256 KiB, at most 50
    /// connections, a tracker that returns 50 peers at random, the client's memory.
    #[must_use]
    pub fn common(seed: u64) -> Self {
        Self {
            seed,
            piece_count: 1000,
            piece_length: 256 * 1024,
            peers_returned: 50,
            max_peers: 50,
            memory_bytes: 32 << 20,
            max_half_open: Grant::default().max_half_open,
            partition: None,
            evaluator: Evaluator::default(),
            tracker_down_until: Duration::ZERO,
            pex: false,
            exchange_metadata: false,
            only_named: None,
        }
    }
}

impl World {
    /// An empty world with one torrent in it.
    ///
    /// # Panics
    /// If the torrent would be one that no client accepts.
    #[must_use]
    pub fn new(config: WorldConfig) -> Self {
        let rng = SimRng::new(config.seed);
        let mut world = Self {
            config,
            epoch: bt_sim::epoch(),
            queue: EventQueue::new(),
            network: Network::new(rng.fork(1)),
            torrents: Vec::new(),
            nodes: Vec::new(),
            hosts: Vec::new(),
            sessions: Vec::new(),
            held: BTreeMap::new(),
            awaited: 0,
            awaited_contributors: 0,
            timeline: Timeline::default(),
            rng: rng.fork(3),
            batch: None,
            touched: Vec::new(),
            scratch: Vec::new(),
        };
        world.add_torrent(config.piece_count, config.piece_length);
        world
    }

    /// Adds a torrent; returns its number. The first, of the [`WorldConfig`], is 0.
    ///
    /// # Panics
    /// If the torrent would be one that no client accepts.
    pub fn add_torrent(&mut self, piece_count: u32, piece_length: u32) -> usize {
        let total = u64::from(piece_count) * u64::from(piece_length);
        self.add_torrent_of(&[total], piece_length)
    }

    /// Adds a torrent of files of these lengths; returns its number.
    ///
    /// # Panics
    /// If the torrent would be one that no client accepts.
    pub fn add_torrent_of(&mut self, files: &[u64], piece_length: u32) -> usize {
        let number = self.torrents.len();
        let info = InfoBuilder::new(format!("torrent {number}"), piece_length);
        let info = match files {
            &[length] => info.single_file(length),
            _ => (0..)
                .zip(files)
                .fold(info, |info, (file, &length): (u32, _)| {
                    info.file([file.to_string()], length)
                }),
        };
        let total = files.iter().sum::<u64>();
        let piece_count = total.div_ceil(piece_length.into());
        let info = info.pieces(vec![[0; 20]; piece_count as usize]).build();
        let rng = SimRng::new(self.config.seed).fork(2).fork(number as u64);
        self.torrents.push(Torrent {
            info: Arc::new(info.expect("holds for the sizes of a scenario")),
            tracker: Tracker::new(self.config.peers_returned, rng),
        });
        number
    }

    /// Adds a node with a line of its own; returns its number.
    pub fn add(&mut self, spec: NodeSpec) -> usize {
        let host = self.add_host(&spec);
        self.add_to(host, spec)
    }

    fn add_host(&mut self, spec: &NodeSpec) -> usize {
        let line = self.network.add(spec.access);
        self.hosts.push(Host::new(line));
        self.hosts.len() - 1
    }

    fn add_to(&mut self, host: usize, spec: NodeSpec) -> usize {
        let index = self.nodes.len();
        // Public addresses: what is private means something else in every network, and is
        // treated so.
        let [_, a, b, c] = (host as u32).to_be_bytes();
        let addr = SocketAddr::from(([11, a, b, c], PORT));
        let swarm = new_swarm(&self.config, &self.torrents, &spec, &mut self.rng);
        self.queue
            .schedule_at(spec.joins_at, Happening::Join(index));
        if let Some(absence) = spec.absence {
            self.queue
                .schedule_at(absence.from, Happening::Leave(index));
            self.queue
                .schedule_at(absence.until, Happening::Join(index));
        }
        if let Some(full) = spec.full_disk {
            let fills = Happening::DiskFull(index, true);
            self.queue.schedule_at(full.from, fills);
            let empties = Happening::DiskFull(index, false);
            self.queue.schedule_at(full.until, empties);
        }
        self.awaited += usize::from(spec.is_awaited());
        self.awaited_contributors += usize::from(spec.is_awaited_contributor());
        self.hosts[host].members.push(index);
        let rng = self.rng.fork(index as u64);
        self.nodes
            .push(Node::new(index, spec, addr, host, swarm, rng));
        index
    }

    /// The bytes of the first torrent.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.torrents[0].info.layout().data_length()
    }

    /// Lets the world run until every leecher is complete (liars need not be), or until `end`.
    pub fn run(&mut self, end: Duration) -> Report {
        while self.awaited > 0 {
            let Some((now, happening)) = self.queue.pop_until(end) else {
                break;
            };
            self.happen(now, happening);
            while let Some(index) = self.touched.pop() {
                self.settle(now, index);
            }
        }
        self.report()
    }

    /// How many things have happened: what a run costs depends on it.
    #[must_use]
    pub fn happenings(&self) -> u64 {
        self.queue.popped()
    }

    /// What one node went through, for assertions: completion, failed pieces and bans; and verified
    /// pieces, if it chooses what it wants.
    pub fn events(&self, node: usize) -> impl Iterator<Item = &(Duration, bt_swarm::Event)> {
        self.nodes[node].events.iter()
    }

    /// The address of a node.
    #[must_use]
    pub fn addr(&self, node: usize) -> SocketAddr {
        self.nodes[node].addr
    }

    fn report(&self) -> Report {
        let now = self.queue.now();
        let nodes = self.nodes.iter().map(|node| {
            let spec = &node.spec;
            let mut stats = node.swarm.stats(self.epoch + now);
            stats.downloaded += node.past.downloaded;
            stats.uploaded += node.past.uploaded;
            stats.wasted += node.past.wasted;
            let is_complete = node.completed_at.is_some();
            let absence = spec.absence.filter(|absence| {
                node.completed_at.is_none_or(|at| at >= absence.until) && now >= absence.from
            });
            let absent = absence.map(|absence| absence.until.min(now) - absence.from);
            NodeReport {
                group: spec.group,
                is_seed: spec.is_seed,
                is_counted: spec.is_counted,
                up: spec.access.up.get(),
                down: spec.access.down.get(),
                completed_at: node.completed_at,
                learnt_at: node.learnt_at,
                completion_time: node.completed_at.map(|at| at - spec.joins_at),
                absent: absent.filter(|_| is_complete).unwrap_or_default(),
                held_at_end_of_contributors: node.held_at_end_of_contributors,
                lied_to_by: node.lied_to_by.clone(),
                suspected: node.suspected.clone(),
                banned: node.banned.clone(),
                is_liar: matches!(spec.behaviour, Behaviour::Liar(_)),
                peak_memory_bytes: node.peak_memory_bytes,
                stats,
            }
        });
        Report {
            ended_at: now,
            bytes: self.total_bytes(),
            nodes: nodes.collect(),
            timeline: self.timeline.clone(),
        }
    }

    fn join(&mut self, now: Duration, index: usize) {
        let node = &mut self.nodes[index];
        if node.kept.is_some() {
            let swarm = new_swarm(&self.config, &self.torrents, &node.spec, &mut self.rng);
            node.begin_anew(self.epoch + now, swarm);
        }
        node.is_present = true;
        let info = &self.torrents[node.spec.torrent].info;
        let count = info.layout().piece_count();
        let have = match node.kept.take() {
            Some(kept) => kept,
            None if node.spec.is_seed => {
                let mut have = Bitfield::full(count);
                for &piece in &node.spec.lacks {
                    have.remove(PieceIndex::new(piece));
                }
                have
            }
            None => Bitfield::new(count),
        };
        let selection = Arc::clone(&node.spec.selection);
        node.swarm.set_selection(self.epoch + now, selection);
        if node.spec.knows_metadata {
            node.swarm
                .handle_metadata(self.epoch + now, Arc::clone(info), have);
        }
        let host = &mut self.hosts[node.host];
        host.present += 1;
        if host.present == 1 {
            self.timeline.joined(now, node.spec.useful_up());
        }
        self.announce(now, index);
        self.touched.push(index);
    }

    /// Asks the tracker for peers, and comes back for more as long as more would help.
    fn announce(&mut self, now: Duration, index: usize) {
        let node = &mut self.nodes[index];
        if now < self.config.tracker_down_until {
            (node.outside.trackers_working, node.outside.trackers_failing) = (0, 1);
            self.queue
                .schedule_in(RETRY_INTERVAL, Happening::Node(node.life, What::Announce));
            return;
        }
        let is_cut_off = node.spec.is_far && self.config.partition.is_some_and(|p| p.holds(now));
        if !is_cut_off {
            (node.outside.trackers_working, node.outside.trackers_failing) = (1, 0);
            let tracker = &mut self.torrents[node.spec.torrent].tracker;
            let peers = match self.config.only_named {
                Some(named) => vec![self.nodes[named].addr],
                None => tracker.announce(node.addr),
            };
            let node = &mut self.nodes[index];
            node.swarm
                .add_peers(self.epoch + now, PeerSource::Tracker, peers);
        }
        let life = self.nodes[index].life;
        self.queue
            .schedule_in(ANNOUNCE_INTERVAL, Happening::Node(life, What::Announce));
    }

    fn leave(&mut self, now: Duration, index: usize) {
        let node = &mut self.nodes[index];
        if !node.is_present {
            return;
        }
        node.is_present = false;
        node.kept = node.swarm.have().cloned();
        self.torrents[node.spec.torrent].tracker.leave(node.addr);
        node.swarm.stop(self.epoch + now);
        let host = &mut self.hosts[node.host];
        host.present -= 1;
        if host.present == 0 {
            self.timeline.left(now, node.spec.useful_up());
        }
        self.touched.push(index);
    }

    /// Where a piece lies on a node's disk, on which files lie one behind the other.
    fn position(&self, torrent: usize, piece: PieceIndex) -> u64 {
        let layout = self.torrents[torrent].info.layout();
        let slice = layout.slices(piece, 0, 1).next();
        slice.map_or(0, |slice| {
            let before = (0..slice.file.0).map(|file| layout.file_length(FileIndex(file)));
            before.sum::<u64>() + slice.offset
        })
    }

    /// The host that has this address.
    fn host_at(&self, ip: IpAddr) -> Option<usize> {
        let IpAddr::V4(ip) = ip else { return None };
        let [_, a, b, c] = ip.octets();
        let host = u32::from_be_bytes([0, a, b, c]) as usize;
        (host < self.hosts.len()).then_some(host)
    }

    /// The node at this address that has the same torrent as `other`.
    fn fellow_at(&self, addr: SocketAddr, other: usize) -> Option<usize> {
        let torrent = self.nodes[other].spec.torrent;
        let mut members = self.hosts[self.host_at(addr.ip())?].members.iter().copied();
        members.find(|&member| self.nodes[member].spec.torrent == torrent)
    }
}

impl Partition {
    fn holds(&self, now: Duration) -> bool {
        (self.from..self.until).contains(&now)
    }
}

fn new_swarm(
    config: &WorldConfig,
    torrents: &[Torrent],
    spec: &NodeSpec,
    rng: &mut SimRng,
) -> Swarm<Tag> {
    let mut random = [0; 12];
    random[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
    let mut swarm = Config::new(PeerId::azureus(*b"bt", *b"0000", random), PORT);
    swarm.grant.max_peers = config.max_peers;
    swarm.grant.max_half_open = config.max_half_open;
    swarm.grant.memory_bytes = config.memory_bytes;
    swarm.evaluator = config.evaluator;
    swarm.pex = config.pex;
    swarm.exchange_metadata = config.exchange_metadata;
    if spec.behaviour == Behaviour::Leech {
        swarm.grant.upload_slots = 0;
    }
    Swarm::new(torrents[spec.torrent].info.ids(), swarm, rng.seed())
}

/// How often a node asks the tracker whether there is somebody new: trackers of busy swarms say
/// so; a node that has enough peers ignores them.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(120);
/// How soon a tracker is asked again that did not answer.
const RETRY_INTERVAL: Duration = Duration::from_secs(15);
const PORT: u16 = 6881;
