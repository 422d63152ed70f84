//! Pieces between their first block and the verdict: what is in memory, and who sent it.

use std::{collections::BTreeMap, net::SocketAddr};

use bt_types::{BLOCK_LENGTH, Block, PieceIndex};

use crate::DiskJob;

/// Blocks in memory, piece by piece, and what must go to disk early because memory is short.
#[derive(Debug)]
pub(crate) struct Assembly<P> {
    pieces: BTreeMap<PieceIndex, Gathered<P>>,
    /// Bytes in `pieces`.
    held_bytes: usize,
    /// Bytes handed to the disk that it has not answered for.
    disk_bytes: usize,
}

/// Who sent which block of a piece: of each block the one whose bytes are kept. What others send
/// of it later is thrown away, and theirs is no part of the verdict.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Senders {
    /// Each once.
    peers: Vec<SocketAddr>,
    /// Where each block begins, and whose of `peers` it is; in order of arrival, those that were
    /// written early included.
    blocks: Vec<(u32, u32)>,
    /// Some blocks were sent in an earlier run, by nobody knows whom.
    has_unknown: bool,
}

#[derive(Debug)]
struct Gathered<P> {
    /// In memory, in order of arrival.
    blocks: Vec<(u32, P)>,
    senders: Senders,
    stage: Stage,
    /// Blocks of it have been written early.
    has_spilled: bool,
    /// What was written early may be gone: if the piece is bad, that is nobody's fault.
    is_doubtful: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Gathering,
    /// Blocks are being written early; `complete` if the last block has come meanwhile.
    Spilling {
        disk_bytes: usize,
        complete: bool,
    },
    Verifying {
        disk_bytes: usize,
    },
}

impl<P> Assembly<P> {
    pub(crate) fn new() -> Self {
        Self {
            pieces: BTreeMap::new(),
            held_bytes: 0,
            disk_bytes: 0,
        }
    }

    /// Bytes of payload that are in memory because of us.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.held_bytes + self.disk_bytes
    }

    /// Of these, what the disk has been given and has not answered for.
    pub(crate) fn disk_bytes(&self) -> usize {
        self.disk_bytes
    }

    pub(crate) fn insert(&mut self, block: Block, payload: P, from: SocketAddr) {
        let piece = self.pieces.entry(block.piece).or_insert_with(|| Gathered {
            blocks: Vec::new(),
            senders: Senders::default(),
            stage: Stage::Gathering,
            has_spilled: false,
            is_doubtful: false,
        });
        debug_assert!(
            !matches!(piece.stage, Stage::Verifying { .. }),
            "{block:?} comes too late"
        );
        self.held_bytes += FOOTPRINT;
        piece.blocks.push((block.begin, payload));
        piece.senders.add(block.begin, from);
    }

    /// Blocks of `piece` are on disk since an earlier run, as if they had been written early.
    pub(crate) fn resume(&mut self, piece: PieceIndex) {
        let senders = Senders {
            has_unknown: true,
            ..Senders::default()
        };
        self.pieces.entry(piece).or_insert_with(|| Gathered {
            blocks: Vec::new(),
            senders,
            stage: Stage::Gathering,
            has_spilled: true,
            is_doubtful: false,
        });
    }

    /// The last block of `piece` is there. Returns the job that gives the verdict, unless blocks
    /// of the piece are just being written: then [`spilled`](Self::spilled) returns it.
    /// `wants_digests`: see [`DiskJob::Verify`].
    pub(crate) fn complete(
        &mut self,
        piece: PieceIndex,
        wants_digests: bool,
    ) -> Option<DiskJob<P>> {
        let gathered = self.pieces.get_mut(&piece)?;
        match &mut gathered.stage {
            Stage::Gathering => Some(self.verify(piece, wants_digests)),
            Stage::Spilling { complete, .. } => {
                *complete = true;
                None
            }
            Stage::Verifying { .. } => None,
        }
    }

    /// If incomplete pieces hold more than `limit` bytes: the job that frees those of the piece
    /// that is furthest from completion.
    pub(crate) fn spill_beyond(&mut self, limit: usize) -> Option<(PieceIndex, DiskJob<P>)> {
        if self.held_bytes <= limit {
            return None;
        }
        let gathering = self
            .pieces
            .iter()
            .filter(|(_, piece)| piece.stage == Stage::Gathering && !piece.blocks.is_empty());
        let (&piece, _) = gathering.min_by_key(|(_, piece)| piece.senders.blocks.len())?;
        Some((piece, self.spill(piece)))
    }

    /// The jobs that write all blocks of incomplete pieces to their places, so that they are found
    /// there in another run.
    pub(crate) fn spill_all(&mut self) -> Vec<DiskJob<P>> {
        let gathering = self
            .pieces
            .iter()
            .filter(|(_, piece)| piece.stage == Stage::Gathering && !piece.blocks.is_empty());
        let pieces: Vec<_> = gathering.map(|(&piece, _)| piece).collect();
        pieces.into_iter().map(|piece| self.spill(piece)).collect()
    }

    /// Blocks of `piece` have been written early. Returns the job that gives the verdict if the
    /// piece became complete meanwhile.
    pub(crate) fn spilled(&mut self, piece: PieceIndex, wants_digests: bool) -> Option<DiskJob<P>> {
        let gathered = self.pieces.get_mut(&piece)?;
        let Stage::Spilling {
            disk_bytes,
            complete,
        } = gathered.stage
        else {
            return None;
        };
        self.disk_bytes -= disk_bytes;
        gathered.stage = Stage::Gathering;
        gathered.has_spilled = true;
        complete.then(|| self.verify(piece, wants_digests))
    }

    /// Whether the disk has given back all that it was given of `piece`, so that it can be tried
    /// again.
    pub(crate) fn is_whole(&self, piece: PieceIndex, blocks: &[(u32, P)]) -> bool {
        let stage = self.pieces.get(&piece).map(|gathered| gathered.stage);
        match stage {
            Some(Stage::Spilling { disk_bytes, .. } | Stage::Verifying { disk_bytes }) => {
                disk_bytes == memory_of(blocks)
            }
            Some(Stage::Gathering) | None => false,
        }
    }

    /// What has been written early may be gone. Returns the pieces of which there is some.
    pub(crate) fn doubt_spilled(&mut self) -> Vec<PieceIndex> {
        let spilled = self.pieces.iter_mut().filter(|(_, it)| it.has_spilled);
        let doubt = |(&piece, gathered): (&PieceIndex, &mut Gathered<P>)| {
            gathered.is_doubtful = true;
            piece
        };
        spilled.map(doubt).collect()
    }

    /// See [`doubt_spilled`](Self::doubt_spilled).
    pub(crate) fn is_doubtful(&self, piece: PieceIndex) -> bool {
        let gathered = self.pieces.get(&piece);
        gathered.is_some_and(|gathered| gathered.is_doubtful)
    }

    /// Whether nothing of `piece` is with the disk.
    pub(crate) fn is_gathering(&self, piece: PieceIndex) -> bool {
        let gathered = self.pieces.get(&piece);
        gathered.is_some_and(|gathered| gathered.stage == Stage::Gathering)
    }

    /// The verdict on `piece` is there, or the disk failed: forgets it, and tells who sent it.
    pub(crate) fn remove(&mut self, piece: PieceIndex) -> Senders {
        let Some(gathered) = self.pieces.remove(&piece) else {
            return Senders::default();
        };
        self.held_bytes -= memory_of(&gathered.blocks);
        self.disk_bytes -= match gathered.stage {
            Stage::Gathering => 0,
            Stage::Spilling { disk_bytes, .. } | Stage::Verifying { disk_bytes } => disk_bytes,
        };
        gathered.senders
    }

    /// Has the blocks of `piece` that are in memory written early.
    fn spill(&mut self, piece: PieceIndex) -> DiskJob<P> {
        let gathered = self
            .pieces
            .get_mut(&piece)
            .expect("holds because the callers found it");
        let blocks = take_sorted(&mut gathered.blocks);
        let disk_bytes = memory_of(&blocks);
        gathered.stage = Stage::Spilling {
            disk_bytes,
            complete: false,
        };
        self.held_bytes -= disk_bytes;
        self.disk_bytes += disk_bytes;
        DiskJob::Spill { piece, blocks }
    }

    /// Hands everything of `piece` that is in memory to the disk.
    fn verify(&mut self, piece: PieceIndex, wants_digests: bool) -> DiskJob<P> {
        let gathered = self
            .pieces
            .get_mut(&piece)
            .expect("holds because the callers found it");
        let blocks = take_sorted(&mut gathered.blocks);
        let disk_bytes = memory_of(&blocks);
        gathered.stage = Stage::Verifying { disk_bytes };
        self.held_bytes -= disk_bytes;
        self.disk_bytes += disk_bytes;
        DiskJob::Verify {
            piece,
            blocks,
            wants_digests,
        }
    }

    #[cfg(any(test, debug_assertions))]
    pub(crate) fn check_invariants(&self) {
        let held: usize = self
            .pieces
            .values()
            .map(|piece| memory_of(&piece.blocks))
            .sum();
        assert_eq!(held, self.held_bytes);
        let disk = self.pieces.values().map(|piece| match piece.stage {
            Stage::Gathering => 0,
            Stage::Spilling { disk_bytes, .. } | Stage::Verifying { disk_bytes } => disk_bytes,
        });
        assert_eq!(disk.sum::<usize>(), self.disk_bytes);
    }
}

impl Senders {
    fn add(&mut self, begin: u32, from: SocketAddr) {
        let known = self.peers.iter().position(|&peer| peer == from);
        let index = known.unwrap_or_else(|| {
            self.peers.push(from);
            self.peers.len() - 1
        });
        self.blocks.push((begin, index as u32));
    }

    /// Everyone who sent a block, once.
    pub(crate) fn peers(&self) -> &[SocketAddr] {
        &self.peers
    }

    /// Whether somebody else may have sent a block, too.
    pub(crate) fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    /// Where each block begins, and who sent it.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (u32, SocketAddr)> + '_ {
        let blocks = self.blocks.iter();
        blocks.map(|&(begin, peer)| (begin, self.peers[peer as usize]))
    }
}

fn take_sorted<P>(blocks: &mut Vec<(u32, P)>) -> Vec<(u32, P)> {
    let mut blocks = std::mem::take(blocks);
    blocks.sort_unstable_by_key(|(begin, _)| *begin);
    blocks
}

/// What blocks take: a short one has a buffer as long as any other.
fn memory_of<P>(blocks: &[(u32, P)]) -> usize {
    blocks.len() * FOOTPRINT
}

const FOOTPRINT: usize = BLOCK_LENGTH as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_piece_goes_to_the_disk_in_order() {
        let mut assembly = Assembly::new();
        for slot in [2, 0, 1] {
            assembly.insert(block(5, slot), vec![0; 16], from(1));
        }
        let Some(DiskJob::Verify { blocks, .. }) = assembly.complete(PieceIndex::new(5), false)
        else {
            panic!("no job");
        };
        assert_eq!(begins(&blocks), [0, 16_384, 32_768]);
        assert_eq!(
            assembly.memory_bytes(),
            3 * FOOTPRINT,
            "until the disk has answered"
        );
        assert_eq!(assembly.remove(PieceIndex::new(5)).peers(), [from(1)]);
        assert_eq!(assembly.memory_bytes(), 0);
    }

    #[test]
    fn all_that_is_not_with_the_disk_yet_is_spilled_at_the_end() {
        let mut assembly = Assembly::new();
        assembly.insert(block(1, 0), vec![0; 10], from(1));
        assembly.insert(block(2, 1), vec![0; 10], from(1));
        assembly.insert(block(2, 0), vec![0; 10], from(1));
        assembly.insert(block(3, 0), vec![0; 10], from(1));
        assert!(assembly.complete(PieceIndex::new(3), false).is_some());
        let jobs = assembly.spill_all();
        let spilled: Vec<_> = jobs
            .iter()
            .map(|job| match job {
                DiskJob::Spill { piece, blocks } => (piece.get(), begins(blocks)),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(spilled, [(1, vec![0]), (2, vec![0, 16_384])]);
        assert!(assembly.spill_all().is_empty());
        assembly.check_invariants();
    }

    #[test]
    fn what_is_on_disk_already_has_no_known_sender() {
        let mut assembly = Assembly::new();
        assembly.resume(PieceIndex::new(1));
        assembly.insert(block(1, 1), vec![0; 10], from(1));
        assert!(assembly.complete(PieceIndex::new(1), false).is_some());
        let senders = assembly.remove(PieceIndex::new(1));
        assert!(senders.has_unknown());
        assert_eq!(senders.peers(), [from(1)]);
    }

    #[test]
    fn the_least_complete_piece_makes_room() {
        let mut assembly = Assembly::new();
        assembly.insert(block(1, 0), vec![0; 100], from(1));
        assembly.insert(block(1, 1), vec![0; 100], from(2));
        assembly.insert(block(2, 0), vec![0; 100], from(1));
        assert!(assembly.spill_beyond(3 * FOOTPRINT).is_none());
        let Some((_, DiskJob::Spill { piece, blocks })) = assembly.spill_beyond(3 * FOOTPRINT - 1)
        else {
            panic!("no job");
        };
        assert_eq!((piece, begins(&blocks)), (PieceIndex::new(2), vec![0]));
        assert_eq!(
            assembly.memory_bytes(),
            3 * FOOTPRINT,
            "until the disk has answered"
        );
        assert!(assembly.spilled(piece, false).is_none());
        assert_eq!(assembly.memory_bytes(), 2 * FOOTPRINT);
        assembly.check_invariants();
    }

    #[test]
    fn a_piece_completed_while_it_spills_is_verified_after_it() {
        let mut assembly = Assembly::new();
        let piece = PieceIndex::new(1);
        assembly.insert(block(1, 0), vec![0; 10], from(1));
        assert!(matches!(
            assembly.spill_beyond(0),
            Some((_, DiskJob::Spill { .. }))
        ));
        assembly.insert(block(1, 1), vec![0; 10], from(2));
        assert!(assembly.complete(piece, true).is_none());
        let Some(DiskJob::Verify {
            blocks,
            wants_digests: true,
            ..
        }) = assembly.spilled(piece, true)
        else {
            panic!("no job");
        };
        assert_eq!(begins(&blocks), [16_384], "the other is on disk");
        assembly.check_invariants();
        let senders = assembly.remove(piece);
        assert_eq!(senders.peers(), [from(1), from(2)]);
        let blocks: Vec<_> = senders.blocks().collect();
        assert_eq!(blocks, [(0, from(1)), (16_384, from(2))]);
    }

    fn block(piece: u32, slot: u32) -> Block {
        Block {
            piece: PieceIndex::new(piece),
            begin: slot * 16_384,
            length: 16_384,
        }
    }

    fn from(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn begins(blocks: &[(u32, Vec<u8>)]) -> Vec<u32> {
        blocks.iter().map(|(begin, _)| *begin).collect()
    }
}
