use std::time::Instant;

use bt_client::{Mode, Snapshot, State};
use bt_metainfo::Metainfo;

use crate::{
    arguments::Get,
    exit::Failure,
    format::{bytes, duration, printable, rate},
    interrupt::Interrupt,
    progress::Progress,
    torrent_file,
    transfer::{self, timed_out},
};

pub(crate) fn run(get: &Get, quiet: bool) -> Result<(), Failure> {
    let metainfo = torrent_file::read_to_transfer(&get.torrent)?;
    transfer::block_on(download(get, &metainfo, quiet))
}

async fn download(get: &Get, metainfo: &Metainfo, quiet: bool) -> Result<(), Failure> {
    let started = Instant::now();
    let mut interrupt = Interrupt::listen()?;
    let mut progress = Progress::new(get.network.json, quiet);
    let root = get.output.clone();
    let (_session, mut handle) =
        transfer::start(&get.network, metainfo, root, Mode::Get, &progress, quiet)?;
    let is_complete = |snapshot: &Snapshot| matches!(snapshot.state, State::Seeding);
    let given_up = tokio::select! {
        biased;
        () = interrupt.requested() => Some("interrupted"),
        result = transfer::watch(&mut handle, &mut progress, is_complete) => {
            result?;
            None
        }
        () = timed_out(get.timeout) => Some("timed out"),
    };
    interrupt.end_at_next(|| {});
    if let Some(why) = given_up {
        progress.clear();
        let last = handle.stop().await;
        return Err(transfer::stopped(why, &last));
    }
    let snapshot = handle.snapshot();
    progress.complete(&snapshot, &summary(&snapshot, started));
    handle.stop().await;
    Ok(())
}

fn summary(snapshot: &Snapshot, started: Instant) -> String {
    let elapsed = started.elapsed();
    let stats = &snapshot.stats;
    let name = printable(&snapshot.name);
    if stats.downloaded == 0 {
        return format!("{name}: {} were here already", bytes(stats.bytes_total));
    }
    let average = stats.downloaded as f64 / elapsed.as_secs_f64();
    format!(
        "{name}: {} complete, {} fetched in {} ({})",
        bytes(stats.bytes_total),
        bytes(stats.downloaded),
        duration(elapsed),
        rate(average as u64),
    )
}
