//! Downloads that are killed again and again, each time at a byte drawn from a seed.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

use bt_types::{Bitfield, PieceIndex};

use super::{Entry, MIB};
use crate::{
    bt,
    foreign::libtorrent::{self, Format, Libtorrent},
    harness::{Case, Context, Outcome, Payload, ensure, wait},
    pieces::Pieces,
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

/// One download, killed so often: of what was complete at a kill no piece is fetched again, and none
/// is hashed but what was in hand.
fn kills(case: &Case<'_>, length: u64, count: u64, bytes_per_sec: u64) -> Outcome {
    let payload = Payload::single(length);
    let data = case.folder("seed")?;
    payload.write_to(&data)?;
    let content = data.join(&payload.name);
    let torrent = libtorrent::create(case, "killed", &content, Format::V1, MIB, &[])?;
    let mut durable = Durable::of(Pieces::of(&torrent)?);
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &data)?
        .upload_limit(bytes_per_sec)
        .record_uploads()
        .seed()?;
    let folder = case.folder("got")?;
    let file = folder.join(&payload.name);

    let mut table = String::from(
        "  kill   at byte   resumed    hashed   fetched  good on disk  fetched again\n",
    );
    let (mut done, mut fetched) = (0, 0);
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
        let uploads = seeder.take_uploads_when_alone()?;
        let again = durable.fetched_again(&uploads.pieces)?;
        let good = durable.look(&folder)?;
        table += &format!(
            "{number:>6}{position:>12}{:>10}{:>10}{:>10}{good:>14}{:>15}\n",
            start.resumed,
            start.hashed,
            uploads.bytes_in_all - fetched,
            again.len()
        );
        fetched = uploads.bytes_in_all;
        ensure!(
            again.is_empty(),
            "in the run that ended with kill {number} these pieces were sent, though they had been \
             complete on disk: {again:?}\n{table}"
        );
        ensure!(
            done <= good,
            "{done} bytes were reported as done, {good} are right on disk"
        );
    }
    seeder.limit_upload(0)?;
    let mut last = bt::get(case, "bt-last", &torrent, &folder)?
        .peer(seeder.address())
        .start()?;
    let start = last.start()?;
    check_start(start, done)?;
    last.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    let uploads = seeder.take_uploads_when_alone()?;
    let again = durable.fetched_again(&uploads.pieces)?;
    ensure!(
        again.is_empty(),
        "in the last run these pieces were sent, though they had been complete on disk: {again:?}"
    );
    let fetched_in_all = uploads.bytes_in_all;
    let most = length + 32 * MIB * count;
    ensure!(
        fetched_in_all <= most,
        "{fetched_in_all} bytes fetched in all, at most {most} allowed"
    );
    table += &format!(
        "  last{:>22}{:>10}{:>10}{length:>14}{:>15}\n  {fetched_in_all} bytes fetched of {length}\n",
        start.resumed,
        start.hashed,
        fetched_in_all - fetched,
        again.len()
    );
    // Nobody reading on is no failure.
    let _ = io::stdout().lock().write_all(table.as_bytes());
    Ok(())
}

/// The pieces that were right on disk at any kill so far.
struct Durable {
    pieces: Pieces,
    good: Bitfield,
}

impl Durable {
    fn of(pieces: Pieces) -> Self {
        Self {
            good: pieces.none(),
            pieces,
        }
    }

    /// Looks at what is on disk now; how many bytes lie in good pieces. What was good stays so.
    fn look(&mut self, folder: &Path) -> Outcome<u64> {
        let now = self.pieces.good(folder)?;
        let lost: Vec<_> = self.good.iter_not_in(&now).collect();
        ensure!(lost.is_empty(), "pieces {lost:?} were good before");
        self.good = now;
        Ok(self.pieces.bytes_of(&self.good))
    }

    /// Those of which blocks were sent though they were durable.
    fn fetched_again(&self, sent: &[u64]) -> Outcome<Vec<PieceIndex>> {
        let mut again = Vec::new();
        for &number in sent {
            let piece = self.pieces.piece(number)?;
            if self.good.get(piece) {
                again.push(piece);
            }
        }
        Ok(again)
    }
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
fn written(file: &Path) -> u64 {
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
