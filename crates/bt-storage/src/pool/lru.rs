use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// A map that holds at most `capacity` entries: adding one more removes that which was used
/// least recently.
pub(super) struct Lru<K, V> {
    entries: HashMap<K, (V, Age)>,
    /// The keys of `entries`, each at the age that it has there.
    by_age: BTreeMap<Age, K>,
    capacity: usize,
    now: Age,
}

/// Counts uses: the smaller, the longer ago.
type Age = u64;

impl<K: Copy + Eq + Hash, V> Lru<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            by_age: BTreeMap::new(),
            capacity,
            now: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Looks `key` up, which counts as a use.
    pub(super) fn get(&mut self, key: &K) -> Option<&V> {
        let (value, age) = self.entries.get_mut(key)?;
        self.by_age.remove(age);
        self.now += 1;
        *age = self.now;
        self.by_age.insert(self.now, *key);
        Some(value)
    }

    /// Adds or replaces an entry; returns what had to leave: its predecessor, or the oldest.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.now += 1;
        self.by_age.insert(self.now, key);
        if let Some((replaced, age)) = self.entries.insert(key, (value, self.now)) {
            self.by_age.remove(&age);
            return Some(replaced);
        }
        if self.entries.len() > self.capacity {
            self.remove_oldest()
        } else {
            None
        }
    }

    pub(super) fn remove_oldest(&mut self) -> Option<V> {
        let (_, key) = self.by_age.pop_first()?;
        self.entries.remove(&key).map(|(value, _)| value)
    }

    pub(super) fn remove_where(&mut self, leaves: impl Fn(&K) -> bool) -> Vec<V> {
        let keys: Vec<K> = self
            .entries
            .keys()
            .filter(|key| leaves(key))
            .copied()
            .collect();
        let removed = keys.iter().filter_map(|key| self.entries.remove(key));
        let (values, ages): (Vec<V>, Vec<Age>) = removed.unzip();
        for age in ages {
            self.by_age.remove(&age);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Operation {
        Get(u8),
        Insert(u8),
        RemoveOldest,
        RemoveOdd,
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            4 => (0..8u8).prop_map(Operation::Get),
            4 => (0..8u8).prop_map(Operation::Insert),
            1 => Just(Operation::RemoveOldest),
            1 => Just(Operation::RemoveOdd),
        ]
    }

    proptest! {
        /// Against a list in the order of use.
        #[test]
        fn behaves_like_a_list(operations in prop::collection::vec(operation(), 0..60)) {
            let mut lru = Lru::new(3);
            let mut list: Vec<(u8, usize)> = Vec::new();
            for (value, operation) in operations.into_iter().enumerate() {
                match operation {
                    Operation::Get(key) => {
                        let found = list.iter().position(|entry| entry.0 == key);
                        let entry = found.map(|position| list.remove(position));
                        list.extend(entry);
                        prop_assert_eq!(lru.get(&key).copied(), entry.map(|(_, value)| value));
                    }
                    Operation::Insert(key) => {
                        let found = list.iter().position(|entry| entry.0 == key);
                        let full = list.len() == 3;
                        let leaves = found.or(full.then_some(0)).map(|position| list.remove(position).1);
                        list.push((key, value));
                        prop_assert_eq!(lru.insert(key, value), leaves);
                    }
                    Operation::RemoveOldest => {
                        let oldest = (!list.is_empty()).then(|| list.remove(0).1);
                        prop_assert_eq!(lru.remove_oldest(), oldest);
                    }
                    Operation::RemoveOdd => {
                        let mut gone = lru.remove_where(|key| key % 2 == 1);
                        gone.sort_unstable();
                        let odd = list.iter().filter(|(key, _)| key % 2 == 1);
                        let mut expected: Vec<_> = odd.map(|(_, value)| *value).collect();
                        expected.sort_unstable();
                        prop_assert_eq!(gone, expected);
                        list.retain(|(key, _)| key % 2 == 0);
                    }
                }
                prop_assert_eq!(lru.len(), list.len());
                prop_assert_eq!(lru.by_age.len(), list.len());
            }
        }
    }
}
