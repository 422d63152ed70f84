use std::{
    collections::BTreeSet,
    fmt,
    fs::File,
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bt_types::{BLOCK_LENGTH, Bitfield, Block, FileIndex, PieceIndex, ResumeState, Totals};

use super::{
    Beside, BootId, Place, Record, Stamp, Start,
    journal::{self, Entry, FileStamp},
    ledger::Ledger,
};
use crate::{Operation, Storage, StorageError, part_file, sys};

/// Keeps the record of one torrent while it is here: notes what is written, and syncs it.
///
/// Given to a [`Storage`], it is told of all that a [`DiskPool`](crate::disk::DiskPool) writes. That
/// it cannot note something, for instance since its own disk is full, holds nobody up: what is not
/// noted is not believed later, and [`sync`](Self::sync) tells of it.
pub struct Keeper {
    place: Place,
    boot: Option<BootId>,
    /// Held by who syncs: who came second would be told of no failure.
    syncing: Mutex<()>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// `None` once it has finished.
    lock: Option<sys::Lock>,
    ledger: Ledger,
    journal: Journal,
}

/// The end of a journal.
struct Journal {
    /// `None` until there is something to append.
    file: Option<File>,
    /// Names the record that it belongs to.
    header: Vec<u8>,
    /// Where the next entry begins.
    offset: u64,
    /// How long the file was made: ahead of what is written, since each write that makes a file
    /// longer costs as much as three that do not.
    length: u64,
    /// Entries that are not written yet.
    waiting: Vec<u8>,
    /// Why nothing can be appended any more: after half an entry nothing else would be found.
    failure: Option<io::Error>,
}

impl Keeper {
    /// Begins to keep the record of `storage`, of which `have` is on disk: what was trusted, and what
    /// was hashed and found right.
    ///
    /// # Errors
    /// If the record cannot be written. Then there is none that would be believed later.
    ///
    /// # Panics
    /// If `start` or `have` is of another torrent.
    pub fn begin(
        mut place: Place,
        storage: &Storage,
        start: Start,
        have: Bitfield,
        boot: Option<BootId>,
    ) -> Result<Self, StorageError> {
        let is_complete = have.is_full();
        let mut synced = start.synced;
        let not_synced: Vec<_> = synced.iter_not_in(&have).collect();
        not_synced.into_iter().for_each(|piece| {
            synced.remove(piece);
        });
        let is_open = |piece: PieceIndex| !have.get(piece);
        let mut partial = start.partial;
        partial.retain(|partial| is_open(partial.piece));
        let record = Record {
            state: ResumeState {
                synced,
                partial,
                totals: start.totals,
                written: have,
                ids: storage.info().ids(),
            },
            files: start.files,
            beside: Beside {
                left_out: storage.left_out(),
                pieces: storage.parts().pieces().into_iter().collect(),
                stamp: start.part_file,
            },
            not_synced: start.not_synced,
            boot: boot.clone(),
            is_clean: is_complete,
        };
        let bytes = record.encode();
        let header = journal::header(&bytes);
        if !place.has_record(&bytes) {
            place.write_record(&bytes)?;
        }
        let file = if is_complete {
            place.remove_journal();
            None
        } else {
            let begun = place.begin_journal(&header, true);
            let path = place.journal();
            Some(begun.map_err(|source| StorageError::new(Operation::Write, &path, source))?)
        };
        Ok(Self {
            boot,
            syncing: Mutex::new(()),
            inner: Mutex::new(Inner {
                lock: place.take_lock(),
                journal: Journal {
                    offset: header.len() as u64,
                    length: header.len() as u64,
                    file,
                    header,
                    waiting: Vec::new(),
                    failure: None,
                },
                ledger: Ledger::new(record, Arc::clone(storage.info().layout())),
            }),
            place,
        })
    }

    /// What it would leave if it ended now.
    #[must_use]
    pub fn state(&self) -> ResumeState {
        self.lock().ledger.state()
    }

    /// Bytes of pieces that wait to be synced.
    #[must_use]
    pub fn unsynced_bytes(&self) -> u64 {
        self.lock().ledger.unsynced_bytes()
    }

    /// Payload that has been sent and received, all runs together.
    pub fn set_totals(&self, totals: Totals) {
        let inner = &mut *self.lock();
        if inner.ledger.totals != totals {
            inner.append(&self.place, Entry::Moved(totals));
        }
    }

    /// Notes what waits to be noted. To be called once in a while, so that what was done before a
    /// pause is not in doubt for as long as that lasts.
    pub fn flush(&self) {
        self.lock().flush(&self.place);
    }

    /// Brings what was written before this call to the medium. Takes as long as the disk does; what
    /// is written meanwhile is not held up.
    ///
    /// # Errors
    /// If a file or the journal cannot be synced, or something could not be noted before. The pieces
    /// of a file that cannot be do not wait for it any more: see the [module](super).
    pub fn sync(&self, storage: &Storage) -> Result<(), StorageError> {
        let _alone = self.alone();
        let (count, files) = {
            let inner = &mut *self.lock();
            inner.flush(&self.place);
            if let Some(failure) = &inner.journal.failure {
                // That it fails could not be noted either.
                return Err(self.journal_error(copy_of(failure)));
            }
            inner.ledger.waiting(storage)
        };
        if count == 0 {
            return Ok(());
        }
        let synced = self.sync_and_note(storage, &files, count);
        synced.and(self.sync_journal())
    }

    /// Ends well: syncs, also the blocks of partial pieces, leaves a record that says all, and lets go
    /// of the place. Nothing may be written any more.
    ///
    /// # Errors
    /// If the record cannot be written; then the next start has the journal to go by. If something
    /// cannot be synced the record says so, which is no error.
    pub fn finish(&self, storage: &Storage, totals: Totals) -> Result<(), StorageError> {
        let _alone = self.alone();
        let _ends_here = self.lock().lock.take();
        let (count, files) = {
            let inner = &mut *self.lock();
            inner.ledger.totals = totals;
            inner.flush(&self.place);
            let (count, mut files) = inner.ledger.waiting(storage);
            let partial = inner.ledger.partial.keys();
            partial.for_each(|&piece| inner.ledger.add_files_of(piece, storage, &mut files));
            // It proves nothing of these, and is good for what was written to them since.
            files.extend(&inner.ledger.not_synced);
            (count, files)
        };
        let synced = self.sync_and_note(storage, &files, count);
        let inner = &mut *self.lock();
        if !inner.ledger.begun.is_empty() {
            // The disk hangs: the journal tells what is in doubt.
            return synced;
        }
        let bytes = inner.record(self.boot.clone()).encode();
        if journal::header(&bytes) != inner.journal.header || inner.journal.file.is_some() {
            self.place.write_record(&bytes)?;
            self.place.remove_journal();
        }
        inner.journal.failure = Some(io::Error::other("the record is closed"));
        Ok(())
    }

    /// The pieces of which something is written that may be on no medium, in order.
    pub(crate) fn unsynced_pieces(&self) -> Vec<PieceIndex> {
        let state = self.state();
        let partial = state.partial.iter().map(|partial| partial.piece);
        let mut pieces: Vec<_> = state.written.iter_not_in(&state.synced).collect();
        pieces.extend(partial);
        pieces.sort_unstable();
        pieces.dedup();
        pieces
    }

    /// Syncs files that need be on the medium for another reason than to be remembered.
    pub(crate) fn sync_files(
        &self,
        storage: &Storage,
        files: &BTreeSet<FileIndex>,
    ) -> Result<(), StorageError> {
        let _alone = self.alone();
        self.sync_and_note(storage, files, 0)
    }

    /// Whether what was written to `file` may be lost though it can be read.
    pub(crate) fn could_not_sync(&self, file: FileIndex) -> bool {
        self.lock().ledger.not_synced.contains(&file)
    }

    /// Bytes of these pieces are about to be written.
    pub(crate) fn begun(&self, pieces: Vec<PieceIndex>) {
        self.note(Entry::Begun(pieces));
    }

    /// These are written, and so look their files.
    pub(crate) fn written(&self, pieces: Vec<PieceIndex>, stamps: Vec<FileStamp>) {
        self.note(Entry::Written(pieces, stamps));
    }

    /// Blocks of `piece` are written, unverified. Those that are not on the grid are not kept.
    pub(crate) fn spilled(&self, piece: PieceIndex, blocks: &[Block], stamps: Vec<FileStamp>) {
        let inner = &mut *self.lock();
        let layout = Arc::clone(&inner.ledger.layout);
        let on_grid = |block: &&Block| layout.block(piece, block.slot()) == Some(**block);
        let slots: Vec<_> = blocks
            .iter()
            .filter(on_grid)
            .map(|block| block.slot())
            .collect();
        if inner.ledger.written.get(piece) {
            // It was lost, and is fetched again.
            inner.append(&self.place, Entry::Dropped(piece, Vec::new()));
        }
        let entry = match slots.is_empty() {
            true => Entry::Dropped(piece, stamps),
            false => Entry::Spilled(piece, slots, stamps),
        };
        inner.append(&self.place, entry);
    }

    /// Blocks of `piece` that begin there could not be written. Others that were before are as they
    /// were.
    pub(crate) fn not_spilled(
        &self,
        piece: PieceIndex,
        begins: impl Iterator<Item = u32>,
        stamps: impl FnOnce() -> Vec<FileStamp>,
    ) {
        let inner = &mut *self.lock();
        let mut slots = inner
            .ledger
            .partial
            .get(&piece)
            .cloned()
            .unwrap_or_default();
        begins.for_each(|begin| _ = slots.remove(&(begin / BLOCK_LENGTH)));
        inner.append(&self.place, Entry::Dropped(piece, Vec::new()));
        if !slots.is_empty() {
            let slots = slots.into_iter().collect();
            inner.append(&self.place, Entry::Spilled(piece, slots, stamps()));
        }
    }

    /// So these files look now that they have other names.
    pub(crate) fn looked(&self, stamps: Vec<FileStamp>) {
        self.note(Entry::Looked(stamps));
    }

    /// Bytes of these pieces, which were noted as begun, are in these files, too, and on the medium; or
    /// they are not, and count where they were.
    pub(crate) fn moved(&self, pieces: &[PieceIndex], mut stamps: Vec<FileStamp>) {
        let inner = &mut *self.lock();
        let (written, others): (Vec<_>, Vec<_>) = pieces
            .iter()
            .partition(|&&piece| inner.ledger.written.get(piece));
        for piece in others {
            let slots = inner.ledger.partial.get(&piece);
            let entry = match slots.map(|slots| slots.iter().copied().collect()) {
                Some(slots) => Entry::Spilled(piece, slots, std::mem::take(&mut stamps)),
                None => Entry::Dropped(piece, std::mem::take(&mut stamps)),
            };
            inner.append(&self.place, entry);
        }
        inner.append(&self.place, Entry::Written(written, stamps));
    }

    /// These files are left out from now on, and so the part file looks.
    pub(crate) fn selected(&self, left_out: BTreeSet<FileIndex>, part_file: Option<Stamp>) {
        let inner = &mut *self.lock();
        let Beside {
            left_out: former,
            stamp,
            ..
        } = &inner.ledger.beside;
        if (former, *stamp) != (&left_out, part_file) {
            let left_out = left_out.into_iter().collect();
            inner.append(&self.place, Entry::Selected(left_out, part_file));
        }
    }

    /// Nothing of `piece` counts any more; `stamps` tells how its files look, should that matter.
    pub(crate) fn dropped(&self, piece: PieceIndex, stamps: impl FnOnce() -> Vec<FileStamp>) {
        let inner = &mut *self.lock();
        // A piece that was wrong in memory has left no trace on disk.
        if inner.ledger.speaks_of(piece) {
            inner.append(&self.place, Entry::Dropped(piece, stamps()));
        }
    }

    /// What is in these files may be gone: until its pieces have been read anew, or found missing,
    /// they are as if they were just being written.
    pub(crate) fn doubted(&self, files: impl Iterator<Item = FileIndex>) {
        let inner = &mut *self.lock();
        let layout = Arc::clone(&inner.ledger.layout);
        let mut pieces = BTreeSet::new();
        for file in files {
            match file {
                part_file::FILE => pieces.extend(&inner.ledger.beside.pieces),
                file => pieces.extend(layout.pieces_of(file)),
            }
        }
        let mut written = Vec::new();
        for piece in pieces {
            if inner.ledger.partial.contains_key(&piece) {
                inner.append(&self.place, Entry::Dropped(piece, Vec::new()));
            } else if inner.ledger.written.get(piece) && !inner.ledger.begun.contains(&piece) {
                written.push(piece);
            }
        }
        if !written.is_empty() {
            inner.append(&self.place, Entry::Begun(written));
        }
    }

    /// Syncs these files, in which all lies of so many pieces that wait.
    fn sync_and_note(
        &self,
        storage: &Storage,
        files: &BTreeSet<FileIndex>,
        count: u64,
    ) -> Result<(), StorageError> {
        if files.is_empty() && count == 0 {
            return Ok(());
        }
        storage.check_presence()?;
        let synced = storage.sync_files(files).map_err(|failed| {
            let files = failed.files.into_iter().collect();
            self.note(Entry::NotSynced(files));
            failed.error
        });
        // What was synced may have been another mount than what was written to: all goes on waiting.
        storage.check_presence()?;
        if count > 0 {
            self.note(Entry::Synced(count));
        }
        synced
    }

    fn sync_journal(&self) -> Result<(), StorageError> {
        let journal = {
            let inner = &*self.lock();
            if let Some(failure) = &inner.journal.failure {
                return Err(self.journal_error(copy_of(failure)));
            }
            let file = inner.journal.file.as_ref().map(File::try_clone);
            file.transpose()
                .map_err(|error| self.journal_error(error))?
        };
        let synced = journal.map_or(Ok(()), |journal| journal.sync_data());
        synced.map_err(|error| self.journal_error(error))
    }

    fn note(&self, entry: Entry) {
        self.lock().append(&self.place, entry);
    }

    fn journal_error(&self, source: io::Error) -> StorageError {
        StorageError::new(Operation::Write, &self.place.journal(), source)
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.syncing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // An entry is noted in the ledger and then appended: whatever panics, less is believed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn append(&mut self, place: &Place, entry: Entry) {
        let is_possible = self.ledger.apply(&entry);
        debug_assert!(is_possible, "{entry:?} of another torrent");
        self.journal.append(&entry);
        // That a piece is done can wait for whatever is noted next: until then it is in doubt.
        let can_wait = matches!(entry, Entry::Written(..));
        if !can_wait || self.journal.waiting.len() >= MOST_WAITING {
            self.flush(place);
        }
    }

    /// What is true now, if nothing is being written.
    fn record(&self, boot: Option<BootId>) -> Record {
        Record {
            state: self.ledger.state(),
            files: self.ledger.files.clone(),
            beside: self.ledger.beside.clone(),
            not_synced: self.ledger.not_synced.clone(),
            boot,
            is_clean: true,
        }
    }

    fn flush(&mut self, place: &Place) {
        if let Err(error) = self.journal.flush(place) {
            self.journal.failure.get_or_insert(error);
        }
    }
}

impl Journal {
    fn append(&mut self, entry: &Entry) {
        let before = self.waiting.len();
        journal::encode_entry(entry, &self.header, self.offset, &mut self.waiting);
        self.offset += (self.waiting.len() - before) as u64;
    }

    fn flush(&mut self, place: &Place) -> io::Result<()> {
        if self.failure.is_some() {
            self.waiting.clear();
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(place.begin_journal(&self.header, false)?),
        };
        if self.length < self.offset {
            let length = self.offset + STEP;
            file.set_len(length)?;
            self.length = length;
        }
        file.write_all(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keeper({})", self.place.record().display())
    }
}

/// To be told again.
fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Bytes of entries that wait for company: of a hundred pieces or so.
const MOST_WAITING: usize = 8 << 10;
/// By how much a journal is made longer at a time. The zeros at its end are no entries.
const STEP: u64 = 64 << 10;
