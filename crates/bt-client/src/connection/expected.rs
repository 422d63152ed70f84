use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bt_wire::{Message, RawBlock};

/// The blocks that a peer owes us, in the order in which we asked. Shared by the torrent's task,
/// which asks, and the connection's reader, which needs to know where payload belongs.
#[derive(Clone, Default)]
pub(super) struct Expected(Arc<Mutex<VecDeque<RawBlock>>>);

impl Expected {
    pub(super) fn lock(&self) -> ExpectedGuard<'_> {
        // No step on the list can panic half-way.
        ExpectedGuard(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows what we send.
    pub(super) fn note_sent(&self, message: &Message) {
        match message {
            Message::Request(block) => self.lock().0.push_back(*block),
            Message::Cancel(block) => {
                self.lock().take(*block);
            }
            _ => {}
        }
    }

    /// Follows what the peer sends. Without the fast extension a choke drops all requests
    /// silently; with it each is answered (BEP 6).
    pub(super) fn note_received(&self, message: &Message, is_fast: bool) {
        match message {
            Message::Choke if !is_fast => self.lock().0.clear(),
            Message::Reject(block) => {
                self.lock().take(*block);
            }
            _ => {}
        }
    }
}

pub(super) struct ExpectedGuard<'a>(MutexGuard<'a, VecDeque<RawBlock>>);

impl ExpectedGuard<'_> {
    /// Strikes a block off the list; whether it was there. Most peers answer in order, so that
    /// the first look finds it.
    pub(super) fn take(&mut self, block: RawBlock) -> bool {
        match self.0.iter().position(|expected| *expected == block) {
            Some(position) => self.0.remove(position).is_some(),
            None => false,
        }
    }

    /// What comes next if the peer answers in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = RawBlock> + '_ {
        self.0.iter().copied()
    }
}
