use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use rand_chacha::rand_core::Rng;

use super::Dht;
use crate::{
    Event, Family, IdRule, NodeId,
    operations::{Kind, Operation},
    transactions::Purpose,
    wire::Method,
};

impl Dht {
    /// What is done whether anything happens or not.
    pub(super) fn maintain(&mut self, now: Instant) {
        // Not all nodes of the world at the same time.
        let jitter = Duration::from_millis(self.rng.next_u64() % 2000);
        self.maintenance_at = now + INTERVAL + jitter;
        self.peers.sweep(now);
        self.items.sweep(now);
        self.check_doubtful(now);
        self.is_refresh_due = true;
    }

    /// Asks nodes that were not heard of for long whether they are there.
    fn check_doubtful(&mut self, now: Instant) {
        let mut doubtful = Vec::new();
        for network in self.networks.iter_mut().flatten() {
            network
                .table
                .doubtful(now, |contact| doubtful.push(contact));
        }
        for contact in doubtful {
            let id = Some(contact.id);
            self.send_query(now, contact.addr, id, Method::Ping, Purpose::Check);
        }
    }

    /// Looks something up in parts of the tables that were neglected, one at a time; or for a way
    /// in, if we know nobody.
    pub(super) fn refresh(&mut self, now: Instant) {
        for family in Family::ALL {
            if let Some(target) = self.refresh_target(now, family) {
                let id = self.next_operation_id();
                let operation = Operation::new(Kind::Refresh(family, target));
                self.operations.insert(id, operation);
                self.start(now, id);
            }
        }
    }

    fn refresh_target(&mut self, now: Instant, family: Family) -> Option<NodeId> {
        let operations = self.operations.values();
        let is_busy = operations
            .into_iter()
            .any(|operation| match operation.kind {
                Kind::Refresh(of, _) => of == family,
                Kind::Bootstrap(_) => true,
                _ => false,
            });
        if is_busy {
            return None;
        }
        let has_router = self.routers.iter().any(|addr| Family::of(*addr) == family);
        let network = self.networks[family as usize].as_mut()?;
        let own = network.table.own_id();
        let has_passed = |at: Option<Instant>, time| {
            at.is_none_or(|at| now.saturating_duration_since(at) >= time)
        };
        if network.table.len() == 0 {
            let may_find = has_router || !network.saved.is_empty();
            let is_due = may_find && has_passed(network.bootstrapped_at, BOOTSTRAP_AGAIN_AFTER);
            network.bootstrapped_at = if is_due {
                Some(now)
            } else {
                network.bootstrapped_at
            };
            return is_due.then_some(own);
        }
        let (bits, refreshed_at) = network.table.stalest();
        let is_last = bits + 1 == network.table.bucket_count();
        has_passed(refreshed_at, REFRESH_AFTER).then(|| match is_last {
            true => own,
            false => own.random_neighbour(bits, &mut self.rng),
        })
    }

    /// `voter` says that our address is `external`.
    pub(super) fn count_vote(&mut self, now: Instant, voter: IpAddr, external: IpAddr) {
        let family = Family::of(SocketAddr::new(voter, 0));
        let Some(network) = self.network_mut(family) else {
            return;
        };
        if let Some(ip) = network.external.vote(voter, external) {
            self.adopt_address(now, family, ip);
        }
    }

    /// Takes an id that our address may have, if ours is none (BEP 42).
    pub(super) fn adopt_address(&mut self, now: Instant, family: Family, ip: IpAddr) {
        self.events.push_back(Event::ExternalAddress(ip));
        let mut random = [0; 20];
        self.rng.fill_bytes(&mut random);
        let has_rule = self.config.id_rule != IdRule::Ignore;
        let Some(network) = self.network_mut(family) else {
            return;
        };
        let last = network.id_changed_at;
        let is_recent =
            last.is_some_and(|at| now.saturating_duration_since(at) < ID_CHANGE_INTERVAL);
        if !has_rule || is_recent || network.table.own_id().fits_address(ip) {
            return;
        }
        let id = NodeId::for_address(ip, random);
        network.table.change_id(now, id);
        network.id_changed_at = Some(now);
        self.events.push_back(Event::IdChanged(family, id));
    }
}

const INTERVAL: Duration = Duration::from_secs(10);
/// BEP 5: a bucket in which nothing has changed for 15 minutes should be refreshed.
const REFRESH_AFTER: Duration = Duration::from_secs(15 * 60);
const BOOTSTRAP_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Whoever could have us change it at will would have us forget who is around us.
const ID_CHANGE_INTERVAL: Duration = Duration::from_secs(10 * 60);
