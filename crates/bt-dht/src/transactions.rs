use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand_chacha::{ChaCha12Rng, rand_core::Rng};

use crate::{NodeId, address::Family, operations::OperationId};

/// Queries that we have sent and that may still be answered.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    pending: BTreeMap<u32, Pending>,
    /// When something is due for each of them: see [`Due`].
    deadlines: BTreeSet<(Instant, u32)>,
}

/// A query that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    /// Only from here it can be answered.
    pub(crate) addr: SocketAddr,
    /// Only by whom it can be answered; `None` if only the address is known.
    pub(crate) id: Option<NodeId>,
    pub(crate) purpose: Purpose,
    sent_at: Instant,
    is_slow: bool,
}

/// What an answer is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// To know whether a node is there.
    Check,
    /// The look-up of an operation.
    Lookup(OperationId, Family),
    /// An operation asks one node, or stores something with it.
    Direct(OperationId),
}

/// What has happened to a query that was not answered yet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Due {
    /// It takes longer than usual.
    Slow(Pending),
    /// It will not be answered.
    Lost(Pending),
}

impl Transactions {
    /// Returns the transaction id for a new query; `None` if too many wait.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        rng: &mut ChaCha12Rng,
        addr: SocketAddr,
        id: Option<NodeId>,
        purpose: Purpose,
    ) -> Option<[u8; 4]> {
        if self.pending.len() >= MAX_PENDING {
            return None;
        }
        let key = loop {
            let key = rng.next_u32();
            if !self.pending.contains_key(&key) {
                break key;
            }
        };
        let pending = Pending {
            addr,
            id,
            purpose,
            sent_at: now,
            is_slow: false,
        };
        self.pending.insert(key, pending);
        self.deadlines.insert((now + SLOW_AFTER, key));
        Some(key.to_be_bytes())
    }

    /// The query that is answered from `from` with this transaction id, which then is over.
    pub(crate) fn end(&mut self, from: SocketAddr, transaction_id: &[u8]) -> Option<Pending> {
        let key = u32::from_be_bytes(transaction_id.try_into().ok()?);
        let pending = self
            .pending
            .get(&key)
            .filter(|pending| pending.addr == from)?;
        self.deadlines.remove(&(pending.deadline(), key));
        self.pending.remove(&key)
    }

    /// What is due, one at a time.
    pub(crate) fn next_due(&mut self, now: Instant) -> Option<Due> {
        let &(at, key) = self.deadlines.first()?;
        if now < at {
            return None;
        }
        self.deadlines.pop_first();
        let pending = self.pending.get_mut(&key)?;
        if pending.is_slow {
            return self.pending.remove(&key).map(Due::Lost);
        }
        pending.is_slow = true;
        let pending = *pending;
        self.deadlines.insert((pending.deadline(), key));
        Some(Due::Slow(pending))
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether we wait for an answer from there.
    pub(crate) fn waits_for(&self, addr: SocketAddr) -> bool {
        self.pending.values().any(|pending| pending.addr == addr)
    }

    pub(crate) fn check_invariants(&self) {
        assert!(self.pending.len() <= MAX_PENDING);
        assert_eq!(self.pending.len(), self.deadlines.len());
        for (key, pending) in &self.pending {
            assert!(self.deadlines.contains(&(pending.deadline(), *key)));
        }
    }
}

impl Pending {
    /// Since it was sent.
    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.sent_at)
    }

    fn deadline(&self) -> Instant {
        let after = if self.is_slow { LOST_AFTER } else { SLOW_AFTER };
        self.sent_at + after
    }
}

/// Bounds memory; queries beyond it are not sent.
const MAX_PENDING: usize = 1024;
/// As in libtorrent: after a second another node is asked beside it.
const SLOW_AFTER: Duration = Duration::from_secs(1);
/// Nearly every answer that comes at all comes within two seconds.
const LOST_AFTER: Duration = Duration::from_secs(6);

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn only_who_was_asked_can_answer_and_once() {
        let now = crate::test_epoch();
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let mut transactions = Transactions::default();
        let addr = SocketAddr::from(([192, 0, 2, 1], 1));
        let id = transactions
            .begin(now, &mut rng, addr, None, Purpose::Check)
            .unwrap();
        assert!(
            transactions
                .end(SocketAddr::from(([192, 0, 2, 1], 2)), &id)
                .is_none()
        );
        assert!(
            transactions
                .end(SocketAddr::from(([192, 0, 2, 2], 1)), &id)
                .is_none()
        );
        assert!(transactions.end(addr, &id[..3]).is_none());
        assert!(transactions.end(addr, b"aaaa").is_none());
        assert!(transactions.end(addr, &id).is_some());
        assert!(transactions.end(addr, &id).is_none());
        assert_eq!(transactions.next_deadline(), None);
    }

    #[test]
    fn queries_become_slow_and_then_lost() {
        let now = crate::test_epoch();
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let mut transactions = Transactions::default();
        let addr = SocketAddr::from(([192, 0, 2, 1], 1));
        transactions
            .begin(now, &mut rng, addr, None, Purpose::Check)
            .unwrap();
        assert!(transactions.next_due(now).is_none());
        let slow = transactions.next_deadline().unwrap();
        assert_eq!(slow, now + SLOW_AFTER);
        assert!(matches!(transactions.next_due(slow), Some(Due::Slow(_))));
        assert!(transactions.next_due(slow).is_none());
        let lost = transactions.next_deadline().unwrap();
        assert_eq!(lost, now + LOST_AFTER);
        transactions.check_invariants();
        assert!(matches!(transactions.next_due(lost), Some(Due::Lost(_))));
        assert!(transactions.next_due(lost).is_none());
        assert_eq!(transactions.len(), 0);
    }

    #[test]
    fn there_is_an_end_to_what_waits() {
        let now = crate::test_epoch();
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let mut transactions = Transactions::default();
        let addr = SocketAddr::from(([192, 0, 2, 1], 1));
        let mut begin = || transactions.begin(now, &mut rng, addr, None, Purpose::Check);
        assert!((0..MAX_PENDING).all(|_| begin().is_some()));
        assert!(begin().is_none());
    }
}
