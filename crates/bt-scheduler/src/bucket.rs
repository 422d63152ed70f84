use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

use bt_types::BLOCK_LENGTH;

/// A token bucket: how many bytes may go now, so that in the long run it is so many per second.
///
/// Something of any size may go while there are tokens, and what it takes beyond them is owed. So
/// in any stretch of time no more goes than the rate gives in it, and one [burst](Self::burst), and
/// the size of the last that went. Whole numbers only: nothing is lost to rounding, however often
/// it is asked.
///
/// ```
/// # use std::{num::NonZeroU64, time::{Duration, Instant}};
/// use bt_scheduler::TokenBucket;
/// # let now = Instant::now();
/// let rate = NonZeroU64::new(16_384).unwrap();
/// let mut bucket = TokenBucket::new(now, rate);
/// assert!(bucket.has_tokens(now)); // the first may go at once,
/// bucket.spend(now, 16_384);
/// assert!(!bucket.has_tokens(now)); // the next has to wait
/// let ready = bucket.ready_at(now).unwrap();
/// assert!((ready - now).as_millis().abs_diff(1000) < 20);
/// assert!(bucket.has_tokens(ready));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    rate: NonZeroU64,
    /// In billionths of a byte, which a rate gives in whole numbers each nanosecond. Less than
    /// nothing is owed.
    level: i128,
    filled_at: Instant,
}

impl TokenBucket {
    /// Gives `rate` bytes per second. It has next to nothing yet, but the first may go.
    #[must_use]
    pub fn new(now: Instant, rate: NonZeroU64) -> Self {
        Self {
            rate,
            level: 1,
            filled_at: now,
        }
    }

    /// Bytes per second.
    #[must_use]
    pub fn rate(&self) -> NonZeroU64 {
        self.rate
    }

    /// Another rate, from now on. What is owed stays owed, and is paid at the new rate.
    pub fn set_rate(&mut self, now: Instant, rate: NonZeroU64) {
        self.fill(now);
        self.rate = rate;
        self.level = self.level.min(self.depth());
    }

    /// Whether something may go.
    #[must_use]
    pub fn has_tokens(&self, now: Instant) -> bool {
        self.level_at(now) > 0
    }

    /// Takes note that `bytes` go, whether they may or not.
    pub fn spend(&mut self, now: Instant, bytes: u64) {
        self.fill(now);
        self.level = self.level.saturating_sub(nano(bytes));
    }

    /// Gives back `bytes` that were spent, and do not go after all.
    pub fn refund(&mut self, now: Instant, bytes: u64) {
        self.fill(now);
        self.level = self.level.saturating_add(nano(bytes)).min(self.depth());
    }

    /// Counts in `bytes` that are on their way and were not spent here: so much less than a
    /// [burst](Self::burst) is left at most. Once, however often it is said.
    pub fn set_aside(&mut self, now: Instant, bytes: u64) {
        self.fill(now);
        self.level = self.level.min(self.depth() - nano(bytes));
    }

    /// How many bytes are owed: gone, and not yet paid for.
    #[must_use]
    pub fn debt(&self, now: Instant) -> u64 {
        let debt = self.level_at(now).saturating_neg() / nano(1);
        u64::try_from(debt.max(0)).unwrap_or(u64::MAX)
    }

    /// When it is worth asking again; `None` if something may go now.
    ///
    /// Not for every byte: at high rates so that each time a few milliseconds' worth may go. An hour
    /// from now at most.
    #[must_use]
    pub fn ready_at(&self, now: Instant) -> Option<Instant> {
        let level = self.level_at(now);
        if level > 0 {
            return None;
        }
        let portion = nano(self.rate.get() / WAKES_PER_SEC).clamp(1, self.depth() / 2);
        let missing = portion.saturating_sub(level).unsigned_abs();
        let nanos = missing.div_ceil(u128::from(self.rate.get()));
        let wait = u64::try_from(nanos).map_or(LONGEST_WAIT, Duration::from_nanos);
        Some(now + wait.min(LONGEST_WAIT))
    }

    /// How many bytes it holds at most: a quarter of a second's, and not less than a block.
    #[must_use]
    pub fn burst(&self) -> u64 {
        (self.rate.get() / BURSTS_PER_SEC).max(u64::from(BLOCK_LENGTH))
    }

    fn depth(&self) -> i128 {
        nano(self.burst())
    }

    fn fill(&mut self, now: Instant) {
        self.level = self.level_at(now);
        self.filled_at = self.filled_at.max(now);
    }

    fn level_at(&self, now: Instant) -> i128 {
        let elapsed = now.saturating_duration_since(self.filled_at).as_nanos();
        let gained = elapsed.saturating_mul(u128::from(self.rate.get()));
        let gained = i128::try_from(gained).unwrap_or(i128::MAX);
        self.level.saturating_add(gained).min(self.depth())
    }
}

fn nano(bytes: u64) -> i128 {
    i128::from(bytes) * 1_000_000_000
}

/// Long enough that a late timer costs nothing, short enough that nobody sees it.
const BURSTS_PER_SEC: u64 = 4;
/// Fast enough for an even flow, and no matter for a CPU.
const WAKES_PER_SEC: u64 = 64;
/// Whoever waits for longer may as well look in between.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests;
