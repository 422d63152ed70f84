//! Peers that send rubbish or are not there must not stop a download.

use super::{Entry, MIB, PIECE_LENGTH, get::made_by_libtorrent};
use crate::{
    bt,
    foreign::{
        libtorrent::{Format, Libtorrent},
        opentracker::Opentracker,
    },
    harness::{Case, Outcome, Payload, ensure, wait},
    tracker_client,
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "broken-peers/corrupt-among-good",
        run: corrupt_among_good,
    },
    Entry {
        name: "broken-peers/corrupt-then-good",
        run: corrupt_then_good,
    },
    Entry {
        name: "broken-peers/dead-addresses",
        run: dead_addresses,
    },
];

/// Every piece of the fast seeder is bad; the two good ones are slow enough that it gets its turn.
fn corrupt_among_good(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(8 * MIB);
    let tracker_address = case.address()?;
    let torrent = made_by_libtorrent(case, &payload, Format::V1, Some(tracker_address))?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;

    let folder = case.folder("corrupt-seed")?;
    payload.write_to(&folder)?;
    let corrupt = Libtorrent::peer(case, "corrupt-seeder", &torrent, &folder)?
        .corrupt(&payload.name, 0, payload.length())
        .seed()?;
    let mut good = Vec::new();
    for name in ["good-seeder-1", "good-seeder-2"] {
        let seeder = Libtorrent::peer(case, name, &torrent, &case.folder("seed")?)?
            .upload_limit(payload.length() / 20)
            .seed()?;
        good.push(seeder);
    }
    tracker.wait_seeders(&torrent, 3)?;

    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?.start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    ensure!(
        corrupt.uploaded() > 0,
        "the corrupt seeder was not asked for anything"
    );
    ensure!(
        corrupt.uploaded() < payload.length(),
        "the corrupt seeder was asked for everything ({} bytes)",
        corrupt.uploaded()
    );
    Ok(())
}

/// One byte of the only seeder is wrong; a good one comes later.
fn corrupt_then_good(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let folder = case.folder("corrupt-seed")?;
    payload.write_to(&folder)?;
    let corrupt = Libtorrent::peer(case, "corrupt-seeder", &torrent, &folder)?
        .corrupt(&payload.name, payload.length() / 2, 1)
        .seed()?;
    let good_address = case.address()?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(corrupt.address())
        .peer(good_address)
        .start()?;
    // Dropped for it, or left with nothing else to ask for.
    wait::until("bt has met the bad piece", wait::TRANSFER, || {
        bt.ensure_running()?;
        let Some(progress) = bt.progress().filter(|_| corrupt.uploaded() > 0) else {
            return Ok(None);
        };
        let only_the_bad_is_missing = progress.bytes_done + PIECE_LENGTH == payload.length();
        Ok((progress.peers_connected == 0 || only_the_bad_is_missing).then_some(()))
    })?;

    let _good = Libtorrent::peer(case, "good-seeder", &torrent, &case.folder("seed")?)?
        .listen(good_address)
        .seed()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

/// The tracker returns forty addresses, and somebody listens at one of them.
fn dead_addresses(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let tracker_address = case.address()?;
    let torrent = made_by_libtorrent(case, &payload, Format::V1, Some(tracker_address))?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    for _ in 0..40 {
        tracker_client::announce_for(tracker_address, &torrent, case.address()?)?;
    }
    let _seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    tracker.wait_seeders(&torrent, 1)?;

    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?.start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}
