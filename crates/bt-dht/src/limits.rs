//! How much is done for strangers: queries of one source, and bytes for all of them.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::address::Source;

/// Who asks too much is not heard for a while. Of fixed size: sources share places by a keyed hash,
/// so that nobody can choose with whom.
#[derive(Debug)]
pub(crate) struct SourceLimits {
    key: u64,
    max_queries: u32,
    places: Vec<Option<Counted>>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    source: Source,
    since: Instant,
    queries: u32,
    blocked_until: Option<Instant>,
}

impl SourceLimits {
    /// At most `max_queries` in ten seconds.
    pub(crate) fn new(key: u64, max_queries: u32) -> Self {
        Self {
            key: key | 1,
            max_queries,
            places: vec![None; PLACES],
        }
    }

    /// Counts a datagram; returns whether it should be looked at.
    pub(crate) fn allows(&mut self, now: Instant, ip: IpAddr) -> bool {
        let source = Source::of(ip);
        let fresh = Counted {
            source,
            since: now,
            queries: 0,
            blocked_until: None,
        };
        let place = self.place(source);
        let counted = self.places[place].get_or_insert(fresh);
        let is_over = now.saturating_duration_since(counted.since) >= WINDOW;
        match counted.blocked_until {
            Some(until) if now < until => {
                // The innocent neighbour of a flooder is not blocked with it.
                return counted.source != source;
            }
            Some(_) => *counted = fresh,
            None if is_over => *counted = fresh,
            None if counted.source != source => {
                // Shared: both count together, but are not blocked for it.
                return counted.queries < self.max_queries;
            }
            None => {}
        }
        counted.queries += 1;
        if counted.queries > self.max_queries {
            counted.blocked_until = Some(now + BLOCKED_FOR);
            return false;
        }
        true
    }

    fn place(&self, source: Source) -> usize {
        let mixed = (source.bits() ^ (self.key >> 7)).wrapping_mul(self.key);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(self.key);
        (mixed >> (u64::BITS - PLACES.ilog2())) as usize
    }
}

/// Bytes that may be sent to who was not asked by us: so many a second, and what was saved up for
/// some seconds.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_per_sec: u32,
    /// In bytes, times a million.
    saved: u64,
    at: Instant,
}

impl Budget {
    pub(crate) fn new(now: Instant, bytes_per_sec: u32) -> Self {
        Self {
            bytes_per_sec,
            saved: Self::most(bytes_per_sec),
            at: now,
        }
    }

    /// Whether something may be sent at all.
    pub(crate) fn has_any(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.at);
        self.at = self.at.max(now);
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let earned = micros.saturating_mul(self.bytes_per_sec.into());
        let most = Self::most(self.bytes_per_sec);
        self.saved = self.saved.saturating_add(earned).min(most);
        self.saved > 0
    }

    /// Takes what was sent; it may be a little more than there was.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.saved = self.saved.saturating_sub(bytes as u64 * MICROS);
    }

    fn most(bytes_per_sec: u32) -> u64 {
        u64::from(bytes_per_sec) * BURST_SECS * MICROS
    }
}

const PLACES: usize = 1024;
/// As libtorrent has them: 50 messages in ten seconds block a source for five minutes.
const WINDOW: Duration = Duration::from_secs(10);
const BLOCKED_FOR: Duration = Duration::from_secs(5 * 60);
const BURST_SECS: u64 = 3;
const MICROS: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn who_floods_is_not_heard_for_five_minutes() {
        let start = crate::test_epoch();
        let mut limits = SourceLimits::new(12_345, 50);
        let (loud, quiet) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let heard = |limits: &mut SourceLimits, millis, ip| limits.allows(at(start, millis), ip);
        assert!((0..50).all(|n| heard(&mut limits, n * 100, loud)));
        assert!(!heard(&mut limits, 9_000, loud));
        assert!(heard(&mut limits, 9_000, quiet));
        assert!(!heard(&mut limits, 308_999, loud));
        assert!(heard(&mut limits, 309_000, loud));
    }

    #[test]
    fn who_asks_steadily_is_heard() {
        let start = crate::test_epoch();
        let mut limits = SourceLimits::new(12_345, 50);
        let steady = IpAddr::from([192, 0, 2, 1]);
        assert!((0..1000).all(|n| limits.allows(at(start, n * 210), steady)));
    }

    #[test]
    fn a_flood_from_everywhere_blocks_few() {
        let start = crate::test_epoch();
        let mut limits = SourceLimits::new(0x9e37_79b9_7f4a_7c15, 50);
        for source in 0..100_000_u32 {
            limits.allows(start, IpAddr::from(source.to_be_bytes()));
        }
        let quiet = (0..1000_u32).map(|n| IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
        let heard = quiet.filter(|ip| limits.allows(at(start, 11_000), *ip));
        assert!(heard.count() > 950);
    }

    #[test]
    fn bytes_come_back_with_time() {
        let start = crate::test_epoch();
        let mut budget = Budget::new(start, 1000);
        assert!(budget.has_any(start));
        budget.spend(2999);
        assert!(budget.has_any(start));
        budget.spend(500);
        assert!(!budget.has_any(start));
        assert!(budget.has_any(at(start, 1)));
        let later = at(start, 1_000_000);
        assert!(budget.has_any(later));
        budget.spend(3000);
        assert!(!budget.has_any(later), "no more is saved up");
    }
}
