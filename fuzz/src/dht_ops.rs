//! A node among others that say anything: every operation ends once, what is sent is a message of
//! bounded size, and nobody is answered who did not ask.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use arbitrary::{Arbitrary, Unstructured};
use bt_dht::{
    Announce, Config, Dht, Event, IdRule, ImmutableItem, Item, MutableItem, NodeId, OperationId,
    State, Wanted,
    wire::{self, Body, Contact, Contacts, Message, Query, Response, push_contact},
};
use bt_types::SwarmId;

/// Decodes what the application, the network and the clock do.
pub fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let mut world = World::new(&input);
    for op in input.ops.iter().take(MAX_OPS) {
        world.apply(op);
        world.settle();
    }
    for _ in 0..MAX_TIMEOUTS {
        if world.open.is_empty() {
            break;
        }
        world.now = world.now.max(world.dht.poll_timeout());
        world.dht.handle_timeout(world.now);
        world.settle();
    }
    assert!(world.open.is_empty(), "never ended: {:?}", world.open);
    let kept = world.dht.state();
    assert_eq!(State::decode(&kept.encode()), Ok(kept));
}

#[derive(Arbitrary)]
struct Input {
    is_dual: bool,
    trusts_local: bool,
    enforces_bound_ids: bool,
    ops: Vec<Op>,
}

#[derive(Arbitrary)]
enum Op {
    Command(Command),
    Cancel,
    /// Quarters of a second.
    Advance(u8),
    /// Minutes.
    Wait(u8),
    NextTimeout,
    /// Any bytes from somewhere.
    Datagram {
        from: Host,
        bytes: Vec<u8>,
    },
    /// A query, well-formed.
    Query {
        from: Host,
        id: u8,
        method: u8,
        target: u8,
        with_token: bool,
    },
    /// An answer to something that was asked.
    Answer {
        to: u8,
        answer: Answer,
    },
}

#[derive(Arbitrary)]
enum Command {
    Bootstrap(Host),
    GetPeers(u8),
    Announce(u8),
    Scrape(u8),
    GetItem,
    PutImmutable(u8),
    PutMutable(u8),
    Sample(u8),
    Ping(Host),
    Address(u8),
}

#[derive(Arbitrary, Clone, Copy)]
struct Host {
    n: u8,
    is_v6: bool,
    is_local: bool,
}

#[derive(Arbitrary)]
struct Answer {
    id: u8,
    has_token: bool,
    nodes: Vec<(u8, Host)>,
    peers: Vec<Host>,
    external: Option<Host>,
    value: Option<u8>,
    is_from_elsewhere: bool,
    is_error: bool,
}

impl Host {
    fn addr(self) -> SocketAddr {
        match (self.is_v6, self.is_local) {
            (false, false) => ([20 + self.n % 100, self.n, 1, 1], 6881).into(),
            (false, true) => ([127, 0, 0, 1], 6881 + u16::from(self.n)).into(),
            (true, false) => ([0x2001, 0xdb8, self.n.into(), 0, 0, 0, 0, 1], 6881).into(),
            (true, true) => ([0, 0, 0, 0, 0, 0, 0, 1], 6881 + u16::from(self.n)).into(),
        }
    }
}

struct World {
    dht: Dht,
    now: Instant,
    /// Queries of the node, the latest last, for answers.
    asked: Vec<(SocketAddr, Vec<u8>)>,
    open: BTreeSet<OperationId>,
    token: Vec<u8>,
    /// Who was heard since it was last seen what is sent.
    heard: Option<SocketAddr>,
}

impl World {
    fn new(input: &Input) -> Self {
        let config = Config {
            v6: input.is_dual,
            trusts_local_addresses: input.trusts_local,
            id_rule: match input.enforces_bound_ids {
                true => IdRule::Enforce,
                false => IdRule::Prefer,
            },
            max_swarms: 5,
            max_peers_per_swarm: 5,
            max_peers_per_source: 5,
            max_items: 3,
            ..Config::default()
        };
        let now = crate::epoch();
        Self {
            dht: Dht::new(now, config, [7; 32]),
            now,
            asked: Vec::new(),
            open: BTreeSet::new(),
            token: Vec::new(),
            heard: None,
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Command(command) => self.command(command),
            Op::Cancel => {
                if let Some(id) = self.open.pop_first() {
                    self.dht.cancel(self.now, id);
                }
            }
            Op::Advance(quarters) => self.advance(Duration::from_millis(250) * (*quarters).into()),
            Op::Wait(minutes) => self.advance(Duration::from_secs(60) * (*minutes).into()),
            Op::NextTimeout => {
                self.now = self.now.max(self.dht.poll_timeout());
                self.dht.handle_timeout(self.now);
            }
            Op::Datagram { from, bytes } => self.hear(from.addr(), bytes),
            Op::Query {
                from,
                id,
                method,
                target,
                with_token,
            } => {
                let query = self.query(*id, *method, *target, *with_token);
                self.hear(from.addr(), &query);
            }
            Op::Answer { to, answer } => self.answer(*to, answer),
        }
    }

    fn command(&mut self, command: &Command) {
        let (dht, now) = (&mut self.dht, self.now);
        let announce = Announce {
            port: 7777,
            implied_port: false,
            is_seed: false,
        };
        let begun = match command {
            Command::Bootstrap(host) => dht.bootstrap(now, &[host.addr()]),
            Command::GetPeers(n) => dht.get_peers(now, SwarmId([*n; 20])),
            Command::Announce(n) => dht.announce(now, SwarmId([*n; 20]), announce),
            Command::Scrape(n) => dht.scrape(now, SwarmId([*n; 20])),
            Command::GetItem => dht.get(now, Wanted::Mutable(item(0).name().clone())),
            Command::PutImmutable(n) => {
                let item = ImmutableItem::new(format!("i{n}e")).expect("a small value");
                dht.put(now, Item::Immutable(item), None)
            }
            Command::PutMutable(n) => dht.put(now, Item::Mutable(item(*n)), Some(1)),
            Command::Sample(n) => dht.sample(now, NodeId([*n; 20])),
            Command::Ping(host) => dht.ping(now, host.addr()),
            Command::Address(n) => {
                dht.set_external_address(now, [90, 1, 1, *n].into());
                return;
            }
        };
        self.open.insert(begun.expect("few are open"));
    }

    fn advance(&mut self, time: Duration) {
        self.now += time;
        self.dht.handle_timeout(self.now);
    }

    fn query(&self, id: u8, method: u8, target: u8, with_token: bool) -> Vec<u8> {
        use wire::Method;
        let (target, info_hash) = (NodeId([target; 20]), SwarmId([target; 20]));
        let token: &[u8] = if with_token { &self.token } else { b"x" };
        let mutable = item(id);
        let method = match method % 8 {
            0 => Method::Ping,
            1 => Method::FindNode { target },
            2 => Method::GetPeers {
                info_hash,
                no_seeds: false,
                scrape: id & 1 == 0,
            },
            3 => Method::AnnouncePeer {
                info_hash,
                port: 1 + u16::from(id),
                implied_port: id & 1 == 0,
                is_seed: false,
                token,
            },
            4 => Method::Get {
                target,
                newer_than: Some(i64::from(id)),
            },
            5 => Method::Put {
                token,
                value: b"i1e",
                signed: None,
            },
            6 => Method::Put {
                token,
                value: mutable.value(),
                signed: Some(wire::Signed {
                    key: mutable.name().key,
                    salt: b"",
                    seq: mutable.seq(),
                    signature: *mutable.signature(),
                    cas: None,
                }),
            },
            _ => Method::SampleInfohashes { target },
        };
        let query = Query {
            id: NodeId([id; 20]),
            is_read_only: false,
            want: wire::Want::default(),
            method,
        };
        encoded(b"tx", Body::Query(query))
    }

    fn answer(&mut self, to: u8, answer: &Answer) {
        if self.asked.is_empty() {
            return;
        }
        let which = usize::from(to) % self.asked.len();
        let (addr, query) = self.asked.swap_remove(which);
        let asked = wire::decode(&query).expect("the node's own query");
        let from = match answer.is_from_elsewhere {
            true => SocketAddr::new(addr.ip(), addr.port() ^ 1),
            false => addr,
        };
        if answer.is_error {
            let error = wire::ErrorBody {
                code: 202,
                message: b"no",
                external: None,
            };
            let error = encoded(asked.transaction_id, Body::Error(error));
            self.hear(from, &error);
            return;
        }
        let (mut nodes, mut nodes6) = (Vec::new(), Vec::new());
        for (id, host) in answer.nodes.iter().take(30) {
            let contact = Contact {
                id: NodeId([*id; 20]),
                addr: host.addr(),
            };
            let out = if host.is_v6 { &mut nodes6 } else { &mut nodes };
            push_contact(out, &contact);
        }
        let peers: Vec<_> = answer.peers.iter().map(|host| host.addr()).collect();
        let item = answer.value.map(item);
        let mut response = Response::new(NodeId([answer.id; 20]));
        response.token = answer.has_token.then_some(b"token");
        response.nodes = Some(Contacts::new(&nodes, bt_dht::Family::V4));
        response.nodes6 = Some(Contacts::new(&nodes6, bt_dht::Family::V6));
        response.peers = peers.into();
        response.external = answer.external.map(Host::addr);
        if let Some(item) = &item {
            response.value = Some(item.value());
            response.key = Some(&item.name().key);
            response.seq = Some(item.seq());
            response.signature = Some(item.signature());
        }
        let response = encoded(asked.transaction_id, Body::Response(response));
        self.hear(from, &response);
    }

    fn hear(&mut self, from: SocketAddr, datagram: &[u8]) {
        self.heard = Some(from);
        let _ = self.dht.handle_datagram(self.now, from, datagram);
    }

    /// Takes what the node says, and checks it.
    fn settle(&mut self) {
        self.dht.check_invariants();
        let heard = self.heard.take();
        let mut datagram = Vec::new();
        while let Some(to) = self.dht.poll_transmit(&mut datagram) {
            assert!(
                datagram.len() <= 1472,
                "a datagram of {} bytes",
                datagram.len()
            );
            let message = wire::decode(&datagram).expect("a message");
            match message.body {
                Body::Query(_) => self.asked.push((to, datagram.clone())),
                Body::Response(response) => {
                    assert_eq!(Some(to), heard, "who did not ask is not answered");
                    if let Some(token) = response.token {
                        self.token = token.to_vec();
                    }
                }
                Body::Error(_) => assert_eq!(Some(to), heard, "who did not ask is not refused"),
            }
        }
        while let Some(event) = self.dht.poll_event() {
            match event {
                Event::Finished { id, .. } => assert!(self.open.remove(&id), "ended twice"),
                Event::Peers { id, .. } | Event::Item { id, .. } | Event::Samples { id, .. } => {
                    assert!(self.open.contains(&id), "news of what has ended");
                }
                _ => {}
            }
        }
        let due = self.dht.poll_timeout();
        assert!(
            due <= self.now + Duration::from_secs(60),
            "something is always due"
        );
    }
}

fn item(n: u8) -> MutableItem {
    let value = format!("i{n}e");
    MutableItem::sign(&[5; 32], "", i64::from(n), value).expect("a small value")
}

fn encoded(transaction_id: &[u8], body: Body<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let message = Message {
        transaction_id,
        body,
        version: None,
    };
    wire::encode(&message, &mut out);
    out
}

const MAX_OPS: usize = 200;
/// A look-up asks 150 nodes at most, and each has its timeouts.
const MAX_TIMEOUTS: usize = 100_000;
