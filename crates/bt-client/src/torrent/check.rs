use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bt_storage::{
    Claim, ErrorKind, Purpose, Storage, StorageError,
    check::{self, CheckProgress, Checked, Interrupted},
    resume::{Belief, BootId, Keeper, Place, PlaceError, Start},
};
use bt_types::{Bitfield, PartialPiece, PieceIndex, PieceLayout, Selection, Totals};
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::{Span, info, warn};

use crate::TorrentError;

/// How a torrent's data is to be looked at.
pub(super) struct Plan {
    /// Where its record lies, or will lie.
    pub(super) state: Option<PathBuf>,
    pub(super) boot: Option<BootId>,
    /// All is to be hashed, whatever the record says.
    pub(super) recheck: bool,
    pub(super) threads: usize,
    /// What is wanted, if something may be missing: then what lies there is brought in line with that.
    pub(super) wanted: Option<Arc<Selection>>,
}

/// A look at a torrent's data, as far as it has got: a disk that fails interrupts it, and it goes on
/// with what is left.
pub(super) struct Look {
    plan: Plan,
    /// The record's place has been asked for.
    has_begun: bool,
    place: Option<Place>,
    /// That nobody else uses the data.
    claim: Option<Claim>,
    /// `None` until the record has been read and the files have been looked at.
    findings: Option<Findings>,
    /// What has come of it, while files are being made and moved.
    found: Option<Found>,
}

/// What has been found so far, and what is left to be hashed.
struct Findings {
    /// Unless nothing is remembered.
    start: Option<Start>,
    /// What is believed, and what was hashed and is right.
    have: Bitfield,
    left: Bitfield,
    /// If a disk has failed, what is to be tried first.
    trial: Option<Bitfield>,
    /// Of files in the pieces that are to be hashed, now or before.
    bytes_total: u64,
    bytes_hashed: u64,
    /// Of files in pieces that were hashed and are right.
    bytes_found: u64,
}

/// How far a look has got.
pub(super) enum Looked {
    /// All is known.
    All(Box<Found>),
    /// The disk does again what it had refused; there is more to look at.
    Some(Box<Look>),
    /// The disk has failed.
    Refused(Box<Look>, StorageError),
}

/// What is on disk when a torrent begins.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) have: Bitfield,
    pub(crate) partial: Vec<PartialPiece>,
    /// Bytes of files in pieces that were believed to be there without a look at them.
    pub(crate) bytes_resumed: u64,
    /// Bytes that were hashed.
    pub(crate) bytes_hashed: u64,
    /// Payload of earlier runs.
    pub(crate) totals: Totals,
    /// Who notes what is written from now on, if anybody can.
    pub(crate) keeper: Option<Arc<Keeper>>,
    /// That nobody else uses the data, if the system can tell.
    pub(crate) claim: Option<Claim>,
}

/// A look that is under way, on threads of its own. Dropping it ends it soon.
pub(super) struct Checking {
    progress: Arc<Progress>,
    task: JoinHandle<Result<Looked, TorrentError>>,
}

#[derive(Default)]
struct Progress {
    bytes_done: AtomicU64,
    bytes_total: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Checking {
    /// Begins, or goes on.
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

    /// Bytes checked, and to check; nothing while that is not known, or the disk is only tried.
    pub(super) fn progress(&self) -> Option<(u64, u64)> {
        let total = self.progress.bytes_total.load(Ordering::Relaxed);
        let done = self.progress.bytes_done.load(Ordering::Relaxed);
        (total > 0).then_some((done, total))
    }

    /// Waits for the end. May be called again if it was interrupted.
    pub(super) async fn finish(&mut self) -> Result<Looked, TorrentError> {
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
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            has_begun: false,
            place: None,
            claim: None,
            findings: None,
            found: None,
        }
    }

    fn at(mut self, storage: &Arc<Storage>, progress: &Progress) -> Result<Looked, TorrentError> {
        if !self.has_begun {
            self.place = self.lock(storage)?;
            self.has_begun = true;
        }
        self.claim(storage)?;
        if let Some(found) = self.found.take() {
            return self.arrange(storage, found);
        }
        let mut findings = match self.findings.take() {
            Some(findings) => findings,
            None => match self.begin(storage) {
                Ok(findings) => findings,
                Err(error) => return Ok(Looked::Refused(Box::new(self), error)),
            },
        };
        let layout = storage.layout();
        let bytes_before = findings.bytes_done(layout);
        let is_trial = findings.trial.is_some();
        let report = |now: CheckProgress| {
            if is_trial {
                return;
            }
            let bytes_done = bytes_before + now.bytes_done;
            progress.bytes_done.fetch_max(bytes_done, Ordering::Relaxed);
            progress
                .bytes_total
                .store(findings.bytes_total, Ordering::Relaxed);
        };
        let cancel = &progress.is_cancelled;
        let wanted = findings.next();
        match check::check_pieces(storage, wanted, self.plan.threads, &report, cancel) {
            Ok(checked) => {
                findings.add(&checked);
                if checked.is_cancelled || findings.left.count_ones() == 0 {
                    let is_cancelled = checked.is_cancelled;
                    let found = self.conclude(storage, findings, is_cancelled);
                    match is_cancelled {
                        true => Ok(Looked::All(Box::new(found))),
                        false => self.arrange(storage, found),
                    }
                } else {
                    self.findings = Some(findings);
                    Ok(Looked::Some(Box::new(self)))
                }
            }
            Err(interrupted) => {
                findings.interrupted(&interrupted);
                self.findings = Some(findings);
                Ok(Looked::Refused(Box::new(self), interrupted.error))
            }
        }
    }

    /// Finds out what can be believed, and what is to be hashed. Nothing is written: what is there is
    /// judged as the last run has left it.
    fn begin(&self, storage: &Storage) -> Result<Findings, StorageError> {
        storage.find()?;
        let start = match &self.place {
            Some(place) if self.plan.recheck => {
                Some(place.start_anew(storage, self.plan.boot.as_ref())?)
            }
            Some(place) => Some(place.start(storage, self.plan.boot.as_ref())?),
            None => None,
        };
        Ok(Findings::new(start, storage.layout()))
    }

    /// Now that it is known what is right: brings what lies there in line with what is wanted, makes
    /// folders and empty files, and gives files that are complete their names.
    fn arrange(mut self, storage: &Storage, mut found: Found) -> Result<Looked, TorrentError> {
        if let Some(wanted) = &self.plan.wanted {
            let known = storage.set_verified(&found.have);
            match known.and_then(|()| storage.set_selection(wanted)) {
                // Others have made it meanwhile.
                Err(error) if error.kind == ErrorKind::InUse => return Err(in_use(error)),
                Err(error) => {
                    self.found = Some(found);
                    return Ok(Looked::Refused(Box::new(self), error));
                }
                Ok(()) => {}
            }
        }
        found.claim = self.claim;
        Ok(Looked::All(Box::new(found)))
    }

    /// Before anything is looked at, so that it is as the last one has left it.
    fn claim(&mut self, storage: &Arc<Storage>) -> Result<(), TorrentError> {
        let purpose = match self.plan.wanted {
            Some(_) => Purpose::Write,
            None => Purpose::Read,
        };
        match &self.claim {
            Some(_) => storage.renew_claim().map_err(in_use),
            None => {
                self.claim = Some(storage.claim(purpose).map_err(in_use)?);
                Ok(())
            }
        }
    }

    fn conclude(
        &mut self,
        storage: &Arc<Storage>,
        findings: Findings,
        is_cancelled: bool,
    ) -> Found {
        let Findings {
            start,
            have,
            bytes_hashed,
            bytes_found,
            ..
        } = findings;
        let (pieces_good, piece_count) = (have.count_ones(), have.len());
        let bytes_resumed = bytes_of(&have, storage.layout()) - bytes_found;
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
            claim: None,
            have,
        };
        let is_usable = self.plan.wanted.is_some() || found.have.is_full();
        if let (Some(place), Some(start)) = (self.place.take(), start)
            && is_usable
            && !is_cancelled
        {
            tell(&start);
            found.partial.clone_from(&start.partial);
            found.totals = start.totals;
            found.keeper = self.keeper(place, storage, start, &found.have);
        }
        found
    }

    /// A folder that is of no use is no reason not to go on: all is hashed then, as if there were
    /// none.
    fn lock(&self, storage: &Storage) -> Result<Option<Place>, TorrentError> {
        let Some(folder) = &self.plan.state else {
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
        match Keeper::begin(place, storage, start, have.clone(), self.plan.boot.clone()) {
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

impl Findings {
    fn new(start: Option<Start>, layout: &PieceLayout) -> Self {
        let (have, left) = match &start {
            Some(start) => (start.trusted.clone(), start.doubtful.clone()),
            None => (
                Bitfield::new(layout.piece_count()),
                Bitfield::full(layout.piece_count()),
            ),
        };
        Self {
            bytes_total: bytes_of(&left, layout),
            start,
            have,
            left,
            trial: None,
            bytes_hashed: 0,
            bytes_found: 0,
        }
    }

    /// What to look at next.
    fn next(&self) -> &Bitfield {
        self.trial.as_ref().unwrap_or(&self.left)
    }

    /// How many bytes need no look any more.
    fn bytes_done(&self, layout: &PieceLayout) -> u64 {
        self.bytes_total - bytes_of(&self.left, layout)
    }

    /// What was to be looked at has been.
    fn add(&mut self, checked: &Checked) {
        self.note(checked);
        self.trial = None;
    }

    /// A disk has failed: what it failed at is tried first.
    fn interrupted(&mut self, interrupted: &Interrupted) {
        self.note(&interrupted.checked);
        let mut trial = Bitfield::new(self.left.len());
        let at = interrupted.at.clone().map(PieceIndex::new);
        for piece in at.filter(|&piece| self.left.get(piece)) {
            trial.insert(piece);
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
        self.bytes_hashed += checked.bytes_hashed;
        self.bytes_found += checked.bytes_have;
    }
}

/// Of files in these pieces.
fn bytes_of(pieces: &Bitfield, layout: &PieceLayout) -> u64 {
    if pieces.is_full() {
        return layout.data_length();
    }
    let bytes = pieces.iter_ones().map(|piece| layout.data_length_of(piece));
    bytes.map(u64::from).sum()
}

fn in_use(error: StorageError) -> TorrentError {
    TorrentError::InUse(error.path)
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
