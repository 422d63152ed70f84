//! What is printed. The keys are stable, and documented in the help.

use std::{
    fmt::Write as _,
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use bt_bencoding::{Document, Lenient, Limits, Value as Bencode};
use bt_dht::{Event, Figures, Item, NodeId, Outcome};
use bt_types::SwarmId;
use serde::Serialize;

use crate::format::printable;

#[derive(Debug, Serialize)]
pub(super) struct Peers {
    info_hash: String,
    peers: Vec<String>,
    nodes_asked: u32,
    nodes_answered: u32,
}

impl Peers {
    pub(super) fn new(swarm: SwarmId, peers: &[SocketAddr], figures: Figures) -> Self {
        Self {
            info_hash: swarm.to_string(),
            peers: peers.iter().map(ToString::to_string).collect(),
            nodes_asked: figures.queries,
            nodes_answered: figures.replies,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Scraped {
    info_hash: String,
    seeders: u64,
    downloaders: u64,
    nodes: usize,
}

impl Scraped {
    /// Nothing if nobody told.
    pub(super) fn new(swarm: SwarmId, outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Scraped {
                seeds,
                downloaders,
                nodes,
            } if nodes > 0 => Some(Self {
                info_hash: swarm.to_string(),
                seeders: seeds.round() as u64,
                downloaders: downloaders.round() as u64,
                nodes,
            }),
            _ => None,
        }
    }

    pub(super) fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let (seeders, downloaders) = (self.seeders, self.downloaders);
        writeln!(
            out,
            "about {seeders} seeders and {downloaders} downloaders, as {} nodes tell",
            self.nodes
        )
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Pong {
    node: SocketAddr,
    id: String,
    millis: u64,
}

impl Pong {
    pub(super) fn new(node: SocketAddr, id: NodeId, round_trip: Duration) -> Self {
        Self {
            node,
            id: id.to_string(),
            millis: u64::try_from(round_trip.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { node, id, millis } = self;
        writeln!(out, "{node} is node {id}, {millis} ms away")
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Sampled {
    node: SocketAddr,
    samples: Vec<String>,
    total: u64,
    interval_secs: u64,
}

impl Sampled {
    pub(super) fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Samples {
                from,
                info_hashes,
                interval,
                total,
                ..
            } => Some(Self {
                node: *from,
                samples: info_hashes.iter().map(ToString::to_string).collect(),
                total: *total,
                interval_secs: interval.as_secs(),
            }),
            _ => None,
        }
    }

    pub(super) fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut samples = self.samples.iter();
        samples.try_for_each(|info_hash| writeln!(out, "{info_hash}"))
    }
}

/// What names an item.
#[derive(Debug, Serialize)]
struct Named {
    target: String,
    key: Option<String>,
    salt: Option<String>,
    seq: Option<i64>,
}

impl Named {
    fn of(item: &Item) -> Self {
        let mutable = match item {
            Item::Mutable(item) => Some(item),
            Item::Immutable(_) => None,
        };
        let salt = mutable.map(|item| String::from_utf8_lossy(&item.name().salt));
        Self {
            target: item.target().to_string(),
            key: mutable.map(|item| hex(&item.name().key)),
            salt: salt.map(std::borrow::Cow::into_owned),
            seq: mutable.map(bt_dht::MutableItem::seq),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Value {
    #[serde(flatten)]
    named: Named,
    value: Option<String>,
    value_hex: String,
    /// What people see of it.
    #[serde(skip)]
    for_people: Vec<u8>,
}

impl Value {
    pub(super) fn of(item: &Item) -> Self {
        let document = Document::<Lenient>::parse(item.value(), Limits::new(64, 1024)).ok();
        let root = document.as_ref().map(Document::root);
        let string = root.and_then(Bencode::as_bytes);
        let for_people = string.unwrap_or(item.value());
        Self {
            named: Named::of(item),
            value: string.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()),
            value_hex: hex(item.value()),
            for_people: for_people.to_vec(),
        }
    }

    /// The bytes come from strangers.
    pub(super) fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let text = String::from_utf8_lossy(&self.for_people);
        writeln!(out, "{}", printable(&text))
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Stored {
    #[serde(flatten)]
    named: Named,
    nodes: usize,
}

impl Stored {
    pub(super) fn new(item: &Item, nodes: usize) -> Self {
        Self {
            named: Named::of(item),
            nodes,
        }
    }

    /// By what it is found again.
    pub(super) fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{}",
            self.named.key.as_ref().unwrap_or(&self.named.target)
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // A string takes everything.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use bt_dht::{ImmutableItem, MutableItem};

    use super::*;

    fn help(verb: &str) -> String {
        let mut bt = crate::command();
        let dht = bt.find_subcommand_mut("dht").unwrap();
        let verb = dht.find_subcommand_mut(verb).unwrap();
        verb.render_long_help().to_string()
    }

    fn check(verb: &str, shown: &impl Serialize, expected: serde_json::Value) {
        let shown = serde_json::to_value(shown).unwrap();
        assert_eq!(shown, expected);
        let help = help(verb);
        for key in shown.as_object().unwrap().keys() {
            assert!(help.contains(key.as_str()), "{key}");
        }
    }

    fn for_people(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_forms_are_stable() {
        let node: SocketAddr = "192.0.2.1:6881".parse().unwrap();
        let swarm = SwarmId([7; 20]);
        let id = "07".repeat(20);
        let mut figures = Figures::default();
        (figures.queries, figures.replies) = (3, 2);
        check(
            "get-peers",
            &Peers::new(swarm, &[node], figures),
            serde_json::json!({
                "info_hash": id, "peers": ["192.0.2.1:6881"], "nodes_asked": 3, "nodes_answered": 2
            }),
        );
        let outcome = |nodes| Outcome::Scraped {
            seeds: 2.4,
            downloaders: 7.9,
            nodes,
        };
        assert!(Scraped::new(swarm, outcome(0)).is_none());
        let scraped = Scraped::new(swarm, outcome(5)).unwrap();
        check(
            "scrape",
            &scraped,
            serde_json::json!({ "info_hash": id, "seeders": 2, "downloaders": 8, "nodes": 5 }),
        );
        let pong = Pong::new(node, NodeId([7; 20]), Duration::from_millis(12));
        check(
            "ping",
            &pong,
            serde_json::json!({ "node": "192.0.2.1:6881", "id": id, "millis": 12 }),
        );
        let words = for_people(|out| pong.write_for_people(out));
        assert_eq!(words, format!("192.0.2.1:6881 is node {id}, 12 ms away\n"));
    }

    #[test]
    fn items_of_both_kinds() {
        let item = ImmutableItem::new(b"12:Hello World!".to_vec()).unwrap();
        let item = Item::Immutable(item);
        let value = Value::of(&item);
        check(
            "get",
            &value,
            serde_json::json!({
                "target": "e5f96f6f38320f0f33959cb4d3d656452117aadb",
                "key": null, "salt": null, "seq": null,
                "value": "Hello World!",
                "value_hex": "31323a48656c6c6f20576f726c6421",
            }),
        );
        assert_eq!(
            for_people(|out| value.write_for_people(out)),
            "Hello World!\n"
        );
        let item = MutableItem::sign(&[7; 32], "blog", 4, b"3:\x1b[2".to_vec()).unwrap();
        let key = hex(&item.name().key);
        let item = Item::Mutable(item);
        let shown = for_people(|out| Value::of(&item).write_for_people(out));
        assert!(!shown.contains('\x1b'), "{shown:?}");
        let stored = Stored::new(&item, 8);
        check(
            "put",
            &stored,
            serde_json::json!({
                "target": item.target().to_string(),
                "key": key, "salt": "blog", "seq": 4, "nodes": 8
            }),
        );
        assert_eq!(
            for_people(|out| stored.write_for_people(out)),
            format!("{key}\n")
        );
    }

    #[test]
    fn bencode_that_is_no_text_is_shown_whole() {
        let item = Item::Immutable(ImmutableItem::new(b"li1e1:ae".to_vec()).unwrap());
        let value = Value::of(&item);
        assert_eq!(for_people(|out| value.write_for_people(out)), "li1e1:ae\n");
        assert_eq!(value.value, None);
    }
}
