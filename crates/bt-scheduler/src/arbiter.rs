//! What torrents have in common, divided among them.

mod fill;
mod rates;

use std::{collections::BTreeMap, num::NonZeroU64};

use bt_types::BLOCK_LENGTH;

use crate::{
    Grant, RateLimits,
    arbiter::{
        fill::{Claim, divide, floor},
        rates::{RateClaim, divide_rate},
    },
};

/// Divides what a session has among its torrents, by what each could use.
///
/// Every kind of thing is divided for itself, and max-min fairly: whoever wants little gets all of
/// it, the rest is shared evenly by those who want more. What nobody wants is handed out evenly,
/// too, so that a torrent that wakes up finds room at once; a torrent that is alone always has
/// everything.
///
/// What a torrent holds beyond its new share it needs time to give back. Until it
/// [demands](Self::set_demand) less, the others grow only into what is free. So grants and holdings
/// together stay within the capacity, but for the [floors](Self#floors). Rates nobody holds: what
/// one torrent does not use goes to the others with the next division. A torrent may have
/// [limits of its own](Self::set_torrent_limits) beside; the lower counts.
///
/// ```
/// use bt_scheduler::{Arbiter, Demand, Grant, Need};
///
/// let session = Grant { max_peers: 100, ..Grant::default() };
/// let mut arbiter = Arbiter::new(session);
/// arbiter.add("busy");
/// arbiter.add("idle");
///
/// // 80 connections and a hundred addresses more; one connection, and nobody else.
/// let peers = |used, wanted| Demand { peers: Need { used, wanted }, ..Demand::default() };
/// arbiter.set_demand(&"busy", peers(80, 180));
/// arbiter.set_demand(&"idle", peers(1, 1));
///
/// let grants: Vec<_> = arbiter.divide().map(|(key, grant)| (*key, grant.max_peers)).collect();
/// assert_eq!(grants, [("busy", 99), ("idle", 4)]); // a few always
/// assert_eq!(arbiter.divide().count(), 0, "only what has changed is told");
/// ```
///
/// # Floors
///
/// With nothing at all a torrent could not even find out what it needs. So each is granted four
/// connections, of which one is being made, one upload slot, 256 KiB, and where rates are limited
/// 16 KiB/s, whatever the others have; where there are many torrents less, so that the floors
/// together come to a quarter of the capacity, but never less than a connection, a slot, a block
/// and a byte a second. As most torrents of many are idle, this is not taken from the others.
#[derive(Clone, Debug)]
pub struct Arbiter<K> {
    capacity: Grant,
    torrents: BTreeMap<K, Share>,
}

/// What one torrent has of everything, and what it could use.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Demand {
    /// Connections to peers, those being made included.
    pub peers: Need,
    /// Connections being made.
    pub half_open: Need,
    /// Peers that want something from us.
    pub upload_slots: Need,
    /// Payload in memory, and blocks for which memory is reserved, in bytes.
    pub memory_bytes: Need,
    /// Bytes per second that could go to peers; [`u64::MAX`] if it is not known, as more waits than
    /// may go. Of interest while the capacity has such a limit.
    pub upload_rate: u64,
    /// Bytes per second that could be asked of peers; [`u64::MAX`] as above.
    pub download_rate: u64,
}

/// How much of one thing is in use, and how much would be if there were enough.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Need {
    /// Held now.
    pub used: usize,
    /// Held, if it were granted; may be less than [`used`](Self::used).
    pub wanted: usize,
}

#[derive(Clone, Debug, Default)]
struct Share {
    demand: Demand,
    /// Its own, beside those of all torrents together.
    limits: RateLimits,
    /// What was told last.
    granted: Option<Grant>,
}

impl<K: Clone + Ord> Arbiter<K> {
    /// Divides so much.
    #[must_use]
    pub fn new(capacity: Grant) -> Self {
        Self {
            capacity,
            torrents: BTreeMap::new(),
        }
    }

    /// There is one torrent more, which has nothing and wants nothing yet.
    pub fn add(&mut self, key: K) {
        self.torrents.entry(key).or_default();
    }

    /// A torrent is gone, with all that it held.
    pub fn remove(&mut self, key: &K) {
        self.torrents.remove(key);
    }

    /// Changes the limits of all torrents together, from the next [division](Self::divide) on.
    pub fn set_limits(&mut self, limits: RateLimits) {
        self.capacity.rates = limits;
    }

    /// Changes what a torrent may use at most, whatever the others use, from the next
    /// [division](Self::divide) on.
    pub fn set_torrent_limits(&mut self, key: &K, limits: RateLimits) {
        if let Some(share) = self.torrents.get_mut(key) {
            share.limits = limits;
        }
    }

    /// Learns what a torrent uses and wants; returns whether to [divide](Self::divide) anew. Of a
    /// torrent that is not here nothing is learnt.
    pub fn set_demand(&mut self, key: &K, demand: Demand) -> bool {
        let Some(share) = self.torrents.get_mut(key) else {
            return false;
        };
        let wanted = |demand: &Demand| (demand.wanted(), demand.rates(self.capacity.rates));
        let was_overdrawn = share.is_overdrawn();
        let is_news = wanted(&share.demand) != wanted(&demand);
        share.demand = demand;
        is_news || was_overdrawn || share.is_overdrawn()
    }

    /// What a torrent was granted when things were last divided.
    #[must_use]
    pub fn granted(&self, key: &K) -> Option<Grant> {
        self.torrents.get(key)?.granted
    }

    /// Divides anew; yields what has changed.
    pub fn divide(&mut self) -> impl Iterator<Item = (&K, Grant)> {
        let demands: Vec<_> = self.torrents.values().map(|share| share.demand).collect();
        let shares = |capacity: usize, floor: usize, need: fn(&Demand) -> Need| {
            let claims = demands.iter().map(|demand| Claim {
                need: need(demand),
                floor,
            });
            divide(capacity, &claims.collect::<Vec<_>>())
        };
        let Grant {
            max_peers,
            max_half_open,
            upload_slots,
            memory_bytes,
            rates,
        } = self.capacity;
        let count = demands.len();
        let peers_floor = floor(MIN_PEERS, 1, max_peers, count);
        let memory_floor = floor(MIN_MEMORY, BLOCK_LENGTH as usize, memory_bytes, count);
        let max_peers = shares(max_peers, peers_floor, |demand| demand.peers);
        let max_half_open = shares(max_half_open, 1, |demand| demand.half_open);
        let upload_slots = shares(upload_slots, 1, |demand| demand.upload_slots);
        let memory_bytes = shares(memory_bytes, memory_floor, |demand| demand.memory_bytes);
        let upload = self.divide_rate(
            rates.upload,
            |demand| demand.upload_rate,
            |limits| limits.upload,
        );
        let download = self.divide_rate(
            rates.download,
            |demand| demand.download_rate,
            |limits| limits.download,
        );
        let torrents = self.torrents.iter_mut().enumerate();
        torrents.filter_map(move |(n, (key, share))| {
            let grant = Grant {
                max_peers: max_peers[n],
                max_half_open: max_half_open[n],
                upload_slots: upload_slots[n],
                memory_bytes: memory_bytes[n],
                rates: RateLimits {
                    upload: upload[n],
                    download: download[n],
                },
            };
            (share.granted.replace(grant) != Some(grant)).then_some((key, grant))
        })
    }

    fn divide_rate(
        &self,
        limit: Option<NonZeroU64>,
        wanted: fn(&Demand) -> u64,
        own: fn(&RateLimits) -> Option<NonZeroU64>,
    ) -> Vec<Option<NonZeroU64>> {
        let claims = self.torrents.values().map(|share| RateClaim {
            wanted: wanted(&share.demand),
            own: own(&share.limits),
        });
        divide_rate(limit, &claims.collect::<Vec<_>>())
    }
}

impl Demand {
    fn wanted(&self) -> [usize; 4] {
        [
            self.peers.wanted,
            self.half_open.wanted,
            self.upload_slots.wanted,
            self.memory_bytes.wanted,
        ]
    }

    /// What is wanted of the rates that are limited.
    fn rates(&self, limits: RateLimits) -> [Option<u64>; 2] {
        [
            limits.upload.map(|_| self.upload_rate),
            limits.download.map(|_| self.download_rate),
        ]
    }
}

impl Share {
    /// Whether it holds more than it may, so that others wait.
    fn is_overdrawn(&self) -> bool {
        let used = &self.demand;
        self.granted.is_some_and(|grant| {
            used.peers.used > grant.max_peers
                || used.half_open.used > grant.max_half_open
                || used.upload_slots.used > grant.upload_slots
                || used.memory_bytes.used > grant.memory_bytes
        })
    }
}

/// Enough to learn who has what, and to be found.
const MIN_PEERS: usize = 4;
/// A first pipeline with each of four peers.
const MIN_MEMORY: usize = 16 * BLOCK_LENGTH as usize;

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity() -> Grant {
        Grant {
            max_peers: 100,
            max_half_open: 10,
            upload_slots: 8,
            memory_bytes: 32 << 20,
            rates: RateLimits::NONE,
        }
    }

    fn memory(used: usize, wanted: usize) -> Demand {
        Demand {
            memory_bytes: Need { used, wanted },
            ..Demand::default()
        }
    }

    fn granted(arbiter: &mut Arbiter<u8>) -> Vec<(u8, usize)> {
        let changed = arbiter.divide();
        changed
            .map(|(&key, grant)| (key, grant.memory_bytes))
            .collect()
    }

    #[test]
    fn who_is_alone_has_everything() {
        let mut arbiter = Arbiter::new(capacity());
        arbiter.add(1);
        assert_eq!(arbiter.granted(&1), None);
        let grants: Vec<_> = arbiter.divide().map(|(&key, grant)| (key, grant)).collect();
        assert_eq!(grants, [(1, capacity())]);
        assert_eq!(arbiter.granted(&1), Some(capacity()));
        for used in [0, 1 << 20, 32 << 20, 40 << 20] {
            arbiter.set_demand(&1, memory(used, 2 * used));
            assert_eq!(granted(&mut arbiter), [], "nothing changes for it");
        }
    }

    #[test]
    fn others_grow_into_what_is_given_back() {
        let mut arbiter = Arbiter::new(capacity());
        arbiter.add(1);
        arbiter.set_demand(&1, memory(32 << 20, 64 << 20));
        granted(&mut arbiter);

        arbiter.add(2);
        arbiter.set_demand(&2, memory(0, 64 << 20));
        let floor = 256 << 10;
        assert_eq!(granted(&mut arbiter), [(1, 16 << 20), (2, floor)]);

        arbiter.set_demand(&1, memory(20 << 20, 64 << 20));
        assert_eq!(granted(&mut arbiter), [(2, 12 << 20)]);
        arbiter.set_demand(&1, memory(16 << 20, 64 << 20));
        assert_eq!(granted(&mut arbiter), [(2, 16 << 20)]);
        arbiter.remove(&2);
        assert_eq!(granted(&mut arbiter), [(1, 32 << 20)]);
    }

    #[test]
    fn a_thousand_torrents_get_what_is_of_use_and_hardly_more_than_there_is() {
        for memory_bytes in [1 << 20, 32 << 20] {
            let mut arbiter = Arbiter::new(Grant {
                memory_bytes,
                ..capacity()
            });
            (0..1000_u32).for_each(|key| arbiter.add(key));
            let grants: Vec<_> = arbiter.divide().map(|(_, grant)| grant).collect();
            assert_eq!(grants.len(), 1000);
            for grant in &grants {
                assert!(grant.upload_slots == 1 && grant.max_peers == 1);
                assert!(grant.memory_blocks() >= 1);
            }
            let granted: usize = grants.iter().map(|grant| grant.memory_bytes).sum();
            let least = 1000 * BLOCK_LENGTH as usize;
            assert!(granted <= (memory_bytes / 4 * 5).max(memory_bytes + least));
        }
    }

    #[test]
    fn the_one_that_is_busy_has_nearly_everything_whatever_the_number_of_idle_ones() {
        for idle in [7, 50, 500] {
            let mut arbiter = Arbiter::new(capacity());
            (0..=idle).for_each(|key| arbiter.add(key));
            let all = |wanted| Need { used: 0, wanted };
            let busy = Demand {
                peers: all(500),
                half_open: all(500),
                upload_slots: all(50),
                memory_bytes: all(64 << 20),
                ..Demand::default()
            };
            arbiter.set_demand(&3, busy);
            let mut grants = arbiter.divide();
            let (_, grant) = grants.find(|(key, _)| **key == 3).unwrap();
            assert_eq!(grant, capacity());
        }
    }

    fn rate(bytes_per_sec: u64) -> Option<NonZeroU64> {
        NonZeroU64::new(bytes_per_sec)
    }

    fn uploads(arbiter: &mut Arbiter<u8>) -> Vec<(u8, Option<NonZeroU64>)> {
        let changed = arbiter.divide();
        changed
            .map(|(&key, grant)| (key, grant.rates.upload))
            .collect()
    }

    #[test]
    fn a_rate_goes_to_those_who_can_use_it() {
        let mut arbiter = Arbiter::new(capacity());
        (1..=3).for_each(|key| arbiter.add(key));
        assert_eq!(uploads(&mut arbiter).len(), 3);
        let upload = |upload_rate| Demand {
            upload_rate,
            ..Demand::default()
        };
        assert!(!arbiter.set_demand(&1, upload(5)), "nobody limits it");
        assert!(!arbiter.set_demand(&1, upload(0)));

        arbiter.set_limits(RateLimits {
            upload: rate(900_000),
            download: None,
        });
        let even = [1, 2, 3].map(|key| (key, rate(256 << 10)));
        assert_eq!(uploads(&mut arbiter), even);
        assert!(arbiter.set_demand(&1, upload(u64::MAX)));
        assert!(arbiter.set_demand(&2, upload(u64::MAX)));
        assert!(arbiter.set_demand(&3, upload(100_000)));
        assert_eq!(
            uploads(&mut arbiter),
            [(1, rate(400_000)), (2, rate(400_000)), (3, rate(100_000))]
        );

        let own = RateLimits {
            upload: rate(50_000),
            download: rate(7),
        };
        arbiter.set_torrent_limits(&1, own);
        assert_eq!(
            uploads(&mut arbiter),
            [(1, rate(50_000)), (2, rate(750_000))]
        );
        arbiter.set_limits(RateLimits::NONE);
        assert_eq!(uploads(&mut arbiter), [(2, None), (3, None)]);
        assert_eq!(arbiter.granted(&1).unwrap().rates, own);
    }

    #[test]
    fn a_torrent_that_is_not_here_demands_nothing() {
        let mut arbiter: Arbiter<u8> = Arbiter::new(capacity());
        assert!(!arbiter.set_demand(&7, memory(1, 1)));
        assert_eq!(arbiter.divide().count(), 0);
    }
}
