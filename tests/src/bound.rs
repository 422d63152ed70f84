use std::time::Duration;

/// The time before which nobody can bring `bytes` from one seed to all `leechers`, however well
/// they share: the fluid lower bound max(F/u_seed, F/d_min, N·F/(u_seed + Σu_i)).
///
/// Rates are in bytes per second; each leecher is its (up, down).
///
/// ```
/// use bt_tests::fluid_lower_bound;
/// // 100 MB to 9 leechers, everybody 1 MB/s up and 10 MB/s down: the seed's line is the limit.
/// let bound = fluid_lower_bound(100_000_000, 1_000_000, &[(1_000_000, 10_000_000); 9]);
/// assert_eq!(bound.as_secs(), 100);
/// ```
#[must_use]
pub fn fluid_lower_bound(bytes: u64, seed_up: u64, leechers: &[(u64, u64)]) -> Duration {
    let bytes = bytes as f64;
    let down_min = leechers
        .iter()
        .map(|&(_, down)| down)
        .min()
        .unwrap_or(u64::MAX) as f64;
    let up_sum: u64 = seed_up + leechers.iter().map(|&(up, _)| up).sum::<u64>();
    let seconds = (bytes / seed_up as f64)
        .max(bytes / down_min)
        .max(leechers.len() as f64 * bytes / up_sum as f64);
    Duration::from_secs_f64(seconds)
}
