//! `bt get` in ways that the matrix does not have.

use std::net::SocketAddrV4;

use super::{Entry, MIB, PIECE_LENGTH};
use crate::{
    bt,
    foreign::{
        Torrent,
        libtorrent::{self, Format, Libtorrent},
        opentracker::Opentracker,
        transmission,
    },
    harness::{Case, Outcome, Payload, ensure, wait},
    tracker_client,
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "get/made-by-transmission",
        run: made_by_transmission,
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

/// The torrent is transmission's; nothing else here makes torrents but libtorrent.
fn made_by_transmission(case: &Case<'_>) -> Outcome {
    // transmission-create leaves empty files out of what it makes.
    let payload = Payload::multi(8 * MIB).without_empty_files();
    let folder = case.folder("seed")?;
    payload.write_to(&folder)?;
    let tracker_address = case.address()?;
    let content = folder.join(&payload.name);
    let url = tracker_client::url(tracker_address);
    let torrent = transmission::create(case, "payload", &content, PIECE_LENGTH, &url)?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let _seeder = Libtorrent::peer(case, "seeder", &torrent, &folder)?.seed()?;
    tracker.wait_seeders(&torrent, 1)?;

    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?.start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
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
