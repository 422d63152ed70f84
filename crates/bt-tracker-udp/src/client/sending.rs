//! What leaves when: no request without a connection, and no more than the tracker can take.

use std::time::Instant;

use rand_chacha::rand_core::Rng;

use super::{
    Connection, FIRST_TIMEOUT, MAX_UNANSWERED, Transmit, UdpTracker,
    pending::{Ask, Awaited},
};
use crate::wire::{self, TransactionId};

impl UdpTracker {
    /// Sends what waits for this, as far as there is room.
    pub(super) fn send_waiting(&mut self, now: Instant, awaited: Awaited) {
        let mut room = self.room();
        for index in 0..self.pending.len() {
            if awaited == Awaited::Turn && room == 0 {
                return;
            }
            if self.pending[index].awaits == Some(awaited) {
                self.send(now, index, &mut room);
            }
        }
    }

    /// For how many more requests there is room at the tracker.
    pub(super) fn room(&self) -> usize {
        let with_tracker = self.pending.iter().filter(|p| p.takes_room());
        MAX_UNANSWERED.saturating_sub(with_tracker.count())
    }

    pub(super) fn is_awaited(&self, awaited: Awaited) -> bool {
        let mut pending = self.pending.iter();
        pending.any(|pending| pending.awaits == Some(awaited))
    }

    /// Sends the request, or asks for the connection that it needs first, or lets it wait where there
    /// is no room; and starts its clock.
    pub(super) fn send(&mut self, now: Instant, index: usize, room: &mut usize) {
        let usable = match self.connection {
            Connection::Connected { id, expires } if now < expires => Some(id),
            _ => None,
        };
        let pending = &mut self.pending[index];
        pending.deadline = now + FIRST_TIMEOUT * (1 << pending.attempt);
        let Some(connection_id) = usable else {
            pending.awaits = Some(Awaited::Connection);
            self.connect(now);
            return;
        };
        if pending.sent_with.is_none() && !pending.ask.is_goodbye() {
            if *room == 0 {
                pending.awaits = Some(Awaited::Turn);
                return;
            }
            *room -= 1;
        }
        pending.awaits = None;
        pending.sent_with = Some(connection_id);
        let mut payload = Vec::new();
        let transaction_id = pending.transaction_id;
        match &pending.ask {
            Ask::Announce(request) => wire::encode_announce(
                connection_id,
                transaction_id,
                request,
                &self.url_data,
                &mut payload,
            ),
            Ask::Scrape(swarm_ids) => {
                wire::encode_scrape(connection_id, transaction_id, swarm_ids, &mut payload);
            }
        }
        self.transmit(payload);
    }

    /// Sends a connect request, unless one has been under way for less than its timeout: however
    /// many requests wait, the tracker sees one connect.
    fn connect(&mut self, now: Instant) {
        let transaction_id = match self.connection {
            Connection::Connecting { sent_at, .. } if now < sent_at + FIRST_TIMEOUT => return,
            Connection::Connecting { transaction_id, .. } => transaction_id,
            _ => self.fresh_transaction_id(),
        };
        self.connection = Connection::Connecting {
            transaction_id,
            sent_at: now,
        };
        let mut payload = Vec::new();
        wire::encode_connect(transaction_id, &mut payload);
        self.transmit(payload);
    }

    fn transmit(&mut self, payload: Vec<u8>) {
        self.transmits.push_back(Transmit {
            destination: self.tracker,
            payload,
        });
    }

    pub(super) fn stop_connecting_if_nobody_waits(&mut self) {
        let connecting = matches!(self.connection, Connection::Connecting { .. });
        if connecting && !self.is_awaited(Awaited::Connection) {
            self.connection = Connection::None;
        }
    }

    /// One that names no other request of ours.
    pub(super) fn fresh_transaction_id(&mut self) -> TransactionId {
        loop {
            let id = TransactionId(self.rng.next_u32());
            let connects = matches!(self.connection,
                Connection::Connecting { transaction_id, .. } if transaction_id == id);
            if !connects && self.pending.iter().all(|p| p.transaction_id != id) {
                return id;
            }
        }
    }
}
