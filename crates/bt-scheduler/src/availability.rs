//! How rare each piece is, and which piece to begin next.

use std::{collections::VecDeque, ops::Range};

use bt_types::{Bitfield, PieceIndex};
use rand_chacha::{ChaCha12Rng, rand_core::Rng};

use crate::Copies;

/// Every piece with the number of peers that have it, and the pieces not yet begun in the order
/// of that number.
///
/// One peer that says `have` moves one piece into the neighbouring bucket: two swaps. A peer that
/// has everything moves no piece at all, only the origin from which counts are measured, so that
/// it makes no difference how it came to have everything. Ten bytes a piece and one bit.
#[derive(Debug)]
pub(crate) struct Availability {
    /// Availability minus `origin`, modulo 2^16; exact as there are fewer peers than that.
    relative: Vec<u16>,
    origin: u16,
    places: Vec<Place>,
    /// The pieces not begun, those that fewer peers have first.
    order: Vec<u32>,
    /// Where bucket `n`, of the pieces that `n` peers have, ends in `order`. Never empty; the last
    /// is the length of `order`.
    ends: VecDeque<u32>,
    /// The pieces in `order`, to be met with a peer's pieces word by word.
    listed: Bitfield,
}

/// Where a piece is kept, in four bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place(u32);

/// What is known of a piece's progress.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// Wanted and not begun.
    Listed,
    /// Begun: its blocks are in this partial piece.
    Partial(u32),
    /// Nothing to request: verified, or all padding.
    Done,
}

/// Which of the pieces that a peer has is begun first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Preference {
    /// The one that fewest peers have.
    Rarest,
    /// The one that most peers have: for a peer that may never deliver it.
    Commonest,
    /// Any.
    Random,
}

impl Availability {
    /// Nobody has anything yet; pieces of which `is_wanted` is false are done.
    pub(crate) fn new(piece_count: u32, mut is_wanted: impl FnMut(PieceIndex) -> bool) -> Self {
        let mut listed = Bitfield::new(piece_count);
        let mut places = vec![Place::DONE; piece_count as usize];
        let mut order = Vec::with_capacity(piece_count as usize);
        for piece in (0..piece_count).map(PieceIndex::new) {
            if is_wanted(piece) {
                places[piece.as_usize()] = Place(order.len() as u32);
                order.push(piece.get());
                listed.insert(piece);
            }
        }
        Self {
            relative: vec![0; piece_count as usize],
            origin: 0,
            places,
            ends: VecDeque::from([order.len() as u32]),
            order,
            listed,
        }
    }

    pub(crate) fn stage(&self, piece: PieceIndex) -> Stage {
        self.places[piece.as_usize()].stage()
    }

    /// How many peers have `piece`.
    pub(crate) fn of(&self, piece: PieceIndex) -> u16 {
        self.relative[piece.as_usize()].wrapping_add(self.origin)
    }

    /// How many of the pieces not begun as many peers have.
    pub(crate) fn listed_with(&self, availability: usize) -> u32 {
        let end = |bucket: usize| {
            self.ends
                .get(bucket)
                .map_or(self.order.len() as u32, |&end| end)
        };
        match availability {
            0 => end(0),
            n => end(n) - end(n - 1),
        }
    }

    /// How often the torrent is there; of pieces for which `have` says so there is one more.
    pub(crate) fn copies(&self, have: &Bitfield) -> Copies {
        let counts = (0..self.relative.len() as u32).map(|index| {
            let piece = PieceIndex::new(index);
            u32::from(self.of(piece)) + u32::from(have.get(piece))
        });
        Copies::of(counts)
    }

    /// The pieces wanted and not begun.
    pub(crate) fn listed(&self) -> &Bitfield {
        &self.listed
    }

    /// A peer with these pieces has come.
    pub(crate) fn add(&mut self, pieces: &Bitfield) {
        if pieces.count_ones() > pieces.len() / 2 {
            self.raise_all();
            lacking(pieces).for_each(|piece| self.decrease(piece));
        } else {
            held(pieces).for_each(|piece| self.increase(piece));
        }
    }

    /// A peer with these pieces has gone.
    pub(crate) fn subtract(&mut self, pieces: &Bitfield) {
        if pieces.count_ones() > pieces.len() / 2 {
            lacking(pieces).for_each(|piece| self.increase(piece));
            self.lower_all();
        } else {
            held(pieces).for_each(|piece| self.decrease(piece));
        }
    }

    /// One more peer has `piece`.
    pub(crate) fn increase(&mut self, piece: PieceIndex) {
        let bucket = usize::from(self.of(piece));
        let count = &mut self.relative[piece.as_usize()];
        *count = count.wrapping_add(1);
        if let Some(position) = self.places[piece.as_usize()].position() {
            self.ensure_bucket(bucket + 1);
            // The piece becomes the first of the next bucket, which grows by one at its front.
            self.ends[bucket] -= 1;
            self.swap(position, self.ends[bucket]);
        }
    }

    /// One peer fewer has `piece`.
    pub(crate) fn decrease(&mut self, piece: PieceIndex) {
        let bucket = usize::from(self.of(piece));
        debug_assert!(bucket > 0, "piece {piece} is lost by nobody");
        let count = &mut self.relative[piece.as_usize()];
        *count = count.wrapping_sub(1);
        if let Some(position) = self.places[piece.as_usize()].position() {
            self.swap(position, self.ends[bucket - 1]);
            self.ends[bucket - 1] += 1;
        }
    }

    /// `piece` is begun, in this partial piece.
    pub(crate) fn begin(&mut self, piece: PieceIndex, partial: u32) {
        self.unlist(piece);
        self.places[piece.as_usize()] = Place::partial(partial);
    }

    /// Nothing of `piece` is needed any more.
    pub(crate) fn finish(&mut self, piece: PieceIndex) {
        self.unlist(piece);
        self.places[piece.as_usize()] = Place::DONE;
    }

    /// All of `piece` is wanted again.
    pub(crate) fn relist(&mut self, piece: PieceIndex) {
        if self.stage(piece) == Stage::Listed {
            return;
        }
        let bucket = usize::from(self.of(piece));
        self.ensure_bucket(bucket);
        self.order.push(piece.get());
        // Every higher bucket gives its first place to the one below, and takes one at its end.
        for above in (bucket + 1..self.ends.len()).rev() {
            self.move_to(self.ends[above - 1], self.ends[above]);
            self.ends[above] += 1;
        }
        self.set(self.ends[bucket], piece.get());
        self.ends[bucket] += 1;
        self.listed.insert(piece);
    }

    /// Chooses a piece not begun among `pieces`, which must hold one.
    ///
    /// Small buckets are searched whole. In large ones [`PROBES`] random places are tried, so that
    /// the cost does not grow with the torrent: a piece is then overlooked only if the peer has
    /// few of its bucket. Should everything fail, the two sets are met word by word.
    pub(crate) fn choose(
        &self,
        pieces: &Bitfield,
        preference: Preference,
        rng: &mut ChaCha12Rng,
    ) -> Option<PieceIndex> {
        let mut budget = BUDGET;
        let mut probe = |range| self.probe(pieces, range, &mut budget, rng);
        let buckets = 1..self.ends.len();
        let found = match preference {
            Preference::Rarest => buckets.into_iter().find_map(|n| probe(self.bucket(n))),
            Preference::Commonest => buckets.rev().find_map(|n| probe(self.bucket(n))),
            Preference::Random => probe(self.ends[0]..self.order.len() as u32),
        };
        found.or_else(|| self.search(pieces, preference, rng))
    }

    /// Whether one of `pieces` that are not begun is had by a single peer. May overlook it if
    /// `pieces` has few of these.
    pub(crate) fn any_sole(&self, pieces: &Bitfield, rng: &mut ChaCha12Rng) -> bool {
        let has_bucket = self.ends.len() > 1;
        has_bucket
            && self
                .probe(pieces, self.bucket(1), &mut { PROBES }, rng)
                .is_some()
    }

    fn probe(
        &self,
        pieces: &Bitfield,
        range: Range<u32>,
        budget: &mut u32,
        rng: &mut ChaCha12Rng,
    ) -> Option<PieceIndex> {
        let length = range.end - range.start;
        let tries = length.min(PROBES).min(*budget);
        if tries == 0 {
            return None;
        }
        *budget -= tries;
        let first = below(rng, length);
        (0..tries)
            .map(|n| match length {
                ..=PROBES => (first + n) % length,
                _ => below(rng, length),
            })
            .map(|offset| self.at(range.start + offset))
            .find(|&piece| pieces.get(piece))
    }

    /// Meets the two sets from a random place on, and takes the best of the first few.
    fn search(
        &self,
        pieces: &Bitfield,
        preference: Preference,
        rng: &mut ChaCha12Rng,
    ) -> Option<PieceIndex> {
        let (theirs, ours) = (pieces.as_bytes(), self.listed.as_bytes());
        let words = ours.len().div_ceil(8);
        let start = below(rng, words as u32) as usize;
        let both = (start..words).chain(0..start).flat_map(|index| {
            let bits = word(theirs, index) & word(ours, index);
            OnesOf(bits).map(move |bit| PieceIndex::new(index as u32 * 64 + bit))
        });
        let mut candidates = both.take(CANDIDATES);
        match preference {
            Preference::Rarest => candidates.min_by_key(|&piece| self.of(piece)),
            Preference::Commonest => candidates.max_by_key(|&piece| self.of(piece)),
            Preference::Random => candidates.next(),
        }
    }

    /// Everybody has one more: somebody came who has everything.
    fn raise_all(&mut self) {
        self.origin = self.origin.wrapping_add(1);
        self.ends.push_front(0);
    }

    /// Everybody has one less: somebody left who had everything, so that the lowest bucket is
    /// empty.
    fn lower_all(&mut self) {
        self.origin = self.origin.wrapping_sub(1);
        let unavailable = self.ends.pop_front();
        debug_assert_eq!(unavailable, Some(0), "who has everything has these too");
        self.ensure_bucket(0);
    }

    fn unlist(&mut self, piece: PieceIndex) {
        let Some(mut hole) = self.places[piece.as_usize()].position() else {
            return;
        };
        for bucket in usize::from(self.of(piece))..self.ends.len() {
            self.ends[bucket] -= 1;
            self.move_to(self.ends[bucket], hole);
            hole = self.ends[bucket];
        }
        self.order.pop();
        self.listed.remove(piece);
    }

    fn bucket(&self, availability: usize) -> Range<u32> {
        self.ends[availability - 1]..self.ends[availability]
    }

    fn ensure_bucket(&mut self, availability: usize) {
        while self.ends.len() <= availability {
            self.ends.push_back(self.order.len() as u32);
        }
    }

    fn at(&self, position: u32) -> PieceIndex {
        PieceIndex::new(self.order[position as usize])
    }

    fn set(&mut self, position: u32, piece: u32) {
        self.order[position as usize] = piece;
        self.places[piece as usize] = Place(position);
    }

    fn move_to(&mut self, from: u32, to: u32) {
        if from != to {
            self.set(to, self.order[from as usize]);
        }
    }

    fn swap(&mut self, a: u32, b: u32) {
        let (piece_a, piece_b) = (self.order[a as usize], self.order[b as usize]);
        self.set(b, piece_a);
        self.set(a, piece_b);
    }

    /// Panics unless counts and order are what the peers' pieces say.
    pub(crate) fn check_invariants<'a>(&self, peers: impl Iterator<Item = &'a Bitfield>) {
        let mut counts = vec![0u16; self.places.len()];
        for pieces in peers {
            pieces
                .iter_ones()
                .for_each(|piece| counts[piece.as_usize()] += 1);
        }
        assert!(self.ends.iter().is_sorted(), "buckets in order");
        assert_eq!(self.ends.back(), Some(&(self.order.len() as u32)));
        assert_eq!(self.listed.count_ones() as usize, self.order.len());
        for (index, place) in self.places.iter().enumerate() {
            let piece = PieceIndex::new(index as u32);
            assert_eq!(self.of(piece), counts[index], "availability of {piece:?}");
            assert_eq!(self.listed.get(piece), place.position().is_some());
            if let Some(position) = place.position() {
                assert_eq!(self.at(position), piece);
                let bucket = self.ends.partition_point(|&end| end <= position);
                assert_eq!(bucket, usize::from(counts[index]), "bucket of {piece:?}");
            }
        }
    }
}

impl Place {
    const DONE: Self = Self(u32::MAX);
    /// Set for a partial piece. Positions and partial pieces stay far below, as a torrent has at
    /// most 2^21 pieces.
    const PARTIAL: u32 = 1 << 31;

    fn partial(id: u32) -> Self {
        Self(id | Self::PARTIAL)
    }

    fn position(self) -> Option<u32> {
        (self.0 & Self::PARTIAL == 0).then_some(self.0)
    }

    fn stage(self) -> Stage {
        match self.0 {
            u32::MAX => Stage::Done,
            place if place & Self::PARTIAL != 0 => Stage::Partial(place & !Self::PARTIAL),
            _ => Stage::Listed,
        }
    }
}

/// The pieces in the set; none at once if it is empty.
fn held(pieces: &Bitfield) -> impl Iterator<Item = PieceIndex> {
    let ones = (pieces.count_ones() > 0).then(|| pieces.iter_ones());
    ones.into_iter().flatten()
}

/// The pieces not in the set; none at once if it is full.
fn lacking(pieces: &Bitfield) -> impl Iterator<Item = PieceIndex> {
    let zeros = (!pieces.is_full()).then(|| pieces.iter_zeros());
    zeros.into_iter().flatten()
}

/// How many pieces are in both sets.
pub(crate) fn count_common(a: &Bitfield, b: &Bitfield) -> u32 {
    if a.is_full() || b.is_full() {
        return a.count_ones().min(b.count_ones());
    }
    let words = 0..a.as_bytes().len().div_ceil(8);
    words
        .map(|index| (word(a.as_bytes(), index) & word(b.as_bytes(), index)).count_ones())
        .sum()
}

/// The set bits of a word, highest first.
struct OnesOf(u64);

impl Iterator for OnesOf {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let bit = self.0.leading_zeros();
        if bit == 64 {
            return None;
        }
        self.0 &= !(1 << (63 - bit));
        Some(bit)
    }
}

/// Bits `64 * index..` in the order of the wire, zeros behind the end.
fn word(bytes: &[u8], index: usize) -> u64 {
    let rest = bytes.get(index * 8..).unwrap_or_default();
    match rest.first_chunk() {
        Some(&chunk) => u64::from_be_bytes(chunk),
        None => {
            let mut chunk = [0; 8];
            chunk[..rest.len()].copy_from_slice(rest);
            u64::from_be_bytes(chunk)
        }
    }
}

/// A number below `bound`, which is not 0; uneven by less than one in a thousand.
fn below(rng: &mut ChaCha12Rng, bound: u32) -> u32 {
    ((u64::from(rng.next_u32()) * u64::from(bound)) >> 32) as u32
}

/// A peer that has a twentieth of a bucket is found in it with a chance of 96 %.
const PROBES: u32 = 64;
/// Places tried in all buckets together: about what meeting the sets of a large torrent costs.
const BUDGET: u32 = 512;
/// Pieces compared when the sets are met word by word.
const CANDIDATES: usize = 32;

#[cfg(test)]
mod tests;
