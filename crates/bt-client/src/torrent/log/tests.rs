//! What users read of peers that keep to nothing: of each that is dropped one line, which says who
//! it was and what it did; of all others none. What a peer says goes the way that it goes from a
//! socket, through the decoder, but on virtual time.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bt_metainfo::InfoBuilder;
use bt_scheduler::Grant;
use bt_swarm::{Action, Config, DiskDone, DiskJob, NewConnection, Outgoing, Swarm};
use bt_types::{
    BLOCK_LENGTH, Bitfield, ConnId, Direction, PeerId, PeerSource, PieceIndex, Transport,
};
use bt_wire::{
    Decoded, Decoder, ExtendedHandshake, Limits, Message, RawBlock, Reserved, encode_piece_header,
};
use tracing::{
    Metadata, Subscriber,
    field::Field,
    span::{Attributes, Id, Record},
};

use crate::{
    buffers::{Buffer, BufferPool},
    connection::Closed,
};

const STRANGER: &str = "198.51.100.7:50000";
/// Would clear the screen, ring, and begin a line of its own.
const NAME: &[u8; 20] = b"\x1b[2J\x07\r\nall is well\x9b\x7f";
const PIECES: u32 = 16;
const CANNOT_HAVE: &str = "protocol broken: 301 requests for what it cannot have";

/// What a stranger does, and why it is dropped for that.
type Abuse = (fn(&mut Stranger), &'static str);

#[rustfmt::skip]
const ABUSES: &[Abuse] = &[
    // Requests: while choked, out of range, too long, empty, of the same block for ever.
    (|it| it.says(5_000, request(0, 0, BLOCK_LENGTH)), CANNOT_HAVE),
    (|it| it.says(301, request(PIECES, 0, BLOCK_LENGTH)), CANNOT_HAVE),
    (|it| it.says(301, request(0, u32::MAX, BLOCK_LENGTH)), CANNOT_HAVE),
    (|it| it.says(301, request(0, 0, u32::MAX)), CANNOT_HAVE),
    (|it| it.says(301, request(0, 0, 0)), CANNOT_HAVE),
    (|it| { it.gets_a_slot(); it.says(40, request(3, 0, BLOCK_LENGTH)) }, "protocol broken: piece 3 taken 10 times over"),
    // Pieces that are not there.
    (|it| it.says(1, Message::Have(PIECES)), "protocol broken: have about a piece that does not exist: piece 16 of 16"),
    (|it| it.says(1, Message::Suggest(PIECES)), "protocol broken: suggest about a piece that does not exist: piece 16 of 16"),
    (|it| it.says(1, Message::AllowedFast(u32::MAX)), "protocol broken: allowed-fast about a piece that does not exist: piece 4294967295 of 16"),
    // Bitfields: too short, too long, and one with spare bits after a good one.
    (|it| it.says(1, Message::Bitfield([0xff].into())), "protocol broken: bitfield of 1 bytes, 2 expected for 16 pieces"),
    (|it| it.says(1, Message::Bitfield([0xff; 3].into())), "malformed message: bitfield message of 4 bytes, at most 3 allowed"),
    (|it| { it.comes_to(10); it.says_both(1, bitfield(0xff, 0xc0), bitfield(0xff, 0xe0)) }, "protocol broken: bitfield sets bits beyond the last of 10 pieces"),
    // Messages that were not agreed on, unknown, too often, or none at all.
    (|it| { it.comes_plain(); it.says(1, Message::HaveAll) }, "protocol broken: have-all without the fast extension"),
    (|it| (0..101).for_each(|_| it.sends(b"\0\0\0\x02\x63!")), "protocol broken: 101 unknown messages"),
    (|it| it.says(101, ExtendedHandshake::default().to_message()), "protocol broken: 101 extended handshakes"),
    (|it| (0..501).for_each(|_| it.sends(&encode_piece_header(RawBlock { piece: 0, begin: 0, length: 0 }))), "protocol broken: 501 blocks that were not requested"),
    (|it| it.sends(b"\xff\xff\xff\xff"), "malformed message: a message of 4294967295 bytes, at most 1048578 allowed"),
    (|it| it.sends(b"\xff\xff\xff\xff\x05"), "malformed message: bitfield message of 4294967295 bytes, at most 3 allowed"),
    (|it| it.sends(b"\0\0\0\x02\x01\x1b"), "malformed message: unchoke message of 2 bytes, 1 expected"),
    // Silence, and promises.
    (|it| it.waits(150), "silent for too long"),
    (|it| { it.gets_a_slot(); it.is_deaf = true; it.says(1, request(0, 0, BLOCK_LENGTH)); it.waits(80) }, "does not read what we send"),
    (|it| { it.says_both(1, Message::HaveAll, Message::Unchoke); it.waits(121); it.others_wait() }, "no payload either way for long, and others wait"),
];

/// What is borne, and costs no line of the log however often it is done.
#[rustfmt::skip]
const BORNE: &[fn(&mut Stranger)] = &[
    |it| { it.gets_a_slot(); it.says_both(1_000, request(0, 0, BLOCK_LENGTH), cancel(0)) },
    |it| it.says(1_000, cancel(PIECES)),
    |it| { it.gets_a_slot(); it.says(300, request(PIECES, 0, BLOCK_LENGTH)) },
    |it| { it.says(1, Message::Have(3)); it.says(1_000, bitfield(0x80, 1)) },
    |it| it.says_both(1_000, Message::HaveAll, Message::HaveNone),
    |it| { it.says_both(1_000, Message::HaveAll, Message::AllowedFast(PIECES - 1)); it.waits(140) },
    |it| it.says(1_000, Message::Suggest(3)),
    |it| it.says(1_000, Message::Have(PIECES - 1)),
    |it| it.says_both(1_000, Message::Interested, Message::NotInterested),
    |it| { it.says_both(1, Message::HaveAll, Message::Unchoke); it.waits(140) },
];

#[test]
fn whoever_is_dropped_is_told_in_one_line_with_the_reason() {
    for (abuse, reason) in ABUSES {
        let lines = log(|| Stranger::meet(*abuse));
        let [connected, dropped] = &lines[..] else {
            panic!("{reason}: {lines:?}")
        };
        let expected = format!("peer connected peer={STRANGER} ");
        assert!(connected.starts_with(&expected), "{connected}");
        let expected = format!("peer dropped peer={STRANGER} reason={reason} conn=");
        assert!(dropped.starts_with(&expected), "{reason}: {dropped}");
        let is_harmless = |line: &String| !line.contains(char::is_control);
        assert!(lines.iter().all(is_harmless), "{lines:?}");
    }
}

/// With the piece, and that it is not talked to again.
#[test]
fn whoever_lies_is_told_as_dropped_and_as_banned() {
    let lines = log(|| Stranger::meet(Stranger::lies));
    let reason = "reason=alone sent piece 15, which failed its hash";
    let expected = [
        format!("peer connected peer={STRANGER} "),
        format!("piece failed its hash piece=15 contributors=[{STRANGER}]"),
        format!("peer banned for bad data peer={STRANGER} piece=15 {reason}"),
        format!("peer dropped peer={STRANGER} {reason} conn="),
    ];
    let is_expected = |(line, expected): (&String, &String)| line.starts_with(expected);
    assert!(lines.iter().zip(&expected).all(is_expected), "{lines:?}");
    assert_eq!(lines.len(), expected.len());
}

#[test]
fn what_is_borne_is_not_told() {
    for (n, abuse) in BORNE.iter().enumerate() {
        let lines = log(|| {
            let is_there = Stranger::meet(*abuse);
            assert!(is_there, "the one at {n} is dropped");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}

/// All that is logged meanwhile, be it ever so unimportant.
fn log<R>(does: impl FnOnce() -> R) -> Vec<String> {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), does);
    lines.0.lock().unwrap().clone()
}

/// Keeps every line as `bt -v` shows it.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = String::new();
        event.record(&mut |field: &Field, value: &dyn Debug| {
            let written = match field.name() {
                "message" => write!(line, "{value:?}"),
                name => write!(line, " {name}={value:?}"),
            };
            written.unwrap();
        });
        self.0.lock().unwrap().push(line);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// A peer that has connected to a torrent, and what a driver would do for that.
struct Stranger {
    now: Instant,
    swarm: Swarm<Buffer>,
    pool: BufferPool,
    decoder: Decoder,
    conn: ConnId,
    /// What it has been asked for.
    asked: Vec<RawBlock>,
    /// Takes nothing of what it is sent.
    is_deaf: bool,
}

impl Stranger {
    /// Returns whether it is still connected when it has done what it does.
    fn meet(does: fn(&mut Self)) -> bool {
        let mut stranger = Self::connect(PIECES, Reserved::NONE.with_fast().with_extended());
        does(&mut stranger);
        stranger.act();
        stranger.swarm.stats(stranger.now).peers_connected == 1
    }

    /// To a torrent of which we lack the last piece.
    fn connect(pieces: u32, reserved: Reserved) -> Self {
        let now = Instant::now();
        let length = u64::from(pieces) * u64::from(PIECE_LENGTH);
        let builder = InfoBuilder::new("file", PIECE_LENGTH).single_file(length);
        let hashes = vec![[0; 20]; pieces as usize];
        let info = Arc::new(builder.pieces(hashes).build().unwrap());
        let mut config = Config::new(PeerId([1; 20]), 6881);
        config.grant = Grant {
            max_peers: 1,
            ..Grant::default()
        };
        let mut swarm = Swarm::new(info.ids(), config, [0; 32]);
        let mut have = Bitfield::full(pieces);
        have.remove(PieceIndex::new(pieces - 1));
        swarm.handle_metadata(now, info, have);
        let connection = NewConnection {
            peer: STRANGER.parse().unwrap(),
            direction: Direction::Inbound,
            transport: Transport::Tcp,
            peer_id: PeerId(*NAME),
            reserved,
            dial: None,
        };
        let limits = Limits {
            bitfield: pieces.div_ceil(8),
            ..Limits::default()
        };
        Self {
            conn: swarm.handle_connected(now, connection).unwrap(),
            now,
            swarm,
            pool: BufferPool::new(0),
            decoder: Decoder::new(limits),
            asked: Vec::new(),
            is_deaf: false,
        }
    }

    /// To a torrent of so many pieces.
    fn comes_to(&mut self, pieces: u32) {
        *self = Self::connect(pieces, Reserved::NONE.with_fast());
    }

    /// With no extension.
    fn comes_plain(&mut self) {
        *self = Self::connect(PIECES, Reserved::NONE);
    }

    /// Which is free.
    fn gets_a_slot(&mut self) {
        self.says(1, Message::Interested);
    }

    /// There is one place, and somebody else to take it.
    fn others_wait(&mut self) {
        let other = [([203, 0, 113, 1], 6881).into()];
        self.swarm.add_peers(self.now, PeerSource::Tracker, other);
        self.act();
    }

    /// Answers what it is asked, with blocks of a piece that fails its hash.
    fn lies(&mut self) {
        self.says_both(1, Message::HaveAll, Message::Unchoke);
        for block in std::mem::take(&mut self.asked) {
            let payload = self.pool.take(block.length as usize);
            self.swarm.handle_block(self.now, self.conn, block, payload);
        }
        self.act();
    }

    fn says(&mut self, times: u32, message: Message) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        (0..times).for_each(|_| self.sends(&bytes));
    }

    /// One right after the other.
    fn says_both(&mut self, times: u32, first: Message, second: Message) {
        let mut bytes = Vec::new();
        first.encode(&mut bytes);
        second.encode(&mut bytes);
        (0..times).for_each(|_| self.sends(&bytes));
    }

    /// Whole messages.
    fn sends(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let consumed = match self.decoder.decode(bytes) {
                Ok(Decoded::Message { message, consumed }) => {
                    self.swarm.handle_message(self.now, self.conn, message);
                    consumed
                }
                Ok(Decoded::BlockStart { block, consumed }) => {
                    self.swarm
                        .handle_unrequested_block(self.now, self.conn, block);
                    consumed + block.length as usize
                }
                Ok(other) => panic!("{other:?}"),
                Err(error) => {
                    let reason = Closed::from(error).reason();
                    self.swarm.handle_disconnected(self.now, self.conn, reason);
                    bytes.len()
                }
            };
            bytes = &bytes[consumed..];
        }
        self.act();
    }

    fn waits(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(next) = self.swarm.poll_timeout().filter(|&next| next <= end) {
            self.now = next;
            self.swarm.handle_timeout(next);
            self.act();
        }
        self.now = end;
    }

    /// Does what the swarm wants, and logs what it tells.
    fn act(&mut self) {
        while let Some(action) = self.swarm.poll_action() {
            match action {
                Action::Disk(DiskJob::Read { conn, block }) => {
                    let payload = self.pool.take(block.length as usize);
                    let done = DiskDone::Read {
                        conn,
                        block,
                        payload,
                    };
                    self.swarm.handle_disk(self.now, done);
                }
                Action::Disk(DiskJob::Verify { piece, .. }) => {
                    let block_digests = Vec::new();
                    let done = DiskDone::Corrupt {
                        piece,
                        block_digests,
                    };
                    self.swarm.handle_disk(self.now, done);
                }
                Action::Send(_, Outgoing::Message(Message::Request(block))) => {
                    self.asked.push(block);
                }
                Action::Send(conn, Outgoing::Block(block, _)) if !self.is_deaf => {
                    self.swarm.handle_block_sent(self.now, conn, block);
                }
                _ => {}
            }
        }
        while let Some(event) = self.swarm.poll_event() {
            super::swarm(&event);
        }
    }
}

fn request(piece: u32, begin: u32, length: u32) -> Message {
    Message::Request(RawBlock {
        piece,
        begin,
        length,
    })
}

/// Of the first block of a piece.
fn cancel(piece: u32) -> Message {
    Message::Cancel(RawBlock {
        piece,
        begin: 0,
        length: BLOCK_LENGTH,
    })
}

fn bitfield(first: u8, second: u8) -> Message {
    Message::Bitfield([first, second].into())
}

const PIECE_LENGTH: u32 = 4 * BLOCK_LENGTH;
