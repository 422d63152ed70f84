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

    /// Where in the part file all of `piece` is to be written to as well, if it holds bytes of files
    /// that are not wanted: nothing is written to those.
    pub(super) fn slot_to_write(
        &self,
        selection: &Selection,
        piece: PieceIndex,
    ) -> Result<Option<u64>, StorageError> {
        let is_whole = || {
            let mut slices = self.slices_of(piece);
            slices.all(|slice| slice.is_pad || selection.wants(slice.file))
        };
        if selection.wants_all() || is_whole() {
            return Ok(None);
        }
        self.take_slot(piece).map(Some)
    }
}
