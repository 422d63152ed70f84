//! `bt announce`: what it says of a tracker, and what it leaves there.

use std::{ffi::OsStr, sync::mpsc};

use serde_json::json;

use super::{Entry, MIB, get::made_by_libtorrent, hostile::trackers::junk};
use crate::{
    bt::{self, Finished, exit},
    foreign::{Torrent, libtorrent::Format, opentracker::Opentracker},
    harness::{Case, Context, Outcome, Payload, ensure, wait},
    hostile_tracker::{Asked, CONNECT, HostileTracker},
    tracker_client,
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "announce/opentracker",
        run: opentracker,
    },
    Entry {
        name: "announce/opentracker/events",
        run: events,
    },
    Entry {
        name: "announce/opentracker/unknown-torrent",
        run: unknown_torrent,
    },
    Entry {
        name: "announce/refused",
        run: refused,
    },
    Entry {
        name: "announce/url-data",
        run: url_data,
    },
    Entry {
        name: "announce/silent",
        run: silent,
    },
    Entry {
        name: "announce/junk-before-the-answer",
        run: junk_before_the_answer,
    },
    Entry {
        name: "announce/goodbye-not-answered",
        run: goodbye_not_answered,
    },
];

fn announce(case: &Case<'_>, url: &str, swarm: &OsStr, more: &[&str]) -> Outcome<Finished> {
    let words = ["announce".as_ref(), url.as_ref(), swarm];
    let more = more.iter().map(OsStr::new);
    bt::run(case, words.into_iter().chain(more), wait::SOON)
}

fn a_torrent(case: &Case<'_>) -> Outcome<Torrent> {
    made_by_libtorrent(case, &Payload::single(MIB), Format::V1, None)
}

fn hash(torrent: &Torrent) -> Outcome<&OsStr> {
    let hash = torrent.info_hash.as_deref();
    hash.map(OsStr::new).context("the torrent has no v1 hash")
}

/// By hash and by file: the peer that is there is named, and nobody else is left there.
fn opentracker(case: &Case<'_>) -> Outcome {
    let torrent = a_torrent(case)?;
    let address = case.address()?;
    let tracker = Opentracker::start(case, address, &torrent)?;
    let peer = case.address()?;
    tracker_client::announce_for(address, &torrent, peer)?;
    let url = tracker_client::url(address);
    for swarm in [hash(&torrent)?, torrent.path.as_os_str()] {
        let said = announce(case, &url, swarm, &["--json"])?.ensure_exit(exit::DONE)?;
        let said = said.json()?;
        for (key, expected) in [
            ("tracker", json!(url)),
            ("info_hash", json!(torrent.info_hash)),
            ("seeders", json!(0)),
            ("leechers", json!(2)), // the peer and, for as long as that takes, we
        ] {
            ensure!(
                said[key] == expected,
                "{key} is {}, not {expected}",
                said[key]
            );
        }
        let peers = said["peers"].as_array().context("peers is no array")?;
        ensure!(
            peers.contains(&json!(peer.to_string())),
            "{peer} is not among {peers:?}"
        );
        ensure!(said["interval_secs"].is_u64(), "no interval: {said}");
        let scrape = tracker.scrape(&torrent)?;
        ensure!(
            (scrape.seeders, scrape.leechers) == (0, 1),
            "we were left behind: {scrape:?}"
        );
    }
    let for_people = announce(case, &url, hash(&torrent)?, &[])?.ensure_exit(exit::DONE)?;
    ensure!(
        for_people.stdout.contains(&format!("  {peer}")) && for_people.stderr.is_empty(),
        "{for_people:?}"
    );
    Ok(())
}

/// Over UDP, too, a tracker learns of path and query, in which private ones have a passkey (BEP 41).
fn url_data(case: &Case<'_>) -> Outcome {
    let (sender, options) = mpsc::channel();
    let peer = case.address()?;
    let tracker = HostileTracker::start(case, move |asked| {
        if asked.action != CONNECT {
            // Who has heard enough has gone.
            let _ = sender.send(asked.options.clone());
        }
        vec![asked.right(peer)]
    })?;
    let url = format!("udp://{}/a?passkey=x", tracker.address());
    let torrent = a_torrent(case)?;
    announce(case, &url, hash(&torrent)?, &[])?.ensure_exit(exit::DONE)?;
    let told = options.try_recv().context("nobody has announced")?;
    ensure!(
        told.starts_with(b"\x02\x0c/a?passkey=x"),
        "{}",
        told.escape_ascii()
    );
    Ok(())
}

/// An event that is asked for is all that is sent.
fn events(case: &Case<'_>) -> Outcome {
    let torrent = a_torrent(case)?;
    let address = case.address()?;
    let tracker = Opentracker::start(case, address, &torrent)?;
    let url = tracker_client::url(address);
    for (words, seeders, leechers) in [
        (&["--event", "started"][..], 0, 1),
        (&["--event", "completed", "--left", "0"], 1, 0),
        (&["--event", "stopped"], 0, 0),
        (&["--event", "none", "--left", "0"], 1, 0),
        (&["--left", "0"], 0, 0),
    ] {
        announce(case, &url, hash(&torrent)?, words)?.ensure_exit(exit::DONE)?;
        let scrape = tracker.scrape(&torrent)?;
        ensure!(
            (scrape.seeders, scrape.leechers) == (seeders, leechers),
            "after {words:?}: {scrape:?}"
        );
    }
    Ok(())
}

/// It refuses by an answer that is no announce.
fn unknown_torrent(case: &Case<'_>) -> Outcome {
    let torrent = a_torrent(case)?;
    let address = case.address()?;
    let _tracker = Opentracker::start(case, address, &torrent)?;
    let url = tracker_client::url(address);
    let unknown = "0123456789".repeat(4);
    let said = announce(case, &url, unknown.as_ref(), &[])?.ensure_exit(exit::OTHER)?;
    let line = said.one_line()?;
    ensure!(line.contains("refuses"), "{line}");
    Ok(())
}

/// In its own words, which cannot move the cursor.
fn refused(case: &Case<'_>) -> Outcome {
    let nobody = case.address()?;
    let tracker = HostileTracker::start(case, move |asked| match asked.action {
        CONNECT => vec![asked.right(nobody)],
        _ => vec![asked.refusal("no\x1b[2J, go\r\naway")],
    })?;
    let torrent = a_torrent(case)?;
    let said = announce(case, &tracker.url(), hash(&torrent)?, &["--json"])?;
    let said = said.ensure_exit(exit::OTHER)?;
    let line = said.one_line()?;
    ensure!(
        line.contains("away") && !line.chars().any(char::is_control),
        "{line:?}"
    );
    ensure!(said.stdout.is_empty(), "stdout: {:?}", said.stdout);
    Ok(())
}

/// To every request, and to all but the first.
fn silent(case: &Case<'_>) -> Outcome {
    let nobody = case.address()?;
    let torrent = a_torrent(case)?;
    let connects = move |asked: &Asked| match asked.action {
        CONNECT => vec![asked.right(nobody)],
        _ => Vec::new(),
    };
    for (tracker, requests) in [
        (HostileTracker::start(case, |_| Vec::new())?, 1),
        (HostileTracker::start(case, connects)?, 2),
    ] {
        let said = announce(case, &tracker.url(), hash(&torrent)?, &["--timeout", "1"])?;
        let said = said.ensure_exit(exit::STOPPED)?;
        let line = said.one_line()?;
        ensure!(line.contains(&tracker.url()), "{line}");
        ensure!(
            tracker.asked() >= requests,
            "it was asked only {} times",
            tracker.asked()
        );
    }
    Ok(())
}

fn junk_before_the_answer(case: &Case<'_>) -> Outcome {
    let peer = case.address()?;
    let tracker = HostileTracker::start(case, move |asked| {
        let mut answers = junk(asked);
        answers.push(asked.right(peer));
        answers
    })?;
    let torrent = a_torrent(case)?;
    let said = announce(case, &tracker.url(), hash(&torrent)?, &["--json"])?;
    let said = said.ensure_exit(exit::DONE)?.json()?;
    ensure!(said["peers"] == json!([peer.to_string()]), "{said}");
    Ok(())
}

/// What was asked for has been answered, and that counts.
fn goodbye_not_answered(case: &Case<'_>) -> Outcome {
    let peer = case.address()?;
    let has_announced = std::cell::Cell::new(false);
    let tracker = HostileTracker::start(case, move |asked| {
        let is_goodbye = asked.action != CONNECT && has_announced.replace(true);
        match is_goodbye {
            true => Vec::new(),
            false => vec![asked.right(peer)],
        }
    })?;
    let torrent = a_torrent(case)?;
    let said = announce(case, &tracker.url(), hash(&torrent)?, &[])?;
    said.ensure_exit(exit::DONE)?;
    ensure!(tracker.asked() > 2, "no goodbye was said");
    Ok(())
}
