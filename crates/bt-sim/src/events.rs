use std::{cmp::Ordering, collections::BinaryHeap, fmt, time::Duration};

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
    /// What is due in the current slot of time, or was scheduled for a time before it.
    soon: BinaryHeap<Entry<E>>,
    /// The slots that follow, in no order; slot `n` at `n % SLOTS`. Most of what is scheduled is
    /// due within milliseconds: so it is sorted when its slot comes, among few others, rather than
    /// among a million.
    wheel: Vec<Vec<Entry<E>>>,
    in_wheel: usize,
    /// What lies beyond the wheel.
    far: BinaryHeap<Entry<E>>,
    /// The number of the current slot.
    slot: u64,
    /// Empty buffers, so that not every slot keeps one of its own.
    spare: Vec<Vec<Entry<E>>>,
    /// Of the event given out last, in nanoseconds; never runs backwards.
    now: u64,
    scheduled: u64,
}

impl<E> EventQueue<E> {
    /// An empty queue at time zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            soon: BinaryHeap::new(),
            wheel: (0..SLOTS).map(|_| Vec::new()).collect(),
            in_wheel: 0,
            far: BinaryHeap::new(),
            slot: 0,
            spare: Vec::new(),
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
        self.soon.len() + self.in_wheel + self.far.len()
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
        self.soon.peek().map(|entry| Duration::from_nanos(entry.at))
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
            0 => self.soon.push(entry),
            1..SLOTS => {
                let bucket = &mut self.wheel[(entry.slot() % SLOTS) as usize];
                if bucket.capacity() == 0 {
                    *bucket = self.spare.pop().unwrap_or_default();
                }
                bucket.push(entry);
                self.in_wheel += 1;
            }
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
        let entry = self.soon.pop()?;
        debug_assert!(entry.at >= self.now, "the clock ran backwards");
        self.now = entry.at;
        Some((self.now(), entry.event))
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
        while self.soon.is_empty() {
            let first_far = self.far.peek().map(Entry::slot);
            self.slot = match (self.in_wheel, first_far) {
                (0, None) => return,
                (0, Some(far)) => far,
                (_, _) => self.slot + 1,
            };
            let bucket = std::mem::take(&mut self.wheel[(self.slot % SLOTS) as usize]);
            self.in_wheel -= bucket.len();
            if bucket.capacity() > 0 {
                let empty = std::mem::replace(&mut self.soon, BinaryHeap::from(bucket));
                self.spare.push(empty.into_vec());
            }
            while self
                .far
                .peek()
                .is_some_and(|entry| entry.slot() <= self.slot)
            {
                self.soon.extend(self.far.pop());
            }
        }
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

/// A slot is 2^20 ns: about a millisecond.
const SLOT_BITS: u32 = 20;
/// A power of two, and together two seconds: round trips and what lines have queued.
const SLOTS: u64 = 2048;

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
