use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bt_swarm::Outgoing;
use bt_types::Block;
use tokio::sync::Notify;

use super::outbox::Outbox;
use crate::buffers::Buffer;

/// What waits to be written to one peer: filled by the torrent's task, which never waits, emptied
/// by the connection's writer, which takes all at once. Messages wait in their encoded form, so
/// that what is bounded are bytes.
#[derive(Clone, Default)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    no_longer_empty: Notify,
}

#[derive(Default)]
struct State {
    waiting: Outbox,
    /// What the writer is to leave out of what it has taken, if it has not begun it.
    recalled: Vec<Block>,
    is_closed: bool,
}

/// Too much waits already.
#[derive(Debug)]
pub(super) struct Full;

impl Queue {
    pub(super) fn push(&self, outgoing: Outgoing<Buffer>) -> Result<(), Full> {
        let mut state = self.lock();
        if state.is_closed {
            return Ok(());
        }
        let was_empty = state.waiting.is_empty();
        state.waiting.push(outgoing);
        if state.waiting.encoded_bytes() > MAX_QUEUED_BYTES {
            return Err(Full);
        }
        drop(state);
        if was_empty {
            self.0.no_longer_empty.notify_one();
        }
        Ok(())
    }

    /// Waits until there is something, and exchanges it for `written`, which is empty.
    pub(super) async fn take(&self, written: &mut Outbox) {
        debug_assert!(
            written.is_empty(),
            "what is exchanged would be written late"
        );
        loop {
            {
                let mut state = self.lock();
                mem::swap(&mut state.waiting, written);
                // They meant what has been written by now.
                state.recalled.clear();
            }
            if !written.is_empty() {
                return;
            }
            self.0.no_longer_empty.notified().await;
        }
    }

    /// Takes back a block that has not begun to be written; returns whether that is done. If not,
    /// the writer looks whether it can still do so before it next writes.
    pub(super) fn take_back(&self, block: Block) -> bool {
        let mut state = self.lock();
        let is_done = state.waiting.take_back(block);
        if !is_done && !state.is_closed {
            state.recalled.push(block);
        }
        is_done
    }

    /// Leaves out of `written` what has been recalled and is not begun; calls `taken_back` for each.
    pub(super) fn leave_out(&self, written: &mut Outbox, taken_back: impl FnMut(Block)) {
        let recalled = mem::take(&mut self.lock().recalled).into_iter();
        recalled
            .filter(|&block| written.take_back(block))
            .for_each(taken_back);
    }

    /// Nobody will take anything any more: what waits and what comes is dropped.
    pub(super) fn close(&self) {
        *self.lock() = State {
            is_closed: true,
            ..State::default()
        };
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No step on the state can panic half-way.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of messages and headers of blocks; the swarm bounds the blocks themselves. A slow peer lets a
/// `have` for each piece of a fast download pile up: here those of 100 000 pieces. Who lets more
/// does not read at all.
pub(super) const MAX_QUEUED_BYTES: usize = 1 << 20;
