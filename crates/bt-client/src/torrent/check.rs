use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bt_storage::{
    Storage, StorageError,
    check::{self, Checked},
};
use tokio::task::{JoinHandle, spawn_blocking};

/// A look at what is on disk, on threads of its own. Dropping it ends it soon.
pub(super) struct Checking {
    progress: Arc<Progress>,
    task: JoinHandle<Result<Checked, StorageError>>,
}

#[derive(Default)]
struct Progress {
    bytes_done: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Checking {
    /// Begins, on `threads` threads. With `prepare`, folders and empty files are made first.
    pub(super) fn start(storage: Arc<Storage>, threads: usize, prepare: bool) -> Self {
        let progress = Arc::new(Progress::default());
        let shared = Arc::clone(&progress);
        let task = spawn_blocking(move || {
            if prepare {
                storage.prepare()?;
            }
            let report = |progress: check::CheckProgress| {
                shared
                    .bytes_done
                    .fetch_max(progress.bytes_done, Ordering::Relaxed);
            };
            check::check(&storage, threads, &report, &shared.is_cancelled)
        });
        Self { progress, task }
    }

    pub(super) fn bytes_done(&self) -> u64 {
        self.progress.bytes_done.load(Ordering::Relaxed)
    }

    /// Waits for the end. May be called again if it was interrupted.
    pub(super) async fn finish(&mut self) -> Result<Checked, StorageError> {
        match (&mut self.task).await {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        self.progress.is_cancelled.store(true, Ordering::Relaxed);
    }
}
