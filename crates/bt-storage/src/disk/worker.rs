use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bt_hash::{Digest, Hasher, sha1};
use bt_types::{BLOCK_LENGTH, Block, PieceIndex};

use super::{
    Done, FailedJob, Shared,
    parts::{Part, gaps, parts_of},
};
use crate::{Operation, Storage, StorageError, hash_time, hashing::PieceHasher};

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
                Work::Spill { piece, blocks } => {
                    write(&storage, piece, &blocks).map(|()| Done::Spilled { piece })
                }
                Work::Read { block, mut buffer } => storage
                    .read(block, buffer.as_mut())
                    .map(|()| Done::Read { block, buffer }),
            };
            self.answer(number, done);
        }
        hasher.flush();
        while let (Some(hashed), time) = hash_time::timed(|| hasher.poll()) {
            let (number, storage, piece, expected) = hashed.id;
            // What was hashed side by side with it may be of other torrents.
            storage.hash_time().add(time);
            let blocks = hashed.parts.into_iter().filter_map(|part| match part {
                Part::Block { begin, bytes } => Some((begin, bytes)),
                Part::Zeros(_) => None,
            });
            let is_good = hashed.digest == expected;
            let done = conclude(&storage, piece, blocks.collect(), is_good, Vec::new());
            self.answer(number, done);
        }
    }

    fn answer(&mut self, number: usize, done: Result<Done<B>, StorageError>) {
        let ticket = self.tickets[number].take();
        let Ticket { tag, what, .. } = ticket.expect("holds because each job is answered once");
        let done = done.unwrap_or_else(|error| Done::Failed { what, error });
        (self.shared.on_done)(tag, done);
    }

    fn give_up(&mut self) {
        for number in 0..self.tickets.len() {
            if let Some(ticket) = &self.tickets[number] {
                let panicked = io::Error::other("a disk thread panicked");
                let root = ticket.storage.root();
                let error = StorageError::new(Operation::Write, root, panicked);
                // One answer that cannot be given must not cost the others theirs.
                let _ = catch_unwind(AssertUnwindSafe(|| self.answer(number, Err(error))));
            }
        }
    }
}

/// Hashes from start to end, reading back what is not in memory as it comes to it.
fn verify_in_order<B: AsRef<[u8]>>(
    storage: &Storage,
    piece: PieceIndex,
    blocks: Vec<(u32, B)>,
    wants_digests: bool,
) -> Result<Done<B>, StorageError> {
    let Some(mut hasher) = PieceHasher::new(storage.info(), piece) else {
        let unknown = io::Error::other(format!("the hash of piece {piece} is not known"));
        return Err(StorageError::new(Operation::Read, storage.root(), unknown));
    };
    let mut digests = Vec::new();
    let mut scratch = Vec::new();
    let mut present = blocks.iter().peekable();
    let mut missing = gaps(storage, piece, &blocks).peekable();
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
    drop(missing);
    let is_good = storage.hash_time().measure(|| hasher.finish());
    conclude(storage, piece, blocks, is_good, digests)
}

/// Writes a piece that is right, or tells what is in one that is wrong.
fn conclude<B: AsRef<[u8]>>(
    storage: &Storage,
    piece: PieceIndex,
    blocks: Vec<(u32, B)>,
    is_good: bool,
    good_digests: Vec<(u32, [u8; 20])>,
) -> Result<Done<B>, StorageError> {
    if is_good {
        write(storage, piece, &blocks)?;
        storage.add_verified(piece)?;
        return Ok(Done::Verified {
            piece,
            block_digests: good_digests,
        });
    }
    let digest = |(begin, bytes): &(u32, B)| (*begin, sha1(bytes.as_ref()));
    let mut block_digests: Vec<_> = blocks.iter().map(digest).collect();
    let mut scratch = Vec::new();
    for (begin, length) in gaps(storage, piece, &blocks) {
        for spilled in blocks_within(storage, piece, begin, begin + length) {
            scratch.resize(spilled.length as usize, 0);
            if storage.read(spilled, &mut scratch).is_ok() {
                block_digests.push((spilled.begin, sha1(&scratch)));
            }
        }
    }
    block_digests.sort_unstable_by_key(|(begin, _)| *begin);
    Ok(Done::Corrupt {
        piece,
        block_digests,
    })
}

/// Where `block` begins, and the SHA-1 of it within `bytes`, which begin at `start`.
fn digest_in(bytes: &[u8], start: u32, block: Block) -> (u32, [u8; 20]) {
    let first = (block.begin - start) as usize;
    let block_bytes = &bytes[first..first + block.length as usize];
    (block.begin, sha1(block_bytes))
}

fn write<B: AsRef<[u8]>>(
    storage: &Storage,
    piece: PieceIndex,
    blocks: &[(u32, B)],
) -> Result<(), StorageError> {
    let bytes = blocks.iter().map(|(begin, bytes)| (*begin, bytes.as_ref()));
    storage.write(piece, &bytes.collect::<Vec<_>>())
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

/// How much of a spilled piece is in memory a second time, whatever its length.
const READ_BACK: u32 = 1 << 20;
