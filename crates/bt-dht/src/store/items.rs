use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{Item, NodeId, wire::code};

/// Items that were put with us (BEP 44), of bounded number, for two hours each.
#[derive(Debug)]
pub(crate) struct ItemStore {
    max_items: usize,
    items: BTreeMap<NodeId, Stored>,
    swept_at: Instant,
}

#[derive(Debug)]
struct Stored {
    item: Item,
    put_at: Instant,
}

/// Why an item is not stored: a code of BEP 44, and the reason in words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PutError {
    pub(crate) code: i64,
    pub(crate) reason: &'static str,
}

impl ItemStore {
    pub(crate) fn new(now: Instant, max_items: usize) -> Self {
        Self {
            max_items,
            items: BTreeMap::new(),
            swept_at: now,
        }
    }

    /// The item under `target`.
    pub(crate) fn get(&self, now: Instant, target: NodeId) -> Option<&Item> {
        let stored = self.items.get(&target)?;
        (!stored.is_over(now)).then_some(&stored.item)
    }

    /// Stores an item that has been checked; `own` is our id.
    pub(crate) fn put(
        &mut self,
        now: Instant,
        own: NodeId,
        item: Item,
        cas: Option<i64>,
    ) -> Result<(), PutError> {
        let target = item.target();
        if let Some(Item::Mutable(known)) = self.get(now, target) {
            let Item::Mutable(new) = &item else {
                return Err(fail(code::GENERIC, "a mutable item is stored there"));
            };
            if cas.is_some_and(|cas| cas != known.seq()) {
                return Err(fail(code::CAS_MISMATCH, "another seq than cas is stored"));
            }
            if new.seq() < known.seq() {
                return Err(fail(code::SEQ_TOO_OLD, "a newer seq is stored"));
            }
            // BEP 44 leaves it open; whoever signs two values as one change has made a mistake,
            // and the first one stays, as in libtorrent.
            if new.seq() == known.seq() && new.value() != known.value() {
                return Err(fail(
                    code::SEQ_TOO_OLD,
                    "another value with this seq is stored",
                ));
            }
        } else if !self.items.contains_key(&target) && self.items.len() >= self.max_items {
            self.make_room(own, target)?;
        }
        self.items.insert(target, Stored { item, put_at: now });
        Ok(())
    }

    /// Forgets what was not put again for long; does nothing most times.
    pub(crate) fn sweep(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept_at) >= SWEEP_INTERVAL {
            self.swept_at = now;
            self.items.retain(|_, stored| !stored.is_over(now));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// What belongs with us is close to our id: the item that is farthest from it goes.
    fn make_room(&mut self, own: NodeId, target: NodeId) -> Result<(), PutError> {
        let farthest = self.items.keys().copied();
        let farthest = farthest.max_by_key(|known| own.distance(*known));
        match farthest {
            Some(known) if own.distance(target) < own.distance(known) => {
                self.items.remove(&known);
                Ok(())
            }
            _ => Err(fail(code::SERVER, "no room for another item")),
        }
    }
}

impl Stored {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.put_at) >= ITEM_LIFETIME
    }
}

const fn fail(code: i64, reason: &'static str) -> PutError {
    PutError { code, reason }
}

/// BEP 44: at least two hours.
const ITEM_LIFETIME: Duration = Duration::from_secs(2 * 60 * 60 + 10 * 60);
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(feature = "mutable")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImmutableItem, MutableItem};

    const OWN: NodeId = NodeId([0; 20]);

    fn mutable(seq: i64, value: &[u8]) -> Item {
        Item::Mutable(MutableItem::sign(&[1; 32], "", seq, value).unwrap())
    }

    #[test]
    fn changes_come_in_order() {
        let now = crate::test_epoch();
        let mut store = ItemStore::new(now, 10);
        let mut put = |item, cas| {
            let result = store.put(now, OWN, item, cas);
            result.map_err(|error| error.code)
        };
        // With nothing stored, there is nothing to compare with.
        assert_eq!(put(mutable(5, b"1:a"), Some(3)), Ok(()));
        assert_eq!(put(mutable(5, b"1:a"), None), Ok(()), "again");
        assert_eq!(put(mutable(5, b"1:b"), None), Err(302));
        assert_eq!(put(mutable(4, b"1:b"), None), Err(302));
        assert_eq!(put(mutable(6, b"1:b"), Some(4)), Err(301));
        assert_eq!(put(mutable(4, b"1:b"), Some(4)), Err(301), "cas before seq");
        assert_eq!(put(mutable(6, b"1:b"), Some(5)), Ok(()));
        let target = mutable(0, b"1:a").target();
        assert_eq!(store.get(now, target), Some(&mutable(6, b"1:b")));
    }

    #[test]
    fn items_are_over_after_two_hours() {
        let now = crate::test_epoch();
        let mut store = ItemStore::new(now, 10);
        let item = Item::Immutable(ImmutableItem::new(b"i1e").unwrap());
        store.put(now, OWN, item.clone(), None).unwrap();
        let after = |minutes: u64| now + Duration::from_secs(60 * minutes);
        assert_eq!(store.get(after(120), item.target()), Some(&item));
        assert_eq!(store.get(after(131), item.target()), None);
        store.sweep(after(131));
        assert_eq!(store.len(), 0);
    }

    #[test]
    fn what_is_far_away_makes_room() {
        let now = crate::test_epoch();
        let mut store = ItemStore::new(now, 10);
        let mut all = Vec::new();
        for n in 0..100 {
            let item = Item::Immutable(ImmutableItem::new(format!("i{n}e")).unwrap());
            all.push(item.target());
            let _ = store.put(now, OWN, item, None);
        }
        assert_eq!(store.len(), 10);
        all.sort_by_key(|target| OWN.distance(*target));
        assert!(
            all[..10]
                .iter()
                .all(|target| store.get(now, *target).is_some())
        );
    }
}
