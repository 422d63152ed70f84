//! Changing what is wanted: bytes move out of the part file into files that are wanted now.

use std::{fs, io, sync::Arc};

use bt_metainfo::FileKind;
use bt_types::{FileIndex, FileSlice, PieceIndex, Selection};

use super::Storage;
use crate::{
    ErrorKind, Operation, StorageError,
    part_file::{self, Header},
    pool::Handle,
    sys::{self, Access},
};

impl Storage {
    /// Changes which files are wanted, moves what the part file has of those that are now to their
    /// places, makes their folders, and makes those that are empty; see [`prepare`](Self::prepare).
    /// Files that are not wanted any more stay where they are. At first everything is wanted.
    ///
    /// Waits until nobody reads or writes, and takes as long as copying does.
    ///
    /// # Errors
    /// At the first file that cannot be made or written, or if something else lies where the part
    /// file should. What is wanted is as before then, and nothing has been lost.
    pub fn set_selection(&self, selection: &Selection) -> Result<(), StorageError> {
        let mut current = self.selection_alone();
        fs::create_dir_all(&self.root)
            .map_err(|error| StorageError::new(Operation::Create, &self.root, error))?;
        self.find_part_file()?;
        // Nothing is known of where things were before.
        let former = self.part_file.is_settled().then(|| current.clone());
        self.make_places(former.as_ref(), selection)?;
        for piece in self.part_file.pieces() {
            self.exchange(former.as_ref(), selection, piece)?;
        }
        current.clone_from(selection);
        self.part_file.settle();
        (0..self.layout().file_count())
            .map(FileIndex)
            .try_for_each(|file| self.finish(selection, file))?;
        let is_needed = |piece| {
            let mut slices = self.slices_of(piece);
            slices.any(|slice| !slice.is_pad && !selection.wants(slice.file))
        };
        let idle = self.part_file.pieces().into_iter();
        let idle: Vec<_> = idle.filter(|&piece| !is_needed(piece)).collect();
        self.free_slots(&idle)
    }

    /// Makes sure that the part file has room for `piece`.
    pub(super) fn take_slot(&self, piece: PieceIndex) -> Result<(), StorageError> {
        let write = |header: Header| {
            let file = self.open(part_file::FILE, self.to_write(part_file::FILE))?;
            write_all(&file, &header.bytes, header.offset)
        };
        self.part_file
            .take_slot(piece, write)
            .map_err(|error| self.error(Operation::Write, part_file::FILE, error))
    }

    /// Reads what the part file holds, if there is one and that is not known yet.
    fn find_part_file(&self) -> Result<(), StorageError> {
        let open = || match self.open(part_file::FILE, Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        };
        self.part_file
            .find(open)
            .map_err(|error| self.error(Operation::Read, part_file::FILE, error))
    }

    fn make_places(
        &self,
        former: Option<&Selection>,
        selection: &Selection,
    ) -> Result<(), StorageError> {
        let mut made: Vec<&str> = Vec::new();
        for (index, file) in (0..).map(FileIndex).zip(self.info.files()) {
            if file.kind != FileKind::Data {
                continue;
            }
            let is_wanted = selection.wants(index);
            if file.length > 0 && former.is_none_or(|former| former.wants(index) != is_wanted) {
                self.find_name(index, is_wanted)?;
            }
            if !is_wanted {
                continue;
            }
            let mut folders: Vec<&str> = file.path.components().collect();
            folders.pop();
            // Neighbours mostly share their folder.
            if folders != made {
                sys::make_folders(&self.root, folders.iter().copied())
                    .map_err(|error| self.error(Operation::Create, index, error))?;
                made = folders;
            }
            if file.length == 0 {
                self.make_empty(index)
                    .map_err(|error| self.error(Operation::Create, index, error))?;
            }
        }
        Ok(())
    }

    fn make_empty(&self, file: FileIndex) -> io::Result<()> {
        match self.pool.open(|| self.open_uncached(file, Access::Read)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let access = self.to_write(file);
                self.pool
                    .open(|| self.open_uncached(file, access))
                    .map(drop)
            }
            exists => exists.map(drop),
        }
    }

    /// Copies what the part file has of `piece` to files that become wanted; and what files that
    /// cease to be wanted have of it the other way, so that the part file is never out of date.
    fn exchange(
        &self,
        former: Option<&Selection>,
        selection: &Selection,
        piece: PieceIndex,
    ) -> Result<(), StorageError> {
        let Some(slot) = self.part_file.slot_of(piece) else {
            return Ok(());
        };
        let was_wanted = |file| former.is_some_and(|former| former.wants(file));
        let mut position = slot;
        for in_file in self.slices_of(piece) {
            let in_slot = FileSlice {
                file: part_file::FILE,
                offset: position,
                ..in_file
            };
            position += u64::from(in_file.length);
            if in_file.is_pad {
                continue;
            }
            match (was_wanted(in_file.file), selection.wants(in_file.file)) {
                (false, true) => self.copy(in_slot, in_file)?,
                (true, false) => match self.copy(in_file, in_slot) {
                    // It never came so far.
                    Err(error) if error.kind == ErrorKind::Missing => {}
                    copied => copied?,
                },
                _ => {}
            }
        }
        Ok(())
    }

    fn copy(&self, from: FileSlice, to: FileSlice) -> Result<(), StorageError> {
        let mut buffer = vec![0; from.length.min(MAX_COPY) as usize];
        let mut done = 0;
        while done < from.length {
            let length = (from.length - done).min(MAX_COPY);
            let part = &mut buffer[..length as usize];
            self.open(from.file, Access::Read)
                .and_then(|file| file.read_exact_at(part, from.offset + u64::from(done)))
                .map_err(|error| self.error(Operation::Read, from.file, error))?;
            self.open(to.file, self.to_write(to.file))
                .and_then(|file| write_all(&file, part, to.offset + u64::from(done)))
                .map_err(|error| self.error(Operation::Write, to.file, error))?;
            done += length;
        }
        Ok(())
    }

    /// Gives up what the part file has of these pieces, and the file itself if that is all.
    fn free_slots(&self, pieces: &[PieceIndex]) -> Result<(), StorageError> {
        let write = |header: Header| {
            let file = self.open(part_file::FILE, self.to_write(part_file::FILE))?;
            write_all(&file, &header.bytes, header.offset)
        };
        let is_idle = self
            .part_file
            .free_slots(pieces, write)
            .map_err(|error| self.error(Operation::Write, part_file::FILE, error))?;
        if is_idle {
            self.pool.close_file((self.id, part_file::FILE.0));
            sys::remove_file(&self.root, [self.part_file.name()])
                .map_err(|error| self.error(Operation::Remove, part_file::FILE, error))?;
        }
        Ok(())
    }
}

fn write_all(file: &Arc<Handle>, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(&mut [io::IoSlice::new(bytes)], offset)
}

/// What is copied at a time, whatever the length of a piece.
const MAX_COPY: u32 = 1 << 20;
