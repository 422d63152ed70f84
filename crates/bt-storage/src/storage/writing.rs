//! Writing with as few calls as can be.

use std::io::IoSlice;

use bt_types::{FileIndex, FileSlice, PieceIndex};

use super::Storage;
use crate::{Operation, StorageError, part_file, resume::FileStamp};

impl Storage {
    /// Writes as [`write`](Self::write) does, and tells how the files look then; those that were
    /// written to, that is.
    pub(crate) fn write_and_look(
        &self,
        piece: PieceIndex,
        blocks: &[(u32, &[u8])],
    ) -> Result<Vec<FileStamp>, StorageError> {
        let mut gathered = Gathered::new(self);
        gathered.stamps = Some(Vec::new());
        self.write_gathered(piece, blocks, gathered)
    }

    pub(super) fn write_gathered<'a>(
        &'a self,
        piece: PieceIndex,
        blocks: &[(u32, &'a [u8])],
        mut gathered: Gathered<'a>,
    ) -> Result<Vec<FileStamp>, StorageError> {
        if blocks.iter().all(|(_, bytes)| bytes.is_empty()) {
            return Ok(Vec::new()); // what is there stays where it is
        }
        let selection = self.selection();
        let slot = self.slot_to_write(&selection, piece)?;
        let piece_length = self.layout().piece_length(piece) as usize;
        for &(begin, bytes) in blocks {
            assert!(
                begin as usize + bytes.len() <= piece_length,
                "{} bytes at {begin} of a piece of {piece_length}",
                bytes.len()
            );
            let mut rest = bytes;
            let length = bytes.len() as u32;
            for slice in self.layout().slices(piece, begin, length) {
                let (part, after) = rest.split_at(slice.length as usize);
                rest = after;
                let is_here = !slice.is_pad && (slot.is_none() || selection.wants(slice.file));
                if is_here && !part.is_empty() {
                    gathered.push(slice, part)?;
                }
            }
        }
        gathered.write()?;
        if let Some(slot) = slot {
            for &(begin, bytes) in blocks.iter().filter(|(_, bytes)| !bytes.is_empty()) {
                let place = FileSlice {
                    file: part_file::FILE,
                    offset: slot + u64::from(begin),
                    length: bytes.len() as u32,
                    is_pad: false,
                };
                gathered.push(place, bytes)?;
            }
            gathered.write()?;
            if self.part_file.slot_of(piece) != Some(slot) {
                return Err(self.part_file_missing(Operation::Write));
            }
        }
        Ok(gathered.stamps.unwrap_or_default())
    }
}

/// Bytes that go to one place of one file, gathered until something else comes.
pub(super) struct Gathered<'a> {
    storage: &'a Storage,
    file: FileIndex,
    start: u64,
    end: u64,
    /// None of them is empty; `end - start` bytes together.
    parts: Vec<IoSlice<'a>>,
    /// How the files look after the last write to each, if that is wanted.
    stamps: Option<Vec<FileStamp>>,
}

impl<'a> Gathered<'a> {
    pub(super) fn new(storage: &'a Storage) -> Self {
        Self {
            storage,
            file: FileIndex(0),
            start: 0,
            end: 0,
            parts: Vec::new(),
            stamps: None,
        }
    }

    fn push(&mut self, slice: FileSlice, part: &'a [u8]) -> Result<(), StorageError> {
        if (slice.file, slice.offset) != (self.file, self.end) {
            self.write()?;
            self.file = slice.file;
            self.start = slice.offset;
        }
        self.end = slice.offset + u64::from(slice.length);
        self.parts.push(IoSlice::new(part));
        Ok(())
    }

    fn write(&mut self) -> Result<(), StorageError> {
        if self.parts.is_empty() {
            return Ok(());
        }
        let written = self
            .storage
            .open(self.file, self.storage.to_write(self.file))
            .and_then(|file| {
                let wants_stamp = self.stamps.is_some();
                file.write_all_at(&mut self.parts, self.start, wants_stamp)
            });
        self.parts.clear();
        let stamp =
            written.map_err(|error| self.storage.error(Operation::Write, self.file, error))?;
        if let (Some(stamps), Some(stamp)) = (&mut self.stamps, stamp) {
            stamps.retain(|(file, _)| *file != self.file);
            stamps.push((self.file, stamp));
        }
        Ok(())
    }
}
