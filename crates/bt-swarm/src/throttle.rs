//! One direction of a torrent's traffic, kept to the rate that is granted.

use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

use bt_scheduler::TokenBucket;

/// What may go now, until when to wait otherwise, and what could go if more were granted.
///
/// Costs nothing while there is no limit.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    limited: Option<Limited>,
}

#[derive(Debug)]
struct Limited {
    bucket: TokenBucket,
    usage: Usage,
    /// Something waits for tokens, until then at least.
    waits_until: Option<Instant>,
    /// When something last waited.
    waited_at: Option<Instant>,
}

impl Throttle {
    pub(crate) fn is_limited(&self) -> bool {
        self.limited.is_some()
    }

    /// Whether `rate` is lower than what holds now, and not just by one of the small changes that
    /// come several times a second where torrents share a rate.
    pub(crate) fn falls_to(&self, rate: Option<NonZeroU64>) -> bool {
        match (&self.limited, rate) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(limited), Some(rate)) => rate.get() < limited.bucket.rate().get() / 4 * 3,
        }
    }

    /// Changes the rate. `under_way` bytes went at the old one and will be seen at the new one: if
    /// it [falls](Self::falls_to), they count.
    pub(crate) fn set_limit(&mut self, now: Instant, rate: Option<NonZeroU64>, under_way: u64) {
        let falls = self.falls_to(rate);
        match (&mut self.limited, rate) {
            (_, None) => self.limited = None,
            (Some(limited), Some(rate)) => {
                limited.bucket.set_rate(now, rate);
                if falls {
                    limited.bucket.set_aside(now, under_way);
                }
            }
            (None, Some(rate)) => {
                let mut bucket = TokenBucket::new(now, rate);
                bucket.set_aside(now, under_way);
                self.limited = Some(Limited {
                    bucket,
                    usage: Usage::default(),
                    waits_until: None,
                    waited_at: None,
                });
            }
        }
    }

    /// Whether something may go; if not, it waits. See [`poll_timeout`](Self::poll_timeout).
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        let Some(limited) = &mut self.limited else {
            return true;
        };
        limited.waits_until = limited.bucket.ready_at(now);
        if limited.waits_until.is_some() {
            limited.waited_at = Some(now);
        }
        limited.waits_until.is_none()
    }

    /// Nothing waits any more, or it is yet to be seen what does.
    pub(crate) fn stop_waiting(&mut self, now: Instant) {
        if let Some(limited) = &mut self.limited {
            if limited.waits_until.take().is_some() {
                limited.waited_at = Some(now);
            }
        }
    }

    /// So many bytes go that were [admitted](Self::admits).
    pub(crate) fn spend(&mut self, now: Instant, bytes: u64) {
        if let Some(limited) = &mut self.limited {
            limited.bucket.spend(now, bytes);
            limited.usage.record(now, bytes);
        }
    }

    /// So many bytes of those that were [spent](Self::spend) do not go after all.
    pub(crate) fn refund(&mut self, now: Instant, bytes: u64) {
        if let Some(limited) = &mut self.limited {
            limited.bucket.refund(now, bytes);
        }
    }

    /// So many bytes go without being asked: others wait for them, but not for ever.
    pub(crate) fn count(&mut self, now: Instant, bytes: u64) {
        let Some(limited) = &mut self.limited else {
            return;
        };
        if limited.bucket.debt(now) < limited.bucket.burst() {
            limited.bucket.spend(now, bytes);
        }
        limited.usage.record(now, bytes);
    }

    /// When something that waits may go.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.limited.as_ref()?.waits_until
    }

    /// Bytes per second that could go if they were granted: what goes now, and a little more, or
    /// without bound if something has just had to wait.
    pub(crate) fn wanted_bytes_per_sec(&self, now: Instant) -> u64 {
        let Some(limited) = &self.limited else {
            return 0;
        };
        let recently = |at: Instant| now.saturating_duration_since(at) < RECENTLY;
        if limited.waits_until.is_some() || limited.waited_at.is_some_and(recently) {
            return u64::MAX;
        }
        let used = limited.usage.bytes_per_sec(now);
        used.saturating_add(used / HEADROOM)
    }
}

/// The bytes of the last half second, exactly: what has come to an end is soon seen, and on average
/// no more is seen than there was.
#[derive(Debug, Default)]
struct Usage {
    /// When the last tick began, and the bytes in it and in those before.
    ticks: Option<(Instant, [u64; 3])>,
}

impl Usage {
    fn record(&mut self, now: Instant, bytes: u64) {
        let (start, mut ticks) = self.ticks_at(now);
        ticks[0] = ticks[0].saturating_add(bytes);
        self.ticks = Some((start, ticks));
    }

    fn bytes_per_sec(&self, now: Instant) -> u64 {
        let (_, [_, one, two]) = self.ticks_at(now);
        one.saturating_add(two).saturating_mul(TICKS_PER_SEC) / 2
    }

    fn ticks_at(&self, now: Instant) -> (Instant, [u64; 3]) {
        let Some((start, [running, one, two])) = self.ticks else {
            return (now, [0; 3]);
        };
        let ended = now.saturating_duration_since(start).as_millis() / TICK.as_millis();
        match ended {
            0 => (start, [running, one, two]),
            1 => (start + TICK, [0, running, one]),
            2 => (start + TICK * 2, [0, 0, running]),
            _ => (now, [0; 3]),
        }
    }
}

const TICK: Duration = Duration::from_millis(250);
const TICKS_PER_SEC: u64 = 4;
/// Longer than between two looks at what is wanted, so that a moment without anybody who waits is
/// not taken for the end; short enough that others soon have what is left.
const RECENTLY: Duration = Duration::from_millis(300);
/// A part of what is used is wanted on top of it, lest every fluctuation be a wait: as much as does
/// not matter to others. Whoever could use much more is soon found waiting.
const HEADROOM: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    fn rate(bytes_per_sec: u64) -> Option<NonZeroU64> {
        NonZeroU64::new(bytes_per_sec)
    }

    /// Lets `step` bytes go whenever they may, up to `most` a second; returns how many went.
    fn run(throttle: &mut Throttle, from: Instant, millis: u64, step: u64, most: u64) -> u64 {
        let mut sum = 0;
        for ms in 0..millis {
            let now = from + Duration::from_millis(ms);
            throttle.stop_waiting(now);
            while sum * 1000 <= most * ms && throttle.admits(now) {
                throttle.spend(now, step);
                sum += step;
            }
        }
        sum
    }

    #[test]
    fn without_a_limit_nothing_waits_and_nothing_is_counted() {
        let mut throttle = Throttle::default();
        throttle.spend(epoch(), u64::MAX);
        assert!(throttle.admits(epoch()) && !throttle.is_limited());
        assert_eq!(throttle.poll_timeout(), None);
        assert_eq!(throttle.wanted_bytes_per_sec(epoch()), 0);
    }

    #[test]
    fn who_waits_wants_more_and_who_has_stopped_wants_nothing_within_a_second() {
        let start = epoch();
        let mut throttle = Throttle::default();
        throttle.set_limit(start, rate(100_000), 0);
        assert_eq!(throttle.wanted_bytes_per_sec(start), 0);
        let sum = run(&mut throttle, start, 10_000, 16_397, u64::MAX / 100_000);
        assert!(sum.abs_diff(1_000_000) < 50_000, "{sum}");
        let end = start + Duration::from_secs(10);
        assert_eq!(throttle.wanted_bytes_per_sec(end), u64::MAX);
        throttle.stop_waiting(end);
        let later = end + Duration::from_millis(800);
        assert_eq!(throttle.wanted_bytes_per_sec(later), 0);
    }

    #[test]
    fn who_has_enough_wants_what_it_uses_and_a_little_more() {
        let start = epoch();
        let mut throttle = Throttle::default();
        throttle.set_limit(start, rate(1_000_000), 0);
        run(&mut throttle, start, 5_000, 1_000, 320_000);
        let wanted = throttle.wanted_bytes_per_sec(start + Duration::from_secs(5));
        assert!((320_000..340_000).contains(&wanted), "{wanted}");
    }

    #[test]
    fn what_is_under_way_counts_at_a_rate_that_is_much_lower() {
        let start = epoch();
        let (mut fresh, mut lowered, mut shaken) = Default::default();
        for throttle in [&mut lowered, &mut shaken] {
            Throttle::set_limit(throttle, start, rate(1_000_000), 0);
        }
        Throttle::set_limit(&mut fresh, start, rate(100_000), 500_000);
        lowered.set_limit(start, rate(100_000), 500_000);
        for throttle in [&mut fresh, &mut lowered] {
            assert!(!throttle.admits(start + Duration::from_millis(4700)));
            assert!(throttle.admits(start + Duration::from_millis(4800)));
        }
        shaken.set_limit(start, rate(900_000), 500_000);
        assert!(shaken.admits(start), "that happens several times a second");
    }

    #[test]
    fn what_goes_unasked_is_counted_up_to_a_bound() {
        let start = epoch();
        let mut throttle = Throttle::default();
        throttle.set_limit(start, rate(100_000), 0);
        throttle.count(start, 10_000);
        assert!(!throttle.admits(start + Duration::from_millis(90)));
        assert!(throttle.admits(start + Duration::from_millis(120)));
        for _ in 0..1_000_000 {
            throttle.count(start, 1_000);
        }
        assert!(throttle.admits(start + Duration::from_secs(1)));
    }
}
