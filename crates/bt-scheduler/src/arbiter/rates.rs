//! A rate, divided. Unlike a connection or memory it is not held: whoever is given less spends less
//! from that moment on, and nobody has to wait for anything to be given back.

use std::num::NonZeroU64;

use super::fill::fill;

/// What one of several could use of a rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateClaim {
    /// In bytes per second.
    pub(super) wanted: u64,
    /// Its own limit, which it never gets more than.
    pub(super) own: Option<NonZeroU64>,
}

/// What each gets of `limit`; see [`Arbiter`](super::Arbiter).
pub(super) fn divide_rate(
    limit: Option<NonZeroU64>,
    claims: &[RateClaim],
) -> Vec<Option<NonZeroU64>> {
    let Some(limit) = limit else {
        return claims.iter().map(|claim| claim.own).collect();
    };
    let count = claims.len().max(1) as u64;
    let usable = |claim: &RateClaim| {
        claim
            .own
            .map_or(claim.wanted, |own| claim.wanted.min(own.get()))
    };
    let mut shares = fill(limit.get(), &claims.iter().map(usable).collect::<Vec<_>>());
    let spare = limit.get() - shares.iter().sum::<u64>();
    let spare_each = match (spare / count).checked_ilog2() {
        // Rounded, so that the idle ones need not be told of each fluctuation of the busy ones.
        Some(magnitude) if count > 1 => 1 << magnitude,
        _ => spare / count,
    };
    for share in &mut shares {
        *share += spare_each;
    }
    let floor = NonZeroU64::new(FLOOR.min(limit.get() / 4 / count)).unwrap_or(NonZeroU64::MIN);
    let granted = shares.iter().zip(claims).map(|(&share, claim)| {
        let share = NonZeroU64::new(share).map_or(floor, |share| share.max(floor));
        Some(claim.own.map_or(share, |own| share.min(own)))
    });
    granted.collect()
}

/// A block each second, for who asks for nothing: enough to begin with, and to be seen to want more.
const FLOOR: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims() -> impl Strategy<Value = Vec<RateClaim>> {
        let wanted = prop_oneof![Just(0), 0..1_000_000_u64, Just(u64::MAX)];
        let own = prop::option::of(1..1_000_000_u64);
        let claim = (wanted, own).prop_map(|(wanted, own)| RateClaim {
            wanted,
            own: own.and_then(NonZeroU64::new),
        });
        prop::collection::vec(claim, 1..12)
    }

    fn divided(limit: u64, claims: &[RateClaim]) -> Vec<u64> {
        let shares = divide_rate(NonZeroU64::new(limit), claims);
        shares
            .into_iter()
            .map(|share| share.unwrap().get())
            .collect()
    }

    proptest! {
        #[test]
        fn together_they_get_the_limit_and_their_floors_at_most(
            limit in 1..10_000_000_u64,
            claims in claims(),
        ) {
            let shares = divided(limit, &claims);
            let count = claims.len() as u64;
            prop_assert!(shares.iter().sum::<u64>() <= limit + (limit / 4).max(count));
            for (share, claim) in shares.iter().zip(&claims) {
                prop_assert!(claim.own.is_none_or(|own| *share <= own.get()));
            }
        }

        #[test]
        fn nobody_goes_short_while_another_has_more(
            limit in 1_000_000..10_000_000_u64,
            claims in claims(),
        ) {
            let shares = divided(limit, &claims);
            for (short, claim) in shares.iter().zip(&claims) {
                let could = claim.own.map_or(claim.wanted, |own| claim.wanted.min(own.get()));
                if *short < could {
                    for other in &shares {
                        prop_assert!(*other <= (short + 1).max(FLOOR));
                    }
                }
            }
        }

        #[test]
        fn who_could_use_everything_leaves_nothing(
            limit in 1_000..10_000_000_u64,
            claims in claims(),
        ) {
            let greedy = RateClaim { wanted: u64::MAX, own: None };
            let all: Vec<_> = claims.iter().copied().chain([greedy]).collect();
            prop_assert!(divided(limit, &all).iter().sum::<u64>() >= limit);
        }
    }

    #[test]
    fn idle_ones_are_not_told_of_every_fluctuation() {
        let idle = RateClaim {
            wanted: 0,
            own: None,
        };
        let shares = [300_000, 310_000, 290_000].map(|wanted| {
            let busy = RateClaim { wanted, own: None };
            let shares = divided(1_000_000, &[busy, idle, idle]);
            assert!(shares[0] > wanted, "it may want more");
            shares[1..].to_vec()
        });
        assert!(
            shares.iter().all(|others| *others == shares[0]),
            "{shares:?}"
        );
        assert_eq!(divided(1_000_000, &[idle]), [1_000_000], "alone");
    }

    #[test]
    fn without_a_limit_each_has_its_own() {
        let own = NonZeroU64::new(7);
        let claims = [None, own].map(|own| RateClaim {
            wanted: u64::MAX,
            own,
        });
        assert_eq!(divide_rate(None, &claims), [None, own]);
    }

    #[test]
    fn what_a_limited_one_may_not_use_goes_to_the_others() {
        let claim = |own| RateClaim {
            wanted: u64::MAX,
            own: NonZeroU64::new(own),
        };
        assert_eq!(
            divided(1_000_000, &[claim(100_000), claim(0), claim(0)]),
            [100_000, 450_000, 450_000]
        );
    }

    #[test]
    fn the_extremes() {
        let greedy = RateClaim {
            wanted: u64::MAX,
            own: None,
        };
        assert_eq!(divided(u64::MAX, &[greedy]), [u64::MAX]);
        assert_eq!(
            divided(1, &[greedy; 3]),
            [1, 1, 1],
            "less is nothing at all"
        );
        assert_eq!(divide_rate(NonZeroU64::new(1), &[]), []);
    }
}
