//! Downloads that are killed again and again, each time at a byte drawn from a seed.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::MetadataExt,
};

use super::{Entry, MIB};
use crate::{
    bt,
    foreign::libtorrent::{self, Format, Libtorrent},
    harness::{Case, Context, Outcome, Payload, ensure, wait},
};

pub(super) const CASES: &[Entry] = &[Entry {
    name: "resume/kill-5",
    run: |case| kills(case, 64 * MIB, 5, 20 * MIB),
}];

/// Of the long tier.
pub(super) const LONG_CASES: &[Entry] = &[Entry {
    name: "resume/kill-100",
    run: |case| kills(case, 1024 * MIB, 100, 16 * MIB),
}];

/// One download, killed so often: nothing that was complete is hashed or fetched again.
fn kills(case: &Case<'_>, length: u64, count: u64, bytes_per_sec: u64) -> Outcome {
    let payload = Payload::single(length);
    let data = case.folder("seed")?;
    payload.write_to(&data)?;
    let content = data.join(&payload.name);
    let torrent = libtorrent::create(case, "killed", &content, Format::V1, MIB, &[])?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &data)?
        .upload_limit(bytes_per_sec)
        .seed()?;
    let folder = case.folder("got")?;
    let file = folder.join(&payload.name);

    let mut table = String::from("  kill   at byte   resumed    hashed   fetched\n");
    let (mut done, mut fetched) = (0, 0);
    let mut fetched_in_all = 0;
    for (number, position) in (1..).zip(positions(length, count)) {
        let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
            .peer(seeder.address())
            .start()?;
        let start = bt.start()?;
        check_start(start, done)?;
        // It may have been there before: then something is to happen in this run, too.
        let at_least = position.max(written(&file) + MIB / 4);
        wait::until("the byte is written", wait::TRANSFER, || {
            bt.ensure_running()?;
            Ok((written(&file) >= at_least).then_some(()))
        })?;
        bt.ensure_running()?;
        let last = bt.progress().context("no progress at the end")?;
        bt.kill();
        ensure!(
            bt.latest("complete").is_err(),
            "complete before kill {number}"
        );
        done = last.bytes_done;
        let sent = seeder.uploaded_when_alone()?;
        table += &format!(
            "{number:>6}{position:>12}{:>10}{:>10}{:>10}\n",
            start.resumed,
            start.hashed,
            sent - fetched
        );
        fetched = sent;
        fetched_in_all = sent;
    }
    seeder.limit_upload(0)?;
    let mut last = bt::get(case, "bt-last", &torrent, &folder)?
        .peer(seeder.address())
        .start()?;
    let start = last.start()?;
    check_start(start, done)?;
    last.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    fetched_in_all = fetched_in_all.max(seeder.uploaded_when_alone()?);
    let most = length + 32 * MIB * count;
    ensure!(
        fetched_in_all <= most,
        "{fetched_in_all} bytes fetched in all, at most {most} allowed"
    );
    table += &format!(
        "  last{:>22}{:>10}{:>10}\n  {fetched_in_all} bytes fetched of {length}\n",
        start.resumed,
        start.hashed,
        fetched_in_all - fetched
    );
    // Nobody reading on is no failure.
    let _ = io::stdout().lock().write_all(table.as_bytes());
    Ok(())
}

fn check_start(start: bt::Start, done: u64) -> Outcome {
    ensure!(
        start.hashed <= 64 * MIB,
        "{} bytes hashed after a kill",
        start.hashed
    );
    ensure!(
        start.resumed + start.hashed >= done,
        "{start:?}, though {done} bytes were there"
    );
    Ok(())
}

/// Bytes of a file that have been written, wherever they are in it.
fn written(file: &std::path::Path) -> u64 {
    fs::metadata(file).map_or(0, |found| found.blocks() * 512)
}

/// Where it is killed: ascending, and none at the very end.
fn positions(length: u64, count: u64) -> Vec<u64> {
    let mut state: u64 = 0x5eed;
    let mut draw = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % (length / 100 * 90)
    };
    let mut positions: Vec<_> = (0..count).map(|_| draw()).collect();
    positions.sort_unstable();
    positions
}
