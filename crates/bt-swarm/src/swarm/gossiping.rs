//! Telling peers of each other, and hearing of others from them (BEP 11).

use std::{collections::BTreeMap, net::SocketAddr, time::Instant};

use bt_types::{ConnId, Direction, Payload, PeerSource};
use bt_wire::{ExtendedMessage, Extension, PexFlags, PexMessage};

use super::Swarm;
use crate::{
    ProtocolBreach,
    peers::canonical,
    pex::{Heard, MAX_TOLD, is_common},
    session::Session,
    timers::Timer,
};

impl<P: Payload> Swarm<P> {
    /// Whether peers are told of each other.
    pub(super) fn gossips(&self) -> bool {
        self.config.pex && !self.is_private()
    }

    /// What a peer has said in a handshake: whether it listens.
    pub(super) fn note_gossiper(&mut self, now: Instant, conn: ConnId) {
        let gossips = self.gossips();
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        if gossips && session.extensions.get(Extension::Pex).is_some() {
            session.gossip.begin(now);
        } else {
            session.gossip.end();
        }
        self.arm_gossip();
    }

    /// Tells those whose turn it is of who has come and gone.
    pub(super) fn gossip(&mut self, now: Instant) {
        if !self.gossips() {
            return;
        }
        let present = self.connectable();
        for conn in self.conns() {
            let Some(session) = self.sessions.get_mut(&conn) else {
                continue;
            };
            let Some(id) = session.extensions.get(Extension::Pex) else {
                continue;
            };
            if session.gossip.next_at().is_none_or(|at| at > now) {
                continue;
            }
            let (ip, itself) = (session.addr.ip(), session.listen_addr);
            let concerns = |addr: &SocketAddr| Some(*addr) != itself && is_common(ip, addr.ip());
            let others = present.iter().filter(|(addr, _)| concerns(addr));
            let others = others.map(|(&addr, &flags)| (addr, flags)).collect();
            if let Some(message) = session.gossip.tell(now, &others) {
                self.send(conn, ExtendedMessage::Pex(message).to_message(id));
            }
        }
        self.arm_gossip();
    }

    pub(super) fn handle_pex(&mut self, now: Instant, conn: ConnId, message: &PexMessage) {
        let is_complete = self.is_complete();
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        match session.gossip.hear(now) {
            Heard::Taken => {}
            Heard::TooSoon => return,
            Heard::Flood(count) => {
                return self.breach(now, conn, ProtocolBreach::PexFlood(count));
            }
        }
        let from = session.addr.ip();
        let port = self.config.listen_port;
        let is_ours = |addr: SocketAddr| {
            port == addr.port() && self.votes.winner(addr.ip()) == Some(addr.ip().to_canonical())
        };
        // `dropped` is passed over: who has parted from somebody else may be glad of us.
        let added = message.added.iter().take(MAX_TOLD);
        let added = added.map(|peer| {
            let is_seed = peer.flags.contains(PexFlags::UPLOAD_ONLY);
            (canonical(peer.addr), is_seed)
        });
        // Seeds need not be remembered by a seed.
        let possible = added.filter(|&(addr, is_seed)| {
            is_common(from, addr.ip()) && !is_ours(addr) && !(is_seed && is_complete)
        });
        let peers = &self.peers;
        let (mut taken, news): (Vec<_>, Vec<_>) =
            possible.partition(|(addr, _)| peers.knows(*addr));
        let news = news.into_iter();
        taken.extend(session.gossip.bring(news, |addr| peers.is_untried(addr)));
        self.add_named(now, PeerSource::Pex, taken);
    }

    /// Those whom others can dial, as far as we know.
    fn connectable(&self) -> BTreeMap<SocketAddr, PexFlags> {
        let sessions = self.sessions.iter();
        let dialable = sessions.filter_map(|(&conn, session)| {
            let flags = self.pex_flags(conn, session);
            Some((session.listen_addr?, flags))
        });
        dialable.collect()
    }

    fn pex_flags(&self, conn: ConnId, session: &Session) -> PexFlags {
        let picker = self.torrent.as_ref().map(|torrent| &torrent.picker);
        let is_seed = picker.is_some_and(|picker| picker.peer_pieces(conn).is_full());
        let mut flags = PexFlags::default();
        if is_seed || session.upload_only {
            flags = flags.with(PexFlags::UPLOAD_ONLY);
        }
        if session.direction == Direction::Outbound {
            flags = flags.with(PexFlags::REACHABLE);
        }
        flags
    }

    fn arm_gossip(&mut self) {
        let next = self.sessions.values();
        let next = next.filter_map(|session| session.gossip.next_at()).min();
        match next {
            Some(next) => self.timers.set(Timer::Gossip, next),
            None => self.timers.stop(Timer::Gossip),
        }
    }
}
