use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::sys::thread_cpu_time;

/// The CPU time that threads have spent hashing, summed up: what is measured here is told apart
/// from what reading and writing cost.
///
/// The clock is read for pieces, never for blocks.
#[derive(Debug, Default)]
pub(crate) struct HashTime {
    nanos: AtomicU64,
}

impl HashTime {
    /// Does `work`, which hashes and nothing else, on this thread.
    pub(crate) fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        let (result, time) = timed(work);
        self.add(time);
        result
    }

    pub(crate) fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(crate) fn total(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

/// Does `work`, and tells how much CPU time this thread took for it.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = thread_cpu_time();
    let result = work();
    (result, thread_cpu_time().saturating_sub(before))
}
