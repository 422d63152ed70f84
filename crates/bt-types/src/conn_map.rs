use std::{fmt, ops::Index};

use crate::ConnId;

/// What is kept for each connection of a torrent, in the order of their ids: the oldest first.
///
/// Every message looks its connection up, among a hundred thousand others on virtual time, so what
/// counts is how much memory that touches: one entry of a [`ConnIndex`], then the value. Adding
/// the newest takes constant time, removing one time in proportion to their number.
///
/// ```
/// use bt_types::{ConnId, ConnMap};
///
/// let mut names = ConnMap::new();
/// names.insert(ConnId(7), "seven");
/// names.insert(ConnId(3), "three");
/// assert_eq!(names.get(&ConnId(7)), Some(&"seven"));
/// assert_eq!(names.iter().map(|(conn, _)| conn.0).collect::<Vec<_>>(), [3, 7]);
/// assert_eq!(names.remove(&ConnId(3)), Some("three"));
/// assert_eq!(names.len(), 1);
/// ```
#[derive(Clone)]
pub struct ConnMap<T> {
    index: ConnIndex,
    /// In the order of the index.
    values: Vec<T>,
}

impl<T> ConnMap<T> {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            index: ConnIndex::new(),
            values: Vec::new(),
        }
    }

    /// How many connections there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether there is something for `conn`.
    #[must_use]
    pub fn contains_key(&self, conn: &ConnId) -> bool {
        self.index.find(*conn).is_some()
    }

    /// What is kept for `conn`.
    #[must_use]
    pub fn get(&self, conn: &ConnId) -> Option<&T> {
        self.index.find(*conn).map(|at| &self.values[at])
    }

    /// What is kept for `conn`.
    pub fn get_mut(&mut self, conn: &ConnId) -> Option<&mut T> {
        self.index.find(*conn).map(|at| &mut self.values[at])
    }

    /// Keeps `value` for `conn`; returns what was kept for it before.
    pub fn insert(&mut self, conn: ConnId, value: T) -> Option<T> {
        match self.index.insert(conn) {
            Ok(at) => {
                self.values.insert(at, value);
                None
            }
            Err(at) => Some(std::mem::replace(&mut self.values[at], value)),
        }
    }

    /// Forgets what is kept for `conn`, and returns it.
    pub fn remove(&mut self, conn: &ConnId) -> Option<T> {
        self.index.remove(*conn).map(|at| self.values.remove(at))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// The connections, ascending.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &ConnId> + Clone {
        self.index.conns().iter()
    }

    /// What is kept, in the order of the connections.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &T> + Clone {
        self.values.iter()
    }

    /// What is kept, in the order of the connections.
    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut T> {
        self.values.iter_mut()
    }

    /// Everything, in the order of the connections.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ConnId, &T)> + Clone {
        self.keys().zip(&self.values)
    }

    /// Everything, in the order of the connections.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&ConnId, &mut T)> {
        self.index.conns().iter().zip(&mut self.values)
    }
}

/// # Panics
/// If there is nothing for the connection.
impl<T> Index<&ConnId> for ConnMap<T> {
    type Output = T;

    fn index(&self, conn: &ConnId) -> &T {
        self.get(conn).expect("no such connection")
    }
}

impl<T> Default for ConnMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for ConnMap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The position of each connection in a list that is sorted by their ids, and kept by the caller.
///
/// An open hash table, at most half full, whose entries hold the id itself: nearly always the first
/// one looked at is it.
#[derive(Clone, Debug, Default)]
pub struct ConnIndex {
    /// Ascending.
    conns: Vec<ConnId>,
    /// A power of two of them, or none; each connection is at the place that its id hashes to, or
    /// the next that was vacant.
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    conn: ConnId,
    /// Its position, or `VACANT`.
    at: u32,
}

impl ConnIndex {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            conns: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// The connections, ascending.
    #[must_use]
    pub fn conns(&self) -> &[ConnId] {
        &self.conns
    }

    /// Where `conn` is.
    #[must_use]
    pub fn find(&self, conn: ConnId) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let slot = self.slots[self.slot_of(conn)];
        (slot.at != VACANT).then_some(slot.at as usize)
    }

    /// Adds `conn`; returns its position, at which the caller inserts what belongs to it.
    ///
    /// # Errors
    /// With its position, if it is there already.
    pub fn insert(&mut self, conn: ConnId) -> Result<usize, usize> {
        let at = match self.conns.last() {
            Some(&newest) if newest >= conn => match self.conns.binary_search(&conn) {
                Ok(at) => return Err(at),
                Err(at) => at,
            },
            _ => self.conns.len(),
        };
        self.conns.insert(at, conn);
        if at + 1 == self.conns.len() && self.conns.len() * 2 <= self.slots.len() {
            let slot = self.slot_of(conn);
            self.slots[slot] = Slot {
                conn,
                at: at as u32,
            };
        } else {
            self.rebuild();
        }
        Ok(at)
    }

    /// Takes `conn` out; returns the position at which it was.
    pub fn remove(&mut self, conn: ConnId) -> Option<usize> {
        let at = self.find(conn)?;
        self.conns.remove(at);
        self.rebuild();
        Some(at)
    }

    /// Those behind have moved.
    fn rebuild(&mut self) {
        let size = (self.conns.len() * 2).next_power_of_two();
        self.slots.clear();
        self.slots.resize(
            size,
            Slot {
                conn: ConnId(0),
                at: VACANT,
            },
        );
        for (at, &conn) in (0..).zip(&self.conns) {
            let slot = self.slot_of(conn);
            self.slots[slot] = Slot { conn, at };
        }
    }

    /// The slot that holds `conn`, or the vacant one that it would get. There must be a vacant one.
    fn slot_of(&self, conn: ConnId) -> usize {
        let mask = self.slots.len() - 1;
        // Of consecutive ids, as they are given out, each gets a place of its own.
        let mut place = conn.0 as usize & mask;
        while self.slots[place].at != VACANT && self.slots[place].conn != conn {
            place = (place + 1) & mask;
        }
        place
    }
}

const VACANT: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_takes_a_place_is_found_there() {
        let mut index = ConnIndex::new();
        assert_eq!(index.find(ConnId(0)), None);
        assert_eq!(index.remove(ConnId(0)), None);
        // All of these want the same slot.
        for n in 0..100 {
            assert_eq!(index.insert(ConnId(n << 32)), Ok(n as usize));
        }
        assert_eq!(index.insert(ConnId(5 << 32)), Err(5));
        assert_eq!(index.insert(ConnId(1)), Ok(1));
        assert_eq!(index.find(ConnId(99 << 32)), Some(100));
        assert_eq!(index.remove(ConnId(0)), Some(0));
        assert_eq!(index.find(ConnId(1)), Some(0));
        assert_eq!(index.find(ConnId(0)), None);
    }

    proptest! {
        #[test]
        fn a_tree_gives_the_same(
            steps in prop::collection::vec((any::<bool>(), 0_u64..40, any::<u16>()), 0..200),
            spread in prop::sample::select(vec![0, 3, 6, 58]),
        ) {
            let (mut map, mut tree) = (ConnMap::new(), BTreeMap::new());
            for (is_added, conn, value) in steps {
                let conn = ConnId(conn << spread);
                if is_added {
                    prop_assert_eq!(map.insert(conn, value), tree.insert(conn, value));
                } else {
                    prop_assert_eq!(map.remove(&conn), tree.remove(&conn));
                }
                prop_assert!(map.iter().eq(&tree));
                prop_assert!(map.keys().all(|conn| map.get(conn) == tree.get(conn)));
                for conn in 0..40 {
                    let conn = ConnId(conn << spread);
                    prop_assert_eq!(map.contains_key(&conn), tree.contains_key(&conn));
                }
            }
        }
    }
}
