//! What one peer and we have told each other of others (BEP 11).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use bt_wire::{PexFlags, PexMessage, PexPeer};

use crate::bans::is_local;

/// The exchange of addresses with one peer.
#[derive(Debug, Default)]
pub(crate) struct Gossip {
    /// Whom we have told it of, and not taken back.
    told: BTreeSet<SocketAddr>,
    /// When it may be told of others; `None` as long as it does not listen to that.
    next_at: Option<Instant>,
    /// When it was last listened to.
    heard_at: Option<Instant>,
    /// Messages since that came too soon.
    ignored: u32,
    /// Peers that nobody had named before, and of which nothing else is known yet.
    brought: BTreeSet<SocketAddr>,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Heard {
    /// It counts.
    Taken,
    /// It came too soon after the last, and does not count.
    TooSoon,
    /// One of so many that did.
    Flood(u32),
}

impl Gossip {
    /// The peer listens, as it says.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.next_at.get_or_insert(now + FIRST_DELAY);
    }

    /// It does not listen any more.
    pub(crate) fn end(&mut self) {
        self.next_at = None;
    }

    /// When there may be something to tell it.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.next_at
    }

    /// What to tell it, if there is anything; at most once a minute. `present` are those to whom we
    /// are connected, and it may know of.
    pub(crate) fn tell(
        &mut self,
        now: Instant,
        present: &BTreeMap<SocketAddr, PexFlags>,
    ) -> Option<PexMessage> {
        self.next_at.filter(|at| *at <= now)?;
        let news = present.iter().filter(|(addr, _)| !self.told.contains(addr));
        let added: Vec<_> = news
            .take(MAX_TOLD)
            .map(|(&addr, &flags)| PexPeer { addr, flags })
            .collect();
        let gone = self.told.iter().filter(|addr| !present.contains_key(addr));
        let dropped: Vec<_> = gone.take(MAX_TOLD).copied().collect();
        if added.is_empty() && dropped.is_empty() {
            self.next_at = Some(now + LOOK_INTERVAL);
            return None;
        }
        self.told.extend(added.iter().map(|peer| peer.addr));
        dropped.iter().for_each(|addr| _ = self.told.remove(addr));
        self.next_at = Some(now + INTERVAL);
        Some(PexMessage { added, dropped })
    }

    /// Whether what it tells now counts.
    pub(crate) fn hear(&mut self, now: Instant) -> Heard {
        let is_soon = |heard: Instant| now.duration_since(heard) < MIN_INTERVAL;
        if !self.heard_at.is_some_and(is_soon) {
            self.heard_at = Some(now);
            self.ignored = 0;
            return Heard::Taken;
        }
        self.ignored += 1;
        match self.ignored {
            ignored if ignored > MAX_IGNORED => Heard::Flood(ignored),
            _ => Heard::TooSoon,
        }
    }

    /// Of the strangers that it names, each with what it says of them, those that we remember on its
    /// word alone; `is_untried` tells which of the earlier ones are still no more than its word.
    pub(crate) fn bring<T>(
        &mut self,
        strangers: impl Iterator<Item = (SocketAddr, T)>,
        is_untried: impl Fn(SocketAddr) -> bool,
    ) -> Vec<(SocketAddr, T)> {
        self.brought.retain(|&addr| is_untried(addr));
        let room = MAX_BROUGHT.saturating_sub(self.brought.len());
        let taken: Vec<_> = strangers.take(room).collect();
        self.brought.extend(taken.iter().map(|(addr, _)| *addr));
        taken
    }
}

/// Whether an address means the same to us and to somebody else, who is to be told of it or has told
/// of it: addresses of neighbours are of no use, and may do harm, elsewhere, and those of a machine
/// on any other. For whoever tells a [`Swarm`](crate::Swarm) of peers on a stranger's word.
#[must_use]
pub fn is_common(other: IpAddr, told: IpAddr) -> bool {
    let (other, told) = (other.to_canonical(), told.to_canonical());
    if told.is_loopback() {
        other.is_loopback()
    } else {
        !is_local(told) || is_local(other)
    }
}

/// As many of each kind as BEP 11 allows in a message, and as are listened to.
pub(crate) const MAX_TOLD: usize = 50;
/// Peers that are known from one peer alone, and were not tried (libtorrent's number): nobody fills
/// the table of all by inventing them, and who tells the truth may tell more as they are dialled.
const MAX_BROUGHT: usize = 50;
/// So that those who have come at the same time are told of each other at once.
const FIRST_DELAY: Duration = Duration::from_secs(2);
/// BEP 11: no more than one message a minute.
const INTERVAL: Duration = Duration::from_secs(60);
/// How soon to look again if there was nothing to tell.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// The minute, less what the network and another's clock may make of it.
const MIN_INTERVAL: Duration = Duration::from_secs(45);
/// Within that time. Some send a second message soon after the first.
const MAX_IGNORED: u32 = 20;

#[cfg(test)]
mod tests;
