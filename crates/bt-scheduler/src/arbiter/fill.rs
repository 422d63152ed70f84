//! One kind of thing, divided.

use super::Need;

/// What one of several asks for of one thing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) need: Need,
    /// What it gets whatever the others want, and beyond what there is if need be.
    pub(super) floor: usize,
}

/// The floor of each of so many claims: together they come to a quarter of what there is, if that
/// leaves each what is of any use at all.
pub(super) fn floor(enough: usize, least: usize, capacity: usize, claims: usize) -> usize {
    enough.min(capacity / 4 / claims.max(1)).max(least)
}

/// What each gets; see [`Arbiter`](super::Arbiter).
pub(super) fn divide(capacity: usize, claims: &[Claim]) -> Vec<usize> {
    let wanted: Vec<_> = claims.iter().map(|claim| claim.need.wanted).collect();
    let mut shares = fill_counts(capacity, &wanted);
    let spare = capacity - shares.iter().sum::<usize>();
    for (n, share) in shares.iter_mut().enumerate() {
        *share += spare / claims.len() + usize::from(n < spare % claims.len());
    }
    keep_to_what_is_free(capacity, claims, &mut shares);
    for (share, claim) in shares.iter_mut().zip(claims) {
        *share = claim.floor.max(*share);
    }
    shares
}

/// Who has to give something back keeps its share, but until it has, others have to wait for it:
/// together they grow by no more than is free.
fn keep_to_what_is_free(capacity: usize, claims: &[Claim], shares: &mut [usize]) {
    let claimed = || claims.iter().map(|claim| claim.need.used);
    if claimed().zip(&*shares).all(|(used, share)| used <= *share) {
        return;
    }
    let free = capacity.saturating_sub(claimed().sum());
    let growths: Vec<_> = claimed()
        .zip(&*shares)
        .map(|(used, share)| share.saturating_sub(used))
        .collect();
    let allowed = fill_counts(free, &growths);
    for ((share, used), growth) in shares.iter_mut().zip(claimed()).zip(allowed) {
        *share = (used + growth).min(*share);
    }
}

/// Gives each what it wants, in the order of modesty, but never more than an equal part of what is
/// left: the level to which all are filled.
pub(super) fn fill(capacity: u64, wanted: &[u64]) -> Vec<u64> {
    let mut order: Vec<_> = (0..wanted.len()).collect();
    order.sort_by_key(|&n| wanted[n]);
    let mut left = capacity;
    let mut shares = vec![0; wanted.len()];
    for (done, n) in order.into_iter().enumerate() {
        shares[n] = wanted[n].min(left / (wanted.len() - done) as u64);
        left -= shares[n];
    }
    shares
}

fn fill_counts(capacity: usize, wanted: &[usize]) -> Vec<usize> {
    let wanted: Vec<_> = wanted.iter().map(|&wanted| wanted as u64).collect();
    let shares = fill(capacity as u64, &wanted);
    // None is more than was wanted, which was a count.
    shares.into_iter().map(|share| share as usize).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        /// Capacities, floors and needs of one magnitude, so that all cases are common.
        fn claims()(
            capacity in 1..200_usize,
            floor in 1..5_usize,
            needs in prop::collection::vec((0..100_usize, 0..200_usize), 1..12),
        ) -> (usize, Vec<Claim>) {
            let claim = |(used, wanted)| Claim { need: Need { used, wanted }, floor };
            (capacity, needs.into_iter().map(claim).collect())
        }
    }

    fn holding_nothing(claims: Vec<Claim>) -> Vec<Claim> {
        let released = |claim: Claim| Claim {
            need: Need {
                used: 0,
                ..claim.need
            },
            ..claim
        };
        claims.into_iter().map(released).collect()
    }

    proptest! {
        #[test]
        fn everybody_has_its_floor_and_beyond_it_no_more_than_there_is(
            (capacity, claims) in claims(),
        ) {
            let shares = divide(capacity, &claims);
            let floors: usize = claims.iter().map(|claim| claim.floor).sum();
            prop_assert!(shares.iter().sum::<usize>() <= capacity + floors);
            for (share, claim) in shares.iter().zip(&claims) {
                prop_assert!(*share >= claim.floor);
            }
        }

        #[test]
        fn nobody_is_given_what_another_still_holds((capacity, claims) in claims()) {
            let shares = divide(capacity, &claims);
            let holdings = shares.iter().zip(&claims);
            let holdings = holdings.map(|(&share, claim)| share.max(claim.need.used));
            let used: usize = claims.iter().map(|claim| claim.need.used).sum();
            // A floor may always be used, and those who hold too much already are not to blame.
            let floors: usize = claims.iter().map(|claim| claim.floor).sum();
            prop_assert!(holdings.sum::<usize>() <= capacity.max(used) + floors);
        }

        #[test]
        fn nobody_goes_short_while_another_has_more((capacity, claims) in claims()) {
            let claims = holding_nothing(claims);
            let shares = divide(capacity, &claims);
            for (short, claim) in shares.iter().zip(&claims) {
                if *short < claim.need.wanted {
                    for (other, its) in shares.iter().zip(&claims) {
                        // One more for some is what is left of a division.
                        prop_assert!(*other <= (short + 1).min(its.need.wanted).max(its.floor));
                    }
                }
            }
        }

        #[test]
        fn who_wants_nothing_takes_nothing_from_others((capacity, claims) in claims()) {
            let busy = holding_nothing(claims);
            let idle = Claim { need: Need::default(), floor: 1 };
            let all: Vec<_> = busy.iter().copied().chain([idle; 20]).collect();
            let (alone, among_idle) = (divide(capacity, &busy), divide(capacity, &all));
            for ((alone, among_idle), claim) in alone.iter().zip(among_idle).zip(&busy) {
                prop_assert!(among_idle >= claim.need.wanted.min(*alone));
            }
        }

        #[test]
        fn what_there_is_is_given_out((capacity, claims) in claims()) {
            let claims = holding_nothing(claims);
            prop_assert!(divide(capacity, &claims).iter().sum::<usize>() >= capacity);
        }
    }
}
