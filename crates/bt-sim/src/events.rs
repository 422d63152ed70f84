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
    heap: BinaryHeap<Entry<E>>,
    /// Of the event given out last, in nanoseconds; never runs backwards.
    now: u64,
    scheduled: u64,
}

impl<E> EventQueue<E> {
    /// An empty queue at time zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
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
        self.heap.len()
    }

    /// Whether nothing is going to happen any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// When the next event is due.
    #[must_use]
    pub fn next_time(&self) -> Option<Duration> {
        self.heap.peek().map(|entry| Duration::from_nanos(entry.at))
    }

    /// Lets `event` happen at `at`, or now if that has passed: a machine's deadline may lie in
    /// the past.
    pub fn schedule_at(&mut self, at: Duration, event: E) {
        let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        self.heap.push(Entry {
            at: at.max(self.now),
            sequence: self.scheduled,
            event,
        });
        self.scheduled += 1;
    }

    /// Lets `event` happen `delay` from now.
    pub fn schedule_in(&mut self, delay: Duration, event: E) {
        self.schedule_at(self.now().saturating_add(delay), event);
    }

    /// The next event; moves the clock to its time, which is returned too.
    pub fn pop(&mut self) -> Option<(Duration, E)> {
        let entry = self.heap.pop()?;
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
        fn ties_keep_their_order(times in prop::collection::vec(0_u64..20, 0..200)) {
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

        /// Whatever is scheduled while events happen, time never runs backwards and nothing is
        /// lost.
        #[test]
        fn time_never_runs_backwards(steps in prop::collection::vec((0_u64..50, 0_usize..3), 1..100)) {
            let mut queue = EventQueue::new();
            let (mut last, mut popped) = (Duration::ZERO, 0);
            for (at, pops) in &steps {
                queue.schedule_at(Duration::from_millis(*at), ());
                for _ in 0..*pops {
                    if let Some((now, ())) = queue.pop() {
                        prop_assert!(now >= last);
                        (last, popped) = (now, popped + 1);
                    }
                }
            }
            prop_assert_eq!(queue.len() + popped, steps.len());
        }
    }
}
