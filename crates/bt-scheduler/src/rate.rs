use std::time::{Duration, Instant};

/// Bytes per second, smoothed: what happened two seconds ago counts a third of what happens now.
///
/// Whole numbers only, so that a run on virtual time is the same on every machine. A steady flow
/// is measured exactly, also in its first two seconds.
///
/// ```
/// # use std::time::{Duration, Instant};
/// use bt_scheduler::RateMeter;
/// # let start = Instant::now();
/// let mut meter = RateMeter::new(start);
/// for tick in 0..100 {
///     meter.record(start + Duration::from_millis(100 * tick), 1_000);
/// }
/// let now = start + Duration::from_secs(10);
/// assert!((9_000..11_000).contains(&meter.bytes_per_sec(now)));
/// assert_eq!(meter.bytes_per_sec(now + Duration::from_secs(60)), 0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RateMeter {
    /// Smoothed bytes per tick, in 1/256 of a byte.
    level: u64,
    /// Bytes in the tick that is running.
    current: u64,
    tick_start: Instant,
    /// Ticks that have ended, up to the weight of the mean: until then it is a plain mean.
    ticks: u64,
}

impl RateMeter {
    /// Measures from `now` on.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            level: 0,
            current: 0,
            tick_start: now,
            ticks: 0,
        }
    }

    /// Counts `bytes` that came or went at `now`. Time that runs backwards counts as standing.
    pub fn record(&mut self, now: Instant, bytes: u64) {
        self.advance(now);
        self.current = self.current.saturating_add(bytes);
    }

    /// The rate at `now`.
    #[must_use]
    pub fn bytes_per_sec(&self, now: Instant) -> u64 {
        let mut meter = *self;
        meter.advance(now);
        if meter.ticks == 0 {
            meter.current.saturating_mul(TICKS_PER_SEC)
        } else {
            meter.level.saturating_mul(TICKS_PER_SEC) >> FRACTION_BITS
        }
    }

    fn advance(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.tick_start);
        if elapsed < TICK {
            return;
        }
        let elapsed_nanos = elapsed.as_nanos() as u64; // 584 years fit.
        let tick_nanos = TICK.as_nanos() as u64;
        let ended = (elapsed_nanos / tick_nanos).min(FORGOTTEN_AFTER);
        // The first still has bytes, and until there are enough of them they are counted.
        let counted = ended.min((WEIGHT - self.ticks).max(1));
        for _ in 0..counted {
            self.end_tick();
        }
        self.level = decayed(self.level, ended - counted);
        self.tick_start = now - Duration::from_nanos(elapsed_nanos % tick_nanos);
    }

    fn end_tick(&mut self) {
        let bytes = std::mem::take(&mut self.current).min(u64::MAX >> FRACTION_BITS);
        self.ticks = WEIGHT.min(self.ticks + 1);
        self.level -= self.level.div_ceil(self.ticks).min(self.level);
        self.level = self
            .level
            .saturating_add((bytes << FRACTION_BITS) / self.ticks);
    }
}

/// What is left of `level` after so many ticks without a byte: an eighth less with each. Meters of
/// quiet peers are read as often as others, after many ticks: so not one by one.
fn decayed(level: u64, ticks: u64) -> u64 {
    let powers = SEVEN_EIGHTHS.iter().enumerate();
    let powers = powers.filter(|(bit, _)| ticks >> bit & 1 == 1);
    powers.fold(level, |level, (_, power)| {
        ((u128::from(level) * u128::from(*power)) >> POWER_BITS) as u64
    })
}

/// (7/8)^(2^n), in 2^-32: nine of them make any number of ticks up to [`FORGOTTEN_AFTER`].
const SEVEN_EIGHTHS: [u64; 9] = {
    let mut powers = [7 << (POWER_BITS - 3); 9];
    let mut bit = 1;
    while bit < powers.len() {
        powers[bit] = (powers[bit - 1] * powers[bit - 1]) >> POWER_BITS;
        bit += 1;
    }
    powers
};
const POWER_BITS: u32 = 32;
const TICK: Duration = Duration::from_millis(250);
const TICKS_PER_SEC: u64 = 4;
/// Two seconds, in ticks.
const WEIGHT: u64 = 8;
const FRACTION_BITS: u32 = 8;
/// (7/8)^400 of the fastest link is less than a byte.
const FORGOTTEN_AFTER: u64 = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_is_exact_from_the_first_tick_on() {
        let start = epoch();
        let mut meter = RateMeter::new(start);
        for tick in 0..40 {
            meter.record(start + TICK * tick, 4096);
            if tick > 0 {
                let rate = meter.bytes_per_sec(start + TICK * tick);
                assert!((16_300..=16_384).contains(&rate), "{rate} in tick {tick}");
            }
        }
    }

    #[test]
    fn a_flow_that_stops_is_forgotten() {
        let start = epoch();
        let mut meter = RateMeter::new(start);
        meter.record(start, u64::MAX);
        assert!(meter.bytes_per_sec(start) > 0);
        assert_eq!(meter.bytes_per_sec(start + Duration::from_secs(3600)), 0);
        assert!(meter.bytes_per_sec(start + Duration::from_secs(2)) > 0);
    }

    #[test]
    fn it_does_not_matter_how_often_a_meter_is_told_the_time() {
        let start = epoch();
        let mut asked = RateMeter::new(start);
        asked.record(start, 10_000_000);
        let silent = asked;
        for tick in 0..200 {
            let now = start + TICK * tick;
            asked.record(now, 0);
            let (once, often) = (silent.bytes_per_sec(now), asked.bytes_per_sec(now));
            assert!(once.abs_diff(often) <= 1, "{once}, {often} in tick {tick}");
        }
    }

    #[test]
    fn time_that_runs_backwards_is_harmless() {
        let start = epoch();
        let mut meter = RateMeter::new(start + Duration::from_secs(5));
        meter.record(start, 1000);
        assert_eq!(meter.bytes_per_sec(start), 4000);
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary epoch; only offsets from it matter"
    )]
    fn epoch() -> Instant {
        Instant::now()
    }
}
