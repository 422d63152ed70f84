mod answers;
mod commands;
mod errors;
mod maintenance;
mod serve;

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use bt_bencoding::TokenMemory;
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};

pub use self::errors::{Busy, DatagramError};
use self::serve::Scratch;
use crate::{
    Config, Event, Family, IdRule, NodeId, OperationId, State,
    address::canonical,
    external::ExternalVotes,
    limits::{Budget, SourceLimits},
    operations::Operation,
    outbox::Outbox,
    store::{ItemStore, PeerLimits, PeerStore},
    table::{self, Table},
    tokens::Tokens,
    transactions::{Due, Purpose, Transactions},
    wire::{Body, Contact, DecodeError, Message, Method, Query, Want, decode_in},
};

/// A node of the DHT: looks things up, announces, stores, and answers others. Performs no I/O.
///
/// Call a command ([`get_peers`](Self::get_peers) and its like) or a `handle_*` method, then drain
/// [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event), then arm one timer
/// from [`poll_timeout`](Self::poll_timeout). `now` must not run backwards.
#[derive(Debug)]
pub struct Dht {
    config: Config,
    rng: ChaCha12Rng,
    /// In the order of [`Family::ALL`]; `None` where we take no part.
    networks: [Option<Network>; 2],
    transactions: Transactions,
    operations: BTreeMap<OperationId, Operation>,
    /// Those that have not begun.
    waiting: VecDeque<OperationId>,
    next_operation: u64,
    /// Well-known addresses that lead in, and never enter a table.
    routers: Vec<SocketAddr>,
    tokens: Tokens,
    peers: PeerStore,
    items: ItemStore,
    sources: SourceLimits,
    budget: Budget,
    maintenance_at: Instant,
    /// A part of a table may want to be looked up: see [`Self::settle`].
    is_refresh_due: bool,
    outbox: Outbox,
    events: VecDeque<Event>,
    memory: TokenMemory,
    scratch: Scratch,
    counts: Counts,
}

/// What belongs to one family.
#[derive(Debug)]
struct Network {
    table: Table,
    external: ExternalVotes,
    id_changed_at: Option<Instant>,
    bootstrapped_at: Option<Instant>,
    /// Nodes of an earlier run, until we know enough others.
    saved: Vec<Contact>,
}

/// What a node has done since it was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Queries of others that were answered, refusals included.
    pub queries_answered: u64,
    /// Queries of others that were not: too many of them, or of no use.
    pub queries_dropped: u64,
    /// Our queries.
    pub queries_sent: u64,
    /// Those of them that were answered.
    pub queries_replied: u64,
    /// Bytes of the answers that we gave.
    pub reply_bytes: u64,
}

impl Dht {
    /// A node that knows nobody. `seed` must be unpredictable in production: tokens and
    /// transaction ids are made from it.
    #[must_use]
    pub fn new(now: Instant, config: Config, seed: [u8; 32]) -> Self {
        Self::restore(now, config, &State::default(), seed)
    }

    /// A node with the ids of an earlier run, that finds its way back by the nodes it knew then.
    #[must_use]
    pub fn restore(now: Instant, config: Config, state: &State, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha12Rng::from_seed(seed);
        let mut secret = [0; 16];
        rng.fill_bytes(&mut secret);
        let rules = table::Rules {
            trusts_local: config.trusts_local_addresses,
            prefers_bound_ids: config.id_rule != IdRule::Ignore,
        };
        let networks = Family::ALL.map(|family| {
            let takes_part = match family {
                Family::V4 => config.v4,
                Family::V6 => config.v6,
            };
            let fresh = NodeId::random(&mut rng);
            let id = state.id(family).unwrap_or(fresh);
            takes_part.then(|| Network {
                table: Table::new(id, rules),
                external: ExternalVotes::default(),
                id_changed_at: None,
                bootstrapped_at: None,
                saved: state.nodes(family).to_vec(),
            })
        });
        let limits = PeerLimits {
            swarms: config.max_swarms,
            per_swarm: config.max_peers_per_swarm,
            per_source: config.max_peers_per_source,
        };
        Self {
            tokens: Tokens::new(now, secret),
            peers: PeerStore::new(now, limits),
            items: ItemStore::new(now, config.max_items),
            sources: SourceLimits::new(rng.next_u64(), config.max_queries_per_source),
            budget: Budget::new(now, config.reply_bytes_per_sec),
            networks,
            transactions: Transactions::default(),
            operations: BTreeMap::new(),
            waiting: VecDeque::new(),
            next_operation: 0,
            routers: Vec::new(),
            maintenance_at: now,
            is_refresh_due: false,
            outbox: Outbox::default(),
            events: VecDeque::new(),
            memory: TokenMemory::default(),
            scratch: Scratch::default(),
            counts: Counts::default(),
            config,
            rng,
        }
    }

    /// Takes a received UDP payload of any content. `Err` means ignored: nothing is sent but for a
    /// refusal, and of the state nothing changes but what is counted.
    ///
    /// # Errors
    /// If it is no message, answers nothing that we asked, or asks what we do not answer.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), DatagramError> {
        let from = canonical(from);
        if self.network(Family::of(from)).is_none() {
            return Err(DatagramError::OtherFamily);
        }
        let mut memory = std::mem::take(&mut self.memory);
        let message = decode_in(datagram, &mut memory);
        self.memory = memory;
        let result = match message {
            Ok(message) => match message.body {
                Body::Query(query) => self.serve(now, from, message.transaction_id, &query),
                Body::Response(response) => {
                    self.handle_response(now, from, message.transaction_id, &response)
                }
                Body::Error(error) => self.handle_error(now, from, message.transaction_id, &error),
            },
            Err(DecodeError::Query {
                transaction_id,
                code,
                reason,
            }) => self.serve_refusal(now, from, transaction_id, code, reason),
            Err(_) => Err(DatagramError::Malformed),
        };
        self.settle(now);
        result
    }

    /// Does what is due; harmless when called early.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(due) = self.transactions.next_due(now) {
            match due {
                Due::Slow(pending) => self.handle_slow(now, &pending),
                Due::Lost(pending) => self.handle_lost(now, &pending),
            }
        }
        if self.maintenance_at <= now {
            self.maintain(now);
        }
        self.settle(now);
    }

    /// Puts the next datagram to send into `datagram`, and returns where it goes. Drain after every
    /// call that takes `&mut self`.
    pub fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<SocketAddr> {
        self.outbox.pop(datagram)
    }

    /// The next thing that became known.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        let transaction = self.transactions.next_deadline();
        transaction.map_or(self.maintenance_at, |at| at.min(self.maintenance_at))
    }

    /// Our id in a network; `None` if we take no part in it.
    #[must_use]
    pub fn id(&self, family: Family) -> Option<NodeId> {
        self.network(family).map(|network| network.table.own_id())
    }

    /// How many nodes are in the routing table of a network.
    #[must_use]
    pub fn node_count(&self, family: Family) -> usize {
        self.network(family)
            .map_or(0, |network| network.table.len())
    }

    /// The nodes in the routing table of a network.
    pub fn nodes(&self, family: Family) -> impl Iterator<Item = Contact> {
        let entries = self.network(family).map(|network| network.table.iter());
        entries.into_iter().flatten().map(table::Entry::contact)
    }

    /// Our address in a network, if enough nodes agree about it.
    #[must_use]
    pub fn external_address(&self, family: Family) -> Option<IpAddr> {
        self.network(family)?.external.elected()
    }

    /// How many swarms, peers and items are stored here for others.
    #[must_use]
    pub fn stored(&self) -> (usize, usize, usize) {
        let peers = &self.peers;
        (peers.swarm_count(), peers.peer_count(), self.items.len())
    }

    /// How many operations have not ended.
    #[must_use]
    pub fn operation_count(&self) -> usize {
        let operations = self.operations.values();
        operations
            .filter(|operation| !operation.is_internal())
            .count()
    }

    /// What was done until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What to keep for the next run.
    #[must_use]
    pub fn state(&self) -> State {
        let mut state = State::default();
        for (family, network) in Family::ALL.into_iter().zip(&self.networks) {
            if let Some(network) = network {
                let live = network.table.iter().map(table::Entry::contact);
                let nodes = live.chain(network.saved.iter().copied());
                state.set(family, network.table.own_id(), nodes);
            }
        }
        state
    }

    /// For tests and fuzzing: checks what must hold between any two calls.
    ///
    /// # Panics
    /// If it does not hold, which is a fault of this crate.
    pub fn check_invariants(&self) {
        self.transactions.check_invariants();
        self.peers.check_invariants();
        for network in self.networks.iter().flatten() {
            network.table.check_invariants();
        }
        assert!(
            self.waiting
                .iter()
                .all(|id| self.operations.contains_key(id))
        );
        assert!(self.operation_count() <= commands::MAX_OPERATIONS);
    }

    /// Sends a query, and expects an answer for `purpose`; returns whether it could.
    fn send_query(
        &mut self,
        now: Instant,
        to: SocketAddr,
        id: Option<NodeId>,
        method: Method<'_>,
        purpose: Purpose,
    ) -> bool {
        let Some(own) = self.id(Family::of(to)) else {
            return false;
        };
        let begun = self.transactions.begin(now, &mut self.rng, to, id, purpose);
        let Some(transaction_id) = begun else {
            return false;
        };
        let is_both = self.config.v4 && self.config.v6;
        let message = Message {
            transaction_id: &transaction_id,
            body: Body::Query(Query {
                id: own,
                is_read_only: self.config.is_read_only,
                want: Want {
                    v4: is_both,
                    v6: is_both,
                },
                method,
            }),
            version: self.config.version.as_ref().map(<[u8; 4]>::as_slice),
        };
        self.outbox.push(to, &message);
        self.counts.queries_sent += 1;
        true
    }

    fn network(&self, family: Family) -> Option<&Network> {
        self.networks[family as usize].as_ref()
    }

    fn network_mut(&mut self, family: Family) -> Option<&mut Network> {
        self.networks[family as usize].as_mut()
    }
}

#[cfg(test)]
mod tests;
