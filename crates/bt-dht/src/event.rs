use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bt_types::SwarmId;

use crate::{Family, Figures, Item, NodeId, OperationId};

/// What the application learns.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Peers of a swarm that is looked up or announced to, each only once an operation.
    Peers {
        /// Of which operation.
        id: OperationId,
        /// Anybody may have announced anything: connect with care.
        peers: Vec<SocketAddr>,
    },
    /// An item that is looked up; of a mutable one, newer ones may follow.
    Item {
        /// Of which operation.
        id: OperationId,
        /// Checked: hash or signature fit.
        item: Item,
    },
    /// A node's sample of the swarms that it knows peers of (BEP 51).
    Samples {
        /// Of which operation.
        id: OperationId,
        /// Who was asked. Do not ask it again before `interval` is over.
        from: SocketAddr,
        /// The swarms.
        info_hashes: Vec<SwarmId>,
        /// For how long its answer stays the same.
        interval: Duration,
        /// How many swarms it knows altogether, as it says.
        total: u64,
    },
    /// An operation has ended. There is exactly one for each that was not cancelled, and nothing
    /// of it follows.
    Finished {
        /// Which operation.
        id: OperationId,
        /// What came of it.
        outcome: Outcome,
        /// What it took.
        figures: Figures,
    },
    /// Enough nodes agree what our address is.
    ExternalAddress(IpAddr),
    /// Our id was not one for our address (BEP 42), and is another now.
    IdChanged(Family, NodeId),
}

impl Event {
    pub(crate) fn is_of(&self, operation: OperationId) -> bool {
        match self {
            Self::Peers { id, .. }
            | Self::Item { id, .. }
            | Self::Samples { id, .. }
            | Self::Finished { id, .. } => *id == operation,
            Self::ExternalAddress(_) | Self::IdChanged(..) => false,
        }
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// [`bootstrap`](crate::Dht::bootstrap): so many nodes are in the routing tables now.
    Bootstrapped {
        /// 0 if nobody could be reached.
        nodes: usize,
    },
    /// [`get_peers`](crate::Dht::get_peers): so many different ones were found.
    PeersFound {
        /// All of them were in [`Event::Peers`].
        peers: usize,
    },
    /// [`announce`](crate::Dht::announce): so many nodes have taken it.
    Announced {
        /// 0 to 8 a family; 0 if nobody could be reached.
        nodes: usize,
    },
    /// [`scrape`](crate::Dht::scrape): about so many peers are in the swarm.
    Scraped {
        /// Who have everything.
        seeds: f64,
        /// Others.
        downloaders: f64,
        /// Nodes that told.
        nodes: usize,
    },
    /// [`get`](crate::Dht::get): whether the item was found.
    Got {
        /// If so, the last [`Event::Item`] is the newest.
        is_found: bool,
    },
    /// [`put`](crate::Dht::put): so many nodes have taken it.
    Put {
        /// 0 to 8 a family.
        nodes: usize,
    },
    /// [`sample`](crate::Dht::sample): so many nodes have answered with a sample.
    Sampled {
        /// All of them were in [`Event::Samples`].
        nodes: usize,
    },
    /// [`ping`](crate::Dht::ping): a node with this id answered.
    Answered {
        /// Who it says it is.
        id: NodeId,
        /// From query to answer.
        round_trip: Duration,
    },
    /// [`ping`](crate::Dht::ping): nobody did.
    NotAnswered,
}
