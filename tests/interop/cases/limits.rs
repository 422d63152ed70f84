//! `--limit-up` and `--limit-down`, as the other side sees them.

use std::time::Instant;

use super::{Entry, MIB, get::made_by_libtorrent};
use crate::{
    bt::{self, Bt},
    foreign::{
        Client,
        libtorrent::{Format, Libtorrent},
        transmission::Transmission,
    },
    harness::{Case, Outcome, Payload, ensure, wait},
};

pub(super) const LONG_CASES: &[Entry] = &[
    Entry {
        name: "limits/down",
        run: down,
    },
    Entry {
        name: "limits/up",
        run: up,
    },
    Entry {
        name: "limits/down-transmission",
        run: down_from_transmission,
    },
    Entry {
        name: "limits/up-transmission",
        run: up_to_transmission,
    },
];

/// libtorrent would send as fast as it can, and sends as fast as it is asked to.
fn down(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(LENGTH);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(seeder.address())
        .with(|command| {
            command.args(["--limit-down", LIMIT]);
        })
        .start()?;
    ensure_steady(|| Ok(seeder.uploaded()))?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

/// Two libtorrents, between which it is divided.
fn up(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(LENGTH / 2);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let content = bt::content(&case.folder("seed")?, &payload.name);
    let mut bt = bt::seed(case, "bt-seed", &torrent, &content)?
        .with(|command| {
            command.args(["--limit-up", LIMIT]);
        })
        .start()?;
    let address = bt.wait_listening()?;
    let leech = |name: &str| {
        let leecher = Libtorrent::peer(case, name, &torrent, &case.folder(name)?)?;
        leecher.connect(address).leech()
    };
    let (mut one, mut two) = (leech("one")?, leech("two")?);
    ensure_steady(|| Ok(one.downloaded() + two.downloaded()))?;
    let (first, second) = (one.downloaded(), two.downloaded());
    ensure!(
        first.abs_diff(second) <= LENGTH / 20,
        "one has {first} bytes, the other {second}"
    );
    for (peer, name) in [(&mut one, "one"), (&mut two, "two")] {
        peer.wait_finished(wait::TRANSFER)?;
        peer.stop()?;
        payload.compare(&case.folder(name)?)?;
    }
    bt.ensure_running()
}

/// As it counts bytes on its own, what is looked at is what we say, and that it arrives.
fn down_from_transmission(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(LENGTH);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let transmission: &'static dyn Client = &Transmission;
    let seeder = transmission.seed(case, &torrent, &case.folder("seed")?, None)?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(seeder.address())
        .with(|command| {
            command.args(["--limit-down", LIMIT]);
        })
        .start()?;
    ensure_steady(|| reported(&bt, "downloaded"))?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

fn up_to_transmission(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(LENGTH);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let content = bt::content(&case.folder("seed")?, &payload.name);
    let transmission: &'static dyn Client = &Transmission;
    let leecher = transmission.leech(case, &torrent)?;
    let mut bt = bt::seed(case, "bt-seed", &torrent, &content)?
        .peer(leecher.address())
        .with(|command| {
            command.args(["--limit-up", LIMIT]);
        })
        .start()?;
    ensure_steady(|| reported(&bt, "uploaded"))?;
    leecher.finish(&payload)?;
    bt.ensure_running()
}

/// What the newest `progress` says; nothing before the first.
fn reported(bt: &Bt, what: &str) -> Outcome<u64> {
    let progress = bt.latest("progress").unwrap_or_default();
    Ok(progress[what].as_u64().unwrap_or(0))
}

/// Fails unless the bytes of thirty seconds come within 5 % of that time. The beginning is left
/// out, in which peers get to know each other.
fn ensure_steady(moved: impl Fn() -> Outcome<u64>) -> Outcome {
    let reach = |bytes| {
        wait::until("bytes have moved", wait::TRANSFER, || {
            let moved = moved()?;
            Ok((moved >= bytes).then(|| (Instant::now(), moved)))
        })
    };
    let (begin, before) = reach(LENGTH / 8)?;
    let (end, after) = reach(before + 30 * MIB)?;
    let rate = (after - before) as f64 / (end - begin).as_secs_f64();
    let of_limit = rate / MIB as f64;
    ensure!(
        (0.95..=1.05).contains(&of_limit),
        "{:.1} % of the limit",
        of_limit * 100.0
    );
    Ok(())
}

/// A MiB per second.
const LIMIT: &str = "1M";
const LENGTH: u64 = 40 * MIB;
