//! What time alone brings about, and who is to be asked next.

use std::time::Instant;

use bt_types::{Block, ConnId};

use super::Picker;
use crate::peer::{Overdue, Pause, Peer};

impl Picker {
    /// Releases requests that are overdue; harmless when called early.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_timeout.is_none_or(|next| next > now) {
            return;
        }
        let mut released = false;
        for at in 0..self.peers.len() {
            released |= self.release_overdue(now, at);
            self.forget_old(now, at);
            if self.peers[at].forgive_old_refusals(now) {
                self.set_ready(at);
            }
            if self.peers[at].pause.is_some_and(|pause| pause.end() <= now) {
                self.peers[at].pause = None;
                self.set_ready(at);
            }
        }
        if self.partials.expire_reservations(now) {
            self.wake();
        }
        if released {
            self.blocks_are_free(now);
        }
        let timers = self
            .peers
            .iter()
            .filter_map(|peer| peer.next_timeout(&self.config));
        self.next_timeout = timers.chain(self.partials.next_expiry()).min();
    }

    /// When [`handle_timeout`](Self::handle_timeout) next has something to do, or a little before;
    /// `None` while no time can change anything.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_timeout
    }

    /// A peer that has room for requests, and for which there may be something to ask: call
    /// [`pick`](Self::pick) for it. Each is named once until something new happens to it.
    pub fn poll_ready(&mut self) -> Option<ConnId> {
        while let Some(conn) = self.ready.pop_front() {
            if let Some(at) = self.find(conn) {
                let peer = &mut self.peers[at];
                peer.is_ready = false;
                if peer.is_idle(&self.config) {
                    return Some(conn);
                }
            }
        }
        None
    }

    /// There is memory for requests again, after [`pick`](Self::pick) was allowed fewer than it
    /// could have had: everyone with room is ready.
    pub fn wake(&mut self) {
        for at in 0..self.peers.len() {
            self.resume(at);
        }
    }

    pub(super) fn set_ready(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        if !peer.is_ready && peer.is_idle(&self.config) {
            peer.is_ready = true;
            self.ready.push_back(peer.conn);
        }
    }

    /// There may be something new for the peer, which may have been searched for in vain.
    pub(super) fn resume(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        if peer.is_choking && peer.allowed.is_empty() {
            return; // Its pause ends when it unchokes us.
        }
        peer.pause
            .take_if(|pause| matches!(pause, Pause::NothingFree(_)));
        self.set_ready(at);
    }

    /// Blocks have become free for whoever has them and serves us.
    pub(super) fn blocks_are_free(&mut self, now: Instant) {
        for at in 0..self.peers.len() {
            if !self.peers[at].is_unwilling(now) {
                self.resume(at);
            }
        }
    }

    /// Makes sure that the timer goes off in time for this peer.
    pub(super) fn arm(&mut self, at: usize) {
        let timer = self.peers[at].next_timeout(&self.config);
        self.next_timeout = self.next_timeout.into_iter().chain(timer).min();
    }

    /// All requests of a peer are over on its side; returns whether there were any.
    pub(super) fn drop_requests(&mut self, at: usize) -> bool {
        let peer = &mut self.peers[at];
        let live = std::mem::take(&mut peer.requests.live);
        let late = std::mem::take(&mut peer.requests.late);
        let had_any = !live.is_empty() || !late.is_empty();
        let live = live.into_iter().map(|request| (request.block, false));
        let late = late.into_iter().map(|request| (request.block, true));
        for (block, is_late) in live.chain(late) {
            self.peers[at].requests.give_up(block);
            self.forget(block, is_late);
        }
        had_any
    }

    /// Stops counting on the answers to the requests for which `is_lost`; returns whether there
    /// were any.
    pub(super) fn release_where(
        &mut self,
        at: usize,
        is_lost: impl Fn(&Peer, Block) -> bool,
    ) -> bool {
        let mut released = false;
        let mut index = 0;
        while let Some(request) = self.peers[at].requests.live.get(index) {
            if is_lost(&self.peers[at], request.block) {
                self.release(at, index);
                released = true;
            } else {
                index += 1;
            }
        }
        released
    }

    /// The peer no longer has some pieces: what it is asked for of them will hardly come.
    pub(super) fn release_lost(&mut self, at: usize) {
        let works_at = self.peers[at]
            .current
            .map(|id| self.partials.get(id).piece());
        if works_at.is_some_and(|piece| !self.peers[at].pieces.get(piece)) {
            self.set_current(at, None);
        }
        self.unreserve(at, |peer, piece| !peer.pieces.get(piece));
        if self.release_where(at, |peer, block| !peer.pieces.get(block.piece)) {
            self.peers[at].requests.excuse_late();
            self.arm(at);
            self.wake();
        }
    }

    fn release(&mut self, at: usize, index: usize) {
        if let Some(block) = self.peers[at].requests.set_late(index) {
            let id = self.partial_of(block);
            let id = id.expect("holds because only partial pieces have requests");
            self.partials.set_late(id, block.slot());
        }
    }

    fn release_overdue(&mut self, now: Instant, at: usize) -> bool {
        let mut released = false;
        while let Some(overdue) = self.peers[at].overdue(now, &self.config) {
            released = true;
            match overdue {
                Overdue::Oldest => {
                    self.release(at, 0);
                    self.hold_against(now, at);
                }
                Overdue::All if self.peers[at].owes_only_favours() => {
                    self.peers[at].allowed.clear();
                    self.release_where(at, |_, _| true);
                    self.peers[at].requests.excuse_late();
                }
                Overdue::All => {
                    let peer = &mut self.peers[at];
                    peer.snubs = peer.snubs.saturating_add(1);
                    peer.pipeline.collapse();
                    self.set_current(at, None);
                    self.unreserve(at, |_, _| true);
                    self.release_where(at, |_, _| true);
                    self.hold_against(now, at);
                }
            }
        }
        released
    }

    /// What the peer has left unanswered counts in what we expect of it.
    pub(super) fn hold_against(&mut self, now: Instant, at: usize) {
        let peer = &mut self.peers[at];
        let missed = peer.requests.newly_missed();
        peer.pipeline.missed(now, missed, &self.config);
    }

    /// Gives up late requests that will never be answered.
    fn forget_old(&mut self, now: Instant, at: usize) {
        let lifetime = self.config.late_lifetime;
        let is_old = |sent_at: Instant| sent_at + lifetime <= now;
        let late = &self.peers[at].requests.late;
        let old = late.iter().filter(|request| is_old(request.sent_at));
        let old: Vec<_> = old.map(|request| request.block).collect();
        for block in old {
            self.cancel(at, block);
        }
    }
}
