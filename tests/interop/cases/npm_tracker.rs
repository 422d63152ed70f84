//! A tracker that names IPv6 peers, too, and refuses over UDP as BEP 15 says: bittorrent-tracker of
//! npm.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Entry, MIB, PIECE_LENGTH, get::made_by_libtorrent};
use crate::{
    bt::{self, exit},
    foreign::{
        Torrent,
        libtorrent::{self, Format, Libtorrent},
        npm::NpmTracker,
    },
    harness::{Case, Context, Outcome, Payload, ensure, wait},
    tracker_client,
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "http/get/npm-tracker",
        run: |case| get_over_ipv4(case, "http"),
    },
    Entry {
        name: "udp/get/npm-tracker",
        run: |case| get_over_ipv4(case, "udp"),
    },
    Entry {
        name: "http/get/npm-tracker-ipv6",
        run: |case| get_over_ipv6(case, "http"),
    },
];

pub(super) const LONG_CASES: &[Entry] = &[
    Entry {
        name: "long/udp/get/npm-tracker-ipv6",
        run: |case| get_over_ipv6(case, "udp"),
    },
    Entry {
        name: "long/announce/npm-tracker",
        run: announce,
    },
    Entry {
        name: "long/scrape/npm-tracker",
        run: scrape,
    },
];

fn url(scheme: &str, tracker: impl Into<SocketAddr>) -> String {
    format!("{scheme}://{}/announce", tracker.into())
}

/// Libtorrent announces over the same protocol as `bt` does.
fn get_over_ipv4(case: &Case<'_>, scheme: &str) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let silent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let tracker = NpmTracker::start(case, &silent)?;
    let url = url(scheme, tracker.v4());
    let seed = case.folder("seed")?;
    let content = seed.join(&payload.name);
    let announced = libtorrent::create(
        case,
        "announced",
        &content,
        Format::V1,
        PIECE_LENGTH,
        &[&url],
    )?;
    let _seeder = Libtorrent::peer(case, "seeder", &announced, &seed)?.seed()?;
    tracker.wait_peers(&silent, 1, 0)?;
    get(case, &payload, &silent, &url)?;
    tracker.wait_peers(&silent, 1, 0)?;
    let started = tracker.started(scheme, |peer| peer.is_ipv4());
    ensure!(started == 2, "{started} have begun over {scheme}");
    Ok(())
}

/// Over UDP the tracker learns of IPv6 peers but names none, so that is left to HTTP.
fn get_over_ipv6(case: &Case<'_>, seeder_scheme: &str) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let tracker = NpmTracker::start(case, &torrent)?;
    let content = bt::content(&case.folder("seed")?, &payload.name);
    let mut seeder = bt::seed(case, "bt-seed", &torrent, &content)?
        .tracker(&url(seeder_scheme, tracker.v6()))
        .start()?;
    tracker.wait_peers(&torrent, 1, 0)?;
    get(case, &payload, &torrent, &url("http", tracker.v6()))?;
    for scheme in [seeder_scheme, "http"] {
        let started = tracker.started(scheme, |peer| peer.is_ipv6());
        ensure!(started > 0, "nobody has begun over {scheme} and IPv6");
    }
    seeder.interrupt()?;
    seeder.wait_exit(exit::DONE, wait::SOON)?;
    tracker.wait_peers(&torrent, 0, 0)
}

/// From nobody but whom the tracker names.
fn get(case: &Case<'_>, payload: &Payload, torrent: &Torrent, url: &str) -> Outcome {
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", torrent, &folder)?
        .tracker(url)
        .start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    bt.ensure_found_by("tracker")?;
    Ok(())
}

/// One peer of each family is there. Over HTTP both are named to everybody.
fn announce(case: &Case<'_>) -> Outcome {
    let torrent = of_ascii();
    let tracker = NpmTracker::start(case, &torrent)?;
    let both = two_peers(case, &tracker, &torrent)?;
    for (url, named) in [
        (url("http", tracker.v4()), &both[..]),
        (url("http", tracker.v6()), &both),
        (url("udp", tracker.v4()), &both[..1]),
        (url("udp", tracker.v6()), &[]),
    ] {
        let said = ask(case, "announce", &url, &torrent)?;
        let expected = (json!(0), json!(3)); // among them, for as long as that takes, us
        let counts = (said["seeders"].clone(), said["leechers"].clone());
        ensure!(counts == expected, "{url}: {said}");
        let peers = said["peers"].as_array().context("peers is no array")?;
        let is_named = |peer: &SocketAddr| peers.contains(&json!(peer.to_string()));
        ensure!(named.iter().all(is_named), "{named:?} are not in {said}");
        tracker.wait_peers(&torrent, 0, 2)?;

        let unknown = "0123456789".repeat(4);
        let refused = bt::run(case, ["announce", &url, &unknown], wait::SOON)?;
        let refused = refused.ensure_exit(exit::OTHER)?;
        let line = refused.one_line()?;
        ensure!(line.contains("refuses: not one of mine"), "{url}: {line}");
    }
    Ok(())
}

/// Over HTTP, too: of a hash of ASCII characters its answer is right.
fn scrape(case: &Case<'_>) -> Outcome {
    let torrent = of_ascii();
    let tracker = NpmTracker::start(case, &torrent)?;
    two_peers(case, &tracker, &torrent)?;
    for url in [
        url("udp", tracker.v4()),
        url("udp", tracker.v6()),
        url("http", tracker.v4()),
        url("http", tracker.v6()),
    ] {
        let said = ask(case, "scrape", &url, &torrent)?;
        ensure!(
            said["info_hash"] == json!(torrent.info_hash)
                && said["seeders"] == json!(0)
                && said["leechers"] == json!(2)
                && said["known"] == json!(true),
            "{url}: {said}"
        );
    }
    Ok(())
}

/// A leecher of each family announces itself, first that of IPv4; the other is `bt`, which stays.
fn two_peers(case: &Case<'_>, tracker: &NpmTracker, torrent: &Torrent) -> Outcome<[SocketAddr; 2]> {
    let v4 = case.address()?;
    tracker_client::announce_for(tracker.v4(), torrent, v4)?;
    let v6 = SocketAddr::new(tracker.v6().ip(), v4.port());
    let hash = torrent.info_hash.as_deref().context("no v1 hash")?;
    let (url, port) = (url("udp", tracker.v6()), v6.port().to_string());
    let words = [
        "announce", &url, hash, "--event", "started", "--port", &port,
    ];
    bt::run(case, words, wait::SOON)?.ensure_exit(exit::DONE)?;
    tracker.wait_peers(torrent, 0, 2)?;
    Ok([v4.into(), v6])
}

fn ask(case: &Case<'_>, verb: &str, url: &str, torrent: &Torrent) -> Outcome<Value> {
    let hash = torrent.info_hash.as_deref().context("no v1 hash")?;
    let said = bt::run(case, [verb, url, hash, "--json"], wait::SOON)?;
    said.ensure_exit(exit::DONE)?.json()
}

/// A torrent that nobody has, whose info hash is text: over HTTP the tracker answers a scrape in
/// UTF-8, and so is wrong about most others.
fn of_ascii() -> Torrent {
    Torrent {
        path: "none".into(),
        info_hash: Some("5a".repeat(20)),
        info_hash_v2: None,
    }
}
