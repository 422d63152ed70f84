//! A swarm among strangers: any messages in any order, any answers of the disk, time that jumps.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use arbitrary::{Arbitrary, Unstructured};
use bt_metainfo::{Info, InfoBuilder};
use bt_scheduler::Grant;
use bt_swarm::{
    Action, Config, DialId, DiskDone, DiskJob, DiskRefusal, Limit, NewConnection, Outgoing,
    Outside, Swarm,
};
use bt_types::{
    Bitfield, Block, ConnId, Direction, Payload, PeerId, PeerSource, PieceIndex, Priority,
    Selection, Transport,
};
use bt_wire::{Message, RawBlock, Reserved};

/// Decodes a world and what happens in it; after each step the swarm's invariants must hold.
pub fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let mut world = World::new(&input);
    for op in input.ops.iter().take(MAX_OPS) {
        world.step(op);
        world.drain();
        world.swarm.check_invariants();
        world.look();
    }
    if !input
        .ops
        .iter()
        .take(MAX_OPS)
        .any(|op| matches!(op, Op::Stop))
    {
        world.repair_disk();
    }
}

#[derive(Arbitrary)]
struct Input {
    is_complete: bool,
    knows_metadata: bool,
    ops: Vec<Op>,
}

#[derive(Arbitrary)]
enum Op {
    Advance {
        millis: u16,
    },
    AddPeers {
        ports: Vec<u16>,
    },
    Metadata,
    Connect {
        id: u8,
        is_fast: bool,
        is_inbound: bool,
    },
    DialFailed {
        dial: u8,
    },
    Disconnected {
        conn: u8,
    },
    Say {
        conn: u8,
        message: Saying,
    },
    Block {
        conn: u8,
        block: Range,
    },
    Disk {
        job: u8,
        is_good: bool,
        fails: bool,
    },
    /// Others need the memory, or no longer do.
    OtherGrant,
    Stop,
    Select {
        wants_any: bool,
        in_order: bool,
    },
}

#[derive(Arbitrary)]
enum Saying {
    Choke,
    Unchoke,
    Interested,
    NotInterested,
    HaveAll,
    HaveNone,
    Have(u8),
    Bitfield(Vec<u8>),
    Request(Range),
    Cancel(Range),
    Reject(Range),
    Suggest(u8),
    AllowedFast(u8),
    Extended { id: u8, payload: Vec<u8> },
    Unknown,
}

#[derive(Arbitrary)]
struct Range {
    piece: u8,
    slot: u8,
    /// Most ranges are blocks as they should be, so that the swarm gets somewhere.
    odd_length: Option<u32>,
}

impl Range {
    fn raw(&self) -> RawBlock {
        RawBlock {
            piece: u32::from(self.piece % (PIECES as u8 + 1)),
            begin: u32::from(self.slot % 5) * 16_384,
            length: self.odd_length.unwrap_or(16_384),
        }
    }
}

impl Saying {
    fn message(&self) -> Message {
        match self {
            Self::Choke => Message::Choke,
            Self::Unchoke => Message::Unchoke,
            Self::Interested => Message::Interested,
            Self::NotInterested => Message::NotInterested,
            Self::HaveAll => Message::HaveAll,
            Self::HaveNone => Message::HaveNone,
            Self::Have(piece) => Message::Have(u32::from(*piece)),
            Self::Bitfield(bytes) => Message::Bitfield(bytes.clone().into()),
            Self::Request(range) => Message::Request(range.raw()),
            Self::Cancel(range) => Message::Cancel(range.raw()),
            Self::Reject(range) => Message::Reject(range.raw()),
            Self::Suggest(piece) => Message::Suggest(u32::from(*piece)),
            Self::AllowedFast(piece) => Message::AllowedFast(u32::from(*piece)),
            Self::Extended { id, payload } => Message::Extended {
                id: *id,
                payload: payload.clone().into(),
            },
            Self::Unknown => Message::Unknown { id: 99, length: 3 },
        }
    }
}

#[derive(Debug)]
struct Length(usize);

impl Payload for Length {
    fn len(&self) -> usize {
        self.0
    }
}

struct World {
    now: Instant,
    info: Arc<Info>,
    is_complete: bool,
    swarm: Swarm<Length>,
    conns: Vec<ConnId>,
    dials: Vec<(DialId, SocketAddr)>,
    grant: Grant,
    jobs: Vec<DiskJob<Length>>,
    /// Blocks that leave when time passes.
    sending: Vec<(ConnId, Block)>,
}

impl World {
    /// What is shown must fit together, whatever has happened.
    fn look(&mut self) {
        let stats = self.swarm.stats(self.now);
        let memory = stats.memory_bytes;
        assert!(memory <= MEMORY_BYTES, "{memory} bytes");
        assert!(stats.bytes_missing <= stats.bytes_total - stats.bytes_verified);
        for (_, count) in stats.sources.iter() {
            assert!(count.connected <= count.named);
        }
        for peer in self.swarm.peers(self.now) {
            assert_eq!(peer.am_choking, peer.why_choked.is_some());
            assert!(peer.flags().chars().count() <= bt_swarm::FLAGS.len());
        }
        let limit = self.swarm.observe(self.now, Outside::default());
        let is_known = self.swarm.info().is_some();
        let is_awaited = self.swarm.metadata_progress().is_some();
        assert_eq!(limit.is_some(), is_known || is_awaited);
        let is_complete = limit == Some(Limit::Complete);
        assert_eq!(is_complete, self.swarm.is_complete());
    }

    fn new(input: &Input) -> Self {
        let info = InfoBuilder::new("file", 65_536)
            .single_file(PIECES * 65_536 - 30_000)
            .pieces(vec![[0; 20]; PIECES as usize])
            .build();
        let info = Arc::new(info.expect("a valid torrent"));
        let mut config = Config::new(PeerId([0; 20]), 6881);
        config.grant.memory_bytes = MEMORY_BYTES;
        config.grant.max_peers = 6;
        config.super_seed = input.ops.len() % 2 == 1;
        config.only_serves = input.is_complete && input.ops.len() % 3 == 1;
        let mut world = Self {
            now: crate::epoch(),
            grant: config.grant,
            swarm: Swarm::new(info.ids(), config, [1; 32]),
            info,
            is_complete: input.is_complete,
            conns: Vec::new(),
            dials: Vec::new(),
            jobs: Vec::new(),
            sending: Vec::new(),
        };
        if input.knows_metadata {
            world.step(&Op::Metadata);
        }
        world
    }

    fn step(&mut self, op: &Op) {
        let now = self.now;
        match op {
            Op::Advance { millis } => {
                self.now += Duration::from_millis(u64::from(*millis) * 4);
                self.swarm.handle_timeout(self.now);
                for (conn, block) in std::mem::take(&mut self.sending) {
                    self.swarm.handle_block_sent(self.now, conn, block);
                }
            }
            Op::AddPeers { ports } => {
                let peers = ports
                    .iter()
                    .map(|&port| SocketAddr::from(([10, 0, 0, 1], port)));
                self.swarm.add_peers(now, PeerSource::Tracker, peers);
            }
            Op::Metadata => {
                let count = self.info.layout().piece_count();
                let have = if self.is_complete {
                    Bitfield::full(count)
                } else {
                    Bitfield::new(count)
                };
                self.swarm
                    .handle_metadata(now, Arc::clone(&self.info), have);
            }
            Op::Connect {
                id,
                is_fast,
                is_inbound,
            } => self.connect(*id, *is_fast, *is_inbound),
            Op::DialFailed { dial } => {
                if let Some((id, _)) = take(&mut self.dials, *dial) {
                    self.swarm.handle_dial_failed(now, id);
                }
            }
            Op::Disconnected { conn } => {
                if let Some(conn) = take(&mut self.conns, *conn) {
                    self.swarm.handle_disconnected(now, conn, None);
                }
            }
            Op::Say { conn, message } => {
                if let Some(conn) = self.conn(*conn) {
                    self.swarm.handle_message(now, conn, message.message());
                }
            }
            Op::Block { conn, block } => {
                if let Some(conn) = self.conn(*conn) {
                    let raw = block.raw();
                    self.swarm
                        .handle_block(now, conn, raw, Length(raw.length as usize));
                }
            }
            Op::Disk {
                job: index,
                is_good,
                fails,
            } => {
                if let Some(job) = take(&mut self.jobs, *index) {
                    let done = answer(job, *index, *is_good, *fails);
                    self.swarm.handle_disk(now, done);
                }
            }
            Op::OtherGrant => self.change_grant(),
            Op::Stop => self.swarm.stop(now),
            Op::Select {
                wants_any,
                in_order,
            } => {
                // There is one file.
                let mut selection = match wants_any {
                    true => Selection::everything(),
                    false => Selection::of_files([Priority::Skip]),
                };
                selection.in_order = *in_order;
                self.swarm.set_selection(now, Arc::new(selection));
            }
        }
    }

    fn change_grant(&mut self) {
        self.grant.memory_bytes = match self.grant.memory_bytes {
            MEMORY_BYTES => MEMORY_BYTES / 4,
            _ => MEMORY_BYTES,
        };
        self.swarm.set_grant(self.now, self.grant);
    }

    /// From here on the disk does what it is told, and everything is there.
    fn repair_disk(&mut self) {
        for _ in 0..MAX_REPAIRS {
            self.drain();
            if !self.swarm.has_disk_trouble() {
                return;
            }
            for job in std::mem::take(&mut self.jobs) {
                let done = answer(job, ALL_THERE, true, false);
                self.swarm.handle_disk(self.now, done);
            }
            self.step(&Op::Advance { millis: 15_000 });
            self.swarm.check_invariants();
        }
        panic!("the disk works, and nothing goes on");
    }

    fn connect(&mut self, id: u8, is_fast: bool, is_inbound: bool) {
        let dial = (!is_inbound).then(|| self.dials.pop()).flatten();
        let direction = if dial.is_some() {
            Direction::Outbound
        } else {
            Direction::Inbound
        };
        let plain = Reserved::NONE.with_extended();
        let connection = NewConnection {
            peer: dial.map_or(SocketAddr::from(([10, 0, 0, 2], u16::from(id) + 1)), |d| {
                d.1
            }),
            direction,
            transport: Transport::Tcp,
            peer_id: PeerId([id % 8; 20]),
            reserved: if is_fast { plain.with_fast() } else { plain },
            dial: dial.map(|(id, _)| id),
        };
        if let Ok(conn) = self.swarm.handle_connected(self.now, connection) {
            self.conns.push(conn);
        }
    }

    fn drain(&mut self) {
        while let Some(action) = self.swarm.poll_action() {
            match action {
                Action::Dial(dial) => self.dials.push((dial.id, dial.peer)),
                Action::AbortDial(id) => self.dials.retain(|(other, _)| *other != id),
                Action::Disconnect(conn, _) => self.conns.retain(|other| *other != conn),
                Action::Send(conn, Outgoing::Block(block, _)) => self.sending.push((conn, block)),
                Action::TakeBack(conn, block) => {
                    let mut sending = self.sending.iter();
                    let at = sending.position(|&queued| queued == (conn, block));
                    self.sending
                        .remove(at.expect("only what is being sent is taken back"));
                    self.swarm.handle_block_taken_back(self.now, conn, block);
                }
                Action::Disk(job) => self.jobs.push(job),
                Action::Send(_, Outgoing::Message(Message::Request(_))) => {
                    assert!(!self.swarm.has_disk_trouble());
                }
                _ => {}
            }
        }
        while self.swarm.poll_event().is_some() {}
    }

    fn conn(&self, index: u8) -> Option<ConnId> {
        let count = self.conns.len().max(1);
        self.conns.get(usize::from(index) % count).copied()
    }
}

/// `index` also decides which blocks of a wrong piece differ from those of the right one.
fn answer(job: DiskJob<Length>, index: u8, is_good: bool, fails: bool) -> DiskDone<Length> {
    let digests = |wrong: u8| -> Vec<_> {
        let slots = (0..8).filter(|slot| index >> 4 == 0 || index >> slot & 1 == 1);
        let begins = slots.map(|slot| slot * 16_384);
        begins.map(|begin| (begin, [wrong; 20])).collect()
    };
    if fails {
        return refuse(job, index);
    }
    match job {
        DiskJob::Verify {
            piece,
            wants_digests,
            ..
        } if is_good => DiskDone::Verified {
            piece,
            block_digests: if wants_digests {
                digests(0)
            } else {
                Vec::new()
            },
        },
        DiskJob::Verify { piece, .. } => DiskDone::Corrupt {
            piece,
            block_digests: digests(index),
        },
        DiskJob::Spill { piece, .. } => DiskDone::Spilled(piece),
        DiskJob::Read { conn, block } => DiskDone::Read {
            conn,
            block,
            payload: Length(block.length as usize),
        },
        DiskJob::Survey => {
            let pieces = |index: u8| {
                let some = (0..PIECES as u32).filter(move |piece| index >> (piece % 8) & 1 == 1);
                some.map(PieceIndex::new).collect()
            };
            DiskDone::Surveyed {
                missing: pieces(index),
                doubtful: pieces(index.rotate_left(3)),
            }
        }
    }
}

/// `index` decides how; some drivers lose blocks.
fn refuse(mut job: DiskJob<Length>, index: u8) -> DiskDone<Length> {
    match &mut job {
        DiskJob::Verify { blocks, .. } | DiskJob::Spill { blocks, .. } if index % 5 == 4 => {
            blocks.pop();
        }
        _ => {}
    }
    let refusals = [
        DiskRefusal::Write,
        DiskRefusal::Read,
        DiskRefusal::Missing,
        DiskRefusal::MissingBeside,
    ];
    DiskDone::Failed(job, refusals[usize::from(index % 4)])
}

fn take<T>(items: &mut Vec<T>, index: u8) -> Option<T> {
    let count = items.len();
    (count > 0).then(|| items.remove(usize::from(index) % count))
}

const PIECES: u64 = 12;
/// Less than the torrent, so that the bound is met.
const MEMORY_BYTES: usize = 512 * 1024;
/// Which pieces a survey finds missing: none.
const ALL_THERE: u8 = 0;
/// Half a minute is the longest that the swarm waits, and a few rounds may be needed.
const MAX_REPAIRS: usize = 100;
/// Bounds the time of one input.
const MAX_OPS: usize = 2000;
