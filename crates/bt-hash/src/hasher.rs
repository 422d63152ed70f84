use std::{collections::VecDeque, fmt};

use crate::{Algorithm, Digest, digest::digest_parts};

/// Hashes messages, as many at a time as the processor has lanes for.
///
/// Each job owns its message in parts that are hashed as one, and gives them back with the
/// digest. `Id` is whatever tells the caller's jobs apart; it is never looked at.
///
/// The work is done in [`poll`](Self::poll), on the thread that calls it.
pub struct Hasher<Id, B> {
    waiting: VecDeque<Job<Id, B>>,
    /// How many of the oldest jobs must not wait for company; at most `waiting.len()`.
    flushed: usize,
    lanes: usize,
}

/// A finished job.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "the digest, and the only owner of the parts"]
pub struct Hashed<Id, B> {
    /// As it was submitted.
    pub id: Id,
    /// The hash of all parts as one message.
    pub digest: Digest,
    /// As they were submitted, in order.
    pub parts: Vec<B>,
}

impl<Id, B: AsRef<[u8]>> Hasher<Id, B> {
    /// A hasher without jobs. Cheap: one for each thread.
    #[must_use]
    pub fn new() -> Self {
        Self::with_lanes(LANES)
    }

    /// How many jobs fill the lanes: what to gather before calling [`poll`](Self::poll), if so
    /// many can be had without delay. At least 1.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// How many jobs have been submitted and not yet been given back.
    #[must_use]
    pub fn job_count(&self) -> usize {
        self.waiting.len()
    }

    /// Takes the message that `parts` are, one after the other. No parts at all are the empty
    /// message.
    ///
    /// The number of jobs that wait is not limited here: it is bounded by the memory that the
    /// caller grants to parts.
    pub fn submit(&mut self, id: Id, algorithm: Algorithm, parts: Vec<B>) {
        self.waiting.push_back(Job {
            id,
            algorithm,
            parts,
        });
    }

    /// Says that the jobs submitted so far shall not wait for more: [`poll`](Self::poll) gives
    /// back each of them, however few they are.
    pub fn flush(&mut self) {
        self.flushed = self.waiting.len();
    }

    /// A finished job, in any order; each comes back exactly once.
    ///
    /// `None` means that the jobs which are left, if any, wait for others to fill the lanes, or
    /// for [`flush`](Self::flush).
    pub fn poll(&mut self) -> Option<Hashed<Id, B>> {
        if self.flushed == 0 {
            if self.waiting.len() < self.lanes {
                return None;
            }
            // A full set of lanes: all of it is given back, also when nothing follows.
            self.flushed = self.lanes;
        }
        let job = self.waiting.pop_front()?;
        self.flushed -= 1;
        Some(Hashed {
            digest: digest_parts(job.algorithm, &job.parts),
            id: job.id,
            parts: job.parts,
        })
    }

    fn with_lanes(lanes: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            flushed: 0,
            lanes,
        }
    }
}

impl<Id, B: AsRef<[u8]>> Default for Hasher<Id, B> {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts instead of printing pieces.
impl<Id, B> fmt::Debug for Hasher<Id, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher")
            .field("waiting", &self.waiting.len())
            .field("flushed", &self.flushed)
            .field("lanes", &self.lanes)
            .finish()
    }
}

struct Job<Id, B> {
    id: Id,
    algorithm: Algorithm,
    parts: Vec<B>,
}

/// The scalar backend hashes one message at a time.
const LANES: usize = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{sha1, sha256};

    #[test]
    fn jobs_wait_for_full_lanes_or_a_flush() {
        let mut hasher = Hasher::with_lanes(4);
        for id in 0..6 {
            hasher.submit(id, Algorithm::Sha1, vec![[id]]);
        }
        assert_eq!(drain(&mut hasher), [0, 1, 2, 3]);
        assert_eq!(hasher.job_count(), 2);
        hasher.flush();
        hasher.submit(6, Algorithm::Sha1, vec![[6]]);
        assert_eq!(drain(&mut hasher), [4, 5]);
        hasher.flush();
        assert_eq!(drain(&mut hasher), [6]);
    }

    #[test]
    fn no_parts_are_the_empty_message() {
        let mut hasher = Hasher::<_, Vec<u8>>::new();
        hasher.submit((), Algorithm::Sha256, Vec::new());
        hasher.flush();
        let done = hasher.poll().unwrap();
        assert_eq!(done.digest, Digest::Sha256(sha256(b"")));
        assert_eq!(done.parts, Vec::<Vec<u8>>::new());
    }

    #[derive(Clone, Debug)]
    enum Operation {
        Submit(Algorithm, Vec<Vec<u8>>),
        Flush,
        Poll,
    }

    fn operation() -> impl Strategy<Value = Operation> {
        let algorithm = prop_oneof![Just(Algorithm::Sha1), Just(Algorithm::Sha256)];
        let part = prop::collection::vec(any::<u8>(), 0..200);
        let parts = prop::collection::vec(part, 0..5);
        prop_oneof![
            4 => (algorithm, parts).prop_map(|(algorithm, parts)| Operation::Submit(algorithm, parts)),
            1 => Just(Operation::Flush),
            4 => Just(Operation::Poll),
        ]
    }

    proptest! {
        /// Whatever the lanes, the split into parts and the order of calls: each job comes back
        /// once, with its parts and with the digest of the whole message.
        #[test]
        fn every_job_comes_back_once_with_its_digest(
            lanes in 1_usize..9,
            operations in prop::collection::vec(operation(), 0..60),
        ) {
            let mut hasher = Hasher::with_lanes(lanes);
            let mut submitted = Vec::new();
            let mut done = Vec::new();
            for operation in operations {
                match operation {
                    Operation::Submit(algorithm, parts) => {
                        hasher.submit(submitted.len(), algorithm, parts.clone());
                        submitted.push((algorithm, parts));
                    }
                    Operation::Flush => hasher.flush(),
                    Operation::Poll => done.extend(hasher.poll()),
                }
                prop_assert_eq!(hasher.job_count(), submitted.len() - done.len());
            }
            hasher.flush();
            done.extend(std::iter::from_fn(|| hasher.poll()));
            done.sort_by_key(|hashed| hashed.id);
            prop_assert_eq!(done.len(), submitted.len());
            for (id, (hashed, (algorithm, parts))) in done.into_iter().zip(submitted).enumerate() {
                let message = parts.concat();
                let expected = match algorithm {
                    Algorithm::Sha1 => Digest::Sha1(sha1(&message)),
                    Algorithm::Sha256 => Digest::Sha256(sha256(&message)),
                };
                prop_assert_eq!(hashed, Hashed { id, digest: expected, parts });
            }
        }
    }

    fn drain<Id, B: AsRef<[u8]>>(hasher: &mut Hasher<Id, B>) -> Vec<Id> {
        std::iter::from_fn(|| hasher.poll())
            .map(|hashed| hashed.id)
            .collect()
    }
}
