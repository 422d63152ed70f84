//! Peers come and go: dialling, greeting, parting.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bt_types::{ConnId, Direction, Payload, PeerId, PeerSource, Transport};
use bt_wire::{Message, Reserved};
use rand_chacha::rand_core::Rng;

use super::{Swarm, UPKEEP_INTERVAL};
use crate::{
    Action, DialId, DisconnectReason, Event, ProtocolBreach,
    bans::{host_of, is_local},
    early::EarlyError,
    peers::{Outcome, canonical},
    session::Session,
    timers::Timer,
};

/// A connection on which both handshakes have been exchanged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NewConnection {
    /// The address at the other end.
    pub peer: SocketAddr,
    /// Who opened it.
    pub direction: Direction,
    /// What carries it.
    pub transport: Transport,
    /// What the peer calls itself.
    pub peer_id: PeerId,
    /// The extensions that the peer supports.
    pub reserved: Reserved,
    /// The dial that it answers, if we opened it.
    pub dial: Option<DialId>,
}

/// Why a connection is not wanted: the driver closes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// We have met ourselves.
    #[error("connected to ourselves")]
    Ourselves,
    /// The peer has sent bad data before.
    #[error("banned for bad data")]
    Banned,
    /// We are connected to this peer already.
    #[error("already connected")]
    Duplicate,
    /// There are as many peers as this torrent may have.
    #[error("no room for more peers")]
    Full,
    /// The torrent has been stopped.
    #[error("the torrent has been stopped")]
    Stopped,
}

impl<P: Payload> Swarm<P> {
    /// Takes a connection whose handshakes have been exchanged, and names it.
    ///
    /// # Errors
    /// If the connection is not wanted; the driver closes it.
    pub fn handle_connected(
        &mut self,
        now: Instant,
        connection: NewConnection,
    ) -> Result<ConnId, Refusal> {
        self.advance(now);
        let connection = NewConnection {
            peer: canonical(connection.peer),
            ..connection
        };
        let dialled = connection.dial.and_then(|id| self.dialler.finish(id));
        if dialled.is_some() {
            self.schedule_dialling();
        }
        if let Err(refusal) = self.admit(now, &connection) {
            if let Some(peer) = dialled {
                self.dial_refused(now, peer, refusal);
            }
            return Err(refusal);
        }
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        if connection.direction == Direction::Outbound {
            self.peers.set_connected(connection.peer);
        }
        self.sessions.insert(conn, Session::new(now, &connection));
        self.events.push_back(Event::PeerConnected {
            conn,
            peer: connection.peer,
            direction: connection.direction,
            peer_id: connection.peer_id,
        });
        if !self.timers.is_set(Timer::Upkeep) {
            self.timers.set(Timer::Upkeep, now + UPKEEP_INTERVAL);
        }
        self.join_picker(now, conn);
        self.disguise_from(conn);
        self.needs_showing = true;
        self.introduce(conn);
        self.introduce_pieces(conn);
        self.introduce_dht_node(conn);
        Ok(conn)
    }

    /// A dial came to nothing.
    pub fn handle_dial_failed(&mut self, now: Instant, id: DialId) {
        self.advance(now);
        if let Some(peer) = self.dialler.finish(id) {
            self.dial_failed(now, peer);
            self.schedule_dialling();
        }
    }

    /// A connection is gone: the peer or the network closed it, or the driver did, and then for a
    /// `reason`.
    pub fn handle_disconnected(
        &mut self,
        now: Instant,
        conn: ConnId,
        reason: Option<DisconnectReason>,
    ) {
        self.advance(now);
        self.forget(now, conn, reason);
    }

    /// Closes a connection from our side.
    pub(super) fn disconnect(&mut self, now: Instant, conn: ConnId, reason: DisconnectReason) {
        if self.sessions.contains_key(&conn) {
            self.actions
                .push_back(Action::Disconnect(conn, reason.clone()));
            self.forget(now, conn, Some(reason));
        }
    }

    pub(super) fn breach(&mut self, now: Instant, conn: ConnId, breach: ProtocolBreach) {
        self.disconnect(now, conn, DisconnectReason::Protocol(breach));
    }

    /// Looks for somebody to dial as soon as all input is in.
    pub(super) fn schedule_dialling(&mut self) {
        self.needs_dialling = !self.is_stopped;
    }

    pub(super) fn dial(&mut self, now: Instant) {
        // Going through all addresses costs something: not for every one that comes or goes.
        let next_round = self.last_dialling.map(|last| last + DIAL_SPACING);
        if let Some(next) = next_round.filter(|&next| next > now) {
            return self.timers.set(Timer::Dial, next);
        }
        self.last_dialling = Some(now);
        for (id, peer) in self.dialler.take_expired(now) {
            self.actions.push_back(Action::AbortDial(id));
            self.dial_failed(now, peer);
        }
        let in_flight = self.dialler.len();
        let half_open = self.grant.max_half_open.saturating_sub(in_flight);
        let room = self
            .grant
            .max_peers
            .saturating_sub(self.sessions.len() + in_flight);
        let slots = if room > 0 {
            room
        } else {
            usize::from(self.make_room(now))
        };
        let is_complete = self.is_complete();
        let (votes, port, rng) = (&self.votes, self.config.listen_port, &mut self.rng);
        let round = self.dialler.dial(
            now,
            &mut self.peers,
            half_open.min(slots),
            is_complete,
            |peer| votes.canonical_priority(port, peer),
            || rng.next_u64(),
        );
        self.actions
            .extend(round.dials.into_iter().map(Action::Dial));
        match round.next {
            Some(next) => self.timers.set(Timer::Dial, next),
            None => self.timers.stop(Timer::Dial),
        }
    }

    /// Parts from somebody who is of little use, if there is somebody to take the place.
    fn make_room(&mut self, now: Instant) -> bool {
        let is_complete = self.is_complete();
        let due = self.peers.idle().filter(|(_, peer)| {
            peer.failures() == 0
                && peer.next_dial <= now
                && !(is_complete && peer.is_probably_seed())
        });
        let best = due.map(|(addr, _)| self.worth_of_address(addr)).max();
        best.is_some_and(|best| self.part_from_worst(now, best, |_| true))
    }

    /// What the connection is worth if all else is equal (BEP 40).
    pub(super) fn rank_of(&self, session: &Session) -> u32 {
        let peer = session.listen_addr.unwrap_or(session.addr);
        self.votes.canonical_priority(self.config.listen_port, peer)
    }

    /// Tells a peer what we have; BEP 6 wants one of the three, BEP 3 lets us leave out an empty
    /// bitfield.
    fn introduce_pieces(&mut self, conn: ConnId) {
        let supports_fast = self.sessions[&conn].supports_fast;
        let shown = self.torrent.as_ref().filter(|_| !self.is_disguised());
        let have = shown.map(|torrent| torrent.picker.have());
        let message = match have {
            Some(have) if have.is_full() && supports_fast => Message::HaveAll,
            Some(have) if have.count_ones() > 0 => Message::Bitfield(have.as_bytes().into()),
            _ if supports_fast => Message::HaveNone,
            _ => return,
        };
        self.send(conn, message);
    }

    /// What we turn out to have of a torrent whose metadata came late: a bitfield comes too late.
    pub(super) fn send_haves(&mut self, conn: ConnId) {
        let shown = self.torrent.as_ref().filter(|_| !self.is_disguised());
        let have = shown.map(|torrent| torrent.picker.have());
        let pieces: Vec<_> = have
            .into_iter()
            .flat_map(bt_types::Bitfield::iter_ones)
            .collect();
        for piece in pieces {
            self.send(conn, Message::Have(piece.get()));
        }
    }

    pub(super) fn join_picker(&mut self, now: Instant, conn: ConnId) {
        if let Some(torrent) = &mut self.torrent {
            let said = self.sessions.get(&conn).and_then(|session| session.reqq);
            let listens = self
                .sessions
                .get(&conn)
                .and_then(|session| session.listen_addr);
            torrent
                .picker
                .add_peer(now, conn, said.unwrap_or(DEFAULT_REQQ));
            if let Some(addr) = listens {
                let known = self.peers.evidence(addr);
                torrent.picker.remember(now, conn, &known);
            }
        }
    }

    /// The metadata is known: what the peer has said before gets its meaning.
    pub(super) fn resolve_early_pieces(&mut self, conn: ConnId) {
        let (Some(now), Some(torrent)) = (self.now, &self.torrent) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        let early = std::mem::take(&mut session.early);
        let peer_choking = session.peer_choking;
        match early.resolve(&torrent.layout) {
            Ok(pieces) => {
                self.set_peer_pieces(now, conn, pieces);
                if let (false, Some(torrent)) = (peer_choking, &mut self.torrent) {
                    torrent.picker.unchoked(now, conn);
                }
            }
            Err(EarlyError::Bitfield(error)) => self.breach(now, conn, error.into()),
            Err(EarlyError::Have(error)) => {
                self.breach(
                    now,
                    conn,
                    ProtocolBreach::NoSuchPiece {
                        message: "have",
                        error,
                    },
                );
            }
        }
    }

    /// The peer has told where it listens: there it can be dialled another time.
    pub(super) fn learn_listen_port(&mut self, now: Instant, conn: ConnId, port: u16) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        if session.direction == Direction::Outbound || session.listen_addr.is_some() {
            return;
        }
        let addr = SocketAddr::new(session.addr.ip(), port);
        if self.peers.is_banned(addr) {
            return self.disconnect(now, conn, DisconnectReason::Banned);
        }
        session.listen_addr = Some(addr);
        self.peers.add(now, PeerSource::Incoming, addr);
        self.peers.set_connected(addr);
    }

    fn admit(&mut self, now: Instant, connection: &NewConnection) -> Result<(), Refusal> {
        if self.is_stopped {
            return Err(Refusal::Stopped);
        }
        if connection.peer_id == self.config.peer_id {
            return Err(Refusal::Ourselves);
        }
        if self.peers.is_banned(connection.peer) {
            return Err(Refusal::Banned);
        }
        match self.twin_of(connection) {
            // It takes the place of the other, so there is room.
            Some(twin) => {
                self.choose_twin(twin, connection)?;
                self.disconnect(now, twin, DisconnectReason::Duplicate);
                Ok(())
            }
            None if connection.direction == Direction::Inbound => {
                self.admit_inbound(now, connection)
            }
            None if self.sessions.len() >= self.grant.max_peers => Err(Refusal::Full),
            None => Ok(()),
        }
    }

    /// A connection that we have to the same peer. An id alone proves nothing: anybody can name
    /// another's, and libtorrent draws a new one for each connection.
    fn twin_of(&self, connection: &NewConnection) -> Option<ConnId> {
        let is_twin = |session: &Session| {
            let same_host = session.addr.ip() == connection.peer.ip();
            let same_id = session.peer_id == connection.peer_id;
            let dialled = connection.direction == Direction::Outbound;
            (same_host && same_id) || (dialled && session.listen_addr == Some(connection.peer))
        };
        let twin = self.sessions.iter().find(|(_, session)| is_twin(session));
        twin.map(|(&conn, _)| conn)
    }

    /// Whether the new one of two is kept. Both sides must keep the same: that which the greater
    /// id has opened (libtorrent's rule). If the new one is not, its address goes over to the
    /// other.
    fn choose_twin(&mut self, twin: ConnId, connection: &NewConnection) -> Result<(), Refusal> {
        let keeps = if self.config.peer_id > connection.peer_id {
            Direction::Outbound
        } else {
            Direction::Inbound
        };
        let Some(other) = self.sessions.get_mut(&twin) else {
            return Ok(());
        };
        let same_id = other.peer_id == connection.peer_id;
        if same_id && other.direction != connection.direction && connection.direction == keeps {
            return Ok(());
        }
        if connection.direction == Direction::Outbound {
            other.listen_addr.get_or_insert(connection.peer);
        }
        Err(Refusal::Duplicate)
    }

    /// Whoever comes by itself must not fill all places, nor a single host many of them.
    fn admit_inbound(&mut self, now: Instant, connection: &NewConnection) -> Result<(), Refusal> {
        let ip = connection.peer.ip();
        let sessions = self.sessions.values();
        let inbound = sessions.filter(|session| session.direction == Direction::Inbound);
        let from_host = inbound
            .clone()
            .filter(|session| host_of(session.addr.ip()) == host_of(ip))
            .count();
        if from_host >= MAX_INBOUND_PER_HOST && !is_local(ip) {
            return Err(Refusal::Full);
        }
        // A quarter is for those that we choose ourselves.
        let share = self.grant.max_peers - self.grant.max_peers / 4;
        let has_share = inbound.count() < share;
        let has_room = has_share && self.sessions.len() < self.grant.max_peers;
        let may_go = |session: &Session| has_share || session.direction == Direction::Inbound;
        let waiting = self.worth_of_address(connection.peer);
        if has_room || self.part_from_worst(now, waiting, may_go) {
            Ok(())
        } else {
            self.turned_away_at = Some(now);
            Err(Refusal::Full)
        }
    }

    fn dial_refused(&mut self, now: Instant, peer: SocketAddr, refusal: Refusal) {
        let is_held = self
            .sessions
            .values()
            .any(|other| other.listen_addr == Some(peer));
        match refusal {
            Refusal::Ourselves => self.peers.add_own(peer),
            Refusal::Duplicate if is_held => self.peers.set_connected(peer),
            // The same peer under another address, or one that is not wanted.
            Refusal::Duplicate | Refusal::Banned => {
                let jitter = self.jitter();
                self.peers
                    .disconnected(now, peer, Outcome::Fruitless, jitter);
            }
            // That we have no room is not the peer's fault.
            Refusal::Full | Refusal::Stopped => {
                let jitter = self.jitter();
                self.peers.disconnected(now, peer, Outcome::Good, jitter);
            }
        }
    }

    fn dial_failed(&mut self, now: Instant, peer: SocketAddr) {
        let jitter = self.jitter();
        let failures = self.peers.dial_failed(now, peer, jitter);
        self.events.push_back(Event::DialFailed { peer, failures });
    }

    fn forget(&mut self, now: Instant, conn: ConnId, reason: Option<DisconnectReason>) {
        let Some(session) = self.sessions.remove(&conn) else {
            return;
        };
        let shown = self.parting_evidence(now, conn, &session);
        self.waiting.remove(conn);
        self.waiting_choked.remove(&conn);
        self.asking.remove(conn);
        self.forget_shown(conn);
        self.exchange.forget(conn);
        self.served_bytes -= session.uploads.memory_bytes();
        if let Some(torrent) = &mut self.torrent {
            torrent.picker.remove_peer(now, conn);
            torrent.spread.forget(conn);
        }
        let outcome = match reason {
            // A liar's own address is forgotten, but this may be one that it only claims to have.
            Some(
                DisconnectReason::Protocol(_)
                | DisconnectReason::Malformed(_)
                | DisconnectReason::BadData(_)
                | DisconnectReason::Banned,
            ) => Outcome::Breach,
            Some(DisconnectReason::Useless) => Outcome::Fruitless,
            // That we have no room is not the peer's fault.
            Some(DisconnectReason::NoRoom) => Outcome::Good,
            _ => session.outcome(now),
        };
        if let Some(addr) = session.listen_addr {
            let is_held = self
                .sessions
                .values()
                .any(|other| other.listen_addr == Some(addr));
            if !is_held {
                let jitter = self.jitter();
                self.peers.remember(addr, shown);
                self.peers.disconnected(now, addr, outcome, jitter);
            }
        }
        self.events.push_back(Event::PeerDisconnected {
            conn,
            peer: session.addr,
            reason,
        });
        if self.sessions.is_empty() {
            self.timers.stop(Timer::Choke);
            self.timers.stop(Timer::Upkeep);
        } else if session.peer_interested && !session.am_choking() {
            self.needs_rechoke = true;
        }
        self.schedule_dialling();
    }
}

/// Behind one public address there may be a whole house, but hardly a whole swarm.
const MAX_INBOUND_PER_HOST: usize = 8;
/// How long at least lies between two rounds of dialling.
const DIAL_SPACING: Duration = Duration::from_millis(100);
/// What libtorrent and others take where the peer does not say (BEP 10, `reqq`).
const DEFAULT_REQQ: u32 = 250;
