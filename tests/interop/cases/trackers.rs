//! Trackers that are late, and one that wants to hear from us every two seconds.

use std::net::UdpSocket;

use bt_tracker_udp::AnnounceCounts;

use super::{Entry, MIB, get::made_by_libtorrent};
use crate::{
    bt::{self, Bt, exit},
    foreign::{
        Torrent,
        libtorrent::{Format, Libtorrent},
        opentracker::Opentracker,
    },
    harness::{Case, Context, Outcome, Payload, ensure, wait},
    own_tracker::OwnTracker,
    tracker_client,
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "trackers/by-hand",
        run: by_hand,
    },
    Entry {
        name: "trackers/down-at-first",
        run: down_at_first,
    },
    Entry {
        name: "trackers/events-of-a-get",
        run: events_of_a_get,
    },
    Entry {
        name: "trackers/events-of-a-seed",
        run: events_of_a_seed,
    },
    Entry {
        name: "trackers/peer-found-later",
        run: peer_found_later,
    },
];

/// The torrent that `bt` gets names none; the seeder's does.
fn by_hand(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let tracker_address = case.address()?;
    let announced = made_by_libtorrent(case, &payload, Format::V1, Some(tracker_address))?;
    let silent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let tracker = Opentracker::start(case, tracker_address, &announced)?;
    let _seeder = Libtorrent::peer(case, "seeder", &announced, &case.folder("seed")?)?.seed()?;
    tracker.wait_seeders(&announced, 1)?;

    let folder = case.folder("got")?;
    let url = tracker_client::url(tracker_address);
    let mut bt = bt::get(case, "bt-get", &silent, &folder)?
        .tracker(&url)
        .start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

/// `bt` asks a tracker that is not there; then it is, and so is a seeder.
fn down_at_first(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let tracker_address = case.address()?;
    let torrent = made_by_libtorrent(case, &payload, Format::V1, Some(tracker_address))?;
    // A socket that never answers: so we see that it was asked before the real one is started.
    let silent = UdpSocket::bind(tracker_address).context("taking the tracker's address")?;
    silent
        .set_nonblocking(true)
        .context("making a socket non-blocking")?;

    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?.start()?;
    wait::until("bt has asked the tracker", wait::SOON, || {
        bt.ensure_running()?;
        Ok(silent.recv(&mut [0; 2048]).ok())
    })?;
    drop(silent);
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let _seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    tracker.wait_seeders(&torrent, 1)?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

/// Started once, then every two seconds, completed once, stopped once.
fn events_of_a_get(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let tracker = OwnTracker::start(case)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(payload.length() / 200)
        .seed()?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .tracker(&tracker.url())
        .peer(seeder.address())
        .announcing_eagerly()
        .start()?;
    wait_for_regular_announces(&tracker, &torrent, &mut bt)?;
    let stats = tracker.stats(&torrent)?;
    ensure!(
        (stats.seeders, stats.leechers) == (0, 1),
        "in the middle: {stats:?}"
    );

    seeder.limit_upload(0)?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    wait::until("the tracker has heard the goodbye", wait::SOON, || {
        Ok((tracker.stats(&torrent)?.announces.stopped > 0).then_some(()))
    })?;
    let stats = tracker.stats(&torrent)?;
    let AnnounceCounts {
        started,
        completed,
        stopped,
        ..
    } = stats.announces;
    ensure!(
        (started, completed, stopped) == (1, 1, 1),
        "at the end: {stats:?}"
    );
    ensure!(
        (stats.seeders, stats.leechers) == (0, 0),
        "at the end: {stats:?}"
    );
    Ok(())
}

/// Who has everything from the start never says completed.
fn events_of_a_seed(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(MIB);
    let tracker = OwnTracker::start(case)?;
    let torrent = made_by_libtorrent(case, &payload, Format::V1, Some(tracker.address()))?;
    let content = bt::content(&case.folder("seed")?, &payload.name);
    let mut bt = bt::seed(case, "bt-seed", &torrent, &content)?
        .announcing_eagerly()
        .start()?;
    wait_for_regular_announces(&tracker, &torrent, &mut bt)?;
    let stats = tracker.stats(&torrent)?;
    ensure!(
        (stats.seeders, stats.leechers) == (1, 0),
        "while seeding: {stats:?}"
    );

    bt.interrupt()?;
    bt.wait_exit(exit::DONE, wait::SOON)?;
    wait::until("the tracker has heard the goodbye", wait::SOON, || {
        Ok((tracker.stats(&torrent)?.announces.stopped > 0).then_some(()))
    })?;
    let stats = tracker.stats(&torrent)?;
    let AnnounceCounts {
        started,
        completed,
        stopped,
        ..
    } = stats.announces;
    ensure!(
        (started, completed, stopped) == (1, 0, 1),
        "at the end: {stats:?}"
    );
    Ok(())
}

/// The tracker knows nobody at first. The seeder is told of nobody: `bt` has to ask again and dial.
fn peer_found_later(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let tracker = OwnTracker::start(case)?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .tracker(&tracker.url())
        .announcing_eagerly()
        .start()?;
    wait_for_regular_announces(&tracker, &torrent, &mut bt)?;

    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    tracker_client::announce_for(tracker.address(), &torrent, seeder.address())?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

fn wait_for_regular_announces(tracker: &OwnTracker, torrent: &Torrent, bt: &mut Bt) -> Outcome {
    wait::until("bt has announced itself three times", wait::SOON, || {
        bt.ensure_running()?;
        Ok((tracker.stats(torrent)?.announces.regular >= 2).then_some(()))
    })
}
