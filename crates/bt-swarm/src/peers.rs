//! The addresses that we know: where each came from, how dialling it went, who is banned.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bt_scheduler::Evidence;
use bt_types::{PeerSource, PeerSources};

use crate::{BanList, SourceCounts};

/// Everything known about peers that is not bound to a connection. All addresses enter by
/// [`add`](Self::add), which holds the rules about who may.
#[derive(Debug)]
pub(crate) struct Peers {
    known: BTreeMap<SocketAddr, Known>,
    max_known: usize,
    redial_delay: Duration,
    /// BEP 27: only trackers, the user and the peers themselves may tell us of peers.
    is_private: bool,
    /// Our own addresses, as far as we have met ourselves.
    own: BTreeSet<SocketAddr>,
    /// Those who have lied to this torrent.
    bans: BanList,
    /// Those who have lied to any torrent, as far as we were told.
    shared_bans: Arc<BanList>,
    counts: SourceCounts,
}

/// A peer that may be dialled.
#[derive(Debug)]
pub(crate) struct Known {
    /// Whoever named it; never empty.
    sources: PeerSources,
    /// A connection to it has come about.
    has_connected: bool,
    /// What is remembered of it.
    pub(crate) evidence: Evidence,
    /// Not before then.
    pub(crate) next_dial: Instant,
    /// It has every piece: of no use once we have, too.
    pub(crate) is_seed: bool,
    /// All who have named it say so. The word of strangers: it is not dialled sooner for that, and
    /// that counts no more once somebody says otherwise, or we have met it.
    is_said_to_be_seed: bool,
    pub(crate) state: State,
}

impl Known {
    /// Dials and connections in a row that came to nothing.
    pub(crate) fn failures(&self) -> u32 {
        self.evidence.failures
    }

    /// Whether it has every piece, as far as anybody knows: of no use once we have, too.
    pub(crate) fn is_probably_seed(&self) -> bool {
        self.is_seed || (self.is_said_to_be_seed && !self.has_connected)
    }

    /// Whether nothing speaks for or against it but who has named it.
    fn is_untried(&self) -> bool {
        self.state == State::Idle && !self.has_connected && self.failures() == 0
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Idle,
    Dialling,
    Connected,
}

/// How a connection was, once it is over: decides when it is worth another try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// Payload flowed, or the connection stood for long.
    Good,
    /// It closed before anything came of it.
    Fruitless,
    /// The peer broke the protocol.
    Breach,
}

impl Known {
    /// The best of the sources that named it.
    pub(crate) fn source(&self) -> PeerSource {
        self.sources.best().unwrap_or(PeerSource::Resume)
    }
}

impl Peers {
    pub(crate) fn new(max_known: usize, redial_delay: Duration) -> Self {
        Self {
            known: BTreeMap::new(),
            max_known,
            redial_delay,
            is_private: false,
            own: BTreeSet::new(),
            bans: BanList::new(),
            shared_bans: Arc::default(),
            counts: SourceCounts::default(),
        }
    }

    /// From now on BEP 27 holds; peers whom only other sources have named are forgotten.
    pub(crate) fn set_private(&mut self) {
        self.is_private = true;
        self.known
            .retain(|_, peer| peer.sources.iter().any(is_allowed_if_private));
    }

    /// Learns of a peer; returns whether it is news and may be dialled.
    pub(crate) fn add(&mut self, now: Instant, source: PeerSource, addr: SocketAddr) -> bool {
        self.add_named(now, source, addr, false)
    }

    /// The same; whoever names it may say that it is a seed.
    pub(crate) fn add_named(
        &mut self,
        now: Instant,
        source: PeerSource,
        addr: SocketAddr,
        is_said_to_be_seed: bool,
    ) -> bool {
        if self.is_private && !is_allowed_if_private(source) {
            return false;
        }
        if !is_dialable(addr) || self.own.contains(&addr) || self.is_banned(addr) {
            return false;
        }
        if let Some(peer) = self.known.get_mut(&addr) {
            if peer.sources.insert(source) {
                self.counts.named(source);
                if peer.has_connected {
                    self.counts.connected(source);
                }
            }
            // One who doubts it is enough: a needless dial costs less than a peer that is missed.
            let was_left_out = peer.is_probably_seed();
            peer.is_said_to_be_seed &= is_said_to_be_seed;
            return was_left_out && !peer.is_probably_seed();
        }
        if self.known.len() >= self.max_known && !self.evict_for(source) {
            return false;
        }
        self.counts.named(source);
        let peer = Known {
            sources: source.into(),
            has_connected: false,
            evidence: Evidence::default(),
            next_dial: now,
            is_seed: false,
            is_said_to_be_seed,
            state: State::Idle,
        };
        self.known.insert(addr, peer);
        true
    }

    /// One of our own addresses: never to be dialled.
    pub(crate) fn add_own(&mut self, addr: SocketAddr) {
        if self.own.len() < MAX_OWN_ADDRESSES {
            self.own.insert(addr);
        }
        self.known.remove(&addr);
    }

    /// Bans a peer; returns whether that is news.
    pub(crate) fn ban(&mut self, addr: SocketAddr) -> bool {
        if self.is_banned(addr) {
            return false;
        }
        self.bans.ban(addr);
        self.forget_banned();
        true
    }

    /// Takes what all torrents have found out together.
    pub(crate) fn set_shared_bans(&mut self, bans: Arc<BanList>) {
        self.shared_bans = bans;
        self.forget_banned();
    }

    pub(crate) fn is_banned(&self, addr: SocketAddr) -> bool {
        self.bans.contains(addr) || self.shared_bans.contains(addr)
    }

    fn forget_banned(&mut self) {
        let (own, shared) = (&self.bans, &self.shared_bans);
        self.known
            .retain(|&addr, _| !own.contains(addr) && !shared.contains(addr));
    }

    /// Forgets all addresses but the banned and our own.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }

    pub(crate) fn knows(&self, addr: SocketAddr) -> bool {
        self.known.contains_key(&addr)
    }

    /// Whether a peer is known, and nothing of it but who has named it.
    pub(crate) fn is_untried(&self, addr: SocketAddr) -> bool {
        self.known.get(&addr).is_some_and(Known::is_untried)
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Those that are neither connected nor being dialled.
    pub(crate) fn idle(&self) -> impl Iterator<Item = (SocketAddr, &Known)> {
        let idle = self
            .known
            .iter()
            .filter(|(_, peer)| peer.state == State::Idle);
        idle.map(|(&addr, peer)| (addr, peer))
    }

    pub(crate) fn set_dialling(&mut self, addr: SocketAddr) {
        self.set_state(addr, State::Dialling);
    }

    pub(crate) fn set_connected(&mut self, addr: SocketAddr) {
        self.set_state(addr, State::Connected);
        let peer = self.known.get_mut(&addr);
        if let Some(peer) = peer.filter(|peer| !peer.has_connected) {
            peer.has_connected = true;
            let sources = peer.sources.iter();
            sources.for_each(|source| self.counts.connected(source));
        }
    }

    /// Who has told us of the peer at `addr`; nobody if it is not known.
    pub(crate) fn sources(&self, addr: SocketAddr) -> PeerSources {
        let known = self.known.get(&addr);
        known.map_or(PeerSources::NONE, |peer| peer.sources)
    }

    /// How many peers each source has brought.
    pub(crate) fn counts(&self) -> SourceCounts {
        self.counts
    }

    pub(crate) fn set_seed(&mut self, addr: SocketAddr) {
        if let Some(peer) = self.known.get_mut(&addr) {
            peer.is_seed = true;
        }
    }

    /// Returns how often in a row it has failed now.
    pub(crate) fn dial_failed(&mut self, now: Instant, addr: SocketAddr, jitter: f64) -> u32 {
        self.retry_later(now, addr, jitter, |failures| failures.saturating_add(1))
    }

    /// What is known of the peer from earlier connections; a stranger if nothing is.
    pub(crate) fn evidence(&self, addr: SocketAddr) -> Evidence {
        let known = self.known.get(&addr);
        known.map_or_else(Evidence::default, |peer| peer.evidence)
    }

    /// Remembers what a connection has shown of the peer.
    pub(crate) fn remember(&mut self, addr: SocketAddr, shown: Evidence) {
        if let Some(peer) = self.known.get_mut(&addr) {
            peer.evidence = shown;
        }
    }

    pub(crate) fn disconnected(
        &mut self,
        now: Instant,
        addr: SocketAddr,
        outcome: Outcome,
        jitter: f64,
    ) {
        self.retry_later(now, addr, jitter, |failures| match outcome {
            Outcome::Good => 0,
            Outcome::Fruitless => failures.saturating_add(1),
            Outcome::Breach => failures.saturating_add(BREACH_FAILURES),
        });
    }

    fn retry_later(
        &mut self,
        now: Instant,
        addr: SocketAddr,
        jitter: f64,
        count: impl FnOnce(u32) -> u32,
    ) -> u32 {
        let Some(peer) = self.known.get_mut(&addr) else {
            return 0;
        };
        peer.state = State::Idle;
        let failures = count(peer.evidence.failures);
        peer.evidence.failures = failures;
        let doublings = failures.min(MAX_DOUBLINGS);
        let delay = (self.redial_delay * 2_u32.pow(doublings)).min(MAX_REDIAL_DELAY);
        peer.next_dial = now + delay.mul_f64(1.0 + jitter * REDIAL_JITTER);
        failures
    }

    fn set_state(&mut self, addr: SocketAddr, state: State) {
        if let Some(peer) = self.known.get_mut(&addr) {
            peer.state = state;
        }
    }

    /// Makes room by forgetting the idle peer that failed most. An address that never failed is
    /// given up only for one of a better source: a few strangers, who may claim any port and come
    /// again and again, must not keep out what the trackers tell.
    fn evict_for(&mut self, source: PeerSource) -> bool {
        let idle = self
            .known
            .iter()
            .filter(|(_, peer)| peer.state == State::Idle);
        let worst = idle.max_by_key(|(_, peer)| (peer.failures(), peer.source()));
        match worst {
            Some((&addr, peer)) if peer.failures() > 0 || peer.source() > source => {
                self.known.remove(&addr).is_some()
            }
            _ => false,
        }
    }
}

/// BEP 27: whose peers a private torrent may have.
pub(crate) fn is_allowed_if_private(source: PeerSource) -> bool {
    use PeerSource::{Incoming, Resume, Tracker, User};
    matches!(source, User | Tracker | Incoming | Resume)
}

/// One form for each address: a socket for both kinds shows IPv4 in the clothes of IPv6.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// Whether an address can be a peer's at all. Local ones can: whose they are is another question.
fn is_dialable(addr: SocketAddr) -> bool {
    let ip = addr.ip().to_canonical();
    let is_broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    addr.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

/// No peer is given up for good, but one that never answers costs one dial an hour.
const MAX_REDIAL_DELAY: Duration = Duration::from_secs(60 * 60);
/// Enough for any delay to reach the maximum, and far from overflowing.
const MAX_DOUBLINGS: u32 = 16;
/// Up to a quarter longer, so that peers lost at once are not all dialled at once.
const REDIAL_JITTER: f64 = 0.25;
/// A peer that breaks the protocol may do so by a bug of its version: it waits as if it had
/// failed this often, but it is not banned.
const BREACH_FAILURES: u32 = 5;
/// More would be a sign of somebody feeding us addresses.
const MAX_OWN_ADDRESSES: usize = 64;

#[cfg(test)]
mod tests;
