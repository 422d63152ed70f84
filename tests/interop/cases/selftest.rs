//! The harness itself, with foreign clients only: what fails here is not the product's fault.

use super::{Entry, MIB, Planned, get::made_by_libtorrent};
use crate::{
    foreign::{
        CLIENTS, Client, Torrent,
        libtorrent::{Format, Libtorrent},
        opentracker::Opentracker,
    },
    harness::{Case, Outcome, Payload, ensure, wait},
    own_tracker::OwnTracker,
};

pub(super) const CASES: &[Entry] = &[
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

/// Each client as a seeder and as a leecher, without us.
pub(super) fn of_clients() -> Vec<Planned> {
    let cases = CLIENTS.iter().flat_map(|client| {
        let named = |role: &str| format!("selftest/{}/{role}", client.name());
        let seeder = Planned::new(named("seeder"), |case| from(case, *client));
        let leecher = Planned::new(named("leecher"), |case| to(case, *client));
        [seeder, leecher].map(|planned| Planned {
            missing: client.missing(),
            ..planned
        })
    });
    cases.collect()
}

fn from(case: &Case<'_>, client: &'static dyn Client) -> Outcome {
    let payload = Payload::multi(8 * MIB);
    let tracker_address = case.address()?;
    let torrent = made_by_libtorrent(case, &payload, Format::V1, Some(tracker_address))?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let mut seeder = client.seed(case, &torrent, &case.folder("seed")?, None)?;
    ensure!(
        !seeder.has_uploaded()?,
        "uploads are counted before there are any"
    );
    tracker.wait_seeders(&torrent, 1)?;
    leech(case, &payload, &torrent)?;
    wait::until("uploads are counted", wait::SOON, || {
        Ok(seeder.has_uploaded()?.then_some(()))
    })?;
    let scrape = tracker.scrape(&torrent)?;
    ensure!(
        scrape.completed == 1,
        "the tracker saw {} completions",
        scrape.completed
    );
    Ok(())
}

/// As with `bt seed`, the client is dialled.
fn to(case: &Case<'_>, client: &'static dyn Client) -> Outcome {
    let payload = Payload::multi(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let leecher = client.leech(case, &torrent)?;
    let _seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .connect(leecher.address())
        .seed()?;
    leecher.finish(&payload)
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
