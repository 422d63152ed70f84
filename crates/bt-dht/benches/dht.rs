//! What a busy node does: read messages, answer queries, look things up in its table.
//!
//! Where valgrind is installed, the instructions of a query from datagram to datagram are counted
//! too; they do not depend on the machine's mood.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::{
    env,
    hint::black_box,
    net::SocketAddr,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use bt_dht::{
    Config, Dht, ImmutableItem, NodeId,
    wire::{self, Body, Contact, Message, Method, Query, Response, Want},
};
use bt_types::SwarmId;
use criterion::{Criterion, Throughput, criterion_group};

const SWARM: SwarmId = SwarmId([0x42; 20]);
const QUERIES: [&str; 6] = [
    "ping",
    "find_node",
    "get_peers",
    "announce_peer",
    "get",
    "sample_infohashes",
];

fn decode(c: &mut Criterion) {
    let mut node = Node::new();
    let mut group = c.benchmark_group("dht/decode");
    for name in QUERIES {
        let query = node.query(name);
        group.throughput(Throughput::Bytes(query.len() as u64));
        let mut memory = bt_bencoding::TokenMemory::default();
        group.bench_function(name, |b| {
            b.iter(|| wire::decode_in(black_box(&query), &mut memory).is_ok());
        });
    }
    group.finish();
}

fn answer(c: &mut Criterion) {
    let mut node = Node::new();
    let mut group = c.benchmark_group("dht/answer");
    group.throughput(Throughput::Elements(1));
    for name in QUERIES {
        let query = node.query(name);
        group.bench_function(name, |b| b.iter(|| node.answer(black_box(&query))));
    }
    group.finish();
}

/// A node that was told of 200 others of all distances, and has 100 peers of a swarm and one item of
/// the largest size.
struct Node {
    now: Instant,
    dht: Dht,
    datagram: Vec<u8>,
}

impl Node {
    fn new() -> Self {
        let config = Config {
            reply_bytes_per_sec: u32::MAX,
            max_queries_per_source: u32::MAX,
            ..Config::default()
        };
        let now = epoch();
        let mut node = Self {
            now,
            dht: Dht::new(now, config, [1; 32]),
            datagram: Vec::new(),
        };
        let own = node.dht.id(bt_dht::Family::V4).expect("it takes part");
        for n in 0..200 {
            node.befriend(contact(own, n));
        }
        for n in 0..100 {
            let token = node.token(n);
            node.answer_to(contact(own, n).addr, &announce(n, &token));
        }
        let token = node.token_by(3, &get(3));
        let item = item();
        let put = Method::Put {
            token: &token,
            value: item.value(),
            signed: None,
        };
        node.answer(&query(3, put));
        node
    }

    fn query(&mut self, name: &str) -> Vec<u8> {
        let target = NodeId([0x99; 20]);
        match name {
            "ping" => query(3, Method::Ping),
            "find_node" => query(3, Method::FindNode { target }),
            "get_peers" => get_peers(3),
            "get" => get(3),
            "announce_peer" => {
                let token = self.token(3);
                announce(3, &token)
            }
            _ => query(3, Method::SampleInfohashes { target }),
        }
    }

    /// From datagram to datagram; returns the length of the second.
    fn answer(&mut self, query: &[u8]) -> usize {
        self.answer_to(contact(NodeId([0; 20]), 3).addr, query);
        self.datagram.len()
    }

    fn answer_to(&mut self, from: SocketAddr, query: &[u8]) {
        // So that what may be sent in a second is never used up.
        self.now += Duration::from_micros(1);
        let result = self.dht.handle_datagram(self.now, from, query);
        result.expect("a good query");
        while self.dht.poll_transmit(&mut self.datagram) != Some(from) {}
    }

    fn token(&mut self, n: u8) -> Vec<u8> {
        self.token_by(n, &get_peers(n))
    }

    fn token_by(&mut self, n: u8, query: &[u8]) -> Vec<u8> {
        self.answer_to(contact(NodeId([0; 20]), n).addr, query);
        let message = wire::decode(&self.datagram).expect("ours");
        let Body::Response(response) = message.body else {
            panic!("a response")
        };
        response.token.expect("a token").to_vec()
    }

    fn befriend(&mut self, contact: Contact) {
        let begun = self.dht.ping(self.now, contact.addr);
        begun.expect("room for an operation");
        while let Some(to) = self.dht.poll_transmit(&mut self.datagram) {
            let query = wire::decode(&self.datagram).expect("ours");
            let mut answer = Vec::new();
            let message = Message {
                transaction_id: query.transaction_id,
                body: Body::Response(Response::new(contact.id)),
                version: None,
            };
            wire::encode(&message, &mut answer);
            let _ = self.dht.handle_datagram(self.now, to, &answer);
        }
        while self.dht.poll_event().is_some() {}
    }
}

/// Half of them share no bit with `own`, a quarter one, and so on.
fn contact(own: NodeId, n: u8) -> Contact {
    let mut id = own.0;
    let bit = n.trailing_ones() as usize;
    id[bit / 8] ^= 0x80 >> (bit % 8);
    id[19] = n;
    Contact {
        id: NodeId(id),
        addr: SocketAddr::from(([20 + n / 4, n, 1, 1], 6881)),
    }
}

fn query(n: u8, method: Method<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let message = Message {
        transaction_id: b"tx",
        body: Body::Query(Query {
            id: contact(NodeId([0; 20]), n).id,
            is_read_only: true,
            want: Want::default(),
            method,
        }),
        version: Some(b"XX01"),
    };
    wire::encode(&message, &mut out);
    out
}

fn get_peers(n: u8) -> Vec<u8> {
    let method = Method::GetPeers {
        info_hash: SWARM,
        no_seeds: false,
        scrape: false,
    };
    query(n, method)
}

fn get(n: u8) -> Vec<u8> {
    let method = Method::Get {
        target: item().target(),
        newer_than: None,
    };
    query(n, method)
}

fn item() -> ImmutableItem {
    let value = format!("996:{}", "x".repeat(996));
    ImmutableItem::new(value).expect("canonical, and not too long")
}

fn announce(n: u8, token: &[u8]) -> Vec<u8> {
    let method = Method::AnnouncePeer {
        info_hash: SWARM,
        port: 7777,
        implied_port: false,
        is_seed: false,
        token,
    };
    query(n, method)
}

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary epoch; only offsets from it matter"
)]
fn epoch() -> Instant {
    Instant::now()
}

/// Of one query: what a thousand more of them cost a process, divided.
fn instructions(which: usize) -> Option<u64> {
    let count = |repeats: u64| {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        valgrind.arg(env::current_exe().ok()?).arg(COUNTED);
        let output = valgrind
            .args([which.to_string(), repeats.to_string()])
            .output()
            .ok()?;
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        let (_, collected) = report.split_once("Collected : ")?;
        collected.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some((count(1001)? - count(1)?) / 1000)
}

/// Whether none takes many more than it did when `baseline.txt` was written.
#[expect(clippy::print_stdout, reason = "that is its job")]
fn count_instructions() -> bool {
    println!("| query | instructions | of the baseline | bytes of the answer |\n|---|---|---|---|");
    let mut node = Node::new();
    let mut is_as_good = true;
    for (which, name) in QUERIES.iter().enumerate() {
        let query = node.query(name);
        let bytes = node.answer(&query);
        let baseline = baseline(name).expect("each query has a line in baseline.txt");
        let Some(count) = instructions(which) else {
            println!("| {name} | – | – | {bytes} |");
            continue;
        };
        let ratio = count as f64 / baseline as f64;
        println!("| {name} | {count} | {ratio:.3} | {bytes} |");
        is_as_good &= ratio <= MOST_OF_BASELINE;
    }
    is_as_good
}

/// What `baseline.txt` says.
fn baseline(query: &str) -> Option<u64> {
    let lines = include_str!("baseline.txt").lines();
    let mut words = lines.map(str::split_whitespace);
    let mut line = words.find(|words| words.clone().next() == Some(query))?;
    line.nth(1)?.parse().ok()
}

/// What [`instructions`] runs under valgrind.
fn run_counted(args: &[String]) -> ExitCode {
    let numbers: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let [which, repeats] = numbers[..] else {
        return ExitCode::FAILURE;
    };
    let mut node = Node::new();
    let query = node.query(QUERIES[which]);
    for _ in 0..repeats {
        black_box(node.answer(black_box(&query)));
    }
    ExitCode::SUCCESS
}

criterion_group!(benches, decode, answer);

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == COUNTED) {
        return run_counted(&args[1..]);
    }
    // Criterion runs benches for measuring only with this.
    let is_measured = args.iter().any(|arg| arg == "--bench");
    let is_as_good = !is_measured || count_instructions();
    benches();
    Criterion::default().configure_from_args().final_summary();
    assert!(
        is_as_good,
        "some query takes more than {MOST_OF_BASELINE} times the instructions of baseline.txt"
    );
    ExitCode::SUCCESS
}

/// Compilers differ by a few percent.
const MOST_OF_BASELINE: f64 = 1.1;

/// By which this program tells that it runs under valgrind.
const COUNTED: &str = "--count-instructions";
