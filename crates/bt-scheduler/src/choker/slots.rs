//! How many peers to upload to at once.

/// Follows the upload rate that is measured: few slots on a slow line, so that a piece is soon whole
/// and can be given on, more on a fast one, which a few peers could not fill.
///
/// The least number of slots is the square root of the rate in units of 100 KB/s, and never less
/// than [`MIN_SLOTS`]. When peers wait although all slots are in use, one more is tried now and
/// then: if the rate grows by half of what a slot carries, the line had room, and the new slots stay
/// until the rate falls again; if not, the peers share the same line, and the next try comes later.
#[derive(Clone, Debug)]
pub(super) struct SlotCount {
    /// Slots above the least number, for peers that take less than the line could carry.
    extra: usize,
    phase: Phase,
    /// Rounds between two tries; doubles when one fails.
    patience: u32,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// So many rounds until the next try.
    Waits(u32),
    /// So many slots more were opened when this was the rate in bytes per second; so many rounds
    /// are left for it to grow.
    Tries {
        added: usize,
        rate: u64,
        rounds: u32,
    },
}

impl SlotCount {
    pub(super) fn new() -> Self {
        Self {
            extra: 0,
            phase: Phase::Waits(MIN_PATIENCE),
            patience: MIN_PATIENCE,
        }
    }

    /// Called once a round. `rate` is what we upload in bytes per second; `waiting` tells whether
    /// peers wait for a slot while all are in use.
    pub(super) fn round(&mut self, rate: u64, waiting: bool) {
        let slots = self.get(rate);
        self.phase = match self.phase {
            Phase::Waits(rounds) if rounds > 0 => Phase::Waits(rounds - 1),
            Phase::Waits(_) if waiting => {
                let added = (slots / 2).max(1);
                self.extra += added;
                Phase::Tries {
                    added,
                    rate,
                    rounds: TRIAL,
                }
            }
            waits @ Phase::Waits(_) => waits,
            Phase::Tries {
                added,
                rate: before,
                rounds,
            } if rounds > 1 => Phase::Tries {
                added,
                rate: before,
                rounds: rounds - 1,
            },
            Phase::Tries {
                added,
                rate: before,
                ..
            } => {
                let slots_before = slots.saturating_sub(added).max(1) as u64;
                let expected = before + before / slots_before * added as u64 / 2;
                if rate > expected {
                    self.patience = MIN_PATIENCE;
                } else {
                    self.extra = self.extra.saturating_sub(added);
                    self.patience = (self.patience * 2).min(MAX_PATIENCE);
                }
                Phase::Waits(self.patience)
            }
        };
    }

    /// The number of slots at this upload rate.
    pub(super) fn get(&self, rate: u64) -> usize {
        let least = (rate / UNIT).isqrt() as usize;
        least.max(MIN_SLOTS).saturating_add(self.extra)
    }
}

/// Three that give to us, and an optimistic one: less is no choice.
pub(super) const MIN_SLOTS: usize = 4;
/// Bytes per second: 4 slots up to 13 Mbit/s, 11 at 100 Mbit/s, 35 at 1 Gbit/s.
const UNIT: u64 = 100_000;
/// Rounds that a try is given: the pipelines of new peers grow first.
const TRIAL: u32 = 2;
/// Rounds to the first try.
const MIN_PATIENCE: u32 = 2;
const MAX_PATIENCE: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_added_while_the_rate_grows_with_them() {
        // Peers that take 100 KB/s each, and a line of 5 MB/s.
        let mut count = SlotCount::new();
        let rate = |count: &SlotCount| {
            let mut rate = 0;
            for _ in 0..100 {
                rate = (100_000 * count.get(rate) as u64).min(5_000_000);
            }
            rate
        };
        for _ in 0..60 {
            count.round(rate(&count), true);
        }
        assert!(rate(&count) >= 4_000_000, "{count:?}");
        assert!(count.get(rate(&count)) <= 90, "{count:?}");
    }

    #[test]
    fn a_full_line_keeps_the_least_number_but_for_a_try_now_and_then() {
        let mut count = SlotCount::new();
        let mut rounds_above = 0;
        for _ in 0..400 {
            count.round(1_250_000, true);
            rounds_above += u32::from(count.get(1_250_000) > MIN_SLOTS);
        }
        assert!((2..60).contains(&rounds_above), "{rounds_above}");
    }

    #[test]
    fn nobody_waits_nothing_is_tried() {
        let mut count = SlotCount::new();
        for _ in 0..100 {
            count.round(1_250_000, false);
            assert_eq!(count.get(1_250_000), MIN_SLOTS);
        }
    }
}
