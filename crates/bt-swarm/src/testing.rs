//! What the tests of this crate share: swarms joined by wires without length.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bt_metainfo::{Info, InfoBuilder};
use bt_types::{
    BLOCK_LENGTH, Bitfield, ConnId, Direction, Payload, PeerId, PeerSource, PieceIndex, Transport,
};
use bt_wire::{Message, RawBlock, Reserved};

use crate::{
    Action, Config, DiskDone, DiskJob, DiskRefusal, Event, NewConnection, Outgoing, Swarm,
};

/// The same in every call, so that no helper's time lies after its caller's.
pub(crate) fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary epoch; only offsets from it matter"
    )]
    *EPOCH.get_or_init(Instant::now)
}

/// A block without bytes: how long it is, and whether it is the right one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Tag {
    pub(crate) length: u32,
    pub(crate) is_good: bool,
}

impl Payload for Tag {
    fn len(&self) -> usize {
        self.length as usize
    }
}

/// A torrent of one file whose hashes nobody looks at.
pub(crate) fn torrent(piece_length: u32, total: u64) -> Arc<Info> {
    let pieces = vec![[0; 20]; total.div_ceil(u64::from(piece_length)) as usize];
    let info = InfoBuilder::new("file", piece_length)
        .single_file(total)
        .pieces(pieces)
        .build();
    Arc::new(info.unwrap())
}

/// Several swarms of one torrent. Whatever one sends has arrived when [`run`](Self::run) returns.
pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) nodes: Vec<Node>,
    /// The other end of each connection.
    wires: BTreeMap<(usize, ConnId), (usize, ConnId)>,
    inbox: VecDeque<(usize, ConnId, Delivery)>,
}

pub(crate) struct Node {
    pub(crate) swarm: Swarm<Tag>,
    pub(crate) addr: SocketAddr,
    pub(crate) events: Vec<Event>,
    /// Answers of the disk that are not given before [`Net::release_disk`].
    pub(crate) held_disk: Option<Vec<DiskDone<Tag>>>,
    pub(crate) disk_refuses: Vec<DiskRefusal>,
    /// Pieces that are not on disk any more.
    pub(crate) gone: BTreeSet<PieceIndex>,
    /// Jobs that the disk has refused.
    pub(crate) refused: usize,
    pub(crate) is_liar: bool,
    /// The only block of each piece about which a liar lies, if it is not all.
    pub(crate) lies_in_slot: Option<u32>,
    pub(crate) is_down: bool,
    pub(crate) peak_memory: usize,
    pub(crate) requests_sent: usize,
    pub(crate) spills: usize,
    /// What the disk has of incomplete pieces because of spills.
    pub(crate) spilled: BTreeMap<PieceIndex, BTreeMap<u32, Tag>>,
}

enum Delivery {
    Message(Message),
    Block(RawBlock, Tag),
}

impl Net {
    pub(crate) fn new() -> Self {
        Self {
            now: epoch(),
            nodes: Vec::new(),
            wires: BTreeMap::new(),
            inbox: VecDeque::new(),
        }
    }

    /// Adds a node with `have` of the torrent; returns its number.
    pub(crate) fn add(&mut self, info: &Arc<Info>, have: Bitfield) -> usize {
        self.add_with(info, have, |_| {})
    }

    pub(crate) fn add_with(
        &mut self,
        info: &Arc<Info>,
        have: Bitfield,
        configure: impl FnOnce(&mut Config),
    ) -> usize {
        let index = self.nodes.len();
        let mut config = Config::new(PeerId([index as u8 + 1; 20]), 6881);
        // Most tests are about who knows whom.
        config.pex = false;
        configure(&mut config);
        let mut swarm = Swarm::new(info.ids(), config, [index as u8; 32]);
        swarm.handle_metadata(self.now, Arc::clone(info), have);
        self.nodes.push(Node {
            swarm,
            addr: SocketAddr::from(([127, 0, 1, index as u8], 6881)),
            events: Vec::new(),
            held_disk: None,
            disk_refuses: Vec::new(),
            gone: BTreeSet::new(),
            refused: 0,
            is_liar: false,
            lies_in_slot: None,
            is_down: false,
            peak_memory: 0,
            requests_sent: 0,
            spills: 0,
            spilled: BTreeMap::new(),
        });
        index
    }

    /// Adds a node that knows the ids only.
    pub(crate) fn add_by_ids(&mut self, info: &Arc<Info>) -> usize {
        let index = self.leech(info);
        let mut config = Config::new(PeerId([index as u8 + 1; 20]), 6881);
        config.pex = false;
        self.nodes[index].swarm = Swarm::new(info.ids(), config, [index as u8; 32]);
        index
    }

    pub(crate) fn seed(&mut self, info: &Arc<Info>) -> usize {
        self.add(info, Bitfield::full(info.layout().piece_count()))
    }

    pub(crate) fn leech(&mut self, info: &Arc<Info>) -> usize {
        self.add(info, Bitfield::new(info.layout().piece_count()))
    }

    pub(crate) fn tell(&mut self, node: usize, of: &[usize]) {
        let peers: Vec<_> = of.iter().map(|&other| self.nodes[other].addr).collect();
        self.nodes[node]
            .swarm
            .add_peers(self.now, PeerSource::Tracker, peers);
    }

    /// Lets everything happen that happens at this moment.
    pub(crate) fn run(&mut self) {
        loop {
            let mut is_idle = true;
            for index in 0..self.nodes.len() {
                while let Some(action) = self.nodes[index].swarm.poll_action() {
                    is_idle = false;
                    self.act(index, action);
                }
                let node = &mut self.nodes[index];
                while let Some(event) = node.swarm.poll_event() {
                    node.events.push(event);
                }
                node.swarm.check_invariants();
                node.peak_memory = node
                    .peak_memory
                    .max(node.swarm.stats(self.now).memory_bytes);
            }
            while let Some((index, conn, delivery)) = self.inbox.pop_front() {
                is_idle = false;
                let swarm = &mut self.nodes[index].swarm;
                match delivery {
                    Delivery::Message(message) => swarm.handle_message(self.now, conn, message),
                    Delivery::Block(block, tag) => swarm.handle_block(self.now, conn, block, tag),
                }
            }
            if is_idle {
                return;
            }
        }
    }

    /// Lets virtual time pass, from one deadline to the next.
    pub(crate) fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run();
        while let Some(next) = self.next_timeout().filter(|&next| next <= end) {
            self.now = next.max(self.now);
            for node in self.nodes.iter_mut().filter(|node| !node.is_down) {
                node.swarm.handle_timeout(self.now);
            }
            self.run();
        }
        self.now = end;
    }

    /// Until `node` is complete, or at most for `limit`.
    pub(crate) fn complete(&mut self, node: usize, limit: Duration) {
        let end = self.now + limit;
        while !self.nodes[node].swarm.is_complete() && self.now < end {
            self.advance(Duration::from_millis(500));
        }
        assert!(
            self.nodes[node].swarm.is_complete(),
            "{:?}",
            self.nodes[node].swarm.stats(self.now)
        );
    }

    pub(crate) fn release_disk(&mut self, node: usize) {
        for done in self.nodes[node].held_disk.take().unwrap_or_default() {
            self.nodes[node].swarm.handle_disk(self.now, done);
        }
        self.run();
    }

    /// A node vanishes: its connections close, and it is not to be reached.
    pub(crate) fn take_down(&mut self, index: usize) {
        self.nodes[index].is_down = true;
        let ends: Vec<_> = self
            .wires
            .keys()
            .filter(|(node, _)| *node == index)
            .copied()
            .collect();
        for (_, conn) in ends {
            self.nodes[index]
                .swarm
                .handle_disconnected(self.now, conn, None);
            self.close(index, conn);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let up = self.nodes.iter().filter(|node| !node.is_down);
        up.filter_map(|node| node.swarm.poll_timeout()).min()
    }

    fn act(&mut self, index: usize, action: Action<Tag>) {
        match action {
            Action::Dial(dial) => {
                let to = self
                    .nodes
                    .iter()
                    .position(|node| node.addr == dial.peer && !node.is_down);
                match to {
                    Some(to) => self.connect(index, to, dial.id),
                    None => self.nodes[index]
                        .swarm
                        .handle_dial_failed(self.now, dial.id),
                }
            }
            // What is sent has arrived.
            Action::AbortDial(_) | Action::TakeBack(..) => {}
            Action::Send(conn, outgoing) => {
                let delivery = match outgoing {
                    Outgoing::Message(message) => {
                        if matches!(message, Message::Request(_)) {
                            self.nodes[index].requests_sent += 1;
                        }
                        Delivery::Message(message)
                    }
                    Outgoing::Block(block, tag) => {
                        self.nodes[index]
                            .swarm
                            .handle_block_sent(self.now, conn, block);
                        Delivery::Block(block.into(), tag)
                    }
                };
                if let Some(&(to, conn)) = self.wires.get(&(index, conn)) {
                    self.inbox.push_back((to, conn, delivery));
                }
            }
            Action::Disconnect(conn, _) => self.close(index, conn),
            Action::Metadata(bytes) => {
                let info = Arc::new(Info::from_bytes(&bytes).unwrap());
                let have = Bitfield::new(info.layout().piece_count());
                let swarm = &mut self.nodes[index].swarm;
                swarm.handle_metadata(self.now, info, have);
            }
            Action::Disk(job) => {
                let done = self.nodes[index].disk(job);
                match &mut self.nodes[index].held_disk {
                    Some(held) => held.push(done),
                    None => self.nodes[index].swarm.handle_disk(self.now, done),
                }
            }
        }
    }

    fn connect(&mut self, from: usize, to: usize, dial: crate::DialId) {
        let reserved = Reserved::NONE.with_fast().with_extended();
        let new = |net: &Self, other: usize, direction| NewConnection {
            peer: net.nodes[other].addr,
            direction,
            transport: Transport::Tcp,
            peer_id: net.nodes[other].swarm.handshake().peer_id,
            reserved,
            dial: (direction == Direction::Outbound).then_some(dial),
        };
        let out = new(self, to, Direction::Outbound);
        let mut inbound = new(self, from, Direction::Inbound);
        inbound.peer.set_port(40_000 + self.wires.len() as u16);
        let a = self.nodes[from].swarm.handle_connected(self.now, out);
        let b = self.nodes[to].swarm.handle_connected(self.now, inbound);
        match (a, b) {
            (Ok(a), Ok(b)) => {
                self.wires.insert((from, a), (to, b));
                self.wires.insert((to, b), (from, a));
            }
            (Ok(a), Err(_)) => self.nodes[from]
                .swarm
                .handle_disconnected(self.now, a, None),
            (Err(_), Ok(b)) => self.nodes[to].swarm.handle_disconnected(self.now, b, None),
            (Err(_), Err(_)) => {}
        }
    }

    fn close(&mut self, index: usize, conn: ConnId) {
        if let Some((other, other_conn)) = self.wires.remove(&(index, conn)) {
            self.wires.remove(&(other, other_conn));
            self.nodes[other]
                .swarm
                .handle_disconnected(self.now, other_conn, None);
        }
    }
}

impl Node {
    /// What it has of incomplete pieces is wrong from now on.
    pub(crate) fn lose_spilled(&mut self) {
        let blocks = self.spilled.values_mut().flat_map(BTreeMap::values_mut);
        blocks.for_each(|tag| tag.is_good = false);
    }

    /// Why the disk does not do a job, if it does not.
    fn refusal(&self, job: &DiskJob<Tag>) -> Option<DiskRefusal> {
        let is_gone = match job {
            DiskJob::Read { block, .. } => self.gone.contains(&block.piece),
            DiskJob::Verify { piece, blocks, .. } => blocks.is_empty() && self.gone.contains(piece),
            DiskJob::Spill { .. } | DiskJob::Survey => false,
        };
        let reads = match job {
            DiskJob::Verify { blocks, .. } => blocks.is_empty(),
            DiskJob::Spill { .. } => false,
            DiskJob::Read { .. } | DiskJob::Survey => true,
        };
        let refuses = |what| self.disk_refuses.contains(&what).then_some(what);
        let fails = match reads {
            true => refuses(DiskRefusal::Read),
            false => refuses(DiskRefusal::Write).or_else(|| refuses(DiskRefusal::Missing)),
        };
        fails.or_else(|| is_gone.then_some(DiskRefusal::Missing))
    }

    fn disk(&mut self, job: DiskJob<Tag>) -> DiskDone<Tag> {
        if let Some(refusal) = self.refusal(&job) {
            self.refused += 1;
            return DiskDone::Failed(job, refusal);
        }
        match job {
            DiskJob::Survey => DiskDone::Surveyed {
                missing: self.gone.iter().copied().collect(),
                doubtful: Vec::new(),
            },
            DiskJob::Verify {
                piece,
                blocks,
                wants_digests,
            } => {
                let mut all = self.spilled.remove(&piece).unwrap_or_default();
                all.extend(blocks);
                let is_good = all.values().all(|tag| tag.is_good);
                self.gone.remove(&piece);
                let digests = all.iter().map(|(&begin, tag)| (begin, digest_of(*tag)));
                let block_digests = match is_good && !wants_digests {
                    true => Vec::new(),
                    false => digests.collect(),
                };
                match is_good {
                    true => DiskDone::Verified {
                        piece,
                        block_digests,
                    },
                    false => DiskDone::Corrupt {
                        piece,
                        block_digests,
                    },
                }
            }
            DiskJob::Spill { piece, blocks } => {
                self.spills += 1;
                self.spilled.entry(piece).or_default().extend(blocks);
                DiskDone::Spilled(piece)
            }
            DiskJob::Read { conn, block } => {
                let slot = block.begin / BLOCK_LENGTH;
                let lies = self.is_liar && self.lies_in_slot.is_none_or(|only| only == slot);
                let payload = Tag {
                    length: block.length,
                    is_good: !lies,
                };
                DiskDone::Read {
                    conn,
                    block,
                    payload,
                }
            }
        }
    }
}

/// All wrong blocks are alike.
pub(crate) fn digest_of(tag: Tag) -> [u8; 20] {
    [u8::from(!tag.is_good); 20]
}
