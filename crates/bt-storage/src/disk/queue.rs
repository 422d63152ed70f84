use std::{
    collections::{HashSet, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use bt_types::PieceIndex;

/// Jobs that wait for a thread, oldest first, but never two at work on one place.
pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
}

/// A job and what the queue must know of it.
pub(super) struct Entry<J> {
    pub(super) job: J,
    /// What it writes to, if anything.
    pub(super) place: Option<Place>,
    /// It can be done together with others of this kind: how many bytes it is about, if so.
    pub(super) fills_lane: Option<usize>,
}

/// A storage, by its address, and a piece of it.
pub(super) type Place = (usize, PieceIndex);

/// Jobs for one thread: one of any kind, or several that fill lanes. Their places are taken until
/// it is dropped.
pub(super) struct Batch<'a, J> {
    pub(super) jobs: Vec<J>,
    places: Vec<Place>,
    queue: &'a Queue<J>,
}

struct State<J> {
    waiting: VecDeque<Entry<J>>,
    busy: HashSet<Place>,
    is_closed: bool,
}

impl<J> Queue<J> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                busy: HashSet::new(),
                is_closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    pub(super) fn push(&self, entry: Entry<J>) {
        self.lock().waiting.push_back(entry);
        self.changed.notify_one();
    }

    /// Nothing more will be pushed: [`take`](Self::take) ends when the queue is empty.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Waits for something to do: one job, and up to `lanes` if it is of the kind that fills
    /// lanes and there are more; still more if all of them are about few bytes. `None` once the queue is closed and empty.
    pub(super) fn take(&self, lanes: usize) -> Option<Batch<'_, J>> {
        let mut state = self.lock();
        loop {
            let (jobs, places) = state.take(lanes);
            if !jobs.is_empty() {
                let queue = self;
                return Some(Batch {
                    jobs,
                    places,
                    queue,
                });
            }
            if state.is_closed && state.waiting.is_empty() {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> State<J> {
    fn take(&mut self, lanes: usize) -> (Vec<J>, Vec<Place>) {
        let (mut jobs, mut places) = (Vec::new(), Vec::new());
        // Places of jobs that were passed over: what comes later for them has to wait as well.
        let mut passed = HashSet::new();
        let mut index = 0;
        let mut bytes = 0;
        while let Some(entry) = self.waiting.get(index) {
            let is_free = entry
                .place
                .is_none_or(|place| !self.busy.contains(&place) && !passed.contains(&place));
            let is_wanted = jobs.is_empty() || entry.fills_lane.is_some();
            if !is_free || !is_wanted {
                passed.extend(entry.place);
                index += 1;
                continue;
            }
            let entry = self
                .waiting
                .remove(index)
                .expect("holds because it was found there");
            self.busy.extend(entry.place);
            places.extend(entry.place);
            jobs.push(entry.job);
            let Some(length) = entry.fills_lane else {
                break;
            };
            bytes += length;
            if jobs.len() >= lanes && bytes >= FEW_BYTES {
                break;
            }
        }
        (jobs, places)
    }
}

impl<J> Drop for Batch<'_, J> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        for place in &self.places {
            state.busy.remove(place);
        }
        // Jobs that waited for these places can be taken now, by this thread or another.
        if !state.waiting.is_empty() {
            self.queue.changed.notify_all();
        }
    }
}

/// As many are hashed and written in less time than it takes another thread to wake up.
const FEW_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_for_one_place_are_done_in_order() {
        let queue = queue_of(&[
            ('a', 1, false),
            ('b', 1, false),
            ('c', 2, false),
            ('d', 0, false),
        ]);
        let first = queue.take(1).unwrap();
        assert_eq!(first.jobs, ['a']);
        assert_eq!(queue.take(1).unwrap().jobs, ['c']);
        assert_eq!(queue.take(1).unwrap().jobs, ['d']);
        drop(first);
        assert_eq!(queue.take(1).unwrap().jobs, ['b']);
        queue.close();
        assert!(queue.take(1).is_none());
    }

    #[test]
    fn lanes_are_filled_past_other_jobs_but_in_order_for_each_place() {
        let queue = queue_of(&[
            ('a', 1, true),
            ('b', 2, false),
            ('c', 2, true),
            ('d', 3, true),
            ('e', 1, true),
            ('f', 4, true),
            ('g', 5, true),
        ]);
        let lanes = queue.take(3).unwrap();
        assert_eq!(lanes.jobs, ['a', 'd', 'f']);
        let other = queue.take(3).unwrap();
        assert_eq!(other.jobs, ['b']);
        assert_eq!(queue.take(3).unwrap().jobs, ['g']);
        drop((lanes, other));
        assert_eq!(queue.take(3).unwrap().jobs, ['c', 'e']);
    }

    /// Place 0 stands for none.
    fn queue_of(jobs: &[(char, u32, bool)]) -> Queue<char> {
        let queue = Queue::new();
        for &(job, place, fills_lane) in jobs {
            queue.push(Entry {
                job,
                place: (place > 0).then_some((7, PieceIndex::new(place))),
                fills_lane: fills_lane.then_some(FEW_BYTES),
            });
        }
        queue
    }
}
