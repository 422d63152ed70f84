use std::{ops::Range, time::Duration};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// Randomness from one `u64`, the same on every machine.
///
/// [`fork`](Self::fork) gives each part of a world its own, so that one more draw in one of them
/// does not change the fate of all others.
///
/// ```
/// use bt_sim::SimRng;
/// let world = SimRng::new(42);
/// let mut node = world.fork(7);
/// assert_eq!(node.below(1000), SimRng::new(42).fork(7).below(1000));
/// assert_ne!(world.fork(7).seed(), world.fork(8).seed());
/// ```
#[derive(Clone, Debug)]
pub struct SimRng {
    /// What forks are made from; drawing does not change it.
    root: [u8; 32],
    rng: ChaCha8Rng,
}

impl SimRng {
    /// The randomness of a world. Print `seed` when a test fails.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut root = [0; 32];
        root[..8].copy_from_slice(&seed.to_le_bytes());
        Self::from_root(root)
    }

    /// The randomness of the part that `label` names. Does not depend on what has been drawn.
    #[must_use]
    pub fn fork(&self, label: u64) -> Self {
        // A stream of its own for each label, far from where `self` draws.
        let mut rng = ChaCha8Rng::from_seed(self.root);
        rng.set_stream(label);
        rng.set_word_pos(FORK_POSITION);
        let mut root = [0; 32];
        rng.fill_bytes(&mut root);
        Self::from_root(root)
    }

    /// A seed for a machine.
    #[must_use]
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    /// Any number.
    #[must_use]
    pub fn next_u64(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A number below `end`, each with the same probability (but for a bias below `end` / 2^64).
    ///
    /// # Panics
    /// If `end` is 0.
    #[must_use]
    pub fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "there is no number below 0");
        ((u128::from(self.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// A time in `range`, to the nanosecond.
    ///
    /// # Panics
    /// If `range` is empty.
    #[must_use]
    pub fn duration(&mut self, range: Range<Duration>) -> Duration {
        let width = range.end.saturating_sub(range.start).as_nanos();
        range.start + Duration::from_nanos(self.below(u64::try_from(width).unwrap_or(u64::MAX)))
    }

    /// True with this probability: never for 0, always for 1.
    #[must_use]
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A time of the exponential distribution: how long until something that happens once in
    /// `mean`, and has no memory. Whole microseconds, which hides that logarithms may differ in
    /// the last digit between machines.
    #[must_use]
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        // Never the logarithm of 0.
        let factor = -(1.0 - self.unit()).ln();
        Duration::from_micros((factor * mean.as_micros() as f64) as u64)
    }

    /// One of `items`; `None` if there are none.
    #[must_use]
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = match items.len() {
            0 => return None,
            length => self.below(length as u64),
        };
        items.get(index as usize)
    }

    /// Puts `items` into any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// At least 0, below 1, in steps of 2^-53.
    fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn from_root(root: [u8; 32]) -> Self {
        Self {
            root,
            rng: ChaCha8Rng::from_seed(root),
        }
    }
}

/// Further than anybody draws from stream 0, which is that of the root itself.
const FORK_POSITION: u128 = 1 << 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forks_are_independent_of_what_was_drawn() {
        let mut world = SimRng::new(1);
        let before = world.fork(0).next_u64();
        let drawn = world.next_u64();
        assert_eq!(world.fork(0).next_u64(), before);
        assert_ne!(before, drawn);
        assert_ne!(world.fork(0).fork(0).next_u64(), before);
    }

    /// The first numbers of a seed: what makes old traces replay.
    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut rng = SimRng::new(42);
        let drawn = [rng.next_u64(), rng.below(1000), rng.fork(3).below(1000)];
        assert_eq!(drawn, GOLDEN);
    }

    #[test]
    fn distributions_have_their_means() {
        let mut rng = SimRng::new(3);
        let n = 20_000;
        let mean = Duration::from_secs(10);
        let sum: Duration = (0..n).map(|_| rng.exponential(mean)).sum();
        let found = sum / n;
        assert!(
            found > mean * 97 / 100 && found < mean * 103 / 100,
            "{found:?}"
        );
        let hits = (0..n).filter(|_| rng.chance(0.2)).count();
        assert!((3_800..4_200).contains(&hits), "{hits}");
        assert!(!(0..n).any(|_| rng.chance(0.0)) && (0..n).all(|_| rng.chance(1.0)));
    }

    proptest! {
        #[test]
        fn shuffling_keeps_everything(seed: u64, length in 0_usize..50) {
            let mut items: Vec<_> = (0..length).collect();
            let mut rng = SimRng::new(seed);
            rng.shuffle(&mut items);
            prop_assert_eq!(rng.choose(&items).is_some(), length > 0);
            items.sort_unstable();
            prop_assert_eq!(items, (0..length).collect::<Vec<_>>());
        }

        #[test]
        fn numbers_stay_below(seed: u64, end in 1_u64..) {
            prop_assert!(SimRng::new(seed).below(end) < end);
        }
    }

    const GOLDEN: [u64; 3] = [6_424_161_053_832_095_879, 285, 716];
}
