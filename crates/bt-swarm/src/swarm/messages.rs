//! What peers say.

use std::time::{Duration, Instant};

use bt_scheduler::OnChoke;
use bt_types::{Bitfield, ConnId, Payload, PieceIndex};
use bt_wire::{ExtendedHandshake, Message, RawBlock};

use super::{Swarm, connections::EXTENDED_HANDSHAKE};
use crate::{Event, ProtocolBreach, early::EarlyPieces};

impl<P: Payload> Swarm<P> {
    /// Takes a message of any content, except `piece` ([`handle_block`](Self::handle_block)).
    pub fn handle_message(&mut self, now: Instant, conn: ConnId, message: Message) {
        self.advance(now);
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        session.last_received = now;
        let supports_fast = session.supports_fast;
        if let (Some(name), false) = (fast_name(&message), supports_fast) {
            return self.breach(now, conn, ProtocolBreach::FastNotAgreed(name));
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
            Message::HaveAll => {
                self.handle_all_or_none(
                    now,
                    conn,
                    "have-all",
                    Bitfield::full,
                    EarlyPieces::set_all,
                );
            }
            Message::HaveNone => {
                self.handle_all_or_none(
                    now,
                    conn,
                    "have-none",
                    Bitfield::new,
                    EarlyPieces::set_none,
                );
            }
            Message::Request(block) => self.handle_request(now, conn, block),
            Message::Cancel(block) => self.handle_cancel(conn, block),
            Message::Reject(block) => self.handle_reject(now, conn, block),
            Message::Extended { id, payload } => self.handle_extended(now, conn, id, &payload),
            // Hints: we may follow them, and do not yet. Whether a piece exists is checked all
            // the same, since a peer that makes one up is broken.
            Message::Suggest(piece) => {
                self.check_piece(now, conn, "suggest", piece);
            }
            Message::AllowedFast(piece) => {
                self.check_piece(now, conn, "allowed-fast", piece);
            }
            Message::Unknown { .. }
            | Message::HashRequest(_)
            | Message::Hashes(_)
            | Message::HashReject(_) => {
                session.offences.unknown_messages += 1;
                let count = session.offences.unknown_messages;
                if count > MAX_UNKNOWN_MESSAGES {
                    self.breach(now, conn, ProtocolBreach::UnknownMessages(count));
                }
            }
            // A `port` tells of a DHT node; there is nobody here to tell.
            Message::KeepAlive | Message::Port(_) => {}
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

    fn handle_bitfield(&mut self, now: Instant, conn: ConnId, bytes: Box<[u8]>) {
        if !self.first_told(now, conn, "bitfield") {
            return;
        }
        match &self.torrent {
            Some(torrent) => match Bitfield::from_wire(&bytes, torrent.layout.piece_count()) {
                Ok(pieces) => self.told_pieces(now, conn, pieces),
                Err(error) => self.breach(now, conn, error.into()),
            },
            None => {
                if let Some(session) = self.sessions.get_mut(&conn) {
                    session.early.set_raw(bytes);
                }
            }
        }
    }

    fn handle_all_or_none(
        &mut self,
        now: Instant,
        conn: ConnId,
        name: &'static str,
        pieces: fn(u32) -> Bitfield,
        early: fn(&mut EarlyPieces),
    ) {
        if !self.first_told(now, conn, name) {
            return;
        }
        match &self.torrent {
            Some(torrent) => {
                let pieces = pieces(torrent.layout.piece_count());
                self.told_pieces(now, conn, pieces);
            }
            None => {
                if let Some(session) = self.sessions.get_mut(&conn) {
                    early(&mut session.early);
                }
            }
        }
    }

    fn told_pieces(&mut self, now: Instant, conn: ConnId, mut pieces: Bitfield) {
        // Some clients send a `have` before the bitfield that lacks it.
        if let Some(torrent) = &self.torrent {
            let before: Vec<_> = torrent.picker.peer_pieces(conn).iter_ones().collect();
            for piece in before {
                pieces.insert(piece);
            }
        }
        self.set_peer_pieces(now, conn, pieces);
    }

    /// BEP 3 and 6: bitfield, have-all or have-none, once. It should be the first message, but
    /// clients send others before it, so its place is not held against anyone.
    fn first_told(&mut self, now: Instant, conn: ConnId, name: &'static str) -> bool {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return false;
        };
        let is_second = std::mem::replace(&mut session.has_told_pieces, true);
        if is_second {
            self.breach(now, conn, ProtocolBreach::SecondBitfield(name));
        }
        !is_second
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

    fn handle_extended(&mut self, now: Instant, conn: ConnId, id: u8, payload: &[u8]) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        match id {
            EXTENDED_HANDSHAKE => {
                // One that cannot be read says nothing; it is no reason to part (libtorrent).
                let Ok(handshake) = ExtendedHandshake::decode(payload) else {
                    return;
                };
                if let Some(name) = handshake.client {
                    session.client_name = Some(name);
                }
                if let Some(reqq) = handshake.reqq {
                    session.reqq = Some(reqq);
                    if let Some(torrent) = &mut self.torrent {
                        torrent.picker.set_reqq(conn, reqq);
                    }
                }
                if let Some(port) = handshake.port {
                    self.learn_listen_port(now, conn, port);
                }
                if let Some(ip) = handshake.your_ip {
                    self.events.push_back(Event::ExternalAddress(ip));
                }
            }
            // We have offered no extensions yet, so nothing else can be meant for us.
            _ => {
                session.offences.unknown_messages += 1;
                let count = session.offences.unknown_messages;
                if count > MAX_UNKNOWN_MESSAGES {
                    self.breach(now, conn, ProtocolBreach::UnknownMessages(count));
                }
            }
        }
    }

    /// A piece number that a peer sent; whoever names one that does not exist is dropped.
    fn check_piece(
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
