use std::{sync::Arc, time::Duration};

use bt_storage::{Storage, StorageError, resume::Keeper};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tracing::{Instrument, Span, warn};

use crate::{Snapshot, tasks::AbortOnDrop};

/// Has what is done remembered for the next run, beside the torrent's task, which waits for none of
/// it until the end.
pub(super) struct Remembering {
    keeper: Arc<Keeper>,
    _task: AbortOnDrop,
}

impl Remembering {
    pub(super) fn start(
        keeper: Arc<Keeper>,
        storage: Arc<Storage>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        let task = keep_up(Arc::clone(&keeper), storage, snapshots);
        Self {
            _task: AbortOnDrop::spawn(task.instrument(Span::current())),
            keeper,
        }
    }

    /// Leaves a record that says all, unless the disk takes too long: then the next start has the
    /// journal.
    pub(super) async fn finish(self, storage: &Arc<Storage>, last: &Snapshot) {
        let Self { keeper, .. } = self;
        let (storage, totals) = (Arc::clone(storage), last.totals());
        let finish = spawn_blocking(move || keeper.finish(&storage, totals));
        match timeout(LONGEST_FINISH, finish).await {
            Ok(Ok(finished)) => warn_of(finished),
            Ok(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            Err(_) => warn!("the disk is too slow to wait for: not all is synced"),
        }
    }
}

/// Now and then brings to the medium what was written, and notes what was sent.
async fn keep_up(
    keeper: Arc<Keeper>,
    storage: Arc<Storage>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
) {
    let mut waited = Duration::ZERO;
    let mut has_warned = false;
    loop {
        sleep(LOOK_INTERVAL).await;
        waited += LOOK_INTERVAL;
        let is_due = waited >= SYNC_INTERVAL || keeper.unsynced_bytes() >= MUCH;
        if is_due {
            waited = Duration::ZERO;
        }
        let (keeper, storage) = (Arc::clone(&keeper), Arc::clone(&storage));
        let totals = snapshots.borrow().totals();
        let kept = spawn_blocking(move || {
            keeper.flush();
            if !is_due {
                return Ok(());
            }
            keeper.set_totals(totals);
            match keeper.unsynced_bytes() {
                1.. => keeper.sync(&storage),
                _ => Ok(()),
            }
        });
        match kept.await {
            Ok(Ok(())) => {}
            // Once is enough: a disk that is in trouble will be told of by those who need it.
            Ok(failed) if !has_warned => {
                has_warned = true;
                warn_of(failed);
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

fn warn_of(result: Result<(), StorageError>) {
    if let Err(error) = result {
        warn!(%error, "what is done is not remembered well");
    }
}

/// How often what waits is noted, and it is looked whether there is something to sync.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How much a power failure may cost, in time and in bytes; systems write by themselves after 30 s.
const SYNC_INTERVAL: Duration = Duration::from_secs(10);
const MUCH: u64 = 64 << 20;
/// As long as for the disk's other work at the end.
const LONGEST_FINISH: Duration = Duration::from_secs(10);
