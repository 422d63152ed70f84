//! What peers say.

use std::time::{Duration, Instant};

use bt_scheduler::OnChoke;
use bt_types::{Bitfield, ConnId, Payload, PieceIndex};
use bt_wire::{Message, RawBlock};

use super::Swarm;
use crate::ProtocolBreach;

impl<P: Payload> Swarm<P> {
    /// Takes a message of any content, except `piece` ([`handle_block`](Self::handle_block)).
    pub fn handle_message(&mut self, now: Instant, conn: ConnId, message: Message) {
        self.advance(now);
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        session.last_received = now;
        if let Some(name) = fast_name(&message) {
            if !session.supports_fast {
                return self.breach(now, conn, ProtocolBreach::FastNotAgreed(name));
            }
        }
        match message {
            Message::Choke => self.handle_choke(now, conn),
            Message::Unchoke => {
                session.peer_choking = false;
                if let Some(torrent) = &mut self.torrent {
                    torrent.picker.unchoked(now, conn);
                }
            }
            Message::Interested => self.handle_interest(now, conn, true),
            Message::NotInterested => self.handle_interest(now, conn, false),
            Message::Have(piece) => self.handle_have(now, conn, piece),
            Message::Bitfield(bytes) => self.handle_bitfield(now, conn, bytes),
            Message::HaveAll => self.handle_have_all(now, conn),
            // So we think of everybody until told otherwise. After anything else it makes no sense
            // (BEP 6), and takes nothing back: that is what BEP 54 is for.
            Message::HaveNone => {}
            Message::Request(block) => self.handle_request(now, conn, block),
            Message::Cancel(block) => self.handle_cancel(conn, block),
            Message::Reject(block) => self.handle_reject(now, conn, block),
            Message::Extended { id, payload } => self.handle_extended(now, conn, id, &payload),
            // While the torrent is unknown, both pass by: they are no more than hints.
            Message::Suggest(piece) => {
                let piece = self.check_piece(now, conn, "suggest", piece);
                if let (Some(piece), Some(torrent)) = (piece, &mut self.torrent) {
                    torrent.picker.peer_suggests(conn, piece);
                }
            }
            Message::AllowedFast(piece) => {
                let piece = self.check_piece(now, conn, "allowed-fast", piece);
                if let (Some(piece), Some(torrent)) = (piece, &mut self.torrent) {
                    torrent.picker.peer_allows(conn, piece);
                }
            }
            Message::Unknown { .. }
            | Message::HashRequest(_)
            | Message::Hashes(_)
            | Message::HashReject(_) => self.count_unknown(now, conn),
            Message::Port(port) => self.handle_port(conn, port),
            Message::KeepAlive => {}
            // A variant of a later version of the codec: to us an unknown message.
            _ => {}
        }
    }

    fn handle_choke(&mut self, now: Instant, conn: ConnId) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        session.peer_choking = true;
        let outstanding = if session.supports_fast {
            OnChoke::AwaitRejects
        } else {
            OnChoke::Dropped
        };
        if let Some(torrent) = &mut self.torrent {
            torrent.picker.choked(now, conn, outstanding);
        }
    }

    fn handle_interest(&mut self, now: Instant, conn: ConnId, is_interested: bool) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        session.says_interested = is_interested;
        self.refresh_interest(now, conn);
    }

    /// Whether a peer wants what we have, by all that it has said.
    pub(super) fn refresh_interest(&mut self, now: Instant, conn: ConnId) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        let is_interested = session.says_interested && !session.upload_only;
        if session.peer_interested == is_interested {
            return;
        }
        session.peer_interested = is_interested;
        // A free slot is given at once, and one that is not used any more is free. Whoever changes
        // its mind faster than that waits for the next round: thinking of slots costs something.
        let seen = session.interest_seen_at;
        if seen.is_none_or(|seen| now.duration_since(seen) >= INTEREST_INTERVAL) {
            session.interest_seen_at = Some(now);
            self.needs_rechoke = true;
            if is_interested {
                self.newly_interested.push(conn);
            }
        }
    }

    fn handle_have(&mut self, now: Instant, conn: ConnId, piece: u32) {
        if self.torrent.is_some() {
            if let Some(piece) = self.check_piece(now, conn, "have", piece) {
                self.add_peer_piece(now, conn, piece);
            }
        } else if let Some(session) = self.sessions.get_mut(&conn) {
            if !session.early.push_have(piece) {
                let count = session.early.have_count();
                self.breach(now, conn, ProtocolBreach::TooManyHaves(count));
            }
        }
    }

    /// BEP 3 wants it first and once. Some send others before it, and aria2 sends it again and
    /// again, in place of a `have` for each piece that it has got meanwhile.
    fn handle_bitfield(&mut self, now: Instant, conn: ConnId, bytes: Box<[u8]>) {
        let Some(torrent) = &self.torrent else {
            if let Some(session) = self.sessions.get_mut(&conn) {
                session.early.set_raw(bytes);
            }
            return;
        };
        let told = match Bitfield::from_wire(&bytes, torrent.layout.piece_count()) {
            Ok(told) => told,
            Err(error) => return self.breach(now, conn, error.into()),
        };
        let known = torrent.picker.peer_pieces(conn);
        if known.count_ones() == 0 {
            self.set_peer_pieces(now, conn, told);
        } else {
            // Only the news cost more than a look; and what it once had it still has.
            let news: Vec<_> = told.iter_not_in(known).collect();
            for piece in news {
                self.add_peer_piece(now, conn, piece);
            }
        }
    }

    fn handle_have_all(&mut self, now: Instant, conn: ConnId) {
        let Some(torrent) = &self.torrent else {
            if let Some(session) = self.sessions.get_mut(&conn) {
                session.early.set_all();
            }
            return;
        };
        if !torrent.picker.peer_pieces(conn).is_full() {
            let all = Bitfield::full(torrent.layout.piece_count());
            self.set_peer_pieces(now, conn, all);
        }
    }

    fn handle_reject(&mut self, now: Instant, conn: ConnId, raw: RawBlock) {
        let Some(torrent) = &mut self.torrent else {
            return;
        };
        // A reject of what we never asked for is ignored, as libtorrent does: BEP 6 lets us close,
        // but it also is what remains of a cancel that crossed it.
        if let Ok(block) = torrent.layout.check_range(raw.piece, raw.begin, raw.length) {
            torrent.picker.handle_reject(now, conn, block);
        }
    }

    pub(super) fn count_unknown(&mut self, now: Instant, conn: ConnId) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        session.offences.unknown_messages += 1;
        let count = session.offences.unknown_messages;
        if count > MAX_UNKNOWN_MESSAGES {
            self.breach(now, conn, ProtocolBreach::UnknownMessages(count));
        }
    }

    /// A piece number that a peer sent; whoever names one that does not exist is dropped.
    pub(super) fn check_piece(
        &mut self,
        now: Instant,
        conn: ConnId,
        message: &'static str,
        piece: u32,
    ) -> Option<PieceIndex> {
        match self.torrent.as_ref()?.layout.piece_index(piece) {
            Ok(piece) => Some(piece),
            Err(error) => {
                self.breach(now, conn, ProtocolBreach::NoSuchPiece { message, error });
                None
            }
        }
    }
}

fn fast_name(message: &Message) -> Option<&'static str> {
    match message {
        Message::HaveAll => Some("have-all"),
        Message::HaveNone => Some("have-none"),
        Message::Reject(_) => Some("reject"),
        Message::Suggest(_) => Some("suggest"),
        Message::AllowedFast(_) => Some("allowed-fast"),
        _ => None,
    }
}

/// Unknown messages are ignored, as every extension hopes; a stream of nothing else is an attack.
const MAX_UNKNOWN_MESSAGES: u32 = 100;
/// How often a single peer can make us think of slots out of turn.
const INTEREST_INTERVAL: Duration = Duration::from_secs(1);
