//! Swarms of all foreign clients that are here, brought together by a tracker, and `bt` among them.

use super::{Entry, MIB, get::made_by_libtorrent};
use crate::{
    bt,
    foreign::{
        CLIENTS, Client, Leecher, Torrent,
        libtorrent::{Build, Format, Libtorrent},
        opentracker::Opentracker,
    },
    harness::{Case, Outcome, Payload, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "mixed/bt-seeds",
        run: |case| bt_seeds(case, 16 * MIB),
    },
    Entry {
        name: "mixed/bt-leeches",
        run: |case| bt_leeches(case, 16 * MIB),
    },
];

pub(super) const LONG_CASES: &[Entry] = &[
    Entry {
        name: "long/mixed/bt-seeds",
        run: |case| bt_seeds(case, 256 * MIB),
    },
    Entry {
        name: "long/mixed/bt-leeches",
        run: |case| bt_leeches(case, 256 * MIB),
    },
];

/// Everybody has met and nobody has anything when `bt` comes, which has everything.
fn bt_seeds(case: &Case<'_>, size: u64) -> Outcome {
    let payload = Payload::multi(size);
    let (torrent, tracker) = begin(case, &payload)?;
    let leechers = start_leechers(case, &torrent, &tracker, |_| true)?;
    let content = bt::content(&case.folder("seed")?, &payload.name);
    let mut bt = bt::seed(case, "bt-seed", &torrent, &content)?.start()?;

    for leecher in leechers {
        leecher.finish(&payload)?;
    }
    bt.wait_progress("has sent everything", wait::SOON, |progress| {
        progress.uploaded >= payload.length()
    })?;
    bt.ensure_running()
}

/// Everybody begins with nothing but a libtorrent, which is so slow that who wants a piece soon has
/// to ask others for it, until one of them has got something from `bt`.
fn bt_leeches(case: &Case<'_>, size: u64) -> Outcome {
    let payload = Payload::multi(size);
    let (torrent, tracker) = begin(case, &payload)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(payload.length() / 100)
        .seed()?;
    tracker.wait_seeders(&torrent, 1)?;
    let seeding = Build::Newest.name();
    let leechers = start_leechers(case, &torrent, &tracker, |client| client.name() != seeding)?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?.start()?;
    bt.wait_progress("has sent something", wait::TRANSFER, |progress| {
        progress.uploaded > 0
    })?;

    seeder.limit_upload(0)?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    for leecher in leechers {
        leecher.finish(&payload)?;
    }
    Ok(())
}

fn begin(case: &Case<'_>, payload: &Payload) -> Outcome<(Torrent, Opentracker)> {
    let address = case.address()?;
    let torrent = made_by_libtorrent(case, payload, Format::V1, Some(address))?;
    let tracker = Opentracker::start(case, address, &torrent)?;
    Ok((torrent, tracker))
}

/// One after the other, so that each is told of those before it. First comes transmission, which
/// does not dial: so all others know of it.
fn start_leechers(
    case: &Case<'_>,
    torrent: &Torrent,
    tracker: &Opentracker,
    takes_part: impl Fn(&dyn Client) -> bool,
) -> Outcome<Vec<Leecher>> {
    let mut leechers = Vec::new();
    for client in CLIENTS.iter().rev() {
        if client.missing().is_none() && takes_part(*client) {
            leechers.push(client.leech(case, torrent)?);
            tracker.wait_leechers(torrent, leechers.len() as u32)?;
        }
    }
    Ok(leechers)
}
