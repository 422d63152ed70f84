use std::{
    ops::{Index, IndexMut, Range},
    slice,
    time::Instant,
};

use bt_types::AnnounceEvent;
use rand_chacha::{ChaCha12Rng, rand_core::Rng};

use crate::{
    Config, Reach,
    tracker::{Standing, Tracker},
};

/// A torrent's trackers in the order in which they are tried: by tier, the best of each first.
#[derive(Debug)]
pub(crate) struct Tiers {
    /// At most [`MAX_TRACKERS`]; their URLs are unique.
    trackers: Vec<Tracker>,
}

impl Tiers {
    pub(crate) fn new(tiers: &[Vec<String>], config: &Config, rng: &mut ChaCha12Rng) -> Self {
        let mut this = Self {
            trackers: Vec::new(),
        };
        for (tier, urls) in (0..).zip(tiers) {
            let first = this.trackers.len();
            for url in urls.iter().map(|url| url.trim()) {
                if this.trackers.len() < MAX_TRACKERS && this.position(url).is_none() {
                    let tracker = Tracker::new(url, tier, config.supports(url));
                    this.trackers.push(tracker);
                }
            }
            shuffle(&mut this.trackers[first..], rng);
        }
        this
    }

    /// Opens a tier in front of all others.
    pub(crate) fn insert_in_front(&mut self, tracker: Tracker) {
        for tracker in &mut self.trackers {
            tracker.tier += 1;
        }
        self.trackers.insert(0, tracker);
    }

    /// BEP 12: what answers is tried first from then on.
    pub(crate) fn move_to_front_of_tier(&mut self, index: usize) {
        let tier = self.trackers[index].tier;
        let first = self.trackers.partition_point(|tracker| tracker.tier < tier);
        self.trackers[first..=index].rotate_right(1);
    }

    /// The trackers of which one at a time is used.
    pub(crate) fn groups(&self, reach: Reach) -> impl Iterator<Item = Range<usize>> + '_ {
        let chunks = self.trackers.chunk_by(move |a, b| match reach {
            Reach::OneTracker => true,
            Reach::OneOfEachTier => a.tier == b.tier,
            Reach::EveryTracker => false,
        });
        chunks.scan(0, |start, chunk| {
            let group = *start..*start + chunk.len();
            *start = group.end;
            Some(group)
        })
    }

    /// Who of a group may be announced to next, and from when, in a run that began at `since`:
    /// those that have not been tried or have failed, in order, up to the first that works. Nobody
    /// while one is being announced to.
    pub(crate) fn candidates(
        &self,
        group: Range<usize>,
        since: Instant,
        completed_at: Option<Instant>,
    ) -> impl Iterator<Item = (usize, Instant)> + '_ {
        let trackers = &self.trackers[group.clone()];
        let busy = trackers.iter().any(|tracker| tracker.in_flight.is_some());
        let works = |tracker: &Tracker| matches!(tracker.standing, Standing::Working { .. });
        let end = match trackers.iter().position(works) {
            _ if busy => group.start,
            Some(first_working) => group.start + first_working + 1,
            None => group.end,
        };
        (group.start..end).filter_map(move |index| {
            let tracker = &self.trackers[index];
            let due = match tracker.standing {
                Standing::Unsupported | Standing::GivenUp => return None,
                Standing::Untried => since,
                Standing::Failing { retry_at, .. } => retry_at,
                Standing::Working { next } => match completed_at {
                    Some(at) if !tracker.completed => at.min(next),
                    _ => next,
                },
            };
            Some((index, due))
        })
    }

    pub(crate) fn find_mut(&mut self, url: &str) -> Option<&mut Tracker> {
        self.position(url).map(|index| &mut self.trackers[index])
    }

    pub(crate) fn len(&self) -> usize {
        self.trackers.len()
    }

    pub(crate) fn iter(&self) -> slice::Iter<'_, Tracker> {
        self.trackers.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> slice::IterMut<'_, Tracker> {
        self.trackers.iter_mut()
    }

    pub(crate) fn check_invariants(&self) {
        assert!(self.trackers.len() <= MAX_TRACKERS);
        assert!(self.trackers.is_sorted_by_key(|tracker| tracker.tier));
        for (index, tracker) in self.trackers.iter().enumerate() {
            assert_eq!(self.position(&tracker.url), Some(index), "twice the same");
            assert!(tracker.started || !tracker.completed, "completed first");
            if let Some(in_flight) = tracker.in_flight {
                let unusable =
                    matches!(tracker.standing, Standing::Unsupported | Standing::GivenUp);
                assert!(!unusable, "announced to who must not be");
                let regular = in_flight.event == AnnounceEvent::None;
                assert!(tracker.started || !regular, "`Started` comes first");
            }
        }
    }

    fn position(&self, url: &str) -> Option<usize> {
        self.trackers
            .iter()
            .position(|tracker| *tracker.url == *url)
    }
}

impl Index<usize> for Tiers {
    type Output = Tracker;

    fn index(&self, index: usize) -> &Tracker {
        &self.trackers[index]
    }
}

impl IndexMut<usize> for Tiers {
    fn index_mut(&mut self, index: usize) -> &mut Tracker {
        &mut self.trackers[index]
    }
}

/// BEP 12: the order within a tier is random, and decided once.
fn shuffle(tier: &mut [Tracker], rng: &mut ChaCha12Rng) {
    for last in (1..tier.len()).rev() {
        let chosen = below(rng, last as u64 + 1) as usize;
        tier.swap(chosen, last);
    }
}

/// A number below `bound`, each as likely, to within what 64 bits can tell.
pub(crate) fn below(rng: &mut ChaCha12Rng, bound: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}

/// The longest lists that people pass around have some 150; this bounds what a torrent can make
/// us contact.
pub const MAX_TRACKERS: usize = 512;
