//! One kind of thing, divided.

use super::Need;

/// What one of several asks for of one thing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    used: usize,
    /// At least the floor.
    wanted: usize,
    floor: usize,
}

impl Claim {
    /// One of so many claims; the floors together are no more than there is, if each can have one.
    pub(super) fn new(need: Need, floor: usize, capacity: usize, claims: usize) -> Self {
        let floor = floor.min(capacity / claims).max(1);
        Self {
            used: need.used,
            wanted: need.wanted.max(floor),
            floor,
        }
    }
}

/// What each gets; see [`Arbiter`](super::Arbiter).
pub(super) fn divide(capacity: usize, claims: &[Claim]) -> Vec<usize> {
    let wanted: Vec<_> = claims.iter().map(|claim| claim.wanted).collect();
    let mut shares = fill(capacity, &wanted);
    for (share, claim) in shares.iter_mut().zip(claims) {
        *share = claim.floor.max(*share);
    }
    let spare = capacity.saturating_sub(shares.iter().sum());
    for (n, share) in shares.iter_mut().enumerate() {
        *share += spare / claims.len() + usize::from(n < spare % claims.len());
    }
    keep_to_what_is_free(capacity, claims, &mut shares);
    shares
}

/// Who has to give something back keeps its share, but until it has, others have to wait for it:
/// together they grow by no more than is free.
fn keep_to_what_is_free(capacity: usize, claims: &[Claim], shares: &mut [usize]) {
    if claims
        .iter()
        .zip(&*shares)
        .all(|(claim, share)| claim.used <= *share)
    {
        return;
    }
    let kept = |claim: &Claim| claim.used.max(claim.floor);
    let free = capacity.saturating_sub(claims.iter().map(kept).sum());
    let growths: Vec<_> = claims
        .iter()
        .zip(&*shares)
        .map(|(claim, share)| share.saturating_sub(kept(claim)))
        .collect();
    let allowed = fill(free, &growths);
    for ((share, claim), growth) in shares.iter_mut().zip(claims).zip(allowed) {
        *share = (kept(claim) + growth).min(*share);
    }
}

/// Gives each what it wants, in the order of modesty, but never more than an equal part of what is
/// left: the level to which all are filled.
fn fill(capacity: usize, wanted: &[usize]) -> Vec<usize> {
    let mut order: Vec<_> = (0..wanted.len()).collect();
    order.sort_by_key(|&n| wanted[n]);
    let mut left = capacity;
    let mut shares = vec![0; wanted.len()];
    for (done, n) in order.into_iter().enumerate() {
        shares[n] = wanted[n].min(left / (wanted.len() - done));
        left -= shares[n];
    }
    shares
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
            let count = needs.len();
            let claim = |(used, wanted)| Claim::new(Need { used, wanted }, floor, capacity, count);
            (capacity, needs.into_iter().map(claim).collect())
        }
    }

    proptest! {
        #[test]
        fn everybody_has_its_floor_and_all_together_no_more_than_there_is(
            (capacity, claims) in claims(),
        ) {
            let shares = divide(capacity, &claims);
            let floors: usize = claims.iter().map(|claim| claim.floor).sum();
            prop_assert!(shares.iter().sum::<usize>() <= capacity.max(floors));
            for (share, claim) in shares.iter().zip(&claims) {
                prop_assert!(*share >= claim.floor);
            }
        }

        #[test]
        fn nobody_is_given_what_another_still_holds((capacity, claims) in claims()) {
            let shares = divide(capacity, &claims);
            let holdings = shares.iter().zip(&claims).map(|(&share, claim)| share.max(claim.used));
            let used: usize = claims.iter().map(|claim| claim.used).sum();
            // A floor may always be used, and those who hold too much already are not to blame.
            let floors: usize = claims.iter().map(|claim| claim.floor).sum();
            prop_assert!(holdings.sum::<usize>() <= capacity.max(used) + floors);
        }

        #[test]
        fn nobody_goes_short_while_another_has_more((capacity, claims) in claims()) {
            let claims: Vec<_> = claims.iter().map(|&claim| Claim { used: 0, ..claim }).collect();
            let shares = divide(capacity, &claims);
            for (short, claim) in shares.iter().zip(&claims) {
                if *short < claim.wanted {
                    // One more for some is what is left of a division.
                    prop_assert!(shares.iter().all(|other| *other <= short.max(&claim.floor) + 1));
                }
            }
        }

        #[test]
        fn what_there_is_is_given_out((capacity, claims) in claims()) {
            let claims: Vec<_> = claims.iter().map(|&claim| Claim { used: 0, ..claim }).collect();
            prop_assert!(divide(capacity, &claims).iter().sum::<usize>() >= capacity);
        }
    }
}
