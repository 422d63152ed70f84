//! Whom to dial next, and for how long to wait for an answer.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bt_scheduler::{DialCandidate, Evaluator};
use bt_types::{Encryption, Transport};

use crate::{Dial, DialId, peers::Peers};

/// The dials in flight. Bounded by the torrent's share of half-open connections.
#[derive(Debug)]
pub(crate) struct Dialler {
    in_flight: BTreeMap<DialId, InFlight>,
    next_id: u64,
    timeout: Duration,
    evaluator: Evaluator,
}

#[derive(Debug)]
struct InFlight {
    peer: SocketAddr,
    deadline: Instant,
}

/// What a round of dialling decided.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) dials: Vec<Dial>,
    /// When another round may find more to do, if nothing else happens before.
    pub(crate) next: Option<Instant>,
}

impl Dialler {
    pub(crate) fn new(timeout: Duration, evaluator: Evaluator) -> Self {
        Self {
            in_flight: BTreeMap::new(),
            next_id: 0,
            timeout,
            evaluator,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.in_flight.len()
    }

    /// Dials the best of the peers that are due, at most `slots` of them.
    ///
    /// `skip_seeds`: we have everything, and so have they. `rank` is that of BEP 40, and `draw`
    /// breaks the last ties.
    pub(crate) fn dial(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        slots: usize,
        skip_seeds: bool,
        rank: impl Fn(SocketAddr) -> u32,
        mut draw: impl FnMut() -> u64,
    ) -> Round {
        let useful = |is_seed: bool| !(skip_seeds && is_seed);
        let mut due: Vec<_> = peers
            .idle()
            .filter(|(_, peer)| peer.next_dial <= now && useful(peer.is_probably_seed()))
            .map(|(addr, peer)| {
                let candidate = DialCandidate {
                    source: peer.source(),
                    evaluation: self.evaluator.evaluate(&peer.evidence),
                    last_attempt: (peer.failures() > 0).then_some(peer.next_dial),
                    is_seed_hint: peer.is_seed,
                    canonical_priority: rank(addr),
                };
                (bt_scheduler::dial_priority(&candidate), draw(), addr)
            })
            .collect();
        due.sort_unstable_by(|a, b| (&b.0, b.1).cmp(&(&a.0, a.1)));
        let dials: Vec<_> = due
            .iter()
            .take(slots)
            .map(|&(_, _, peer)| self.start(now, peers, peer))
            .collect();
        let waiting = peers
            .idle()
            .filter(|(_, peer)| peer.next_dial > now && useful(peer.is_probably_seed()));
        let next_due = waiting.map(|(_, peer)| peer.next_dial).min();
        let next_timeout = self.in_flight.values().map(|dial| dial.deadline).min();
        Round {
            dials,
            next: next_due.into_iter().chain(next_timeout).min(),
        }
    }

    /// The dial is over; returns whom it was to.
    pub(crate) fn finish(&mut self, id: DialId) -> Option<SocketAddr> {
        self.in_flight.remove(&id).map(|dial| dial.peer)
    }

    /// Takes the dials that have waited long enough.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Vec<(DialId, SocketAddr)> {
        let expired = self
            .in_flight
            .iter()
            .filter(|(_, dial)| dial.deadline <= now);
        let expired: Vec<_> = expired.map(|(&id, dial)| (id, dial.peer)).collect();
        for (id, _) in &expired {
            self.in_flight.remove(id);
        }
        expired
    }

    /// Gives up those to certain peers.
    pub(crate) fn take_those(&mut self, is_one: impl Fn(SocketAddr) -> bool) -> Vec<DialId> {
        let in_flight = self.in_flight.iter();
        let those = in_flight.filter(|(_, dial)| is_one(dial.peer));
        let those: Vec<_> = those.map(|(&id, _)| id).collect();
        self.in_flight.retain(|id, _| !those.contains(id));
        those
    }

    /// Gives up all of them.
    pub(crate) fn take_all(&mut self) -> Vec<DialId> {
        std::mem::take(&mut self.in_flight).into_keys().collect()
    }

    fn start(&mut self, now: Instant, peers: &mut Peers, peer: SocketAddr) -> Dial {
        let id = DialId(self.next_id);
        self.next_id += 1;
        self.in_flight.insert(
            id,
            InFlight {
                peer,
                deadline: now + self.timeout,
            },
        );
        peers.set_dialling(peer);
        Dial {
            id,
            peer,
            transport: Transport::Tcp,
            encryption: Encryption::Plaintext,
        }
    }
}
