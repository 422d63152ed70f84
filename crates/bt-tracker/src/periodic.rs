use std::time::{Duration, Instant};

use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng};

use crate::{tiers::below, tracker::back_off};

/// When a torrent is announced where nobody tells us an interval: in the DHT (BEP 5), or on the
/// local network (BEP 14). Performs no I/O.
///
/// After each call that takes `&mut self`, ask [`poll_announce`](Self::poll_announce), then arm one
/// timer from [`poll_timeout`](Self::poll_timeout) to ask again. `now` must not run backwards. A
/// private torrent is announced in neither place (BEP 27), so it has no such schedule.
///
/// ```
/// use bt_tracker::{Pace, Periodic};
/// # #[expect(clippy::disallowed_methods)]
/// let now = std::time::Instant::now(); // in a program: whenever something happens
/// let mut announces = Periodic::new(Pace::DHT, [7; 32]);
/// announces.start(now);
/// assert!(announces.poll_announce(now));
/// assert!(!announces.poll_announce(now), "one at a time");
/// announces.handle_outcome(now, true);
/// assert!(announces.poll_timeout().is_some_and(|at| at >= now + Pace::DHT.interval));
/// ```
#[derive(Debug)]
pub struct Periodic {
    pace: Pace,
    rng: ChaCha12Rng,
    phase: Phase,
    /// How long after the last announce the next one may follow, if more peers are wanted.
    gap: Duration,
    failures: u32,
}

/// How often a torrent is announced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    /// Between two announces of a torrent that lacks nobody.
    pub interval: Duration,
    /// The least between the first two if more peers are wanted. It doubles with each announce, up
    /// to the interval: what has brought nobody three times will not the next minute.
    pub min_gap: Duration,
}

impl Pace {
    /// Every 15 minutes (BEP 5 has nodes forget peers some time after that), or after 1, 2, 4.. if
    /// more peers are wanted.
    pub const DHT: Self = Self {
        interval: Duration::from_secs(15 * 60),
        min_gap: Duration::from_secs(60),
    };
    /// BEP 14: every 5 minutes, at most once in one.
    pub const LSD: Self = Self {
        interval: Duration::from_secs(5 * 60),
        min_gap: Duration::from_secs(60),
    };
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Idle,
    Waiting {
        next: Instant,
        /// Not before then, however much peers are wanted.
        not_before: Instant,
    },
    Announcing,
}

impl Periodic {
    /// A schedule that has not started. The seed decides the jitter, and need not be secret.
    #[must_use]
    pub fn new(pace: Pace, seed: [u8; 32]) -> Self {
        Self {
            pace,
            rng: ChaCha12Rng::from_seed(seed),
            phase: Phase::Idle,
            gap: pace.min_gap,
            failures: 0,
        }
    }

    /// Begins: an announce is due at once. Harmless while running.
    pub fn start(&mut self, now: Instant) {
        if let Phase::Idle = self.phase {
            self.gap = self.pace.min_gap;
            self.failures = 0;
            self.phase = Phase::Waiting {
                next: now,
                not_before: now,
            };
        }
    }

    /// Ends: there is nobody to be told, in either place peers are forgotten after a while.
    pub fn stop(&mut self) {
        self.phase = Phase::Idle;
    }

    /// More peers are wanted: what has been announced is announced again before the interval is
    /// over, but not sooner than the [pace](Pace) allows.
    pub fn want_peers(&mut self, now: Instant) {
        if let Phase::Waiting { next, not_before } = &mut self.phase {
            *next = (*not_before).max(now).min(*next);
        }
    }

    /// Takes what became of the announce: whether anybody has heard of it. Who was not heard tries
    /// again by libtorrent's back-off for trackers, 5 + 12.5 n² seconds after the n-th time in a
    /// row. Ignored if none is under way.
    pub fn handle_outcome(&mut self, now: Instant, is_heard: bool) {
        let Phase::Announcing = self.phase else {
            return;
        };
        let (next, not_before) = if is_heard {
            self.failures = 0;
            let gap = self.gap;
            self.gap = (gap * 2).min(self.pace.interval);
            (self.pace.interval, gap)
        } else {
            self.failures = self.failures.saturating_add(1);
            let wait = back_off(self.failures).min(self.pace.interval);
            (wait, wait)
        };
        let jitter = self.jitter(not_before);
        let not_before = now + not_before + jitter;
        let jitter = self.jitter(next);
        self.phase = Phase::Waiting {
            next: (now + next + jitter).max(not_before),
            not_before,
        };
    }

    /// Whether an announce is due. If so it is under way from now on, until
    /// [`handle_outcome`](Self::handle_outcome).
    #[must_use]
    pub fn poll_announce(&mut self, now: Instant) -> bool {
        match self.phase {
            Phase::Waiting { next, .. } if next <= now => {
                self.phase = Phase::Announcing;
                true
            }
            _ => false,
        }
    }

    /// When to ask [`poll_announce`](Self::poll_announce) again; `None` while there is nothing to
    /// wait for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting { next, .. } => Some(next),
            Phase::Idle | Phase::Announcing => None,
        }
    }

    /// Up to a tenth of a wait, so that torrents that started together do not stay together.
    fn jitter(&mut self, wait: Duration) -> Duration {
        let most = wait.as_millis() as u64 / 10;
        Duration::from_millis(below(&mut self.rng, most + 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary epoch; only offsets from it matter"
    )]
    fn epoch() -> Instant {
        Instant::now()
    }

    /// The minutes, rounded down, in which a schedule announces within two hours.
    fn minutes(pace: Pace, wants_peers: bool, is_heard: impl Fn(usize) -> bool) -> Vec<u64> {
        let start = epoch();
        let mut announces = Periodic::new(pace, [3; 32]);
        announces.start(start);
        let mut heard = Vec::new();
        for second in 0..2 * 60 * 60 {
            let now = start + Duration::from_secs(second);
            if wants_peers {
                announces.want_peers(now);
            }
            if announces.poll_announce(now) {
                heard.push(second / 60);
                // It takes its time.
                let later = now + Duration::from_secs(1);
                announces.handle_outcome(later, is_heard(heard.len()));
            }
        }
        heard
    }

    #[test]
    fn a_torrent_that_lacks_nobody_keeps_the_interval() {
        let dht = minutes(Pace::DHT, false, |_| true);
        assert!((7..=8).contains(&dht.len()), "{dht:?}");
        assert!(
            dht.windows(2).all(|pair| pair[1] - pair[0] >= 15),
            "{dht:?}"
        );
        let lsd = minutes(Pace::LSD, false, |_| true);
        assert!((21..=24).contains(&lsd.len()), "{lsd:?}");
        assert!(lsd.windows(2).all(|pair| pair[1] - pair[0] >= 5), "{lsd:?}");
    }

    #[test]
    fn who_wants_peers_asks_sooner_and_ever_more_seldom() {
        let dht = minutes(Pace::DHT, true, |_| true);
        // Up to a tenth later, each time.
        assert_eq!(dht[..4], [0, 1, 3, 7], "{dht:?}");
        assert!((15..=16).contains(&dht[4]), "{dht:?}");
        assert!((10..=12).contains(&dht.len()), "{dht:?}");
        let lsd = minutes(Pace::LSD, true, |_| true);
        assert_eq!(lsd[..4], [0, 1, 3, 7], "{lsd:?}");
    }

    #[test]
    fn who_is_not_heard_tries_again_with_back_off() {
        let dht = minutes(Pace::DHT, true, |count| count > 3);
        // 17.5, 55 and 117.5 seconds after one another, and up to a tenth more.
        assert_eq!(dht[..4], [0, 0, 1, 3], "{dht:?}");
        let never = minutes(Pace::DHT, true, |_| false);
        assert!(never.len() < 20, "{never:?}");
    }

    #[test]
    fn who_has_stopped_is_silent_until_started() {
        let start = epoch();
        let mut announces = Periodic::new(Pace::LSD, [1; 32]);
        assert!(!announces.poll_announce(start));
        announces.start(start);
        announces.stop();
        announces.want_peers(start);
        assert!(!announces.poll_announce(start));
        assert_eq!(announces.poll_timeout(), None);
        announces.start(start);
        assert!(announces.poll_announce(start));
        announces.stop();
        announces.handle_outcome(start, true);
        assert_eq!(announces.poll_timeout(), None, "it was given up");
    }

    proptest! {
        /// Whatever happens, two announces are never closer than the first gap, unless nobody has
        /// heard the first.
        #[test]
        fn the_least_gap_is_kept(seed: [u8; 32], steps in prop::collection::vec((0_u64..200, any::<(bool, bool)>()), 0..200)) {
            let mut now = epoch();
            let mut announces = Periodic::new(Pace::DHT, seed);
            announces.start(now);
            let mut heard_at = None;
            for (seconds, (wants_peers, is_heard)) in steps {
                now += Duration::from_secs(seconds);
                if wants_peers {
                    announces.want_peers(now);
                }
                if announces.poll_announce(now) {
                    if let Some(heard_at) = heard_at {
                        prop_assert!(now - heard_at >= Pace::DHT.min_gap);
                    }
                    heard_at = is_heard.then_some(now);
                    announces.handle_outcome(now, is_heard);
                }
                prop_assert!(announces.poll_timeout().is_some_and(|at| at <= now + Pace::DHT.interval * 2));
            }
        }
    }
}
