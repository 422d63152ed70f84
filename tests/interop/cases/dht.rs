//! Our nodes and libtorrent's in one DHT.

use std::net::SocketAddr;

use bt_dht::{Announce, Event, ImmutableItem, Item, MutableItem, Outcome as Ended, Wanted};
use bt_types::SwarmId;
use serde_json::Value;

use super::Entry;
use crate::{
    foreign::libtorrent_dht::{self, Nodes},
    harness::{Case, Context, Outcome, ensure, wait},
    own_dht::OwnNode,
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "dht/together",
        run: |case| together(case, 5),
    },
    Entry {
        name: "dht/items",
        run: items,
    },
];

pub(super) const LONG_CASES: &[Entry] = &[Entry {
    name: "dht/hundred",
    run: |case| together(case, 50),
}];

/// So many nodes of ours, and as many of libtorrent's.
struct Network {
    ours: Vec<OwnNode>,
    theirs: Nodes,
}

impl Network {
    fn start(case: &Case<'_>, each: usize) -> Outcome<Self> {
        let ours = (0..each).map(|_| OwnNode::start(case.address()?));
        let ours: Vec<_> = ours.collect::<Outcome<_>>()?;
        let theirs = libtorrent_dht::by_way_of(case, each, ours[0].address())?;
        let way_in = [SocketAddr::V4(theirs.address(0))];
        let others = [SocketAddr::V4(ours[0].address())];
        for (number, node) in ours.iter().enumerate() {
            let nodes = if number == 0 { &way_in } else { &others };
            let id = node.command(|dht, now| dht.bootstrap(now, nodes));
            node.finish(id.context("room for an operation")?)?;
        }
        let enough = (2 * each - 1).min(8);
        wait::until("everybody knows some others", wait::TRANSFER, || {
            let known = ours
                .iter()
                .map(|node| node.command(|dht, _| dht.node_count(V4)));
            let is_enough = known.min().unwrap_or(0) >= enough;
            Ok((is_enough && theirs.least_known() >= enough.min(4)).then_some(()))
        })?;
        Ok(Self { ours, theirs })
    }
}

/// What is announced on one node is found from every other.
fn together(case: &Case<'_>, each: usize) -> Outcome {
    let mut network = Network::start(case, each)?;
    let (by_us, by_them) = (SwarmId([0xa5; 20]), SwarmId([0x5a; 20]));
    let (our_port, their_port) = (7001, 7002);
    let announce = Announce {
        port: our_port,
        implied_port: false,
        is_seed: false,
    };
    let announcer = &network.ours[1];
    let id = announcer.command(|dht, now| dht.announce(now, by_us, announce));
    let (_, end) = announcer.finish(id.context("room for an operation")?)?;
    let Ended::Announced { nodes } = end else {
        return None.context(format_args!("an announce that ends with {end:?}"));
    };
    ensure!(nodes >= 4, "only {nodes} nodes took the announce");
    network
        .theirs
        .command(&format!("announce 1 {by_them} {their_port}"))?;

    let ours = SocketAddr::new((*announcer.address().ip()).into(), our_port);
    let theirs = SocketAddr::new((*network.theirs.address(1).ip()).into(), their_port);
    for node in &network.ours {
        for (swarm, peer) in [(by_us, ours), (by_them, theirs)] {
            if swarm == by_us && node.address() == announcer.address() {
                continue;
            }
            // Their announce takes its time, and does not say when it is over.
            wait::until("our node finds a peer", wait::TRANSFER, || {
                let id = node.command(|dht, now| dht.get_peers(now, swarm));
                let (events, _) = node.finish(id.context("room for an operation")?)?;
                let is_it = |event: &Event| match event {
                    Event::Peers { peers, .. } => peers.contains(&peer),
                    _ => false,
                };
                Ok(events.iter().any(is_it).then_some(()))
            })?;
        }
    }
    for node in 0..each {
        for (swarm, peer) in [(by_us, ours), (by_them, theirs)] {
            if swarm == by_them && node == 1 {
                continue;
            }
            network
                .theirs
                .command(&format!("get-peers {node} {swarm}"))?;
            let (swarm, peer) = (swarm.to_string(), peer.to_string());
            network.theirs.wait("libtorrent finds a peer", |event| {
                event["event"] == "peers"
                    && event["node"] == node
                    && event["info_hash"] == swarm
                    && event["peers"]
                        .as_array()
                        .is_some_and(|all| all.contains(&Value::from(peer.as_str())))
            })?;
        }
    }
    Ok(())
}

/// Items that one side has put are found by the other (BEP 44).
fn items(case: &Case<'_>) -> Outcome {
    let mut network = Network::start(case, 4)?;
    let node = &network.ours[2];
    let immutable = ImmutableItem::new(&b"10:from-rust!"[..]).context("an item")?;
    let mutable = MutableItem::sign(&[3; 32], "", 1, &b"7:changes"[..]).context("an item")?;
    for item in [
        Item::Immutable(immutable.clone()),
        Item::Mutable(mutable.clone()),
    ] {
        let id = node.command(|dht, now| dht.put(now, item, None));
        let (_, end) = node.finish(id.context("room for an operation")?)?;
        ensure!(
            matches!(end, Ended::Put { nodes: 4.. }),
            "a put that ends with {end:?}"
        );
    }
    let target = immutable.target().to_string();
    network.theirs.command(&format!("get-item 2 {target}"))?;
    network.theirs.wait("libtorrent finds our item", |event| {
        event["event"] == "item" && event["target"] == target && event["value"] == "from-rust!"
    })?;
    let key: String = mutable
        .name()
        .key
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    network.theirs.command(&format!("get-mutable 2 {key}"))?;
    network
        .theirs
        .wait("libtorrent finds our mutable item", |event| {
            event["event"] == "item" && event["target"] == key && event["value"] == "changes"
        })?;

    network.theirs.command("put 1 from-python")?;
    let put = network
        .theirs
        .wait("libtorrent puts an item", |event| event["event"] == "put")?;
    let target = put["target"]
        .as_str()
        .and_then(|target| target.parse().ok());
    let target = target.context("libtorrent names no target")?;
    wait::until("our node finds an item", wait::TRANSFER, || {
        let id = node.command(|dht, now| dht.get(now, Wanted::Immutable(target)));
        let (events, _) = node.finish(id.context("room for an operation")?)?;
        let is_it = |event: &Event| match event {
            Event::Item { item, .. } => item.value() == b"11:from-python",
            _ => false,
        };
        Ok(events.iter().any(is_it).then_some(()))
    })
}

const V4: bt_dht::Family = bt_dht::Family::V4;
