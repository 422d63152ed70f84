use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use bt_types::ConnId;

/// Divides a fixed number of upload slots among the peers that are interested.
///
/// Every ten seconds the slots go to those that send us most; where nobody sends (always, once we
/// have everything) they go round. One slot is optimistic: every thirty seconds it goes to whoever
/// has waited longest, so that nobody starves and newcomers can show what they have to give
/// (BEP 3, "Choking and Optimistic Unchoking"). Between the rounds only free slots are filled:
/// nobody who has one loses it, except by losing interest.
///
/// Performs no I/O and reads no clock: call [`rechoke`](Self::rechoke) when interest changes, a
/// peer comes or goes, or the time of [`poll_timeout`](Self::poll_timeout) has come.
#[derive(Debug)]
pub struct FixedSlots {
    slots: usize,
    next_round: Option<Instant>,
    /// Who has the optimistic slot, and since when.
    optimistic: Option<(ConnId, Instant)>,
    /// When each candidate last had a slot; sorted by connection. No entry: never.
    served: Vec<(ConnId, Instant)>,
}

/// A peer, as far as the choice is concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// The connection.
    pub conn: ConnId,
    /// It wants something that we have.
    pub is_interested: bool,
    /// Payload that it sends us, in bytes per second.
    pub download_rate: u64,
    /// Payload that we send it, in bytes per second.
    pub upload_rate: u64,
    /// Since when it has a slot; `None` if we choke it.
    pub unchoked_since: Option<Instant>,
}

/// What is to change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Decision {
    /// Take the slot of this peer.
    Choke(ConnId),
    /// Give this peer a slot.
    Unchoke(ConnId),
}

impl FixedSlots {
    /// At most `slots` peers are unchoked at a time.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self {
            slots,
            next_round: None,
            optimistic: None,
            served: Vec::new(),
        }
    }

    /// Changes the number of slots, with effect from the next [`rechoke`](Self::rechoke) on.
    pub fn set_slots(&mut self, slots: usize) {
        self.slots = slots;
    }

    /// When the slots are divided anew; `None` before the first time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_round
    }

    /// Decides who has a slot. `candidates` are all connected peers.
    ///
    /// Returns what differs from `candidates`, chokes first, so that there are never too many.
    pub fn rechoke(&mut self, now: Instant, candidates: &[Candidate]) -> Vec<Decision> {
        self.note_served(now, candidates);
        let is_round = self.next_round.is_none_or(|next| next <= now);
        if is_round {
            self.next_round = Some(now + ROUND);
        }
        let mut winners = self.optimistic_winner(now, candidates);
        let mut ranked: Vec<_> = candidates
            .iter()
            .filter(|peer| peer.is_interested && !winners.contains(&peer.conn))
            .collect();
        if is_round {
            ranked.sort_by_key(|peer| self.rank(now, peer));
        } else {
            // Who has a slot keeps it; who has waited longest gets what is free.
            ranked.sort_by_key(|peer| (peer.unchoked_since.is_none(), self.last_served(peer.conn)));
        }
        let free = self.slots - winners.len();
        winners.extend(ranked.iter().take(free).map(|peer| peer.conn));
        decisions(candidates, &winners)
    }

    /// Who has the optimistic slot, if there is more than one slot and somebody for it.
    fn optimistic_winner(&mut self, now: Instant, candidates: &[Candidate]) -> Vec<ConnId> {
        let interested = || candidates.iter().filter(|peer| peer.is_interested);
        if self.slots < 2 || interested().count() <= self.slots {
            self.optimistic = None;
            return Vec::new();
        }
        let keeps = self.optimistic.filter(|&(conn, since)| {
            now < since + OPTIMISTIC_TERM && interested().any(|peer| peer.conn == conn)
        });
        self.optimistic = keeps.or_else(|| {
            let waiting = interested().filter(|peer| peer.unchoked_since.is_none());
            let next = waiting.min_by_key(|peer| (self.last_served(peer.conn), peer.conn))?;
            Some((next.conn, now))
        });
        self.optimistic.into_iter().map(|(conn, _)| conn).collect()
    }

    /// Least is best: who gives most; then who has its slot and not yet had its turn; then who
    /// has waited longest. Whoever has had its turn comes behind all that wait.
    fn rank(&self, now: Instant, peer: &Candidate) -> impl Ord + use<> {
        let held = peer
            .unchoked_since
            .map(|since| now.saturating_duration_since(since));
        let turn = match held {
            Some(held) if held < TURN => Turn::Has,
            Some(_) => Turn::Had,
            None => Turn::Waits,
        };
        let rate = Reverse(peer.download_rate);
        (
            rate,
            turn,
            self.last_served(peer.conn),
            Reverse(peer.upload_rate),
            peer.conn,
        )
    }

    fn last_served(&self, conn: ConnId) -> Option<Instant> {
        let at = self
            .served
            .binary_search_by_key(&conn, |&(conn, _)| conn)
            .ok()?;
        Some(self.served[at].1)
    }

    /// Remembers who has a slot now, and forgets who is gone.
    fn note_served(&mut self, now: Instant, candidates: &[Candidate]) {
        let served = candidates.iter().filter_map(|peer| {
            let at = peer.unchoked_since.map(|_| now);
            at.or(self.last_served(peer.conn)).map(|at| (peer.conn, at))
        });
        let mut served: Vec<_> = served.collect();
        served.sort_unstable();
        self.served = served;
    }
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Turn {
    Has,
    Waits,
    Had,
}

fn decisions(candidates: &[Candidate], winners: &[ConnId]) -> Vec<Decision> {
    let chokes = candidates
        .iter()
        .filter(|peer| peer.unchoked_since.is_some() && !winners.contains(&peer.conn))
        .map(|peer| Decision::Choke(peer.conn));
    let unchokes = candidates
        .iter()
        .filter(|peer| peer.unchoked_since.is_none() && winners.contains(&peer.conn))
        .map(|peer| Decision::Unchoke(peer.conn));
    chokes.chain(unchokes).collect()
}

/// BEP 3: "every ten seconds", long enough for TCP to show what a peer gives.
const ROUND: Duration = Duration::from_secs(10);
/// BEP 3: three rounds.
const OPTIMISTIC_TERM: Duration = Duration::from_secs(30);
/// How long a slot is kept when others wait who give no less (libtorrent's round robin).
const TURN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
