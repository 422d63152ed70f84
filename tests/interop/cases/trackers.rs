//! Trackers that are late, and one that wants to hear from us every two seconds.

use std::net::UdpSocket;

use super::{Entry, MIB, get::made_by_libtorrent};
use crate::{
    bt,
    foreign::{
        libtorrent::{Format, Libtorrent},
        opentracker::{self, Opentracker},
    },
    harness::{Case, Context, Outcome, Payload, wait},
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
    let url = opentracker::url(tracker_address);
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
