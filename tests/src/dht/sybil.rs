use std::net::SocketAddr;

use bt_dht::{
    Family, NodeId,
    wire::{self, Body, Contact, Contacts, Message, Method, Query, Response, Want, push_contact},
};
use bt_types::SwarmId;

/// A liar: stands close to a swarm that it knows will be looked up, names only its accomplices,
/// takes every announce and tells of none.
pub(super) struct Sybil {
    pub(super) id: NodeId,
    /// Of the same attacker, around the same swarm.
    accomplices: Vec<u8>,
}

impl Sybil {
    /// The ids of some, closer to the swarm than any honest node will be.
    pub(super) fn ids(swarm: SwarmId, count: usize) -> Vec<NodeId> {
        let id = |n: usize| {
            let NodeId(mut id) = swarm.into();
            id[18] ^= (n >> 8) as u8;
            id[19] ^= (n + 1) as u8;
            NodeId(id)
        };
        (0..count).map(id).collect()
    }

    pub(super) fn new(id: NodeId, accomplices: &[Contact]) -> Self {
        let mut bytes = Vec::new();
        let others = accomplices.iter().filter(|contact| contact.id != id);
        others
            .take(8)
            .for_each(|contact| push_contact(&mut bytes, contact));
        Self {
            id,
            accomplices: bytes,
        }
    }

    /// Asks an honest node for others, so as to become known to it.
    pub(super) fn introduction(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let query = Query {
            id: self.id,
            is_read_only: false,
            want: Want::default(),
            method: Method::FindNode { target: self.id },
        };
        let message = Message {
            transaction_id: b"sy",
            body: Body::Query(query),
            version: None,
        };
        wire::encode(&message, &mut out);
        out
    }

    /// What it says to whoever asks; and whom it hears of by an answer, to become known there too.
    pub(super) fn hear(&self, datagram: &[u8], from: SocketAddr) -> Heard {
        let Ok(message) = wire::decode(datagram) else {
            return Heard::Nothing;
        };
        match message.body {
            Body::Query(query) => {
                let mut response = Response::new(self.id);
                response.external = Some(from);
                if !matches!(query.method, Method::Ping | Method::AnnouncePeer { .. }) {
                    response.nodes = Some(Contacts::new(&self.accomplices, Family::V4));
                    response.token = Some(b"sybil");
                }
                let mut out = Vec::new();
                let answer = Message {
                    transaction_id: message.transaction_id,
                    body: Body::Response(response),
                    version: None,
                };
                wire::encode(&answer, &mut out);
                Heard::Answer(out)
            }
            Body::Response(response) => {
                let nodes = response.nodes.map(|nodes| nodes.iter().collect());
                Heard::Nodes(nodes.unwrap_or_default())
            }
            Body::Error(_) => Heard::Nothing,
        }
    }
}

/// What comes of a datagram.
pub(super) enum Heard {
    Nothing,
    Answer(Vec<u8>),
    Nodes(Vec<Contact>),
}
