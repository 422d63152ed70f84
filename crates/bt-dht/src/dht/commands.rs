use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use bt_types::SwarmId;

use super::{Busy, Dht};
use crate::{
    Announce, Bloom, Family, Item, NodeId, OperationId, Wanted,
    address::{canonical, is_usable},
    operations::{Kind, Operation, PeerSearch},
};

impl Dht {
    /// Finds the nodes around ourselves, by way of nodes at these addresses, and of those that we
    /// know. Once it is over, the routing table goes on filling by itself.
    ///
    /// # Errors
    /// If too many operations have not ended; so for all commands.
    pub fn bootstrap(&mut self, now: Instant, nodes: &[SocketAddr]) -> Result<OperationId, Busy> {
        let nodes = nodes
            .iter()
            .copied()
            .map(canonical)
            .filter(|addr| is_usable(*addr));
        let nodes = nodes.take(MAX_BOOTSTRAP).collect();
        self.begin(now, Kind::Bootstrap(nodes))
    }

    /// Well-known hosts that lead in: they are asked when we know nobody, also later, and never
    /// enter the routing table. Replaces those that were given before.
    pub fn set_routers(&mut self, routers: &[SocketAddr]) {
        let usable = routers.iter().copied().map(canonical);
        self.routers = usable
            .filter(|addr| is_usable(*addr))
            .take(MAX_BOOTSTRAP)
            .collect();
    }

    /// Looks for peers of a swarm, and finds out who stands close to it.
    ///
    /// # Errors
    /// If too many operations have not ended.
    pub fn get_peers(&mut self, now: Instant, swarm: SwarmId) -> Result<OperationId, Busy> {
        self.begin(now, Kind::GetPeers(PeerSearch::new(swarm)))
    }

    /// Looks for peers of a swarm, and has the nodes closest to it know that we are one. To be done
    /// again every 15 minutes; never for a private torrent (BEP 27).
    ///
    /// # Errors
    /// If too many operations have not ended.
    pub fn announce(
        &mut self,
        now: Instant,
        swarm: SwarmId,
        announce: Announce,
    ) -> Result<OperationId, Busy> {
        self.begin(now, Kind::Announce(PeerSearch::new(swarm), announce))
    }

    /// Asks how many peers a swarm has (BEP 33).
    ///
    /// # Errors
    /// If too many operations have not ended.
    pub fn scrape(&mut self, now: Instant, swarm: SwarmId) -> Result<OperationId, Busy> {
        let kind = Kind::Scrape {
            swarm,
            filters: Box::new([Bloom::new(), Bloom::new()]),
            nodes: 0,
        };
        self.begin(now, kind)
    }

    /// Looks for an item (BEP 44).
    ///
    /// # Errors
    /// If too many operations have not ended.
    pub fn get(&mut self, now: Instant, wanted: Wanted) -> Result<OperationId, Busy> {
        let found = None;
        self.begin(now, Kind::Get { wanted, found })
    }

    /// Has the nodes closest to an item store it (BEP 44); with `cas`, only those that hold the
    /// mutable item with that seq, or nothing. To be done again every hour.
    ///
    /// # Errors
    /// If too many operations have not ended.
    pub fn put(&mut self, now: Instant, item: Item, cas: Option<i64>) -> Result<OperationId, Busy> {
        self.begin(now, Kind::Put { item, cas })
    }

    /// Asks nodes on the way to `target` for samples of the swarms that they know (BEP 51).
    ///
    /// # Errors
    /// If too many operations have not ended.
    pub fn sample(&mut self, now: Instant, target: NodeId) -> Result<OperationId, Busy> {
        self.begin(now, Kind::Sample { target, nodes: 0 })
    }

    /// Asks whether a node is there; if it is, it may enter the routing table. For addresses that
    /// peers give (`port` of BEP 5) too.
    ///
    /// # Errors
    /// If too many operations have not ended.
    pub fn ping(&mut self, now: Instant, addr: SocketAddr) -> Result<OperationId, Busy> {
        self.begin(now, Kind::Ping(canonical(addr)))
    }

    /// Ends an operation; no event of it will come. Harmless if it has ended already.
    pub fn cancel(&mut self, now: Instant, id: OperationId) {
        if self.operations.remove(&id).is_some() {
            self.waiting.retain(|waiting| *waiting != id);
            self.events.retain(|event| !event.is_of(id));
            self.settle(now);
        }
    }

    /// Our address, where it is known from elsewhere: our id becomes one that it may have (BEP 42).
    pub fn set_external_address(&mut self, now: Instant, ip: IpAddr) {
        let ip = ip.to_canonical();
        let family = Family::of(SocketAddr::new(ip, 0));
        let Some(network) = self.network_mut(family) else {
            return;
        };
        if let Some(ip) = network.external.elect(ip) {
            self.adopt_address(now, family, ip);
        }
    }

    /// Somebody beside the DHT, whom we have asked, says that our address is `address`, as trackers
    /// do (BEP 24): one vote, as that of a node that answers (BEP 42).
    pub fn handle_address_vote(&mut self, now: Instant, voter: IpAddr, address: IpAddr) {
        self.count_vote(now, voter.to_canonical(), address.to_canonical());
    }

    fn begin(&mut self, now: Instant, kind: Kind) -> Result<OperationId, Busy> {
        if self.operation_count() >= MAX_OPERATIONS {
            return Err(Busy);
        }
        let id = self.next_operation_id();
        self.operations.insert(id, Operation::new(kind));
        self.waiting.push_back(id);
        self.settle(now);
        Ok(id)
    }

    /// Begins what waits, a few at a time: who has a thousand torrents does not flood anybody. To
    /// be called when something may have ended, and by nothing that this calls: what ends at once
    /// makes room for the next.
    pub(super) fn settle(&mut self, now: Instant) {
        while self.running_count() < MAX_RUNNING && self.transactions.len() < MAX_OPEN_QUERIES {
            let Some(id) = self.waiting.pop_front() else {
                break;
            };
            self.start(now, id);
        }
        while std::mem::take(&mut self.is_refresh_due) {
            self.refresh(now);
        }
    }

    fn running_count(&self) -> usize {
        self.operation_count() - self.waiting.len()
    }

    pub(super) fn next_operation_id(&mut self) -> OperationId {
        let id = OperationId(self.next_operation);
        self.next_operation += 1;
        id
    }
}

/// Operations that have not ended, most of which wait.
pub(super) const MAX_OPERATIONS: usize = 4096;
/// Operations at a time.
const MAX_RUNNING: usize = 16;
/// While more are open, also those of operations that were cancelled, nothing else begins.
const MAX_OPEN_QUERIES: usize = 256;
const MAX_BOOTSTRAP: usize = 64;
