//! The extension protocol (BEP 10): introductions, and what the extensions say.

use std::time::Instant;

use bt_types::{ConnId, Payload, PieceIndex};
use bt_wire::{ExtendedHandshake, ExtendedMessage, Extension};

use super::Swarm;
use crate::{DisconnectReason, Event, ProtocolBreach, upload::TOLD_REQQ};

impl<P: Payload> Swarm<P> {
    /// Tells a peer what we can do (BEP 10).
    pub(super) fn introduce(&mut self, conn: ConnId) {
        let session = &self.sessions[&conn];
        if !session.supports_extended {
            return;
        }
        let handshake = ExtendedHandshake {
            ids: self.offered(),
            metadata_size: self.metadata_size(),
            client: Some(self.config.client_name.clone()),
            port: (self.config.listen_port != 0).then_some(self.config.listen_port),
            your_ip: Some(session.addr.ip()),
            reqq: Some(TOLD_REQQ),
            upload_only: self.is_upload_only().then_some(true),
            ..ExtendedHandshake::default()
        };
        self.send(conn, handshake.to_message());
    }

    pub(super) fn handle_extended(&mut self, now: Instant, conn: ConnId, id: u8, payload: &[u8]) {
        if id == EXTENDED_HANDSHAKE {
            return self.handle_extended_handshake(now, conn, payload);
        }
        let extension = self.offered().find(id);
        let message = extension.map(|extension| ExtendedMessage::decode(extension, payload));
        match message {
            Some(Ok(ExtendedMessage::DontHave(piece))) => self.handle_dont_have(now, conn, piece),
            Some(Ok(ExtendedMessage::UploadOnly(is))) => self.handle_upload_only(now, conn, is),
            Some(Ok(ExtendedMessage::Metadata(message))) => {
                self.handle_metadata_message(now, conn, message);
            }
            Some(Ok(ExtendedMessage::Pex(message))) => self.handle_pex(now, conn, &message),
            // What we have not offered, or cannot read.
            _ => self.count_unknown(now, conn),
        }
    }

    fn handle_extended_handshake(&mut self, now: Instant, conn: ConnId, payload: &[u8]) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        session.offences.extended_handshakes += 1;
        let count = session.offences.extended_handshakes;
        if count > MAX_EXTENDED_HANDSHAKES {
            return self.breach(now, conn, ProtocolBreach::ExtendedHandshakes(count));
        }
        // One that cannot be read says nothing; it is no reason to part (libtorrent).
        let Ok(handshake) = ExtendedHandshake::decode(payload) else {
            return;
        };
        session.extensions.update(handshake.ids);
        if let Some(name) = handshake.client {
            session.client_name = Some(name.into());
        }
        if let Some(reqq) = handshake.reqq {
            session.reqq = Some(reqq);
            if let Some(torrent) = &mut self.torrent {
                torrent.picker.set_reqq(conn, reqq);
            }
        }
        session.metadata_size = handshake.metadata_size.or(session.metadata_size);
        let voter = session.addr.ip();
        if let Some(port) = handshake.port {
            self.learn_listen_port(now, conn, port);
        }
        self.note_metadata_source(now, conn);
        self.note_gossiper(now, conn);
        if let Some(ip) = handshake.your_ip {
            self.votes.add(voter, ip);
            self.events.push_back(Event::ExternalAddress(ip));
        }
        if let Some(upload_only) = handshake.upload_only {
            self.handle_upload_only(now, conn, upload_only);
        }
    }

    /// BEP 54. Who takes back what it never had is not held to it.
    fn handle_dont_have(&mut self, now: Instant, conn: ConnId, piece: u32) {
        if self.torrent.is_none() {
            if let Some(session) = self.sessions.get_mut(&conn) {
                if !session.early.take_back(piece) {
                    let count = session.early.have_count();
                    self.breach(now, conn, ProtocolBreach::TooManyHaves(count));
                }
            }
            return;
        }
        let piece = self.check_piece(now, conn, "lt_donthave", piece);
        if let (Some(piece), Some(torrent)) = (piece, &mut self.torrent) {
            torrent.picker.peer_lost(conn, piece);
            self.needs_showing = true;
            self.update_interest(conn);
        }
    }

    /// BEP 21. Such a peer has no use for an upload slot, whatever else it says.
    fn handle_upload_only(&mut self, now: Instant, conn: ConnId, upload_only: bool) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        session.upload_only = upload_only;
        self.refresh_interest(now, conn);
        self.part_if_both_upload_only(now, conn);
    }

    /// Two that both want nothing have nothing to say to each other.
    pub(super) fn part_if_both_upload_only(&mut self, now: Instant, conn: ConnId) {
        let (Some(torrent), Some(session)) = (&self.torrent, self.sessions.get(&conn)) else {
            return;
        };
        if !self.is_upload_only() {
            return;
        }
        let they_have_all = torrent.picker.peer_pieces(conn).is_full();
        let reason = if they_have_all && torrent.picker.have().is_full() {
            DisconnectReason::BothComplete
        } else if they_have_all || session.upload_only {
            DisconnectReason::BothUploadOnly
        } else {
            return;
        };
        // Of one that has only what it wants this says no more than that there is no use in dialling
        // it while we want nothing.
        if let Some(addr) = session.listen_addr {
            self.peers.set_seed(addr);
        }
        self.disconnect(now, conn, reason);
    }

    /// Whether we download nothing any more, having all that we want, and let others know (BEP 21).
    pub(super) fn is_upload_only(&self) -> bool {
        (self.is_complete() || self.config.only_serves) && self.disguise.is_none()
    }

    /// Tells everybody that we have all that we want, or no longer have. Who has a part of the
    /// pieces itself, and was not told of those, learns only from this that we are a seed.
    ///
    /// By the message of libtorrent and µTorrent where the peer takes it; another handshake says
    /// the same to all others, among them Transmission (BEP 21 knows no other way).
    pub(super) fn tell_upload_only(&mut self) {
        let upload_only = self.is_upload_only();
        for conn in self.conns() {
            let session = &self.sessions[&conn];
            let message = match session.extensions.get(Extension::UploadOnly) {
                Some(id) => ExtendedMessage::UploadOnly(upload_only).to_message(id),
                None if session.supports_extended => {
                    let handshake = ExtendedHandshake {
                        upload_only: Some(upload_only),
                        ..ExtendedHandshake::default()
                    };
                    handshake.to_message()
                }
                None => continue,
            };
            self.send(conn, message);
        }
    }

    /// Tells everybody who understands it that we no longer have a piece (BEP 54). The others find
    /// out by our reject.
    pub(super) fn tell_dont_have(&mut self, piece: PieceIndex) {
        for conn in self.conns() {
            if let Some(id) = self.sessions[&conn].extensions.get(Extension::DontHave) {
                let message = ExtendedMessage::DontHave(piece.get()).to_message(id);
                self.send(conn, message);
            }
        }
    }
}

/// BEP 10: id 0 of message 20 is the handshake.
const EXTENDED_HANDSHAKE: u8 = 0;
/// A peer may send another when something changes (BEP 10); reading each costs us more than others.
const MAX_EXTENDED_HANDSHAKES: u32 = 100;
