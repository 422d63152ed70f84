//! KRPC, the messages of the DHT (BEP 5 and those that add to it): bencoded dictionaries, one a
//! datagram. Lenient in what is read, exact in what is written; both without allocating, but for
//! lists of peers that are read.

mod decode;
mod encode;
mod nodes;

use std::{borrow::Cow, net::SocketAddr};

use bt_types::SwarmId;

pub use self::{
    decode::{DecodeError, decode, decode_in},
    encode::encode,
    nodes::{Contact, Contacts, push_contact},
};
use crate::{NodeId, bloom::BLOOM_LENGTH};

/// One message. What it borrows is in the datagram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message<'a> {
    /// Chosen by who asks, given back by who answers: any bytes, at most [`MAX_TRANSACTION_ID`].
    pub transaction_id: &'a [u8],
    /// What it says.
    pub body: Body<'a>,
    /// The sender's client and version; two letters and two bytes, by custom.
    pub version: Option<&'a [u8]>,
}

/// What a message says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body<'a> {
    /// Somebody asks.
    Query(Query<'a>),
    /// Somebody answers.
    Response(Response<'a>),
    /// Somebody refuses.
    Error(ErrorBody<'a>),
}

/// A query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Query<'a> {
    /// Who asks.
    pub id: NodeId,
    /// Who asks answers no queries himself, and is not to be remembered (BEP 43).
    pub is_read_only: bool,
    /// Of which family nodes are wanted.
    pub want: Want,
    /// What is asked.
    pub method: Method<'a>,
}

/// Of which family nodes are wanted (BEP 32). If of none, it goes by the family of the datagram.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Want {
    /// `n4`
    pub v4: bool,
    /// `n6`
    pub v6: bool,
}

/// What is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Method<'a> {
    /// Are you there?
    Ping,
    /// Which nodes are close to the target?
    FindNode {
        /// Any id.
        target: NodeId,
    },
    /// Which peers are in this swarm, or which nodes are closer to it?
    GetPeers {
        /// The swarm.
        info_hash: SwarmId,
        /// Seeds are not wanted (BEP 33).
        no_seeds: bool,
        /// The sizes of the swarm are wanted (BEP 33).
        scrape: bool,
    },
    /// I am in this swarm.
    AnnouncePeer {
        /// The swarm.
        info_hash: SwarmId,
        /// Where we accept peers.
        port: u16,
        /// The port is that of this datagram.
        implied_port: bool,
        /// We have everything (BEP 33).
        is_seed: bool,
        /// From a response to `get_peers`.
        token: &'a [u8],
    },
    /// What is stored under this target (BEP 44)?
    Get {
        /// The SHA-1 of an immutable item, or of key and salt of a mutable one.
        target: NodeId,
        /// Only mutable items that are newer are wanted.
        newer_than: Option<i64>,
    },
    /// Store this (BEP 44).
    Put {
        /// From a response to `get`.
        token: &'a [u8],
        /// One bencoded value, as it was sent.
        value: &'a [u8],
        /// Key and signature, unless the item is immutable.
        signed: Option<Signed<'a>>,
    },
    /// Of which swarms do you know peers (BEP 51)?
    SampleInfohashes {
        /// Nodes close to this are wanted too.
        target: NodeId,
    },
    /// A query that we do not know, about this target; it is answered like `find_node`, as
    /// libtorrent does, so that what comes after us works.
    Unknown {
        /// What it calls `target` or `info_hash`.
        target: NodeId,
    },
}

/// What makes an item mutable (BEP 44).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Signed<'a> {
    /// The public key, ed25519.
    pub key: [u8; 32],
    /// Tells items of one key apart; at most [`MAX_SALT`](crate::MAX_SALT) bytes if honest.
    pub salt: &'a [u8],
    /// Grows with every change; never negative.
    pub seq: i64,
    /// Of salt, seq and value.
    pub signature: [u8; 64],
    /// Store only if this is the seq that is stored.
    pub cas: Option<i64>,
}

/// An answer. Which fields there are depends on the query, and on who answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response<'a> {
    /// Who answers.
    pub id: NodeId,
    /// The asker's address, as who answers sees it (BEP 42).
    pub external: Option<SocketAddr>,
    /// Nodes of IPv4.
    pub nodes: Option<Contacts<'a>>,
    /// Nodes of IPv6 (BEP 32).
    pub nodes6: Option<Contacts<'a>>,
    /// Needed to announce, or to put.
    pub token: Option<&'a [u8]>,
    /// Peers.
    pub peers: Cow<'a, [SocketAddr]>,
    /// Filter of the swarm's seeds (BEP 33).
    pub seeds: Option<&'a [u8; BLOOM_LENGTH]>,
    /// Filter of the other peers (BEP 33).
    pub downloaders: Option<&'a [u8; BLOOM_LENGTH]>,
    /// One bencoded value (BEP 44).
    pub value: Option<&'a [u8]>,
    /// Of a mutable item.
    pub key: Option<&'a [u8; 32]>,
    /// Of a mutable item.
    pub signature: Option<&'a [u8; 64]>,
    /// Of a mutable item; also without a value, if that is not newer than asked for.
    pub seq: Option<i64>,
    /// Some swarms of which peers are known (BEP 51).
    pub samples: Option<Samples<'a>>,
}

/// The answer to `sample_infohashes` (BEP 51).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Samples<'a> {
    /// Ids of swarms, 20 bytes each, concatenated; a partial one at the end is ignored.
    pub info_hashes: &'a [u8],
    /// For so many seconds the answer stays the same, 0 to [`MAX_SAMPLE_INTERVAL`].
    pub interval_secs: u16,
    /// How many there are altogether.
    pub total: u64,
}

/// A refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ErrorBody<'a> {
    /// One of [`code`], or another.
    pub code: i64,
    /// In words; untrusted.
    pub message: &'a [u8],
    /// The asker's address, as who answers sees it (BEP 42).
    pub external: Option<SocketAddr>,
}

/// Why a query is refused: the codes of BEP 5 and BEP 44.
pub mod code {
    /// Something else.
    pub const GENERIC: i64 = 201;
    /// The node cannot, at the moment.
    pub const SERVER: i64 = 202;
    /// Malformed, or a bad token.
    pub const PROTOCOL: i64 = 203;
    /// The query is not known.
    pub const METHOD_UNKNOWN: i64 = 204;
    /// The value is longer than 1000 bytes.
    pub const VALUE_TOO_BIG: i64 = 205;
    /// The signature is not that of the item.
    pub const BAD_SIGNATURE: i64 = 206;
    /// The salt is longer than 64 bytes.
    pub const SALT_TOO_BIG: i64 = 207;
    /// Something else is stored than `cas` says.
    pub const CAS_MISMATCH: i64 = 301;
    /// Something newer is stored.
    pub const SEQ_TOO_OLD: i64 = 302;
}

impl<'a> Response<'a> {
    /// One that says who answers, and nothing else.
    #[must_use]
    pub const fn new(id: NodeId) -> Self {
        Self {
            id,
            external: None,
            nodes: None,
            nodes6: None,
            token: None,
            peers: Cow::Borrowed(&[]),
            seeds: None,
            downloaders: None,
            value: None,
            key: None,
            signature: None,
            seq: None,
            samples: None,
        }
    }
}

impl Samples<'_> {
    /// The swarms.
    pub fn iter(&self) -> impl Iterator<Item = SwarmId> {
        let ids = self.info_hashes.chunks_exact(20);
        ids.filter_map(|id| id.try_into().ok().map(SwarmId))
    }
}

impl Want {
    /// Whether nothing is wanted in particular.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        !self.v4 && !self.v6
    }
}

/// BEP 5 says nothing; clients use 1 to 20 bytes. A longer one is a way to have us send bytes.
pub const MAX_TRANSACTION_ID: usize = 64;
/// Longer datagrams are not read: no message of any client comes near.
pub const MAX_DATAGRAM: usize = 8 * 1024;
/// BEP 51: six hours.
pub const MAX_SAMPLE_INTERVAL: u16 = 21_600;

#[cfg(test)]
mod tests;
