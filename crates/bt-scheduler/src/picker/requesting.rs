//! Which block next: continued, finished, begun, taken over, or asked twice.

use std::{
    cmp::{Ordering, Reverse},
    time::{Duration, Instant},
};

use bt_types::{Block, ConnId, PieceIndex, Priority};

use super::Picker;
use crate::{
    availability::{Preference, Stage},
    peer::{Pause, Peer},
};

/// Who is at work on a partial piece, in the order in which others are sent there.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Work {
    /// This peer alone is to be.
    Reserved,
    /// Nobody.
    Orphaned,
    /// Some who are slow.
    Shared,
    /// One who is fast.
    Exclusive,
}

/// How well a partial piece suits a peer, least first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Fit {
    is_for_all: bool,
    priority: Reverse<Priority>,
    work: Work,
    /// Free blocks, or where the piece lies.
    rest: u32,
}

/// A block that another peer is asked for.
#[derive(Clone, Copy, Debug)]
struct Busy {
    /// Index of the peer that is asked.
    holder: usize,
    /// Index of the request in its table.
    request: usize,
    /// When we expect the block, from now.
    expected: Duration,
}

impl Picker {
    /// Tops up the peer's requests: appends to `out` the blocks to ask it for, in order, at most
    /// `max_blocks` of them. Nothing if it has nothing that we want; while it chokes us, what it
    /// [allows](Self::peer_allows).
    pub fn pick(&mut self, now: Instant, conn: ConnId, max_blocks: usize, out: &mut Vec<Block>) {
        let Some(at) = self.find(conn) else {
            return;
        };
        let peer = &self.peers[at];
        if max_blocks == 0 || !peer.is_idle(&self.config) || peer.is_unwilling(now) {
            return;
        }
        let room = peer.room(&self.config).min(max_blocks);
        if peer.is_choking {
            return self.pick_allowed(now, at, room, out);
        }
        if peer.is_snubbed() {
            return self.probe(now, at, room, out);
        }
        let had_live = !peer.requests.live.is_empty();
        let first = out.len();
        for _ in 0..room {
            let Some(block) = self.next_block(now, at) else {
                break;
            };
            out.push(block);
        }
        if !had_live && out.len() > first {
            self.arm(at);
        }
    }

    /// Asks a snubbed peer, to see whether it is back; after each round less soon. The blocks stay
    /// free for all others, so that a peer that never answers can hold up nothing.
    fn probe(&mut self, now: Instant, at: usize, room: usize, out: &mut Vec<Block>) {
        self.hold_against(now, at); // What it was probed with before.
        let first = out.len();
        for _ in 0..room {
            let Some((id, slot)) = self.free_block(at) else {
                break;
            };
            let block = self.block_at(id, slot);
            self.partials.request_late(id, slot);
            let peer = &mut self.peers[at];
            peer.requests.push_late(now, block);
            self.outstanding += 1;
            out.push(block);
        }
        self.set_current(at, None);
        if out.len() == first {
            // It was not asked, so it has not failed to answer either.
            self.peers[at].pause = Some(Pause::NothingFree(now + SEARCH_INTERVAL));
            return self.arm(at);
        }
        let peer = &mut self.peers[at];
        let patience = peer.pipeline.round_trip().timeout(peer.snubs, &self.config);
        peer.pause = Some(Pause::Unwilling(now + patience));
        peer.snubs = peer.snubs.saturating_add(1);
        self.arm(at);
    }

    fn next_block(&mut self, now: Instant, at: usize) -> Option<Block> {
        if let Some((id, slot)) = self.free_block(at) {
            self.peers[at].pause = None;
            return Some(self.request(now, at, id, slot, false));
        }
        if self.outstanding == self.peers[at].requests.outstanding() {
            return None; // Nobody else is asked for anything.
        }
        if let Some(Pause::NothingFree(end)) = self.peers[at].pause {
            if now < end {
                return None;
            }
        }
        let block = self.take_over(now, at).or_else(|| self.duplicate(now, at));
        if block.is_none() {
            self.peers[at].pause = Some(Pause::NothingFree(now + SEARCH_INTERVAL));
            self.arm(at);
        }
        block
    }

    pub(super) fn request(
        &mut self,
        now: Instant,
        at: usize,
        id: u32,
        slot: u32,
        duplicate: bool,
    ) -> Block {
        let block = self.block_at(id, slot);
        self.partials.request(id, slot);
        self.peers[at].requests.push(now, block, duplicate);
        self.outstanding += 1;
        block
    }

    fn block_at(&self, id: u32, slot: u32) -> Block {
        let block = self.layout.block(self.partials.get(id).piece(), slot);
        block.expect("holds because padding is never free")
    }

    /// A block that nobody is asked for: from the piece at which the peer works, else from one
    /// that it goes on with or begins.
    fn free_block(&mut self, at: usize) -> Option<(u32, u32)> {
        if let Some(id) = self.peers[at].current {
            if let Some(slot) = self.free_slot(id, at) {
                return Some((id, slot));
            }
        }
        let next = self.next_piece(at);
        self.set_current(at, next);
        let id = next?;
        self.free_slot(id, at).map(|slot| (id, slot))
    }

    /// The first free block of a partial piece for which the peer is not already asked.
    pub(super) fn free_slot(&mut self, id: u32, at: usize) -> Option<u32> {
        let piece = self.partials.get(id).piece();
        let requests = &self.peers[at].requests;
        let late = |slot| {
            let late = &mut requests.late.iter();
            late.any(|request| request.block.piece == piece && request.block.slot() == slot)
        };
        self.partials
            .find_free(id, |slot| requests.late.is_empty() || !late(slot))
    }

    /// The partial piece from which the peer takes its next blocks.
    ///
    /// What is wanted most comes first, begun or not. Of that, pieces at which nobody works are
    /// next. Otherwise a fast peer begins one for itself, and a slow one joins the slow; where that
    /// is not possible they do as the other.
    ///
    /// But a peer that alone has pieces is not asked for what others have, too: while it sends
    /// that, nobody can give on what only it has, and everybody waits for it in the end.
    fn next_piece(&mut self, at: usize) -> Option<u32> {
        let pieces = &self.peers[at].pieces;
        let listed = self.availability.highest_listed(pieces);
        let is_sole =
            !self.is_in_order && self.availability.any_sole(pieces, listed, &mut self.rng);
        let is_rare = |id| self.availability.of(self.partials.get(id).piece()) == 1;
        let open = self.partials.open().iter().copied();
        let joinable = open
            .filter_map(|id| Some((self.fit(id, at)?, id)))
            .filter(|&(fit, id)| {
                let is_wanted_more = Some(fit.priority.0) > listed;
                !is_sole || fit.work == Work::Reserved || is_wanted_more || is_rare(id)
            })
            .min();
        let peer = &self.peers[at];
        let piece_length = self.layout.nominal_piece_length();
        let is_fast =
            !peer.is_snubbed() && peer.can_send(piece_length, self.config.whole_piece_time);
        let may_begin = self.partials.open().len() < self.partial_limit();
        let begins = match joinable {
            None => true,
            Some((fit, _)) if fit.work == Work::Reserved => false,
            Some((fit, _)) => match Some(fit.priority.0).cmp(&listed) {
                Ordering::Less => true,
                // Whoever is fast enough finishes it alone, and no sooner with help.
                Ordering::Greater => may_begin && fit.work == Work::Exclusive,
                Ordering::Equal => match fit.work {
                    Work::Reserved | Work::Orphaned => false,
                    Work::Shared => may_begin && is_fast,
                    Work::Exclusive => may_begin,
                },
            },
        };
        let begun = if begins { self.begin(at) } else { None };
        let id = begun.or(joinable.map(|(_, id)| id))?;
        if is_fast && self.partials.get(id).workers() == 0 {
            self.partials.set_exclusive(id);
        }
        Some(id)
    }

    /// How well a partial piece suits the peer, least first; `None` if the peer can do nothing
    /// there. Among equals, what is nearest to completion: it frees memory, and can be given on; or
    /// what comes first.
    fn fit(&self, id: u32, at: usize) -> Option<Fit> {
        let partial = self.partials.get(id);
        let work = if partial.reserved_for().is_some() {
            Work::Reserved
        } else if partial.workers() == 0 {
            Work::Orphaned
        } else if partial.is_exclusive() {
            Work::Exclusive
        } else {
            Work::Shared
        };
        let suits = self.may_serve(id, at) && self.has_unasked(id, at);
        suits.then(|| Fit {
            is_for_all: work != Work::Reserved,
            priority: Reverse(self.availability.priority(partial.piece())),
            work,
            rest: match self.is_in_order {
                true => partial.piece().get(),
                false => partial.free(),
            },
        })
    }

    /// Whether the peer may be asked for blocks of a partial piece at all.
    pub(super) fn may_serve(&self, id: u32, at: usize) -> bool {
        let (partial, peer) = (self.partials.get(id), &self.peers[at]);
        peer.offers(partial.piece()) && !partial.is_reserved_from(peer.conn)
    }

    /// Whether a partial piece has a free block for which the peer is not already asked.
    pub(super) fn has_unasked(&self, id: u32, at: usize) -> bool {
        let requests = &self.peers[at].requests;
        let partial = self.partials.get(id);
        let is_late = |slot| {
            let mut late = requests.late.iter().map(|request| request.block);
            late.any(|block| block.piece == partial.piece() && block.slot() == slot)
        };
        requests.late.is_empty() || partial.free_slots().any(|slot| !is_late(slot))
    }

    /// Begins a piece that the peer has, if there is one.
    fn begin(&mut self, at: usize) -> Option<u32> {
        let peer = &self.peers[at];
        if peer.listed == 0 {
            return None;
        }
        let preference = if self.is_in_order {
            Preference::First
        } else if peer.is_snubbed() {
            Preference::Commonest
        } else if self.have.count_ones() < self.config.random_first {
            Preference::Random
        } else {
            Preference::Rarest
        };
        let pieces = &peer.pieces;
        let piece = self
            .availability
            .choose(pieces, preference, &mut self.rng)?;
        let piece = self.or_suggested(at, piece, preference);
        Some(self.begin_piece(piece))
    }

    pub(super) fn begin_piece(&mut self, piece: PieceIndex) -> u32 {
        let id = self.partials.begin(&self.layout, piece);
        self.availability.begin(piece, id);
        for peer in &mut self.peers {
            peer.listed -= u32::from(peer.pieces.get(piece));
        }
        id
    }

    /// Asks `piece` of `conn` alone, so that its blocks have one source and its hash a culprit:
    /// for a piece that failed when several had sent it.
    ///
    /// Holds until the piece is verified or fails, or the peer chokes us, falls silent, rejects,
    /// loses the piece, leaves or takes very long: then it is for all again. Returns `false`, and changes nothing,
    /// if the peer can not be asked for the piece now, or others are being asked for it.
    pub fn reserve(&mut self, now: Instant, piece: PieceIndex, conn: ConnId) -> bool {
        let Some(at) = self.find(conn) else {
            return false;
        };
        let peer = &self.peers[at];
        if peer.is_choking || peer.is_snubbed() || !peer.offers(piece) {
            return false;
        }
        if self.availability.stage(piece) != Stage::Listed {
            return false;
        }
        let id = self.begin_piece(piece);
        let slowest = self.layout.piece_length(piece) / SLOWEST_RESERVED_RATE;
        let until = now + RESERVATION + Duration::from_secs(u64::from(slowest));
        self.partials.reserve(id, conn, until);
        self.next_timeout = self.next_timeout.into_iter().chain([until]).min();
        self.set_ready(at);
        true
    }

    /// How many pieces are [reserved](Self::reserve) for `conn` and have not passed or failed yet.
    #[must_use]
    pub fn reserved_pieces(&self, conn: ConnId) -> usize {
        self.partials.reserved_count(conn)
    }

    /// What was reserved for the peer is for all again, where `is_over`.
    pub(super) fn unreserve(&mut self, at: usize, is_over: impl Fn(&Peer, PieceIndex) -> bool) {
        let peer = &self.peers[at];
        if self
            .partials
            .unreserve(peer.conn, |piece| is_over(peer, piece))
        {
            self.wake();
        }
    }

    /// Pieces with free blocks, beyond which a peer rather joins than begins one. Each peer needs
    /// one at a time; half as many again leave a choice.
    pub(super) fn partial_limit(&self) -> usize {
        self.unchoked + self.unchoked / 2 + 1
    }

    /// Takes over a block from a much slower peer, which may still answer.
    fn take_over(&mut self, now: Instant, at: usize) -> Option<Block> {
        let mine = self.expected_of_next(at)?;
        let too_slow = (mine * 2).max(self.config.take_over_after);
        let busy = self.slowest_busy(now, at, too_slow, |picker, busy| {
            let (id, slot) = picker.slot_of(busy);
            picker.partials.get(id).askers(slot).live == 1
                && !picker.peers[at]
                    .requests
                    .contains(picker.block_at(id, slot))
        })?;
        let (id, slot) = self.slot_of(busy);
        let holder = &mut self.peers[busy.holder].requests;
        holder.set_late(busy.request);
        // It is only slow.
        holder.excuse_late();
        self.partials.set_late(id, slot);
        self.arm(busy.holder);
        Some(self.request(now, at, id, slot, false))
    }

    /// The end-game: when no free block is left anywhere, asks for one that another is asked for.
    ///
    /// No flood: only blocks that will not come soon, each asked of
    /// [`max_askers`](crate::PickerConfig::max_askers) at most, and a peer for
    /// [`max_duplicates`](crate::PickerConfig::max_duplicates).
    fn duplicate(&mut self, now: Instant, at: usize) -> Option<Block> {
        let is_full = self.peers[at].requests.duplicates() >= self.config.max_duplicates;
        if is_full || self.any_free_block() {
            return None;
        }
        // Whoever answers about as soon as the other only wastes what it sends.
        let mine = self.expected_of_next(at).unwrap_or(UNKNOWN_BLOCK_TIME);
        let worth_it = (mine * 2).max(self.config.duplicate_after);
        // The least duplicated first, of these the one that is expected last.
        (1..self.config.max_askers).find_map(|askers| {
            let busy = self.slowest_busy(now, at, worth_it, |picker, busy| {
                let (id, slot) = picker.slot_of(busy);
                picker.partials.get(id).askers(slot).live == askers
                    && !picker.peers[at]
                        .requests
                        .contains(picker.block_at(id, slot))
            })?;
            let (id, slot) = self.slot_of(busy);
            Some(self.request(now, at, id, slot, true))
        })
    }

    /// Whether there is a block that nobody is asked for, be it that nobody here has it: what all
    /// wait for comes soonest if nobody's upload is spent twice before the very end.
    fn any_free_block(&self) -> bool {
        self.availability.listed_count() > 0 || !self.partials.open().is_empty()
    }

    /// Of the blocks that others are asked for and this peer has, the one expected last among
    /// those that are `eligible` and take longer than `longer_than`.
    ///
    /// Nearly always there is none, or the first few of a peer will do: so a look at when the last
    /// of each queue is expected comes first, and what a block is about only where that is worth it.
    fn slowest_busy(
        &self,
        now: Instant,
        at: usize,
        longer_than: Duration,
        eligible: impl Fn(&Self, Busy) -> bool,
    ) -> Option<Busy> {
        let mut slowest: Option<Busy> = None;
        for (holder, peer) in self.peers.iter().enumerate() {
            if holder == at {
                continue;
            }
            let is_slower = |busy: &Busy| {
                busy.expected > longer_than
                    && slowest.is_none_or(|slowest| busy.expected >= slowest.expected)
            };
            // The last of a queue is expected last.
            let found = (0..peer.requests.live.len())
                .rev()
                .map(|request| Busy {
                    holder,
                    request,
                    expected: expected(peer, now, request),
                })
                .take_while(is_slower)
                .filter(|&busy| self.may_serve(self.slot_of(busy).0, at))
                .find(|&busy| eligible(self, busy));
            slowest = found.or(slowest);
        }
        slowest
    }

    fn slot_of(&self, busy: Busy) -> (u32, u32) {
        let block = self.peers[busy.holder].requests.live[busy.request].block;
        let id = self.partial_of(block);
        (
            id.expect("holds because only partial pieces have requests"),
            block.slot(),
        )
    }

    /// When the next block would come that is asked of this peer, from now; `None` if it never
    /// sent one.
    fn expected_of_next(&self, at: usize) -> Option<Duration> {
        let peer = &self.peers[at];
        let evaluation = peer.pipeline.evaluation();
        let queued = peer.requests.outstanding() as u32 + 1;
        let block_time = evaluation.block_time()?;
        Some(evaluation.latency().max(block_time * queued))
    }
}

/// When the peer will answer the request at `index` of its table, from now: never before those
/// ahead of it.
fn expected(peer: &Peer, now: Instant, index: usize) -> Duration {
    let oldest = peer
        .requests
        .live
        .front()
        .map_or(now, |request| request.sent_at);
    // Who has been silent for a while will rather be silent for as long again.
    let silence = now.saturating_duration_since(oldest.max(peer.last_block));
    let ahead = index as u32 + 1;
    match peer.pipeline.evaluation().block_time() {
        Some(block_time) => silence.max(block_time * ahead),
        None => silence.max(UNKNOWN_BLOCK_TIME) * ahead,
    }
}

/// How long a piece stays with one peer, beside the time that it needs at
/// [`SLOWEST_RESERVED_RATE`]: nobody may keep a piece from all others by sending little of it.
const RESERVATION: Duration = Duration::from_secs(60);
/// Bytes per second.
const SLOWEST_RESERVED_RATE: u32 = 64 * 1024;
/// A peer for which nothing was found is not searched for again before: bounds the cost, and is
/// short against the end-game that it delays.
const SEARCH_INTERVAL: Duration = Duration::from_millis(200);
/// What a peer is taken to need for a block before it sent one: that of a modem, so that others
/// come to its relief early. It has been asked for few.
const UNKNOWN_BLOCK_TIME: Duration = Duration::from_secs(1);
