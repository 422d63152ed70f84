mod slots;

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use bt_types::ConnId;
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};

use self::slots::SlotCount;
use crate::{Evaluator, Evidence};

/// Decides whom we upload to.
///
/// Every ten seconds the slots go to those that gave us most in the last rounds, of which each counts
/// half of the one after, as an [`Evaluator`] values it: what came and was right. Where nobody sends (always, once we have everything) they go round. One
/// slot in five, but at least one, is optimistic: every thirty seconds it goes to whoever has waited
/// longest, so that nobody starves and newcomers can show what they have to give (BEP 3, "Choking and
/// Optimistic Unchoking"). Between the rounds only free slots
/// are filled: nobody who has one loses it, except by losing interest, or by bad [`Conduct`] while
/// others wait. That holds for the number of slots, too: new ones are filled at once, those that go
/// are taken in the next round, from the worst.
///
/// Who has a slot and asks for nothing *rests*: it keeps the slot for now, and somebody else gets one
/// more, since the line would be idle otherwise.
///
/// Last of all come those who have shown that they give nothing ([`Conduct`]), for optimistic slots
/// as well: they have what nobody else wants.
///
/// How many slots there are follows the upload rate, up to what the torrent is granted: 4 on lines
/// of up to 13 Mbit/s, 11 at 100 Mbit/s, 35 at 1 Gbit/s, and more while more of them make the rate
/// grow.
///
/// Performs no I/O and reads no clock: call [`rechoke`](Self::rechoke) when interest changes, a
/// peer comes or goes, or the time of [`poll_timeout`](Self::poll_timeout) has come.
#[derive(Debug)]
pub struct Choker {
    evaluator: Evaluator,
    max_slots: usize,
    count: SlotCount,
    /// What the two come to since the last round.
    slots: usize,
    next_round: Option<Instant>,
    /// When to look for those who rest, if somebody waits.
    next_review: Option<Instant>,
    /// Who has an optimistic slot, and since when.
    optimistic: Vec<(ConnId, Instant)>,
    /// What is remembered of each candidate; sorted by connection.
    records: Vec<Record>,
    rng: ChaCha12Rng,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    conn: ConnId,
    /// When it last had a slot.
    served: Option<Instant>,
    /// What it had sent us when the last round began.
    received: u64,
    /// What it sent us in the last rounds: each counts half of the one after.
    given: u64,
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
    /// It has asked for something of late.
    pub is_asking: bool,
    /// What it does with what it gets, as far as we see it.
    pub conduct: Conduct,
    /// Payload that it has sent us in all, in bytes.
    pub received: u64,
    /// What is known of it, by what it did of late.
    pub evidence: Evidence,
    /// Since when it has a slot; `None` if we choke it.
    pub unchoked_at: Option<Instant>,
}

/// What a peer does with what it gets: the least is the best.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Conduct {
    /// Nothing is held against it.
    #[default]
    Fair,
    /// It has taken much more from us than it gave, though we lack something.
    Taking,
    /// What nobody but us had was given to it, and has been seen nowhere else since.
    Hoarding,
}

impl ChokeCandidate {
    /// It has a slot, and leaves it unused.
    fn is_resting(&self) -> bool {
        self.unchoked_at.is_some() && !self.is_asking
    }
}

impl Conduct {
    /// Judges by the payload that went either way in all, in bytes, whether a peer gives anything
    /// for what it takes. Only who lacks something can tell.
    #[must_use]
    pub fn of_trade(sent: u64, received: u64) -> Self {
        if sent >= CREDIT && received < sent / FAIR_PART {
            Self::Taking
        } else {
            Self::Fair
        }
    }
}

/// What is to change.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rechoke {
    /// The slots of these peers are taken. First, so that there are never too many.
    pub choke: Vec<ConnId>,
    /// These peers are given slots.
    pub unchoke: Vec<ConnId>,
}

impl Choker {
    /// At most `max_slots` peers are unchoked at a time; `seed` decides between equals.
    #[must_use]
    pub fn new(max_slots: usize, evaluator: Evaluator, seed: [u8; 32]) -> Self {
        let count = SlotCount::new();
        Self {
            evaluator,
            max_slots,
            slots: count.get(0).min(max_slots),
            count,
            next_round: None,
            next_review: None,
            optimistic: Vec::new(),
            records: Vec::new(),
            rng: ChaCha12Rng::from_seed(seed),
        }
    }

    /// Changes the greatest number of slots: more with the next [`rechoke`](Self::rechoke), fewer
    /// with the next round.
    pub fn set_max_slots(&mut self, max_slots: usize) {
        self.max_slots = max_slots;
    }

    /// How many slots there are: of those whose holders rest there may be some more.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots.min(self.max_slots)
    }

    /// Whether the peer has one of the slots that go to whoever has waited longest.
    #[must_use]
    pub fn is_optimistic(&self, conn: ConnId) -> bool {
        self.optimistic.iter().any(|&(holder, _)| holder == conn)
    }

    /// When to call [`rechoke`](Self::rechoke) again; `None` before the first time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_round.into_iter().chain(self.next_review).min()
    }

    /// Decides who has a slot. `candidates` are all connected peers, `upload_rate` is what we send
    /// to all of them in bytes per second.
    ///
    /// Returns what differs from `candidates`.
    #[must_use = "the peers do not know yet"]
    pub fn rechoke(
        &mut self,
        now: Instant,
        upload_rate: u64,
        candidates: &[ChokeCandidate],
    ) -> Rechoke {
        let is_round = self.next_round.is_none_or(|next| next <= now);
        self.remember(now, is_round, candidates);
        if is_round {
            self.next_round = Some(now + ROUND);
            let interested = candidates.iter().filter(|peer| peer.is_interested);
            let is_full = self.slots < self.max_slots && interested.count() > self.slots;
            self.count.round(upload_rate, is_full);
        }
        if is_round || self.count.get(upload_rate).min(self.max_slots) > self.slots {
            self.slots = self.count.get(upload_rate).min(self.max_slots);
        }
        let optimistic = self.optimistic_winners(now, is_round, candidates);
        let interested = candidates.iter().filter(|peer| peer.is_interested);
        let (mut winners, mut ranked): (Vec<&ChokeCandidate>, Vec<_>) =
            interested.partition(|peer| optimistic.contains(&peer.conn));
        if is_round {
            ranked.sort_by_key(|peer| self.rank(now, peer));
        } else {
            // Who has a slot and is worth it keeps it; who has waited longest gets what is free.
            ranked.sort_by_key(|peer| {
                let has_none = peer.unchoked_at.is_none();
                (peer.conduct, has_none, self.wait(peer.conn))
            });
        }
        let waiting = ranked.split_off(ranked.len().min(self.slots - winners.len()));
        winners.extend(ranked);
        let resting = winners.iter().filter(|peer| peer.is_resting()).count();
        let more = match is_round {
            true => resting,
            false => resting.max(holders(candidates).saturating_sub(winners.len())),
        };
        let more = more.min(self.max_slots.saturating_sub(winners.len()));
        self.next_review = (waiting.len() > more).then_some(now + REVIEW);
        winners.extend(waiting.into_iter().take(more));
        changes(candidates, &winners)
    }

    /// Who has the optimistic slots, if there is more than one slot and somebody for them. Changes
    /// in rounds only.
    fn optimistic_winners(
        &mut self,
        now: Instant,
        is_round: bool,
        candidates: &[ChokeCandidate],
    ) -> Vec<ConnId> {
        let interested = || candidates.iter().filter(|peer| peer.is_interested);
        if self.slots < 2 || interested().count() <= self.slots {
            self.optimistic.clear();
            return Vec::new();
        }
        self.optimistic.retain(|&(conn, since)| {
            let is_over = is_round && since + OPTIMISTIC_TERM <= now;
            let mut interested = interested();
            !is_over
                && interested.any(|peer| peer.conn == conn && peer.conduct != Conduct::Hoarding)
        });
        if is_round {
            let wanted = (self.slots / 5).max(1);
            self.optimistic.truncate(wanted);
            let mut waiting: Vec<_> = interested()
                .filter(|peer| peer.unchoked_at.is_none())
                .map(|peer| (peer.conduct, self.wait(peer.conn), peer.conn))
                .collect();
            waiting.sort_unstable();
            let missing = wanted - self.optimistic.len();
            let next = waiting.into_iter().take(missing);
            self.optimistic.extend(next.map(|(_, _, conn)| (conn, now)));
        }
        self.optimistic.iter().map(|&(conn, _)| conn).collect()
    }

    /// Least is best: who does not only take; then who gives most; then who has its slot and not yet
    /// had its turn; then who has waited longest. Whoever has had its turn comes behind all that wait.
    fn rank(&self, now: Instant, peer: &ChokeCandidate) -> impl Ord + use<> {
        let held = peer
            .unchoked_at
            .map(|since| now.saturating_duration_since(since));
        let turn = match held {
            Some(held) if held < TURN => Turn::Has,
            Some(_) => Turn::Had,
            None => Turn::Waits,
        };
        (
            peer.conduct,
            Reverse(self.given(peer)),
            turn,
            self.wait(peer.conn),
            Reverse(self.evaluator.evaluate(&peer.evidence).worth()),
            peer.conn,
        )
    }

    /// What it gave us in the last rounds that was of use, in bytes per second.
    fn given(&self, peer: &ChokeCandidate) -> u64 {
        let given = self.record(peer.conn).map_or(0, |record| record.given);
        let evidence = Evidence {
            download_rate: Some(given / ROUND.as_secs()),
            ..peer.evidence
        };
        self.evaluator.evaluate(&evidence).goodput()
    }

    /// Least for who has waited longest.
    fn wait(&self, conn: ConnId) -> (Option<Instant>, u64) {
        let record = self.record(conn);
        record.map_or((None, 0), |record| (record.served, record.lot))
    }

    fn record(&self, conn: ConnId) -> Option<&Record> {
        let at = self
            .records
            .binary_search_by_key(&conn, |record| record.conn);
        at.ok().map(|at| &self.records[at])
    }

    /// Remembers who has a slot now, and forgets who is gone.
    fn remember(&mut self, now: Instant, is_round: bool, candidates: &[ChokeCandidate]) {
        let former = std::mem::take(&mut self.records);
        let records = candidates.iter().map(|peer| {
            let record = match former.binary_search_by_key(&peer.conn, |record| record.conn) {
                Ok(at) => former[at],
                Err(_) => Record {
                    conn: peer.conn,
                    served: None,
                    received: peer.received,
                    given: 0,
                    lot: self.rng.next_u64(),
                },
            };
            let served = peer.unchoked_at.map(|_| now).or(record.served);
            let record = Record { served, ..record };
            if !is_round {
                return record;
            }
            let news = peer.received.saturating_sub(record.received);
            Record {
                received: peer.received,
                given: (record.given + news) / 2,
                ..record
            }
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

/// How many have a slot and want it.
fn holders(candidates: &[ChokeCandidate]) -> usize {
    let holders = candidates
        .iter()
        .filter(|peer| peer.is_interested && peer.unchoked_at.is_some());
    holders.count()
}

/// The difference between who has a slot and who should.
fn changes(candidates: &[ChokeCandidate], winners: &[&ChokeCandidate]) -> Rechoke {
    let has_won = |peer: &&ChokeCandidate| winners.iter().any(|winner| winner.conn == peer.conn);
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
/// How soon it is seen that somebody rests.
const REVIEW: Duration = Duration::from_millis(250);
/// Bytes that everybody may take before it has to give: enough to have something to give.
const CREDIT: u64 = 1 << 20;
/// Who gives less than this part of what it takes gives nothing: a slow line that does its best
/// against a fast one gives more.
const FAIR_PART: u64 = 8;
/// How long a slot is kept when others wait who give no less. Short, as whoever gives nothing on
/// keeps what we sent it from all others.
const TURN: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests;
