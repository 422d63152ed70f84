use crate::{Distance, K, NodeId, wire::Contact};

/// The nodes closest to a target, at most eight, closest first; kept without allocating.
#[derive(Clone, Debug)]
pub(crate) struct Closest {
    target: NodeId,
    entries: [Option<(Distance, Contact)>; K],
    len: usize,
    good: usize,
}

impl Closest {
    pub(super) fn new(target: NodeId) -> Self {
        Self {
            target,
            entries: [None; K],
            len: 0,
            good: 0,
        }
    }

    /// Whether eight are known to be good; questionable ones leave room for who may be better.
    pub(super) fn is_full(&self) -> bool {
        self.good >= K
    }

    pub(super) fn offer(&mut self, contact: Contact, is_good: bool) {
        self.good += usize::from(is_good);
        let distance = self.target.distance(contact.id);
        let is_closer =
            |entry: &Option<(Distance, Contact)>| entry.is_none_or(|(other, _)| distance < other);
        let Some(place) = self.entries.iter().position(is_closer) else {
            return;
        };
        self.len = K.min(self.len + 1);
        self.entries[place..self.len].rotate_right(1);
        self.entries[place] = Some((distance, contact));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Contact> + '_ {
        let entries = self.entries[..self.len].iter().flatten();
        entries.map(|(_, contact)| *contact)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
}
