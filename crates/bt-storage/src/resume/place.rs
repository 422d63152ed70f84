use std::{
    fs::{self, File},
    io::{self, BufReader, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use bt_hash::sha1;
use bt_types::Totals;

use super::{
    Belief, BootId, FileTime, Reader, Record, Start,
    judge::{Found, Situation},
    ledger::Ledger,
};
use crate::{Operation, Storage, StorageError, sys};

/// Where the record of one torrent's data lies, held by one process at a time.
///
/// Its name is made of the torrent's id and of where the data is, so that two copies of one torrent
/// have two. The lock ends with this value, with what it is given to, or with the process.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    stem: String,
    /// `None` once somebody else may have it.
    lock: Option<sys::Lock>,
}

/// Why a place cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// Another process has it.
    #[error("{} is in use by another bt", .0.display())]
    InUse(PathBuf),
    /// The folder for records is of no use.
    #[error(transparent)]
    Folder(#[from] StorageError),
}

/// What a record and its journal say.
struct Loaded {
    ledger: Ledger,
    boot: Option<BootId>,
    is_clean: bool,
    /// When the journal was written to last, if there is one.
    journal_modified: Option<FileTime>,
}

impl Loaded {
    /// Who does not know its boot cannot tell.
    fn is_of_other_boot(&self, boot: Option<&BootId>) -> bool {
        let own = self.boot.as_ref();
        own.zip(boot).is_some_and(|(own, boot)| own != boot)
    }
}

impl Place {
    /// Takes the place for `storage` in `folder`, which is made if it is missing.
    ///
    /// # Errors
    /// If somebody else has it, or the folder cannot be made or written to.
    pub fn lock(folder: &Path, storage: &Storage) -> Result<Self, PlaceError> {
        let error = |path: &Path, error| StorageError::new(Operation::Create, path, error);
        fs::create_dir_all(folder).map_err(|source| error(folder, source))?;
        let stem = stem_of(storage);
        let path = folder.join(format!("{stem}.lock"));
        let lock = sys::Lock::take(&path).map_err(|source| error(&path, source))?;
        let Some(lock) = lock else {
            let data = storage.root().join(storage.info().name());
            return Err(PlaceError::InUse(data));
        };
        Ok(Self {
            folder: folder.to_owned(),
            stem,
            lock: Some(lock),
        })
    }

    /// Reads the record and its journal, looks at the files, and says what can be believed.
    ///
    /// `boot` is the present run of the machine. Whatever is wrong with a record only means that
    /// more is hashed.
    ///
    /// # Errors
    /// If a file of the torrent cannot be looked at.
    pub fn start(&self, storage: &Storage, boot: Option<&BootId>) -> Result<Start, StorageError> {
        storage.find()?;
        let files = storage.stamps()?;
        let part_file = storage.part_file_stamp()?;
        Ok(match self.load(storage) {
            Ok(loaded) => {
                let situation = Situation {
                    same_boot: boot.is_some() && loaded.boot.as_ref() == boot,
                    is_other_boot: loaded.is_of_other_boot(boot),
                    is_clean: loaded.is_clean && loaded.journal_modified.is_none(),
                    journal_modified: loaded.journal_modified,
                };
                let ledger = &loaded.ledger;
                // What was being written may have got one, and is hashed.
                let has_got = |piece| ledger.begun.contains(&piece) && ledger.has_slot(piece);
                let has_slot = |piece| ledger.beside.pieces.contains(&piece) || has_got(piece);
                storage.adopt(&ledger.beside.left_out, has_slot);
                let found = Found {
                    files,
                    part_file,
                    slots: storage.parts().pieces().into_iter().collect(),
                };
                Start::judge(loaded.ledger, found, situation)
            }
            Err(belief) => {
                let totals = Totals::default();
                Start::in_doubt(storage.layout(), files, part_file, totals, belief)
            }
        })
    }

    /// Has everything hashed, whatever the record says; only what has been sent and received is
    /// taken over, and what could not be synced since the machine was started: a hash does not tell
    /// that. `boot` is the present run of the machine.
    ///
    /// # Errors
    /// If a file of the torrent cannot be looked at.
    pub fn start_anew(
        &self,
        storage: &Storage,
        boot: Option<&BootId>,
    ) -> Result<Start, StorageError> {
        storage.find()?;
        let files = storage.stamps()?;
        let part_file = storage.part_file_stamp()?;
        let layout = storage.layout();
        let (totals, belief) = (Totals::default(), Belief::Recheck);
        let mut start = Start::in_doubt(layout, files, part_file, totals, belief);
        if let Ok(loaded) = self.load(storage) {
            start.totals = loaded.ledger.totals;
            if !loaded.is_of_other_boot(boot) {
                start.not_synced = loaded.ledger.not_synced;
            }
        }
        Ok(start)
    }

    fn load(&self, storage: &Storage) -> Result<Loaded, Belief> {
        let bytes = fs::read(self.record()).map_err(|_| Belief::NoRecord)?;
        let record = Record::decode(&bytes).map_err(Belief::Refused)?;
        let fits = record.check_torrent(storage.info());
        fits.map_err(Belief::Refused)?;
        let (boot, is_clean) = (record.boot.clone(), record.is_clean);
        let mut ledger = Ledger::new(record, Arc::clone(storage.info().layout()));
        // A journal that cannot be read is none: what was written since makes files look changed.
        let journal_modified = self.replay(&bytes, &mut ledger).unwrap_or_default();
        Ok(Loaded {
            ledger,
            boot,
            is_clean,
            journal_modified,
        })
    }

    /// Tells the ledger what happened after the record with these bytes was written, and when the
    /// last of it was noted; `None` if there is no journal of it.
    fn replay(&self, record: &[u8], ledger: &mut Ledger) -> io::Result<Option<FileTime>> {
        let file = File::open(self.journal())?;
        let modified = sys::modified(&file)?;
        let Some(mut reader) = Reader::new(BufReader::new(file), record)? else {
            return Ok(None);
        };
        while let Some(entry) = reader.next_entry()? {
            if !ledger.apply(&entry) {
                break;
            }
        }
        Ok(Some(modified))
    }

    /// Puts a record in the place of the one before it: on the medium when this returns, and at any
    /// moment one of the two is there.
    pub(super) fn write_record(&self, bytes: &[u8]) -> Result<(), StorageError> {
        let new = self.path("resume.new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, self.record())?;
            sys::sync_named_folder(&self.folder)
        };
        write().map_err(|source| StorageError::new(Operation::Write, &self.record(), source))
    }

    /// Whether just this record is there.
    pub(super) fn has_record(&self, bytes: &[u8]) -> bool {
        fs::read(self.record()).is_ok_and(|found| found == bytes)
    }

    /// Begins the journal with this header. With `durably` it outlives a power
    /// failure, so that what is done from now on cannot be mistaken for somebody else's doing.
    pub(super) fn begin_journal(&self, header: &[u8], durably: bool) -> io::Result<File> {
        let mut file = File::create(self.journal())?;
        file.write_all(header)?;
        if durably {
            file.sync_all()?;
            sys::sync_named_folder(&self.folder)?;
        }
        Ok(file)
    }

    /// The record says everything.
    pub(super) fn remove_journal(&self) {
        // One that stays is of an older record, and is passed over.
        let _ = fs::remove_file(self.journal());
    }

    pub(super) fn record(&self) -> PathBuf {
        self.path("resume")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.path("journal")
    }

    /// Whoever keeps it lets go of it at a moment of its own.
    pub(super) fn take_lock(&mut self) -> Option<sys::Lock> {
        self.lock.take()
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.stem))
    }
}

/// The id, so that people find it, and enough of a hash of the path to tell copies apart.
fn stem_of(storage: &Storage) -> String {
    let id = storage.info().ids().primary_swarm_id();
    let path = canonical(storage.root()).join(storage.info().name());
    let hash = sha1(path.as_os_str().as_encoded_bytes());
    let short: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{id}-{short}")
}

/// Without links and dots, as far as it exists.
fn canonical(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut missing = Vec::new();
    let mut existing = absolute.as_path();
    loop {
        if let Ok(found) = existing.canonicalize() {
            return missing
                .iter()
                .rev()
                .fold(found, |path, name| path.join(name));
        }
        let (Some(parent), Some(name)) = (existing.parent(), existing.file_name()) else {
            return absolute;
        };
        missing.push(name);
        existing = parent;
    }
}
