//! How files look from outside, and whether they are on the medium.

use std::{collections::BTreeSet, io};

use bt_metainfo::FileKind;
use bt_types::{FileIndex, PieceIndex};

use super::Storage;
use crate::{
    Operation, StorageError, part_file,
    resume::{FileStamp, Stamp},
    sys::{self, Access},
};

impl Storage {
    /// How each file looks now, pad files included: `None` for what is not there, or is no file.
    ///
    /// # Errors
    /// If one of them cannot be looked at for another reason.
    pub fn stamps(&self) -> Result<Vec<Option<Stamp>>, StorageError> {
        let mut looker = Looker::new(self);
        let files = (0..).map(FileIndex).zip(self.info().files());
        files
            .map(|(index, file)| {
                if file.kind != FileKind::Data {
                    return Ok(None);
                }
                looker
                    .look(index)
                    .map_err(|error| self.error(Operation::Read, index, error))
            })
            .collect()
    }

    /// How the part file looks now, if it is there.
    pub(crate) fn part_file_stamp(&self) -> Result<Option<Stamp>, StorageError> {
        let file = part_file::FILE;
        let looked = Looker::new(self).look(file);
        looked.map_err(|error| self.error(Operation::Read, file, error))
    }

    /// Waits until all that was written to these files is on the medium, the files themselves
    /// included, and the folders in which they lie. What is not there any more is passed over.
    ///
    /// All of them are tried. Of those that fail the system has told once what it has lost: to sync
    /// them again would succeed, and prove nothing.
    pub(crate) fn sync_files(&self, files: &BTreeSet<FileIndex>) -> Result<(), NotSynced> {
        let mut failed = None;
        let mut folders: BTreeSet<Vec<&str>> = BTreeSet::new();
        for &file in files {
            let opened = self.open(file, Access::Read);
            if let Err(error) = opened.and_then(|file| file.sync())
                && !is_absent(&error)
            {
                let error = self.error(Operation::Sync, file, error);
                NotSynced::add(&mut failed, [file], error);
            }
            let mut folder = self.folder_of(file);
            while folders.insert(folder.clone()) && folder.pop().is_some() {}
        }
        for folder in folders {
            let opened = sys::Folder::open(self.root(), folder.iter().copied());
            let synced = opened.and_then(|opened| self.pool.sync(|| opened.sync()));
            if let Err(error) = synced
                && !is_absent(&error)
                && !is_unable(&error)
            {
                let mut path = self.root().to_owned();
                path.extend(&folder);
                let error = StorageError::new(Operation::Sync, &path, error);
                let below = |file: &&FileIndex| self.folder_of(**file).starts_with(&folder);
                NotSynced::add(&mut failed, files.iter().filter(below).copied(), error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The same, and whoever keeps the record is told.
    pub(super) fn sync_noted(&self, files: &BTreeSet<FileIndex>) -> Result<(), StorageError> {
        match self.keeper() {
            Some(keeper) => keeper.sync_files(self, files),
            None => {
                self.check_presence()?;
                self.sync_files(files).map_err(|failed| failed.error)
            }
        }
    }

    /// How the files of `piece` look now, as far as they are there.
    pub(crate) fn stamps_of(&self, piece: PieceIndex) -> Vec<FileStamp> {
        let slot = self.part_file.slot_of(piece);
        let files = self.files_of(piece).chain(slot.map(|_| part_file::FILE));
        files.filter_map(|file| self.stamp_of(file)).collect()
    }

    /// How `file` looks now, if it is there.
    pub(super) fn stamp_of(&self, file: FileIndex) -> Option<FileStamp> {
        let stamp = Looker::new(self).look(file).ok()??;
        Some((file, stamp))
    }

    /// The folders that lead to `file`.
    fn folder_of(&self, file: FileIndex) -> Vec<&str> {
        if file == part_file::FILE {
            return Vec::new();
        }
        let mut components: Vec<_> = self.info.file(file).path.components().collect();
        components.pop();
        components
    }
}

/// Files that may not be on the medium.
#[derive(Debug)]
pub(crate) struct NotSynced {
    pub(crate) files: BTreeSet<FileIndex>,
    /// The first of them.
    pub(crate) error: StorageError,
}

impl NotSynced {
    fn add(
        failed: &mut Option<Self>,
        files: impl IntoIterator<Item = FileIndex>,
        error: StorageError,
    ) {
        let none = || Self {
            files: BTreeSet::new(),
            error,
        };
        failed.get_or_insert_with(none).files.extend(files);
    }
}

/// Looks at one file after the other, as they are called now.
pub(super) struct Looker<'a> {
    storage: &'a Storage,
    /// The folder of the last one, open if it exists: neighbours mostly share it.
    last: Option<(Vec<&'a str>, Option<sys::Folder>)>,
}

impl<'a> Looker<'a> {
    pub(super) fn new(storage: &'a Storage) -> Self {
        Self {
            storage,
            last: None,
        }
    }

    pub(super) fn look(&mut self, file: FileIndex) -> io::Result<Option<Stamp>> {
        let folder = self.storage.folder_of(file);
        if self.last.as_ref().is_none_or(|(last, _)| *last != folder) {
            let opened = sys::Folder::open(self.storage.root(), folder.iter().copied());
            self.last = Some((folder, or_absent(opened)?));
        }
        let open = self.last.as_ref().and_then(|(_, open)| open.as_ref());
        self.storage
            .with_path(file, |path| match (open, path.last()) {
                (Some(open), Some(name)) => or_absent(open.stamp(name)),
                _ => Ok(None),
            })
    }
}

/// What is in the way of a file is no file: it will be told of by whoever wants to read it.
fn or_absent<T>(looked: io::Result<T>) -> io::Result<Option<T>> {
    match looked {
        Err(error) if is_absent(&error) => Ok(None),
        looked => looked.map(Some),
    }
}

/// A folder cannot be synced on every file system, and is what it is then.
fn is_unable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
    )
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists
    )
}
