//! `bt seed --super-seed` (BEP 16) and clients that nobody here wrote.

use super::{Entry, MIB, get::made_by_libtorrent};
use crate::{
    bt::{self, Bt},
    foreign::{
        Client, Leecher, Torrent,
        libtorrent::{Build, Format},
        opentracker::Opentracker,
        transmission::Transmission,
    },
    harness::{Case, Outcome, Payload, ensure, wait},
    hostile_peer::{HostilePeer, id},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "super-seed/clients",
        run: clients,
    },
    Entry {
        name: "super-seed/single/libtorrent",
        run: |case| single(case, &Build::Newest),
    },
    Entry {
        name: "super-seed/single/transmission",
        run: |case| single(case, &Transmission),
    },
];

/// Some leechers that know each other by a tracker, and one more peer that takes nothing, and looks
/// at what it is told: two pieces are shown to it that nobody gets from there.
fn clients(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(8 * MIB);
    let tracker_address = case.address()?;
    let torrent = made_by_libtorrent(case, &payload, Format::V1, Some(tracker_address))?;
    let _tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let clients: [&'static dyn Client; 3] = [&Build::Newest, &Build::Debian, &Transmission];
    let mut leechers = Vec::new();
    for client in clients {
        leechers.push(client.leech(case, &torrent)?);
    }
    let mut bt = seed_to(case, &torrent, &payload, &leechers)?;
    let door = bt.wait_listening()?;
    // It listens before it knows what it has, and lets nobody in until then.
    bt.wait_event("seeds", wait::TRANSFER, |event| {
        (event["state"] == "seeding").then_some(())
    })?;
    let onlooker = HostilePeer::visit(case, &torrent, door, |door| {
        let mut bt = door.connect()?;
        bt.introduce_itself()?;
        let mut told = Vec::new();
        while told.len() < 3 {
            let (id, _) = bt.read_message()?;
            if id != id::EXTENDED {
                told.push(id);
            }
        }
        if told == [id::HAVE_NONE, id::HAVE, id::HAVE] {
            bt.harmed(); // as expected, that is
        }
        bt.wait_for_the_end()
    })?;
    wait::until(
        "an onlooker sees two pieces and no seed",
        wait::SOON,
        || {
            bt.ensure_running()?;
            Ok((onlooker.harmed() > 0).then_some(()))
        },
    )?;
    for leecher in leechers {
        leecher.finish(&payload)?;
    }
    bt.ensure_running()?;
    ensure!(bt.stderr().is_empty(), "{:?}", bt.stderr());
    Ok(())
}

/// With nobody to pass anything on to, and whether it tells us of what it has got or not.
fn single(case: &Case<'_>, client: &'static dyn Client) -> Outcome {
    let payload = Payload::single(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let leecher = client.leech(case, &torrent)?;
    let leechers = [leecher];
    let mut bt = seed_to(case, &torrent, &payload, &leechers)?;
    for leecher in leechers {
        leecher.finish(&payload)?;
    }
    bt.ensure_running()
}

/// A `bt seed --super-seed` that dials them.
fn seed_to(
    case: &Case<'_>,
    torrent: &Torrent,
    payload: &Payload,
    leechers: &[Leecher],
) -> Outcome<Bt> {
    let content = bt::content(&case.folder("seed")?, &payload.name);
    let mut bt = bt::seed(case, "bt-seed", torrent, &content)?.with(|command| {
        command.arg("--super-seed");
    });
    for leecher in leechers {
        bt = bt.peer(leecher.address());
    }
    bt.start()
}
