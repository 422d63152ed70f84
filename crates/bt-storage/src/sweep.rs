//! Going over all pieces of a torrent on many threads, a batch of pieces at a time.

use std::{
    ops::Range,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use bt_hash::Hasher;
use bt_types::{PieceIndex, PieceLayout};

/// Hands out all pieces, in order, in batches that suit both the disk and the lanes of a hasher.
pub(crate) struct Batches {
    next: AtomicU32,
    piece_count: u32,
    pieces_per_batch: u32,
}

impl Batches {
    pub(crate) fn new(layout: &PieceLayout) -> Self {
        let piece_length = layout.nominal_piece_length() as usize;
        let lanes = Hasher::<PieceIndex, &[u8]>::new().lanes();
        let batch = piece_length
            .saturating_mul(lanes)
            .clamp(MIN_BATCH, MAX_BATCH);
        Self {
            next: AtomicU32::new(0),
            piece_count: layout.piece_count(),
            pieces_per_batch: (batch / piece_length).clamp(1, MAX_PIECES) as u32,
        }
    }

    /// The next batch; a single piece may be longer than [`MAX_BATCH`].
    pub(crate) fn take(&self) -> Option<Range<u32>> {
        let first = self
            .next
            .fetch_add(self.pieces_per_batch, Ordering::Relaxed);
        let end = first.saturating_add(self.pieces_per_batch);
        (first < self.piece_count).then_some(first..end.min(self.piece_count))
    }
}

/// Does `work` on `threads` threads, the caller's among them, until all of them are through.
pub(crate) fn on_threads(threads: usize, name: &str, work: impl Fn() + Sync) {
    let work = &work;
    thread::scope(|scope| {
        for number in 1..threads {
            let named = thread::Builder::new().name(format!("{name}-{number}"));
            if named.spawn_scoped(scope, work).is_err() {
                break; // the system has no more threads to give; those that run will do
            }
        }
        work();
    });
}

/// Bytes to read at once at least: below that, calls cost more than copying.
pub(crate) const MIN_BATCH: usize = 1 << 20;
/// Bytes that one thread reads and hashes at once at most. Pieces that would not fit are hashed
/// in parts of [`MIN_BATCH`], without company.
const MAX_BATCH: usize = 8 << 20;
/// Pieces in a batch at most: what is kept of each while it is hashed is some 200 bytes, however
/// short it is.
const MAX_PIECES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bt_types::FileExtent;

    use super::*;

    #[test]
    fn every_piece_is_handed_out_once() {
        for (piece_length, length) in [
            (1, 40_000),
            (64, 64 * 40_000),
            (1 << 20, 9 << 20),
            (16 << 20, 17 << 20),
        ] {
            let files = [FileExtent::data(length)];
            let layout = PieceLayout::packed(piece_length, files).unwrap();
            let batches = Batches::new(&layout);
            let taken = Mutex::new(Vec::new());
            on_threads(3, "test", || {
                while let Some(batch) = batches.take() {
                    taken.lock().unwrap().extend(batch);
                }
            });
            let mut taken = taken.into_inner().unwrap();
            taken.sort_unstable();
            assert!(taken.into_iter().eq(0..layout.piece_count()));
        }
    }
}
