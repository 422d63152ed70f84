//! How rare each piece is, and which piece to begin next.

mod sets;

use std::{collections::VecDeque, ops::Range};

use bt_types::{Bitfield, PieceIndex, Priority};
use rand_chacha::{ChaCha12Rng, rand_core::Rng};

pub(crate) use sets::count_common;
use sets::{common_from, have_common, word};

use crate::Copies;

/// Every piece with the number of peers that have it, and the pieces not yet begun by priority, and
/// among those of one priority in the order of that number.
///
/// One peer that says `have` moves one piece into the neighbouring bucket: two swaps. A peer that
/// has everything moves no piece at all, only the origin from which counts are measured, so that
/// it makes no difference how it came to have everything. Eleven and a half bytes a piece.
#[derive(Debug)]
pub(crate) struct Availability {
    /// Availability minus `origin`, modulo 2^16; exact as there are fewer peers than that.
    relative: Vec<u16>,
    origin: u16,
    places: Vec<Place>,
    priorities: Vec<Priority>,
    /// The highest first.
    levels: [Level; LEVELS],
}

/// The pieces of one priority that are wanted and not begun.
#[derive(Debug)]
struct Level {
    /// Those that fewer peers have first.
    order: Vec<u32>,
    /// Where bucket `n`, of the pieces that `n` peers have, ends in `order`. Never empty; the last
    /// is the length of `order`.
    ends: VecDeque<u32>,
    /// The pieces in `order`, to be met with a peer's pieces word by word.
    listed: Bitfield,
    /// No piece is listed in the words of `listed` before this one.
    first_word: usize,
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
    /// Nothing to request: verified, not wanted, or all padding.
    Done,
}

/// Which of the pieces of one priority that a peer has is begun first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Preference {
    /// The one that fewest peers have.
    Rarest,
    /// The one that most peers have: for a peer that may never deliver it.
    Commonest,
    /// Any.
    Random,
    /// The one that comes first in the torrent.
    First,
}

impl Availability {
    /// Nobody has anything yet; pieces of which `is_wanted` is false are done.
    pub(crate) fn new(piece_count: u32, mut is_wanted: impl FnMut(PieceIndex) -> bool) -> Self {
        let mut levels = [(); LEVELS].map(|()| Level::new(piece_count));
        levels[NORMAL].order.reserve_exact(piece_count as usize);
        let mut availability = Self {
            relative: vec![0; piece_count as usize],
            origin: 0,
            places: vec![Place::DONE; piece_count as usize],
            priorities: vec![Priority::Normal; piece_count as usize],
            levels,
        };
        for piece in (0..piece_count).map(PieceIndex::new) {
            if is_wanted(piece) {
                availability.relist(piece);
            }
        }
        availability
    }

    pub(crate) fn stage(&self, piece: PieceIndex) -> Stage {
        self.places[piece.as_usize()].stage()
    }

    /// How many peers have `piece`.
    pub(crate) fn of(&self, piece: PieceIndex) -> u16 {
        self.relative[piece.as_usize()].wrapping_add(self.origin)
    }

    /// How many of the pieces that are wanted and not begun as many peers have.
    pub(crate) fn listed_with(&self, availability: usize) -> u32 {
        let in_level = |level: &Level| {
            let all = level.order.len() as u32;
            let end = |bucket: usize| level.ends.get(bucket).copied().unwrap_or(all);
            match availability {
                0 => end(0),
                n => end(n) - end(n - 1),
            }
        };
        self.levels.iter().map(in_level).sum()
    }

    /// How often what is wanted is there; of pieces for which `have` says so there is one more.
    pub(crate) fn copies(&self, have: &Bitfield) -> Copies {
        let pieces = (0..self.relative.len() as u32).map(PieceIndex::new);
        let wanted = pieces.filter(|&piece| self.priority(piece) != Priority::Skip);
        Copies::of(wanted.map(|piece| u32::from(self.of(piece)) + u32::from(have.get(piece))))
    }

    pub(crate) fn priority(&self, piece: PieceIndex) -> Priority {
        self.priorities[piece.as_usize()]
    }

    /// Whether `piece` is wanted and not begun.
    pub(crate) fn is_listed(&self, piece: PieceIndex) -> bool {
        self.stage(piece) == Stage::Listed
    }

    /// How many pieces are wanted and not begun.
    pub(crate) fn listed_count(&self) -> usize {
        self.levels.iter().map(|level| level.order.len()).sum()
    }

    /// How many of `pieces` are wanted and not begun.
    pub(crate) fn count_listed(&self, pieces: &Bitfield) -> u32 {
        let filled = self.filled_levels();
        filled
            .map(|(_, level)| count_common(pieces, &level.listed))
            .sum()
    }

    /// The highest priority of those of `pieces` that are wanted and not begun.
    pub(crate) fn highest_listed(&self, pieces: &Bitfield) -> Option<Priority> {
        let mut filled = self.filled_levels();
        filled
            .find(|(_, level)| have_common(pieces, &level.listed))
            .map(|(priority, _)| priority)
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
            let (level, places) = self.level_of(piece);
            level.ensure_bucket(bucket + 1);
            // The piece becomes the first of the next bucket, which grows by one at its front.
            level.ends[bucket] -= 1;
            level.swap(places, position, level.ends[bucket]);
        }
    }

    /// One peer fewer has `piece`.
    pub(crate) fn decrease(&mut self, piece: PieceIndex) {
        let bucket = usize::from(self.of(piece));
        debug_assert!(bucket > 0, "piece {piece} is lost by nobody");
        let count = &mut self.relative[piece.as_usize()];
        *count = count.wrapping_sub(1);
        if let Some(position) = self.places[piece.as_usize()].position() {
            let (level, places) = self.level_of(piece);
            level.swap(places, position, level.ends[bucket - 1]);
            level.ends[bucket - 1] += 1;
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

    /// All of `piece` is wanted again, at its priority.
    pub(crate) fn relist(&mut self, piece: PieceIndex) {
        if self.is_listed(piece) {
            return;
        }
        let bucket = usize::from(self.of(piece));
        let (level, places) = self.level_of(piece);
        level.insert(places, piece, bucket);
    }

    /// Changes how much `piece` is wanted. Whether it is listed is up to the caller, but what is
    /// listed must be wanted.
    pub(crate) fn set_priority(&mut self, piece: PieceIndex, priority: Priority) {
        let was_listed = self.is_listed(piece);
        if was_listed {
            self.finish(piece);
        }
        self.priorities[piece.as_usize()] = priority;
        if was_listed && priority != Priority::Skip {
            self.relist(piece);
        }
    }

    /// Chooses a piece not begun among `pieces`, which must hold one: of the highest priority.
    ///
    /// Small buckets are searched whole. In large ones [`PROBES`] random places are tried, so that
    /// the cost does not grow with the torrent: a piece is then overlooked only if the peer has
    /// few of its bucket. Should everything fail, the two sets are met word by word.
    pub(crate) fn choose(
        &mut self,
        pieces: &Bitfield,
        preference: Preference,
        rng: &mut ChaCha12Rng,
    ) -> Option<PieceIndex> {
        let (relative, origin) = (&self.relative, self.origin);
        let availability_of = |piece: PieceIndex| relative[piece.as_usize()].wrapping_add(origin);
        let mut filled = self.levels.iter_mut();
        filled.find_map(|level| match preference {
            _ if level.order.is_empty() => None,
            Preference::First => level.first(pieces),
            _ => level.choose(pieces, preference, rng, availability_of),
        })
    }

    /// Whether one of `pieces` that are not begun, of this priority, is had by a single peer. May
    /// overlook it if `pieces` has few of these.
    pub(crate) fn any_sole(
        &self,
        pieces: &Bitfield,
        priority: Option<Priority>,
        rng: &mut ChaCha12Rng,
    ) -> bool {
        let mut filled = self.filled_levels();
        let level = filled.find(|(of, _)| priority.is_none_or(|priority| priority == *of));
        let Some((_, level)) = level.filter(|(_, level)| level.ends.len() > 1) else {
            return false;
        };
        level
            .probe(pieces, level.bucket(1), &mut { PROBES }, rng)
            .is_some()
    }

    fn filled_levels(&self) -> impl Iterator<Item = (Priority, &Level)> {
        let levels = PRIORITIES.into_iter().zip(&self.levels);
        levels.filter(|(_, level)| !level.order.is_empty())
    }

    /// Where `piece` is listed, if it is.
    fn level_of(&mut self, piece: PieceIndex) -> (&mut Level, &mut [Place]) {
        let priority = self.priorities[piece.as_usize()];
        let level = PRIORITIES.iter().position(|&of| of == priority);
        let level = level.expect("holds because what is listed is wanted");
        (&mut self.levels[level], &mut self.places)
    }

    /// Everybody has one more: somebody came who has everything.
    fn raise_all(&mut self) {
        self.origin = self.origin.wrapping_add(1);
        for level in &mut self.levels {
            level.ends.push_front(0);
        }
    }

    /// Everybody has one less: somebody left who had everything, so that the lowest bucket is
    /// empty.
    fn lower_all(&mut self) {
        self.origin = self.origin.wrapping_sub(1);
        for level in &mut self.levels {
            let unavailable = level.ends.pop_front();
            debug_assert_eq!(
                unavailable.unwrap_or(0),
                0,
                "who has everything has these, too"
            );
            level.ensure_bucket(0);
        }
    }

    fn unlist(&mut self, piece: PieceIndex) {
        let Some(hole) = self.places[piece.as_usize()].position() else {
            return;
        };
        let bucket = usize::from(self.of(piece));
        let (level, places) = self.level_of(piece);
        level.remove(places, piece, bucket, hole);
    }

    /// Panics unless counts and order are what the peers' pieces say.
    pub(crate) fn check_invariants<'a>(&self, peers: impl Iterator<Item = &'a Bitfield>) {
        let mut counts = vec![0u16; self.places.len()];
        for pieces in peers {
            pieces
                .iter_ones()
                .for_each(|piece| counts[piece.as_usize()] += 1);
        }
        for level in &self.levels {
            level.check_invariants();
        }
        for (index, place) in self.places.iter().enumerate() {
            let piece = PieceIndex::new(index as u32);
            assert_eq!(self.of(piece), counts[index], "availability of {piece:?}");
            for (priority, level) in PRIORITIES.into_iter().zip(&self.levels) {
                let is_here = place.position().is_some() && self.priority(piece) == priority;
                assert_eq!(level.listed.get(piece), is_here, "priority of {piece:?}");
                if let Some(position) = place.position().filter(|_| is_here) {
                    assert_eq!(level.at(position), piece);
                    let bucket = level.ends.partition_point(|&end| end <= position);
                    assert_eq!(bucket, usize::from(counts[index]), "bucket of {piece:?}");
                }
            }
            let is_listed = place.position().is_some();
            assert!(!is_listed || self.priority(piece) != Priority::Skip);
        }
    }
}

impl Level {
    fn new(piece_count: u32) -> Self {
        Self {
            order: Vec::new(),
            ends: VecDeque::from([0]),
            listed: Bitfield::new(piece_count),
            first_word: 0,
        }
    }

    fn insert(&mut self, places: &mut [Place], piece: PieceIndex, bucket: usize) {
        self.ensure_bucket(bucket);
        self.order.push(piece.get());
        // Every higher bucket gives its first place to the one below, and takes one at its end.
        for above in (bucket + 1..self.ends.len()).rev() {
            self.move_to(places, self.ends[above - 1], self.ends[above]);
            self.ends[above] += 1;
        }
        self.set(places, self.ends[bucket], piece.get());
        self.ends[bucket] += 1;
        self.listed.insert(piece);
        self.first_word = self.first_word.min(piece.as_usize() / 64);
    }

    fn remove(&mut self, places: &mut [Place], piece: PieceIndex, bucket: usize, hole: u32) {
        let mut hole = hole;
        for bucket in bucket..self.ends.len() {
            self.ends[bucket] -= 1;
            self.move_to(places, self.ends[bucket], hole);
            hole = self.ends[bucket];
        }
        self.order.pop();
        self.listed.remove(piece);
    }

    fn choose(
        &self,
        pieces: &Bitfield,
        preference: Preference,
        rng: &mut ChaCha12Rng,
        availability_of: impl Fn(PieceIndex) -> u16,
    ) -> Option<PieceIndex> {
        let mut budget = BUDGET;
        let mut probe = |range| self.probe(pieces, range, &mut budget, rng);
        let buckets = 1..self.ends.len();
        let found = match preference {
            Preference::Rarest => buckets.into_iter().find_map(|n| probe(self.bucket(n))),
            Preference::Commonest => buckets.rev().find_map(|n| probe(self.bucket(n))),
            Preference::Random | Preference::First => probe(self.ends[0]..self.order.len() as u32),
        };
        found.or_else(|| self.search(pieces, preference, rng, availability_of))
    }

    /// The first of `pieces` that is listed.
    fn first(&mut self, pieces: &Bitfield) -> Option<PieceIndex> {
        let listed = self.listed.as_bytes();
        let words = listed.len().div_ceil(8);
        while self.first_word < words && word(listed, self.first_word) == 0 {
            self.first_word += 1;
        }
        let mut common = common_from(pieces, &self.listed, self.first_word);
        common.next()
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
        availability_of: impl Fn(PieceIndex) -> u16,
    ) -> Option<PieceIndex> {
        let words = self.listed.as_bytes().len().div_ceil(8);
        let start = below(rng, words as u32) as usize;
        let behind = common_from(pieces, &self.listed, start);
        let around =
            common_from(pieces, &self.listed, 0).take_while(|piece| piece.as_usize() / 64 < start);
        let mut candidates = behind.chain(around).take(CANDIDATES);
        match preference {
            Preference::Rarest => candidates.min_by_key(|&piece| availability_of(piece)),
            Preference::Commonest => candidates.max_by_key(|&piece| availability_of(piece)),
            Preference::Random | Preference::First => candidates.next(),
        }
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

    fn set(&mut self, places: &mut [Place], position: u32, piece: u32) {
        self.order[position as usize] = piece;
        places[piece as usize] = Place(position);
    }

    fn move_to(&mut self, places: &mut [Place], from: u32, to: u32) {
        if from != to {
            self.set(places, to, self.order[from as usize]);
        }
    }

    fn swap(&mut self, places: &mut [Place], a: u32, b: u32) {
        let (piece_a, piece_b) = (self.order[a as usize], self.order[b as usize]);
        self.set(places, b, piece_a);
        self.set(places, a, piece_b);
    }

    fn check_invariants(&self) {
        assert!(self.ends.iter().is_sorted(), "buckets in order");
        assert_eq!(self.ends.back(), Some(&(self.order.len() as u32)));
        assert_eq!(self.listed.count_ones() as usize, self.order.len());
        let mut listed = self.listed.iter_ones();
        let first = listed.next();
        assert!(first.is_none_or(|first| first.as_usize() / 64 >= self.first_word));
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

/// A number below `bound`, which is not 0; uneven by less than one in a thousand.
fn below(rng: &mut ChaCha12Rng, bound: u32) -> u32 {
    ((u64::from(rng.next_u32()) * u64::from(bound)) >> 32) as u32
}

/// What can be listed, in the order in which it is chosen.
const PRIORITIES: [Priority; LEVELS] = [
    Priority::First,
    Priority::High,
    Priority::Normal,
    Priority::Low,
];
const LEVELS: usize = 4;
/// The place of what nobody says anything about.
const NORMAL: usize = 2;
/// A peer that has a twentieth of a bucket is found in it with a chance of 96 %.
const PROBES: u32 = 64;
/// Places tried in all buckets together: about what meeting the sets of a large torrent costs.
const BUDGET: u32 = 512;
/// Pieces compared when the sets are met word by word.
const CANDIDATES: usize = 32;

#[cfg(test)]
mod tests;
