use std::{fmt, num::NonZeroU64, time::Duration};

/// How fast bytes pass, at most.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Rate(NonZeroU64);

impl Rate {
    /// # Panics
    /// If `rate` is 0: nothing would ever arrive.
    #[must_use]
    pub const fn bytes_per_sec(rate: u64) -> Self {
        Self(NonZeroU64::new(rate).expect("a rate is not zero"))
    }

    /// As lines are sold: millions of bits per second.
    ///
    /// # Panics
    /// If `rate` is 0.
    #[must_use]
    pub const fn mbit_per_sec(rate: u64) -> Self {
        Self::bytes_per_sec(rate * 125_000)
    }

    /// The number of bytes per second.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// How long `bytes` take; whole nanoseconds, rounded up, so that no rate is ever exceeded.
    #[must_use]
    pub fn time_for(self, bytes: u64) -> Duration {
        let nanos = match bytes.checked_mul(NANOS_PER_SEC) {
            Some(scaled) => scaled.div_ceil(self.get()),
            // More than 18 GB at once: division of 128 bits takes several times as long.
            None => {
                let scaled = u128::from(bytes) * u128::from(NANOS_PER_SEC);
                u64::try_from(scaled.div_ceil(u128::from(self.get()))).unwrap_or(u64::MAX)
            }
        };
        Duration::from_nanos(nanos)
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes/s", self.0)
    }
}

/// Something that works on one thing after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Serial {
    /// When all that it has accepted will be done.
    free_at: Duration,
}

impl Serial {
    /// Accepts work at `now`; returns when it will be done.
    pub(crate) fn work(&mut self, now: Duration, time: Duration) -> Duration {
        self.free_at = self.free_at.max(now).saturating_add(time);
        self.free_at
    }

    /// How long it will take to finish what it has accepted.
    pub(crate) fn backlog(&self, now: Duration) -> Duration {
        self.free_at.saturating_sub(now)
    }
}

const NANOS_PER_SEC: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        let dsl = Rate::mbit_per_sec(10);
        assert_eq!(dsl.get(), 1_250_000);
        assert_eq!(dsl.time_for(16_384), Duration::from_nanos(13_107_200));
        assert_eq!(
            Rate::bytes_per_sec(3).time_for(1),
            Duration::from_nanos(333_333_334)
        );
        assert_eq!(dsl.time_for(0), Duration::ZERO);
        // Longer than any simulation, and no overflow.
        assert!(Rate::bytes_per_sec(1).time_for(u64::MAX) > Duration::from_secs(1 << 30));
    }
}
