//! Pieces that only we have: each peer is told of others, and what becomes of them is watched.

use bt_scheduler::{Conduct, Evidence};
use bt_types::{Block, ConnId, Payload, PieceIndex};
use bt_wire::Message;

use super::Swarm;

impl<P: Payload> Swarm<P> {
    /// Tells a peer what to ask for of the pieces that nobody else has.
    pub(super) fn suggest(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get(&conn) else {
            return;
        };
        if session.am_choking() || !session.supports_fast || self.disguise.is_some() {
            return;
        }
        while let Some(torrent) = &mut self.torrent {
            let picker = &torrent.picker;
            let availability = |piece| picker.have().get(piece).then(|| picker.availability(piece));
            let piece_count = torrent.layout.piece_count();
            let Some(piece) = torrent.spread.next(conn, piece_count, availability) else {
                return;
            };
            self.send(conn, Message::Suggest(piece.get()));
        }
    }

    /// A peer has asked for a part of `piece`.
    pub(super) fn asked_for(&mut self, conn: ConnId, piece: PieceIndex) {
        if let Some(torrent) = &mut self.torrent {
            let availability = torrent.picker.availability(piece);
            torrent.spread.asked(conn, piece, availability);
        }
    }

    /// A peer has been sent a block.
    pub(super) fn count_spread(&mut self, conn: ConnId, block: Block) {
        if let Some(torrent) = &mut self.torrent {
            let length = torrent.layout.data_length_of(block.piece);
            self.needs_rechoke |= torrent.spread.sent(conn, block, length);
            self.suggest(conn);
        }
    }

    /// What a peer does with what we give it.
    pub(super) fn conduct(&self, conn: ConnId, evidence: &Evidence) -> Conduct {
        let torrent = self.torrent.as_ref();
        match torrent.is_some_and(|torrent| torrent.spread.is_hoarding(conn)) {
            true => Conduct::Hoarding,
            false => Conduct::of_trade(evidence.taken, evidence.given),
        }
    }
}
