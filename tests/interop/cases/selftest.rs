//! The harness itself, with foreign clients only: what fails here is not the product's fault.

use super::{Entry, MIB, PIECE_LENGTH, get::made_by_libtorrent};
use crate::{
    foreign::{
        Torrent,
        libtorrent::{Format, Libtorrent},
        opentracker::Opentracker,
        transmission::{self, Transmission},
    },
    harness::{Case, Outcome, Payload, ensure, wait},
    own_tracker::OwnTracker,
    tracker_client,
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "selftest/libtorrent",
        run: from_libtorrent,
    },
    Entry {
        name: "selftest/transmission",
        run: from_transmission,
    },
    Entry {
        name: "selftest/transmission-leech",
        run: to_transmission,
    },
    Entry {
        name: "selftest/corrupt",
        run: corrupt,
    },
    Entry {
        name: "selftest/own-tracker",
        run: own_tracker,
    },
    Entry {
        name: "selftest/rate-limit",
        run: rate_limit,
    },
];

fn from_libtorrent(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(8 * MIB);
    let tracker_address = case.address()?;
    let torrent = made_by_libtorrent(case, &payload, Format::Hybrid, Some(tracker_address))?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    tracker.wait_seeders(&torrent, 1)?;
    leech(case, &payload, &torrent)?;
    ensure!(
        seeder.uploaded_when_alone()? >= payload.length(),
        "the seeder did not count"
    );
    let scrape = tracker.scrape(&torrent)?;
    ensure!(
        scrape.completed == 1,
        "the tracker saw {} completions",
        scrape.completed
    );
    Ok(())
}

fn from_transmission(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(8 * MIB).without_empty_files();
    let folder = case.folder("seed")?;
    payload.write_to(&folder)?;
    let tracker_address = case.address()?;
    let url = tracker_client::url(tracker_address);
    let content = folder.join(&payload.name);
    let torrent = transmission::create(case, "payload", &content, PIECE_LENGTH, &url)?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let seeder = Transmission::start(case, "transmission", &folder)?;
    seeder.add(&torrent)?;
    seeder.wait_complete(wait::TRANSFER)?;
    ensure!(
        !seeder.has_uploaded()?,
        "uploads are counted before there are any"
    );
    tracker.wait_seeders(&torrent, 1)?;
    leech(case, &payload, &torrent)?;
    ensure!(seeder.has_uploaded()?, "uploads are not counted");
    let scrape = tracker.scrape(&torrent)?;
    ensure!(
        scrape.completed == 1,
        "the tracker saw {} completions",
        scrape.completed
    );
    Ok(())
}

/// As with `bt seed`, transmission is dialled.
fn to_transmission(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let folder = case.folder("got")?;
    let leecher = Transmission::start(case, "transmission", &folder)?;
    leecher.add(&torrent)?;
    let _seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .connect(leecher.address())
        .seed()?;
    leecher.wait_complete(wait::TRANSFER)?;
    payload.compare_but_empty_files(&folder)
}

/// The corrupt seeder really serves what is bad, and its bytes are told from good ones.
fn corrupt(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let folder = case.folder("corrupt-seed")?;
    payload.write_to(&folder)?;
    let corrupt = Libtorrent::peer(case, "corrupt-seeder", &torrent, &folder)?
        .corrupt(&payload.name, 0, payload.length() / 2)
        .seed()?;
    ensure!(
        payload.compare(&folder).is_err(),
        "the data was not damaged"
    );

    let leecher_folder = case.folder("got")?;
    let leecher = Libtorrent::peer(case, "leecher", &torrent, &leecher_folder)?
        .connect(corrupt.address())
        .leech()?;
    wait::until("the leecher has got a bad piece", wait::TRANSFER, || {
        Ok((leecher.failed_hashes() > 0).then_some(()))
    })
}

/// libtorrent gets along with our tracker, and it counts what libtorrent says.
fn own_tracker(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let tracker = OwnTracker::start(case)?;
    let torrent = made_by_libtorrent(case, &payload, Format::V1, Some(tracker.address()))?;
    let _seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    wait::until("the tracker knows the seeder", wait::SOON, || {
        Ok((tracker.stats(&torrent)?.seeders == 1).then_some(()))
    })?;
    leech(case, &payload, &torrent)?;
    wait::until("the tracker has counted", wait::SOON, || {
        let announces = tracker.stats(&torrent)?.announces;
        Ok(((announces.started, announces.completed) == (2, 1)).then_some(()))
    })
}

/// A limited seeder takes long enough for a middle, keeps to its limit on loopback, and lets go
/// when the limit is taken away.
fn rate_limit(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(payload.length() / 40)
        .seed()?;
    let folder = case.folder("got")?;
    let mut leecher = Libtorrent::peer(case, "leecher", &torrent, &folder)?
        .connect(seeder.address())
        .leech()?;
    let middle = wait::until("something has been sent", wait::TRANSFER, || {
        Ok(Some(seeder.uploaded()).filter(|uploaded| *uploaded > 0))
    })?;
    ensure!(
        middle < payload.length() / 2,
        "there was no middle: {middle} bytes at once"
    );
    seeder.limit_upload(0)?;
    leecher.wait_finished(wait::TRANSFER)?;
    leecher.stop()?;
    payload.compare(&folder)
}

fn leech(case: &Case<'_>, payload: &Payload, torrent: &Torrent) -> Outcome {
    let folder = case.folder("got")?;
    let mut leecher = Libtorrent::peer(case, "leecher", torrent, &folder)?.leech()?;
    leecher.wait_finished(wait::TRANSFER)?;
    leecher.stop()?;
    payload.compare(&folder)
}
