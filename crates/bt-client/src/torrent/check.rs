use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bt_storage::{
    Storage,
    check::{self, CheckProgress},
    resume::{Belief, BootId, Keeper, Place, PlaceError, Start},
};
use bt_types::{Bitfield, PartialPiece, Totals};
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::{Span, info, warn};

use crate::TorrentError;

/// How a torrent's data is to be looked at.
pub(super) struct Look {
    /// Where its record lies, or will lie.
    pub(super) state: Option<PathBuf>,
    pub(super) boot: Option<BootId>,
    /// All is to be hashed, whatever the record says.
    pub(super) recheck: bool,
    pub(super) threads: usize,
    /// Whether something may be missing: then folders and empty files are made first.
    pub(super) is_download: bool,
}

/// What is on disk when a torrent begins.
pub(super) struct Found {
    pub(super) have: Bitfield,
    pub(super) partial: Vec<PartialPiece>,
    /// Bytes of files in pieces that were believed to be there without a look at them.
    pub(super) bytes_resumed: u64,
    /// Bytes that were hashed.
    pub(super) bytes_hashed: u64,
    /// Payload of earlier runs.
    pub(super) totals: Totals,
    /// Who notes what is written from now on, if anybody can.
    pub(super) keeper: Option<Arc<Keeper>>,
}

/// A look at what is on disk, on threads of its own. Dropping it ends it soon.
pub(super) struct Checking {
    progress: Arc<Progress>,
    task: JoinHandle<Result<Found, TorrentError>>,
}

#[derive(Default)]
struct Progress {
    bytes_done: AtomicU64,
    bytes_total: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Checking {
    /// Begins.
    pub(super) fn start(storage: Arc<Storage>, look: Look) -> Self {
        let progress = Arc::new(Progress::default());
        let shared = Arc::clone(&progress);
        let span = Span::current();
        let task = spawn_blocking(move || {
            let _entered = span.enter();
            look.at(&storage, &shared)
        });
        Self { progress, task }
    }

    /// Bytes checked, and to check; nothing while that is not known.
    pub(super) fn progress(&self) -> Option<(u64, u64)> {
        let total = self.progress.bytes_total.load(Ordering::Relaxed);
        let done = self.progress.bytes_done.load(Ordering::Relaxed);
        (total > 0).then_some((done, total))
    }

    /// Waits for the end. May be called again if it was interrupted.
    pub(super) async fn finish(&mut self) -> Result<Found, TorrentError> {
        match (&mut self.task).await {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Ends it early, and waits until nothing of it is left.
    pub(super) async fn cancel(mut self) {
        self.progress.is_cancelled.store(true, Ordering::Relaxed);
        // Nobody wants to know.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        self.progress.is_cancelled.store(true, Ordering::Relaxed);
    }
}

impl Look {
    fn at(self, storage: &Arc<Storage>, progress: &Progress) -> Result<Found, TorrentError> {
        let place = self.place(storage)?;
        if self.is_download {
            storage.prepare()?;
        }
        let start = match &place {
            Some(place) if self.recheck => Some(place.start_anew(storage)?),
            Some(place) => Some(place.start(storage, self.boot.as_ref())?),
            None => None,
        };
        let layout = storage.layout();
        let all = Bitfield::full(layout.piece_count());
        let doubtful = start.as_ref().map_or(&all, |start| &start.doubtful);
        let report = |now: CheckProgress| {
            progress
                .bytes_done
                .fetch_max(now.bytes_done, Ordering::Relaxed);
            progress
                .bytes_total
                .store(now.bytes_total, Ordering::Relaxed);
        };
        let cancel = &progress.is_cancelled;
        let checked = check::check_some(storage, doubtful, self.threads, &report, cancel)?;

        let mut have = checked.have;
        let bytes_found = checked.bytes_have;
        for piece in start.iter().flat_map(|start| start.trusted.iter_ones()) {
            have.insert(piece);
        }
        let bytes_have = if have.is_full() {
            layout.data_length()
        } else {
            let bytes = have.iter_ones().map(|piece| layout.data_length_of(piece));
            bytes.map(u64::from).sum()
        };
        let (pieces_good, piece_count) = (have.count_ones(), have.len());
        let (bytes_resumed, bytes_hashed) = (bytes_have - bytes_found, checked.bytes_hashed);
        info!(
            pieces_good,
            piece_count, bytes_resumed, bytes_hashed, "checked"
        );
        let mut found = Found {
            partial: Vec::new(),
            bytes_resumed,
            bytes_hashed,
            totals: Totals::default(),
            keeper: None,
            have,
        };
        let is_usable = self.is_download || found.have.is_full();
        if let (Some(place), Some(start)) = (place, start)
            && is_usable
            && !checked.is_cancelled
        {
            tell(&start);
            found.partial.clone_from(&start.partial);
            found.totals = start.totals;
            found.keeper = self.keeper(place, storage, start, &found.have);
        }
        Ok(found)
    }

    /// A folder that is of no use is no reason not to go on: all is hashed then, as if there were
    /// none.
    fn place(&self, storage: &Storage) -> Result<Option<Place>, TorrentError> {
        let Some(folder) = &self.state else {
            return Ok(None);
        };
        match Place::lock(folder, storage) {
            Ok(place) => Ok(Some(place)),
            Err(PlaceError::InUse(path)) => Err(TorrentError::InUse(path)),
            Err(error) => {
                warn!(%error, "what is done will not be remembered");
                Ok(None)
            }
        }
    }

    fn keeper(
        &self,
        place: Place,
        storage: &Arc<Storage>,
        start: Start,
        have: &Bitfield,
    ) -> Option<Arc<Keeper>> {
        match Keeper::begin(place, storage, start, have.clone(), self.boot.clone()) {
            Ok(keeper) => {
                let keeper = Arc::new(keeper);
                storage.set_keeper(Arc::clone(&keeper));
                Some(keeper)
            }
            Err(error) => {
                warn!(%error, "what is done will not be remembered");
                None
            }
        }
    }
}

fn tell(start: &Start) {
    let doubtful = start.doubtful.count_ones();
    match start.belief {
        Belief::NoRecord => info!("no resume record"),
        Belief::Recheck => info!("all is checked, as was wished"),
        Belief::Refused(error) => warn!(%error, "resume record not believed"),
        Belief::AllWritten => info!(doubtful, "resume record believed"),
        Belief::OnlySynced => info!(doubtful, "the machine was off: what was synced is believed"),
        other => info!(?other),
    }
}
