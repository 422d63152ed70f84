//! What the disk has refused, and when it is given to it again.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use bt_types::PieceIndex;

/// When something that has failed is tried again: after a second, and then after twice as long as
/// the last time, up to half a minute.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    due: Instant,
    delay: Duration,
}

impl Backoff {
    /// It has failed for the first time.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            due: now + FIRST_DELAY,
            delay: FIRST_DELAY,
        }
    }

    /// When to try again.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.due
    }

    /// It has been tried again, and has failed again. Several failures of one try count once.
    pub fn failed(&mut self, now: Instant) {
        if self.due <= now {
            self.delay = (self.delay * 2).min(LONGEST_DELAY);
            self.due = now + self.delay;
        }
    }
}

/// Jobs about pieces that wait until the disk takes them. First one of them is tried; when that has
/// succeeded the others follow.
#[derive(Debug)]
pub(crate) struct Retries<J> {
    waiting: VecDeque<(PieceIndex, J)>,
    /// Given to the disk again, and not answered for.
    out: BTreeSet<PieceIndex>,
    backoff: Backoff,
    /// One has succeeded, and none been refused since.
    works: bool,
    /// How many are given to the disk at a time once it works.
    at_once: usize,
}

impl<J> Retries<J> {
    pub(crate) fn new(now: Instant, at_once: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            out: BTreeSet::new(),
            backoff: Backoff::new(now),
            works: false,
            at_once,
        }
    }

    /// Nothing waits, and nothing is being tried.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.out.is_empty()
    }

    /// A job is to wait for its turn.
    pub(crate) fn add(&mut self, piece: PieceIndex, job: J) {
        if !self.has(piece) {
            self.waiting.push_back((piece, job));
        }
    }

    /// The disk has refused a job: again, if it was one of these.
    pub(crate) fn refused(&mut self, now: Instant, piece: PieceIndex, job: J) {
        if self.out.remove(&piece) {
            self.works = false;
            self.backoff.failed(now);
            self.waiting.push_front((piece, job));
        } else {
            self.add(piece, job);
        }
    }

    /// The disk has done what it was asked; returns whether it was one of these.
    pub(crate) fn succeeded(&mut self, piece: PieceIndex) -> bool {
        let was_out = self.ended(piece);
        self.works |= was_out;
        was_out
    }

    /// A job has come to an end that tells nothing of the disk; returns whether it was one of these.
    pub(crate) fn ended(&mut self, piece: PieceIndex) -> bool {
        self.out.remove(&piece)
    }

    /// The disk is known to do such work: nothing need be tried first.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.works = true;
        self.backoff.due = self.backoff.due.min(now);
    }

    /// Whether the disk is at it.
    pub(crate) fn is_out(&self, piece: PieceIndex) -> bool {
        self.out.contains(&piece)
    }

    /// What to give to the disk now.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(PieceIndex, J)> {
        if self.backoff.due > now || !self.has_room() {
            return None;
        }
        let (piece, job) = self.waiting.pop_front()?;
        self.out.insert(piece);
        Some((piece, job))
    }

    /// Takes back what came last, but not the last there is: that shows when the disk works again.
    pub(crate) fn give_up_one(&mut self) -> Option<PieceIndex> {
        let has_others = self.waiting.len() + self.out.len() > 1;
        let last = has_others.then(|| self.waiting.pop_back()).flatten();
        last.map(|(piece, _)| piece)
    }

    /// Takes back all that waits and satisfies `is_over`.
    pub(crate) fn take_where(&mut self, is_over: impl Fn(PieceIndex) -> bool) -> Vec<PieceIndex> {
        let mut taken = Vec::new();
        self.waiting.retain(|&(piece, _)| {
            let goes = is_over(piece);
            taken.extend(goes.then_some(piece));
            !goes
        });
        taken
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        (self.has_room() && !self.waiting.is_empty()).then_some(self.backoff.due)
    }

    fn has_room(&self) -> bool {
        self.out.len() < if self.works { self.at_once } else { 1 }
    }

    fn has(&self, piece: PieceIndex) -> bool {
        self.is_out(piece) || self.waiting.iter().any(|&(other, _)| other == piece)
    }
}

/// Soon enough that a hiccup is hardly noticed.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// Who has made room looks at it for so long at most.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    #[test]
    fn it_is_tried_after_1_s_2_s_4_s_and_at_last_every_30_s() {
        let mut retries = Retries::new(epoch(), 8);
        for piece in 0..3 {
            retries.add(PieceIndex::new(piece), ());
        }
        let mut now = epoch();
        let mut delays = Vec::new();
        for _ in 0..7 {
            let due = retries.poll_timeout().unwrap();
            delays.push((due - now).as_secs());
            assert_eq!(retries.next(due - Duration::from_millis(1)), None);
            now = due;
            assert_eq!(retries.next(now), Some((PieceIndex::new(0), ())));
            assert_eq!(retries.next(now), None, "one is enough to see");
            retries.refused(now, PieceIndex::new(0), ());
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn when_one_has_succeeded_the_others_follow() {
        let mut retries = Retries::new(epoch(), 3);
        for piece in 0..6 {
            retries.add(PieceIndex::new(piece), ());
        }
        let mut now = epoch() + FIRST_DELAY;
        retries.next(now).unwrap();
        assert!(retries.succeeded(PieceIndex::new(0)));
        assert_eq!(std::iter::from_fn(|| retries.next(now)).count(), 3);
        for piece in 1..=3 {
            retries.refused(now, PieceIndex::new(piece), ());
        }
        assert_eq!(retries.next(now), None);
        now += 2 * FIRST_DELAY;
        assert!(retries.next(now).is_some(), "three refusals of one try");
        assert!(!retries.is_empty() && !retries.succeeded(PieceIndex::new(5)));
    }

    #[test]
    fn the_last_one_is_not_given_up() {
        let mut retries = Retries::new(epoch(), 3);
        retries.add(PieceIndex::new(0), ());
        retries.add(PieceIndex::new(1), ());
        assert!(retries.give_up_one().is_some());
        assert!(retries.give_up_one().is_none());
        assert!(!retries.is_empty());
    }
}
