//! Queries of others are what a node is busy with: once it has its buffers, answering them
//! allocates nothing but what it is to store.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bt_dht::{
    Config, Dht, Family, ImmutableItem, Item, NodeId,
    wire::{self, Body, Contact, Message, Method, Query, Response, Signed, Want},
};
use bt_types::SwarmId;

const SWARM: SwarmId = SwarmId([0x42; 20]);
const VALUE: &[u8] = b"12:Hello World!";

struct Node {
    now: Instant,
    dht: Dht,
    datagram: Vec<u8>,
}

impl Node {
    /// One with a table of some buckets, and a swarm of some peers.
    fn new() -> Self {
        let config = Config {
            reply_bytes_per_sec: 1 << 30,
            max_queries_per_source: u32::MAX,
            ..Config::default()
        };
        let now = epoch();
        let mut node = Self {
            now,
            dht: Dht::new(now, config, [1; 32]),
            datagram: Vec::new(),
        };
        for n in 0..200 {
            node.befriend(contact(n));
        }
        for n in 0..50 {
            let peer = contact(n);
            let token = node.token(peer);
            node.answer(peer.addr, &announce(peer, &token));
        }
        node
    }

    fn befriend(&mut self, contact: Contact) {
        self.dht
            .ping(self.now, contact.addr)
            .expect("room for an operation");
        while let Some(to) = self.dht.poll_transmit(&mut self.datagram) {
            let query = wire::decode(&self.datagram).expect("ours");
            let mut answer = Vec::new();
            let message = Message {
                transaction_id: query.transaction_id,
                body: Body::Response(Response::new(contact.id)),
                version: None,
            };
            wire::encode(&message, &mut answer);
            self.dht
                .handle_datagram(self.now, to, &answer)
                .expect("awaited");
        }
        while self.dht.poll_event().is_some() {}
    }

    fn token(&mut self, asker: Contact) -> Vec<u8> {
        self.token_by(asker, &get_peers(asker, false))
    }

    fn token_by(&mut self, asker: Contact, query: &[u8]) -> Vec<u8> {
        self.answer(asker.addr, query);
        match wire::decode(&self.datagram).expect("ours").body {
            Body::Response(response) => response.token.expect("a token").to_vec(),
            other => panic!("{other:?}"),
        }
    }

    /// Has it store an item, and returns the query for it.
    fn put(&mut self, asker: Contact, item: &Item) -> Vec<u8> {
        let target = item.target();
        let newer_than = None;
        let get = query(asker, Method::Get { target, newer_than });
        let token = self.token_by(asker, &get);
        let signed = match item {
            Item::Immutable(_) => None,
            Item::Mutable(item) => Some(Signed {
                key: item.name().key,
                salt: &item.name().salt,
                seq: item.seq(),
                signature: *item.signature(),
                cas: None,
            }),
        };
        let put = Method::Put {
            token: &token,
            value: item.value(),
            signed,
        };
        self.answer(asker.addr, &query(asker, put));
        get
    }

    /// What a driver does; the answer is in `datagram`.
    fn answer(&mut self, from: SocketAddr, query: &[u8]) {
        self.dht
            .handle_datagram(self.now, from, query)
            .expect("a good query");
        let to = self.dht.poll_transmit(&mut self.datagram);
        assert_eq!(to, Some(from));
    }
}

fn contact(n: u8) -> Contact {
    let mut id = [0; 20];
    // So that buckets near and far are filled.
    id[usize::from(n % 5)] = n;
    id[10] = n;
    Contact {
        id: NodeId(id),
        addr: SocketAddr::from(([20 + n / 4, n, 1, 1], 6881)),
    }
}

fn query(asker: Contact, method: Method<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let message = Message {
        transaction_id: b"tx",
        body: Body::Query(Query {
            id: asker.id,
            is_read_only: false,
            want: Want::default(),
            method,
        }),
        version: Some(b"XX01"),
    };
    wire::encode(&message, &mut out);
    out
}

fn get_peers(asker: Contact, scrape: bool) -> Vec<u8> {
    let method = Method::GetPeers {
        info_hash: SWARM,
        no_seeds: false,
        scrape,
    };
    query(asker, method)
}

fn announce(asker: Contact, token: &[u8]) -> Vec<u8> {
    let method = Method::AnnouncePeer {
        info_hash: SWARM,
        port: 7777,
        implied_port: false,
        is_seed: false,
        token,
    };
    query(asker, method)
}

#[cfg(feature = "mutable")]
fn get_mutable(node: &mut Node, asker: Contact) -> Vec<u8> {
    let item = bt_dht::MutableItem::sign(&[7; 32], "blog", 1, VALUE).expect("canonical");
    node.put(asker, &Item::Mutable(item))
}

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary epoch; only offsets from it matter"
)]
fn epoch() -> Instant {
    Instant::now()
}

#[test]
fn answering_allocates_nothing() {
    let mut node = Node::new();
    assert!(node.dht.node_count(Family::V4) > 20);
    let asker = contact(3);
    let token = node.token(asker);
    let target = NodeId([0x99; 20]);
    let immutable = Item::Immutable(ImmutableItem::new(VALUE).expect("canonical"));
    let get = node.put(asker, &immutable);
    // With the key by which one finds it in the answer.
    for (name, query, brings) in [
        ("ping", query(asker, Method::Ping), "2:id20:"),
        (
            "find_node",
            query(asker, Method::FindNode { target }),
            "5:nodes208:",
        ),
        ("get_peers", get_peers(asker, false), "6:values"),
        ("scrape", get_peers(asker, true), "4:BFpe256:"),
        ("announce_peer", announce(asker, &token), "2:id20:"),
        (
            "sample_infohashes",
            query(asker, Method::SampleInfohashes { target }),
            "7:samples20:",
        ),
        ("get, immutable", get, "1:v12:Hello World!"),
        #[cfg(feature = "mutable")]
        ("get, mutable", get_mutable(&mut node, asker), "3:sig64:"),
    ] {
        node.answer(asker.addr, &query); // its buffers may grow
        let used = allocation_counter::measure(|| {
            for _ in 0..100 {
                node.now += Duration::from_millis(1);
                node.answer(asker.addr, &query);
            }
        });
        assert_eq!(used.count_total, 0, "{name}");
        let mut parts = node.datagram.windows(brings.len());
        assert!(parts.any(|part| part == brings.as_bytes()), "{name}");
    }
    // That counting works at all.
    let used = allocation_counter::measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!(used.count_total, 1);
}
