use std::time::Instant;

use bt_client::{Mode, State};
use bt_metainfo::Metainfo;

use crate::{
    arguments::Seed,
    data_path,
    exit::Failure,
    format::bytes,
    interrupt::Interrupt,
    logging,
    progress::Progress,
    seeding::{self, Seeding},
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
    let (_session, mut handle) =
        transfer::start(&seed.network, metainfo, root, mode, &progress, quiet)?;
    let mut seeding = Seeding::new(seed.seed_until);
    let goal = tokio::select! {
        biased;
        () = interrupt.requested() => None,
        goal = seeding::serve(&mut handle, &mut progress, &mut seeding) => Some(goal?),
    };
    interrupt.end_at_next(|| {});
    progress.clear();
    let elapsed = seeding.elapsed(Instant::now());
    let last = handle.stop().await;
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
