use bt_client::{Mode, State};
use bt_metainfo::Metainfo;

use crate::{
    arguments::Seed, data_path, exit::Failure, format::bytes, interrupt::Interrupt, logging,
    progress::Progress, torrent_file, transfer,
};

pub(crate) fn run(seed: &Seed, quiet: bool) -> Result<(), Failure> {
    let metainfo = torrent_file::read_to_transfer(&seed.torrent)?;
    transfer::block_on(serve(seed, &metainfo, quiet))
}

async fn serve(seed: &Seed, metainfo: &Metainfo, quiet: bool) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let mut progress = Progress::new(seed.network.json, quiet);
    let root = data_path::root(metainfo.info(), &seed.path)?;
    let (_session, mut handle) =
        transfer::start(&seed.network, metainfo, root, Mode::Seed, &progress, quiet)?;
    tokio::select! {
        biased;
        () = interrupt.requested() => {}
        result = transfer::watch(&mut handle, &mut progress, |_| false) => result?,
    }
    interrupt.end_at_next(|| {});
    progress.clear();
    let last = handle.stop().await;
    if let State::Failed(error) = &last.state {
        return Err(transfer::failure(error));
    }
    if !quiet && !seed.network.json {
        logging::tell(&format!("{} served", bytes(last.stats.uploaded)));
    }
    Ok(())
}
