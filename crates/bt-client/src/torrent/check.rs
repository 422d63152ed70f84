use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bt_storage::{
    Storage, StorageError,
    check::{self, Checked},
};
use bt_types::Selection;
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
    /// Begins, on `threads` threads. What is to be fetched is brought in line with what is `wanted`
    /// first, and files that turn out to be complete get their names.
    pub(super) fn start(
        storage: Arc<Storage>,
        threads: usize,
        wanted: Option<Arc<Selection>>,
    ) -> Self {
        let progress = Arc::new(Progress::default());
        let shared = Arc::clone(&progress);
        let task = spawn_blocking(move || {
            if let Some(selection) = &wanted {
                storage.set_selection(selection)?;
            }
            let report = |progress: check::CheckProgress| {
                shared
                    .bytes_done
                    .fetch_max(progress.bytes_done, Ordering::Relaxed);
            };
            let checked = check::check(&storage, threads, &report, &shared.is_cancelled)?;
            if wanted.is_some() && !checked.is_cancelled {
                storage.set_verified(&checked.have)?;
            }
            Ok(checked)
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
