//! What becomes of requests and pieces.

use std::time::{Duration, Instant};

use bt_types::{Block, ConnId, PieceIndex, Priority};

use super::{Picker, Received};
use crate::{
    availability::Stage,
    partial::Arrival,
    peer::{Pause, Request, Taken},
    pipeline::Answer,
};

impl Picker {
    /// The peer has sent `block`, whatever it is.
    pub fn handle_block(&mut self, now: Instant, conn: ConnId, block: Block) -> Received {
        let Some(at) = self.find(conn) else {
            return Received::Unrequested;
        };
        let (request, is_late) = match self.peers[at].requests.take_answered(block) {
            Some(Taken::Live(request)) => (request, false),
            Some(Taken::Late(request)) => (request, true),
            Some(Taken::GivenUp) => return Received::Duplicate,
            None => return Received::Unrequested,
        };
        self.outstanding -= 1;
        self.record_answer(now, at, request);
        let id = self.partial_of(block);
        let id = id.expect("holds because only partial pieces have requests");
        match self.partials.receive(id, block.slot(), is_late) {
            Arrival::Known => Received::Duplicate,
            Arrival::New {
                has_other_askers,
                completes,
            } => {
                if has_other_askers {
                    self.cancel_everywhere(block);
                }
                Received::Accepted {
                    piece_complete: completes,
                }
            }
        }
    }

    /// The peer will not send `block` (BEP 6, "Reject Request"); returns whether it was asked for
    /// it, which a peer that keeps to the protocol was.
    pub fn handle_reject(&mut self, now: Instant, conn: ConnId, block: Block) -> bool {
        let Some(at) = self.find(conn) else {
            return false;
        };
        let is_late = match self.peers[at].requests.take(block) {
            Some(Taken::Live(_)) => false,
            Some(Taken::Late(_)) => true,
            Some(Taken::GivenUp) => return true,
            None => return false,
        };
        self.forget(block, is_late);
        if self.peers[at].is_choking {
            // It has thought better of it.
            self.peers[at].allowed.retain(|&piece| piece != block.piece);
            self.arm(at); // What else it was asked for of the piece is no favour any more.
        } else {
            self.pause_after_reject(now, at, block.piece);
        }
        if !is_late {
            self.blocks_are_free(now);
        }
        true
    }

    /// Whether `block`, whose bytes have been thrown away, was once asked of the peer: it crossed
    /// our `cancel`, or the end of a choke, on the way. Each is forgiven once.
    pub fn forgive_late(&mut self, conn: ConnId, block: Block) -> bool {
        let Some(at) = self.find(conn) else {
            return false;
        };
        let was_asked = self.peers[at].requests.take_given_up(block);
        if was_asked && self.peers[at].is_snubbed() {
            // Late, but it does answer.
            self.peers[at].snubs = 0;
            self.resume(at);
        }
        was_asked
    }

    /// Frees the memory that is reserved for answers that are overdue by now: cancels them.
    pub fn give_up_late(&mut self, now: Instant) {
        for at in 0..self.peers.len() {
            let peer = &self.peers[at];
            let patience = peer.pipeline.round_trip().timeout(0, &self.config);
            let late = peer.requests.late.iter();
            let overdue = late.filter(|request| request.sent_at + patience <= now);
            let overdue: Vec<_> = overdue.map(|request| request.block).collect();
            for block in overdue {
                self.cancel(at, block);
            }
        }
    }

    /// Takes back what peers have been asked for beyond what may be on its way already, as less
    /// is to come from now on: cancels the latest requests of each.
    pub fn take_back(&mut self, now: Instant) {
        let mut had_any = false;
        for at in 0..self.peers.len() {
            let peer = &self.peers[at];
            let on_their_way = peer.pipeline.on_their_way(now);
            let live = peer.requests.live.iter().skip(on_their_way);
            let latest: Vec<_> = live.map(|request| request.block).collect();
            had_any |= !latest.is_empty();
            for block in latest {
                self.cancel(at, block);
            }
        }
        if had_any {
            self.blocks_are_free(now);
        }
    }

    /// A block that is no longer needed of a peer that was asked for it: send it a `cancel`. The
    /// request no longer counts as outstanding.
    pub fn poll_cancel(&mut self) -> Option<(ConnId, Block)> {
        self.cancels.pop_front()
    }

    /// Blocks of a piece that nobody has been asked for are on disk since an earlier time: only the
    /// others are wanted. Returns whether the piece is complete by that, and awaits
    /// [`piece_verified`](Self::piece_verified) or [`piece_failed`](Self::piece_failed); `None`, and
    /// nothing is changed, if it is begun already or not wanted.
    ///
    /// Places that the piece does not have are passed over.
    pub fn piece_resumed(
        &mut self,
        piece: PieceIndex,
        slots: impl IntoIterator<Item = u32>,
    ) -> Option<bool> {
        if self.availability.stage(piece) != Stage::Listed {
            return None;
        }
        let id = self.begin_piece(piece);
        let mut completes = false;
        for slot in slots {
            completes = self.partials.find_there(id, slot);
        }
        Some(completes)
    }

    /// `piece` is on disk and good.
    pub fn piece_verified(&mut self, piece: PieceIndex) {
        if !self.have.insert(piece) {
            return;
        }
        self.bytes_left -= u64::from(self.layout.data_length_of(piece));
        let stage = self.availability.stage(piece);
        if stage == Stage::Done {
            return; // All padding.
        }
        self.close(stage);
        self.unwant(piece, stage);
    }

    /// `piece` is bad, or was lost: all its blocks are wanted again, if it is wanted at all.
    pub fn piece_failed(&mut self, piece: PieceIndex) {
        if self.have.get(piece) {
            self.have.remove(piece);
            self.bytes_left += u64::from(self.layout.data_length_of(piece));
        }
        let stage = self.availability.stage(piece);
        if stage == Stage::Listed || self.layout.data_length_of(piece) == 0 {
            return;
        }
        self.close(stage);
        if self.availability.priority(piece) == Priority::Skip {
            return self.unwant(piece, stage);
        }
        self.availability.relist(piece);
        for at in 0..self.peers.len() {
            let peer = &mut self.peers[at];
            if peer.pieces.get(piece) {
                peer.wanted += u32::from(stage == Stage::Done);
                peer.listed += 1;
                self.resume(at);
            }
        }
    }

    /// Nothing of `piece`, which was in `stage`, is to be asked of anybody any more.
    fn unwant(&mut self, piece: PieceIndex, stage: Stage) {
        self.availability.finish(piece);
        for peer in self.peers.iter_mut().filter(|peer| peer.pieces.get(piece)) {
            peer.wanted -= u32::from(stage != Stage::Done);
            peer.listed -= u32::from(stage == Stage::Listed);
        }
    }

    /// A peer has sent a block that it was asked for.
    fn record_answer(&mut self, now: Instant, at: usize, request: Request) {
        let round_trip = now.saturating_duration_since(request.sent_at);
        let peer = &mut self.peers[at];
        let busy = now.saturating_duration_since(request.sent_at.max(peer.last_block));
        peer.last_block = now;
        (peer.snubs, peer.rejects, peer.pause) = (0, 0, None);
        // What a peer spares for those whom it chokes says nothing of what it can do.
        if !peer.is_choking {
            let answer = Answer {
                bytes: request.block.length,
                round_trip,
                busy,
                is_last: peer.requests.live.is_empty(),
            };
            peer.pipeline.record(now, answer, &self.config);
        }
        self.arm(at); // Quicker answers make us less patient.
        self.set_ready(at);
    }

    /// Ends the requests for a block that all other peers hold.
    fn cancel_everywhere(&mut self, block: Block) {
        for at in 0..self.peers.len() {
            if self.peers[at].requests.contains(block) {
                self.cancel(at, block);
            }
        }
    }

    /// Ends a request on our side, and tells the peer.
    pub(super) fn cancel(&mut self, at: usize, block: Block) {
        let peer = &mut self.peers[at];
        let is_late = match peer.requests.take(block) {
            Some(Taken::Live(_)) => false,
            Some(Taken::Late(_)) => true,
            Some(Taken::GivenUp) | None => return,
        };
        peer.requests.give_up(block);
        self.cancels.push_back((peer.conn, block));
        self.forget(block, is_late);
        self.set_ready(at);
    }

    /// Takes a request that is in no table any more out of the counts.
    pub(super) fn forget(&mut self, block: Block, is_late: bool) {
        let id = self.partial_of(block);
        let id = id.expect("holds because only partial pieces have requests");
        self.partials.withdraw(id, block.slot(), is_late);
        self.outstanding -= 1;
    }

    /// A peer that does not choke us rejects: it is not asked for the piece, and for a moment for
    /// nothing, else question and answer would go round without end.
    fn pause_after_reject(&mut self, now: Instant, at: usize, piece: PieceIndex) {
        let peer = &mut self.peers[at];
        peer.pipeline.missed(now, 1, &self.config);
        peer.refuse(now, piece);
        let works_at = peer.current.map(|id| self.partials.get(id).piece());
        if !peer.is_unwilling(now) {
            let pause = REJECT_PAUSE * (1 << peer.rejects.min(MAX_DOUBLINGS));
            peer.rejects += 1;
            peer.pause = Some(Pause::Unwilling(now + pause));
        }
        self.arm(at);
        if works_at == Some(piece) {
            self.set_current(at, None);
        }
        self.unreserve(at, |peer, piece| !peer.offers(piece));
    }

    /// Ends all work at a partial piece.
    pub(super) fn close(&mut self, stage: Stage) {
        let Stage::Partial(id) = stage else {
            return;
        };
        if self.partials.get(id).has_askers() {
            let piece = self.partials.get(id).piece();
            for slot in 0..self.layout.slot_count(piece) {
                if let Some(block) = self.layout.block(piece, slot) {
                    self.cancel_everywhere(block);
                }
            }
        }
        if self.partials.get(id).workers() > 0 {
            for at in 0..self.peers.len() {
                if self.peers[at].current == Some(id) {
                    self.set_current(at, None);
                }
            }
        }
        self.partials.close(id);
    }
}

/// The first pause after a reject; doubles while nothing but rejects come.
const REJECT_PAUSE: Duration = Duration::from_millis(500);
/// Half a second becomes half a minute.
const MAX_DOUBLINGS: u32 = 6;
