//! A swarm that knows the ids only, among strangers who claim to have the metadata and tell of
//! others: it ends up with the right metadata as soon as somebody honest is there, in bounded
//! memory, and says nothing that it must not say.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_metainfo::{Info, InfoBuilder};
use bt_swarm::{Action, Config, DialId, NewConnection, Outgoing, Swarm};
use bt_types::{Bitfield, ConnId, Direction, Payload, PeerId, PeerSource, Transport};
use bt_wire::{
    ExtendedHandshake, ExtendedMessage, Extension, ExtensionIds, Message, MetadataMessage,
    PexFlags, PexMessage, PexPeer, Reserved,
};

/// The first byte chooses the torrent; then an operation each byte, with operands behind it.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut world = World::new(input.byte());
    let mut ops = 0;
    while !input.0.is_empty() && ops < MAX_OPS {
        ops += 1;
        world.step(&mut input);
        world.drain();
        world.swarm.check_invariants();
    }
    world.finish();
}

/// Bytes, and zeros when there are no more.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }
}

#[derive(Debug)]
struct Nothing;

impl Payload for Nothing {
    fn len(&self) -> usize {
        0
    }
}

struct World {
    now: Instant,
    info: Arc<Info>,
    swarm: Swarm<Nothing>,
    /// With what it was asked for and has not answered.
    conns: BTreeMap<ConnId, Vec<u32>>,
    dials: Vec<(DialId, SocketAddr)>,
    /// When each was last told of others.
    told_at: BTreeMap<ConnId, Instant>,
    has_metadata: bool,
    hosts: u8,
}

impl World {
    fn new(choice: u8) -> Self {
        let pieces = u32::from(choice >> 1) * 40 + 1;
        let hashes = (0..pieces).map(|n| {
            let mut hash = [0; 20];
            hash[..4].copy_from_slice(&n.to_be_bytes());
            hash
        });
        let builder = InfoBuilder::new("file", 16_384)
            .single_file(u64::from(pieces) * 16_384)
            .pieces(hashes);
        let builder = match choice % 2 {
            0 => builder,
            _ => builder.private(),
        };
        let info = Arc::new(builder.build().expect("a valid torrent"));
        let mut config = Config::new(PeerId([0; 20]), 6881);
        config.max_metadata_bytes = MAX_METADATA_BYTES;
        config.grant.max_peers = 20;
        Self {
            now: crate::epoch(),
            swarm: Swarm::new(info.ids(), config, [1; 32]),
            info,
            conns: BTreeMap::new(),
            dials: Vec::new(),
            told_at: BTreeMap::new(),
            has_metadata: false,
            hosts: 0,
        }
    }

    fn step(&mut self, input: &mut Input) {
        match input.byte() % 8 {
            0 => {
                let id = input.byte();
                self.connect(SocketAddr::from(([9, 9, id, 1], 50_000)), id);
            }
            1 => {
                let conn = self.conn(input.byte());
                self.introduce(conn, input.byte(), input.byte());
            }
            2 => {
                let conn = self.conn(input.byte());
                self.answer(conn, input.byte());
            }
            3 => {
                let (conn, piece) = (self.conn(input.byte()), u32::from(input.byte()));
                let message = match input.byte() % 3 {
                    0 => MetadataMessage::Request { piece },
                    1 => MetadataMessage::Reject { piece },
                    _ => MetadataMessage::Data {
                        piece,
                        total_size: u32::from(input.byte()) * 256,
                        payload: vec![1; usize::from(input.byte()) * 64].into(),
                    },
                };
                self.say(conn, ExtendedMessage::Metadata(message));
            }
            4 => {
                let conn = self.conn(input.byte());
                let (count, host) = (input.byte(), input.byte());
                let added = (0..count).map(|n| PexPeer {
                    addr: match n % 4 {
                        0 => SocketAddr::from(([127, 0, 0, n], 6881)),
                        1 => SocketAddr::from(([8, 8, host, n], 0)),
                        2 => SocketAddr::from(([0x2001_u16, 0xdb8, 0, 0, 0, 0, 0, n.into()], 1)),
                        _ => SocketAddr::from(([8, 8, host, n], 6881)),
                    },
                    flags: PexFlags(n),
                });
                let message = PexMessage {
                    added: added.collect(),
                    dropped: Vec::new(),
                };
                self.say(conn, ExtendedMessage::Pex(message));
            }
            5 => self.advance(Duration::from_millis(u64::from(input.byte()) * 500)),
            6 => {
                if let Some(conn) = self.conn(input.byte()) {
                    self.conns.remove(&conn);
                    self.swarm.handle_disconnected(self.now, conn, None);
                }
            }
            _ => {
                let source = PeerSource::ALL[usize::from(input.byte() % 7)];
                let addr = SocketAddr::from(([7, 7, 7, input.byte()], 6881));
                self.swarm.add_peers(self.now, source, [addr]);
                if let Some((dial, addr)) = self.dials.pop() {
                    self.dialled(dial, addr, input.byte());
                }
            }
        }
    }

    fn connect(&mut self, peer: SocketAddr, id: u8) -> Option<ConnId> {
        self.open(NewConnection {
            peer,
            direction: Direction::Inbound,
            transport: Transport::Tcp,
            peer_id: PeerId([id.max(1); 20]),
            reserved: Reserved::NONE.with_extended().with_fast(),
            dial: None,
        })
    }

    fn dialled(&mut self, dial: DialId, peer: SocketAddr, id: u8) {
        self.open(NewConnection {
            peer,
            direction: Direction::Outbound,
            transport: Transport::Tcp,
            peer_id: PeerId([id; 20]),
            reserved: Reserved::NONE.with_extended(),
            dial: Some(dial),
        });
    }

    fn open(&mut self, connection: NewConnection) -> Option<ConnId> {
        let conn = self.swarm.handle_connected(self.now, connection).ok()?;
        self.conns.insert(conn, Vec::new());
        Some(conn)
    }

    /// `what` chooses the size that it names, and what it listens to.
    fn introduce(&mut self, conn: Option<ConnId>, what: u8, port: u8) {
        let right = self.info.raw().len() as u32;
        let metadata_size = match what % 6 {
            0 | 1 => Some(right),
            2 => Some(right + 1),
            3 => Some(u32::from(what) * 1024 + 1),
            4 => Some(u32::MAX),
            _ => None,
        };
        let mut ids = their_ids();
        if what & 0x40 != 0 {
            ids = ExtensionIds::default().with(Extension::Metadata, 0);
        }
        if what & 0x80 == 0 {
            ids = ids.with(Extension::Pex, THEIR_PEX);
        }
        let handshake = ExtendedHandshake {
            ids,
            metadata_size,
            port: (port > 9).then_some(u16::from(port)),
            ..ExtendedHandshake::default()
        };
        if let Some(conn) = conn {
            let message = handshake.to_message();
            self.swarm.handle_message(self.now, conn, message);
        }
    }

    /// The oldest thing that it was asked for: rightly, wrongly, of another size, or not at all.
    fn answer(&mut self, conn: Option<ConnId>, how: u8) {
        let asked = conn.and_then(|conn| self.conns.get_mut(&conn));
        let Some(asked) = asked.filter(|asked| !asked.is_empty()) else {
            return;
        };
        let piece = asked.remove(0);
        let raw = self.info.raw();
        let (total_size, mut payload) = match block(raw, piece) {
            Some(payload) => (raw.len() as u32, payload.to_vec()),
            None => (raw.len() as u32, Vec::new()),
        };
        let message = match how % 5 {
            0 => None,
            1 => Some((total_size, payload)),
            2 => {
                payload.iter_mut().take(1).for_each(|byte| *byte ^= how | 1);
                Some((total_size, payload))
            }
            3 => Some((total_size + 1, payload)),
            _ => Some((total_size, vec![how; usize::from(how) * 70])),
        };
        let message = match message {
            None => MetadataMessage::Reject { piece },
            Some((total_size, payload)) => MetadataMessage::Data {
                piece,
                total_size,
                payload: payload.into(),
            },
        };
        self.say(conn, ExtendedMessage::Metadata(message));
    }

    fn say(&mut self, conn: Option<ConnId>, message: ExtendedMessage) {
        let id = match message.extension() {
            Extension::Pex => OUR_PEX,
            _ => OUR_METADATA,
        };
        let id = id.try_into().expect("not 0");
        if let Some(conn) = conn {
            self.swarm
                .handle_message(self.now, conn, message.to_message(id));
        }
    }

    fn advance(&mut self, time: Duration) {
        self.now += time;
        self.swarm.handle_timeout(self.now);
    }

    fn drain(&mut self) {
        while let Some(action) = self.swarm.poll_action() {
            match action {
                Action::Dial(dial) => self.dials.push((dial.id, dial.peer)),
                Action::AbortDial(id) => self.dials.retain(|(other, _)| *other != id),
                Action::Disconnect(conn, _) => drop(self.conns.remove(&conn)),
                Action::Send(conn, Outgoing::Message(Message::Extended { id, payload })) => {
                    self.hear(conn, id, &payload);
                }
                Action::Metadata(bytes) => {
                    assert!(!self.has_metadata, "once");
                    assert_eq!(*bytes, *self.info.raw());
                    self.has_metadata = true;
                    let have = Bitfield::new(self.info.layout().piece_count());
                    self.swarm
                        .handle_metadata(self.now, Arc::clone(&self.info), have);
                }
                _ => {}
            }
        }
        while self.swarm.poll_event().is_some() {}
    }

    fn hear(&mut self, conn: ConnId, id: u8, payload: &[u8]) {
        let Some(extension) = their_ids().with(Extension::Pex, THEIR_PEX).find(id) else {
            return;
        };
        let is_private = self.has_metadata && self.info.is_private();
        match ExtendedMessage::decode(extension, payload).expect("it is ours") {
            ExtendedMessage::Metadata(MetadataMessage::Request { piece }) => {
                assert!(!self.has_metadata);
                let asked = self.conns.entry(conn).or_default();
                asked.push(piece);
            }
            ExtendedMessage::Metadata(MetadataMessage::Data { piece, payload, .. }) => {
                assert!(self.has_metadata && !is_private);
                assert_eq!(Some(&payload[..]), block(self.info.raw(), piece));
            }
            ExtendedMessage::Pex(message) => {
                assert!(!is_private, "BEP 27");
                assert!(message.added.len() <= 50 && message.dropped.len() <= 50);
                let last = self.told_at.insert(conn, self.now);
                let minute = Duration::from_secs(60);
                assert!(last.is_none_or(|last| self.now - last >= minute));
            }
            _ => {}
        }
    }

    /// From here on somebody honest is there, and comes again if there was no room.
    fn finish(&mut self) {
        self.drain();
        let mut honest = None;
        for _ in 0..MAX_ROUNDS {
            if self.has_metadata {
                return;
            }
            if honest.is_none_or(|conn| !self.conns.contains_key(&conn)) {
                self.hosts = self.hosts.wrapping_add(1);
                let addr = SocketAddr::from(([11, 11, self.hosts, 1], 50_000));
                honest = self.connect(addr, 201);
                self.introduce(honest, 0, 0);
                self.drain();
            }
            let asked = honest.and_then(|conn| self.conns.get(&conn));
            for _ in 0..asked.map_or(0, Vec::len) {
                self.answer(honest, 1);
            }
            self.drain();
            // The others leave, one by one, so that there is room.
            let other = self
                .conns
                .keys()
                .copied()
                .find(|conn| Some(*conn) != honest);
            if let Some(other) = other {
                self.conns.remove(&other);
                self.swarm.handle_disconnected(self.now, other, None);
            }
            self.advance(Duration::from_secs(1));
            self.drain();
            self.swarm.check_invariants();
        }
        panic!("somebody honest is there, and the metadata does not come");
    }

    fn conn(&self, index: u8) -> Option<ConnId> {
        let count = self.conns.len().max(1);
        self.conns.keys().nth(usize::from(index) % count).copied()
    }
}

fn block(raw: &[u8], piece: u32) -> Option<&[u8]> {
    raw.chunks(16_384).nth(piece as usize)
}

fn their_ids() -> ExtensionIds {
    ExtensionIds::default().with(Extension::Metadata, THEIR_METADATA)
}

const THEIR_METADATA: u8 = 31;
const THEIR_PEX: u8 = 32;
/// The numbers under which our swarm takes messages.
const OUR_METADATA: u8 = 2;
const OUR_PEX: u8 = 1;
/// More than the largest of these torrents needs, and less than what liars name.
const MAX_METADATA_BYTES: u32 = 160 * 1024;
const MAX_OPS: usize = 1000;
/// Seconds: liars are given up within minutes, and those who refuse within an hour.
const MAX_ROUNDS: usize = 600;
