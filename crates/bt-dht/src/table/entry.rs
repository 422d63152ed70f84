use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{NodeId, wire::Contact};

/// A node of the table, and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: NodeId,
    pub(crate) addr: SocketAddr,
    /// Its id is one that its address may have (BEP 42).
    pub(super) is_bound: bool,
    answered_at: Instant,
    pub(super) queried_at: Option<Instant>,
    /// Since it answered last.
    failures: u8,
    /// When we last asked whether it is still there.
    pub(super) checked_at: Option<Instant>,
}

impl Entry {
    /// One that has just answered.
    pub(super) fn new(now: Instant, contact: Contact) -> Self {
        Self {
            id: contact.id,
            addr: contact.addr,
            is_bound: contact.id.fits_address(contact.addr.ip()),
            answered_at: now,
            queried_at: None,
            failures: 0,
            checked_at: None,
        }
    }

    pub(crate) fn contact(&self) -> Contact {
        Contact {
            id: self.id,
            addr: self.addr,
        }
    }

    pub(super) fn answered(&mut self, now: Instant) {
        self.answered_at = now;
        self.failures = 0;
    }

    /// Returns whether it is time to give it up, whoever may take its place.
    pub(super) fn failed(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failures >= MAX_FAILURES
    }

    /// BEP 5: it has answered in the last 15 minutes; or it has ever, and has asked in the last 15
    /// minutes.
    pub(crate) fn is_good(&self, now: Instant) -> bool {
        let is_recent = |at| now.saturating_duration_since(at) < GOOD_FOR;
        let is_heard = is_recent(self.answered_at) || self.queried_at.is_some_and(is_recent);
        self.failures == 0 && is_heard
    }

    /// BEP 5: it has failed to answer several queries in a row.
    pub(crate) fn is_bad(&self) -> bool {
        self.failures >= FAILURES_OF_BAD
    }

    /// Whether it should be asked now.
    pub(super) fn is_doubtful(&self, now: Instant) -> bool {
        let waits = |at| now.saturating_duration_since(at) >= CHECK_AGAIN_AFTER;
        !self.is_good(now) && self.checked_at.is_none_or(waits)
    }

    pub(super) fn last_heard(&self) -> Instant {
        self.answered_at
            .max(self.queried_at.unwrap_or(self.answered_at))
    }
}

/// BEP 5: after 15 minutes without a sign of life a node is questionable.
const GOOD_FOR: Duration = Duration::from_secs(15 * 60);
const FAILURES_OF_BAD: u8 = 2;
/// Nobody leaves a bucket for whom there is no other, or a line that is down for a while would
/// empty the table; but at some time it is enough. As in libtorrent.
const MAX_FAILURES: u8 = 20;
const CHECK_AGAIN_AFTER: Duration = Duration::from_secs(60);
