use std::time::Instant;

use bt_client::{Mode, State};
use bt_metainfo::Metainfo;

use crate::{
    arguments::Seed,
    batch::Batch,
    data_path,
    exit::Failure,
    format::bytes,
    interrupt::Interrupt,
    logging,
    looks::Looks,
    progress::Progress,
    seeding::{self, Goal, Seeding},
    torrent_file, transfer,
};

pub(crate) fn run(seed: &Seed, quiet: bool) -> Result<(), Failure> {
    let metainfo = torrent_file::read_to_transfer(&seed.torrent)?;
    transfer::block_on(serve(seed, &metainfo, quiet))
}

async fn serve(seed: &Seed, metainfo: &Metainfo, quiet: bool) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let mut progress = Progress::new(seed.network.json, quiet);
    let root = data_path::root(metainfo.info(), &seed.path)?;
    let mode = if seed.super_seed {
        Mode::SuperSeed
    } else {
        Mode::Seed
    };
    let (session, handle) = transfer::start(&seed.network, metainfo, root, mode, &progress, quiet)?;
    let mut batch = Batch::new();
    batch.add(handle);
    let mut seeding = Seeding::new(seed.seed_until);
    let goal = tokio::select! {
        biased;
        () = interrupt.requested() => None,
        goal = until_reached(&mut seeding, &mut batch, &mut progress, seed.peers) => Some(goal?),
    };
    interrupt.end_at_next(|| {});
    progress.clear();
    let elapsed = seeding.elapsed(Instant::now());
    batch.stop().await;
    session.close().await;
    let last = batch.snapshot(ONLY);
    if let State::Failed(error) = &last.state {
        return Err(transfer::failure(error));
    }
    if let Some(goal) = goal {
        let words = seeding::summary(&last, elapsed);
        progress.seeded(&last, goal, elapsed, &words);
    } else if !quiet && !seed.network.json {
        logging::tell(&format!("{} served", bytes(last.stats.uploaded)));
    }
    Ok(())
}

/// Shows how it goes until the torrent has been served for long enough.
async fn until_reached(
    seeding: &mut Seeding,
    batch: &mut Batch,
    progress: &mut Progress,
    show_peers: bool,
) -> Result<Goal, Failure> {
    let mut looks = Looks::new();
    loop {
        tokio::select! {
            () = seeding::until(seeding.deadline()) => {}
            changed = batch.changed() => {
                let snapshot = batch.snapshot(changed?);
                if let State::Failed(error) = &snapshot.state {
                    return Err(transfer::failure(error));
                }
                progress.show(&snapshot);
            }
            () = looks.next(), if show_peers => {
                let peers = batch.peers(ONLY).await;
                progress.show_peers(batch, vec![(ONLY, peers)]);
            }
        }
        if let Some(goal) = seeding.reached(Instant::now(), &batch.snapshot(ONLY)) {
            return Ok(goal);
        }
    }
}

/// The place of the one torrent.
const ONLY: usize = 0;
