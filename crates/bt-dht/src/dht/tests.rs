mod hostile;
mod items;
mod network;
mod serving;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bt_types::SwarmId;

use super::*;
use crate::{
    Announce, ImmutableItem, Item, Outcome, Wanted,
    wire::{self, Response},
};

/// Nodes that talk without a network between them: what one sends arrives a hundredth of a second
/// later, unless nobody is there.
struct World {
    now: Instant,
    nodes: BTreeMap<SocketAddr, Dht>,
    events: Vec<(SocketAddr, Event)>,
    /// Everything that was sent.
    sent: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
}

impl World {
    fn new() -> Self {
        Self {
            now: crate::test_epoch(),
            nodes: BTreeMap::new(),
            events: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// Honest nodes on the internet, that find one another by the first.
    fn with_nodes(count: u8) -> Self {
        let mut world = Self::new();
        for n in 0..count {
            world.add(v4(n), Config::default());
        }
        for n in 1..count {
            world.run(v4(n), |dht, now| dht.bootstrap(now, &[v4(0)]));
        }
        world
    }

    fn add(&mut self, addr: SocketAddr, config: Config) -> &mut Dht {
        let mut seed = [3; 32];
        seed[..2].copy_from_slice(&addr.port().to_be_bytes());
        match addr.ip() {
            IpAddr::V4(ip) => seed[2..6].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => seed[2..18].copy_from_slice(&ip.octets()),
        }
        let dht = Dht::new(self.now, config, seed);
        self.nodes.entry(addr).or_insert(dht)
    }

    fn node(&mut self, addr: SocketAddr) -> &mut Dht {
        self.nodes.get_mut(&addr).unwrap()
    }

    /// Gives a command and lets the world go on until it has ended.
    #[track_caller]
    fn run(
        &mut self,
        addr: SocketAddr,
        command: impl FnOnce(&mut Dht, Instant) -> Result<OperationId, Busy>,
    ) -> (Vec<Event>, Outcome) {
        let now = self.now;
        let id = command(self.node(addr), now).unwrap();
        for _ in 0..5000 {
            self.step();
            let of = |event: &(SocketAddr, Event)| event.0 == addr && event.1.is_of(id);
            let ended = self
                .events
                .iter()
                .position(|event| of(event) && matches!(event.1, Event::Finished { .. }));
            if let Some(at) = ended {
                let (_, Event::Finished { outcome, .. }) = self.events[at].clone() else {
                    unreachable!("found as such")
                };
                let events = self.events.iter().filter(|event| of(event));
                let events = events.map(|(_, event)| event.clone()).collect();
                self.events.clear();
                return (events, outcome);
            }
        }
        panic!("it does not end");
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step();
        }
    }

    /// Delivers what there is, or lets time pass until something is due.
    fn step(&mut self) {
        let mut flying = Vec::new();
        let mut datagram = Vec::new();
        for (from, dht) in &mut self.nodes {
            while let Some(to) = dht.poll_transmit(&mut datagram) {
                flying.push((*from, to, datagram.clone()));
            }
            self.events
                .extend(std::iter::from_fn(|| dht.poll_event()).map(|event| (*from, event)));
            dht.check_invariants();
        }
        if flying.is_empty() {
            let due = self.nodes.values().map(Dht::poll_timeout).min().unwrap();
            self.now = self.now.max(due);
        } else {
            self.now += Duration::from_millis(10);
        }
        for (from, to, datagram) in flying {
            assert!(datagram.len() <= 1472, "{} bytes", datagram.len());
            if let Some(dht) = self.nodes.get_mut(&to) {
                let _ = dht.handle_datagram(self.now, from, &datagram);
            }
            self.sent.push((from, to, datagram));
        }
        for dht in self.nodes.values_mut() {
            dht.handle_timeout(self.now);
        }
    }
}

/// One of many hosts, each in a neighbourhood of its own.
fn v4(n: u8) -> SocketAddr {
    SocketAddr::from(([20 + n / 2, n, 7, 1], 6881))
}

fn v6(n: u16) -> SocketAddr {
    SocketAddr::from(([0x2001, 0xdb8, n, 1, 0, 0, 0, 1], 6881))
}

const SWARM: SwarmId = SwarmId([0x42; 20]);

const ANNOUNCE: Announce = Announce {
    port: 7777,
    implied_port: false,
    is_seed: false,
};

fn peer(n: u8) -> SocketAddr {
    SocketAddr::new(v4(n).ip(), 7777)
}

fn peers(events: &[Event]) -> Vec<SocketAddr> {
    let peers = events.iter().filter_map(|event| match event {
        Event::Peers { peers, .. } => Some(peers.clone()),
        _ => None,
    });
    let mut peers: Vec<_> = peers.flatten().collect();
    peers.sort_unstable();
    peers
}

/// One node, and everybody else played by the test.
struct Alone {
    now: Instant,
    dht: Dht,
}

impl Alone {
    fn new(config: Config) -> Self {
        let now = crate::test_epoch();
        Self {
            now,
            dht: Dht::new(now, config, [5; 32]),
        }
    }

    fn hear(&mut self, from: SocketAddr, datagram: &[u8]) -> Result<(), DatagramError> {
        let result = self.dht.handle_datagram(self.now, from, datagram);
        self.dht.check_invariants();
        result
    }

    /// What it sends.
    fn sent(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut datagram = Vec::new();
        let mut sent = Vec::new();
        while let Some(to) = self.dht.poll_transmit(&mut datagram) {
            sent.push((to, datagram.clone()));
        }
        sent
    }

    /// What it answers to a query, without its own questions.
    fn ask(&mut self, from: SocketAddr, query: Query<'_>) -> Vec<u8> {
        let mut datagram = Vec::new();
        let message = Message {
            transaction_id: b"tx",
            body: Body::Query(query),
            version: None,
        };
        wire::encode(&message, &mut datagram);
        let _ = self.hear(from, &datagram);
        let is_answer = |datagram: &[u8]| {
            let message = wire::decode(datagram).unwrap();
            !matches!(message.body, Body::Query(_))
        };
        let mut answers = self.sent();
        answers.retain(|(to, datagram)| *to == from && is_answer(datagram));
        assert!(answers.len() <= 1, "one answer to one query");
        answers
            .pop()
            .map(|(_, datagram)| datagram)
            .unwrap_or_default()
    }

    /// Has a node answer whatever it is asked, so that it is known.
    fn befriend(&mut self, contact: Contact) {
        self.dht.ping(self.now, contact.addr).unwrap();
        for (to, query) in self.sent() {
            assert_eq!(to, contact.addr);
            let answer = answer_to(&query, Response::new(contact.id));
            self.hear(to, &answer).unwrap();
        }
        while self.dht.poll_event().is_some() {}
    }
}

fn query(n: u8, method: Method<'_>) -> Query<'_> {
    Query {
        id: NodeId([n; 20]),
        is_read_only: false,
        want: Want::default(),
        method,
    }
}

/// The answer to a query of the node.
fn answer_to(query: &[u8], response: Response<'_>) -> Vec<u8> {
    let asked = wire::decode(query).unwrap();
    let mut out = Vec::new();
    let answer = Message {
        transaction_id: asked.transaction_id,
        body: Body::Response(response),
        version: None,
    };
    wire::encode(&answer, &mut out);
    out
}

#[track_caller]
fn response(datagram: &[u8]) -> Response<'_> {
    match wire::decode(datagram).expect("an answer").body {
        Body::Response(response) => response,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn error_code(datagram: &[u8]) -> i64 {
    match wire::decode(datagram).expect("an answer").body {
        Body::Error(error) => error.code,
        other => panic!("{other:?}"),
    }
}
