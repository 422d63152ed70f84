//! The iterative search for the nodes closest to a target (BEP 5).

use std::{collections::BTreeSet, net::SocketAddr};

use crate::{
    Distance, K, NodeId,
    address::{self, Source, Subnet},
    wire::Contact,
};

/// One look-up in one family: asks the closest nodes known for closer ones, a few at a time, until
/// the eight closest have answered.
///
/// Knows nothing of messages and time: [`next`](Self::next) says whom to ask, and is told what
/// became of it.
#[derive(Debug)]
pub(crate) struct Lookup {
    target: NodeId,
    rules: Rules,
    /// Closest first.
    candidates: Vec<Candidate>,
    /// Nodes of which only the address is known.
    nameless: Vec<Nameless>,
    /// Who counts once only, and neighbourhoods that may count twice.
    sources: BTreeSet<Source>,
    figures: Figures,
}

/// What is expected of nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Who is ourselves.
    pub(crate) own: NodeId,
    /// How many are asked at once.
    pub(crate) parallel: usize,
    /// As in the table.
    pub(crate) trusts_local: bool,
    /// Nodes whose ids do not fit their addresses (BEP 42) are asked, but do not count among the
    /// closest, and nothing is stored with them.
    pub(crate) enforces_bound_ids: bool,
}

/// What a look-up took.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// Queries sent.
    pub queries: u32,
    /// Queries answered.
    pub replies: u32,
    /// Queries that were refused, or not answered in time.
    pub failures: u32,
    /// The longest chain of queries that were answered, each to a node that the answer before it
    /// named; 1 if only nodes were asked that we knew.
    pub depth: u32,
}

#[derive(Debug)]
struct Candidate {
    distance: Distance,
    contact: Contact,
    /// The chain of queries that ends with the one to this node.
    depth: u32,
    state: State,
    /// What it gave us to be allowed to store with it.
    token: Vec<u8>,
    counts: bool,
}

#[derive(Debug)]
struct Nameless {
    addr: SocketAddr,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Fresh,
    Asked,
    /// Asked some time ago; somebody else may be asked meanwhile.
    Slow,
    Answered,
    Failed,
}

/// Whom to ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ask {
    pub(crate) addr: SocketAddr,
    /// Who is expected to answer; `None` if only the address is known.
    pub(crate) id: Option<NodeId>,
}

impl Lookup {
    pub(crate) fn new(target: NodeId, rules: Rules) -> Self {
        Self {
            target,
            rules,
            candidates: Vec::new(),
            nameless: Vec::new(),
            sources: BTreeSet::new(),
            figures: Figures::default(),
        }
    }

    pub(crate) fn target(&self) -> NodeId {
        self.target
    }

    pub(crate) fn figures(&self) -> Figures {
        self.figures
    }

    /// A node that we know.
    pub(crate) fn add_known(&mut self, contact: Contact) {
        self.add(contact, 1);
    }

    /// An address where a node should be.
    pub(crate) fn add_nameless(&mut self, addr: SocketAddr) {
        let is_known =
            self.nameless.iter().any(|known| known.addr == addr) || self.position(addr).is_some();
        if !is_known && self.nameless.len() < MAX_NAMELESS {
            let state = State::Fresh;
            self.nameless.push(Nameless { addr, state });
        }
    }

    /// Whom to ask now; `None` if enough have been asked for the moment.
    pub(crate) fn next(&mut self) -> Option<Ask> {
        let candidates = self.candidates.iter().map(|candidate| candidate.state);
        let nameless = self.nameless.iter().map(|nameless| nameless.state);
        let asked = candidates.chain(nameless).filter(|s| *s == State::Asked);
        if asked.count() >= self.rules.parallel || self.figures.queries >= MAX_QUERIES {
            return None;
        }
        let ask = match self.fresh() {
            Some(at) => {
                let candidate = &mut self.candidates[at];
                candidate.state = State::Asked;
                Ask {
                    addr: candidate.contact.addr,
                    id: Some(candidate.contact.id),
                }
            }
            None => {
                if self.has_answers() {
                    return None;
                }
                let mut nameless = self.nameless.iter_mut();
                let nameless = nameless.find(|nameless| nameless.state == State::Fresh)?;
                nameless.state = State::Asked;
                Ask {
                    addr: nameless.addr,
                    id: None,
                }
            }
        };
        self.figures.queries += 1;
        Some(ask)
    }

    /// A node that was asked has answered; what it named is added by [`named`](Self::named).
    pub(crate) fn answered(&mut self, contact: Contact, token: Option<&[u8]>) {
        self.figures.replies += 1;
        if let Some(nameless) = self.nameless_mut(contact.addr) {
            nameless.state = State::Answered;
            self.add(contact, 1);
        }
        let Some(at) = self.position(contact.addr) else {
            return;
        };
        let candidate = &mut self.candidates[at];
        candidate.state = State::Answered;
        if let Some(token) = token.filter(|token| token.len() <= MAX_TOKEN) {
            candidate.token = token.to_vec();
        }
        self.figures.depth = self.figures.depth.max(candidate.depth);
    }

    /// `source` has named a node.
    pub(crate) fn named(&mut self, source: SocketAddr, contact: Contact) {
        if address::may_be_mentioned(contact.addr, source.ip()) {
            let at = self.position(source);
            let depth = at.map_or(1, |at| self.candidates[at].depth);
            self.add(contact, depth + 1);
        }
    }

    /// A node that was asked has not answered yet.
    pub(crate) fn is_slow(&mut self, addr: SocketAddr) {
        self.set(addr, State::Asked, State::Slow);
    }

    /// A node that was asked has refused, not answered, or not as who it was expected to be.
    pub(crate) fn failed(&mut self, addr: SocketAddr) {
        self.figures.failures += 1;
        self.set(addr, State::Asked, State::Failed);
        self.set(addr, State::Slow, State::Failed);
    }

    /// Whether the closest nodes have answered, or nobody is left to be asked.
    pub(crate) fn is_done(&self) -> bool {
        let is_waited_for = |state| matches!(state, State::Asked | State::Slow);
        let may_ask = self.figures.queries < MAX_QUERIES;
        let is_open = |state| is_waited_for(state) || (may_ask && state == State::Fresh);
        if self.closest().any(|candidate| is_open(candidate.state)) {
            return false;
        }
        // Without answers anybody might have one.
        self.has_answers() || !self.nameless.iter().any(|nameless| is_open(nameless.state))
    }

    /// The closest nodes that have answered and gave a token, with it.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (Contact, &[u8])> {
        let answered = self.closest();
        let answered = answered.filter(|candidate| candidate.state == State::Answered);
        let with_token = answered.filter(|candidate| !candidate.token.is_empty());
        with_token.map(|candidate| (candidate.contact, candidate.token.as_slice()))
    }

    /// The closest nodes that have answered.
    #[cfg(test)]
    pub(crate) fn found(&self) -> Vec<Contact> {
        let answered = self.closest();
        let answered = answered.filter(|candidate| candidate.state == State::Answered);
        answered.map(|candidate| candidate.contact).collect()
    }

    /// The closest eight of those that have not failed, with those between them that do not count.
    fn closest(&self) -> impl Iterator<Item = &Candidate> {
        let alive = self.candidates.iter();
        let alive = alive.filter(|candidate| candidate.state != State::Failed);
        let mut left = K;
        alive.take_while(move |candidate| {
            let is_in = left > 0;
            left -= usize::from(is_in && candidate.counts);
            is_in
        })
    }

    /// Where the closest one stands that has not been asked, if it is among the eight closest of
    /// those that may answer soon.
    fn fresh(&self) -> Option<usize> {
        let mut left = K;
        for (at, candidate) in self.candidates.iter().enumerate() {
            match candidate.state {
                State::Fresh => return Some(at),
                State::Asked | State::Answered => left -= usize::from(candidate.counts),
                State::Slow | State::Failed => {}
            }
            if left == 0 {
                return None;
            }
        }
        None
    }

    /// Whether so many nodes have answered that we need not ask for our way in any more.
    fn has_answers(&self) -> bool {
        let answered = self.candidates.iter();
        let answered = answered.filter(|candidate| candidate.state == State::Answered);
        answered.count() >= K
    }

    fn add(&mut self, contact: Contact, depth: u32) {
        if contact.id == self.rules.own || self.is_crowded(contact) {
            return;
        }
        let distance = self.target.distance(contact.id);
        let at = self
            .candidates
            .partition_point(|known| known.distance < distance);
        let is_twin = self
            .candidates
            .get(at)
            .is_some_and(|known| known.distance == distance);
        if is_twin || at >= MAX_CANDIDATES {
            return;
        }
        let is_bound = || contact.id.fits_address(contact.addr.ip());
        let candidate = Candidate {
            distance,
            contact,
            depth,
            state: State::Fresh,
            token: Vec::new(),
            counts: !self.rules.enforces_bound_ids || is_bound(),
        };
        self.candidates.insert(at, candidate);
        self.candidates.truncate(MAX_CANDIDATES);
        self.sources.insert(Source::of(contact.addr.ip()));
    }

    /// Whether there is a node with this address already, or too many from its neighbourhood: who
    /// has many addresses in one place does not get to answer for everybody.
    fn is_crowded(&self, contact: Contact) -> bool {
        let ip = contact.addr.ip();
        if self.rules.trusts_local && address::is_local(ip) {
            return self.position(contact.addr).is_some();
        }
        let subnet = Subnet::of(ip);
        let neighbours = self.candidates.iter().map(|known| known.contact.addr.ip());
        let neighbours = neighbours.filter(|known| Subnet::of(*known) == subnet);
        self.sources.contains(&Source::of(ip)) || neighbours.count() >= MAX_OF_SUBNET
    }

    fn set(&mut self, addr: SocketAddr, from: State, to: State) {
        let candidate = self.position(addr).map(|at| &mut self.candidates[at].state);
        let mut nameless = self.nameless.iter_mut();
        let nameless = nameless.find(|nameless| nameless.addr == addr);
        let states = candidate
            .into_iter()
            .chain(nameless.map(|nameless| &mut nameless.state));
        for state in states.filter(|state| **state == from) {
            *state = to;
        }
    }

    fn nameless_mut(&mut self, addr: SocketAddr) -> Option<&mut Nameless> {
        self.nameless
            .iter_mut()
            .find(|nameless| nameless.addr == addr)
    }

    fn position(&self, addr: SocketAddr) -> Option<usize> {
        let mut candidates = self.candidates.iter();
        candidates.position(|candidate| candidate.contact.addr == addr)
    }
}

impl Figures {
    /// Of two look-ups of one operation.
    pub(crate) fn add(&mut self, other: Self) {
        self.queries += other.queries;
        self.replies += other.replies;
        self.failures += other.failures;
        self.depth = self.depth.max(other.depth);
    }
}

/// Farther ones are forgotten.
const MAX_CANDIDATES: usize = 200;
const MAX_NAMELESS: usize = 64;
/// Enough where most nodes are silent; ends a look-up that liars lead on for ever.
const MAX_QUERIES: u32 = 150;
/// As in the table.
const MAX_OF_SUBNET: usize = 2;
/// Clients use 4 to 20 bytes.
const MAX_TOKEN: usize = 128;

#[cfg(test)]
mod tests;
