//! Where the bytes of a piece are: in files, in the part file, or nowhere, being padding.

use bt_types::{FileSlice, PieceIndex, Selection};

use super::Storage;
use crate::{StorageError, part_file};

impl Storage {
    /// Where all of `piece` is read from, padding included.
    pub(super) fn places_of<'a>(
        &'a self,
        selection: &'a Selection,
        piece: PieceIndex,
    ) -> impl Iterator<Item = FileSlice> + 'a {
        self.places(selection, piece, 0, self.layout().piece_length(piece))
    }

    /// Where `length` bytes at `begin` of `piece` are read from, in order. What the part file has of
    /// files that are not wanted counts; of what it does not have, whatever lies there.
    pub(super) fn places<'a>(
        &'a self,
        selection: &'a Selection,
        piece: PieceIndex,
        begin: u32,
        length: u32,
    ) -> impl Iterator<Item = FileSlice> + 'a {
        let slot = match selection.wants_all() {
            true => None,
            false => self.part_file.slot_of(piece),
        };
        let slices = self.layout().slices(piece, begin, length);
        slices.scan(begin, move |position, slice| {
            let begin = *position;
            *position += slice.length;
            Some(match slot {
                Some(slot) if !slice.is_pad && !selection.wants(slice.file) => FileSlice {
                    file: part_file::FILE,
                    offset: slot + u64::from(begin),
                    ..slice
                },
                _ => slice,
            })
        })
    }

    /// Where they are written to: nothing is written to files that are not wanted.
    pub(super) fn places_to_write<'a>(
        &'a self,
        selection: &'a Selection,
        piece: PieceIndex,
        begin: u32,
        length: u32,
    ) -> Result<impl Iterator<Item = FileSlice> + use<'a>, StorageError> {
        if !selection.wants_all() {
            let mut slices = self.layout().slices(piece, begin, length);
            if slices.any(|slice| !slice.is_pad && !selection.wants(slice.file)) {
                self.take_slot(piece)?;
            }
        }
        Ok(self.places(selection, piece, begin, length))
    }
}
