//! Finding out which pieces are on disk, waiting for a disk that fails.

use std::{
    future::Future,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_storage::{Storage, StorageError};
use bt_swarm::{Backoff, Limit};
use tokio::time::{sleep, sleep_until};

use super::{
    Mode,
    check::{Checking, Found, Look, Looked, Plan},
    log,
    parts::Data,
};
use crate::{DiskTrouble, OnDiskError, State, TorrentError, shared::Shared};

/// Looks at what is there of a torrent, and shows how that goes; `None` if it is told to stop, and
/// then nothing of it goes on.
pub(super) async fn look_at(
    shared: &Shared,
    data: &Data,
    recheck: bool,
    mut show: impl FnMut(State, Limit),
    stop: impl Future<Output = ()>,
) -> Result<Option<Found>, TorrentError> {
    let is_download = data.mode == Mode::Get;
    let mut look = Look::new(Plan {
        state: shared.state.clone(),
        boot: shared.boot.clone(),
        recheck,
        threads: shared.check_threads,
        wanted: is_download.then(|| Arc::clone(&data.selection)),
    });
    let mut stop = pin!(stop);
    let mut waiting: Option<Waiting> = None;
    let found = loop {
        // Where nothing is, there is nothing to wait for others with.
        let _turn = match is_blank(&data.storage) {
            true => None,
            false => tokio::select! {
                turn = shared.turn_to_check() => turn,
                () = &mut stop => return Ok(None),
            },
        };
        let mut checking = Checking::start(Arc::clone(&data.storage), look);
        let looked = loop {
            tokio::select! {
                looked = checking.finish() => break looked?,
                () = &mut stop => {
                    checking.cancel().await;
                    return Ok(None);
                }
                () = sleep(PROGRESS_INTERVAL) => show_progress(&checking, &mut show),
            }
        };
        if let Looked::All(_) | Looked::Some(_) = looked
            && let Some(Waiting { trouble, .. }) = waiting.take()
        {
            log::disk_recovered(trouble.since.elapsed(), 0);
        }
        let error = match looked {
            Looked::All(found) => break *found,
            Looked::Some(next) => {
                look = *next;
                continue;
            }
            Looked::Refused(next, error) => {
                look = *next;
                error
            }
        };
        if shared.on_disk_error == OnDiskError::Fail {
            return Err(error.into());
        }
        let now = Instant::now();
        let waiting = waiting.get_or_insert_with(|| Waiting::new(now, &error));
        waiting.backoff.failed(now);
        let limit = Limit::Disk {
            waiting_bytes: 0,
            written_bytes_per_sec: 0,
            is_refusing: true,
        };
        show(State::DiskTrouble(Arc::clone(&waiting.trouble)), limit);
        drop(_turn);
        tokio::select! {
            () = sleep_until(waiting.backoff.due().into()) => {}
            () = &mut stop => return Ok(None),
        }
    };
    let (pieces_good, piece_count) = (found.have.count_ones(), found.have.len());
    if is_download || found.have.is_full() {
        Ok(Some(found))
    } else {
        Err(TorrentError::DataIncomplete {
            pieces_good,
            piece_count,
        })
    }
}

/// Whether nothing of it seems to be there. No promise: it decides only what is waited for.
fn is_blank(storage: &Storage) -> bool {
    let first = storage.info().files().first();
    let top = first.and_then(|file| file.path.components().next());
    let top = top.unwrap_or_else(|| storage.info().name());
    let places = [
        storage.root().join(top),
        storage.root().join(format!("{top}.part")),
        storage.part_file(),
    ];
    let is_free = |place: &PathBuf| place.symlink_metadata().is_err();
    places.iter().all(is_free)
}

fn show_progress(checking: &Checking, show: &mut impl FnMut(State, Limit)) {
    let Some((bytes_done, bytes_total)) = checking.progress() else {
        return;
    };
    let state = State::Checking {
        bytes_done,
        bytes_total,
    };
    let limit = Limit::Checking {
        bytes_done,
        bytes_total,
    };
    show(state, limit);
}

/// For a disk that has failed during the check.
struct Waiting {
    trouble: Arc<DiskTrouble>,
    backoff: Backoff,
}

impl Waiting {
    fn new(now: Instant, error: &StorageError) -> Self {
        let trouble = DiskTrouble::new(now, error);
        log::disk_trouble(&trouble);
        Self {
            trouble,
            backoff: Backoff::new(now),
        }
    }
}

/// How often the progress of a check is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
