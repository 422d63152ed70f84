//! Changing what is wanted: bytes move out of the part file into files that are wanted now.

use std::{fs, io, sync::Arc};

use bt_metainfo::FileKind;
use bt_types::{FileIndex, FileSlice, PieceIndex, Selection};

use super::Storage;
use crate::{
    ErrorKind, Operation, StorageError,
    hashing::PieceHasher,
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
        let mut idle = Vec::new();
        for piece in self.part_file.pieces() {
            if !self.copy_out(former.as_ref(), selection, piece)? {
                idle.push(piece);
            }
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
        let pieces = self.part_file.pieces().into_iter();
        idle.extend(pieces.filter(|&piece| !is_needed(piece)));
        self.free_slots(&idle)
    }

    /// Where in the part file `piece` lies from now on. What is there of it already counts: some of
    /// it may have been written when more was wanted.
    pub(super) fn take_slot(&self, piece: PieceIndex) -> Result<u64, StorageError> {
        let write = |header: Header| self.write_part_file(header);
        self.part_file.take_slot(piece, write, |slot| {
            for (in_slot, in_file) in self.slot_and_files(slot, piece) {
                // Files grow as they are written: all of it need not be there.
                let there = self.length_on_disk(in_file.file)?;
                let there = there.saturating_sub(in_file.offset);
                let length = there.min(in_file.length.into()) as u32;
                let part = |slice| FileSlice { length, ..slice };
                self.copy(part(in_file), part(in_slot))?;
            }
            Ok(())
        })
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

    /// Copies what the part file has of `piece` to files that become wanted. What a former run has
    /// left must be right for that: returns whether it is of use.
    fn copy_out(
        &self,
        former: Option<&Selection>,
        selection: &Selection,
        piece: PieceIndex,
    ) -> Result<bool, StorageError> {
        let Some(slot) = self.part_file.slot_of(piece) else {
            return Ok(true);
        };
        let mut is_right = None;
        for (in_slot, in_file) in self.slot_and_files(slot, piece) {
            let file = in_file.file;
            let was_wanted = former.is_some_and(|former| former.wants(file));
            if !selection.wants(file) || was_wanted {
                continue;
            }
            if former.is_none() {
                if self.are_equal(in_slot, in_file)? {
                    continue;
                }
                let is_right = match is_right {
                    Some(is_right) => is_right,
                    None => *is_right.insert(self.is_slot_right(slot, piece)?),
                };
                if !is_right {
                    return Ok(false);
                }
            }
            match self.copy(in_slot, in_file) {
                // Somebody has cut it short.
                Err(error) if is_short(&error) => return Ok(false),
                copied => copied?,
            }
        }
        Ok(true)
    }

    /// Where the bytes of `piece` lie in its slot, and where in files.
    fn slot_and_files(
        &self,
        slot: u64,
        piece: PieceIndex,
    ) -> impl Iterator<Item = (FileSlice, FileSlice)> + '_ {
        let places = self.slices_of(piece).scan(slot, |position, in_file| {
            let in_slot = FileSlice {
                file: part_file::FILE,
                offset: *position,
                ..in_file
            };
            *position += u64::from(in_file.length);
            Some((in_slot, in_file))
        });
        places.filter(|(_, in_file)| !in_file.is_pad)
    }

    fn is_slot_right(&self, slot: u64, piece: PieceIndex) -> Result<bool, StorageError> {
        let Some(mut hasher) = PieceHasher::new(&self.info, piece) else {
            return Ok(false);
        };
        let mut position = slot;
        for slice in self.slices_of(piece) {
            let in_slot = FileSlice {
                file: part_file::FILE,
                offset: position,
                ..slice
            };
            position += u64::from(slice.length);
            for part in parts_of(in_slot) {
                match self.read_part(part) {
                    Err(error) if error.kind == ErrorKind::Missing => return Ok(false),
                    bytes => hasher.update(&bytes?),
                }
            }
        }
        Ok(hasher.finish())
    }

    fn are_equal(&self, one: FileSlice, other: FileSlice) -> Result<bool, StorageError> {
        for (one, other) in parts_of(one).zip(parts_of(other)) {
            match (self.read_part(one), self.read_part(other)) {
                (Ok(one), Ok(other)) if one == other => {}
                (Err(error), _) | (_, Err(error)) if error.kind != ErrorKind::Missing => {
                    return Err(error);
                }
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    fn copy(&self, from: FileSlice, to: FileSlice) -> Result<(), StorageError> {
        for (from, to) in parts_of(from).zip(parts_of(to)) {
            let bytes = self.read_part(from)?;
            self.open(to.file, self.to_write(to.file))
                .and_then(|file| write_all(&file, &bytes, to.offset))
                .map_err(|error| self.error(Operation::Write, to.file, error))?;
        }
        Ok(())
    }

    fn read_part(&self, part: FileSlice) -> Result<Vec<u8>, StorageError> {
        let mut bytes = vec![0; part.length as usize];
        self.read_places([part].into_iter(), &mut bytes)?;
        Ok(bytes)
    }

    fn write_part_file(&self, header: Header) -> Result<(), StorageError> {
        let file = part_file::FILE;
        self.open(file, self.to_write(file))
            .and_then(|file| write_all(&file, &header.bytes, header.offset))
            .map_err(|error| self.error(Operation::Write, file, error))
    }

    /// Gives up what the part file has of these pieces, and the file itself if that is all.
    fn free_slots(&self, pieces: &[PieceIndex]) -> Result<(), StorageError> {
        let write = |header: Header| self.write_part_file(header);
        if self.part_file.free_slots(pieces, write)? {
            let file = part_file::FILE;
            self.pool.close_file((self.id, file.0));
            sys::remove_file(&self.root, [self.part_file.name()])
                .map_err(|error| self.error(Operation::Remove, file, error))?;
        }
        Ok(())
    }
}

/// Whether what was to be copied is not there.
fn is_short(error: &StorageError) -> bool {
    error.kind == ErrorKind::Missing && error.operation == Operation::Read
}

/// A range in parts that may be in memory.
fn parts_of(slice: FileSlice) -> impl Iterator<Item = FileSlice> {
    (0..slice.length)
        .step_by(MAX_COPY as usize)
        .map(move |at| FileSlice {
            offset: slice.offset + u64::from(at),
            length: MAX_COPY.min(slice.length - at),
            ..slice
        })
}

fn write_all(file: &Arc<Handle>, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(&mut [io::IoSlice::new(bytes)], offset)
}

/// What is copied at a time, whatever the length of a piece.
const MAX_COPY: u32 = 1 << 20;
