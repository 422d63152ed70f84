//! How long `bt get --seed` and `bt seed` serve.

use std::{net::SocketAddrV4, path::PathBuf};

use serde_json::Value;

use super::{Entry, MIB, get::made_by_libtorrent};
use crate::{
    bt::{self, Bt, exit},
    foreign::{
        Torrent,
        libtorrent::{Format, Libtorrent},
    },
    harness::{Case, Outcome, Payload, ensure, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "seeding/get-ratio",
        run: get_ratio,
    },
    Entry {
        name: "seeding/get-time",
        run: get_time,
    },
    Entry {
        name: "seeding/get-until-interrupted",
        run: get_until_interrupted,
    },
    Entry {
        name: "seeding/seed-ratio",
        run: seed_ratio,
    },
    Entry {
        name: "seeding/seed-time",
        run: seed_time,
    },
];

/// What was fetched from one libtorrent is given to another, and then it ends.
fn get_ratio(case: &Case<'_>) -> Outcome {
    let (payload, torrent, folder) = to_fetch(case)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(seeder.address())
        .with(|command| {
            command.args(["--seed-ratio", "1", "--seed-time", "600"]);
        })
        .start()?;
    let address = bt.wait_listening()?;
    bt.wait_said("complete", wait::TRANSFER)?;
    bt.ensure_running()?;
    finish_from(case, &torrent, &payload, address)?;
    ensure_seeded(&mut bt, "ratio", payload.length())?;
    payload.compare(&folder)
}

/// Nobody wants anything of it.
fn get_time(case: &Case<'_>) -> Outcome {
    let (payload, torrent, folder) = to_fetch(case)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(seeder.address())
        .with(|command| {
            command.args(["--seed-ratio", "1", "--seed-time", "2"]);
        })
        .start()?;
    let seeded = ensure_seeded(&mut bt, "time", 0)?;
    ensure!(seeded["seeding_secs"] == 2, "{seeded}");
    payload.compare(&folder)
}

fn get_until_interrupted(case: &Case<'_>) -> Outcome {
    let (payload, torrent, folder) = to_fetch(case)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(seeder.address())
        .with(|command| {
            command.arg("--seed");
        })
        .start()?;
    let address = bt.wait_listening()?;
    bt.wait_said("complete", wait::TRANSFER)?;
    finish_from(case, &torrent, &payload, address)?;
    bt.ensure_running()?;
    bt.interrupt()?;
    bt.wait_exit(exit::DONE, wait::SOON)?;
    ensure!(bt.latest("seeded").is_err(), "nobody said for how long");
    payload.compare(&folder)
}

fn seed_ratio(case: &Case<'_>) -> Outcome {
    let (payload, torrent, _) = to_fetch(case)?;
    let mut bt = seed(case, &payload, &torrent, ["--seed-ratio", "1"])?;
    let address = bt.wait_listening()?;
    finish_from(case, &torrent, &payload, address)?;
    ensure_seeded(&mut bt, "ratio", payload.length())?;
    // That was another run, but the same data.
    let mut again = seed(case, &payload, &torrent, ["--seed-ratio", "1"])?;
    let seeded = ensure_seeded(&mut again, "ratio", 0)?;
    ensure!(seeded["uploaded"] == 0, "{seeded}");
    Ok(())
}

fn seed_time(case: &Case<'_>) -> Outcome {
    let (payload, torrent, _) = to_fetch(case)?;
    let mut bt = seed(case, &payload, &torrent, ["--seed-time", "2"])?;
    let seeded = ensure_seeded(&mut bt, "time", 0)?;
    ensure!(seeded["seeding_secs"] == 2, "{seeded}");
    Ok(())
}

/// What is to be fetched, and where to.
fn to_fetch(case: &Case<'_>) -> Outcome<(Payload, Torrent, PathBuf)> {
    let payload = Payload::single(2 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    Ok((payload, torrent, case.folder("got")?))
}

fn seed(case: &Case<'_>, payload: &Payload, torrent: &Torrent, words: [&str; 2]) -> Outcome<Bt> {
    let content = bt::content(&case.folder("seed")?, &payload.name);
    bt::seed(case, "bt-seed", torrent, &content)?
        .with(|command| {
            command.args(words);
        })
        .start()
}

/// A libtorrent that knows nobody else has it all in the end.
fn finish_from(
    case: &Case<'_>,
    torrent: &Torrent,
    payload: &Payload,
    address: SocketAddrV4,
) -> Outcome {
    let folder = case.folder("leech")?;
    let mut leecher = Libtorrent::peer(case, "leecher", torrent, &folder)?
        .connect(address)
        .leech()?;
    leecher.wait_finished(wait::TRANSFER)?;
    leecher.stop()?;
    payload.compare(&folder)
}

/// It ends by itself, and says why.
fn ensure_seeded(bt: &mut Bt, goal: &str, at_least: u64) -> Outcome<Value> {
    bt.wait_exit(exit::DONE, wait::TRANSFER)?;
    let seeded = bt.latest("seeded")?;
    let uploaded = seeded["uploaded"].as_u64();
    ensure!(
        seeded["goal"] == goal && uploaded.is_some_and(|uploaded| uploaded >= at_least),
        "{seeded}"
    );
    Ok(seeded)
}
