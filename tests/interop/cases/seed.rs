//! Foreign clients download from `bt seed`.

use super::{Entry, MIB, get::made_by_libtorrent};
use crate::{
    bt,
    foreign::{
        libtorrent::{Format, Libtorrent},
        opentracker::Opentracker,
        transmission::Transmission,
    },
    harness::{Case, Outcome, Payload, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "seed/libtorrent/single",
        run: |case| to_libtorrent(case, &Payload::single(16 * MIB), Format::V1),
    },
    Entry {
        name: "seed/libtorrent/multi",
        run: |case| to_libtorrent(case, &Payload::multi(16 * MIB), Format::V1),
    },
    Entry {
        name: "seed/libtorrent/hybrid",
        run: |case| to_libtorrent(case, &Payload::multi(16 * MIB), Format::Hybrid),
    },
    Entry {
        name: "seed/libtorrent/by-tracker",
        run: to_libtorrent_by_tracker,
    },
    Entry {
        name: "seed/both",
        run: to_both,
    },
    Entry {
        name: "seed/transmission/single",
        run: |case| to_transmission(case, &Payload::single(8 * MIB)),
    },
    Entry {
        name: "seed/transmission/multi",
        run: |case| to_transmission(case, &Payload::multi(8 * MIB)),
    },
];

/// libtorrent is told where `bt` listens.
pub(super) fn to_libtorrent(case: &Case<'_>, payload: &Payload, format: Format) -> Outcome {
    let torrent = made_by_libtorrent(case, payload, format, None)?;
    let content = bt::content(&case.folder("seed")?, &payload.name);
    let mut bt = bt::seed(case, "bt-seed", &torrent, &content)?.start()?;
    let address = bt.wait_listening()?;

    let folder = case.folder("got")?;
    let mut leecher = Libtorrent::peer(case, "libtorrent", &torrent, &folder)?
        .connect(address)
        .leech()?;
    leecher.wait_finished(wait::TRANSFER)?;
    leecher.stop()?;
    payload.compare(&folder)?;
    bt.ensure_running()
}

/// libtorrent learns of `bt` from opentracker only.
fn to_libtorrent_by_tracker(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(8 * MIB);
    let tracker_address = case.address()?;
    let torrent = made_by_libtorrent(case, &payload, Format::V1, Some(tracker_address))?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let content = bt::content(&case.folder("seed")?, &payload.name);
    let mut bt = bt::seed(case, "bt-seed", &torrent, &content)?.start()?;
    tracker.wait_seeders(&torrent, 1)?;

    let folder = case.folder("got")?;
    let mut leecher = Libtorrent::peer(case, "libtorrent", &torrent, &folder)?.leech()?;
    leecher.wait_finished(wait::TRANSFER)?;
    leecher.stop()?;
    payload.compare(&folder)?;
    bt.ensure_running()
}

/// transmission cannot be told of peers: `bt` dials it.
pub(super) fn to_transmission(case: &Case<'_>, payload: &Payload) -> Outcome {
    let torrent = made_by_libtorrent(case, payload, Format::V1, None)?;
    let folder = case.folder("got")?;
    let leecher = Transmission::start(case, "transmission", &folder)?;
    leecher.add(&torrent)?;

    let content = bt::content(&case.folder("seed")?, &payload.name);
    let mut bt = bt::seed(case, "bt-seed", &torrent, &content)?
        .peer(leecher.address())
        .start()?;
    bt.wait_listening()?;
    leecher.wait_complete(wait::TRANSFER)?;
    payload.compare_but_empty_files(&folder)?;
    bt.ensure_running()
}

/// Two leechers of different makes at once, which do not know each other.
fn to_both(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let (first_folder, second_folder) = (
        case.folder("transmission-got")?,
        case.folder("libtorrent-got")?,
    );
    let transmission = Transmission::start(case, "transmission", &first_folder)?;
    transmission.add(&torrent)?;
    let content = bt::content(&case.folder("seed")?, &payload.name);
    let mut bt = bt::seed(case, "bt-seed", &torrent, &content)?
        .peer(transmission.address())
        .start()?;
    let mut libtorrent = Libtorrent::peer(case, "libtorrent", &torrent, &second_folder)?
        .connect(bt.wait_listening()?)
        .leech()?;
    libtorrent.wait_finished(wait::TRANSFER)?;
    transmission.wait_complete(wait::TRANSFER)?;
    libtorrent.stop()?;
    payload.compare_but_empty_files(&first_folder)?;
    payload.compare(&second_folder)?;
    bt.ensure_running()
}
