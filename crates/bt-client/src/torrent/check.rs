use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bt_storage::{
    Storage, StorageError,
    check::{self, Checked, Interrupted},
};
use bt_types::{Bitfield, PieceIndex, PieceLayout};
use tokio::task::{JoinHandle, spawn_blocking};

/// A look at what is on disk, on threads of its own. Dropping it ends it soon.
pub(super) struct Checking {
    progress: Arc<Progress>,
    task: JoinHandle<Result<Checked, CheckFailure>>,
}

/// A disk failed.
#[derive(Debug)]
pub(super) enum CheckFailure {
    /// Before anything was looked at.
    Prepare(StorageError),
    Interrupted(Interrupted),
}

/// What has been found so far, and what is left to be looked at.
pub(super) struct Findings {
    pub(super) have: Bitfield,
    left: Bitfield,
    /// If a disk has failed, what is to be tried first.
    trial: Option<Bitfield>,
}

#[derive(Default)]
struct Progress {
    bytes_done: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Checking {
    /// Begins to look at `wanted`, on `threads` threads. With `prepare`, folders and empty files are
    /// made first.
    pub(super) fn start(
        storage: Arc<Storage>,
        threads: usize,
        prepare: bool,
        wanted: Bitfield,
    ) -> Self {
        let progress = Arc::new(Progress::default());
        let shared = Arc::clone(&progress);
        let task = spawn_blocking(move || {
            if prepare {
                storage.prepare().map_err(CheckFailure::Prepare)?;
            }
            let report = |progress: check::CheckProgress| {
                shared
                    .bytes_done
                    .fetch_max(progress.bytes_done, Ordering::Relaxed);
            };
            check::check_pieces(&storage, &wanted, threads, &report, &shared.is_cancelled)
                .map_err(CheckFailure::Interrupted)
        });
        Self { progress, task }
    }

    pub(super) fn bytes_done(&self) -> u64 {
        self.progress.bytes_done.load(Ordering::Relaxed)
    }

    /// Waits for the end. May be called again if it was interrupted.
    pub(super) async fn finish(&mut self) -> Result<Checked, CheckFailure> {
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

impl CheckFailure {
    pub(super) fn into_error(self) -> StorageError {
        match self {
            Self::Prepare(error) => error,
            Self::Interrupted(interrupted) => interrupted.error,
        }
    }

    pub(super) fn error(&self) -> &StorageError {
        match self {
            Self::Prepare(error) => error,
            Self::Interrupted(interrupted) => &interrupted.error,
        }
    }
}

impl Findings {
    pub(super) fn new(piece_count: u32) -> Self {
        Self {
            have: Bitfield::new(piece_count),
            left: Bitfield::full(piece_count),
            trial: None,
        }
    }

    /// What to look at next.
    pub(super) fn next(&self) -> Bitfield {
        self.trial.as_ref().unwrap_or(&self.left).clone()
    }

    /// Whether that is only to see whether the disk works again.
    pub(super) fn is_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// How many bytes need no look any more.
    pub(super) fn bytes_done(&self, layout: &PieceLayout) -> u64 {
        let done = self.left.iter_zeros();
        done.map(|piece| u64::from(layout.data_length_of(piece)))
            .sum()
    }

    /// What was to be looked at has been. Returns whether that is all.
    pub(super) fn add(&mut self, checked: &Checked) -> bool {
        self.note(checked);
        self.trial = None;
        self.left.count_ones() == 0
    }

    /// A disk has failed: what it failed at is tried first.
    pub(super) fn interrupted(&mut self, failure: &CheckFailure) {
        let mut trial = Bitfield::new(self.left.len());
        if let CheckFailure::Interrupted(interrupted) = failure {
            self.note(&interrupted.checked);
            let at = interrupted.at.clone().map(PieceIndex::new);
            for piece in at.filter(|&piece| self.left.get(piece)) {
                trial.insert(piece);
            }
        }
        self.trial = Some(trial);
    }

    fn note(&mut self, checked: &Checked) {
        for piece in checked.have.iter_ones() {
            self.have.insert(piece);
            self.left.remove(piece);
        }
        for bad in &checked.bad {
            self.left.remove(bad.piece);
        }
    }
}
