use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use bt_types::ConnId;
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};

/// Divides a fixed number of upload slots among the peers that are interested.
///
/// Every ten seconds the slots go to those that send us most; where nobody sends (always, once we
/// have everything) they go round. One slot is optimistic: every thirty seconds it goes to whoever
/// has waited longest, so that nobody starves and newcomers can show what they have to give
/// (BEP 3, "Choking and Optimistic Unchoking"). Between the rounds only free slots are filled:
/// nobody who has one loses it, except by losing interest. That holds for the number of slots, too:
/// new ones are filled at once, those that go are taken in the next round, from the worst.
///
/// Performs no I/O and reads no clock: call [`rechoke`](Self::rechoke) when interest changes, a
/// peer comes or goes, or the time of [`poll_timeout`](Self::poll_timeout) has come.
#[derive(Debug)]
pub struct FixedSlots {
    slots: usize,
    next_round: Option<Instant>,
    /// Who has the optimistic slot, and since when.
    optimistic: Option<(ConnId, Instant)>,
    /// What is remembered of each candidate; sorted by connection.
    records: Vec<Record>,
    rng: ChaCha12Rng,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    conn: ConnId,
    /// When it last had a slot.
    served: Option<Instant>,
    /// Decides between equals, so that those who connect first have no advantage for ever.
    lot: u64,
}

/// A peer, as far as the choice is concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChokeCandidate {
    /// The connection.
    pub conn: ConnId,
    /// It wants something that we have.
    pub is_interested: bool,
    /// Payload that it sends us, in bytes per second.
    pub download_rate: u64,
    /// Payload that we send it, in bytes per second.
    pub upload_rate: u64,
    /// Since when it has a slot; `None` if we choke it.
    pub unchoked_at: Option<Instant>,
}

/// What is to change.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rechoke {
    /// The slots of these peers are taken. First, so that there are never too many.
    pub choke: Vec<ConnId>,
    /// These peers are given slots.
    pub unchoke: Vec<ConnId>,
}

impl FixedSlots {
    /// At most `slots` peers are unchoked at a time; `seed` decides between equals.
    #[must_use]
    pub fn new(slots: usize, seed: [u8; 32]) -> Self {
        Self {
            slots,
            next_round: None,
            optimistic: None,
            records: Vec::new(),
            rng: ChaCha12Rng::from_seed(seed),
        }
    }

    /// Changes the number of slots: more with the next [`rechoke`](Self::rechoke), fewer with the
    /// next round.
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
    /// Returns what differs from `candidates`.
    #[must_use = "the peers do not know yet"]
    pub fn rechoke(&mut self, now: Instant, candidates: &[ChokeCandidate]) -> Rechoke {
        self.remember(now, candidates);
        let is_round = self.next_round.is_none_or(|next| next <= now);
        if is_round {
            self.next_round = Some(now + ROUND);
        }
        let mut winners = self.optimistic_winner(now, is_round, candidates);
        let mut ranked: Vec<_> = candidates
            .iter()
            .filter(|peer| peer.is_interested && !winners.contains(&peer.conn))
            .collect();
        if is_round {
            ranked.sort_by_key(|peer| self.rank(now, peer));
        } else {
            // Who has a slot keeps it; who has waited longest gets what is free.
            ranked.sort_by_key(|peer| (peer.unchoked_at.is_none(), self.wait(peer.conn)));
        }
        let slots = match is_round {
            true => self.slots,
            false => self.slots.max(holders(candidates)),
        };
        let free = slots - winners.len();
        winners.extend(ranked.iter().take(free).map(|peer| peer.conn));
        changes(candidates, &winners)
    }

    /// Who has the optimistic slot, if there is more than one slot and somebody for it. Changes in
    /// rounds only.
    fn optimistic_winner(
        &mut self,
        now: Instant,
        is_round: bool,
        candidates: &[ChokeCandidate],
    ) -> Vec<ConnId> {
        let interested = || candidates.iter().filter(|peer| peer.is_interested);
        if self.slots < 2 || interested().count() <= self.slots {
            self.optimistic = None;
            return Vec::new();
        }
        let keeps = self.optimistic.filter(|&(conn, since)| {
            let is_over = is_round && since + OPTIMISTIC_TERM <= now;
            !is_over && interested().any(|peer| peer.conn == conn)
        });
        self.optimistic = keeps.or_else(|| {
            if !is_round {
                return None;
            }
            let waiting = interested().filter(|peer| peer.unchoked_at.is_none());
            let next = waiting.min_by_key(|peer| (self.wait(peer.conn), peer.conn))?;
            Some((next.conn, now))
        });
        self.optimistic.into_iter().map(|(conn, _)| conn).collect()
    }

    /// Least is best: who gives most; then who has its slot and not yet had its turn; then who
    /// has waited longest. Whoever has had its turn comes behind all that wait.
    fn rank(&self, now: Instant, peer: &ChokeCandidate) -> impl Ord + use<> {
        let held = peer
            .unchoked_at
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
            self.wait(peer.conn),
            Reverse(peer.upload_rate),
            peer.conn,
        )
    }

    /// Least for who has waited longest.
    fn wait(&self, conn: ConnId) -> (Option<Instant>, u64) {
        let at = self
            .records
            .binary_search_by_key(&conn, |record| record.conn);
        at.map_or((None, 0), |at| {
            (self.records[at].served, self.records[at].lot)
        })
    }

    /// Remembers who has a slot now, and forgets who is gone.
    fn remember(&mut self, now: Instant, candidates: &[ChokeCandidate]) {
        let former = std::mem::take(&mut self.records);
        let records = candidates.iter().map(|peer| {
            let record = match former.binary_search_by_key(&peer.conn, |record| record.conn) {
                Ok(at) => former[at],
                Err(_) => Record {
                    conn: peer.conn,
                    served: None,
                    lot: self.rng.next_u64(),
                },
            };
            let served = peer.unchoked_at.map(|_| now).or(record.served);
            Record { served, ..record }
        });
        self.records = records.collect();
        self.records.sort_unstable_by_key(|record| record.conn);
    }
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Turn {
    Has,
    Waits,
    Had,
}

/// How many have a slot and use it.
fn holders(candidates: &[ChokeCandidate]) -> usize {
    let holders = candidates
        .iter()
        .filter(|peer| peer.is_interested && peer.unchoked_at.is_some());
    holders.count()
}

/// The difference between who has a slot and who should.
fn changes(candidates: &[ChokeCandidate], winners: &[ConnId]) -> Rechoke {
    let has_won = |peer: &&ChokeCandidate| winners.contains(&peer.conn);
    let (won, lost): (Vec<_>, Vec<&ChokeCandidate>) = candidates.iter().partition(has_won);
    let losing = lost.iter().filter(|peer| peer.unchoked_at.is_some());
    let winning = won.iter().filter(|peer| peer.unchoked_at.is_none());
    Rechoke {
        choke: losing.map(|peer| peer.conn).collect(),
        unchoke: winning.map(|peer| peer.conn).collect(),
    }
}

/// BEP 3: "every ten seconds", long enough for TCP to show what a peer gives.
const ROUND: Duration = Duration::from_secs(10);
/// BEP 3: three rounds.
const OPTIMISTIC_TERM: Duration = Duration::from_secs(30);
/// How long a slot is kept when others wait who give no less (libtorrent's round robin).
const TURN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
