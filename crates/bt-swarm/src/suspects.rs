//! Smart ban: who sent which bytes of a piece that failed its hash, until the piece passes and
//! tells who lied.
//!
//! A piece that fails says only that one of its blocks is wrong. So the SHA-1 of every block is kept,
//! and who sent it; what the same block turns out to be once the piece has passed convicts those
//! who sent something else, and clears those who did not. Nobody is convicted on the word of
//! anybody: only the torrent's own hash of the piece says which bytes were right.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    net::SocketAddr,
    time::{Duration, Instant},
};

use bt_types::PieceIndex;

/// The SHA-1 of a block.
pub(crate) type BlockDigest = [u8; 20];

/// What is known of pieces that failed and have not passed since. Bounded in blocks and in time.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    cases: BTreeMap<PieceIndex, Case>,
    /// In all cases together.
    exhibits: usize,
}

/// A piece that failed, perhaps more than once.
#[derive(Debug)]
struct Case {
    opened_at: Instant,
    /// By where the block begins, and who sent it.
    exhibits: BTreeMap<(u32, SocketAddr), BlockDigest>,
}

/// A block that may be the wrong one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Exhibit {
    /// Where in the piece it begins.
    pub(crate) begin: u32,
    pub(crate) digest: BlockDigest,
    pub(crate) from: SocketAddr,
}

/// What became of a case.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Verdict {
    /// The blocks that were not what they should have been.
    pub(crate) wrong: Vec<Exhibit>,
    /// Who was under suspicion, and sent none of these.
    pub(crate) cleared: Vec<SocketAddr>,
}

impl Suspects {
    /// `piece` has failed with these blocks. Returns which of them their senders had sent before,
    /// but with other bytes: whichever of the two was right, the other was not.
    pub(crate) fn piece_failed(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        blocks: impl IntoIterator<Item = Exhibit>,
    ) -> Vec<Exhibit> {
        self.forget_old(now);
        let mut contradictions = Vec::new();
        for exhibit in blocks.into_iter().take(MAX_EXHIBITS) {
            let case = self.cases.entry(piece).or_insert_with(|| Case {
                opened_at: now,
                exhibits: BTreeMap::new(),
            });
            match case.exhibits.entry((exhibit.begin, exhibit.from)) {
                Entry::Vacant(vacant) => {
                    vacant.insert(exhibit.digest);
                    self.exhibits += 1;
                    self.make_room(piece);
                }
                Entry::Occupied(before) if *before.get() != exhibit.digest => {
                    contradictions.push(exhibit);
                }
                Entry::Occupied(_) => {}
            }
        }
        contradictions
    }

    /// `piece` has passed, and these are its blocks: closes its case.
    pub(crate) fn piece_passed(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        right: &[(u32, BlockDigest)],
    ) -> Verdict {
        self.forget_old(now);
        let right: BTreeMap<_, _> = right.iter().copied().collect();
        let exhibits = self.close(piece);
        let all: BTreeSet<_> = exhibits.keys().map(|&(_, from)| from).collect();
        let wrong = exhibits.into_iter().filter(|((begin, _), digest)| {
            let right = right.get(begin);
            right.is_some_and(|right| right != digest)
        });
        let wrong: Vec<_> = wrong
            .map(|((begin, from), digest)| Exhibit {
                begin,
                digest,
                from,
            })
            .collect();
        let guilty: BTreeSet<_> = wrong.iter().map(|exhibit| exhibit.from).collect();
        Verdict {
            cleared: all.difference(&guilty).copied().collect(),
            wrong,
        }
    }

    /// Whether [`piece_passed`](Self::piece_passed) could tell anything of `piece`.
    pub(crate) fn has_case(&self, piece: PieceIndex) -> bool {
        self.cases.contains_key(&piece)
    }

    /// Who has sent a part of a piece that failed and has not passed since.
    pub(crate) fn peers(&self) -> BTreeSet<SocketAddr> {
        let exhibits = self.cases.values().flat_map(|case| case.exhibits.keys());
        exhibits.map(|&(_, from)| from).collect()
    }

    /// Makes room by closing the oldest case; the last to go is that of `latest`.
    fn make_room(&mut self, latest: PieceIndex) {
        if self.exhibits <= MAX_EXHIBITS {
            return;
        }
        let cases = self.cases.iter();
        let oldest = cases.min_by_key(|&(&piece, case)| (piece == latest, case.opened_at));
        if let Some((&oldest, _)) = oldest {
            self.close(oldest);
        }
    }

    fn forget_old(&mut self, now: Instant) {
        let is_old = |case: &Case| now.saturating_duration_since(case.opened_at) > LIFETIME;
        let old = self.cases.iter().filter(|(_, case)| is_old(case));
        let old: Vec<_> = old.map(|(&piece, _)| piece).collect();
        for piece in old {
            self.close(piece);
        }
    }

    fn close(&mut self, piece: PieceIndex) -> BTreeMap<(u32, SocketAddr), BlockDigest> {
        let case = self.cases.remove(&piece);
        let exhibits = case.map_or_else(BTreeMap::new, |case| case.exhibits);
        self.exhibits -= exhibits.len();
        exhibits
    }

    #[cfg(any(test, debug_assertions))]
    pub(crate) fn check_invariants(&self) {
        let exhibits = self.cases.values().map(|case| case.exhibits.len());
        assert_eq!(exhibits.sum::<usize>(), self.exhibits);
        assert!(self.exhibits <= MAX_EXHIBITS);
    }
}

/// Three MiB of memory; half a GiB of blocks that may be wrong. Whoever would push out the evidence
/// against him has to send as much again.
const MAX_EXHIBITS: usize = 32_768;
/// By then an address may be somebody else's.
const LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    #[test]
    fn who_sent_another_block_than_the_right_one_is_found_and_the_rest_cleared() {
        let mut suspects = Suspects::default();
        let failed = [
            exhibit(0, 0, 1),
            exhibit(1, 66, 2),
            exhibit(2, 0, 3),
            exhibit(3, 67, 2),
        ];
        assert_eq!(suspects.piece_failed(epoch(), PIECE, failed), []);
        assert!(suspects.has_case(PIECE) && suspects.peers().contains(&peer(1)));
        let verdict = suspects.piece_passed(epoch(), PIECE, &right(4));
        assert_eq!(verdict.wrong, [failed[1], failed[3]]);
        assert_eq!(verdict.cleared, [peer(1), peer(3)]);
        assert!(
            !suspects.has_case(PIECE) && suspects.peers().is_empty(),
            "cleared"
        );
        assert_eq!(guilty(&mut suspects, epoch(), 4), [], "once");
        suspects.check_invariants();
    }

    /// Three tries, in which the wrong blocks were others' each time.
    #[test]
    fn every_try_counts() {
        let mut suspects = Suspects::default();
        let tries = [
            [exhibit(0, 1, 1), exhibit(1, 0, 2)],
            [exhibit(0, 0, 3), exhibit(1, 1, 4)],
            [exhibit(0, 0, 2), exhibit(1, 2, 3)],
        ];
        for failed in tries {
            assert_eq!(suspects.piece_failed(epoch(), PIECE, failed), []);
        }
        assert_eq!(
            guilty(&mut suspects, epoch(), 2),
            [tries[0][0], tries[2][1], tries[1][1]]
        );
    }

    #[test]
    fn who_sends_a_block_in_two_versions_needs_no_right_one() {
        let mut suspects = Suspects::default();
        let (first, second) = (exhibit(0, 0, 1), exhibit(0, 7, 1));
        assert_eq!(
            suspects.piece_failed(epoch(), PIECE, [first, exhibit(1, 0, 2)]),
            []
        );
        // Another peer's version is no contradiction, nor is another block of the same peer.
        let failed = [exhibit(0, 9, 2), exhibit(1, 3, 1)];
        assert_eq!(suspects.piece_failed(epoch(), PIECE, failed), []);
        assert_eq!(suspects.piece_failed(epoch(), PIECE, [second]), [second]);
        assert_eq!(suspects.piece_failed(epoch(), PIECE, [first]), []);
        suspects.check_invariants();
    }

    /// A spilled block that could not be read again, and a right one that is not known.
    #[test]
    fn what_is_not_known_convicts_nobody() {
        let mut suspects = Suspects::default();
        suspects.piece_failed(epoch(), PIECE, [exhibit(0, 5, 1), exhibit(1, 5, 2)]);
        assert_eq!(guilty(&mut suspects, epoch(), 0), []);
        suspects.piece_failed(epoch(), PIECE, [exhibit(0, 5, 1), exhibit(1, 5, 2)]);
        assert_eq!(guilty(&mut suspects, epoch(), 1), [exhibit(0, 5, 1)]);
    }

    #[test]
    fn evidence_is_forgotten_after_two_hours() {
        let mut suspects = Suspects::default();
        suspects.piece_failed(epoch(), PIECE, [exhibit(0, 5, 1)]);
        let later = epoch() + LIFETIME + Duration::from_secs(1);
        assert_eq!(guilty(&mut suspects, later, 1), []);
        suspects.check_invariants();
    }

    #[test]
    fn the_oldest_evidence_makes_room() {
        let mut suspects = Suspects::default();
        let blocks = |count: usize| (0..count).map(|slot| exhibit(slot as u32, 5, 1));
        for piece in 0..3 {
            let now = epoch() + Duration::from_secs(u64::from(piece));
            suspects.piece_failed(now, PieceIndex::new(piece), blocks(MAX_EXHIBITS / 2));
            suspects.check_invariants();
        }
        assert!(!suspects.has_case(PieceIndex::new(0)));
        assert!(suspects.has_case(PieceIndex::new(1)) && suspects.has_case(PieceIndex::new(2)));
        suspects.piece_failed(epoch(), PieceIndex::new(3), blocks(2 * MAX_EXHIBITS));
        suspects.check_invariants();
        assert!(suspects.has_case(PieceIndex::new(3)), "a part of it");
    }

    const PIECE: PieceIndex = PieceIndex::new(5);

    fn exhibit(slot: u32, content: u8, from: u16) -> Exhibit {
        Exhibit {
            begin: slot * 16_384,
            digest: [content; 20],
            from: peer(from),
        }
    }

    /// The wrong blocks of the piece, when so many of its right ones are known.
    fn guilty(suspects: &mut Suspects, now: Instant, blocks: u32) -> Vec<Exhibit> {
        suspects.piece_passed(now, PIECE, &right(blocks)).wrong
    }

    fn right(blocks: u32) -> Vec<(u32, BlockDigest)> {
        (0..blocks).map(|slot| (slot * 16_384, [0; 20])).collect()
    }

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}
