//! The routing table (BEP 5): buckets of eight nodes, of which the one that our own id falls into
//! is split when it is full, so that we know many nodes near us and few far away.

mod bucket;
mod closest;
mod entry;

use std::time::Instant;

use bucket::Bucket;
pub(crate) use closest::Closest;
pub(crate) use entry::Entry;

use crate::{
    NodeId, address,
    address::{Source, Subnet},
    wire::Contact,
};

/// One family's nodes. A node enters only after it has answered us, from the address that we asked;
/// that somebody mentions it is not enough.
#[derive(Debug)]
pub(crate) struct Table {
    own: NodeId,
    /// Bucket `i` holds nodes whose ids share exactly `i` bits with ours, the last one those that
    /// share as many or more. Never empty.
    buckets: Vec<Bucket>,
    rules: Rules,
}

/// What is expected of nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Addresses of our own network are not counted, so that many nodes can share one.
    pub(crate) trusts_local: bool,
    /// Nodes whose ids fit their addresses (BEP 42) take the places of others.
    pub(crate) prefers_bound_ids: bool,
}

/// What became of a node that answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Insertion {
    /// It is in its bucket: new, or as it was.
    Live,
    /// It waits for a place in its bucket.
    Spare,
    /// There are too many like it, or it is ourselves.
    Refused,
}

impl Table {
    pub(crate) fn new(own: NodeId, rules: Rules) -> Self {
        Self {
            own,
            buckets: vec![Bucket::new(None)],
            rules,
        }
    }

    pub(crate) fn own_id(&self) -> NodeId {
        self.own
    }

    /// Takes another id; the nodes stay, as far as there is room for them.
    pub(crate) fn change_id(&mut self, now: Instant, own: NodeId) {
        let mut next = Self::new(own, self.rules);
        for bucket in &self.buckets {
            for entry in bucket.live().iter().chain(bucket.spares()) {
                next.insert(now, entry.clone());
            }
        }
        *self = next;
    }

    /// A node has answered.
    pub(crate) fn heard_answer(&mut self, now: Instant, contact: Contact) -> Insertion {
        if contact.id == self.own {
            return Insertion::Refused;
        }
        let index = self.index(contact.id);
        if let Some(known) = self.buckets[index].find_mut(contact.id) {
            if known.addr == contact.addr {
                known.answered(now);
                return match self.buckets[index].is_live(contact.id) {
                    true => Insertion::Live,
                    false => Insertion::Spare,
                };
            }
            // Somebody else says that he is it. Who was there first stays, while he answers.
            if !known.is_bad() {
                return Insertion::Refused;
            }
            self.buckets[index].remove(contact.id);
        }
        // A node that has changed its id is another one.
        self.forget_address(contact);
        self.insert(now, Entry::new(now, contact))
    }

    /// A node has asked us. Returns whether it is one that we do not know and have room for.
    pub(crate) fn heard_query(&mut self, now: Instant, contact: Contact) -> bool {
        let index = self.index(contact.id);
        let is_last = index + 1 == self.buckets.len();
        let bucket = &mut self.buckets[index];
        match bucket.find_mut(contact.id) {
            Some(known) if known.addr == contact.addr => {
                known.queried_at = Some(now);
                false
            }
            Some(_) => false,
            None => contact.id != self.own && (is_last || bucket.has_room()),
        }
    }

    /// A node has not answered, or not as itself.
    pub(crate) fn failed(&mut self, contact: Contact) {
        let index = self.index(contact.id);
        self.buckets[index].failed(contact);
    }

    /// The nodes closest to `target` that are believed to be there, at most eight. Who does not
    /// answer is left out, unless `with_bad`.
    pub(crate) fn closest(&self, now: Instant, target: NodeId, with_bad: bool) -> Closest {
        let mut closest = Closest::new(target);
        let offer = |bucket: &Bucket, closest: &mut Closest| {
            for entry in bucket.live() {
                if with_bad || !entry.is_bad() {
                    closest.offer(entry.contact(), entry.is_good(now));
                }
            }
        };
        // Of all nodes, those in the target's own bucket are closest to it; then those in the
        // buckets behind it, all of them together; then the buckets before it, one by one.
        let index = self.index(target);
        offer(&self.buckets[index], &mut closest);
        if !closest.is_full() {
            for bucket in &self.buckets[index + 1..] {
                offer(bucket, &mut closest);
            }
        }
        for bucket in self.buckets[..index].iter().rev() {
            if closest.is_full() {
                break;
            }
            offer(bucket, &mut closest);
        }
        closest
    }

    /// Somebody looks for something in this part of the table.
    pub(crate) fn is_refreshed(&mut self, now: Instant, target: NodeId) {
        let index = self.index(target);
        self.buckets[index].refreshed_at = Some(now);
    }

    /// How many bits a target must share with our id that lies in the bucket that was neglected
    /// longest; and since when it has been,
    /// if it was not always.
    pub(crate) fn stalest(&self) -> (usize, Option<Instant>) {
        let buckets = self.buckets.iter().enumerate();
        let stalest = buckets.min_by_key(|(_, bucket)| bucket.refreshed_at);
        let (bits, bucket) = stalest.expect("holds because there always is a bucket");
        (bits, bucket.refreshed_at)
    }

    /// Of each bucket the node that has to be asked whether it is still there, if there is one.
    pub(crate) fn doubtful(&mut self, now: Instant, mut ask: impl FnMut(Contact)) {
        for bucket in &mut self.buckets {
            if let Some(contact) = bucket.most_doubtful(now) {
                ask(contact);
            }
        }
    }

    /// How many nodes there are, without those that wait.
    pub(crate) fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.live().len()).sum()
    }

    pub(crate) fn bucket_count(&self) -> usize {
        self.buckets.len()
    }

    /// The nodes, those that wait not among them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.iter().flat_map(Bucket::live)
    }

    pub(crate) fn check_invariants(&self) {
        let last = self.buckets.len() - 1;
        for (index, bucket) in self.buckets.iter().enumerate() {
            bucket.check_invariants();
            for entry in bucket.live().iter().chain(bucket.spares()) {
                let bits = self.own.common_bits(entry.id);
                assert!(
                    bits == index || (index == last && bits > index),
                    "in its bucket"
                );
                assert_ne!(entry.id, self.own);
            }
        }
        let mut sources: Vec<_> = self
            .everybody()
            .filter_map(|entry| self.source(entry))
            .collect();
        let count = sources.len();
        sources.sort_unstable();
        sources.dedup();
        assert_eq!(sources.len(), count, "one node an address");
    }

    fn insert(&mut self, now: Instant, entry: Entry) -> Insertion {
        if entry.id == self.own || self.is_crowded(&entry) {
            return Insertion::Refused;
        }
        loop {
            let index = self.index(entry.id);
            if self.buckets[index].find_mut(entry.id).is_some() {
                return Insertion::Refused;
            }
            if self.buckets[index].has_room() {
                self.buckets[index].push(entry);
                return Insertion::Live;
            }
            if index + 1 < self.buckets.len() || self.buckets.len() == crate::id::ID_BITS {
                let prefers_bound_ids = self.rules.prefers_bound_ids;
                return self.buckets[index].replace_or_wait(now, entry, prefers_bound_ids);
            }
            self.split();
        }
    }

    /// Makes two buckets of the last one.
    fn split(&mut self) {
        let last = self.buckets.len() - 1;
        let own = self.own;
        let next = self.buckets[last].split_off(|id| own.common_bits(id) > last);
        self.buckets.push(next);
    }

    /// Whether there is a node with this address already, or too many from its neighbourhood in
    /// the same bucket.
    fn is_crowded(&self, entry: &Entry) -> bool {
        let Some(source) = self.source(entry) else {
            return false;
        };
        if self
            .everybody()
            .any(|known| self.source(known) == Some(source))
        {
            return true;
        }
        let subnet = Subnet::of(entry.addr.ip());
        let bucket = &self.buckets[self.index(entry.id)];
        let neighbours = bucket.live().iter().chain(bucket.spares());
        let neighbours = neighbours.filter(|known| Subnet::of(known.addr.ip()) == subnet);
        neighbours.count() >= MAX_OF_SUBNET
    }

    /// What a node counts as, if it counts.
    fn source(&self, entry: &Entry) -> Option<Source> {
        let ip = entry.addr.ip();
        let is_exempt = self.rules.trusts_local && address::is_local(ip);
        (!is_exempt).then(|| Source::of(ip))
    }

    fn forget_address(&mut self, contact: Contact) {
        for bucket in &mut self.buckets {
            bucket.forget_address(contact.addr);
        }
    }

    fn everybody(&self) -> impl Iterator<Item = &Entry> {
        let buckets = self.buckets.iter();
        buckets.flat_map(|bucket| bucket.live().iter().chain(bucket.spares()))
    }

    fn index(&self, id: NodeId) -> usize {
        self.own.common_bits(id).min(self.buckets.len() - 1)
    }
}

/// Nodes of one /24 or /64 in a bucket, so that who has many addresses does not fill it.
const MAX_OF_SUBNET: usize = 2;

#[cfg(test)]
mod tests;
