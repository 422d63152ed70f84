use std::time::Duration;

/// What is left, in steps that a person would take: each is a tenth of what it is about, or less,
/// but a second at least. Rounded up, so that what is left is never nothing.
pub(super) fn in_steps(left: Duration) -> Duration {
    let seconds = left.as_secs().max(1);
    let steps = STEPS.iter();
    let step = steps.rev().find(|(from, _)| seconds >= *from);
    let step = step.map_or(1, |(_, step)| *step);
    Duration::from_secs(seconds.div_ceil(step) * step)
}

/// From how many seconds on, in steps of how many.
const STEPS: &[(u64, u64)] = &[
    (20, 2),
    (60, 5),
    (3 * 60, 15),
    (10 * 60, 60),
    (60 * 60, 5 * 60),
    (3 * 60 * 60, 15 * 60),
    (12 * 60 * 60, 60 * 60),
    (3 * 24 * 60 * 60, 6 * 60 * 60),
    (10 * 24 * 60 * 60, 24 * 60 * 60),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::duration;

    #[test]
    fn as_a_person_would_say_it() {
        for (seconds, shown) in [
            (0, "1s"),
            (7, "7s"),
            (23, "24s"),
            (61, "1m05s"),
            (200, "3m30s"),
            (601, "11m00s"),
            (3599, "1h00m"),
            (3601, "1h05m"),
            (12_345, "3h30m"),
            (100_000, "1d04h"),
            (1_000_000, "12d00h"),
        ] {
            assert_eq!(duration(in_steps(Duration::from_secs(seconds))), shown);
        }
    }

    proptest! {
        #[test]
        fn it_is_near_the_truth_and_never_less(seconds in 1_u64..=u64::MAX / 2, later in 0_u64..1000) {
            let shown = in_steps(Duration::from_secs(seconds)).as_secs();
            prop_assert!(shown >= seconds);
            prop_assert!(shown - seconds <= seconds / 10 + 1 || seconds > 1 << 40);
            let next = in_steps(Duration::from_secs(seconds + later)).as_secs();
            prop_assert!(next >= shown, "{seconds} and {later} more");
        }
    }
}
