mod wheel;

use std::{cmp::Ordering, collections::BinaryHeap, fmt, time::Duration};

use wheel::Wheel;

/// What is going to happen, in order of time, and the clock that this order drives.
///
/// Events of the same time come in the order in which they were scheduled, so that a run does not
/// depend on the inside of a heap. An event cannot be taken back: give those that may become
/// obsolete a generation number, and ignore them when they come.
///
/// ```
/// use std::time::Duration;
/// use bt_sim::EventQueue;
///
/// let mut queue = EventQueue::new();
/// queue.schedule_in(Duration::from_secs(2), "second");
/// queue.schedule_in(Duration::from_secs(1), "first");
/// assert_eq!(queue.pop(), Some((Duration::from_secs(1), "first")));
/// queue.schedule_at(Duration::ZERO, "too late for its time");
/// assert_eq!(queue.pop(), Some((Duration::from_secs(1), "too late for its time")));
/// assert_eq!(queue.pop(), Some((Duration::from_secs(2), "second")));
/// assert_eq!(queue.now(), Duration::from_secs(2));
/// ```
pub struct EventQueue<E> {
    /// The events of the current slot of time; those that are over have left their place.
    current: Vec<Option<E>>,
    /// In which order they come: the next is the last. Sorted are these few bytes of each, once,
    /// among few others rather than among a million.
    order: Vec<Turn>,
    /// What was scheduled for the current slot, or before it, since that began.
    late: BinaryHeap<Entry<E>>,
    /// The slots that follow: most of what is scheduled is due within milliseconds.
    wheel: Wheel<E>,
    /// What lies beyond the wheel.
    far: BinaryHeap<Entry<E>>,
    /// The number of the current slot.
    slot: u64,
    /// Of the event given out last, in nanoseconds; never runs backwards.
    now: u64,
    scheduled: u64,
}

/// Which event of the current slot, and when.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Turn {
    at: u64,
    sequence: u64,
    /// Its place in `current`.
    place: u32,
}

impl<E> EventQueue<E> {
    /// An empty queue at time zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            current: Vec::new(),
            order: Vec::new(),
            late: BinaryHeap::new(),
            wheel: Wheel::new(),
            far: BinaryHeap::new(),
            slot: 0,
            now: 0,
            scheduled: 0,
        }
    }

    /// The time of the event given out last.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.now)
    }

    /// How many events are still to come.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len() + self.late.len() + self.wheel.len() + self.far.len()
    }

    /// Whether nothing is going to happen any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many events have been given out.
    #[must_use]
    pub fn popped(&self) -> u64 {
        self.scheduled - self.len() as u64
    }

    /// When the next event is due.
    #[must_use]
    pub fn next_time(&mut self) -> Option<Duration> {
        self.turn();
        let first = self.order.last().map(|turn| turn.at);
        let late = self.late.peek().map(|entry| entry.at);
        first
            .into_iter()
            .chain(late)
            .min()
            .map(Duration::from_nanos)
    }

    /// Lets `event` happen at `at`, or now if that has passed: a machine's deadline may lie in
    /// the past.
    pub fn schedule_at(&mut self, at: Duration, event: E) {
        let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let entry = Entry {
            at: at.max(self.now),
            sequence: self.scheduled,
            event,
        };
        self.scheduled += 1;
        match entry.slot().saturating_sub(self.slot) {
            0 => self.late.push(entry),
            1..SLOTS => self.wheel.push(entry),
            _ => self.far.push(entry),
        }
    }

    /// Lets `event` happen `delay` from now.
    pub fn schedule_in(&mut self, delay: Duration, event: E) {
        self.schedule_at(self.now().saturating_add(delay), event);
    }

    /// The next event; moves the clock to its time, which is returned too.
    pub fn pop(&mut self) -> Option<(Duration, E)> {
        self.turn();
        let is_late = match (self.order.last(), self.late.peek()) {
            (Some(turn), Some(late)) => (late.at, late.sequence) < (turn.at, turn.sequence),
            (turn, _) => turn.is_none(),
        };
        let (at, event) = if is_late {
            let entry = self.late.pop()?;
            (entry.at, entry.event)
        } else {
            let turn = self.order.pop()?;
            (turn.at, self.current[turn.place as usize].take()?)
        };
        debug_assert!(at >= self.now, "the clock ran backwards");
        self.now = at;
        Some((self.now(), event))
    }

    /// The next event, if it is due at `end` at the latest. When there is none, the clock stands
    /// at `end`.
    pub fn pop_until(&mut self, end: Duration) -> Option<(Duration, E)> {
        if self.next_time().is_some_and(|next| next <= end) {
            return self.pop();
        }
        let end = u64::try_from(end.as_nanos()).unwrap_or(u64::MAX);
        self.now = self.now.max(end);
        None
    }

    /// Turns the wheel until the next event is in the current slot.
    fn turn(&mut self) {
        while self.order.is_empty() && self.late.is_empty() {
            let first_far = self.far.peek().map(Entry::slot);
            self.slot = match (self.wheel.len(), first_far) {
                (0, None) => return,
                (0, Some(far)) => far,
                (_, _) => self.slot + 1,
            };
            self.begin_slot();
        }
    }

    fn begin_slot(&mut self) {
        self.current.clear();
        let mut add = |entry: Entry<E>| {
            self.order.push(Turn {
                at: entry.at,
                sequence: entry.sequence,
                place: self.current.len() as u32,
            });
            self.current.push(Some(entry.event));
        };
        self.wheel.take(self.slot, &mut add);
        while self
            .far
            .peek()
            .is_some_and(|entry| entry.slot() <= self.slot)
        {
            self.far.pop().into_iter().for_each(&mut add);
        }
        self.order.sort_unstable_by(|a, b| b.cmp(a));
    }
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts instead of listing a million events.
impl<E> fmt::Debug for EventQueue<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventQueue({} events at {:?})", self.len(), self.now())
    }
}

/// Nanoseconds rather than a `Duration`, which is half as large again with its padding: millions
/// of these are moved about.
struct Entry<E> {
    at: u64,
    sequence: u64,
    event: E,
}

impl<E> Entry<E> {
    fn slot(&self) -> u64 {
        self.at >> SLOT_BITS
    }
}

/// The heap gives out the greatest; that is the earliest.
impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<E> Eq for Entry<E> {}

/// A slot is 2^18 ns, a quarter of a millisecond: with millions of events a second, those of one
/// still fit into a processor's cache.
const SLOT_BITS: u32 = 18;
/// A power of two, and together two seconds: round trips and what lines have queued.
const SLOTS: u64 = 8192;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_are_small() {
        assert_eq!(size_of::<Entry<u64>>(), 24);
    }

    #[test]
    fn the_clock_waits_at_the_end() {
        let mut queue = EventQueue::new();
        let second = Duration::from_secs(1);
        queue.schedule_at(second * 3, ());
        assert_eq!(queue.pop_until(second * 2), None);
        assert_eq!(queue.now(), second * 2);
        queue.schedule_in(second, ());
        assert_eq!(queue.pop_until(second * 3), Some((second * 3, ())));
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.pop_until(second * 3), Some((second * 3, ())));
        assert_eq!(queue.pop_until(Duration::ZERO), None);
        assert_eq!(queue.now(), second * 3);
    }

    proptest! {
        /// A stable sort by time is what a queue that was filled first gives out.
        #[test]
        fn ties_keep_their_order(
            times in prop::collection::vec(0_u64..20, 0..200),
            millis in prop::sample::select(vec![1, 7, 400]),
        ) {
            let times: Vec<_> = times.into_iter().map(|time| time * millis).collect();
            let mut queue = EventQueue::new();
            for (index, time) in times.iter().enumerate() {
                queue.schedule_at(Duration::from_millis(*time), index);
            }
            let mut expected: Vec<_> = times.into_iter().enumerate().collect();
            expected.sort_by_key(|(_, time)| *time);
            let found = std::iter::from_fn(|| queue.pop());
            let found: Vec<_> = found.map(|(at, index)| (index, at.as_millis() as u64)).collect();
            prop_assert_eq!(found, expected);
        }

        /// Whatever is scheduled while events happen, soon or late, comes in the order of its
        /// time, and nothing is lost.
        #[test]
        fn a_sorted_list_gives_the_same(
            steps in prop::collection::vec((0_u64..5_000_000, 0_usize..3), 1..100),
        ) {
            let mut queue = EventQueue::new();
            let mut list: Vec<(u64, usize)> = Vec::new();
            let mut now = 0;
            for (index, (micros, pops)) in steps.iter().enumerate() {
                // Some of them at once, most within the wheel, some beyond.
                let at = now + (micros / 1000) * (micros % 1000);
                queue.schedule_at(Duration::from_micros(at), index);
                list.push((at, index));
                for _ in 0..*pops {
                    list.sort_unstable();
                    let expected = (!list.is_empty()).then(|| list.remove(0));
                    let found = queue.pop();
                    prop_assert_eq!(found, expected.map(|(at, index)| (Duration::from_micros(at), index)));
                    now = expected.map_or(now, |(at, _)| at);
                }
                prop_assert_eq!(queue.len(), list.len());
            }
        }
    }
}
