use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bt_types::SwarmId;
use rand_chacha::{ChaCha12Rng, rand_core::Rng};

use crate::{
    Bloom, Family,
    address::{Source, may_be_mentioned},
    bloom::BloomBits,
    wire::MAX_SAMPLE_INTERVAL,
};

/// Peers that were announced to us (BEP 5), of bounded number, for half an hour each.
#[derive(Debug)]
pub(crate) struct PeerStore {
    limits: PeerLimits,
    swarms: BTreeMap<SwarmId, Swarm>,
    /// How many peers each source has announced.
    sources: BTreeMap<Source, u32>,
    sample: Sample,
    swept_at: Instant,
}

/// How much is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerLimits {
    pub(crate) swarms: usize,
    pub(crate) per_swarm: usize,
    pub(crate) per_source: u32,
}

/// Which peers are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection {
    pub(crate) family: Family,
    pub(crate) no_seeds: bool,
    /// Who asks: he is not told of himself, nor of peers that mean something only in our own
    /// network, unless he is there too.
    pub(crate) asker: SocketAddr,
    pub(crate) most: usize,
}

/// Why a peer is not stored: there are too many, of its swarm or from its address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AnnounceError;

/// By address, so that a known one is found quickly. Both families together: they are told apart
/// by their addresses, IPv4 first.
#[derive(Debug, Default)]
struct Swarm {
    peers: Vec<Peer>,
}

#[derive(Debug)]
struct Peer {
    addr: SocketAddr,
    is_seed: bool,
    bits: BloomBits,
    announced_at: Instant,
}

/// The swarms that are shown to who samples (BEP 51), for a while always the same ones.
#[derive(Debug, Default)]
struct Sample {
    info_hashes: Vec<u8>,
    until: Option<Instant>,
}

impl PeerStore {
    pub(crate) fn new(now: Instant, limits: PeerLimits) -> Self {
        Self {
            limits,
            swarms: BTreeMap::new(),
            sources: BTreeMap::new(),
            sample: Sample::default(),
            swept_at: now,
        }
    }

    /// Stores a peer, or remembers that it is still there. A known one costs no memory.
    pub(crate) fn announce(
        &mut self,
        now: Instant,
        swarm_id: SwarmId,
        addr: SocketAddr,
        is_seed: bool,
    ) -> Result<(), AnnounceError> {
        if let Some(swarm) = self.swarms.get_mut(&swarm_id) {
            if let Ok(at) = swarm.find(addr) {
                let peer = &mut swarm.peers[at];
                (peer.is_seed, peer.announced_at) = (is_seed, now);
                return Ok(());
            }
            if swarm.peers.len() >= self.limits.per_swarm {
                return Err(AnnounceError);
            }
        }
        let source = Source::of(addr.ip());
        if self
            .sources
            .get(&source)
            .is_some_and(|count| *count >= self.limits.per_source)
        {
            return Err(AnnounceError);
        }
        if !self.swarms.contains_key(&swarm_id) && self.swarms.len() >= self.limits.swarms {
            self.drop_smallest();
        }
        *self.sources.entry(source).or_default() += 1;
        let swarm = self.swarms.entry(swarm_id).or_default();
        let at = swarm.find(addr).unwrap_or_else(|at| at);
        let peer = Peer {
            addr,
            is_seed,
            bits: BloomBits::of(addr.ip()),
            announced_at: now,
        };
        swarm.peers.insert(at, peer);
        Ok(())
    }

    /// Whether one more peer of this swarm would be stored. If not, whoever asks is better not
    /// given a token (BEP 33).
    pub(crate) fn has_room(&self, swarm_id: SwarmId) -> bool {
        let swarm = self.swarms.get(&swarm_id);
        swarm.is_none_or(|swarm| swarm.peers.len() < self.limits.per_swarm)
    }

    /// Adds peers of a swarm to `out`: any of those that are wanted, if there are more.
    pub(crate) fn select(
        &self,
        now: Instant,
        swarm_id: SwarmId,
        selection: &Selection,
        rng: &mut ChaCha12Rng,
        out: &mut Vec<SocketAddr>,
    ) {
        let Some(swarm) = self.swarms.get(&swarm_id) else {
            return;
        };
        let count = swarm.peers.len();
        if count == 0 || selection.most == 0 {
            return;
        }
        // From any place on, in steps that come by everybody: neighbours by address, who may have
        // come together, do not come out together.
        let random = rng.next_u64();
        let start = (random % count as u64) as usize;
        let step = coprime((random >> 32) as usize % count, count);
        let places = (0..count).map(|n| (start + n * step) % count);
        let peers = places.map(|place| &swarm.peers[place]);
        let wanted = peers.filter(|peer| {
            Family::of(peer.addr) == selection.family
                && !(selection.no_seeds && peer.is_seed)
                && peer.addr != selection.asker
                && may_be_mentioned(peer.addr, selection.asker.ip())
                && !peer.is_over(now)
        });
        out.extend(wanted.take(selection.most).map(|peer| peer.addr));
    }

    /// Of a swarm the filters of its seeds, and of its other peers (BEP 33).
    pub(crate) fn filters(&self, now: Instant, swarm_id: SwarmId) -> [Bloom; 2] {
        let mut filters = [Bloom::new(), Bloom::new()];
        let peers = self.swarms.get(&swarm_id).map(|swarm| &swarm.peers);
        for peer in peers
            .into_iter()
            .flatten()
            .filter(|peer| !peer.is_over(now))
        {
            filters[usize::from(!peer.is_seed)].insert_bits(peer.bits);
        }
        filters
    }

    /// Some swarms, 20 bytes each, and for how many seconds they stay the same (BEP 51).
    pub(crate) fn sample(&mut self, now: Instant, rng: &mut ChaCha12Rng) -> (&[u8], u16) {
        let is_current = self.sample.until.is_some_and(|until| now < until);
        if !is_current {
            self.sample.info_hashes.clear();
            let count = self.swarms.len();
            let chosen = choose(count, MAX_SAMPLES, rng);
            for (swarm_id, _) in self.swarms.iter().zip(chosen).filter(|(_, chosen)| *chosen) {
                self.sample.info_hashes.extend_from_slice(&swarm_id.0.0);
            }
            // Where all of them fit in, who comes again sees what has changed.
            let interval = Duration::from_secs(MAX_SAMPLE_INTERVAL.into());
            self.sample.until = (count > MAX_SAMPLES).then_some(now + interval);
        }
        let left = self
            .sample
            .until
            .map(|until| until.saturating_duration_since(now));
        let secs = left.map_or(0, |left| left.as_secs() as u16);
        (&self.sample.info_hashes, secs)
    }

    /// Forgets who has not announced himself for long; does nothing most times.
    pub(crate) fn sweep(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept_at) < SWEEP_INTERVAL {
            return;
        }
        self.swept_at = now;
        let sources = &mut self.sources;
        self.swarms.retain(|_, swarm| {
            swarm.peers.retain(|peer| {
                let is_over = peer.is_over(now);
                if is_over {
                    forget_source(sources, peer);
                }
                !is_over
            });
            !swarm.peers.is_empty()
        });
    }

    pub(crate) fn swarm_count(&self) -> usize {
        self.swarms.len()
    }

    pub(crate) fn peer_count(&self) -> usize {
        self.swarms.values().map(|swarm| swarm.peers.len()).sum()
    }

    pub(crate) fn check_invariants(&self) {
        assert!(self.swarms.len() <= self.limits.swarms);
        let mut sources = BTreeMap::new();
        for swarm in self.swarms.values() {
            assert!((1..=self.limits.per_swarm).contains(&swarm.peers.len()));
            assert!(swarm.peers.is_sorted_by(|a, b| a.addr < b.addr));
            for peer in &swarm.peers {
                *sources.entry(Source::of(peer.addr.ip())).or_default() += 1;
            }
        }
        assert_eq!(sources, self.sources);
        assert!(
            sources
                .values()
                .all(|count| *count <= self.limits.per_source)
        );
    }

    /// Who fills us up with swarms that nobody is in loses those first.
    fn drop_smallest(&mut self) {
        let age = |swarm: &Swarm| swarm.peers.iter().map(|peer| peer.announced_at).max();
        let smallest = self.swarms.iter();
        let smallest = smallest.min_by_key(|(_, swarm)| (swarm.peers.len(), age(swarm)));
        let Some(swarm_id) = smallest.map(|(swarm_id, _)| *swarm_id) else {
            return;
        };
        for peer in self
            .swarms
            .remove(&swarm_id)
            .into_iter()
            .flat_map(|swarm| swarm.peers)
        {
            forget_source(&mut self.sources, &peer);
        }
    }
}

impl Swarm {
    fn find(&self, addr: SocketAddr) -> Result<usize, usize> {
        self.peers.binary_search_by_key(&addr, |peer| peer.addr)
    }
}

impl Peer {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.announced_at) >= PEER_LIFETIME
    }
}

fn forget_source(sources: &mut BTreeMap<Source, u32>, peer: &Peer) {
    let source = Source::of(peer.addr.ip());
    if let Some(count) = sources.get_mut(&source) {
        *count -= 1;
        if *count == 0 {
            sources.remove(&source);
        }
    }
}

/// The first number from `from` on that has no divisor in common with `count`, which is not 0.
fn coprime(from: usize, count: usize) -> usize {
    let divisor = |mut a: usize, mut b: usize| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    (from.max(1)..)
        .find(|step| divisor(*step, count) == 1)
        .unwrap_or(1)
}

/// Of `count`, which are chosen if `most` of them are to be, each with the same probability.
fn choose(count: usize, most: usize, rng: &mut ChaCha12Rng) -> impl Iterator<Item = bool> {
    let mut wanted = most.min(count) as u64;
    (0..count as u64).rev().map(move |behind| {
        let left = behind + 1;
        let is_chosen = rng.next_u64() % left < wanted;
        wanted -= u64::from(is_chosen);
        is_chosen
    })
}

/// Clients announce themselves every 15 minutes, and may miss one.
const PEER_LIFETIME: Duration = Duration::from_secs(32 * 60);
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// As in libtorrent; 400 bytes.
const MAX_SAMPLES: usize = 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    const LIMITS: PeerLimits = PeerLimits {
        swarms: 10,
        per_swarm: 50,
        per_source: 20,
    };

    fn swarm(n: u8) -> SwarmId {
        SwarmId([n; 20])
    }

    fn peer(n: u16) -> SocketAddr {
        let [high, low] = n.to_be_bytes();
        SocketAddr::from(([11, 0, high, low], 6881))
    }

    fn minutes(n: u64) -> Duration {
        Duration::from_secs(60 * n)
    }

    fn all(store: &PeerStore, now: Instant, n: u8, most: usize, seed: u64) -> Vec<SocketAddr> {
        let selection = Selection {
            family: Family::V4,
            no_seeds: false,
            asker: peer(0),
            most,
        };
        let mut out = Vec::new();
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        store.select(now, swarm(n), &selection, &mut rng, &mut out);
        out
    }

    #[test]
    fn peers_are_told_until_they_are_over() {
        let now = crate::test_epoch();
        let mut store = PeerStore::new(now, LIMITS);
        store.announce(now, swarm(1), peer(0), false).unwrap();
        store.announce(now, swarm(1), peer(1), true).unwrap();
        let later = now + minutes(20);
        store.announce(later, swarm(1), peer(2), false).unwrap();
        let v6 = "[2001:db8::1]:7".parse().unwrap();
        store.announce(later, swarm(1), v6, false).unwrap();
        let sorted = |now| {
            let mut found = all(&store, now, 1, 50, 1);
            found.sort_unstable();
            found
        };
        assert_eq!(
            sorted(later),
            [peer(1), peer(2)],
            "the asker and IPv6 aside"
        );
        assert_eq!(sorted(now + minutes(32)), [peer(2)]);
        let mut out = Vec::new();
        let selection = Selection {
            family: Family::V4,
            no_seeds: true,
            asker: peer(9),
            most: 9,
        };
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        store.select(later, swarm(1), &selection, &mut rng, &mut out);
        out.sort_unstable();
        assert_eq!(out, [peer(0), peer(2)]);
        store.sweep(now + minutes(33));
        store.check_invariants();
        assert_eq!((store.swarm_count(), store.peer_count()), (1, 2));
        store.sweep(now + minutes(60));
        assert_eq!((store.swarm_count(), store.peer_count()), (0, 0));
        store.check_invariants();
    }

    #[test]
    fn everybody_has_the_same_chance() {
        let now = crate::test_epoch();
        let mut store = PeerStore::new(now, LIMITS);
        (1..=48).for_each(|n| store.announce(now, swarm(1), peer(n), false).unwrap());
        let mut told = BTreeMap::new();
        for seed in 0..2000 {
            let found = all(&store, now, 1, 12, seed);
            assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 12);
            for peer in found {
                *told.entry(peer).or_insert(0) += 1;
            }
        }
        assert_eq!(told.len(), 48);
        assert!(
            told.values().all(|times| (380..620).contains(times)),
            "{told:?}"
        );
    }

    #[test]
    fn nobody_fills_it_up() {
        let now = crate::test_epoch();
        let mut store = PeerStore::new(now, LIMITS);
        // A swarm has its limit; those who are in it may stay.
        for n in 0..50 {
            assert!(store.has_room(swarm(1)));
            store.announce(now, swarm(1), peer(n), false).unwrap();
        }
        assert!(!store.has_room(swarm(1)) && store.has_room(swarm(2)));
        assert_eq!(
            store.announce(now, swarm(1), peer(50), false),
            Err(AnnounceError)
        );
        assert_eq!(store.announce(now, swarm(1), peer(49), true), Ok(()));
        // A source has its limit: one more of it is stored nowhere.
        let one = |port| SocketAddr::from(([12, 0, 0, 1], port));
        for port in 1..=20 {
            store.announce(now, swarm(2), one(port), false).unwrap();
        }
        assert_eq!(
            store.announce(now, swarm(3), one(21), false),
            Err(AnnounceError)
        );
        // Among too many swarms, the smallest goes first.
        for n in 4..100 {
            store
                .announce(now, swarm(n), peer(100 + u16::from(n)), false)
                .unwrap();
            store.check_invariants();
        }
        assert_eq!(store.swarm_count(), 10);
        assert_eq!(all(&store, now, 1, 99, 1).len(), 49);
        assert_eq!(all(&store, now, 2, 99, 1).len(), 20);
    }

    #[test]
    fn a_sample_stays_the_same_for_six_hours_if_it_is_one() {
        let now = crate::test_epoch();
        let limits = PeerLimits {
            swarms: 100,
            ..LIMITS
        };
        let mut store = PeerStore::new(now, limits);
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        assert_eq!(store.sample(now, &mut rng), (&[][..], 0));
        for n in 0..20 {
            store
                .announce(now, swarm(n), peer(n.into()), false)
                .unwrap();
            let (sample, interval) = store.sample(now, &mut rng);
            assert_eq!((sample.len(), interval), (20 * (usize::from(n) + 1), 0));
        }
        for n in 20..100 {
            store
                .announce(now, swarm(n), peer(n.into()), false)
                .unwrap();
        }
        let (sample, interval) = store.sample(now, &mut rng);
        let sample = sample.to_vec();
        assert_eq!((sample.len(), interval), (400, 21_600));
        let distinct: BTreeSet<_> = sample.chunks(20).collect();
        assert_eq!(distinct.len(), 20);
        let later = store.sample(now + minutes(359), &mut rng);
        assert_eq!(later, (&sample[..], 60));
        let (new, interval) = store.sample(now + minutes(360), &mut rng);
        assert_eq!((new == sample, interval), (false, 21_600));
    }

    #[test]
    fn filters_tell_seeds_from_others() {
        let now = crate::test_epoch();
        let mut store = PeerStore::new(now, LIMITS);
        (0..40).for_each(|n| store.announce(now, swarm(1), peer(n), n < 10).unwrap());
        let [seeds, others] = store.filters(now, swarm(1)).map(|filter| filter.estimate());
        assert_eq!((seeds.round(), others.round()), (10.0, 30.0));
        let [seeds, _] = store.filters(now + minutes(40), swarm(1));
        assert_eq!(seeds, Bloom::new());
    }

    proptest! {
        #[test]
        fn promises_are_kept(
            steps in prop::collection::vec((0_u8..30, 0_u16..90, any::<bool>(), 0_u64..5), 1..300),
        ) {
            let mut now = crate::test_epoch();
            let mut store = PeerStore::new(now, LIMITS);
            for (n, host, is_seed, wait) in steps {
                now += minutes(wait);
                let addr = SocketAddr::new(peer(host % 7).ip(), 1 + host);
                let _ = store.announce(now, swarm(n), addr, is_seed);
                store.sweep(now);
                store.check_invariants();
            }
        }
    }
}
