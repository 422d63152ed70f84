//! Peers that find each other without a tracker, through others (PEX) or on a local network (LSD):
//! `bt` and clients that nobody here wrote.

use std::{net::SocketAddrV4, path::Path, time::Duration};

use super::{MIB, Planned, get::made_by_libtorrent};
use crate::{
    bt::{self, Bt, exit},
    foreign::{
        Finder, FindingPeer, Finds, Place, Torrent,
        libtorrent::{Format, Libtorrent},
        qbittorrent::Qbittorrent,
        transmission::Transmission,
    },
    harness::{Case, Outcome, Payload, ensure, ports::free_port, wait},
    local_network::{Ear, LocalNetwork},
};

/// One of each with each. Those that are left out take minutes with transmission.
pub(super) fn short() -> Vec<Planned> {
    let with_one = |client| [LSD_GET, PEX_TELL].map(|run| planned("", run, client));
    CLIENTS.into_iter().flat_map(with_one).collect()
}

pub(super) fn long() -> Vec<Planned> {
    let runs = [LSD_GET, LSD_SEED, PEX_GET, PEX_TELL];
    let with_one = |client| runs.map(|run| planned("long/", run, client));
    CLIENTS.into_iter().flat_map(with_one).collect()
}

const CLIENTS: [&dyn Finder; 2] = [&Transmission, &Qbittorrent];

/// What is tried with a client, and its name.
type Run = (&'static str, fn(&Case<'_>, &dyn Finder) -> Outcome);

const LSD_GET: Run = ("lsd/get", bt_hears_it);
const LSD_SEED: Run = ("lsd/seed", it_hears_bt);
const PEX_GET: Run = ("pex/get", it_tells_bt);
const PEX_TELL: Run = ("pex/tell", bt_tells_it);

fn planned(tier: &str, (name, run): Run, client: &'static dyn Finder) -> Planned {
    let name = format!("{tier}{name}/{}", client.name());
    Planned::new(name, move |case| run(case, client))
}

/// `bt` has called before the seeder was there, and does so again in some minutes: so it has to hear
/// the seeder.
fn bt_hears_it(case: &Case<'_>, client: &dyn Finder) -> Outcome {
    let (payload, torrent) = something(case)?;
    let network = LocalNetwork::join(2)?;
    network.at_switch(|| {
        let (folder, ear) = (case.folder("got")?, Ear::open()?);
        let bt = bt::get(case, "bt-get", &torrent, &folder)?.on_local_network();
        let mut bt = network.on(BT, || bt.start())?;
        ear.wait_calls(BT, 1)?;
        let seed = case.folder("seed")?;
        let _seeder = network.on(IT, || {
            client.find(case, &torrent, &seed, place(Finds::Nearby))
        })?;
        bt.wait_complete(PATIENCE)?;
        payload.compare(&folder)?;
        let progress = bt.latest("progress")?;
        ensure!(
            connected(&bt, "lsd") > 0,
            "the seeder was found otherwise: {progress}"
        );
        Ok(())
    })
}

/// The other way round.
fn it_hears_bt(case: &Case<'_>, client: &dyn Finder) -> Outcome {
    let (payload, torrent) = something(case)?;
    let network = LocalNetwork::join(2)?;
    network.at_switch(|| {
        let (folder, ear) = (case.folder("got")?, Ear::open()?);
        let mut leecher = network.on(IT, || {
            client.find(case, &torrent, &folder, place(Finds::Nearby))
        })?;
        ear.wait_calls(IT, client.first_calls())?;
        let content = bt::content(&case.folder("seed")?, &payload.name);
        let bt = bt::seed(case, "bt-seed", &torrent, &content)?
            .on_local_network()
            .with(|command| {
                // Slow enough to be seen with a peer.
                command.args(["--limit-up", "2M"]);
            });
        let mut bt = network.on(BT, || bt.start())?;
        wait_found(&mut *leecher, Finds::Nearby)?;
        finish(leecher, &payload, &folder)?;
        bt.interrupt()?;
        bt.wait_exit(exit::DONE, wait::SOON)
    })
}

/// It is all that `bt` knows, and knows a seeder that neither dials nor tells of anybody.
fn it_tells_bt(case: &Case<'_>, client: &dyn Finder) -> Outcome {
    let (payload, torrent) = something(case)?;
    let network = LocalNetwork::join(3)?;
    network.at_switch(|| {
        let (its_folder, our_folder) = (case.folder("its")?, case.folder("ours")?);
        let middle = network.on(IT, || {
            client.find(case, &torrent, &its_folder, place(Finds::ThroughPeers))
        })?;
        let mut seeder = slow_seeder(case, &network, &payload, &torrent)?;
        seeder.connect(middle.address())?;
        seeder.wait_peers(1)?;
        let bt = bt::get(case, "bt-get", &torrent, &our_folder)?.peer(middle.address());
        let mut bt = network.on(BT, || bt.start())?;
        wait::until("bt has dialled the seeder", PATIENCE, || {
            bt.ensure_running()?;
            Ok((connected(&bt, "pex") > 0).then_some(()))
        })?;
        seeder.limit_upload(0)?;
        bt.wait_complete(PATIENCE)?;
        payload.compare(&our_folder)?;
        finish(middle, &payload, &its_folder)
    })
}

/// The other way round: it knows nobody, `bt` both of them.
fn bt_tells_it(case: &Case<'_>, client: &dyn Finder) -> Outcome {
    let (payload, torrent) = something(case)?;
    let network = LocalNetwork::join(3)?;
    network.at_switch(|| {
        let (its_folder, our_folder) = (case.folder("its")?, case.folder("ours")?);
        let mut told = network.on(IT, || {
            client.find(case, &torrent, &its_folder, place(Finds::ThroughPeers))
        })?;
        let mut seeder = slow_seeder(case, &network, &payload, &torrent)?;
        let bt = bt::get(case, "bt-get", &torrent, &our_folder)?
            .peer(told.address())
            .peer(seeder.address());
        let mut bt = network.on(BT, || bt.start())?;
        wait_found(&mut *told, Finds::ThroughPeers)?;
        seeder.limit_upload(0)?;
        bt.wait_complete(PATIENCE)?;
        payload.compare(&our_folder)?;
        finish(told, &payload, &its_folder)
    })
}

fn something(case: &Case<'_>) -> Outcome<(Payload, Torrent)> {
    let payload = Payload::single(16 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    Ok((payload, torrent))
}

fn place(finds: Finds) -> Place {
    Place {
        ip: LocalNetwork::ip(IT),
        finds,
    }
}

/// A libtorrent that learns of nobody, and takes a quarter of an hour for all of it.
fn slow_seeder(
    case: &Case<'_>,
    network: &LocalNetwork,
    payload: &Payload,
    torrent: &Torrent,
) -> Outcome<Libtorrent> {
    let seed = case.folder("seed")?;
    network.on(SEEDER, || {
        Libtorrent::peer(case, "seeder", torrent, &seed)?
            .listen(SocketAddrV4::new(LocalNetwork::ip(SEEDER), free_port()?))
            .without_pex()
            .upload_limit(payload.length() / 900)
            .seed()
    })
}

fn wait_found(peer: &mut dyn FindingPeer, by: Finds) -> Outcome {
    wait::until("it has found somebody", PATIENCE, || {
        Ok(peer.has_found(by)?.then_some(()))
    })
}

/// To how many peers `bt` has come by way of such a source.
fn connected(bt: &Bt, source: &str) -> u64 {
    let progress = bt.latest("progress").unwrap_or_default();
    let count = &progress["sources"][source]["connected"];
    count.as_u64().unwrap_or(0)
}

fn finish(mut peer: Box<dyn FindingPeer>, payload: &Payload, folder: &Path) -> Outcome {
    peer.wait_complete(PATIENCE)?;
    peer.stop()?;
    payload.compare(folder)
}

const BT: usize = 0;
const IT: usize = 1;
const SEEDER: usize = 2;

/// Transmission tells its peers of others once in 90 seconds, and calls once in four minutes.
const PATIENCE: Duration = Duration::from_secs(330);
