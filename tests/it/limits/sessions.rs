//! Sessions of several torrents each, whose rates an arbiter divides, on virtual time.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_metainfo::{Info, InfoBuilder};
use bt_scheduler::{Arbiter, Grant, RateLimits};
use bt_sim::{Access, EventQueue, Network, NodeId, SimRng, epoch};
use bt_swarm::{Action, Config, DiskDone, DiskJob, Event, NewConnection, Outgoing, Swarm};
use bt_tests::Tag;
use bt_types::{Bitfield, Block, ConnId, Direction, PeerId, Transport};
use bt_wire::{Message, Reserved};

/// Sessions behind lines of their own, with nothing but distance between them.
pub(super) struct Sessions {
    /// Where the machines' time begins.
    epoch: Instant,
    queue: EventQueue<Happening>,
    network: Network,
    sessions: Vec<Session>,
    torrents: Vec<Torrent>,
    rng: SimRng,
    /// Every block that has left or arrived.
    moved: Vec<Moved>,
    scratch: Vec<u8>,
}

struct Session {
    line: NodeId,
    arbiter: Arbiter<usize>,
}

/// One torrent in one session.
struct Torrent {
    session: usize,
    swarm: Swarm<Tag>,
    wires: BTreeMap<ConnId, (usize, ConnId)>,
    armed: Option<Duration>,
}

/// A block's message, seen at one end.
struct Moved {
    at: Duration,
    from: usize,
    to: usize,
    has_arrived: bool,
    bytes: u64,
}

enum Happening {
    Wake(usize),
    /// Sessions divide what they have.
    Divide,
    Arrive(usize, ConnId, Delivery),
    Sent(usize, ConnId, Block),
}

enum Delivery {
    Message(Message),
    Block(Block, Tag),
}

impl Sessions {
    pub(super) fn new(seed: u64) -> Self {
        let rng = SimRng::new(seed);
        let mut queue = EventQueue::new();
        queue.schedule_in(DIVISION_INTERVAL, Happening::Divide);
        Self {
            epoch: epoch(),
            queue,
            network: Network::new(rng.fork(1)),
            sessions: Vec::new(),
            torrents: Vec::new(),
            rng: rng.fork(2),
            moved: Vec::new(),
            scratch: Vec::new(),
        }
    }

    pub(super) fn add_session(&mut self, access: Access, limits: RateLimits) -> usize {
        let capacity = Grant {
            rates: limits,
            ..Grant::default()
        };
        self.sessions.push(Session {
            line: self.network.add(access),
            arbiter: Arbiter::new(capacity),
        });
        self.sessions.len() - 1
    }

    /// Adds a torrent to a session, with everything of it or nothing; returns its number.
    pub(super) fn add(&mut self, session: usize, info: &Arc<Info>, is_seed: bool) -> usize {
        let index = self.torrents.len();
        let mut random = [0; 12];
        random[..8].copy_from_slice(&self.rng.next_u64().to_le_bytes());
        let id = PeerId::azureus(*b"bt", *b"0000", random);
        let mut swarm = Swarm::new(info.ids(), Config::new(id, 6881), self.rng.seed());
        let count = info.layout().piece_count();
        let have = match is_seed {
            true => Bitfield::full(count),
            false => Bitfield::new(count),
        };
        swarm.handle_metadata(self.now(), Arc::clone(info), have);
        self.torrents.push(Torrent {
            session,
            swarm,
            wires: BTreeMap::new(),
            armed: None,
        });
        self.sessions[session].arbiter.add(index);
        self.divide(session);
        index
    }

    /// Lets the first know the second.
    pub(super) fn connect(&mut self, from: usize, to: usize) {
        let time = self.now();
        let connection = |other: usize, direction| NewConnection {
            peer: SocketAddr::from(([10, 0, 0, other as u8 + 1], 6881)),
            direction,
            transport: Transport::Tcp,
            peer_id: self.torrents[other].swarm.handshake().peer_id,
            reserved: Reserved::NONE.with_fast().with_extended(),
            dial: None,
        };
        let (out, inward) = (
            connection(to, Direction::Outbound),
            connection(from, Direction::Inbound),
        );
        let here = self.torrents[from].swarm.handle_connected(time, out);
        let there = self.torrents[to].swarm.handle_connected(time, inward);
        let (here, there) = (here.expect("room"), there.expect("room"));
        self.torrents[from].wires.insert(here, (to, there));
        self.torrents[to].wires.insert(there, (from, here));
        self.settle(from);
        self.settle(to);
    }

    /// Ends the torrent there, at once.
    pub(super) fn stop(&mut self, torrent: usize) {
        let now = self.now();
        self.torrents[torrent].swarm.stop(now);
        self.settle(torrent);
    }

    pub(super) fn set_access(&mut self, session: usize, access: Access) {
        self.network.set_access(self.sessions[session].line, access);
    }

    pub(super) fn set_limits(&mut self, session: usize, limits: RateLimits) {
        self.sessions[session].arbiter.set_limits(limits);
        self.divide(session);
    }

    pub(super) fn set_torrent_limits(&mut self, torrent: usize, limits: RateLimits) {
        let session = self.torrents[torrent].session;
        self.sessions[session]
            .arbiter
            .set_torrent_limits(&torrent, limits);
        self.divide(session);
    }

    pub(super) fn run_until(&mut self, end: Duration) {
        // The clock stands at the last thing that happened: let the end be one.
        self.queue.schedule_at(end, Happening::Wake(usize::MAX));
        while let Some((now, happening)) = self.queue.pop_until(end) {
            self.happen(now, happening);
        }
    }

    /// Bytes of block messages that arrived at a torrent.
    pub(super) fn downloaded(&self, torrent: usize, time: Range<Duration>) -> u64 {
        self.sum(time, |moved| moved.has_arrived && moved.to == torrent)
    }

    /// Bytes of block messages that a torrent sent.
    pub(super) fn uploaded(&self, torrent: usize, time: Range<Duration>) -> u64 {
        self.sum(time, |moved| !moved.has_arrived && moved.from == torrent)
    }

    /// Bytes of block messages that one sent to another.
    pub(super) fn sent(&self, from: usize, to: usize, time: Range<Duration>) -> u64 {
        self.sum(time, |moved| {
            !moved.has_arrived && (moved.from, moved.to) == (from, to)
        })
    }

    /// How many peers are connected.
    pub(super) fn peers(&self, torrent: usize) -> usize {
        let now = self.now();
        self.torrents[torrent].swarm.stats(now).peers_connected
    }

    fn now(&self) -> Instant {
        self.epoch + self.queue.now()
    }

    fn sum(&self, time: Range<Duration>, counts: impl Fn(&Moved) -> bool) -> u64 {
        let moved = self.moved.iter().filter(|moved| time.contains(&moved.at));
        moved
            .filter(|moved| counts(moved))
            .map(|moved| moved.bytes)
            .sum()
    }

    fn happen(&mut self, now: Duration, happening: Happening) {
        let time = self.epoch + now;
        let touched = match happening {
            Happening::Wake(index) => {
                let Some(torrent) = self.torrents.get_mut(index) else {
                    return;
                };
                if torrent.armed != Some(now) {
                    return;
                }
                torrent.armed = None;
                torrent.swarm.handle_timeout(time);
                index
            }
            Happening::Divide => {
                for (index, torrent) in self.torrents.iter().enumerate() {
                    let demand = torrent.swarm.demand(time);
                    self.sessions[torrent.session]
                        .arbiter
                        .set_demand(&index, demand);
                }
                (0..self.sessions.len()).for_each(|session| self.divide(session));
                self.queue.schedule_in(DIVISION_INTERVAL, Happening::Divide);
                return;
            }
            Happening::Arrive(to, conn, delivery) => {
                match delivery {
                    Delivery::Message(message) => {
                        self.torrents[to].swarm.handle_message(time, conn, message);
                    }
                    Delivery::Block(block, tag) => {
                        if let Some(&(from, _)) = self.torrents[to].wires.get(&conn) {
                            self.note(now, from, to, true, block);
                        }
                        let swarm = &mut self.torrents[to].swarm;
                        swarm.handle_block(time, conn, block.into(), tag);
                    }
                }
                to
            }
            Happening::Sent(from, conn, block) => {
                if let Some(&(to, _)) = self.torrents[from].wires.get(&conn) {
                    self.note(now, from, to, false, block);
                }
                let swarm = &mut self.torrents[from].swarm;
                swarm.handle_block_sent(time, conn, block);
                from
            }
        };
        self.settle(touched);
    }

    fn divide(&mut self, session: usize) {
        let now = self.now();
        let grants: Vec<_> = self.sessions[session]
            .arbiter
            .divide()
            .map(|(&torrent, grant)| (torrent, grant))
            .collect();
        for (torrent, grant) in grants {
            self.torrents[torrent].swarm.set_grant(now, grant);
            self.settle(torrent);
        }
    }

    fn settle(&mut self, index: usize) {
        let now = self.queue.now();
        while let Some(action) = self.torrents[index].swarm.poll_action() {
            self.act(now, index, action);
        }
        while let Some(event) = self.torrents[index].swarm.poll_event() {
            assert!(
                !matches!(event, Event::PeerBanned { .. } | Event::PieceFailed { .. }),
                "{event:?}"
            );
        }
        self.torrents[index].swarm.check_invariants();
        let deadline = self.torrents[index].swarm.poll_timeout();
        let deadline = deadline.map(|at| (at - self.epoch).max(now));
        if deadline != self.torrents[index].armed {
            self.torrents[index].armed = deadline;
            if let Some(at) = deadline {
                self.queue.schedule_at(at, Happening::Wake(index));
            }
        }
    }

    fn act(&mut self, now: Duration, index: usize, action: Action<Tag>) {
        let time = self.epoch + now;
        match action {
            Action::Send(conn, Outgoing::Message(message)) => {
                self.scratch.clear();
                message.encode(&mut self.scratch);
                let bytes = self.scratch.len() as u64;
                self.deliver(now, index, conn, bytes, Delivery::Message(message));
            }
            Action::Send(conn, Outgoing::Block(block, tag)) => {
                let bytes = message_bytes(block);
                self.deliver(now, index, conn, bytes, Delivery::Block(block, tag));
                let line = self.sessions[self.torrents[index].session].line;
                let sent = self.network.up_backlog(now, line);
                self.queue
                    .schedule_in(sent, Happening::Sent(index, conn, block));
            }
            Action::Disconnect(conn, _) => {
                if let Some((other, conn)) = self.torrents[index].wires.remove(&conn) {
                    self.torrents[other].wires.remove(&conn);
                    self.torrents[other]
                        .swarm
                        .handle_disconnected(time, conn, None);
                    self.settle(other);
                }
            }
            Action::Disk(job) => {
                let done = match job {
                    DiskJob::Verify { piece, .. } => DiskDone::Verified {
                        piece,
                        block_digests: Vec::new(),
                    },
                    DiskJob::Spill { piece, .. } => DiskDone::Spilled(piece),
                    DiskJob::Read { conn, block } => DiskDone::Read {
                        conn,
                        block,
                        payload: Tag::good(block),
                    },
                    DiskJob::Survey => unreachable!("no disk fails"),
                };
                self.torrents[index].swarm.handle_disk(time, done);
            }
            Action::Dial(dial) => {
                let swarm = &mut self.torrents[index].swarm;
                swarm.handle_dial_failed(time, dial.id);
            }
            // What is sent is on the line at once, and all begin with the metadata.
            Action::AbortDial(_) | Action::TakeBack(..) | Action::Metadata(_) => {}
        }
    }

    fn deliver(
        &mut self,
        now: Duration,
        from: usize,
        conn: ConnId,
        bytes: u64,
        delivery: Delivery,
    ) {
        let Some(&(to, conn)) = self.torrents[from].wires.get(&conn) else {
            return;
        };
        let line = |torrent: usize| self.sessions[self.torrents[torrent].session].line;
        let (sender, receiver) = (line(from), line(to));
        let at = self.network.transfer(now, sender, receiver, bytes);
        self.queue
            .schedule_at(at, Happening::Arrive(to, conn, delivery));
    }

    fn note(&mut self, at: Duration, from: usize, to: usize, has_arrived: bool, block: Block) {
        self.moved.push(Moved {
            at,
            from,
            to,
            has_arrived,
            bytes: message_bytes(block),
        });
    }
}

/// A torrent of 512 MiB, another one for each number.
pub(super) fn torrent(number: u8) -> Arc<Info> {
    let info = InfoBuilder::new("torrent", PIECE_LENGTH)
        .single_file(u64::from(PIECES) * u64::from(PIECE_LENGTH))
        .pieces(vec![[number; 20]; PIECES as usize])
        .build();
    Arc::new(info.expect("holds for these sizes"))
}

/// Length, id, piece and offset, and the block's bytes.
fn message_bytes(block: Block) -> u64 {
    13 + u64::from(block.length)
}

const PIECES: u32 = 2048;
const PIECE_LENGTH: u32 = 256 * 1024;
/// As in the client.
const DIVISION_INTERVAL: Duration = Duration::from_millis(250);
