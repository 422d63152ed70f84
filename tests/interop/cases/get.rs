//! `bt get` from each foreign client and from several, found through opentracker.

use std::net::SocketAddrV4;

use super::{Entry, MIB, PIECE_LENGTH};
use crate::{
    bt,
    foreign::{
        Torrent,
        libtorrent::{self, Format, Libtorrent},
        opentracker::Opentracker,
        transmission::{self, Transmission},
    },
    harness::{Case, Context, Outcome, Payload, ensure, wait},
    tracker_client::{self, Scrape},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "get/libtorrent/single",
        run: |case| from_libtorrent(case, &Payload::single(16 * MIB), Format::V1),
    },
    Entry {
        name: "get/libtorrent/multi",
        run: |case| from_libtorrent(case, &Payload::multi(16 * MIB), Format::V1),
    },
    Entry {
        name: "get/libtorrent/hybrid",
        run: |case| from_libtorrent(case, &Payload::multi(16 * MIB), Format::Hybrid),
    },
    Entry {
        name: "get/transmission/single",
        run: |case| from_transmission(case, &Payload::single(16 * MIB)),
    },
    Entry {
        name: "get/transmission/multi",
        run: |case| from_transmission(case, &Payload::multi(16 * MIB).without_empty_files()),
    },
    Entry {
        name: "get/both/single",
        run: |case| from_both(case, &Payload::single(16 * MIB)),
    },
    Entry {
        name: "get/both/multi",
        run: |case| from_both(case, &Payload::multi(16 * MIB)),
    },
    Entry {
        name: "get/peer-by-hand",
        run: peer_by_hand,
    },
    Entry {
        name: "get/serves-while-downloading",
        run: serves_while_downloading,
    },
];

pub(super) fn from_libtorrent(case: &Case<'_>, payload: &Payload, format: Format) -> Outcome {
    let tracker_address = case.address()?;
    let torrent = made_by_libtorrent(case, payload, format, Some(tracker_address))?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let _seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    tracker.wait_seeders(&torrent, 1)?;

    get_and_compare(case, payload, &torrent)?;
    tracker_heard_of_everything(&tracker, &torrent)
}

pub(super) fn from_transmission(case: &Case<'_>, payload: &Payload) -> Outcome {
    let folder = case.folder("seed")?;
    payload.write_to(&folder)?;
    let tracker_address = case.address()?;
    let url = tracker_client::url(tracker_address);
    let torrent = transmission::create(
        case,
        "payload",
        &folder.join(&payload.name),
        PIECE_LENGTH,
        &url,
    )?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let seeder = Transmission::start(case, "transmission", &folder)?;
    seeder.add(&torrent)?;
    seeder.wait_complete(wait::TRANSFER)?;
    tracker.wait_seeders(&torrent, 1)?;

    get_and_compare(case, payload, &torrent)?;
    tracker_heard_of_everything(&tracker, &torrent)
}

/// libtorrent is slowed down, so that transmission, which thinks for up to ten seconds before it
/// unchokes, finds something left to send.
pub(super) fn from_both(case: &Case<'_>, payload: &Payload) -> Outcome {
    let tracker_address = case.address()?;
    let torrent = made_by_libtorrent(case, payload, Format::V1, Some(tracker_address))?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let folder = case.folder("transmission-seed")?;
    payload.write_to(&folder)?;
    let transmission = Transmission::start(case, "transmission", &folder)?;
    transmission.add(&torrent)?;
    transmission.wait_complete(wait::TRANSFER)?;
    let mut libtorrent = Libtorrent::peer(case, "libtorrent", &torrent, &case.folder("seed")?)?
        .upload_limit(payload.length() / 30)
        .seed()?;
    tracker.wait_seeders(&torrent, 2)?;

    get_and_compare(case, payload, &torrent)?;
    ensure!(
        libtorrent.uploaded_when_alone()? > 0,
        "libtorrent was not asked for anything"
    );
    ensure!(
        transmission.has_uploaded()?,
        "transmission was not asked for anything"
    );
    Ok(())
}

/// No tracker anywhere.
fn peer_by_hand(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(seeder.address())
        .start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

/// The second `bt` knows only the first, which is in the middle of a slow download. Its other
/// source, which lets it finish after the first has left, is started only then.
fn serves_while_downloading(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let slow = case.folder("seed")?;
    let mut slow = Libtorrent::peer(case, "slow-seeder", &torrent, &slow)?
        .upload_limit(payload.length() / 40)
        .seed()?;
    let late_address = case.address()?;

    let (first_folder, second_folder) = (case.folder("first")?, case.folder("second")?);
    let mut first = bt::get(case, "bt-first", &torrent, &first_folder)?
        .peer(slow.address())
        .start()?;
    let first_address = first.wait_listening()?;
    let mut second = bt::get(case, "bt-second", &torrent, &second_folder)?
        .peer(first_address)
        .peer(late_address)
        .start()?;
    second.wait_middle(PIECE_LENGTH)?;
    let left = first
        .progress()
        .is_some_and(|progress| progress.bytes_done < progress.bytes_total);
    ensure!(left, "the first had finished before it gave anything");

    slow.limit_upload(0)?;
    let late = case.folder("late-seed")?;
    payload.write_to(&late)?;
    let _late = Libtorrent::peer(case, "late-seeder", &torrent, &late)?
        .listen(late_address)
        .seed()?;
    first.wait_complete(wait::TRANSFER)?;
    second.wait_complete(wait::TRANSFER)?;
    payload.compare(&first_folder)?;
    payload.compare(&second_folder)
}

/// Writes the payload below `seed` and has libtorrent make a torrent of it.
pub(super) fn made_by_libtorrent(
    case: &Case<'_>,
    payload: &Payload,
    format: Format,
    tracker: Option<SocketAddrV4>,
) -> Outcome<Torrent> {
    let folder = case.folder("seed")?;
    payload.write_to(&folder)?;
    let url = tracker.map(tracker_client::url);
    let trackers: Vec<_> = url.iter().map(String::as_str).collect();
    let name = if trackers.is_empty() {
        "without-tracker"
    } else {
        "with-tracker"
    };
    libtorrent::create(
        case,
        name,
        &folder.join(&payload.name),
        format,
        PIECE_LENGTH,
        &trackers,
    )
}

/// Downloads with nothing but what is in the torrent.
fn get_and_compare(case: &Case<'_>, payload: &Payload, torrent: &Torrent) -> Outcome {
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", torrent, &folder)?.start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

/// The downloader said that it completed and that it left: nobody else did either.
fn tracker_heard_of_everything(tracker: &Opentracker, torrent: &Torrent) -> Outcome {
    let expected = Scrape {
        seeders: 1,
        completed: 1,
        leechers: 0,
    };
    let mut last = None;
    wait::until("the tracker has heard of everything", wait::SOON, || {
        let scrape = last.insert(tracker.scrape(torrent)?);
        Ok((*scrape == expected).then_some(()))
    })
    .context(format_args!("expected {expected:?}, at last {last:?}"))
}
