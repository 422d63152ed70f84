//! A small UDP tracker: for demonstrations, local networks and tests.

mod connection_ids;
mod swarm;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bt_types::{AnnounceEvent, AnnounceRequest, AnnounceResponse, SwarmId};
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};

use self::{connection_ids::ConnectionIds, swarm::Swarm};
use crate::wire::{Family, Request, Response, ScrapeEntry};

/// A UDP tracker that keeps its peers in memory and forgets them in time. Performs no I/O.
///
/// Give each received datagram to [`handle_datagram`](Self::handle_datagram) and send back what it
/// writes; arm one timer from [`poll_timeout`](Self::poll_timeout). `now` must not run backwards.
///
/// A peer is known by the address that its datagrams come from and the port that it announces.
/// Peers that announce over IPv4 and over IPv6 form swarms apart. Nobody is sent more than he sent
/// himself before he has shown, by a connection id, that he receives at his address.
#[derive(Debug)]
pub struct TrackerServer {
    config: Config,
    connection_ids: ConnectionIds,
    rng: ChaCha12Rng,
    /// At most `config.max_swarms`.
    swarms: BTreeMap<(Family, SwarmId), Swarm>,
    /// Peers of all swarms together; at most `config.max_peers`.
    peer_count: usize,
    /// When to look for peers that have expired; `None` while there are no swarms.
    next_sweep: Option<Instant>,
}

/// How a [`TrackerServer`] behaves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// What peers are told to wait between announces; sent as whole seconds, 1 at least.
    pub interval: Duration,
    /// How long a peer stays known that does not announce; not below `interval`.
    pub peer_timeout: Duration,
    /// Peers in one answer, at most. Whatever this says, an answer fits into a datagram of 1232
    /// bytes, which holds 202 IPv4 peers or 67 IPv6 ones.
    pub max_peers_per_reply: usize,
    /// Swarms that are known at once.
    pub max_swarms: usize,
    /// Peers that are known at once, over all swarms.
    pub max_peers: usize,
    /// If set, an announce must carry exactly this as its URL data (BEP 41), as with passkeys.
    pub url_data: Option<String>,
}

/// What is known of one swarm, over IPv4 and IPv6 together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SwarmStats {
    /// Peers that have everything.
    pub seeders: usize,
    /// Peers that lack something.
    pub leechers: usize,
    /// Announces received, by why they were sent. Retransmissions count.
    pub announces: AnnounceCounts,
}

/// Announces received, by their event.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AnnounceCounts {
    /// [`AnnounceEvent::Started`].
    pub started: u32,
    /// [`AnnounceEvent::Completed`].
    pub completed: u32,
    /// [`AnnounceEvent::Stopped`].
    pub stopped: u32,
    /// [`AnnounceEvent::None`]: because the interval had passed.
    pub regular: u32,
}

impl TrackerServer {
    /// A tracker that knows nobody. `seed` must be unpredictable in production: connection ids are
    /// keyed with it.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha12Rng::from_seed(seed);
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        Self {
            config,
            connection_ids: ConnectionIds::new(key),
            rng,
            swarms: BTreeMap::new(),
            peer_count: 0,
            next_sweep: None,
        }
    }

    /// Takes a received UDP payload of any content and writes the answer, if there is one, to
    /// `out` (which is cleared first). Returns whether there is: send it back to `from`.
    ///
    /// What is no request of this protocol gets none.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        out.clear();
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let Ok((transaction_id, request)) = Request::decode(datagram) else {
            return false;
        };
        let response = match request {
            Request::Connect => Response::Connect(self.connection_ids.issue(now, from.ip())),
            Request::Announce { connection_id, .. } | Request::Scrape { connection_id, .. }
                if !self.connection_ids.accepts(now, from.ip(), connection_id) =>
            {
                // 32 bytes: shorter than any announce or scrape.
                Response::Error(STALE_CONNECTION.into())
            }
            Request::Announce {
                request, url_data, ..
            } => self.announce(now, from, &request, &url_data),
            Request::Scrape { swarm_ids, .. } => self.scrape(Family::of(from), &swarm_ids),
        };
        response.encode(transaction_id, Family::of(from), out);
        true
    }

    /// Forgets peers that have not announced in time; harmless when called early.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_sweep.is_none_or(|at| now < at) {
            return;
        }
        for swarm in self.swarms.values_mut() {
            self.peer_count -= swarm.expire(now);
        }
        self.swarms.retain(|_, swarm| now < swarm.expires());
        let next = self.swarms.values().map(Swarm::next_expiry).min();
        let spacing = (self.config.peer_timeout / SWEEPS_PER_TIMEOUT).max(LEAST_SWEEP_SPACING);
        self.next_sweep = next.map(|at| at.max(now + spacing));
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` while no swarm is known.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_sweep
    }

    /// What is known of a swarm. It outlives its last peer by `peer_timeout`.
    #[must_use]
    pub fn stats(&self, swarm_id: SwarmId) -> SwarmStats {
        let mut stats = SwarmStats::default();
        for family in FAMILIES {
            if let Some(swarm) = self.swarms.get(&(family, swarm_id)) {
                stats.seeders += swarm.seeders();
                stats.leechers += swarm.leechers();
                stats.announces.add(swarm.announces());
            }
        }
        stats
    }

    /// The peers of a swarm, in no particular order.
    pub fn peers(&self, swarm_id: SwarmId) -> impl Iterator<Item = SocketAddr> + '_ {
        FAMILIES
            .into_iter()
            .filter_map(move |family| self.swarms.get(&(family, swarm_id)))
            .flat_map(Swarm::peers)
    }

    /// How many swarms are known.
    #[must_use]
    pub fn swarm_count(&self) -> usize {
        self.swarms.len()
    }

    /// How many peers are known, over all swarms.
    #[must_use]
    pub fn peer_count(&self) -> usize {
        self.peer_count
    }

    /// For tests and fuzzing: checks what must hold between any two calls.
    ///
    /// # Panics
    /// If it does not hold, which is a fault of this crate.
    pub fn check_invariants(&self) {
        assert!(self.swarms.len() <= self.config.max_swarms);
        assert!(self.peer_count <= self.config.max_peers);
        let counted: usize = self
            .swarms
            .values()
            .map(|swarm| swarm.peers().count())
            .sum();
        assert_eq!(counted, self.peer_count);
        assert_eq!(self.swarms.is_empty(), self.next_sweep.is_none());
        for ((family, _), swarm) in &self.swarms {
            assert!(swarm.peers().all(|peer| Family::of(peer) == *family));
            swarm.check_invariants();
        }
    }

    fn announce(
        &mut self,
        now: Instant,
        from: SocketAddr,
        request: &AnnounceRequest,
        url_data: &[u8],
    ) -> Response {
        let expected = self.config.url_data.as_ref();
        if expected.is_some_and(|expected| expected.as_bytes() != url_data) {
            return Response::Error("unknown path or passkey".into());
        }
        if request.port == 0 {
            return Response::Error("port 0 cannot be reached".into());
        }
        let family = Family::of(from);
        let key = (family, request.swarm_id);
        if !self.swarms.contains_key(&key) && self.swarms.len() >= self.config.max_swarms {
            return Response::Error("this tracker is full".into());
        }
        let peer = SocketAddr::new(from.ip(), request.port);
        let expires = now + self.config.peer_timeout.max(self.config.interval);
        let swarm = self
            .swarms
            .entry(key)
            .or_insert_with(|| Swarm::new(expires));
        self.next_sweep = Some(self.next_sweep.map_or(expires, |at| at.min(expires)));

        let before = swarm.len();
        let has_room = self.peer_count < self.config.max_peers;
        let known = swarm.announce(peer, request, expires, has_room);
        self.peer_count = self.peer_count - before + swarm.len();
        if !known {
            return Response::Error("this tracker is full".into());
        }
        let wanted = match request.event {
            AnnounceEvent::Stopped => 0,
            _ => request.num_want.map_or(DEFAULT_NUM_WANT, |n| n as usize),
        };
        let most = self.config.max_peers_per_reply.min(most_peers(family));
        let start = self.rng.next_u64();
        Response::Announce(AnnounceResponse {
            interval: self.config.interval.max(Duration::from_secs(1)),
            seeders: Some(swarm.seeders() as u32),
            leechers: Some(swarm.leechers() as u32),
            peers: swarm.some_but(peer, start, wanted.min(most)),
            ..AnnounceResponse::default()
        })
    }

    fn scrape(&self, family: Family, swarm_ids: &[SwarmId]) -> Response {
        let entry = |id: &SwarmId| {
            let swarm = self.swarms.get(&(family, *id))?;
            Some(ScrapeEntry {
                seeders: swarm.seeders() as u32,
                completed: swarm.completed(),
                leechers: swarm.leechers() as u32,
            })
        };
        let entries = swarm_ids.iter().map(|id| entry(id).unwrap_or_default());
        Response::Scrape(entries.collect())
    }
}

impl Default for Config {
    /// Half an hour between announces, an hour until a peer is forgotten, 200 peers an answer, and
    /// bounds that keep memory below about 200 MB.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30 * 60),
            peer_timeout: Duration::from_secs(60 * 60),
            max_peers_per_reply: 200,
            max_swarms: 100_000,
            max_peers: 1_000_000,
            url_data: None,
        }
    }
}

impl AnnounceCounts {
    pub(crate) fn count(&mut self, event: AnnounceEvent) {
        let count = match event {
            AnnounceEvent::None => &mut self.regular,
            AnnounceEvent::Completed => &mut self.completed,
            AnnounceEvent::Started => &mut self.started,
            AnnounceEvent::Stopped => &mut self.stopped,
        };
        *count = count.saturating_add(1);
    }

    fn add(&mut self, other: Self) {
        self.started = self.started.saturating_add(other.started);
        self.completed = self.completed.saturating_add(other.completed);
        self.stopped = self.stopped.saturating_add(other.stopped);
        self.regular = self.regular.saturating_add(other.regular);
    }
}

/// The peers that fit into an answer that no path needs to split: the least MTU of IPv6, 1280
/// bytes, less the headers of IPv6 and UDP.
fn most_peers(family: Family) -> usize {
    const PAYLOAD: usize = 1280 - 40 - 8;
    const HEADER: usize = 20;
    match family {
        Family::V4 => (PAYLOAD - HEADER) / 6,
        Family::V6 => (PAYLOAD - HEADER) / 18,
    }
}

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
/// What most trackers send to who leaves the choice to them.
const DEFAULT_NUM_WANT: usize = 50;
/// A sweep looks at every peer, so it is not done for each that expires.
const SWEEPS_PER_TIMEOUT: u32 = 64;
const LEAST_SWEEP_SPACING: Duration = Duration::from_secs(1);
/// Worded so that clients which look for it know to connect again.
const STALE_CONNECTION: &str = "connection ID is unknown";

#[cfg(test)]
mod tests;
