use std::{
    fs,
    io::{self, ErrorKind},
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bt_hash::{Algorithm, Digest, Hasher, Sha1Stream};
use bt_types::{FileIndex, FileSlice, PieceIndex, PieceLayout};

use super::{Content, ContentFile, CreateError, stamp::Stamp};
use crate::{
    FilePool, Operation, StorageError,
    hash_time::HashTime,
    pool::{Handle, StorageId},
    runs::runs,
    sweep::{Batches, MIN_BATCH, on_threads},
    sys::{self, Access},
};

/// How far the hashing is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct HashProgress {
    /// Bytes that were read and hashed.
    pub bytes_done: u64,
    /// Bytes of all files.
    pub bytes_total: u64,
    /// The CPU time that hashing has cost so far, on all threads, without reading. Zero where the
    /// system does not tell (all but unix).
    pub hash_cpu_time: Duration,
}

/// The SHA-1 hashes of all pieces, made on `threads` threads, the caller's among them.
///
/// Reads and hashes 8 MiB a thread at a time at most, however long pieces are. `progress` is
/// called from all threads, about once a MiB, not necessarily in order. Once `cancel` is set, it
/// ends within a few MiB, and the result is `None`.
///
/// # Errors
/// If a file cannot be read, or was written to since the content was found.
///
/// # Panics
/// If `layout` is not that of the content's files, packed.
pub fn hash_pieces(
    content: &Content,
    layout: &PieceLayout,
    threads: usize,
    progress: &(dyn Fn(HashProgress) + Sync),
    cancel: &AtomicBool,
) -> Result<Option<Vec<[u8; 20]>>, CreateError> {
    let pool = FilePool::new(FilePool::DEFAULT_MAX_OPEN);
    hash_through(&pool, content, layout, threads, progress, cancel)
}

/// As [`hash_pieces`], with files opened through `pool`.
pub(super) fn hash_through(
    pool: &FilePool,
    content: &Content,
    layout: &PieceLayout,
    threads: usize,
    progress: &(dyn Fn(HashProgress) + Sync),
    cancel: &AtomicBool,
) -> Result<Option<Vec<[u8; 20]>>, CreateError> {
    assert!(
        layout.file_count() as usize == content.files.len()
            && layout.data_length() == content.length(),
        "a layout of other files"
    );
    let hashing = Hashing {
        content,
        layout,
        pool,
        id: pool.register(),
        progress,
        cancel,
        batches: Batches::new(layout),
        bytes_done: AtomicU64::new(0),
        hash_time: HashTime::default(),
        found: Mutex::new(Found {
            hashes: vec![[0; 20]; layout.piece_count() as usize],
            missing: layout.piece_count(),
            error: None,
        }),
    };
    on_threads(threads, "bt-create", || hashing.work());
    hashing.conclude()
}

/// What the threads share.
struct Hashing<'a> {
    content: &'a Content,
    layout: &'a PieceLayout,
    pool: &'a FilePool,
    id: StorageId,
    progress: &'a (dyn Fn(HashProgress) + Sync),
    cancel: &'a AtomicBool,
    batches: Batches,
    bytes_done: AtomicU64,
    hash_time: HashTime,
    found: Mutex<Found>,
}

struct Found {
    hashes: Vec<[u8; 20]>,
    /// How many of them are not there yet.
    missing: u32,
    error: Option<CreateError>,
}

impl Hashing<'_> {
    fn work(&self) {
        let mut buffer = Vec::new();
        while !self.is_over() {
            let Some(batch) = self.batches.take() else {
                return;
            };
            let hashed = if batch.len() == 1 {
                self.hash_alone(PieceIndex::new(batch.start), &mut buffer)
            } else {
                self.hash_together(batch, &mut buffer)
            };
            if let Err(error) = hashed {
                self.found().error.get_or_insert(error);
            }
        }
    }

    /// Several pieces, which have room in the buffer together.
    fn hash_together(&self, batch: Range<u32>, buffer: &mut Vec<u8>) -> Result<(), CreateError> {
        let pieces = || batch.clone().map(PieceIndex::new);
        let length_of = |piece| self.layout.piece_length(piece) as usize;
        buffer.resize(pieces().map(length_of).sum(), 0);
        self.read(pieces().flat_map(|piece| self.slices_of(piece)), buffer)?;
        let mut hasher = Hasher::new();
        let mut rest = buffer.as_slice();
        for piece in pieces() {
            let (bytes, after) = rest.split_at(length_of(piece));
            rest = after;
            hasher.submit(piece, Algorithm::Sha1, vec![bytes]);
        }
        hasher.flush();
        self.hash_time.measure(|| {
            while let Some(hashed) = hasher.poll() {
                if let Digest::Sha1(hash) = hashed.digest {
                    self.record(hashed.id, hash);
                }
            }
        });
        self.advance(buffer.len());
        Ok(())
    }

    /// One piece of any length, part by part.
    fn hash_alone(&self, piece: PieceIndex, buffer: &mut Vec<u8>) -> Result<(), CreateError> {
        let piece_length = self.layout.piece_length(piece);
        let mut hash = Sha1Stream::new();
        let mut begin = 0;
        while begin < piece_length {
            if self.is_over() {
                return Ok(());
            }
            let length = (piece_length - begin).min(MIN_BATCH as u32);
            buffer.resize(length as usize, 0);
            self.read(self.layout.slices(piece, begin, length), buffer)?;
            self.hash_time.measure(|| hash.update(buffer));
            begin += length;
            self.advance(buffer.len());
        }
        self.record(piece, hash.finish());
        Ok(())
    }

    fn slices_of(&self, piece: PieceIndex) -> impl Iterator<Item = FileSlice> + '_ {
        let length = self.layout.piece_length(piece);
        self.layout.slices(piece, 0, length)
    }

    /// Fills `buf`, which is exactly as long as the slices are together.
    fn read(
        &self,
        slices: impl Iterator<Item = FileSlice>,
        mut buf: &mut [u8],
    ) -> Result<(), CreateError> {
        for run in runs(slices) {
            let (part, rest) = buf.split_at_mut(run.length);
            buf = rest;
            let file = &self.content.files[run.file.0 as usize];
            let read = self.open(run.file).and_then(|handle| {
                handle.read_exact_at(part, run.offset)?;
                handle.len()
            });
            // Long before the end, where the others are looked for.
            let is_cut = |error: &io::Error| error.kind() == ErrorKind::UnexpectedEof;
            match read {
                Ok(length) if length == file.length => {}
                Err(error) if !is_cut(&error) => {
                    return Err(StorageError::new(Operation::Read, &file.on_disk, error).into());
                }
                _ => return Err(CreateError::Changed(file.on_disk.clone())),
            }
        }
        Ok(())
    }

    fn open(&self, file: FileIndex) -> io::Result<Arc<Handle>> {
        let path = &self.content.files[file.0 as usize].on_disk;
        let open = || fs::File::open(path).map(sys::File::from_std);
        let place = || path.clone();
        self.pool.file((self.id, file.0), Access::Read, place, open)
    }

    fn record(&self, piece: PieceIndex, hash: [u8; 20]) {
        let mut found = self.found();
        found.hashes[piece.as_usize()] = hash;
        found.missing -= 1;
    }

    fn advance(&self, bytes: usize) {
        let bytes = bytes as u64;
        (self.progress)(HashProgress {
            bytes_done: self.bytes_done.fetch_add(bytes, Ordering::Relaxed) + bytes,
            bytes_total: self.layout.data_length(),
            hash_cpu_time: self.hash_time.total(),
        });
    }

    fn is_over(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.found().error.is_some()
    }

    fn conclude(self) -> Result<Option<Vec<[u8; 20]>>, CreateError> {
        self.pool.close(self.id);
        let found = self.found.into_inner();
        let found = found.unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = found.error {
            return Err(error);
        }
        if found.missing > 0 {
            return Ok(None);
        }
        match self.content.files.iter().find(|file| has_changed(file)) {
            Some(changed) => Err(CreateError::Changed(changed.on_disk.clone())),
            None => Ok(Some(found.hashes)),
        }
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it can be seen that a file was written to since it was found. It may have been while
/// it was read, or after; both make a torrent that nobody can seed.
fn has_changed(file: &ContentFile) -> bool {
    let now = fs::metadata(&file.on_disk);
    !now.is_ok_and(|now| Stamp::of(&now) == file.stamp)
}
