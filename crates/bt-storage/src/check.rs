//! Finding out which pieces are on disk: before seeding, after a crash, for `bt verify`.

use std::{
    ops::Range,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use bt_hash::{Algorithm, Digest, Hasher};
use bt_metainfo::FileKind;
use bt_types::{Bitfield, Block, FileIndex, PieceHash, PieceIndex};

use crate::{
    ErrorKind, Operation, Storage, StorageError,
    hashing::PieceHasher,
    part_file,
    sweep::{Batches, MIN_BATCH, on_threads},
};

/// What a check found.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Checked {
    /// The pieces that are on disk and right.
    pub have: Bitfield,
    /// The bytes of files in those pieces.
    pub bytes_have: u64,
    /// The pieces that are not, in order, as far as the check got.
    pub bad: Vec<BadPiece>,
    /// The bytes that were read and hashed, padding included.
    pub bytes_hashed: u64,
    /// Whether it was cancelled: then pieces may be neither in `have` nor in `bad`.
    pub is_cancelled: bool,
}

/// A piece that is not on disk as it should be. [`Storage::files_of`] names its files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadPiece {
    /// Which one.
    pub piece: PieceIndex,
    /// Why.
    pub problem: Problem,
}

/// Why a piece is not right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// This file is missing, or ends before the piece does: nothing was hashed.
    Missing(FileIndex),
    /// The bytes are others.
    Corrupt,
    /// The torrent does not tell the hash (a v2 torrent without piece layers).
    HashUnknown,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct CheckProgress {
    /// Bytes of files that were looked at, or need no look since they are missing.
    pub bytes_done: u64,
    /// Bytes of files in the pieces that are checked.
    pub bytes_total: u64,
    /// Pieces that were looked at.
    pub pieces_done: u32,
    /// Those of them that are right.
    pub pieces_ok: u32,
}

/// Hashes all that is on disk: [`check_pieces`] of all of them.
///
/// # Errors
/// If something other than a missing file or wrong bytes keeps a file from being read.
pub fn check(
    storage: &Storage,
    threads: usize,
    progress: &(dyn Fn(CheckProgress) + Sync),
    cancel: &AtomicBool,
) -> Result<Checked, StorageError> {
    let all = Bitfield::full(storage.layout().piece_count());
    check_pieces(storage, &all, threads, progress, cancel).map_err(|interrupted| interrupted.error)
}

/// What a check found before a disk failed.
#[derive(Debug)]
pub struct Interrupted {
    /// As far as it got: what is neither in `have` nor in `bad` has not been looked at.
    pub checked: Checked,
    /// Among these pieces it failed: whether it can go on is best tried with them.
    pub at: Range<u32>,
    /// Why it got no further.
    pub error: StorageError,
}

/// Hashes what is on disk of the pieces in `wanted` on `threads` threads, the caller's among them:
/// so that what is in doubt is looked at without the rest, and a check that a disk has interrupted
/// goes on where it was. Others are neither in `have` nor in `bad`, and do not count in the progress.
///
/// Reads and hashes 8 MiB a thread at a time at most, however long pieces are.
/// Missing or short files are found out before anything of their pieces is read. `progress` is
/// called from all threads, not necessarily in order: after each batch of pieces, which are a MiB or
/// 16,384 at least, and after each MiB of a piece that fills a batch by itself. Once `cancel` is
/// set, the check ends within a few parts. The torrent's files are closed first, so that what is
/// seen is what is there now.
///
/// # Errors
/// If something other than a missing file or wrong bytes keeps a file from being read.
///
/// # Panics
/// If `wanted` is of another torrent.
pub fn check_pieces(
    storage: &Storage,
    wanted: &Bitfield,
    threads: usize,
    progress: &(dyn Fn(CheckProgress) + Sync),
    cancel: &AtomicBool,
) -> Result<Checked, Interrupted> {
    storage.close_files();
    let checker = Checker::new(storage, wanted, progress, cancel);
    // A few are hashed sooner than threads are started.
    let threads = threads.min(wanted.count_ones() as usize);
    on_threads(threads, "bt-check", || checker.work());
    checker.conclude()
}

/// The pieces, in order, of which a file is missing or too short. Reads nothing, and makes folders
/// and empty files again if they were made before.
///
/// # Errors
/// If a file cannot be looked at, or the disk is away on which they all are: nothing is lost then.
pub(crate) fn missing(storage: &Storage) -> Result<Vec<PieceIndex>, StorageError> {
    storage.close_files();
    storage.require_home()?;
    storage.restore()?;
    let layout = storage.layout();
    let files = (0..layout.file_count()).map(FileIndex);
    // Of each: a file that is known to have gone may be made again.
    let is_data = |file: &FileIndex| storage.info().file(*file).kind == FileKind::Data;
    let lengths = files.map(|file| match is_data(&file) {
        true => storage.length_on_disk(file),
        false => Ok(0),
    });
    let lengths = lengths.collect::<Result<Vec<_>, _>>()?;
    let beside = storage.length_on_disk(part_file::FILE)?;
    storage.require_home()?;
    storage.renew_claim()?;
    let length_of = |file: FileIndex| Ok(lengths.get(file.0 as usize).copied().unwrap_or(beside));
    let mut missing = Vec::new();
    for piece in layout.pieces() {
        if storage.find_short(piece, length_of)?.is_some() {
            missing.push(piece);
        }
    }
    storage.parts().told(&missing);
    Ok(missing)
}

/// What the threads share.
struct Checker<'a> {
    storage: &'a Storage,
    wanted: &'a Bitfield,
    /// Of the files, in wanted pieces.
    bytes_total: u64,
    progress: &'a (dyn Fn(CheckProgress) + Sync),
    cancel: &'a AtomicBool,
    /// Sizes on disk by file, that of the part file last; [`NOT_SEEN`] until a thread needs one.
    lengths: Box<[AtomicU64]>,
    batches: Batches,
    bytes_done: AtomicU64,
    bytes_hashed: AtomicU64,
    pieces_done: AtomicU32,
    pieces_ok: AtomicU32,
    found: Mutex<Found>,
}

struct Found {
    have: Bitfield,
    bytes_have: u64,
    bad: Vec<BadPiece>,
    /// And among which pieces.
    error: Option<(StorageError, Range<u32>)>,
}

type Verdict = Result<(), Problem>;

impl<'a> Checker<'a> {
    fn new(
        storage: &'a Storage,
        wanted: &'a Bitfield,
        progress: &'a (dyn Fn(CheckProgress) + Sync),
        cancel: &'a AtomicBool,
    ) -> Self {
        let layout = storage.layout();
        assert_eq!(
            wanted.len(),
            layout.piece_count(),
            "pieces of another torrent"
        );
        let bytes_total = if wanted.is_full() {
            layout.data_length()
        } else {
            let bytes = wanted.iter_ones().map(|piece| layout.data_length_of(piece));
            bytes.map(u64::from).sum()
        };
        Self {
            storage,
            wanted,
            bytes_total,
            progress,
            cancel,
            lengths: (0..=layout.file_count())
                .map(|_| AtomicU64::new(NOT_SEEN))
                .collect(),
            batches: Batches::new(layout),
            bytes_done: AtomicU64::new(0),
            bytes_hashed: AtomicU64::new(0),
            pieces_done: AtomicU32::new(0),
            pieces_ok: AtomicU32::new(0),
            found: Mutex::new(Found {
                have: Bitfield::new(layout.piece_count()),
                bytes_have: 0,
                bad: Vec::new(),
                error: None,
            }),
        }
    }

    fn work(&self) {
        let mut buffer = Vec::new();
        while !self.is_over() {
            let Some(batch) = self.batches.take() else {
                return;
            };
            if let Err(error) = self.check_batch(batch.clone(), &mut buffer) {
                self.found().error.get_or_insert((error, batch));
            }
        }
    }

    fn check_batch(&self, batch: Range<u32>, buffer: &mut Vec<u8>) -> Result<(), StorageError> {
        let mut present = Vec::new();
        let mut missing = Vec::new();
        let wanted = batch.map(PieceIndex::new);
        for piece in wanted.filter(|&piece| self.wanted.get(piece)) {
            if self.storage.parts().slot_of(piece).is_some() {
                self.check_slot(piece, buffer)?;
                continue;
            }
            match self.missing_file(piece)? {
                Some(file) => missing.push((piece, Err(Problem::Missing(file)))),
                None => present.push(piece),
            }
        }
        self.record(&missing, 0);
        if let &[piece] = present.as_slice() {
            return self.check_alone(piece, buffer);
        }
        if present.is_empty() {
            return Ok(());
        }
        match self.check_together(&present, buffer) {
            // Somebody cuts files while we look at them: find out which pieces that hits.
            Err(error) if error.kind == ErrorKind::Missing => present
                .into_iter()
                .try_for_each(|piece| self.check_alone(piece, buffer)),
            result => result,
        }
    }

    /// The first file of `piece` that does not reach to where the piece needs it.
    fn missing_file(&self, piece: PieceIndex) -> Result<Option<FileIndex>, StorageError> {
        self.storage.find_short(piece, |file| {
            let known = &self.lengths[(file.0 as usize).min(self.lengths.len() - 1)];
            let mut length = known.load(Ordering::Relaxed);
            if length == NOT_SEEN {
                length = self.storage.length_on_disk(file)?;
                known.store(length, Ordering::Relaxed);
            }
            Ok(length)
        })
    }

    /// Several pieces, each of which leaves room for others in the buffer.
    fn check_together(
        &self,
        pieces: &[PieceIndex],
        buffer: &mut Vec<u8>,
    ) -> Result<(), StorageError> {
        let layout = self.storage.layout();
        let lengths = pieces
            .iter()
            .map(|&piece| layout.piece_length(piece) as usize);
        buffer.resize(lengths.clone().sum(), 0);
        self.storage.read_pieces(pieces, buffer)?;
        self.count_hashed(buffer.len());

        let info = self.storage.info();
        let mut hasher = Hasher::new();
        let mut verdicts = Vec::with_capacity(pieces.len());
        let mut rest = buffer.as_slice();
        for (&piece, length) in pieces.iter().zip(lengths) {
            let (bytes, after) = rest.split_at(length);
            rest = after;
            if let Some(PieceHash::V1(expected)) = info.piece_hash(piece) {
                hasher.submit(
                    (piece, Digest::Sha1(expected)),
                    Algorithm::Sha1,
                    vec![bytes],
                );
            } else {
                let verdict = PieceHasher::new(info, piece).map(|mut hasher| {
                    self.storage.hash_time().measure(|| {
                        hasher.update(bytes);
                        hasher.finish()
                    })
                });
                verdicts.push((piece, verdict_of(verdict)));
            }
        }
        hasher.flush();
        self.storage.hash_time().measure(|| {
            while let Some(hashed) = hasher.poll() {
                let (piece, expected) = hashed.id;
                verdicts.push((piece, verdict_of(Some(hashed.digest == expected))));
            }
        });
        self.record(&verdicts, 0);
        Ok(())
    }

    /// A piece that has a slot in the part file: if that is wrong, what is in files counts.
    fn check_slot(&self, piece: PieceIndex, buffer: &mut Vec<u8>) -> Result<(), StorageError> {
        let mut bytes_told = 0;
        let mut verdict = self.judge(piece, buffer, &mut bytes_told)?;
        if let Some(Err(Problem::Missing(_) | Problem::Corrupt)) = verdict {
            self.storage.parts().keep(|other| other != piece);
            verdict = match self.missing_file(piece)? {
                Some(file) => Some(Err(Problem::Missing(file))),
                None => self.judge(piece, buffer, &mut bytes_told)?,
            };
        }
        if let Some(verdict) = verdict {
            self.record(&[(piece, verdict)], bytes_told);
        }
        Ok(())
    }

    /// One piece of any length, part by part.
    fn check_alone(&self, piece: PieceIndex, buffer: &mut Vec<u8>) -> Result<(), StorageError> {
        let mut bytes_told = 0;
        if let Some(verdict) = self.judge(piece, buffer, &mut bytes_told)? {
            self.record(&[(piece, verdict)], bytes_told);
        }
        Ok(())
    }

    /// Hashes a piece of any length, part by part; `None` if that is cut short. Of its bytes the
    /// progress has counted `bytes_told` already, and counts more.
    fn judge(
        &self,
        piece: PieceIndex,
        buffer: &mut Vec<u8>,
        bytes_told: &mut u64,
    ) -> Result<Option<Verdict>, StorageError> {
        let Some(mut hasher) = PieceHasher::new(self.storage.info(), piece) else {
            return Ok(Some(Err(Problem::HashUnknown)));
        };
        let layout = self.storage.layout();
        let piece_length = layout.piece_length(piece);
        let mut begin = 0;
        let mut bytes_done = 0;
        while begin < piece_length {
            if self.is_over() {
                return Ok(None);
            }
            let length = (piece_length - begin).min(MIN_BATCH as u32);
            let part = Block {
                piece,
                begin,
                length,
            };
            buffer.resize(length as usize, 0);
            match self.storage.read(part, buffer) {
                Err(error) if error.kind == ErrorKind::Missing => {
                    self.storage.check_home(Operation::Read)?;
                    let is_missing = |file: &FileIndex| self.storage.is_at(*file, &error.path);
                    let mut files = self.storage.files_of(piece);
                    // Else it was the part file, which lacks bytes of some of them.
                    let file = files.clone().find(is_missing).or(files.next());
                    let file = file.expect("holds because only files of the piece are read");
                    return Ok(Some(Err(Problem::Missing(file))));
                }
                result => result?,
            }
            self.count_hashed(buffer.len());
            self.storage.hash_time().measure(|| hasher.update(buffer));
            begin += length;
            if begin < piece_length {
                let slices = layout.slices(piece, part.begin, length);
                let data = slices.filter(|slice| !slice.is_pad);
                bytes_done += data.map(|slice| u64::from(slice.length)).sum::<u64>();
                self.advance(bytes_done.saturating_sub(*bytes_told));
                *bytes_told = bytes_done.max(*bytes_told);
            }
        }
        let is_good = self.storage.hash_time().measure(|| hasher.finish());
        Ok(Some(verdict_of(Some(is_good))))
    }

    /// Takes verdicts on pieces, of whose bytes the progress has counted `bytes_told` already.
    fn record(&self, verdicts: &[(PieceIndex, Verdict)], bytes_told: u64) {
        if verdicts.is_empty() {
            return;
        }
        let mut bytes_done = 0;
        let mut pieces_ok = 0;
        let mut found = self.found();
        for &(piece, verdict) in verdicts {
            let bytes = u64::from(self.storage.layout().data_length_of(piece));
            bytes_done += bytes;
            match verdict {
                Ok(()) => {
                    found.have.insert(piece);
                    found.bytes_have += bytes;
                    pieces_ok += 1;
                }
                Err(problem) => found.bad.push(BadPiece { piece, problem }),
            }
        }
        drop(found);
        self.pieces_ok.fetch_add(pieces_ok, Ordering::Relaxed);
        let pieces = verdicts.len() as u32;
        self.pieces_done.fetch_add(pieces, Ordering::Relaxed);
        self.advance(bytes_done - bytes_told);
    }

    fn advance(&self, bytes: u64) {
        (self.progress)(CheckProgress {
            bytes_done: self.bytes_done.fetch_add(bytes, Ordering::Relaxed) + bytes,
            bytes_total: self.bytes_total,
            pieces_done: self.pieces_done.load(Ordering::Relaxed),
            pieces_ok: self.pieces_ok.load(Ordering::Relaxed),
        });
    }

    fn count_hashed(&self, bytes: usize) {
        self.bytes_hashed.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.found().error.is_some()
    }

    fn conclude(self) -> Result<Checked, Interrupted> {
        let mut found = self
            .found
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        found.bad.sort_unstable_by_key(|bad| bad.piece);
        let pieces_done = found.have.count_ones() + found.bad.len() as u32;
        let checked = Checked {
            is_cancelled: pieces_done < self.wanted.count_ones(),
            bytes_hashed: self.bytes_hashed.into_inner(),
            have: found.have,
            bytes_have: found.bytes_have,
            bad: found.bad,
        };
        match found.error {
            Some((error, at)) => Err(Interrupted { checked, at, error }),
            None => Ok(checked),
        }
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn verdict_of(is_good: Option<bool>) -> Verdict {
    match is_good {
        Some(true) => Ok(()),
        Some(false) => Err(Problem::Corrupt),
        None => Err(Problem::HashUnknown),
    }
}

/// No file is so long.
const NOT_SEEN: u64 = u64::MAX;

#[cfg(test)]
mod tests;
