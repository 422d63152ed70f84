use std::{net::SocketAddr, time::Instant};

use super::{DatagramError, Dht};
use crate::{
    Event, Family, Figures, K, OperationId, Outcome,
    lookup::{self, Lookup},
    operations::{Kind, Operation, Stage},
    table,
    transactions::{Pending, Purpose},
    wire::{Contact, Contacts, ErrorBody, Response},
};

impl Dht {
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        from: SocketAddr,
        transaction_id: &[u8],
        response: &Response<'_>,
    ) -> Result<(), DatagramError> {
        let pending = self.transactions.end(from, transaction_id);
        let pending = pending.ok_or(DatagramError::Unsolicited)?;
        let family = Family::of(from);
        let own = self.id(family).ok_or(DatagramError::OtherFamily)?;
        if response.id == own {
            self.handle_lost(now, &pending);
            return Err(DatagramError::Ourselves);
        }
        self.counts.queries_replied += 1;
        let contact = Contact {
            id: response.id,
            addr: from,
        };
        self.remember(now, contact);
        if let Some(external) = response.external {
            self.count_vote(now, from.ip(), external.ip());
        }
        if pending.id.is_some_and(|expected| expected != response.id) {
            // It is a node, and was remembered as what it says it is; but who asked for another
            // one is not answered.
            self.lookup_failed(now, &pending);
            return Err(DatagramError::OtherNode);
        }
        match pending.purpose {
            Purpose::Check => {}
            Purpose::Lookup(id, _) => self.with_operation(now, id, |dht, operation| {
                if let Some(event) = operation.take(id, from, response) {
                    dht.events.push_back(event);
                }
                for (at, lookup) in operation.lookups.iter_mut().enumerate() {
                    let Some(lookup) = lookup else { continue };
                    if at == family as usize {
                        lookup.answered(contact, response.token);
                    }
                    let nodes = [response.nodes, response.nodes6][at];
                    let nodes = nodes.into_iter().flat_map(Contacts::iter);
                    for node in nodes.take(MAX_NODES) {
                        lookup.named(from, node);
                    }
                }
            }),
            Purpose::Direct(id) => self.with_operation(now, id, |dht, operation| {
                operation.figures.replies += 1;
                operation.figures.depth = operation.figures.depth.max(1);
                if let Kind::Ping(_) = operation.kind {
                    let round_trip = pending.elapsed(now);
                    let id_of_node = response.id;
                    dht.events.push_back(Event::Finished {
                        id,
                        outcome: Outcome::Answered {
                            id: id_of_node,
                            round_trip,
                        },
                        figures: operation.figures,
                    });
                }
                operation.asked(true);
            }),
        }
        Ok(())
    }

    pub(super) fn handle_error(
        &mut self,
        now: Instant,
        from: SocketAddr,
        transaction_id: &[u8],
        _error: &ErrorBody<'_>,
    ) -> Result<(), DatagramError> {
        let pending = self.transactions.end(from, transaction_id);
        let pending = pending.ok_or(DatagramError::Unsolicited)?;
        // It is there, but does not say who it is.
        self.counts.queries_replied += 1;
        self.lookup_failed(now, &pending);
        Ok(())
    }

    pub(super) fn handle_slow(&mut self, now: Instant, pending: &Pending) {
        if let Purpose::Lookup(id, family) = pending.purpose {
            self.with_operation(now, id, |_, operation| {
                if let Some(lookup) = &mut operation.lookups[family as usize] {
                    lookup.is_slow(pending.addr);
                }
            });
        }
    }

    pub(super) fn handle_lost(&mut self, now: Instant, pending: &Pending) {
        if let (Some(id), Some(network)) = (pending.id, self.network_mut(Family::of(pending.addr)))
        {
            network.table.failed(Contact {
                id,
                addr: pending.addr,
            });
        }
        self.lookup_failed(now, pending);
    }

    fn lookup_failed(&mut self, now: Instant, pending: &Pending) {
        match pending.purpose {
            Purpose::Check => {}
            Purpose::Lookup(id, family) => self.with_operation(now, id, |_, operation| {
                if let Some(lookup) = &mut operation.lookups[family as usize] {
                    lookup.failed(pending.addr);
                }
            }),
            Purpose::Direct(id) => self.with_operation(now, id, |_, operation| {
                operation.figures.failures += 1;
                operation.asked(false);
            }),
        }
    }

    /// Who answers is a node for the table, unless he is one of the well-known ones.
    fn remember(&mut self, now: Instant, contact: Contact) {
        if self.routers.contains(&contact.addr) {
            return;
        }
        if let Some(network) = self.network_mut(Family::of(contact.addr)) {
            let is_live = network.table.heard_answer(now, contact) == table::Insertion::Live;
            if is_live && network.table.len() >= ENOUGH_NODES {
                network.saved.clear();
            }
        }
    }

    /// Begins what has waited long enough.
    pub(super) fn start(&mut self, now: Instant, id: OperationId) {
        self.with_operation(now, id, |dht, operation| {
            if let Kind::Ping(addr) = operation.kind {
                operation.stage = Stage::Asking { open: 1, done: 0 };
                operation.figures.queries = 1;
                let method = operation.method(crate::NodeId([0; 20]));
                if !dht.send_query(now, addr, None, method, Purpose::Direct(id)) {
                    operation.figures.failures += 1;
                    operation.asked(false);
                }
                return;
            }
            operation.stage = Stage::Looking;
            for family in Family::ALL {
                operation.lookups[family as usize] = dht.lookup(now, operation, family);
            }
        });
    }

    /// A look-up that knows where to begin.
    fn lookup(&mut self, now: Instant, operation: &Operation, family: Family) -> Option<Lookup> {
        if !operation.concerns(family) {
            return None;
        }
        let routers = self.routers.clone();
        let rules = self.lookup_rules(family)?;
        let network = self.network_mut(family)?;
        let target = operation.target(rules.own);
        network.table.is_refreshed(now, target);
        let mut lookup = Lookup::new(target, rules);
        let known = network.table.closest(now, target, false);
        known.iter().for_each(|contact| lookup.add_known(contact));
        let is_of_family = |addr: &&SocketAddr| Family::of(**addr) == family;
        if let Kind::Bootstrap(nodes) = &operation.kind {
            let nodes = nodes.iter().filter(is_of_family);
            nodes.for_each(|addr| lookup.add_nameless(*addr));
            network.bootstrapped_at = Some(now);
        }
        if network.table.len() < K {
            network
                .saved
                .iter()
                .for_each(|contact| lookup.add_known(*contact));
        }
        if known.is_empty() {
            let routers = routers.iter().filter(is_of_family);
            routers.for_each(|addr| lookup.add_nameless(*addr));
        }
        Some(lookup)
    }

    fn lookup_rules(&self, family: Family) -> Option<lookup::Rules> {
        Some(lookup::Rules {
            own: self.id(family)?,
            parallel: self.config.parallel.max(1),
            trusts_local: self.config.trusts_local_addresses,
            enforces_bound_ids: self.config.id_rule == crate::IdRule::Enforce,
        })
    }

    /// Lets something happen to an operation, and then lets it go on, or end.
    fn with_operation(
        &mut self,
        now: Instant,
        id: OperationId,
        happen: impl FnOnce(&mut Self, &mut Operation),
    ) {
        let Some(mut operation) = self.operations.remove(&id) else {
            return; // cancelled, or satisfied before
        };
        happen(self, &mut operation);
        let is_over = self.advance(now, id, &mut operation);
        if is_over {
            self.end(id, &operation);
        } else {
            self.operations.insert(id, operation);
        }
    }

    /// Asks whom the look-ups want to ask; returns whether it is all over.
    fn advance(&mut self, now: Instant, id: OperationId, operation: &mut Operation) -> bool {
        if operation.stage == Stage::Looking && !operation.is_satisfied() {
            let mut are_done = true;
            for family in Family::ALL {
                are_done &= self.advance_lookup(now, id, operation, family);
            }
            if !are_done {
                return false;
            }
            self.store(now, id, operation);
        }
        match operation.stage {
            Stage::Asking { open, .. } => open == 0,
            Stage::Looking => true,
            Stage::Waiting => false,
        }
    }

    fn advance_lookup(
        &mut self,
        now: Instant,
        id: OperationId,
        operation: &mut Operation,
        family: Family,
    ) -> bool {
        let at = family as usize;
        let Some(mut lookup) = operation.lookups[at].take() else {
            return true;
        };
        let purpose = Purpose::Lookup(id, family);
        let method = operation.method(lookup.target());
        loop {
            while let Some(ask) = lookup.next() {
                if !self.send_query(now, ask.addr, ask.id, method.clone(), purpose) {
                    lookup.failed(ask.addr);
                }
            }
            let is_done = lookup.is_done();
            let is_poor = (lookup.figures().replies as usize) < K;
            if !is_done || !is_poor || operation.is_reseeded[at] {
                operation.lookups[at] = Some(lookup);
                return is_done;
            }
            // Those it began with were gone, or know nobody: anybody may know more.
            operation.is_reseeded[at] = true;
            let table = self.network(family).map(|network| network.table.iter());
            let known = table.into_iter().flatten().map(table::Entry::contact);
            known.for_each(|contact| lookup.add_known(contact));
        }
    }

    /// Has the closest nodes store what is to be stored.
    fn store(&mut self, now: Instant, id: OperationId, operation: &mut Operation) {
        let mut open = 0;
        let mut figures = Figures::default();
        for lookup in operation.lookups.iter().flatten() {
            for (contact, token) in lookup.tokens() {
                let Some(method) = operation.store_method(token) else {
                    return;
                };
                let (to, purpose) = (contact.addr, Purpose::Direct(id));
                if self.send_query(now, to, Some(contact.id), method, purpose) {
                    open += 1;
                    figures.queries += 1;
                }
            }
        }
        operation.figures.add(figures);
        operation.stage = Stage::Asking { open, done: 0 };
    }

    fn end(&mut self, id: OperationId, operation: &Operation) {
        let nodes = Family::ALL
            .map(|family| self.node_count(family))
            .iter()
            .sum();
        let is_told = match (&operation.kind, operation.stage) {
            (Kind::Ping(_), Stage::Asking { done, .. }) => done > 0,
            _ => operation.is_internal(),
        };
        if !is_told {
            self.events.push_back(Event::Finished {
                id,
                outcome: operation.outcome(nodes),
                figures: operation.total_figures(),
            });
        }
        if let Kind::Bootstrap(_) | Kind::Refresh(..) = operation.kind {
            self.is_refresh_due = true;
        }
    }
}

/// Nodes of one answer: most send eight, some twice as many.
const MAX_NODES: usize = 20;
/// When so many nodes have answered, those of an earlier run are no longer needed.
const ENOUGH_NODES: usize = 32;
