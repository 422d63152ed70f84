use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bt_wire::{Message, RawBlock};

/// The blocks that a peer owes us, in the order in which we asked. Shared by the torrent's task,
/// which asks, and the connection's reader, which needs to know where payload belongs.
#[derive(Clone, Default)]
pub(super) struct Expected(Arc<Mutex<List>>);

#[derive(Default)]
pub(super) struct List {
    blocks: VecDeque<RawBlock>,
    /// Where the block that was answered last stood: whoever answers in order goes on there, also
    /// if it has passed over some before.
    next: usize,
}

impl Expected {
    pub(super) fn lock(&self) -> MutexGuard<'_, List> {
        // No step on the list can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows what we send.
    pub(super) fn note_sent(&self, message: &Message) {
        match message {
            Message::Request(block) => self.lock().blocks.push_back(*block),
            Message::Cancel(block) => self.lock().strike(*block),
            _ => {}
        }
    }

    /// Follows what the peer sends: with the fast extension each request that is not served is
    /// rejected (BEP 6).
    pub(super) fn note_received(&self, message: &Message) {
        if let Message::Reject(block) = message {
            self.lock().strike(*block);
        }
    }

    /// Follows a choke by a peer without the fast extension, which drops all requests silently.
    /// When the torrent's task learns of it and not sooner, as until then it goes on asking.
    pub(super) fn forget_all(&self) {
        *self.lock() = List::default();
    }
}

impl List {
    /// Takes an answered block off the list; whether it was there. Most peers answer in order, so
    /// that the first look finds it.
    pub(super) fn take(&mut self, block: RawBlock) -> bool {
        if block.length == 0 {
            // BitComet's way to reject a request. There is nothing to read.
            let is_rejected =
                |asked: &&RawBlock| (asked.piece, asked.begin) == (block.piece, block.begin);
            if let Some(rejected) = self.blocks.iter().find(is_rejected).copied() {
                self.strike(rejected);
            }
            return false;
        }
        let Some(position) = self.position(block) else {
            return false;
        };
        self.blocks.remove(position);
        self.next = position;
        self.wrap();
        true
    }

    /// Takes a block off the list that will not be answered.
    fn strike(&mut self, block: RawBlock) {
        if let Some(position) = self.position(block) {
            self.blocks.remove(position);
            self.next -= usize::from(position < self.next);
            self.wrap();
        }
    }

    fn position(&self, block: RawBlock) -> Option<usize> {
        let find = |(_, expected): &(usize, &RawBlock)| **expected == block;
        let mut rest = (self.next..).zip(self.blocks.range(self.next..));
        let mut passed_over = (0..).zip(self.blocks.range(..self.next));
        let found = rest.find(find).or_else(|| passed_over.find(find))?;
        Some(found.0)
    }

    /// Behind the last one, the first is what may come next.
    fn wrap(&mut self) {
        if self.next == self.blocks.len() {
            self.next = 0;
        }
    }

    /// What comes next if the peer answers in order.
    pub(super) fn in_order(&self) -> impl Iterator<Item = RawBlock> + '_ {
        self.blocks.range(self.next..).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(begin: u32) -> RawBlock {
        RawBlock {
            piece: 0,
            begin,
            length: 1,
        }
    }

    #[test]
    fn a_block_without_bytes_is_a_reject() {
        let expected = Expected::default();
        for begin in [1, 2, 3] {
            expected.note_sent(&Message::Request(block(begin)));
        }
        let empty = RawBlock {
            length: 0,
            ..block(2)
        };
        assert!(!expected.lock().take(empty));
        assert_eq!(in_order(&expected), [1, 3]);
    }

    fn in_order(expected: &Expected) -> Vec<u32> {
        expected
            .lock()
            .in_order()
            .map(|block| block.begin)
            .collect()
    }

    #[test]
    fn a_block_that_never_comes_does_not_hide_the_ones_behind_it() {
        let expected = Expected::default();
        (0..5).for_each(|begin| expected.note_sent(&Message::Request(block(begin))));
        assert!(expected.lock().take(block(1)));
        assert_eq!(in_order(&expected), [2, 3, 4], "0 is passed over");
        assert!(expected.lock().take(block(2)));
        expected.note_sent(&Message::Request(block(5)));
        assert_eq!(in_order(&expected), [3, 4, 5]);
        expected.note_sent(&Message::Cancel(block(4)));
        expected.note_sent(&Message::Cancel(block(0)));
        assert_eq!(in_order(&expected), [3, 5]);
        [3, 5]
            .into_iter()
            .for_each(|begin| assert!(expected.lock().take(block(begin))));
        assert!(!expected.lock().take(block(3)));
        assert!(in_order(&expected).is_empty());
    }

    #[test]
    fn what_was_passed_over_comes_next_when_nothing_else_is_expected() {
        let expected = Expected::default();
        (0..3).for_each(|begin| expected.note_sent(&Message::Request(block(begin))));
        assert!(expected.lock().take(block(2)));
        assert_eq!(in_order(&expected), [0, 1]);
        expected.note_received(&Message::Reject(block(0)));
        assert_eq!(in_order(&expected), [1]);
        expected.forget_all();
        assert!(in_order(&expected).is_empty());
    }
}
