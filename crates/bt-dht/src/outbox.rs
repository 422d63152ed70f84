use std::{collections::VecDeque, net::SocketAddr};

use crate::wire::{self, Message};

/// Datagrams that wait to be sent, one behind the other in memory that is used again.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// Where each one goes to, and where it ends.
    ends: VecDeque<(SocketAddr, usize)>,
    /// Where the next one begins.
    begin: usize,
}

impl Outbox {
    /// Whether so many wait that nothing should be added for strangers.
    pub(crate) fn is_full(&self) -> bool {
        self.ends.len() >= MAX_WAITING
    }

    /// Adds a message; returns its bytes.
    pub(crate) fn push(&mut self, to: SocketAddr, message: &Message<'_>) -> usize {
        let begin = self.bytes.len();
        wire::encode(message, &mut self.bytes);
        self.ends.push_back((to, self.bytes.len()));
        self.bytes.len() - begin
    }

    /// Takes the next one.
    pub(crate) fn pop(&mut self, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let (to, end) = self.ends.pop_front()?;
        out.clear();
        out.extend_from_slice(&self.bytes[self.begin..end]);
        self.begin = end;
        if self.ends.is_empty() {
            self.bytes.clear();
            self.begin = 0;
        }
        Some(to)
    }
}

/// Who calls drains after each datagram, so that only a few wait.
const MAX_WAITING: usize = 2048;
