//! Every foreign client as the only seeder of a `bt get` and as a leecher of a `bt seed`, and all of
//! them at once.

use super::{MIB, Planned, get::made_by_libtorrent};
use crate::{
    bt,
    foreign::{
        CLIENTS, Client,
        libtorrent::{Format, Libtorrent},
        opentracker::Opentracker,
    },
    harness::{Case, Outcome, Payload, wait},
    tracker_client::Scrape,
};

/// The short tier: who is always there, with little.
pub(super) fn short() -> Vec<Planned> {
    let single = Load::new("single", || Payload::single(16 * MIB), Format::V1);
    let multi = Load::new("multi", || Payload::multi(16 * MIB), Format::V1);
    let hybrid = Load::new("hybrid", || Payload::multi(16 * MIB), Format::Hybrid);
    let mut cases = with_all("", multi, |client| !client.is_optional());
    for client in CLIENTS.iter().filter(|client| !client.is_optional()) {
        cases.extend(with_one("", *client, single, Meeting::WeDial));
        cases.extend(with_one("", *client, multi, Meeting::ItDials));
        if client.takes_hybrids() {
            cases.extend(with_one("", *client, hybrid, Meeting::ItDials));
        }
    }
    cases
}

/// The long tier: everybody, with much.
pub(super) fn long() -> Vec<Planned> {
    let large = Load::new("256-mib", || Payload::single(256 * MIB), Format::V1);
    let many = Load::new("5000-files", Payload::five_thousand_files, Format::V1);
    let hybrid = Load::new(
        "256-mib-hybrid",
        || Payload::multi(256 * MIB),
        Format::Hybrid,
    );
    let mut cases = with_all("long/", large, |client| client.missing().is_none());
    for client in CLIENTS {
        cases.extend(with_one("long/", *client, large, Meeting::WeDial));
        cases.extend(with_one("long/", *client, many, Meeting::ItDials));
        if client.takes_hybrids() {
            cases.extend(with_one("long/", *client, hybrid, Meeting::ItDials));
        }
    }
    cases
}

/// What is downloaded, and how that is called.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    payload: fn() -> Payload,
    format: Format,
}

impl Load {
    fn new(name: &'static str, payload: fn() -> Payload, format: Format) -> Self {
        Self {
            name,
            payload,
            format,
        }
    }
}

/// How a leecher and `bt seed` come together.
#[derive(Clone, Copy)]
enum Meeting {
    WeDial,
    /// It learns of us from a tracker, if it cares for trackers.
    ItDials,
}

fn with_one(tier: &str, client: &'static dyn Client, load: Load, meeting: Meeting) -> [Planned; 2] {
    let named = |verb: &str| format!("{tier}{verb}/{}/{}", client.name(), load.name);
    let get = Planned::new(named("get"), move |case| get_from(case, client, load));
    let seed = Planned::new(named("seed"), move |case| {
        seed_to(case, client, load, meeting)
    });
    [get, seed].map(|planned| Planned {
        missing: client.missing(),
        ..planned
    })
}

fn with_all(tier: &str, load: Load, takes_part: fn(&dyn Client) -> bool) -> Vec<Planned> {
    let clients = move || {
        CLIENTS
            .iter()
            .copied()
            .filter(move |client| takes_part(*client))
    };
    let named = |verb: &str| format!("{tier}{verb}/all/{}", load.name);
    vec![
        Planned::new(named("get"), move |case| {
            get_from_all(case, &clients().collect::<Vec<_>>(), load)
        }),
        Planned::new(named("seed"), move |case| {
            seed_to_all(case, &clients().collect::<Vec<_>>(), load)
        }),
    ]
}

/// `bt` finds the only seeder through opentracker, which hears that it completed and that it left.
fn get_from(case: &Case<'_>, client: &'static dyn Client, load: Load) -> Outcome {
    let payload = (load.payload)();
    let tracker_address = case.address()?;
    let torrent = made_by_libtorrent(case, &payload, load.format, Some(tracker_address))?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let mut seeder = client.seed(case, &torrent, &case.folder("seed")?, None)?;
    tracker.wait_seeders(&torrent, 1)?;
    // Some say that they completed when they have checked what they began with.
    let before = tracker.scrape(&torrent)?;

    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?.start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    let after = Scrape {
        completed: before.completed + 1,
        ..before
    };
    tracker.wait_scrape(&torrent, after)?;
    seeder.wait_complete(wait::SOON)
}

/// All are so slow that each has its turn, however long it thinks before it unchokes; then a fast
/// one comes.
fn get_from_all(case: &Case<'_>, clients: &[&'static dyn Client], load: Load) -> Outcome {
    let payload = (load.payload)();
    let tracker_address = case.address()?;
    let torrent = made_by_libtorrent(case, &payload, load.format, Some(tracker_address))?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let data = case.folder("seed")?;
    let upload_limit = payload.length() / clients.len() as u64 / 100;
    let mut seeders = Vec::new();
    for client in clients {
        let seeder = client.seed(case, &torrent, &data, Some(upload_limit))?;
        seeders.push((client.name(), seeder));
    }
    tracker.wait_seeders(&torrent, clients.len() as u32)?;

    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?.start()?;
    let address = bt.wait_listening()?;
    for (name, seeder) in &mut seeders {
        wait::until(
            &format!("{name} has sent something"),
            wait::TRANSFER,
            || {
                bt.ensure_running()?;
                Ok(seeder.has_uploaded()?.then_some(()))
            },
        )?;
    }
    let _fast = Libtorrent::peer(case, "fast-seeder", &torrent, &data)?
        .connect(address)
        .seed()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

fn seed_to(case: &Case<'_>, client: &'static dyn Client, load: Load, meeting: Meeting) -> Outcome {
    match meeting {
        Meeting::ItDials if client.dials_from_trackers() => seed_by_tracker(case, client, load),
        Meeting::ItDials | Meeting::WeDial => seed_to_all(case, &[client], load),
    }
}

/// The leecher learns of `bt` from opentracker only.
fn seed_by_tracker(case: &Case<'_>, client: &'static dyn Client, load: Load) -> Outcome {
    let payload = (load.payload)();
    let tracker_address = case.address()?;
    let torrent = made_by_libtorrent(case, &payload, load.format, Some(tracker_address))?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let content = bt::content(&case.folder("seed")?, &payload.name);
    let mut bt = bt::seed(case, "bt-seed", &torrent, &content)?.start()?;
    tracker.wait_seeders(&torrent, 1)?;

    client.leech(case, &torrent)?.finish(&payload)?;
    bt.ensure_running()
}

/// `bt` dials all leechers, which do not know each other.
fn seed_to_all(case: &Case<'_>, clients: &[&'static dyn Client], load: Load) -> Outcome {
    let payload = (load.payload)();
    let torrent = made_by_libtorrent(case, &payload, load.format, None)?;
    let mut leechers = Vec::new();
    for client in clients {
        leechers.push(client.leech(case, &torrent)?);
    }
    let content = bt::content(&case.folder("seed")?, &payload.name);
    let mut bt = bt::seed(case, "bt-seed", &torrent, &content)?;
    for leecher in &leechers {
        bt = bt.peer(leecher.address());
    }
    let mut bt = bt.start()?;
    for leecher in leechers {
        leecher.finish(&payload)?;
    }
    bt.ensure_running()
}
