//! Peers that are found without trackers: in a DHT of libtorrent's nodes, and on a local network.

use std::{fs, net::SocketAddrV4, process::Command};

use super::{Entry, MIB, get::made_by_libtorrent};
use crate::{
    bt::{self, exit},
    foreign::{
        Torrent,
        libtorrent::{Format, Libtorrent},
        libtorrent_dht::{self, Nodes},
    },
    harness::{Case, Context, Exit, Namespace, Outcome, Payload, configure, ensure, wait},
    local_network::{Ear, LocalNetwork},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "dht/get",
        run: get_and_again,
    },
    Entry {
        name: "dht/magnet",
        run: bare_link,
    },
    Entry {
        name: "dht/seed",
        run: seed,
    },
    Entry {
        name: "dht/verbs",
        run: verbs,
    },
    Entry {
        name: "lsd/get",
        run: on_local_network,
    },
    Entry {
        name: "lsd/ipv6",
        run: on_local_network_of_ipv6,
    },
    Entry {
        name: "lsd/every-interface",
        run: on_every_interface,
    },
];

/// A torrent, a DHT of ten nodes, and a seeder that is known there and nowhere else.
fn known_by_the_dht(case: &Case<'_>, payload: &Payload) -> Outcome<(Torrent, Nodes, Libtorrent)> {
    let torrent = made_by_libtorrent(case, payload, Format::V1, None)?;
    let nodes = libtorrent_dht::among_themselves(case, 10)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .dht(nodes.address(1))
        .seed()?;
    wait_announced(case, &torrent, nodes.address(2), seeder.address())?;
    Ok((torrent, nodes, seeder))
}

/// From a seeder that is known by the DHT alone; then once more, by the nodes that are remembered
/// and no other way in.
fn get_and_again(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let (torrent, nodes, _seeder) = known_by_the_dht(case, &payload)?;
    for (folder, ways_in) in [("got", &[nodes.address(0)][..]), ("got-again", &[])] {
        let folder = case.folder(folder)?;
        let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
            .dht_by(ways_in)
            .start()?;
        bt.wait_complete(wait::TRANSFER)?;
        payload.compare(&folder)?;
        bt.ensure_found_by("dht")?;
    }
    Ok(())
}

/// A link that says nothing but the info hash is enough, to be shown and to be followed.
fn bare_link(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(4 * MIB);
    let (torrent, nodes, _seeder) = known_by_the_dht(case, &payload)?;
    let link = torrent.by_link("")?;

    let mut command = Command::new(case.bt()?);
    command.arg("show").arg(&link.path);
    command.args(["--json", "--no-lsd", "--dht-node"]);
    command.arg(nodes.address(3).to_string());
    command.arg("--state").arg(case.folder("state-of-show")?);
    let shown = bt::finish(case, command, wait::TRANSFER)?;
    let shown = shown.ensure_exit(exit::DONE)?.json()?;
    let files = shown["files"].as_array().context("no files")?;
    ensure!(
        shown["total_size"] == payload.length() && files.len() > 1,
        "{shown}"
    );

    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &link, &folder)?
        .dht_by(&[nodes.address(0)])
        .start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    ensure!(bt.count_without_metadata() > 0, "it had the metadata");
    let sources = bt.latest("progress")?["sources"].clone();
    let only_dht = sources.as_object().is_some_and(|all| all.len() == 1);
    ensure!(
        only_dht && sources["dht"]["connected"].as_u64() >= Some(1),
        "the peer came from {sources}"
    );
    Ok(())
}

/// libtorrent finds `bt seed`.
fn seed(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let nodes = libtorrent_dht::among_themselves(case, 10)?;
    let content = bt::content(&case.folder("seed")?, &payload.name);
    let mut bt = bt::seed(case, "bt-seed", &torrent, &content)?
        .dht_by(&[nodes.address(0)])
        .start()?;
    let seeder = bt.wait_listening()?;
    wait_announced(case, &torrent, nodes.address(2), seeder)?;
    let info_hash = torrent.info_hash.as_deref().context("no v1 hash")?;
    let scraped = bt::dht(case, &["scrape", info_hash], nodes.address(3))?;
    let scraped = scraped.ensure_exit(exit::DONE)?.json()?;
    ensure!(
        scraped["seeders"].as_u64() >= Some(1),
        "nobody seeds: {scraped}"
    );
    let folder = case.folder("got")?;
    let mut leecher = Libtorrent::peer(case, "leecher", &torrent, &folder)?
        .dht(nodes.address(1))
        .leech()?;
    leecher.wait_finished(wait::TRANSFER)?;
    payload.compare(&folder)?;
    bt.interrupt()?;
    bt.wait_exit(exit::DONE, wait::SOON)
}

/// Waits until the DHT knows a peer, by asking again and again.
fn wait_announced(
    case: &Case<'_>,
    torrent: &Torrent,
    node: SocketAddrV4,
    peer: SocketAddrV4,
) -> Outcome {
    let info_hash = torrent.info_hash.as_deref().context("no v1 hash")?;
    let words = ["get-peers", info_hash];
    wait::until("the DHT knows the peer", wait::TRANSFER, || {
        let asked = bt::dht(case, &words, node)?;
        let said = asked.json()?;
        let port = format!(":{}", peer.port());
        let is_it = |found: &serde_json::Value| {
            let found = found.as_str();
            // A bt that listens everywhere is known by the address that it sends from.
            found.is_some_and(|found| found == peer.to_string() || found.ends_with(&port))
        };
        let peers = said["peers"].as_array().context("no peers")?;
        Ok(peers.iter().any(is_it).then_some(()))
    })
}

fn verbs(case: &Case<'_>) -> Outcome {
    let mut nodes = libtorrent_dht::among_themselves(case, 10)?;
    let way_in = nodes.address(0);

    let node = nodes.address(3).to_string();
    let words = ["dht", "ping", &node, "--json"];
    let pong = bt::run(case, words, wait::SOON)?.ensure_exit(exit::DONE)?;
    ensure!(pong.json()?["node"] == node.as_str(), "{:?}", pong.stdout);
    let silent = case.address()?.to_string();
    let words = ["dht", "ping", &silent, "--timeout", "20"];
    bt::run(case, words, wait::SOON)?
        .ensure_exit(exit::STOPPED)?
        .one_line()?;

    // What we store, libtorrent finds; and we find it again.
    let put = bt::dht(case, &["put", "Hello World!"], way_in)?.ensure_exit(exit::DONE)?;
    let target = "e5f96f6f38320f0f33959cb4d3d656452117aadb";
    let put = put.json()?;
    ensure!(
        put["target"] == target && put["nodes"].as_u64() >= Some(4),
        "{put}"
    );
    nodes.command(&format!("get-item 2 {target}"))?;
    nodes.wait("libtorrent finds our item", |event| {
        event["event"] == "item" && event["target"] == target && event["value"] == "Hello World!"
    })?;
    let got = bt::dht(case, &["get", target], way_in)?.ensure_exit(exit::DONE)?;
    ensure!(got.json()?["value"] == "Hello World!", "{:?}", got.stdout);

    // Of an item that changes, the version after the one that is there.
    let secret = case.path().join("key");
    fs::write(&secret, format!("{}\n", "07".repeat(32))).context("writing a key")?;
    let secret = secret.to_string_lossy().into_owned();
    for (seq, value) in [(1, "first"), (2, "second")] {
        let words = ["put", value, "--key", &secret];
        let put = bt::dht(case, &words, way_in)?
            .ensure_exit(exit::DONE)?
            .json()?;
        ensure!(put["seq"] == seq, "{put}");
        let key = put["key"].as_str().context("no key")?.to_owned();
        let got = bt::dht(case, &["get", &key], way_in)?
            .ensure_exit(exit::DONE)?
            .json()?;
        ensure!(got["seq"] == seq && got["value"] == value, "{got}");
        nodes.command(&format!("get-mutable 2 {key}"))?;
        nodes.wait("libtorrent finds our mutable item", |event| {
            event["event"] == "item" && event["target"] == key.as_str() && event["value"] == value
        })?;
    }
    let words = ["put", "third", "--key", &secret, "--seq", "3", "--cas", "1"];
    bt::dht(case, &words, way_in)?
        .ensure_exit(exit::OTHER)?
        .one_line()?;

    // What is announced is found, and is among the samples of some node.
    let swarm = "5a".repeat(20);
    nodes.command(&format!("announce 1 {swarm} 7002"))?;
    wait::until("the announced peer is found", wait::TRANSFER, || {
        let asked = bt::dht(case, &["get-peers", &swarm], way_in)?;
        Ok((asked.exit == Exit::Code(exit::DONE)).then_some(()))
    })?;
    let samples = bt::dht(case, &["sample", &swarm], way_in)?.ensure_exit(exit::DONE)?;
    ensure!(
        samples.stdout.iter().any(|line| line.contains(&swarm)),
        "{:?}",
        samples.stdout
    );
    let nobody = "a5".repeat(20);
    bt::dht(case, &["get-peers", &nobody], way_in)?.ensure_exit(exit::OTHER)?;
    bt::dht(case, &["get", &nobody], way_in)?.ensure_exit(exit::OTHER)?;
    let closed = SocketAddrV4::new(*way_in.ip(), 9);
    let words = ["get", &nobody, "--timeout", "30"];
    bt::dht(case, &words, closed)?.ensure_exit(exit::OTHER)?;
    Ok(())
}

/// A network of two hosts on one loopback, each of which fetches from the other.
fn on_local_network(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let network = Namespace::new()?;
    network.inside(|| {
        ip(&["link", "set", "lo", "up", "multicast", "on"])?;
        ip(&["address", "add", "10.79.0.1/32", "dev", "lo"])?;
        ip(&["route", "add", "239.0.0.0/8", "dev", "lo"])?;
        let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?;
        let _seeder = seeder.on_local_network().seed()?;
        let folder = case.folder("got")?;
        let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
            .on_local_network()
            .start()?;
        bt.wait_complete(wait::TRANSFER)?;
        payload.compare(&folder)
    })?;
    network.inside(|| {
        let content = bt::content(&case.folder("seed")?, &payload.name);
        let mut seeder = bt::seed(case, "bt-seed", &torrent, &content)?
            .on_local_network()
            .start()?;
        seeder.wait_listening()?;
        let folder = case.folder("bt-got")?;
        let mut bt = bt::get(case, "bt-get-from-bt", &torrent, &folder)?
            .on_local_network()
            .start()?;
        bt.wait_complete(wait::TRANSFER)?;
        let sources = &bt.latest("progress")?["sources"];
        // Who hears of the other first connects.
        let by_lsd = sources["lsd"]["named"].as_u64().unwrap_or(0);
        let incoming = sources["incoming"]["named"].as_u64().unwrap_or(0);
        ensure!(by_lsd + incoming > 0, "the peer came from {sources}");
        payload.compare(&folder)
    })
}

/// Two of ours: no client that is tested against calls over IPv6 where it has no IPv4.
fn on_local_network_of_ipv6(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let network = LocalNetwork::over_ipv6(2)?;
    network.at_switch(|| {
        let folder = case.folder("got")?;
        let bt = bt::get(case, "bt-get", &torrent, &folder)?;
        let mut bt = network.on(0, || bt.on_local_network().start())?;
        // From then on it hears who calls.
        bt.wait_listening()?;
        let content = bt::content(&case.folder("seed")?, &payload.name);
        let seeder = bt::seed(case, "bt-seed", &torrent, &content)?;
        let _seeder = network.on(1, || seeder.on_local_network().start())?;
        bt.wait_complete(wait::TRANSFER)?;
        payload.compare(&folder)?;
        bt.ensure_found_by("lsd")?;
        Ok(())
    })
}

/// A machine in two networks: who is in either hears its call, and finds it.
fn on_every_interface(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let network = LocalNetwork::apart(2)?;
    network.at_switch(|| {
        let mut leechers = Vec::new();
        for host in 0..2 {
            let [here, there] = LocalNetwork::line(host);
            let folder = case.folder(&format!("got-{host}"))?;
            let bt = bt::get(case, &format!("bt-get-{host}"), &torrent, &folder)?;
            let ear = Ear::at(here)?;
            let leecher = network.on(host, || bt.on_local_network().start())?;
            // They call again in a minute, at the earliest, and so hear the seeder first.
            ear.wait_calls_from(there, 1)?;
            leechers.push((leecher, folder));
        }
        let content = bt::content(&case.folder("seed")?, &payload.name);
        let seeder = bt::seed(case, "bt-seed", &torrent, &content)?;
        let _seeder = seeder.on_local_network().start()?;
        for (mut leecher, folder) in leechers {
            leecher.wait_complete(wait::TRANSFER)?;
            payload.compare(&folder)?;
            leecher.ensure_found_by("lsd")?;
        }
        Ok(())
    })
}

fn ip(arguments: &[&str]) -> Outcome {
    configure("ip", arguments)
}
