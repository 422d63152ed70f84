use std::time::Duration;

use crate::{Rate, rate::Serial};

/// A disk that takes its time, one operation after the other, and fails when told to.
///
/// ```
/// use std::time::Duration;
/// use bt_sim::{Disk, DiskConfig, DiskFault, Rate};
///
/// let config = DiskConfig { seek: Duration::from_millis(8), rate: Rate::bytes_per_sec(100_000_000) };
/// let mut disk = Disk::new(config);
/// disk.fill_after(1_000_000);
/// // A seek and 10 ms; then what follows on, without a seek.
/// assert_eq!(disk.write(Duration::ZERO, 0, 1_000_000).at, Duration::from_millis(18));
/// let refused = disk.write(Duration::ZERO, 1_000_000, 1);
/// assert_eq!(refused.result, Err(DiskFault::Full));
/// ```
#[derive(Clone, Debug)]
pub struct Disk {
    config: DiskConfig,
    arm: Serial,
    /// Where the last operation ended; nowhere at first.
    position: Option<u64>,
    operations: u64,
    /// The operations that will fail, by their number; the nearest last.
    failures: Vec<u64>,
    /// Bytes that can still be written.
    free: u64,
}

/// What a [`Disk`] is like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DiskConfig {
    /// What an operation costs that does not begin where the one before it ended.
    pub seek: Duration,
    /// How fast bytes are read and written.
    pub rate: Rate,
}

/// How an operation ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "an operation ends later, and may fail"]
pub struct Completed {
    /// When.
    pub at: Duration,
    /// How.
    pub result: Result<(), DiskFault>,
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DiskFault {
    /// No room is left; nothing has been written.
    Full,
    /// The disk could not, and does not say why; nothing has been read or written.
    Failed,
}

impl DiskConfig {
    /// A hard disk: 8 ms, 150 MB/s.
    #[must_use]
    pub const fn hard_disk() -> Self {
        Self {
            seek: Duration::from_millis(8),
            rate: Rate::bytes_per_sec(150_000_000),
        }
    }

    /// A solid-state disk: 60 µs, 2 GB/s.
    #[must_use]
    pub const fn solid_state() -> Self {
        Self {
            seek: Duration::from_micros(60),
            rate: Rate::bytes_per_sec(2_000_000_000),
        }
    }
}

impl Disk {
    /// An idle disk with room for everything.
    #[must_use]
    pub fn new(config: DiskConfig) -> Self {
        Self {
            config,
            arm: Serial::default(),
            position: None,
            operations: 0,
            failures: Vec::new(),
            free: u64::MAX,
        }
    }

    /// Lets the `n`th operation from now fail; 0 is the next.
    pub fn fail_nth(&mut self, n: u64) {
        self.failures.push(self.operations + n);
        self.failures.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// Leaves room for `bytes` more. Every write counts, also one over what is there already.
    pub fn fill_after(&mut self, bytes: u64) {
        self.free = bytes;
    }

    /// Reads `bytes` at `position`, which is anything that tells places apart; files that lie
    /// next to each other are read without a seek. `now` must not run backwards.
    pub fn read(&mut self, now: Duration, position: u64, bytes: u64) -> Completed {
        self.operate(now, position, bytes, Ok(()))
    }

    /// Writes `bytes` at `position`; see [`read`](Self::read).
    pub fn write(&mut self, now: Duration, position: u64, bytes: u64) -> Completed {
        let Some(free) = self.free.checked_sub(bytes) else {
            return self.operate(now, position, bytes, Err(DiskFault::Full));
        };
        let completed = self.operate(now, position, bytes, Ok(()));
        if completed.result.is_ok() {
            self.free = free;
        }
        completed
    }

    /// How long an operation that is asked for now would wait.
    #[must_use]
    pub fn backlog(&self, now: Duration) -> Duration {
        self.arm.backlog(now)
    }

    fn operate(
        &mut self,
        now: Duration,
        position: u64,
        bytes: u64,
        otherwise: Result<(), DiskFault>,
    ) -> Completed {
        let mut result = otherwise;
        while self.failures.last() == Some(&self.operations) {
            self.failures.pop();
            result = Err(DiskFault::Failed);
        }
        self.operations += 1;
        let mut time = Duration::ZERO;
        if self.position != Some(position) {
            time += self.config.seek;
        }
        if result.is_ok() {
            time += self.config.rate.time_for(bytes);
            self.position = Some(position.saturating_add(bytes));
        } else {
            self.position = None;
        }
        Completed {
            at: self.arm.work(now, time),
            result,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_jumps_cost_a_seek() {
        let mut disk = Disk::new(CONFIG);
        let ends = [(0, 1000), (1000, 1000), (5000, 1000), (0, 1000)]
            .map(|(position, bytes)| disk.read(Duration::ZERO, position, bytes).at);
        assert_eq!(ends, [MS * 11, MS * 12, MS * 23, MS * 34]);
        assert_eq!(disk.backlog(MS * 30), MS * 4);
    }

    #[test]
    fn the_nth_operation_fails_once() {
        let mut disk = Disk::new(CONFIG);
        disk.fail_nth(3);
        disk.fail_nth(1);
        let results: Vec<_> = (0..5)
            .map(|i| disk.write(Duration::ZERO, i * 1000, 1000).result.is_ok())
            .collect();
        assert_eq!(results, [true, false, true, false, true]);
        disk.fail_nth(0);
        assert_eq!(
            disk.read(Duration::ZERO, 0, 1).result,
            Err(DiskFault::Failed)
        );
        assert_eq!(disk.read(Duration::ZERO, 0, 1).result, Ok(()));
    }

    #[test]
    fn a_full_disk_still_reads_and_can_be_cleared() {
        let mut disk = Disk::new(CONFIG);
        disk.fill_after(2500);
        let write = |disk: &mut Disk| disk.write(Duration::ZERO, 0, 1000).result;
        let results = [(); 3].map(|()| write(&mut disk));
        assert_eq!(results, [Ok(()), Ok(()), Err(DiskFault::Full)]);
        assert_eq!(disk.read(Duration::ZERO, 0, 1000).result, Ok(()));
        assert_eq!(disk.write(Duration::ZERO, 0, 500).result, Ok(()));
        disk.fill_after(1000);
        assert_eq!(write(&mut disk), Ok(()));
    }

    proptest! {
        /// Operations end in order, and all bytes take their time.
        #[test]
        fn the_rate_holds(
            operations in prop::collection::vec((0_u64..10_000, 1_u64..5_000, 0_u32..5), 1..100),
        ) {
            let mut disk = Disk::new(CONFIG);
            let (mut now, mut last, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
            for (position, length, wait) in operations {
                now += MS * wait;
                bytes += length;
                let end = disk.write(now, position, length).at;
                prop_assert!(end >= last && end > now && end >= CONFIG.rate.time_for(bytes));
                last = end;
            }
        }
    }

    const MS: Duration = Duration::from_millis(1);
    const CONFIG: DiskConfig = DiskConfig {
        seek: Duration::from_millis(10),
        rate: Rate::bytes_per_sec(1_000_000),
    };
}
