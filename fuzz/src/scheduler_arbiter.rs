//! What torrents have in common, divided among torrents that come, go, and want anything.

use std::{
    collections::BTreeSet,
    num::NonZeroU64,
    time::{Duration, Instant},
};

use arbitrary::{Arbitrary, Unstructured};
use bt_scheduler::{Arbiter, Demand, Grant, Need, RateLimits, TokenBucket};
use bt_types::BLOCK_LENGTH;

/// Decodes operations; after each division nobody has more than there is.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut world = World::new();
    for _ in 0..MAX_OPS {
        let Ok(op) = Op::arbitrary(&mut input) else {
            return;
        };
        world.step(&op);
        if input.is_empty() {
            return;
        }
    }
}

#[derive(Arbitrary, Debug)]
enum Op {
    Add(u8),
    Remove(u8),
    Demand {
        key: u8,
        peers: [u8; 2],
        half_open: [u8; 2],
        upload_slots: [u8; 2],
        memory_bytes: [u32; 2],
        upload_rate: u64,
        download_rate: u64,
    },
    SetLimits(Limits),
    SetTorrentLimits(u8, Limits),
    Divide,
    /// Lets time pass for the bucket.
    Advance {
        nanos: u64,
    },
    SetRate(NonZeroU64),
    /// Something wants to go.
    Spend {
        bytes: u16,
    },
}

#[derive(Arbitrary, Debug)]
struct Limits {
    upload: Option<NonZeroU64>,
    download: Option<NonZeroU64>,
}

struct World {
    arbiter: Arbiter<u8>,
    keys: BTreeSet<u8>,
    session: RateLimits,
    now: Instant,
    bucket: TokenBucket,
    /// What may have gone since the rate was last changed, in billionths of a byte, and what has.
    allowed: u128,
    gone: u128,
}

impl World {
    fn new() -> Self {
        let now = crate::epoch();
        Self {
            arbiter: Arbiter::new(CAPACITY),
            keys: BTreeSet::new(),
            session: RateLimits::NONE,
            now,
            bucket: TokenBucket::new(now, NonZeroU64::MIN),
            allowed: 0,
            gone: 0,
        }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Add(key) => {
                self.keys.insert(*key);
                self.arbiter.add(*key);
            }
            Op::Remove(key) => {
                self.keys.remove(key);
                self.arbiter.remove(key);
            }
            Op::Demand {
                key,
                peers,
                half_open,
                upload_slots,
                memory_bytes,
                upload_rate,
                download_rate,
            } => {
                let need = |[used, wanted]: [u8; 2]| Need {
                    used: usize::from(used),
                    wanted: usize::from(wanted),
                };
                let demand = Demand {
                    peers: need(*peers),
                    half_open: need(*half_open),
                    upload_slots: need(*upload_slots),
                    memory_bytes: Need {
                        used: memory_bytes[0] as usize,
                        wanted: memory_bytes[1] as usize,
                    },
                    upload_rate: *upload_rate,
                    download_rate: *download_rate,
                };
                let is_news = self.arbiter.set_demand(key, demand);
                assert!(!is_news || self.keys.contains(key));
            }
            Op::SetLimits(limits) => {
                self.session = limits.value();
                self.arbiter.set_limits(self.session);
            }
            Op::SetTorrentLimits(key, limits) => {
                self.arbiter.set_torrent_limits(key, limits.value());
            }
            Op::Divide => self.divide(),
            Op::Advance { nanos } => {
                // Not so long that the clock cannot show it.
                let nanos = nanos % 1_000_000_000_000;
                self.now += Duration::from_nanos(nanos);
                let given = u128::from(nanos) * u128::from(self.bucket.rate().get());
                self.allowed = self.allowed.saturating_add(given);
            }
            Op::SetRate(rate) => {
                self.bucket.set_rate(self.now, *rate);
                (self.allowed, self.gone) = (0, 0);
            }
            Op::Spend { bytes } => self.spend(u64::from(*bytes)),
        }
    }

    fn divide(&mut self) {
        for (key, _) in self.arbiter.divide() {
            assert!(self.keys.contains(key));
        }
        assert_eq!(self.arbiter.divide().count(), 0, "nothing has changed");
        let granted = |key| self.arbiter.granted(key).expect("all have been told");
        let grants: Vec<_> = self.keys.iter().map(granted).collect();
        let count = grants.len();
        let sum = |part: fn(&Grant) -> usize| grants.iter().map(part).sum::<usize>();
        let most = |capacity: usize, least| capacity + (capacity / 4).max(count * least);
        assert!(sum(|grant| grant.max_peers) <= most(CAPACITY.max_peers, 1));
        assert!(sum(|grant| grant.max_half_open) <= CAPACITY.max_half_open + count);
        assert!(sum(|grant| grant.upload_slots) <= CAPACITY.upload_slots + count);
        let block = BLOCK_LENGTH as usize;
        assert!(sum(|grant| grant.memory_bytes) <= most(CAPACITY.memory_bytes, block));
        check_rate(self.session.upload, &grants, |grant| grant.rates.upload);
        check_rate(self.session.download, &grants, |grant| grant.rates.download);
    }

    fn spend(&mut self, bytes: u64) {
        match self.bucket.ready_at(self.now) {
            Some(ready) => {
                assert!(!self.bucket.has_tokens(self.now) && ready > self.now);
            }
            None => {
                self.bucket.spend(self.now, bytes);
                self.gone += u128::from(bytes) * 1_000_000_000;
            }
        }
        let spare = u128::from(self.bucket.burst() + u64::from(u16::MAX)) * 1_000_000_000;
        assert!(self.gone <= self.allowed.saturating_add(spare));
    }
}

impl Limits {
    fn value(&self) -> RateLimits {
        RateLimits {
            upload: self.upload,
            download: self.download,
        }
    }
}

/// Together they have what there is, and beyond it no more than a quarter or a byte each.
fn check_rate(limit: Option<NonZeroU64>, grants: &[Grant], part: fn(&Grant) -> Option<NonZeroU64>) {
    let Some(limit) = limit else { return };
    let limit = u128::from(limit.get());
    let granted = grants.iter().map(part);
    let sum: u128 = granted
        .map(|rate| u128::from(rate.expect("a part of what is limited").get()))
        .sum();
    assert!(sum <= limit + (limit / 4).max(grants.len() as u128));
}

const CAPACITY: Grant = Grant {
    max_peers: 100,
    max_half_open: 10,
    upload_slots: 8,
    memory_bytes: 8 << 20,
    rates: RateLimits::NONE,
};
/// Bounds the time of one input.
const MAX_OPS: usize = 2000;
