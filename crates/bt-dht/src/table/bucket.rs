use std::{net::SocketAddr, time::Instant};

use super::{Entry, Insertion};
use crate::{K, NodeId, wire::Contact};

/// Nodes that share as many bits with our id, and nodes that wait for their places.
#[derive(Debug)]
pub(super) struct Bucket {
    live: Vec<Entry>,
    /// The one heard of last is the last.
    spares: Vec<Entry>,
    /// When something was last looked up in here, if ever.
    pub(super) refreshed_at: Option<Instant>,
}

impl Bucket {
    pub(super) fn new(refreshed_at: Option<Instant>) -> Self {
        Self {
            live: Vec::with_capacity(K),
            spares: Vec::new(),
            refreshed_at,
        }
    }

    pub(super) fn live(&self) -> &[Entry] {
        &self.live
    }

    pub(super) fn spares(&self) -> &[Entry] {
        &self.spares
    }

    pub(super) fn has_room(&self) -> bool {
        self.live.len() < K
    }

    pub(super) fn is_live(&self, id: NodeId) -> bool {
        self.live.iter().any(|entry| entry.id == id)
    }

    pub(super) fn find_mut(&mut self, id: NodeId) -> Option<&mut Entry> {
        let mut entries = self.live.iter_mut().chain(&mut self.spares);
        entries.find(|entry| entry.id == id)
    }

    /// There must be room.
    pub(super) fn push(&mut self, entry: Entry) {
        debug_assert!(self.has_room());
        self.live.push(entry);
    }

    /// Gives `entry` the place of a node that does not answer, or of one whose id is not bound to
    /// its address; or lets it wait.
    pub(super) fn replace_or_wait(
        &mut self,
        now: Instant,
        entry: Entry,
        prefers_bound_ids: bool,
    ) -> Insertion {
        let prefers = prefers_bound_ids && entry.is_bound;
        let bad = self.live.iter().position(Entry::is_bad);
        let unbound = || {
            let place = self.live.iter().rposition(|known| !known.is_bound);
            place.filter(|_| prefers)
        };
        if let Some(place) = bad.or_else(unbound) {
            let former = std::mem::replace(&mut self.live[place], entry);
            if former.is_good(now) {
                self.wait(former);
            }
            return Insertion::Live;
        }
        self.wait(entry);
        Insertion::Spare
    }

    pub(super) fn failed(&mut self, contact: Contact) {
        let is_it = |entry: &Entry| entry.id == contact.id && entry.addr == contact.addr;
        // Who waits is not given a second try.
        self.spares.retain(|entry| !is_it(entry));
        let Some(place) = self.live.iter().position(is_it) else {
            return;
        };
        let is_over = self.live[place].failed();
        if self.live[place].is_bad() && (is_over || !self.spares.is_empty()) {
            self.remove_at(place);
        }
    }

    pub(super) fn remove(&mut self, id: NodeId) {
        self.spares.retain(|entry| entry.id != id);
        if let Some(place) = self.live.iter().position(|entry| entry.id == id) {
            self.remove_at(place);
        }
    }

    pub(super) fn forget_address(&mut self, addr: SocketAddr) {
        self.spares.retain(|entry| entry.addr != addr);
        if let Some(place) = self.live.iter().position(|entry| entry.addr == addr) {
            self.remove_at(place);
        }
    }

    /// Takes out those that belong into the bucket behind this one.
    pub(super) fn split_off(&mut self, belongs: impl Fn(NodeId) -> bool) -> Self {
        // What was looked up was most likely our own id, which lies in the other one.
        let mut next = Self::new(self.refreshed_at.take());
        let (theirs, ours) = self.live.drain(..).partition(|entry| belongs(entry.id));
        (next.live, self.live) = (theirs, ours);
        let (theirs, ours) = self.spares.drain(..).partition(|entry| belongs(entry.id));
        (next.spares, self.spares) = (theirs, ours);
        next.fill_up();
        self.fill_up();
        next
    }

    /// Of those that were not heard of for long, the one that was not heard of longest; it counts
    /// as asked from here on.
    pub(super) fn most_doubtful(&mut self, now: Instant) -> Option<Contact> {
        let doubtful = self.live.iter_mut().filter(|entry| entry.is_doubtful(now));
        let entry = doubtful.min_by_key(|entry| entry.last_heard())?;
        entry.checked_at = Some(now);
        Some(entry.contact())
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.live.len() <= K && self.spares.len() <= MAX_SPARES);
        assert!(
            self.spares.is_empty() || !self.has_room(),
            "nobody waits for nothing"
        );
        let ids = self.live.iter().chain(&self.spares).map(|entry| entry.id);
        let mut ids: Vec<_> = ids.collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "each node once");
    }

    fn wait(&mut self, entry: Entry) {
        if self.spares.len() == MAX_SPARES {
            self.spares.remove(0);
        }
        self.spares.push(entry);
    }

    fn remove_at(&mut self, place: usize) {
        self.live.remove(place);
        self.fill_up();
    }

    fn fill_up(&mut self) {
        while self.has_room() {
            let Some(spare) = self.spares.pop() else {
                return;
            };
            self.live.push(spare);
        }
    }
}

/// As many as are live.
const MAX_SPARES: usize = K;
