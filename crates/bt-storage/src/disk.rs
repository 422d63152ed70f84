//! A pool of threads that verify, write and read, so that whoever decides need not wait for disks
//! and hashes.

use std::{
    fmt,
    sync::Arc,
    thread::{self, JoinHandle},
};

use bt_hash::Digest;
use bt_types::{Block, PieceHash, PieceIndex};

use crate::{Storage, StorageError};

mod noted;
mod parts;
mod queue;
mod worker;

use queue::{Entry, Queue};
use worker::{Ticket, Work};

/// Threads that do [`Job`]s and tell how they ended.
///
/// `T` is the caller's name for a job, `B` its buffer. Jobs that write to one piece
/// ([`Verify`](Job::Verify), [`Spill`](Job::Spill)) are done in the order in which they were
/// submitted; all others in any order, side by side. Every job is answered by exactly one call of
/// `on_done`, on one of the pool's threads. A buffer is dropped as soon as it is not needed any
/// more, so one that returns to a pool when it is dropped can be used again at once.
///
/// The queue is not bounded: jobs hold buffers, and how many of these there are is up to the
/// caller. Dropping the pool finishes what is queued, and waits for it.
pub struct DiskPool<T: Send + 'static, B: Send + 'static> {
    shared: Arc<Shared<T, B>>,
    threads: Vec<JoinHandle<()>>,
}

/// What can be asked for. Ranges must lie within their piece; blocks must not be empty nor
/// overlap, and may come in any order.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Job<B> {
    /// Hash a piece that is complete, and write it if it is right. Nothing of a wrong piece is
    /// written.
    Verify {
        /// Which one.
        piece: PieceIndex,
        /// The blocks that are in memory, by where they begin. The rest of the piece was spilled,
        /// and is read back from disk.
        blocks: Vec<(u32, B)>,
        /// Whether the digests of a right piece's blocks are wanted, too: for a piece that was
        /// wrong before. They cost as much as the hash of the piece, and another pass.
        wants_digests: bool,
    },
    /// Write blocks of an incomplete piece, unverified, to make room in memory.
    Spill {
        /// The piece to which they belong.
        piece: PieceIndex,
        /// Blocks, by where they begin.
        blocks: Vec<(u32, B)>,
    },
    /// Read a block, mostly for a peer.
    Read {
        /// Which one.
        block: Block,
        /// As long as the block; its content does not matter.
        buffer: B,
    },
    /// Find out which pieces cannot be there, because a file is missing or too short. Nothing is
    /// read. Folders and empty files that [`Storage::prepare`] has made are made again.
    Survey,
}

/// How a job ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Done<B> {
    /// The piece is right and written: a read gives it back from now on.
    Verified {
        /// Which one.
        piece: PieceIndex,
        /// The SHA-1 of each block, by where it begins, of the very bytes that were verified.
        /// Empty unless they were wanted.
        block_digests: Vec<(u32, [u8; 20])>,
    },
    /// The piece is wrong. Its blocks are gone from memory; those that had been spilled are still
    /// on disk, where new ones will overwrite them.
    Corrupt {
        /// Which one.
        piece: PieceIndex,
        /// The SHA-1 of each block, by where it begins: when the piece is right later, a
        /// comparison tells who sent the wrong ones. Spilled blocks that cannot be read again
        /// are left out.
        block_digests: Vec<(u32, [u8; 20])>,
    },
    /// The blocks are on disk.
    Spilled {
        /// The piece to which they belong.
        piece: PieceIndex,
    },
    /// The block has been read.
    Read {
        /// Which one.
        block: Block,
        /// Its bytes.
        buffer: B,
    },
    /// The disk failed. What it has of the job's blocks is not to be relied on.
    Failed {
        /// What was to be done.
        what: FailedJob,
        /// The blocks that were to be written, in order, so that it can be tried again. None of a
        /// job that writes nothing, nor if a thread has panicked.
        blocks: Vec<(u32, B)>,
        /// Why it was not.
        error: StorageError,
    },
    /// Which files are there has been found out.
    Surveyed {
        /// The pieces, in order, of which a file is missing or too short.
        missing: Vec<PieceIndex>,
        /// If the disk has been away: the pieces, in order, of which something had not been brought to
        /// the medium, and may be lost though files are as long as they were. Only of what a
        /// [`Keeper`](crate::resume::Keeper) notes.
        doubtful: Vec<PieceIndex>,
    },
}

/// Which job it was that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FailedJob {
    /// [`Job::Verify`].
    Verify {
        /// The piece, which is neither known to be right nor wholly written.
        piece: PieceIndex,
    },
    /// [`Job::Spill`].
    Spill {
        /// The piece to which the blocks belong.
        piece: PieceIndex,
    },
    /// [`Job::Read`].
    Read {
        /// The block.
        block: Block,
    },
    /// [`Job::Survey`].
    Survey,
}

struct Shared<T, B> {
    queue: Queue<(Ticket<T>, Work<B>)>,
    on_done: Box<dyn Fn(T, Done<B>) + Send + Sync>,
}

impl<T, B> DiskPool<T, B>
where
    T: Send + 'static,
    B: AsRef<[u8]> + AsMut<[u8]> + Send + 'static,
{
    /// Starts `threads` threads, but at least one. They call `on_done`, which should be quick,
    /// for instance put what it gets into a channel.
    ///
    /// # Panics
    /// If the system cannot start a single thread.
    pub fn new(threads: usize, on_done: impl Fn(T, Done<B>) + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            queue: Queue::new(),
            on_done: Box::new(on_done),
        });
        let start = |number| {
            let shared = Arc::clone(&shared);
            let named = thread::Builder::new().name(format!("bt-disk-{number}"));
            named.spawn(move || worker::work(&shared)).ok()
        };
        let threads: Vec<_> = (0..threads.max(1)).map_while(start).collect();
        assert!(!threads.is_empty(), "the system starts no thread");
        Self { shared, threads }
    }

    /// Queues a job about `storage`. Returns at once.
    ///
    /// # Panics
    /// If the job breaks the rules of [`Job`].
    pub fn submit(&self, storage: Arc<Storage>, tag: T, job: Job<B>) {
        let (what, work) = match job {
            Job::Verify {
                piece,
                blocks,
                wants_digests,
            } => {
                let blocks = in_order(&storage, piece, blocks);
                let work = verify(&storage, piece, blocks, wants_digests);
                (FailedJob::Verify { piece }, work)
            }
            Job::Spill { piece, blocks } => {
                let blocks = in_order(&storage, piece, blocks);
                (FailedJob::Spill { piece }, Work::Spill { piece, blocks })
            }
            Job::Read { block, buffer } => {
                assert_within(&storage, block);
                let length = buffer.as_ref().len();
                assert_eq!(length, block.length as usize, "a buffer for {block}");
                (FailedJob::Read { block }, Work::Read { block, buffer })
            }
            Job::Survey => (FailedJob::Survey, Work::Survey),
        };
        let place = match what {
            FailedJob::Verify { piece } | FailedJob::Spill { piece } => {
                // The job keeps the storage alive, so no other has its address meanwhile.
                Some((Arc::as_ptr(&storage).addr(), piece))
            }
            FailedJob::Read { .. } | FailedJob::Survey => None,
        };
        let fills_lane = match &work {
            Work::VerifyTogether { piece, .. } => {
                Some(storage.layout().piece_length(*piece) as usize)
            }
            _ => None,
        };
        let ticket = Ticket { storage, tag, what };
        self.shared.queue.push(Entry {
            job: (ticket, work),
            place,
            fills_lane,
        });
    }

    /// How many jobs wait for a thread.
    #[must_use]
    pub fn queue_length(&self) -> usize {
        self.shared.queue.len()
    }
}

fn verify<B: AsRef<[u8]>>(
    storage: &Storage,
    piece: PieceIndex,
    blocks: Vec<(u32, B)>,
    wants_digests: bool,
) -> Work<B> {
    let is_in_memory = || parts::is_in_memory(storage, piece, &blocks);
    match storage.info().piece_hash(piece) {
        Some(PieceHash::V1(hash)) if !wants_digests && is_in_memory() => Work::VerifyTogether {
            piece,
            blocks,
            expected: Digest::Sha1(hash),
        },
        _ => Work::VerifyInOrder {
            piece,
            blocks,
            wants_digests,
        },
    }
}

fn in_order<B>(storage: &Storage, piece: PieceIndex, mut blocks: Vec<(u32, B)>) -> Vec<(u32, B)>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
{
    blocks.sort_unstable_by_key(|(begin, _)| *begin);
    let mut end = 0;
    for (begin, bytes) in &mut blocks {
        let length = u32::try_from(bytes.as_ref().len()).unwrap_or(u32::MAX);
        assert_within(
            storage,
            Block {
                piece,
                begin: *begin,
                length,
            },
        );
        assert!(end <= *begin, "blocks of piece {piece} overlap at {begin}");
        end = *begin + length;
        storage.clear_padding(piece, *begin, bytes.as_mut());
    }
    blocks
}

fn assert_within(storage: &Storage, block: Block) {
    let checked = storage
        .layout()
        .check_range(block.piece.get(), block.begin, block.length);
    if let Err(error) = checked {
        panic!("{error}");
    }
}

/// Finishes the queued jobs and joins the threads.
impl<T: Send + 'static, B: Send + 'static> Drop for DiskPool<T, B> {
    fn drop(&mut self) {
        self.shared.queue.close();
        for thread in self.threads.drain(..) {
            // One of them may be the one to drop us, from `on_done`; it ends by itself.
            if thread.thread().id() != thread::current().id() {
                // It catches its panics, so there is nothing to hear of.
                let _ = thread.join();
            }
        }
    }
}

impl<T: Send + 'static, B: Send + 'static> fmt::Debug for DiskPool<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskPool")
            .field("threads", &self.threads.len())
            .field("waiting", &self.shared.queue.len())
            .finish()
    }
}

#[cfg(test)]
mod tests;
