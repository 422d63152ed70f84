//! Downloads that end too early, and sources that do.

use super::{Entry, MIB, PIECE_LENGTH, get::made_by_libtorrent};
use crate::{
    bt::{self, exit},
    foreign::libtorrent::{Format, Libtorrent},
    harness::{Case, Outcome, Payload, ensure, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "resume/after-kill/single",
        run: |case| after_kill(case, &Payload::single(16 * MIB)),
    },
    Entry {
        name: "resume/after-kill/multi",
        run: |case| after_kill(case, &Payload::multi(16 * MIB)),
    },
    Entry {
        name: "resume/after-interrupt",
        run: after_interrupt,
    },
    Entry {
        name: "resume/seeder-restarts",
        run: seeder_restarts,
    },
];

/// Of the long tier.
pub(super) const LONG_CASES: &[Entry] = &[
    Entry {
        name: "long/resume/256-mib",
        run: |case| after_kill(case, &Payload::single(256 * MIB)),
    },
    Entry {
        name: "long/resume/5000-files",
        run: |case| after_kill(case, &Payload::five_thousand_files()),
    },
];

/// `kill -9` in the middle; the second run fetches what is missing and no more; a third needs
/// nobody.
fn after_kill(case: &Case<'_>, payload: &Payload) -> Outcome {
    let torrent = made_by_libtorrent(case, payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(payload.length() / 20)
        .seed()?;
    let folder = case.folder("got")?;

    let mut first = bt::get(case, "bt-first", &torrent, &folder)?
        .peer(seeder.address())
        .start()?;
    let before = first.wait_middle(payload.length() / 4)?;
    first.kill();
    ensure!(
        payload.compare(&folder).is_err(),
        "complete although killed in the middle"
    );
    let uploaded_before = seeder.uploaded_when_alone()?;

    seeder.limit_upload(0)?;
    let mut second = bt::get(case, "bt-second", &torrent, &folder)?
        .peer(seeder.address())
        .start()?;
    second.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    let fetched = seeder.uploaded_when_alone()? - uploaded_before;
    let missing = payload.length() - before.bytes_done;
    ensure!(
        fetched <= missing + END_GAME_ALLOWANCE,
        "{fetched} bytes fetched where at most {missing} were missing"
    );

    seeder.kill();
    let mut third = bt::get(case, "bt-third", &torrent, &folder)?.start()?;
    third.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

/// Ctrl-C says so by its exit code, and what was there counts.
fn after_interrupt(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(payload.length() / 20)
        .seed()?;
    let folder = case.folder("got")?;
    let mut first = bt::get(case, "bt-first", &torrent, &folder)?
        .peer(seeder.address())
        .start()?;
    let before = first.wait_middle(payload.length() / 4)?;
    first.interrupt()?;
    first.wait_exit(exit::STOPPED, wait::SOON)?;
    let kept = payload.bytes_in_good_pieces(&folder, PIECE_LENGTH)?;
    ensure!(
        kept >= before.bytes_done,
        "{kept} bytes kept of {}",
        before.bytes_done
    );
    let uploaded_before = seeder.uploaded_when_alone()?;

    seeder.limit_upload(0)?;
    let mut second = bt::get(case, "bt-second", &torrent, &folder)?
        .peer(seeder.address())
        .start()?;
    second.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    let fetched = seeder.uploaded_when_alone()? - uploaded_before;
    let missing = payload.length() - kept;
    ensure!(
        fetched <= missing + END_GAME_ALLOWANCE,
        "{fetched} bytes fetched where {missing} were missing"
    );
    Ok(())
}

/// The only seeder goes in the middle and comes back; nobody but `bt` can dial.
fn seeder_restarts(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let data = case.folder("seed")?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &data)?
        .upload_limit(payload.length() / 20)
        .seed()?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(seeder.address())
        .start()?;
    bt.wait_middle(payload.length() / 4)?;

    seeder.kill();
    wait::until("bt has noticed that the seeder is gone", wait::SOON, || {
        bt.ensure_running()?;
        Ok(bt
            .progress()
            .filter(|progress| progress.peers_connected == 0))
    })?;
    let _again = Libtorrent::peer(case, "seeder-again", &torrent, &data)?
        .listen(seeder.address())
        .seed()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

/// The last blocks may be asked of, or sent by, a peer twice.
const END_GAME_ALLOWANCE: u64 = 256 * 1024;
