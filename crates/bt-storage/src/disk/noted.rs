//! Writing, with a note before and after for whoever keeps the torrent's record.

use std::sync::Arc;

use bt_types::{Block, FileIndex, PieceIndex};

use super::Done;
use crate::{Storage, StorageError, part_file, resume::FileStamp};

/// What was written and is to be noted: of one torrent mostly, sometimes of several.
#[derive(Default)]
pub(super) struct Notes {
    written: Vec<(Arc<Storage>, Vec<PieceIndex>, Vec<FileStamp>)>,
}

impl Notes {
    /// Writes a piece that is right and was noted as [`begun`].
    pub(super) fn write<B: AsRef<[u8]>>(
        &mut self,
        storage: &Arc<Storage>,
        piece: PieceIndex,
        blocks: &[(u32, B)],
    ) -> Result<(), StorageError> {
        if storage.keeper().is_none() {
            storage.write(piece, &slices_of(blocks))?;
            return storage.add_verified(piece).map(drop);
        }
        let written = storage.write_and_look(piece, &slices_of(blocks));
        let finished = written.and_then(|mut stamps| {
            // A file looks otherwise when it has been renamed.
            let renamed = storage.add_verified(piece)?;
            stamps.retain(|(file, _)| renamed.iter().all(|(other, _)| other != file));
            stamps.extend(renamed);
            Ok(stamps)
        });
        match finished {
            Ok(stamps) => {
                let is_same = |(other, ..): &(Arc<Storage>, _, _)| Arc::ptr_eq(other, storage);
                let known = self.written.iter().position(is_same);
                let at = known.unwrap_or_else(|| {
                    let none = (Arc::clone(storage), Vec::new(), Vec::new());
                    self.written.push(none);
                    self.written.len() - 1
                });
                let (_, pieces, looks) = &mut self.written[at];
                pieces.push(piece);
                looks.retain(|(file, _)| stamps.iter().all(|(newer, _)| newer != file));
                looks.extend(stamps);
                Ok(())
            }
            Err(error) => {
                refused(storage, piece, &error);
                Err(error)
            }
        }
    }

    /// Notes all of it.
    pub(super) fn put_down(&mut self) {
        for (storage, pieces, stamps) in self.written.drain(..) {
            if let Some(keeper) = storage.keeper() {
                keeper.written(pieces, stamps);
            }
        }
    }
}

/// These are about to be written.
pub(super) fn begun<'a>(pieces: impl IntoIterator<Item = (&'a Arc<Storage>, PieceIndex)>) {
    let mut by_storage: Vec<(&Arc<Storage>, Vec<PieceIndex>)> = Vec::new();
    for (storage, piece) in pieces {
        match by_storage
            .iter_mut()
            .find(|(other, _)| Arc::ptr_eq(other, storage))
        {
            Some((_, pieces)) => pieces.push(piece),
            None => by_storage.push((storage, vec![piece])),
        }
    }
    for (storage, pieces) in by_storage {
        if let Some(keeper) = storage.keeper() {
            keeper.begun(pieces);
        }
    }
}

/// Nothing of `piece` on disk counts any more.
pub(super) fn dropped(storage: &Storage, piece: PieceIndex) {
    storage.remove_verified(piece);
    if let Some(keeper) = storage.keeper() {
        keeper.dropped(piece, || storage.stamps_of(piece));
    }
}

/// `piece` could not be written, or not be read back. It may be tried again, which is noted anew.
pub(super) fn refused(storage: &Storage, piece: PieceIndex, error: &StorageError) {
    if storage.is_loss(error) {
        doubted(storage, error, storage.files_of(piece));
    }
    dropped(storage, piece);
}

/// `block` could not be read.
pub(super) fn not_read(storage: &Storage, block: Block, error: &StorageError) {
    if storage.is_loss(error) {
        let slices = storage
            .layout()
            .slices(block.piece, block.begin, block.length);
        let data = slices.filter(|slice| !slice.is_pad);
        doubted(storage, error, data.map(|slice| slice.file));
    }
}

/// Some of these files has gone, or an end of it; or the part file, and none of them. It may be made
/// anew, and look then as if all that was in it were there.
fn doubted(storage: &Storage, error: &StorageError, files: impl Iterator<Item = FileIndex>) {
    if let Some(keeper) = storage.keeper() {
        match error.path == storage.part_file() {
            true => keeper.doubted([part_file::FILE].into_iter()),
            false => keeper.doubted(files),
        }
    }
}

/// Writes blocks of a piece that is not complete.
pub(super) fn spill<B: AsRef<[u8]>>(
    storage: &Arc<Storage>,
    piece: PieceIndex,
    blocks: &[(u32, B)],
) -> Result<Done<B>, StorageError> {
    let done = Done::Spilled { piece };
    let Some(keeper) = storage.keeper() else {
        return storage.write(piece, &slices_of(blocks)).map(|()| done);
    };
    keeper.begun(vec![piece]);
    match storage.write_and_look(piece, &slices_of(blocks)) {
        Ok(stamps) => {
            let block = |(begin, bytes): &(u32, B)| Block {
                piece,
                begin: *begin,
                length: bytes.as_ref().len() as u32,
            };
            let blocks: Vec<_> = blocks.iter().map(block).collect();
            keeper.spilled(piece, &blocks, stamps);
            Ok(done)
        }
        Err(error) if storage.is_loss(&error) => {
            refused(storage, piece, &error);
            Err(error)
        }
        Err(error) => {
            storage.remove_verified(piece);
            let begins = blocks.iter().map(|(begin, _)| *begin);
            keeper.not_spilled(piece, begins, || storage.stamps_of(piece));
            Err(error)
        }
    }
}

fn slices_of<B: AsRef<[u8]>>(blocks: &[(u32, B)]) -> Vec<(u32, &[u8])> {
    let slices = blocks.iter().map(|(begin, bytes)| (*begin, bytes.as_ref()));
    slices.collect()
}
