//! What a peer may have although we choke it (BEP 6, "Allowed Fast").
//!
//! A newcomer has nothing to give, and so is given nothing but by chance. So that it has something
//! soon, it is told of a few pieces for which it may ask while choked, as long as it has fewer than
//! these, and if we may upload at all. All who are choked share one block at a time: together they
//! cost no more than one upload slot, and who came first has its pieces first, since half a piece
//! is of no use to anybody.

use std::time::Instant;

use bt_types::{Block, ConnId, Payload, PieceIndex};
use bt_wire::Message;

use super::Swarm;
use crate::{allowed_fast::AllowedFast, session::Session, upload::Uploads};

impl<P: Payload> Swarm<P> {
    /// Tells those who have become interested, and found no slot, what they may have all the same.
    pub(super) fn allow_fast_to_newcomers(&mut self) {
        for conn in std::mem::take(&mut self.newly_interested) {
            self.allow_fast(conn);
        }
    }

    fn allow_fast(&mut self, conn: ConnId) {
        let gives_nothing = self.grant.upload_slots == 0 || self.refuses_reads();
        let (Some(torrent), Some(session)) = (&self.torrent, self.sessions.get_mut(&conn)) else {
            return;
        };
        let may_be_told = session.supports_fast && session.am_choking();
        // The line of a seed decides how soon everybody has everything. What newcomers want is
        // what others have, too, who can give them as much.
        if torrent.picker.is_complete()
            || self.disguise.is_some()
            || gives_nothing
            || !may_be_told
            || !session.peer_interested
            || session.allowed.is_some()
        {
            return;
        }
        let swarm_id = self.ids.primary_swarm_id();
        let allowed = AllowedFast::draw(session.addr.ip(), swarm_id, &torrent.layout);
        let theirs = torrent.picker.peer_pieces(conn);
        let is_needed = allowed.is_for(theirs.count_ones());
        let have = torrent.picker.have();
        let is_useful = |piece: &PieceIndex| have.get(*piece) && !theirs.get(*piece);
        let told: Vec<_> = allowed.pieces().filter(is_useful).collect();
        session.allowed = Some(allowed);
        if is_needed {
            for piece in told {
                self.send(conn, Message::AllowedFast(piece.get()));
            }
        }
    }

    /// We have got a piece that is in the set of somebody who still waits for its first.
    pub(super) fn allow_fast_of_new_piece(&mut self, conn: ConnId, piece: PieceIndex) {
        let (Some(torrent), Some(session)) = (&self.torrent, self.sessions.get(&conn)) else {
            return;
        };
        let Some(allowed) = session.allowed.as_ref().filter(|_| session.am_choking()) else {
            return;
        };
        let theirs = torrent.picker.peer_pieces(conn);
        let is_useful = allowed.is_for(theirs.count_ones()) && !theirs.get(piece);
        if is_useful && allowed.pieces().any(|other| other == piece) {
            self.send(conn, Message::AllowedFast(piece.get()));
        }
    }

    /// Whether a peer may have `block` although we choke it; if so, it is taken off what is left.
    pub(super) fn spend_allowed(&mut self, conn: ConnId, block: Block) -> bool {
        if self.grant.upload_slots == 0 || self.refuses_reads() {
            return false;
        }
        let (Some(torrent), Some(session)) = (&self.torrent, self.sessions.get_mut(&conn)) else {
            return false;
        };
        let theirs = torrent.picker.peer_pieces(conn).count_ones();
        let allowed = session.allowed.as_mut();
        allowed.is_some_and(|allowed| allowed.is_for(theirs) && allowed.spend(block))
    }

    /// A peer is choked: drops its requests but for what it may have all the same.
    pub(super) fn drop_unless_allowed(&mut self, conn: ConnId) -> Vec<Block> {
        let (Some(torrent), Some(session)) = (&self.torrent, self.sessions.get_mut(&conn)) else {
            return Vec::new();
        };
        let theirs = torrent.picker.peer_pieces(conn).count_ones();
        let mut allowed = session.allowed.take();
        let mut is_allowed = |block| {
            let allowed = allowed.as_mut().filter(|allowed| allowed.is_for(theirs));
            allowed.is_some_and(|allowed| allowed.spend(block))
        };
        let dropped = self.with_uploads(conn, |uploads| {
            uploads.drop_where(|block| !is_allowed(block))
        });
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.allowed = allowed;
        }
        dropped
    }

    /// The next block of who came first of those that are choked and have asked for what they may
    /// have all the same, if none of them is being served.
    pub(super) fn read_for_choked(&mut self, now: Instant) {
        while let Some(&first) = self.waiting_choked.first() {
            let is_served = |peer: &Session| peer.am_choking() && peer.uploads.memory_bytes() > 0;
            if self.sessions.values().any(is_served) || !self.upload.admits(now) {
                return;
            }
            if let Some(block) = self.with_uploads(first, Uploads::next_read) {
                return self.read(now, first, block);
            }
            self.waiting_choked.remove(&first);
        }
    }
}
