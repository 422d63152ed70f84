//! What the application has asked for, and what the node does for itself.

use std::{collections::BTreeSet, net::SocketAddr};

use bt_types::SwarmId;

use crate::{
    Bloom, Event, Family, Figures, Item, ItemName, NodeId, Outcome,
    lookup::Lookup,
    wire::{Method, Response, Signed},
};

/// Names an operation of one [`Dht`](crate::Dht).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OperationId(pub(crate) u64);

/// How a peer is announced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Announce {
    /// Where we accept peers. Not 0, unless `implied_port` is set.
    pub port: u16,
    /// The port is that from which the datagrams come: right where uTP shares it with the DHT, and
    /// behind a NAT the only one that can be right.
    pub implied_port: bool,
    /// We have everything (BEP 33).
    pub is_seed: bool,
}

/// What is to be found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// The immutable item with this hash.
    Immutable(NodeId),
    /// The newest version of a mutable item.
    Mutable(ItemName),
}

#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    pub(crate) stage: Stage,
    /// One a family, in the order of [`Family::ALL`].
    pub(crate) lookups: [Option<Lookup>; 2],
    /// Whether a look-up whose nodes were gone was given all others that we know.
    pub(crate) is_reseeded: [bool; 2],
    /// Of what follows the look-up.
    pub(crate) figures: Figures,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// Finds the nodes around ourselves, from these on.
    Bootstrap(Vec<SocketAddr>),
    /// Fills a bucket of the table; nobody is told.
    Refresh(Family, NodeId),
    GetPeers(PeerSearch),
    Announce(PeerSearch, Announce),
    Scrape {
        swarm: SwarmId,
        filters: Box<[Bloom; 2]>,
        nodes: usize,
    },
    Get {
        wanted: Wanted,
        found: Option<Item>,
    },
    Put {
        item: Item,
        cas: Option<i64>,
    },
    Sample {
        target: NodeId,
        nodes: usize,
    },
    Ping(SocketAddr),
}

/// The peers of a swarm, as they are found.
#[derive(Debug)]
pub(crate) struct PeerSearch {
    pub(crate) swarm: SwarmId,
    seen: BTreeSet<SocketAddr>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// Others come first.
    Waiting,
    Looking,
    /// Something is stored with the closest nodes, or one node was asked.
    Asking {
        open: usize,
        done: usize,
    },
}

impl Operation {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            stage: Stage::Waiting,
            lookups: [None, None],
            is_reseeded: [false; 2],
            figures: Figures::default(),
        }
    }

    /// What is looked for; `own` is our id in that family.
    pub(crate) fn target(&self, own: NodeId) -> NodeId {
        match &self.kind {
            Kind::Bootstrap(_) | Kind::Ping(_) => own,
            Kind::Refresh(_, target) | Kind::Sample { target, .. } => *target,
            Kind::GetPeers(search) | Kind::Announce(search, _) => search.swarm.into(),
            Kind::Scrape { swarm, .. } => (*swarm).into(),
            Kind::Get { wanted, .. } => wanted.target(),
            Kind::Put { item, .. } => item.target(),
        }
    }

    /// Whether the node does it for itself, and nobody is told.
    pub(crate) fn is_internal(&self) -> bool {
        matches!(self.kind, Kind::Refresh(..))
    }

    /// Whether it takes place in this family.
    pub(crate) fn concerns(&self, family: Family) -> bool {
        match self.kind {
            Kind::Refresh(of, _) => of == family,
            _ => true,
        }
    }

    /// What the nodes on the way are asked.
    pub(crate) fn method(&self, target: NodeId) -> Method<'static> {
        match &self.kind {
            Kind::Bootstrap(_) | Kind::Refresh(..) => Method::FindNode { target },
            Kind::GetPeers(search) | Kind::Announce(search, _) => Method::GetPeers {
                info_hash: search.swarm,
                no_seeds: false,
                scrape: false,
            },
            Kind::Scrape { swarm, .. } => Method::GetPeers {
                info_hash: *swarm,
                no_seeds: false,
                scrape: true,
            },
            Kind::Get { .. } | Kind::Put { .. } => Method::Get {
                target,
                newer_than: None,
            },
            Kind::Sample { .. } => Method::SampleInfohashes { target },
            Kind::Ping(_) => Method::Ping,
        }
    }

    /// What the closest nodes are asked to store.
    pub(crate) fn store_method<'a>(&'a self, token: &'a [u8]) -> Option<Method<'a>> {
        match &self.kind {
            Kind::Announce(search, announce) => Some(Method::AnnouncePeer {
                info_hash: search.swarm,
                port: announce.port,
                implied_port: announce.implied_port,
                is_seed: announce.is_seed,
                token,
            }),
            Kind::Put { item, cas } => Some(Method::Put {
                token,
                value: item.value(),
                signed: match item {
                    Item::Immutable(_) => None,
                    Item::Mutable(item) => Some(Signed {
                        key: item.name().key,
                        salt: &item.name().salt,
                        seq: item.seq(),
                        signature: *item.signature(),
                        cas: *cas,
                    }),
                },
            }),
            _ => None,
        }
    }

    /// Takes what an answer of the look-up brings beside nodes.
    pub(crate) fn take(
        &mut self,
        id: OperationId,
        from: SocketAddr,
        response: &Response<'_>,
    ) -> Option<Event> {
        match &mut self.kind {
            Kind::GetPeers(search) | Kind::Announce(search, _) => {
                let peers = search.take(from, &response.peers);
                (!peers.is_empty()).then_some(Event::Peers { id, peers })
            }
            Kind::Scrape { filters, nodes, .. } => {
                let told = [response.seeds, response.downloaders];
                *nodes += usize::from(told.iter().any(Option::is_some));
                for (filter, told) in filters.iter_mut().zip(told) {
                    if let Some(bytes) = told {
                        filter.insert_all(&Bloom::from_bytes(*bytes));
                    }
                }
                None
            }
            Kind::Get { wanted, found } => {
                let item = wanted.accept(response)?;
                if found.as_ref().is_some_and(|known| !is_newer(&item, known)) {
                    return None;
                }
                *found = Some(item.clone());
                Some(Event::Item { id, item })
            }
            Kind::Sample { nodes, .. } => {
                let samples = response.samples?;
                *nodes += 1;
                Some(Event::Samples {
                    id,
                    from,
                    info_hashes: samples.iter().collect(),
                    interval: std::time::Duration::from_secs(samples.interval_secs.into()),
                    total: samples.total,
                })
            }
            Kind::Bootstrap(_) | Kind::Refresh(..) | Kind::Put { .. } | Kind::Ping(_) => None,
        }
    }

    /// Whether there is nothing left to be found: an immutable item cannot become newer.
    pub(crate) fn is_satisfied(&self) -> bool {
        match &self.kind {
            Kind::Get { found, .. } => matches!(found, Some(Item::Immutable(_))),
            _ => false,
        }
    }

    /// A node that was asked directly has answered, or has not.
    pub(crate) fn asked(&mut self, is_answered: bool) {
        if let Stage::Asking { open, done } = &mut self.stage {
            *open = open.saturating_sub(1);
            *done += usize::from(is_answered);
        }
    }

    /// What came of it; `nodes` are in the tables. Of a ping it is that nobody answered.
    pub(crate) fn outcome(&self, nodes: usize) -> Outcome {
        let stored = match self.stage {
            Stage::Asking { done, .. } => done,
            Stage::Waiting | Stage::Looking => 0,
        };
        match &self.kind {
            Kind::Bootstrap(_) | Kind::Refresh(..) => Outcome::Bootstrapped { nodes },
            Kind::GetPeers(search) => Outcome::PeersFound {
                peers: search.seen.len(),
            },
            Kind::Announce(..) => Outcome::Announced { nodes: stored },
            Kind::Scrape { filters, nodes, .. } => {
                let [seeds, downloaders] = filters.each_ref().map(Bloom::estimate);
                Outcome::Scraped {
                    seeds,
                    downloaders,
                    nodes: *nodes,
                }
            }
            Kind::Get { found, .. } => Outcome::Got {
                is_found: found.is_some(),
            },
            Kind::Put { .. } => Outcome::Put { nodes: stored },
            Kind::Sample { nodes, .. } => Outcome::Sampled { nodes: *nodes },
            Kind::Ping(_) => Outcome::NotAnswered,
        }
    }

    /// What it took until now.
    pub(crate) fn total_figures(&self) -> Figures {
        let mut figures = self.figures;
        for lookup in self.lookups.iter().flatten() {
            figures.add(lookup.figures());
        }
        figures
    }
}

impl PeerSearch {
    pub(crate) fn new(swarm: SwarmId) -> Self {
        Self {
            swarm,
            seen: BTreeSet::new(),
        }
    }

    /// Those that are news, and could be peers.
    fn take(&mut self, from: SocketAddr, peers: &[SocketAddr]) -> Vec<SocketAddr> {
        let mut news = Vec::new();
        for peer in peers {
            let may_be = crate::address::may_be_mentioned(*peer, from.ip());
            if may_be && self.seen.len() < MAX_PEERS && self.seen.insert(*peer) {
                news.push(*peer);
            }
        }
        news
    }
}

impl Wanted {
    /// Where in the DHT it is found.
    #[must_use]
    pub fn target(&self) -> NodeId {
        match self {
            Self::Immutable(target) => *target,
            Self::Mutable(name) => name.target(),
        }
    }

    /// The item of an answer, if it is the one that is wanted.
    fn accept(&self, response: &Response<'_>) -> Option<Item> {
        let value = response.value?;
        match self {
            Self::Immutable(target) => {
                let item = crate::ImmutableItem::new(value).ok()?;
                (item.target() == *target).then_some(Item::Immutable(item))
            }
            #[cfg(feature = "mutable")]
            Self::Mutable(name) => {
                let seq = response.seq?;
                let signature = *response.signature?;
                let item = crate::MutableItem::new(name.clone(), seq, value, signature);
                item.ok().map(Item::Mutable)
            }
            #[cfg(not(feature = "mutable"))]
            Self::Mutable(_) => None,
        }
    }
}

/// Old versions come up for as long as some node has missed the new one.
fn is_newer(item: &Item, known: &Item) -> bool {
    match (item, known) {
        (Item::Mutable(item), Item::Mutable(known)) => item.seq() > known.seq(),
        _ => false,
    }
}

/// Of one operation; more than a client connects to.
const MAX_PEERS: usize = 2000;
