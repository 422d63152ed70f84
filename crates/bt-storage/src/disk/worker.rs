use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bt_hash::{Digest, Hasher, sha1};
use bt_types::{BLOCK_LENGTH, Block, PieceIndex};

use super::{
    Done, FailedJob, Shared,
    noted::{self, Notes},
    parts::{Part, gaps, parts_of},
};
use crate::{Operation, Storage, StorageError, check, hash_time, hashing::PieceHasher};

/// To whom the answer to a job goes, and whom it is about.
pub(super) struct Ticket<T> {
    pub(super) storage: Arc<Storage>,
    pub(super) tag: T,
    pub(super) what: FailedJob,
}

/// What there is to do; blocks are in order, and their padding is clear.
pub(super) enum Work<B> {
    /// All of the piece is in memory: it is hashed in a lane.
    VerifyTogether {
        piece: PieceIndex,
        blocks: Vec<(u32, B)>,
        expected: Digest,
    },
    /// Some of it must be read back first, or blocks are hashed one by one (BEP 52, and where
    /// their digests are wanted).
    VerifyInOrder {
        piece: PieceIndex,
        blocks: Vec<(u32, B)>,
        wants_digests: bool,
    },
    Spill {
        piece: PieceIndex,
        blocks: Vec<(u32, B)>,
    },
    Read {
        block: Block,
        buffer: B,
    },
    Survey,
}

/// Why a job was not done, and the blocks that were to be written, which may be tried again.
struct Failure<B> {
    blocks: Vec<(u32, B)>,
    error: StorageError,
}

/// Of a job that writes nothing.
impl<B> From<StorageError> for Failure<B> {
    fn from(error: StorageError) -> Self {
        Self {
            blocks: Vec::new(),
            error,
        }
    }
}

/// A piece that was hashed in a lane.
struct Hashed<B> {
    /// Of its job.
    number: usize,
    storage: Arc<Storage>,
    piece: PieceIndex,
    blocks: Vec<(u32, B)>,
    is_good: bool,
}

/// The life of a thread.
pub(super) fn work<T, B>(shared: &Shared<T, B>)
where
    B: AsRef<[u8]> + AsMut<[u8]>,
{
    let lanes = Hasher::<(), Part<B>>::new().lanes();
    while let Some(mut batch) = shared.queue.take(lanes) {
        let (tickets, jobs): (Vec<_>, Vec<_>) = batch.jobs.drain(..).unzip();
        let mut desk = Desk {
            tickets: tickets.into_iter().map(Some).collect(),
            shared,
        };
        // A panic here is a mistake of ours, or of `on_done`. The session goes on, and whoever
        // waits for an answer gets one.
        if catch_unwind(AssertUnwindSafe(|| desk.serve(jobs))).is_err() {
            desk.give_up();
        }
    }
}

/// A batch on its way: who still waits for an answer.
struct Desk<'a, T, B> {
    tickets: Vec<Option<Ticket<T>>>,
    shared: &'a Shared<T, B>,
}

impl<T, B: AsRef<[u8]> + AsMut<[u8]>> Desk<'_, T, B> {
    fn serve(&mut self, jobs: Vec<Work<B>>) {
        let mut hasher = Hasher::new();
        for (number, job) in jobs.into_iter().enumerate() {
            let ticket = self.tickets[number].as_ref();
            let ticket = ticket.expect("holds because it is answered below only");
            let storage = Arc::clone(&ticket.storage);
            let done = match job {
                Work::VerifyTogether {
                    piece,
                    blocks,
                    expected,
                } => {
                    let parts = parts_of(&storage, piece, blocks);
                    let id = (number, storage, piece, expected);
                    hasher.submit(id, expected.algorithm(), parts);
                    continue;
                }
                Work::VerifyInOrder {
                    piece,
                    blocks,
                    wants_digests,
                } => verify_in_order(&storage, piece, blocks, wants_digests),
                Work::Spill { piece, blocks } => noted::spill(&storage, piece, &blocks)
                    .map_err(|error| Failure { blocks, error }),
                Work::Read { block, mut buffer } => storage
                    .read(block, buffer.as_mut())
                    .map(|()| Done::Read { block, buffer })
                    .map_err(|error| {
                        noted::not_read(&storage, block, &error);
                        Failure::from(error)
                    }),
                Work::Survey => survey(&storage).map_err(Failure::from),
            };
            self.answer(number, done);
        }
        hasher.flush();
        let mut hashed_pieces = Vec::new();
        while let (Some(hashed), time) = hash_time::timed(|| hasher.poll()) {
            let (number, storage, piece, expected) = hashed.id;
            // What was hashed side by side with it may be of other torrents.
            storage.hash_time().add(time);
            let blocks = hashed.parts.into_iter().filter_map(|part| match part {
                Part::Block { begin, bytes } => Some((begin, bytes)),
                Part::Zeros(_) => None,
            });
            hashed_pieces.push(Hashed {
                number,
                is_good: hashed.digest == expected,
                blocks: blocks.collect(),
                storage,
                piece,
            });
        }
        self.conclude_together(hashed_pieces);
    }

    /// Writes the pieces that are right, and answers for all. What must be noted of pieces is noted
    /// of several at once: for short ones each call to the system counts.
    fn conclude_together(&mut self, pieces: Vec<Hashed<B>>) {
        let good = pieces.iter().filter(|hashed| hashed.is_good);
        noted::begun(good.map(|hashed| (&hashed.storage, hashed.piece)));
        let mut notes = Notes::default();
        let mut answers = Vec::new();
        let mut bytes_written = 0;
        for hashed in pieces {
            let Hashed {
                number,
                storage,
                piece,
                blocks,
                is_good,
            } = hashed;
            let done = if is_good {
                bytes_written += storage.layout().piece_length(piece) as usize;
                match notes.write(&storage, piece, &blocks) {
                    Ok(()) => Ok(Done::Verified {
                        piece,
                        block_digests: Vec::new(),
                    }),
                    Err(error) => Err(Failure { blocks, error }),
                }
            } else {
                Ok(corrupt(&storage, piece, &blocks))
            };
            answers.push((number, done));
            if bytes_written >= NOTED_AT_ONCE {
                bytes_written = 0;
                notes.put_down();
                for (number, done) in answers.drain(..) {
                    self.answer(number, done);
                }
            }
        }
        notes.put_down();
        for (number, done) in answers {
            self.answer(number, done);
        }
    }

    fn answer(&mut self, number: usize, done: Result<Done<B>, Failure<B>>) {
        let ticket = self.tickets[number].take();
        let Ticket { tag, what, .. } = ticket.expect("holds because each job is answered once");
        let done = done.unwrap_or_else(|Failure { blocks, error }| Done::Failed {
            what,
            blocks,
            error,
        });
        (self.shared.on_done)(tag, done);
    }

    fn give_up(&mut self) {
        for number in 0..self.tickets.len() {
            if let Some(ticket) = &self.tickets[number] {
                let panicked = io::Error::other("a disk thread panicked");
                let root = ticket.storage.root();
                let error = StorageError::new(Operation::Write, root, panicked);
                // One answer that cannot be given must not cost the others theirs.
                let _ = catch_unwind(AssertUnwindSafe(|| self.answer(number, Err(error.into()))));
            }
        }
    }
}

/// Hashes from start to end, reading back what is not in memory as it comes to it.
fn verify_in_order<B: AsRef<[u8]>>(
    storage: &Arc<Storage>,
    piece: PieceIndex,
    blocks: Vec<(u32, B)>,
    wants_digests: bool,
) -> Result<Done<B>, Failure<B>> {
    match hash_in_order(storage, piece, &blocks, wants_digests) {
        Ok((is_good, digests)) => conclude(storage, piece, blocks, is_good, digests),
        Err(error) => {
            noted::refused(storage, piece, &error);
            Err(Failure { blocks, error })
        }
    }
}

/// Which pieces are not there, of which nothing counts any more, and which may not be.
fn survey<B>(storage: &Storage) -> Result<Done<B>, StorageError> {
    let missing = check::missing(storage)?;
    for &piece in &missing {
        noted::dropped(storage, piece);
    }
    // What a disk had not taken when it was unplugged may be gone, and nothing is shorter for that.
    let doubtful = match storage.keeper() {
        Some(keeper) if storage.look_after_absence() => keeper.unsynced_pieces(),
        _ => Vec::new(),
    };
    Ok(Done::Surveyed { missing, doubtful })
}

/// Whether a piece is right, and the digests of its blocks, if they are wanted.
fn hash_in_order<B: AsRef<[u8]>>(
    storage: &Storage,
    piece: PieceIndex,
    blocks: &[(u32, B)],
    wants_digests: bool,
) -> Result<(bool, BlockDigests), StorageError> {
    let Some(mut hasher) = PieceHasher::new(storage.info(), piece) else {
        let unknown = io::Error::other(format!("the hash of piece {piece} is not known"));
        return Err(StorageError::new(Operation::Read, storage.root(), unknown));
    };
    let mut digests = Vec::new();
    let mut scratch = Vec::new();
    let mut present = blocks.iter().peekable();
    let mut missing = gaps(storage, piece, blocks).peekable();
    loop {
        let gap = missing.next_if(|gap| present.peek().is_none_or(|block| gap.0 < block.0));
        if let Some((begin, length)) = gap {
            for part in steps(piece, begin, length) {
                scratch.resize(part.length as usize, 0);
                storage.read(part, &mut scratch)?;
                storage.hash_time().measure(|| {
                    hasher.update(&scratch);
                    if wants_digests {
                        let end = part.begin + part.length;
                        let blocks = blocks_within(storage, piece, part.begin, end);
                        digests.extend(blocks.map(|block| digest_in(&scratch, part.begin, block)));
                    }
                });
            }
        } else if present.peek().is_some() {
            let end = missing.peek().map_or(u32::MAX, |gap| gap.0);
            storage.hash_time().measure(|| {
                while let Some((begin, bytes)) = present.next_if(|block| block.0 < end) {
                    hasher.update(bytes.as_ref());
                    if wants_digests {
                        digests.push((*begin, sha1(bytes.as_ref())));
                    }
                }
            });
        } else {
            break;
        }
    }
    let is_good = storage.hash_time().measure(|| hasher.finish());
    Ok((is_good, digests))
}

/// Writes a piece that is right, or tells what is in one that is wrong.
fn conclude<B: AsRef<[u8]>>(
    storage: &Arc<Storage>,
    piece: PieceIndex,
    blocks: Vec<(u32, B)>,
    is_good: bool,
    good_digests: BlockDigests,
) -> Result<Done<B>, Failure<B>> {
    if !is_good {
        return Ok(corrupt(storage, piece, &blocks));
    }
    noted::begun([(storage, piece)]);
    let mut notes = Notes::default();
    let written = notes.write(storage, piece, &blocks);
    notes.put_down();
    match written {
        Ok(()) => Ok(Done::Verified {
            piece,
            block_digests: good_digests,
        }),
        Err(error) => Err(Failure { blocks, error }),
    }
}

/// Tells what is in a piece that is wrong. Nothing of it counts any more.
fn corrupt<B: AsRef<[u8]>>(
    storage: &Arc<Storage>,
    piece: PieceIndex,
    blocks: &[(u32, B)],
) -> Done<B> {
    noted::dropped(storage, piece);
    let digest = |(begin, bytes): &(u32, B)| (*begin, sha1(bytes.as_ref()));
    let mut block_digests: Vec<_> = blocks.iter().map(digest).collect();
    let mut scratch = Vec::new();
    for (begin, length) in gaps(storage, piece, blocks) {
        for spilled in blocks_within(storage, piece, begin, begin + length) {
            scratch.resize(spilled.length as usize, 0);
            if storage.read(spilled, &mut scratch).is_ok() {
                block_digests.push((spilled.begin, sha1(&scratch)));
            }
        }
    }
    block_digests.sort_unstable_by_key(|(begin, _)| *begin);
    Done::Corrupt {
        piece,
        block_digests,
    }
}

/// Where `block` begins, and the SHA-1 of it within `bytes`, which begin at `start`.
fn digest_in(bytes: &[u8], start: u32, block: Block) -> (u32, [u8; 20]) {
    let first = (block.begin - start) as usize;
    let block_bytes = &bytes[first..first + block.length as usize];
    (block.begin, sha1(block_bytes))
}

/// The blocks, as they are requested, that lie between `begin` and `end` of `piece`.
fn blocks_within(
    storage: &Storage,
    piece: PieceIndex,
    begin: u32,
    end: u32,
) -> impl Iterator<Item = Block> + '_ {
    (begin.div_ceil(BLOCK_LENGTH)..end.div_ceil(BLOCK_LENGTH))
        .filter_map(move |slot| storage.layout().block(piece, slot))
        .filter(move |block| block.begin + block.length <= end)
}

/// A range of `piece` in steps of at most [`READ_BACK`] bytes.
fn steps(piece: PieceIndex, begin: u32, length: u32) -> impl Iterator<Item = Block> {
    let end = begin + length;
    (begin..end)
        .step_by(READ_BACK as usize)
        .map(move |begin| Block {
            piece,
            begin,
            length: READ_BACK.min(end - begin),
        })
}

/// Where each block begins, and its SHA-1.
type BlockDigests = Vec<(u32, [u8; 20])>;

/// Bytes that are written before they are noted and answered for: so many that a call or two more
/// do not count.
const NOTED_AT_ONCE: usize = 1 << 20;
/// How much of a spilled piece is in memory a second time, whatever its length.
const READ_BACK: u32 = 1 << 20;
