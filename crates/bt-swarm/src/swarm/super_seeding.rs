//! Super-seeding (BEP 16) in a swarm: when it begins, who is shown what, and when it ends.

use std::time::{Duration, Instant};

use bt_scheduler::Picker;
use bt_types::{Block, ConnId, Payload, PieceIndex};
use bt_wire::Message;

use super::Swarm;
use crate::{
    Event,
    super_seed::{Others, SuperSeed},
    timers::Timer,
};

/// A seed that poses as a peer with little, and what becomes of it.
#[derive(Debug)]
pub(super) struct Disguise {
    pieces: SuperSeed,
    /// There is another copy: everybody is told the rest, bit by bit.
    is_over: bool,
}

impl<P: Payload> Swarm<P> {
    /// If we are to super-seed, and can: only who has everything may keep things back.
    pub(super) fn begin_super_seeding(&mut self) {
        let Some(torrent) = &self.torrent else { return };
        if !self.config.super_seed || !torrent.picker.have().is_full() {
            return;
        }
        let mut pieces = SuperSeed::new(torrent.layout.piece_count());
        self.sessions.keys().for_each(|&conn| pieces.add_peer(conn));
        self.disguise = Some(Disguise {
            pieces,
            is_over: false,
        });
        self.watch_super_seeding();
    }

    /// Whether peers may not know that we have everything.
    pub(super) fn is_disguised(&self) -> bool {
        let disguise = self.disguise.as_ref();
        disguise.is_some_and(|disguise| !disguise.is_over)
    }

    /// Somebody has come, who is to be shown what nobody else has.
    pub(super) fn disguise_from(&mut self, conn: ConnId) {
        if let Some(disguise) = self.disguise.as_mut().filter(|disguise| !disguise.is_over) {
            disguise.pieces.add_peer(conn);
            self.watch_super_seeding();
        }
    }

    pub(super) fn forget_shown(&mut self, conn: ConnId) {
        if let Some(disguise) = &mut self.disguise {
            disguise.pieces.remove_peer(conn);
            self.needs_showing = true;
        }
    }

    /// A peer has been sent a block of what it was shown.
    pub(super) fn count_shown(&mut self, conn: ConnId, block: Block) {
        if let (Some(disguise), Some(torrent)) = (&mut self.disguise, &self.torrent) {
            let length = torrent.layout.data_length_of(block.piece);
            self.needs_showing |= disguise.pieces.block_sent(conn, block, length.into());
        }
    }

    /// Whether the peer knows that we have `piece`, if we have it.
    pub(super) fn shows(&self, conn: ConnId, piece: PieceIndex) -> bool {
        let disguise = self.disguise.as_ref();
        disguise.is_none_or(|disguise| disguise.pieces.is_shown(conn, piece))
    }

    /// Shows peers more where others have what they were shown, and ends the disguise when the
    /// others have everything without us: another seed, or all pieces among them.
    pub(super) fn show_pieces(&mut self, now: Instant) {
        let (Some(disguise), Some(torrent)) = (&mut self.disguise, &self.torrent) else {
            return;
        };
        if disguise.is_over {
            return;
        }
        let others = &torrent.picker;
        if disguise.pieces.is_done(others) {
            disguise.is_over = true;
            self.events.push_back(Event::SuperSeedingEnded);
            return self.show_rest(now);
        }
        let shown = disguise.pieces.show_more(others);
        self.send_shown(&shown);
    }

    /// Once a second, as long as there is anybody.
    pub(super) fn review_super_seeding(&mut self, now: Instant) {
        let is_idle = self.sessions.values().all(|peer| peer.uploads.is_idle());
        let (Some(disguise), Some(torrent)) = (&mut self.disguise, &self.torrent) else {
            return;
        };
        if disguise.is_over {
            return self.show_rest(now);
        }
        if is_idle {
            let shown = disguise.pieces.show_idle(&torrent.picker);
            self.send_shown(&shown);
        }
        self.watch_super_seeding();
    }

    /// Tells everybody the rest, some thousands of pieces at a time; then we are a seed like any.
    fn show_rest(&mut self, now: Instant) {
        let (Some(disguise), Some(torrent)) = (&mut self.disguise, &self.torrent) else {
            return;
        };
        let shown = disguise.pieces.show_rest(&torrent.picker, SHOWN_AT_ONCE);
        if !shown.is_empty() {
            self.send_shown(&shown);
            return self.watch_super_seeding();
        }
        self.disguise = None;
        for conn in self.conns() {
            self.part_if_both_upload_only(now, conn);
        }
        self.tell_upload_only();
    }

    /// We do not have everything any more, and so cannot give everything away.
    pub(super) fn end_disguise(&mut self) {
        if self.disguise.take().is_none() {
            return;
        }
        self.events.push_back(Event::SuperSeedingEnded);
        for conn in self.conns() {
            self.send_haves(conn);
        }
    }

    fn send_shown(&mut self, shown: &[(ConnId, PieceIndex)]) {
        for &(conn, piece) in shown {
            self.send(conn, Message::Have(piece.get()));
        }
    }

    fn watch_super_seeding(&mut self) {
        if let Some(now) = self.now.filter(|_| !self.sessions.is_empty()) {
            if !self.timers.is_set(Timer::SuperSeed) {
                self.timers.set(Timer::SuperSeed, now + REVIEW_INTERVAL);
            }
        }
    }
}

/// What the peers have.
impl Others for Picker {
    fn availability(&self, piece: PieceIndex) -> usize {
        self.availability(piece)
    }

    fn has(&self, conn: ConnId, piece: PieceIndex) -> bool {
        let pieces = self.peer_pieces(conn);
        !pieces.is_empty() && pieces.get(piece)
    }
}

/// How long our line may be idle while somebody wants something.
const REVIEW_INTERVAL: Duration = Duration::from_secs(1);
/// 36 KiB for each peer, which it reads in a second at 300 kbit/s.
const SHOWN_AT_ONCE: usize = 4096;
