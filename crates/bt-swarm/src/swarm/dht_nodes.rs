//! Peers tell one another where their DHT nodes are (BEP 5).

use std::net::SocketAddr;

use bt_types::{ConnId, Payload};
use bt_wire::Message;

use super::Swarm;
use crate::Event;

impl<P: Payload> Swarm<P> {
    /// The port of our node, if it has anything to do with this torrent: BEP 27 keeps private ones
    /// out of the DHT.
    pub(super) fn dht_port(&self) -> Option<u16> {
        self.config.dht_port.filter(|_| !self.is_private())
    }

    pub(super) fn introduce_dht_node(&mut self, conn: ConnId) {
        let supports_dht = self.sessions[&conn].supports_dht;
        if let Some(port) = self.dht_port().filter(|_| supports_dht) {
            self.send(conn, Message::Port(port));
        }
    }

    pub(super) fn handle_port(&mut self, conn: ConnId, port: u16) {
        let is_of_use = self.dht_port().is_some() && port != 0;
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        // One that changes its mind is no news: it must not make us knock at all ports of a host.
        if is_of_use && !session.told_dht_port {
            session.told_dht_port = true;
            let node = SocketAddr::new(session.addr.ip(), port);
            self.events.push_back(Event::DhtNode { node });
        }
    }
}
