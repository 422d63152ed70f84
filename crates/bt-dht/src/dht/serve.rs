use std::{borrow::Cow, net::SocketAddr, time::Instant};

use bt_types::SwarmId;

use super::{DatagramError, Dht};
use crate::{
    Bloom, Family, ImmutableItem, Item, ItemError, MAX_SALT, MAX_VALUE, NodeId,
    address::{is_local, is_usable},
    store::Selection,
    tokens::Token,
    transactions::Purpose,
    wire::{
        Body, Contact, Contacts, ErrorBody, Message, Method, Query, Response, Samples, Signed,
        Want, code, push_contact,
    },
};

/// What a response is made of, in memory that is used again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    nodes: Vec<u8>,
    nodes6: Vec<u8>,
    peers: Vec<SocketAddr>,
    token: Token,
    filters: Option<[Bloom; 2]>,
    samples: Vec<u8>,
    item: ItemCopy,
}

/// What an answer says of an item.
#[derive(Debug, Default)]
struct ItemCopy {
    value: Vec<u8>,
    /// Key and signature of a mutable one.
    signed: Option<([u8; 32], [u8; 64])>,
}

type Refusal = (i64, &'static str);

impl Dht {
    /// Answers a query, or not.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        from: SocketAddr,
        transaction_id: &[u8],
        query: &Query<'_>,
    ) -> Result<(), DatagramError> {
        let family = Family::of(from);
        let own = self.id(family).ok_or(DatagramError::OtherFamily)?;
        if query.id == own {
            return Err(DatagramError::Ourselves);
        }
        self.admit(now, from)?;
        if !query.is_read_only {
            self.consider(
                now,
                Contact {
                    id: query.id,
                    addr: from,
                },
            );
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let answer = self.answer(now, from, own, query, &mut scratch);
        let result = match answer {
            Ok(mut response) => {
                response.external = Some(from);
                self.reply(from, transaction_id, Body::Response(response));
                Ok(())
            }
            Err((code, reason)) => self.refuse(from, transaction_id, code, reason),
        };
        self.scratch = scratch;
        result
    }

    /// Refuses a query whose arguments are wrong.
    pub(super) fn serve_refusal(
        &mut self,
        now: Instant,
        from: SocketAddr,
        transaction_id: &[u8],
        code: i64,
        reason: &str,
    ) -> Result<(), DatagramError> {
        self.admit(now, from)?;
        self.refuse(from, transaction_id, code, reason)
    }

    /// Whether somebody is answered at all.
    fn admit(&mut self, now: Instant, from: SocketAddr) -> Result<(), DatagramError> {
        let result = self.admits(now, from);
        self.counts.queries_dropped += u64::from(result.is_err());
        result
    }

    fn admits(&mut self, now: Instant, from: SocketAddr) -> Result<(), DatagramError> {
        if self.config.is_read_only {
            return Err(DatagramError::ReadOnly);
        }
        if !is_usable(from) || from.port() < self.config.min_source_port {
            return Err(DatagramError::SourceAddress);
        }
        let is_counted = !(self.config.trusts_local_addresses && is_local(from.ip()));
        if is_counted && !self.sources.allows(now, from.ip()) {
            return Err(DatagramError::Flood);
        }
        if self.outbox.is_full() || !self.budget.has_any(now) {
            return Err(DatagramError::OverBudget);
        }
        Ok(())
    }

    /// Who asks may be a node for the table: if there is room, he is asked whether he is there.
    fn consider(&mut self, now: Instant, contact: Contact) {
        let Some(network) = self.network_mut(Family::of(contact.addr)) else {
            return;
        };
        let is_wanted = network.table.heard_query(now, contact);
        // Whoever it is gets one small datagram more than he would have got anyway.
        if is_wanted
            && self.transactions.len() < MAX_PENDING_FOR_CHECKS
            && !self.transactions.waits_for(contact.addr)
        {
            self.send_query(now, contact.addr, None, Method::Ping, Purpose::Check);
        }
    }

    fn answer<'s>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        own: NodeId,
        query: &Query<'_>,
        scratch: &'s mut Scratch,
    ) -> Result<Response<'s>, Refusal> {
        let Scratch {
            nodes,
            nodes6,
            peers,
            token,
            filters,
            samples,
            item,
        } = scratch;
        let mut response = Response::new(own);
        let want = match query.want {
            Want {
                v4: false,
                v6: false,
            } => Want {
                v4: from.is_ipv4(),
                v6: from.is_ipv6(),
            },
            want => want,
        };
        match query.method {
            Method::Ping => {}
            Method::FindNode { target } | Method::Unknown { target } => {
                self.find_nodes(now, from, target, want, [nodes, nodes6]);
                response.set_nodes(want, nodes, nodes6);
            }
            Method::GetPeers {
                info_hash,
                no_seeds,
                scrape,
            } => {
                self.find_nodes(now, from, info_hash.into(), want, [nodes, nodes6]);
                let mut room = MAX_REPLY.saturating_sub(RESERVED + nodes.len() + nodes6.len());
                if scrape {
                    let [seeds, downloaders] = filters.insert(self.peers.filters(now, info_hash));
                    response.seeds = Some(seeds.as_bytes());
                    response.downloaders = Some(downloaders.as_bytes());
                    room = room.saturating_sub(RESERVED_FOR_FILTERS);
                }
                self.select_peers(now, from, info_hash, no_seeds, room, peers);
                response.peers = Cow::Borrowed(peers);
                if self.peers.has_room(info_hash) {
                    *token = self.tokens.issue(now, from.ip(), info_hash.into());
                    response.token = Some(token);
                }
                response.set_nodes(want, nodes, nodes6);
            }
            Method::AnnouncePeer {
                info_hash,
                port,
                implied_port,
                is_seed,
                token,
            } => {
                self.check_token(now, from, info_hash.into(), token)?;
                let port = if implied_port { from.port() } else { port };
                let peer = SocketAddr::new(from.ip(), port);
                let stored = self.peers.announce(now, info_hash, peer, is_seed);
                stored.map_err(|_| (code::SERVER, "no room for another peer"))?;
            }
            Method::Get { target, newer_than } => {
                self.find_nodes(now, from, target, want, [nodes, nodes6]);
                let room = MAX_ITEM_REPLY - RESERVED;
                let used = self.items.get(now, target).map_or(0, |stored| {
                    response.set_item(stored, newer_than, item);
                    response.value.map_or(0, <[u8]>::len) + RESERVED_FOR_SIGNATURE
                });
                trim(nodes, NODE_LENGTH, room.saturating_sub(used));
                trim(
                    nodes6,
                    NODE6_LENGTH,
                    room.saturating_sub(used + nodes.len()),
                );
                *token = self.tokens.issue(now, from.ip(), target);
                response.token = Some(token);
                response.set_nodes(want, nodes, nodes6);
            }
            Method::Put {
                token,
                value,
                signed,
            } => self.store_item(now, from, own, token, value, signed)?,
            Method::SampleInfohashes { target } => {
                self.find_nodes(now, from, target, want, [nodes, nodes6]);
                let (info_hashes, interval_secs) = self.peers.sample(now, &mut self.rng);
                samples.clear();
                samples.extend_from_slice(info_hashes);
                response.samples = Some(Samples {
                    info_hashes: samples,
                    interval_secs,
                    total: self.peers.swarm_count() as u64,
                });
                response.set_nodes(want, nodes, nodes6);
            }
        }
        Ok(response)
    }

    /// Puts the nodes closest to `target` into `out`, in compact form.
    fn find_nodes(
        &self,
        now: Instant,
        from: SocketAddr,
        target: NodeId,
        want: Want,
        out: [&mut Vec<u8>; 2],
    ) {
        let wanted = [want.v4, want.v6];
        for ((out, network), is_wanted) in out.into_iter().zip(&self.networks).zip(wanted) {
            out.clear();
            let Some(network) = network.as_ref().filter(|_| is_wanted) else {
                continue;
            };
            let closest = network.table.closest(now, target, false);
            // What means something only here is of no use elsewhere.
            let is_for = |contact: &Contact| is_local(from.ip()) || !is_local(contact.addr.ip());
            let others = closest.iter().filter(|contact| contact.addr != from);
            others
                .filter(is_for)
                .for_each(|contact| push_contact(out, &contact));
        }
    }

    fn select_peers(
        &mut self,
        now: Instant,
        from: SocketAddr,
        swarm: SwarmId,
        no_seeds: bool,
        room: usize,
        peers: &mut Vec<SocketAddr>,
    ) {
        peers.clear();
        let family = Family::of(from);
        let length = match family {
            Family::V4 => PEER_LENGTH,
            Family::V6 => PEER6_LENGTH,
        };
        let selection = Selection {
            family,
            no_seeds,
            asker: from,
            most: (room / length).min(MAX_PEERS),
        };
        self.peers
            .select(now, swarm, &selection, &mut self.rng, peers);
    }

    fn store_item(
        &mut self,
        now: Instant,
        from: SocketAddr,
        own: NodeId,
        token: &[u8],
        value: &[u8],
        signed: Option<Signed<'_>>,
    ) -> Result<(), Refusal> {
        if value.len() > MAX_VALUE {
            return Err((code::VALUE_TOO_BIG, "value of more than 1000 bytes"));
        }
        if signed.is_some_and(|signed| signed.salt.len() > MAX_SALT) {
            return Err((code::SALT_TOO_BIG, "salt of more than 64 bytes"));
        }
        // The token comes before the signature: that is dear to check.
        let (item, cas) = match signed {
            None => {
                let item = ImmutableItem::new(value).map_err(refusal)?;
                self.check_token(now, from, item.target(), token)?;
                (Item::Immutable(item), None)
            }
            Some(signed) => {
                let name = crate::ItemName {
                    key: signed.key,
                    salt: signed.salt.to_vec(),
                };
                self.check_token(now, from, name.target(), token)?;
                (mutable_item(name, value, &signed)?, signed.cas)
            }
        };
        let put = self.items.put(now, own, item, cas);
        put.map_err(|error| (error.code, error.reason))
    }

    fn check_token(
        &mut self,
        now: Instant,
        from: SocketAddr,
        target: NodeId,
        token: &[u8],
    ) -> Result<(), Refusal> {
        match self.tokens.accepts(now, from.ip(), target, token) {
            true => Ok(()),
            false => Err((code::PROTOCOL, "bad token")),
        }
    }

    fn refuse(
        &mut self,
        to: SocketAddr,
        transaction_id: &[u8],
        code: i64,
        reason: &str,
    ) -> Result<(), DatagramError> {
        let error = ErrorBody {
            code,
            message: reason.as_bytes(),
            external: Some(to),
        };
        self.reply(to, transaction_id, Body::Error(error));
        Err(DatagramError::Refused(code))
    }

    fn reply(&mut self, to: SocketAddr, transaction_id: &[u8], body: Body<'_>) {
        let message = Message {
            transaction_id,
            body,
            version: self.config.version.as_ref().map(<[u8; 4]>::as_slice),
        };
        let length = self.outbox.push(to, &message);
        self.budget.spend(length);
        self.counts.queries_answered += 1;
        self.counts.reply_bytes += length as u64;
    }
}

impl<'s> Response<'s> {
    /// Who asked for nodes of a family gets the field, also if there are none.
    fn set_nodes(&mut self, want: Want, nodes: &'s [u8], nodes6: &'s [u8]) {
        self.nodes = want.v4.then_some(Contacts::new(nodes, Family::V4));
        self.nodes6 = want.v6.then_some(Contacts::new(nodes6, Family::V6));
    }

    fn set_item(&mut self, item: &Item, newer_than: Option<i64>, copy: &'s mut ItemCopy) {
        let ItemCopy { value, signed } = copy;
        if let Item::Mutable(item) = item {
            self.seq = Some(item.seq());
            if newer_than.is_some_and(|seq| item.seq() <= seq) {
                return;
            }
            let (key, signature) = &*signed.insert((item.name().key, *item.signature()));
            (self.key, self.signature) = (Some(key), Some(signature));
        }
        value.clear();
        value.extend_from_slice(item.value());
        self.value = Some(value);
    }
}

#[cfg(feature = "mutable")]
fn mutable_item(name: crate::ItemName, value: &[u8], signed: &Signed<'_>) -> Result<Item, Refusal> {
    let item = crate::MutableItem::new(name, signed.seq, value, signed.signature);
    item.map(Item::Mutable).map_err(refusal)
}

#[cfg(not(feature = "mutable"))]
fn mutable_item(_: crate::ItemName, _: &[u8], _: &Signed<'_>) -> Result<Item, Refusal> {
    Err((code::SERVER, "mutable items are not stored here"))
}

fn refusal(error: ItemError) -> Refusal {
    match error {
        ItemError::ValueTooBig(_) => (code::VALUE_TOO_BIG, "value of more than 1000 bytes"),
        ItemError::SaltTooBig(_) => (code::SALT_TOO_BIG, "salt of more than 64 bytes"),
        ItemError::Signature => (code::BAD_SIGNATURE, "the signature does not fit"),
        ItemError::Value(_) | ItemError::NegativeSeq(_) => (code::PROTOCOL, "malformed item"),
    }
}

/// Cuts off entries until at most `room` bytes are left.
fn trim(nodes: &mut Vec<u8>, length: usize, room: usize) {
    nodes.truncate(room / length * length);
}

/// BEP 32: what gets through everywhere; and no great multiple of what a query has.
const MAX_REPLY: usize = 1024;
/// With an item of the largest size, and its signature: one datagram of Ethernet's size.
const MAX_ITEM_REPLY: usize = 1400;
/// What every response has: keys, ids, token, the asker's address.
const RESERVED: usize = 240;
/// Two filters of 256 bytes, with their keys.
const RESERVED_FOR_FILTERS: usize = 2 * 266;
/// Key, signature and seq, with theirs.
const RESERVED_FOR_SIGNATURE: usize = 150;
const NODE_LENGTH: usize = 26;
const NODE6_LENGTH: usize = 38;
/// An address as a string in a list.
const PEER_LENGTH: usize = 2 + 6;
const PEER6_LENGTH: usize = 3 + 18;
const MAX_PEERS: usize = 100;
/// While many queries of our own are open, strangers that ask are not looked at.
const MAX_PENDING_FOR_CHECKS: usize = 128;
