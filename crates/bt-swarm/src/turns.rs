//! Whose turn it is.

use std::{collections::BTreeSet, ops::Bound};

use bt_types::{BLOCK_LENGTH, ConnId};

/// Those that wait for something of which there is not enough: one after the other moves about as
/// many bytes, in whatever sizes, and however much each of them could.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    waiting: BTreeSet<ConnId>,
    /// Whose turn it is, or was last.
    current: Option<ConnId>,
    /// What may still be moved in this turn.
    left: u64,
}

impl Turns {
    pub(crate) fn insert(&mut self, conn: ConnId) {
        self.waiting.insert(conn);
    }

    pub(crate) fn remove(&mut self, conn: ConnId) {
        self.waiting.remove(&conn);
    }

    pub(crate) fn contains(&self, conn: ConnId) -> bool {
        self.waiting.contains(&conn)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whose turn it is, until it [moves](Self::moved) enough or no longer waits.
    pub(crate) fn whose(&mut self) -> Option<ConnId> {
        let goes_on = |conn: &ConnId| self.left > 0 && self.waiting.contains(conn);
        if let Some(conn) = self.current.filter(goes_on) {
            return Some(conn);
        }
        let behind = self.current.map_or(Bound::Unbounded, Bound::Excluded);
        let mut following = self.waiting.range((behind, Bound::Unbounded));
        let next = following.next().or_else(|| self.waiting.first()).copied()?;
        self.current = Some(next);
        self.left = TURN;
        Some(next)
    }

    /// Whoever's turn it is has moved so many bytes.
    pub(crate) fn moved(&mut self, bytes: u64) {
        self.left = self.left.saturating_sub(bytes);
    }
}

/// A block.
const TURN: u64 = BLOCK_LENGTH as u64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Moves `total` bytes, of each in its size; returns who has moved how many.
    fn run(turns: &mut Turns, sizes: &[u64], total: u64) -> BTreeMap<ConnId, u64> {
        let mut moved = BTreeMap::new();
        let mut left = total;
        while left > 0 {
            let conn = turns.whose().unwrap();
            let size = sizes[conn.0 as usize];
            *moved.entry(conn).or_default() += size;
            turns.moved(size);
            left = left.saturating_sub(size);
        }
        moved
    }

    #[test]
    fn all_move_as_much_whatever_the_sizes() {
        let mut turns = Turns::default();
        (0..4).for_each(|n| turns.insert(ConnId(n)));
        let moved = run(&mut turns, &[16_397, 1024, 16_384, 64], 4_000_000);
        for (conn, bytes) in moved {
            assert!(bytes.abs_diff(1_000_000) < 40_000, "{conn}: {bytes}");
        }
    }

    #[test]
    fn who_comes_or_goes_changes_nobody_elses_turn() {
        let mut turns = Turns::default();
        assert_eq!(turns.whose(), None);
        [3, 5, 7].iter().for_each(|&n| turns.insert(ConnId(n)));
        assert_eq!(turns.whose(), Some(ConnId(3)));
        turns.moved(TURN);
        assert_eq!(turns.whose(), Some(ConnId(5)));
        turns.moved(TURN - 1);
        turns.insert(ConnId(4));
        assert_eq!(turns.whose(), Some(ConnId(5)), "has not moved enough");
        turns.remove(ConnId(5));
        assert_eq!(turns.whose(), Some(ConnId(7)));
        turns.moved(TURN);
        assert_eq!(turns.whose(), Some(ConnId(3)));
        turns.moved(TURN);
        assert_eq!(turns.whose(), Some(ConnId(4)));
        [3, 4, 7].iter().for_each(|&n| turns.remove(ConnId(n)));
        assert_eq!((turns.whose(), turns.is_empty()), (None, true));
    }
}
