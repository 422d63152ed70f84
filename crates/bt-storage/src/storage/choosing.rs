//! Changing what is wanted: bytes move out of the part file into files that are wanted now.

use std::{
    collections::BTreeSet,
    fs, io,
    sync::{Arc, atomic::Ordering},
};

use bt_metainfo::FileKind;
use bt_types::{FileIndex, FileSlice, PieceIndex, Priority, Selection};

use super::{Storage, looking::Looker};
use crate::{
    ErrorKind, Operation, StorageError,
    hashing::PieceHasher,
    part_file::{self, Header},
    pool::Handle,
    sys::{self, Access},
};

/// What of a piece goes from its slot to files that become wanted, and from files that cease to be to
/// its slot: what was written there may have been cut short.
struct Move {
    piece: PieceIndex,
    /// From where, and where to.
    parts: Vec<(FileSlice, FileSlice)>,
}

impl Storage {
    /// Looks under which names files lie, and what the part file holds; the first time, that is, and
    /// without writing anything. Until a [selection](Self::set_selection) or a
    /// [record](crate::resume) says what was left out, all of a piece is read from the part file if it
    /// is there, unless a [check](crate::check) has found it wrong.
    ///
    /// Is done by [`prepare`](Self::prepare), [`set_selection`](Self::set_selection) and
    /// [`Place::start`](crate::resume::Place::start), too. Who does none of these, to read what is
    /// there and change nothing, has to do it before.
    ///
    /// # Errors
    /// If something cannot be looked at, or something else lies where the part file should.
    pub fn find(&self) -> Result<(), StorageError> {
        self.find_places(&mut self.selection_alone())
    }

    /// Changes which files are wanted, moves what the part file has of those that are now to their
    /// places, makes their folders, and makes those that are empty; see [`prepare`](Self::prepare).
    /// Files that are not wanted any more stay where they are. At first everything is wanted.
    ///
    /// What moves is a piece that is [verified](Self::set_verified), or one that this run has written;
    /// of what else a former run has left, that which is right by its hash. It is on the medium before
    /// it leaves the part file. That the part file cannot be made smaller, or removed, is no error, and
    /// tried again the next time.
    ///
    /// Waits until nobody reads or writes, and takes as long as copying does.
    ///
    /// # Errors
    /// At the first file that cannot be made, written or renamed, or if something else lies where the
    /// part file should; with [`InUse`](crate::ErrorKind::InUse) if others use what is
    /// [claimed](Self::claim), and has been made just now. [`Missing`](crate::ErrorKind::Missing) if the part file has gone, or an end of
    /// it. What is wanted is as before then; what was moved until then is at both places.
    pub fn set_selection(&self, selection: &Selection) -> Result<(), StorageError> {
        self.change_selection(selection)?;
        self.note_home();
        self.renew_claim()
    }

    fn change_selection(&self, selection: &Selection) -> Result<(), StorageError> {
        let mut current = self.selection_alone();
        self.check_home(Operation::Create)?;
        if !self.is_prepared.load(Ordering::Relaxed) {
            fs::create_dir_all(&self.root)
                .map_err(|error| StorageError::new(Operation::Create, &self.root, error))?;
        }
        self.find_places(&mut current)?;
        self.is_prepared.store(true, Ordering::Relaxed);
        self.find_new_names(&current, selection)?;
        self.make_places(selection)?;
        let mut idle = self.move_out(&current, selection)?;
        let files = (0..self.layout().file_count()).map(FileIndex);
        let renamed = self.finish(selection, files)?;
        current.clone_from(selection);
        self.part_file.settle();
        if let Some(keeper) = self.keeper() {
            if !renamed.is_empty() {
                keeper.looked(renamed);
            }
            // Before slots are given away: what is in them would count else.
            keeper.selected(
                self.files_left_out(selection),
                self.part_file_stamp().ok().flatten(),
            );
        }
        let is_needed = |piece| {
            let mut slices = self.slices_of(piece);
            slices.any(|slice| !slice.is_pad && !selection.wants(slice.file))
        };
        let pieces = self.part_file.pieces().into_iter();
        idle.extend(pieces.filter(|&piece| !is_needed(piece)));
        // What takes up room only need not keep anybody from going on.
        let _ = self.free_slots(&idle);
        if let Some(keeper) = self.keeper() {
            keeper.selected(
                self.files_left_out(selection),
                self.part_file_stamp().ok().flatten(),
            );
        }
        Ok(())
    }

    /// It is known which files were left out when the part file was written, and which pieces have
    /// slots that count.
    pub(crate) fn adopt(
        &self,
        left_out: &BTreeSet<FileIndex>,
        has_slot: impl Fn(PieceIndex) -> bool,
    ) {
        let mut current = self.selection_alone();
        *current = leaving_out(self.layout().file_count(), |file| left_out.contains(&file));
        self.part_file.keep(has_slot);
        self.part_file.settle();
    }

    /// Which files are not wanted.
    pub(crate) fn left_out(&self) -> BTreeSet<FileIndex> {
        self.files_left_out(&self.selection())
    }

    fn files_left_out(&self, selection: &Selection) -> BTreeSet<FileIndex> {
        if selection.wants_all() {
            return BTreeSet::new();
        }
        let files = (0..).map(FileIndex).zip(self.info.files());
        let left_out =
            files.filter(|(file, of)| of.kind == FileKind::Data && !selection.wants(*file));
        left_out.map(|(file, _)| file).collect()
    }

    /// See [`find`](Self::find).
    fn find_places(&self, current: &mut Selection) -> Result<(), StorageError> {
        if self.part_file.is_known() {
            return Ok(());
        }
        self.find_names(|_| true)?;
        let open = || match self.open(part_file::FILE, Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        };
        self.part_file
            .find(open)
            .map_err(|error| self.error(Operation::Read, part_file::FILE, error))?;
        if !self.part_file.pieces().is_empty() {
            // All of each may be newer than what is in files.
            *current = leaving_out(self.layout().file_count(), |_| true);
        }
        Ok(())
    }

    /// Files that are wanted now may have come meanwhile.
    fn find_new_names(
        &self,
        former: &Selection,
        selection: &Selection,
    ) -> Result<(), StorageError> {
        if former.wants_all() {
            return Ok(());
        }
        self.find_names(|file| selection.wants(file) && !former.wants(file))
    }

    fn find_names(&self, is_sought: impl Fn(FileIndex) -> bool) -> Result<(), StorageError> {
        let mut looker = Looker::new(self);
        for (index, file) in (0..).map(FileIndex).zip(self.info.files()) {
            if file.kind == FileKind::Data && is_sought(index) {
                self.find_name(index, &mut looker)
                    .map_err(|error| self.error(Operation::Read, index, error))?;
            }
        }
        Ok(())
    }

    /// Makes the folders of wanted files, and those that are empty.
    pub(super) fn make_places(&self, selection: &Selection) -> Result<(), StorageError> {
        let mut made: Vec<&str> = Vec::new();
        for (index, file) in (0..).map(FileIndex).zip(self.info.files()) {
            if file.kind != FileKind::Data || !selection.wants(index) {
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

    /// Copies what the part file has to files that become wanted, and to it what others have. Returns
    /// the pieces of which it has nothing of use.
    fn move_out(
        &self,
        former: &Selection,
        selection: &Selection,
    ) -> Result<Vec<PieceIndex>, StorageError> {
        let (mut moves, mut useless) = (Vec::new(), Vec::new());
        let becomes_wanted = |file| selection.wants(file) && !former.wants(file);
        let mut lost = self.part_file.lost().into_iter();
        if lost.any(|piece| self.files_of(piece).any(becomes_wanted)) {
            // What lies in the files would count.
            return Err(self.part_file_missing(Operation::Read));
        }
        for piece in self.part_file.pieces() {
            let Some(slot) = self.part_file.slot_of(piece) else {
                continue;
            };
            let parts = self.slot_and_files(slot, piece);
            let parts = parts.filter(|(_, in_file)| becomes_wanted(in_file.file));
            let mut parts: Vec<_> = parts.collect();
            if !self.part_file.is_settled() {
                if !self.is_verified(piece) && !self.is_slot_right(slot, piece)? {
                    useless.push(piece);
                    continue;
                }
                let mut differ = Vec::new();
                for (in_slot, in_file) in parts {
                    // What is the same in memory may have been lost on its way.
                    let is_lost = self
                        .keeper()
                        .is_some_and(|it| it.could_not_sync(in_file.file));
                    if is_lost || !self.are_equal(in_slot, in_file)? {
                        differ.push((in_slot, in_file));
                    }
                }
                parts = differ;
            }
            for (in_slot, in_file) in self.slot_and_files(slot, piece) {
                if former.wants(in_file.file) && !selection.wants(in_file.file) {
                    let length = self.length_there(in_file)?;
                    let part = |slice| FileSlice { length, ..slice };
                    parts.push((part(in_file), part(in_slot)));
                }
            }
            if !parts.is_empty() {
                moves.push(Move { piece, parts });
            }
        }
        if !moves.is_empty() {
            self.make_moves(&moves)?;
        }
        Ok(useless)
    }

    fn make_moves(&self, moves: &[Move]) -> Result<(), StorageError> {
        let pieces: Vec<_> = moves.iter().map(|Move { piece, .. }| *piece).collect();
        if let Some(keeper) = self.keeper() {
            keeper.begun(pieces.clone());
        }
        let parts = || moves.iter().flat_map(|Move { parts, .. }| parts);
        let files: BTreeSet<_> = parts().map(|(_, to)| to.file).collect();
        let copied = moves.iter().try_for_each(|Move { piece, parts }| {
            let mut parts = parts.iter();
            let copied = parts.try_for_each(|&(from, to)| self.copy(from, to));
            if copied.as_ref().is_err_and(is_short) {
                // Somebody has cut it.
                self.part_file.lose(*piece);
            }
            copied
        });
        let synced = copied.and_then(|()| self.sync_noted(&files));
        if let Some(keeper) = self.keeper() {
            let stamps = files.iter().filter_map(|&file| self.stamp_of(file));
            keeper.moved(&pieces, stamps.collect());
        }
        synced
    }

    /// Where in the part file `piece` lies from now on. What is there of it already counts: some of
    /// it may have been written when more was wanted.
    pub(super) fn take_slot(&self, piece: PieceIndex) -> Result<u64, StorageError> {
        let write = |header: Header| self.write_part_file(header);
        self.part_file.take_slot(piece, write, |slot| {
            for (in_slot, in_file) in self.slot_and_files(slot, piece) {
                let length = self.length_there(in_file)?;
                let part = |slice| FileSlice { length, ..slice };
                self.copy(part(in_file), part(in_slot))?;
            }
            Ok(())
        })
    }

    /// How much of a part of a file is there: files grow as they are written.
    fn length_there(&self, in_file: FileSlice) -> Result<u32, StorageError> {
        let there = self.length_on_disk(in_file.file)?;
        let there = there.saturating_sub(in_file.offset);
        Ok(there.min(in_file.length.into()) as u32)
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

    /// The part file has gone, or an end of it.
    pub(super) fn part_file_missing(&self, operation: Operation) -> StorageError {
        let gone = io::Error::new(io::ErrorKind::NotFound, "the file has been removed");
        self.error(operation, part_file::FILE, gone)
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
            match sys::remove_file(&self.root, [self.part_file.name()]) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.error(Operation::Remove, file, error));
                }
                _ => self.part_file.removed(),
            }
            self.seen(file).store(false, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// All files but those that are left out.
fn leaving_out(file_count: u32, is_left_out: impl Fn(FileIndex) -> bool) -> Selection {
    let files = (0..file_count).map(FileIndex);
    Selection::of_files(files.map(|file| match is_left_out(file) {
        true => Priority::Skip,
        false => Priority::Normal,
    }))
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
    file.write_all_at(&mut [io::IoSlice::new(bytes)], offset, false)
        .map(drop)
}

/// What is copied at a time, whatever the length of a piece.
const MAX_COPY: u32 = 1 << 20;
