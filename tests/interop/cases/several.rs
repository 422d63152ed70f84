//! Several sources in one `bt get`.

use std::fs;

use super::{Entry, MIB, PIECE_LENGTH};
use crate::{
    bt::{self, exit},
    foreign::{
        Torrent,
        libtorrent::{self, Format, Libtorrent},
    },
    harness::{Case, Context, Outcome, Payload, ensure, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "several/complete",
        run: complete,
    },
    Entry {
        name: "several/one-bad",
        run: one_bad,
    },
    Entry {
        name: "several/one-place",
        run: one_place,
    },
];

struct Seeded {
    payload: Payload,
    torrent: Torrent,
    seeder: Libtorrent,
}

impl Seeded {
    fn start(case: &Case<'_>, name: &str, payload: Payload) -> Outcome<Self> {
        let payload = payload.named(name);
        let folder = case.folder(&format!("seed-{name}"))?;
        payload.write_to(&folder)?;
        let content = folder.join(name);
        let torrent = libtorrent::create(case, name, &content, Format::V1, PIECE_LENGTH, &[])?;
        let seeder = Libtorrent::peer(case, name, &torrent, &folder)?.seed()?;
        Ok(Self {
            payload,
            torrent,
            seeder,
        })
    }
}

/// Two torrents of two seeders, one of them named twice. Each peer is tried for both torrents, as
/// nothing says for which it is meant.
fn complete(case: &Case<'_>) -> Outcome {
    let one = Seeded::start(case, "one", Payload::multi(8 * MIB))?;
    let two = Seeded::start(case, "two", Payload::single(8 * MIB))?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &one.torrent, &folder)?
        .peer(one.seeder.address())
        .peer(two.seeder.address())
        .with(|command| {
            command.args([&two.torrent.path, &one.torrent.path]);
        })
        .start()?;
    bt.wait_complete(wait::TRANSFER)?;
    one.payload.compare(&folder)?;
    two.payload.compare(&folder)?;
    let total = bt.latest("total")?;
    ensure!(
        total["torrents"] == 2 && total["complete"] == 2 && total["failed"] == 0,
        "{total}"
    );
    ensure!(
        total["bytes_done"] == one.payload.length() + two.payload.length(),
        "{total}"
    );
    Ok(())
}

/// What is no torrent stops nobody else, and tells the exit code.
fn one_bad(case: &Case<'_>) -> Outcome {
    let good = Seeded::start(case, "good", Payload::single(8 * MIB))?;
    let bad = case.path().join("bad.torrent");
    fs::write(&bad, "d4:infoe").context("writing a bad torrent")?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &good.torrent, &folder)?
        .peer(good.seeder.address())
        .with(|command| {
            command.arg(&bad);
        })
        .start()?;
    bt.wait_exit(exit::BAD_TORRENT, wait::TRANSFER)?;
    good.payload.compare(&folder)?;
    let failed = bt.latest("failed")?;
    let source = failed["source"].as_str().context("no source")?;
    ensure!(
        source.ends_with("bad.torrent") && failed["code"] == exit::BAD_TORRENT,
        "{failed}"
    );
    ensure!(bt.error()?.contains("1 of 2 torrents"), "{}", bt.error()?);
    Ok(())
}

/// Of two torrents with one name the second is refused: each would destroy the other's data.
fn one_place(case: &Case<'_>) -> Outcome {
    let good = Seeded::start(case, "same", Payload::single(8 * MIB))?;
    let other = case.folder("other")?.join("same");
    fs::write(&other, vec![1; 100_000]).context("writing another file")?;
    let other = libtorrent::create(case, "other", &other, Format::V1, PIECE_LENGTH, &[])?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &good.torrent, &folder)?
        .peer(good.seeder.address())
        .with(|command| {
            command.arg(&other.path);
        })
        .start()?;
    bt.wait_exit(exit::OTHER, wait::TRANSFER)?;
    good.payload.compare(&folder)?;
    let failed = bt.latest("failed")?;
    let message = failed["message"].as_str().context("no message")?;
    ensure!(message.contains("another torrent is using"), "{message}");
    Ok(())
}
