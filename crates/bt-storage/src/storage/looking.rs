//! How files look from outside, and whether they are on the medium.

use std::{collections::BTreeSet, io};

use bt_metainfo::{File, FileKind};
use bt_types::{FileIndex, PieceIndex};

use super::Storage;
use crate::{
    Operation, StorageError,
    resume::{FileStamp, Stamp},
    sys::{self, Access},
};

impl Storage {
    /// How each file looks now, pad files included: `None` for what is not there, or is no file.
    ///
    /// # Errors
    /// If one of them cannot be looked at for another reason.
    pub fn stamps(&self) -> Result<Vec<Option<Stamp>>, StorageError> {
        let mut looker = Looker {
            storage: self,
            last: None,
        };
        let files = (0..).zip(self.info().files());
        files
            .map(|(index, file)| {
                if file.kind != FileKind::Data {
                    return Ok(None);
                }
                looker
                    .look(file)
                    .map_err(|error| self.error(Operation::Read, FileIndex(index), error))
            })
            .collect()
    }

    /// Waits until all that was written to these files is on the medium, the files themselves
    /// included, and the folders in which they lie. What is not there any more is passed over.
    pub(crate) fn sync_files(&self, files: &BTreeSet<FileIndex>) -> Result<(), StorageError> {
        let mut folders: BTreeSet<Vec<&str>> = BTreeSet::new();
        for &file in files {
            let synced = self
                .open(file, Access::Read)
                .and_then(|file| file.sync())
                .or_else(|error| is_absent(&error).then_some(()).ok_or(error));
            synced.map_err(|error| self.error(Operation::Sync, file, error))?;
            let mut folder = folder_of(self.info().file(file));
            while folders.insert(folder.clone()) && folder.pop().is_some() {}
        }
        for folder in folders {
            // A folder cannot be synced on every file system, and is what it is then.
            let _ = sys::Folder::open(self.root(), folder).and_then(|folder| folder.sync());
        }
        Ok(())
    }

    /// How the files of `piece` look now, as far as they are there.
    pub(crate) fn stamps_of(&self, piece: PieceIndex) -> Vec<FileStamp> {
        let looks = self.files_of(piece).filter_map(|file| {
            let folder = folder_of(self.info().file(file));
            let folder = sys::Folder::open(self.root(), folder).ok()?;
            let name = self.info().file(file).path.components().last()?;
            Some((file, folder.stamp(name).ok()?))
        });
        looks.collect()
    }
}

/// Looks at one file after the other.
struct Looker<'a> {
    storage: &'a Storage,
    /// The folder of the last one, open if it exists: neighbours mostly share it.
    last: Option<(Vec<&'a str>, Option<sys::Folder>)>,
}

impl<'a> Looker<'a> {
    fn look(&mut self, file: &'a File) -> io::Result<Option<Stamp>> {
        let folder = folder_of(file);
        if self.last.as_ref().is_none_or(|(last, _)| *last != folder) {
            let opened = sys::Folder::open(self.storage.root(), folder.iter().copied());
            self.last = Some((folder, or_absent(opened)?));
        }
        let open = self.last.as_ref().and_then(|(_, open)| open.as_ref());
        match (open, file.path.components().last()) {
            (Some(open), Some(name)) => or_absent(open.stamp(name)),
            _ => Ok(None),
        }
    }
}

fn folder_of(file: &File) -> Vec<&str> {
    let mut components: Vec<_> = file.path.components().collect();
    components.pop();
    components
}

/// What is in the way of a file is no file: it will be told of by whoever wants to read it.
fn or_absent<T>(looked: io::Result<T>) -> io::Result<Option<T>> {
    match looked {
        Err(error) if is_absent(&error) => Ok(None),
        looked => looked.map(Some),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists
    )
}
