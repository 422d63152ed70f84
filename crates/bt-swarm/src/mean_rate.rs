use std::time::{Duration, Instant};

/// Bytes per second as a mean of the last minute, or of the time since the first byte, if that is
/// shorter: slower to follow than a [`RateMeter`](bt_scheduler::RateMeter), so that what is told
/// of the future by it does not jump.
///
/// Whole numbers only, so that a run on virtual time is the same on every machine.
#[derive(Debug, Default)]
pub(crate) struct MeanRate {
    first: Option<Instant>,
    /// When the slot that is running began, counted in slots from `first`.
    current: u64,
    /// Bytes by slot; that of slot `n` is at `n % SLOTS`.
    bytes: [u64; SLOTS as usize],
}

impl MeanRate {
    pub(crate) fn record(&mut self, now: Instant, bytes: u32) {
        let first = *self.first.get_or_insert(now);
        let slot = slot_at(first, now).max(self.current);
        for passed in (self.current + 1..=slot).take(SLOTS as usize) {
            self.bytes[(passed % SLOTS) as usize] = 0;
        }
        if slot - self.current > SLOTS {
            self.bytes = [0; SLOTS as usize];
        }
        self.current = slot;
        self.bytes[(slot % SLOTS) as usize] += u64::from(bytes);
    }

    /// 0 in the first second, too, which says nothing yet.
    pub(crate) fn bytes_per_sec(&self, now: Instant) -> u64 {
        let Some(first) = self.first else { return 0 };
        let elapsed = now.saturating_duration_since(first);
        if elapsed < LEAST {
            return 0;
        }
        // The oldest of them has been left behind in part: it is left out.
        let slot = slot_at(first, now);
        let oldest = (slot + 1).saturating_sub(SLOTS);
        let held = (oldest..=self.current).map(|slot| self.bytes[(slot % SLOTS) as usize]);
        let span = elapsed - SLOT * oldest as u32;
        (u128::from(held.sum::<u64>()) * 1000 / span.as_millis().max(1)) as u64
    }
}

fn slot_at(first: Instant, now: Instant) -> u64 {
    (now.saturating_duration_since(first).as_millis() / SLOT.as_millis()) as u64
}

/// Thirty slots of two seconds.
const SLOTS: u64 = 30;
const SLOT: Duration = Duration::from_secs(2);
/// A mean of less is a guess.
const LEAST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    #[test]
    fn a_steady_flow_is_measured_from_the_first_second_on() {
        let mut rate = MeanRate::default();
        for tick in 0..12_000 {
            let now = epoch() + Duration::from_millis(10 * tick);
            rate.record(now, 1_000);
            let measured = rate.bytes_per_sec(now);
            match tick {
                0..100 => assert_eq!(measured, 0),
                _ => assert!(
                    (99_000..=101_000).contains(&measured),
                    "{measured} at {tick}"
                ),
            }
        }
    }

    #[test]
    fn what_is_a_minute_ago_is_forgotten_whatever_has_come_between() {
        for pause in [60, 61, 75, 3600, 100_000_000] {
            let mut rate = MeanRate::default();
            rate.record(epoch(), u32::MAX);
            let later = epoch() + Duration::from_secs(pause);
            assert_eq!(rate.bytes_per_sec(later), 0, "after {pause} s");
            rate.record(later, 59_000);
            assert!(rate.bytes_per_sec(later) <= 1017, "after {pause} s");
        }
    }

    #[test]
    fn a_flow_that_stops_fades_evenly() {
        let mut rate = MeanRate::default();
        for second in 0..120 {
            rate.record(epoch() + Duration::from_secs(second), 60_000);
        }
        let mut last = u64::MAX;
        for second in 120..185 {
            let now = epoch() + Duration::from_secs(second);
            let measured = rate.bytes_per_sec(now);
            assert!(measured <= last, "{measured} after {last}");
            last = measured;
        }
        assert_eq!(last, 0);
    }
}
