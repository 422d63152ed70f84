use std::{cmp::Reverse, time::Instant};

use bt_types::PeerSource;

use crate::Evaluation;

/// What is known of an address that might be dialled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DialCandidate {
    /// How we came to know it.
    pub source: PeerSource,
    /// What is to be expected of the peer, by what is remembered of it.
    pub evaluation: Evaluation,
    /// When it was last tried, if ever.
    pub last_attempt: Option<Instant>,
    /// It has probably everything.
    pub is_seed_hint: bool,
    /// The rank of the pair that it and we are ([`canonical_priority`](crate::canonical_priority));
    /// the same for all if our own address is not known.
    pub canonical_priority: u32,
}

/// Orders addresses to be dialled; the greatest first. See [`dial_priority`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct DialPriority {
    is_named_by_user: bool,
    worth: u64,
    /// `None`, never, is the least and so comes first.
    last_attempt: Reverse<Option<Instant>>,
    is_seed_hint: bool,
    source: Reverse<PeerSource>,
    canonical_priority: u32,
}

/// How urgently `candidate` should be dialled: a greater result goes first, and equal ones are for
/// the caller to draw.
///
/// What the user named comes first; then who is [worth](Evaluation::worth) most: who was good when
/// we last had it, strangers, and the less the more often dials came to nothing. Then who was not
/// tried for the longest time (libtorrent's order), so that a long list is gone through before
/// anyone is tried again; then seeds, as they have whatever we lack; then the more trustworthy
/// source; then the pair that both ends would rather keep (BEP 40). Who has everything itself should
/// leave seeds out altogether.
#[must_use]
pub fn dial_priority(candidate: &DialCandidate) -> DialPriority {
    DialPriority {
        is_named_by_user: candidate.source == PeerSource::User,
        worth: candidate.evaluation.worth(),
        last_attempt: Reverse(candidate.last_attempt),
        is_seed_hint: candidate.is_seed_hint,
        source: Reverse(candidate.source),
        canonical_priority: candidate.canonical_priority,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Evaluator, Evidence};

    #[test]
    fn the_order_of_dialling() {
        let epoch = epoch();
        let tracker = candidate(PeerSource::Tracker);
        let tried = |secs| DialCandidate {
            last_attempt: Some(epoch + Duration::from_secs(secs)),
            ..tracker
        };
        let seed = DialCandidate {
            is_seed_hint: true,
            ..candidate(PeerSource::Pex)
        };
        let failing = |failures| DialCandidate {
            evaluation: Evaluator::default().evaluate(&Evidence {
                failures,
                ..Evidence::default()
            }),
            ..tracker
        };
        let known = |download_rate| DialCandidate {
            evaluation: Evaluator::default().evaluate(&Evidence {
                download_rate: Some(download_rate),
                ..Evidence::default()
            }),
            ..tracker
        };
        let kept = DialCandidate {
            canonical_priority: 1,
            ..tracker
        };
        let best_first = [
            candidate(PeerSource::User),
            known(1_000_000),
            seed,
            kept,
            tracker,
            candidate(PeerSource::Dht),
            candidate(PeerSource::Pex),
            tried(1),
            tried(2),
            failing(1),
            failing(2),
            known(1000),
        ];
        assert!(best_first.is_sorted_by(|a, b| dial_priority(a) > dial_priority(b)));
    }

    fn candidate(source: PeerSource) -> DialCandidate {
        DialCandidate {
            source,
            evaluation: Evaluator::default().evaluate(&Evidence::default()),
            last_attempt: None,
            is_seed_hint: false,
            canonical_priority: 0,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary epoch; only offsets from it matter"
    )]
    fn epoch() -> Instant {
        Instant::now()
    }
}
