//! What we ask of whom.

use std::time::Instant;

use bt_types::{BLOCK_LENGTH, Bitfield, Block, ConnId, Payload, PieceIndex};
use bt_wire::Message;

use super::Swarm;

impl<P: Payload> Swarm<P> {
    /// Payload bytes in memory because of us, and those for which requests reserve memory: as in
    /// [`Stats`](crate::Stats), but cheap enough to be asked for all the time.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let downloads = self.torrent.as_ref().map_or(0, |torrent| {
            torrent.picker.outstanding_total() * BLOCK_BYTES + torrent.assembly.memory_bytes()
        });
        downloads + self.served_bytes
    }

    /// Tops up the pipelines that may have room, within the memory and the rate granted: a block's
    /// memory is reserved when it is requested, and it is counted then, so back-pressure means not
    /// requesting.
    pub(super) fn fill_pipelines(&mut self, now: Instant) {
        self.recount_requests(now);
        self.download.stop_waiting(now);
        if self.trouble.is_some() {
            return self.send_cancels();
        }
        self.relieve_starvation();
        // Under a limit one block each in turn, so that deep pipelines get no more than others.
        let at_once = match self.download.is_limited() {
            true => 1,
            false => usize::MAX,
        };
        let budget = self.grant.memory_blocks();
        let mut used = None;
        let mut blocks = Vec::new();
        while let Some(conn) = self.next_to_ask(now) {
            let used = used.get_or_insert_with(|| self.memory_bytes().div_ceil(BLOCK_BYTES));
            let Some(torrent) = &mut self.torrent else {
                return;
            };
            let stats = torrent.picker.peer_stats(now, conn);
            // Whoever did not answer of late is asked out of what nobody else needs.
            let idle_pipeline = if stats.is_snubbed {
                MIN_PIPELINE
            } else {
                stats.outstanding
            };
            let room = room_for(idle_pipeline, *used, budget);
            torrent
                .picker
                .pick(now, conn, room.min(at_once), &mut blocks);
            *used += blocks.len();
            if blocks.len() == room {
                self.starved_at = Some(*used);
            }
            if blocks.len() < at_once {
                self.asking.remove(conn);
            }
            for block in blocks.drain(..) {
                let bytes = bytes_on_wire(block.length);
                self.download.spend(now, bytes);
                self.counted_requests += 1;
                self.asking.moved(bytes);
                self.send(conn, Message::Request(block.into()));
            }
        }
        self.send_cancels();
    }

    /// Whoever found no memory may be asked again once there is some; if none comes back, what is
    /// reserved for overdue answers is taken.
    fn relieve_starvation(&mut self) {
        let Some(starved_at) = self.starved_at else {
            return;
        };
        let budget = self.grant.memory_blocks();
        let (Some(now), Some(torrent)) = (self.now, &mut self.torrent) else {
            return;
        };
        torrent.picker.give_up_late(now);
        self.send_cancels();
        let used = self.memory_bytes().div_ceil(BLOCK_BYTES);
        if used < starved_at.min(budget) {
            self.starved_at = None;
            if let Some(torrent) = &mut self.torrent {
                torrent.picker.wake();
            }
        }
    }

    /// Requests that are gone unanswered, with a `cancel`, a `reject`, a choke or a connection, no
    /// longer count.
    pub(super) fn recount_requests(&mut self, now: Instant) {
        if !self.download.is_limited() {
            return;
        }
        let outstanding = self.outstanding_requests();
        let gone = self.counted_requests.saturating_sub(outstanding) as u64;
        self.download
            .refund(now, gone * bytes_on_wire(BLOCK_LENGTH));
        self.counted_requests = outstanding;
    }

    pub(super) fn outstanding_requests(&self) -> usize {
        let torrent = self.torrent.as_ref();
        torrent.map_or(0, |torrent| torrent.picker.outstanding_total())
    }

    /// Somebody who may have room for requests. Under a limit each comes again until it has none,
    /// and nobody while the rate is used up.
    fn next_to_ask(&mut self, now: Instant) -> Option<ConnId> {
        let picker = &mut self.torrent.as_mut()?.picker;
        if self.download.is_limited() {
            while let Some(conn) = picker.poll_ready() {
                self.asking.insert(conn);
            }
        } else if self.asking.is_empty() {
            return picker.poll_ready();
        }
        let conn = self.asking.whose()?;
        self.download.admits(now).then_some(conn)
    }

    /// Takes back requests that somebody else has answered.
    pub(super) fn send_cancels(&mut self) {
        while let Some((conn, block)) = self.next_cancel() {
            self.send(conn, Message::Cancel(block.into()));
        }
    }

    fn next_cancel(&mut self) -> Option<(ConnId, Block)> {
        self.torrent.as_mut()?.picker.poll_cancel()
    }

    /// All at once: which pieces a peer has.
    pub(super) fn set_peer_pieces(&mut self, now: Instant, conn: ConnId, pieces: Bitfield) {
        let is_seed = pieces.is_full();
        if let Some(torrent) = &mut self.torrent {
            torrent.picker.set_peer_pieces(conn, pieces);
        }
        self.needs_showing = true;
        if is_seed {
            self.found_seed(now, conn);
        }
        self.update_interest(conn);
    }

    /// One piece more that a peer has.
    pub(super) fn add_peer_piece(&mut self, now: Instant, conn: ConnId, piece: PieceIndex) {
        let Some(torrent) = &mut self.torrent else {
            return;
        };
        let was_interesting = torrent.picker.is_interesting(conn);
        if torrent.picker.peer_has(conn, piece) {
            self.needs_showing = true;
            self.needs_rechoke |= torrent.spread.seen(conn, piece);
            if let Some(session) = self.sessions.get_mut(&conn) {
                session.servings.forget(piece);
            }
            let is_interesting = torrent.picker.is_interesting(conn);
            if torrent.picker.peer_pieces(conn).is_full() {
                self.found_seed(now, conn);
            }
            // Of all messages the most frequent, and nearly none of them changes that.
            if is_interesting != was_interesting {
                self.update_interest(conn);
            }
        }
    }

    /// Tells a peer whether it has something that we want, where that has changed.
    pub(super) fn update_interest(&mut self, conn: ConnId) {
        let Some(torrent) = &self.torrent else { return };
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        let is_interesting = torrent.picker.is_interesting(conn) && self.trouble.is_none();
        if is_interesting != session.am_interested {
            session.am_interested = is_interesting;
            let message = if is_interesting {
                Message::Interested
            } else {
                Message::NotInterested
            };
            self.send(conn, message);
        }
    }

    /// A peer has everything: remembered, and of no use if we have, too.
    fn found_seed(&mut self, now: Instant, conn: ConnId) {
        let Some(session) = self.sessions.get(&conn) else {
            return;
        };
        if let Some(addr) = session.listen_addr {
            self.peers.set_seed(addr);
        }
        self.part_if_both_upload_only(now, conn);
    }
}

/// What a block of so many bytes takes of a limit: its message, as it is sent.
pub(super) fn bytes_on_wire(length: u32) -> u64 {
    u64::from(length) + PIECE_HEADER_BYTES
}

/// How many more blocks a peer with `outstanding` requests may be asked for while `used` of
/// `budget` blocks of memory are taken.
///
/// The last quarter is kept for those that have next to nothing under way, so that a few fast
/// peers with deep pipelines cannot silence the rest.
fn room_for(outstanding: usize, used: usize, budget: usize) -> usize {
    let free = budget.saturating_sub(used);
    let reserve = budget / 4;
    if free > reserve {
        free - reserve
    } else {
        MIN_PIPELINE.saturating_sub(outstanding).min(free)
    }
}

const BLOCK_BYTES: usize = BLOCK_LENGTH as usize;
/// Length, id, piece and offset (BEP 3, `piece`).
const PIECE_HEADER_BYTES: u64 = 13;
/// No pipeline is shallower than this while there is memory at all.
const MIN_PIPELINE: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_quarter_of_the_memory_is_for_idle_pipelines() {
        assert_eq!(room_for(0, 0, 100), 75);
        assert_eq!(room_for(50, 74, 100), 1);
        assert_eq!(room_for(50, 75, 100), 0);
        assert_eq!(room_for(0, 75, 100), 2);
        assert_eq!(room_for(1, 99, 100), 1);
        assert_eq!(room_for(0, 100, 100), 0);
        assert_eq!(room_for(0, 200, 100), 0);
    }
}
