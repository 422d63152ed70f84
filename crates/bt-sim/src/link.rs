use std::time::Duration;

use crate::{Rate, SimRng, rate::Serial};

/// One direction of a line between two places: packets wait for each other, take their time, and
/// sometimes get lost.
///
/// For protocols that see packets, such as uTP and the DHT. Where a reliable stream is enough, a
/// [`Network`](crate::Network) takes less work.
///
/// ```
/// use std::time::Duration;
/// use bt_sim::{Link, LinkConfig, Rate, SimRng};
///
/// let config = LinkConfig::new(Rate::mbit_per_sec(8), Duration::from_millis(20));
/// let mut link = Link::new(config, SimRng::new(1));
/// // 1000 bytes take 1 ms; the second packet waits for the first.
/// assert_eq!(link.send(Duration::ZERO, 1000), Some(Duration::from_millis(21)));
/// assert_eq!(link.send(Duration::ZERO, 1000), Some(Duration::from_millis(22)));
/// ```
#[derive(Clone, Debug)]
pub struct Link {
    config: LinkConfig,
    line: Serial,
    rng: SimRng,
}

/// What a [`Link`] is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkConfig {
    /// How fast packets leave.
    pub rate: Rate,
    /// How long each is under way.
    pub delay: Duration,
    /// Up to so much more, drawn for each packet. With more than the time between packets they
    /// overtake each other.
    pub jitter: Duration,
    /// The probability with which a packet is lost on its way.
    pub loss: f64,
    /// How many bytes may wait. What comes when there are more is lost.
    pub queue: u64,
}

impl LinkConfig {
    /// No jitter, no loss, and a queue of 256 KiB: as much as a home router keeps.
    #[must_use]
    pub const fn new(rate: Rate, delay: Duration) -> Self {
        Self {
            rate,
            delay,
            jitter: Duration::ZERO,
            loss: 0.0,
            queue: 256 * 1024,
        }
    }
}

impl Link {
    /// A link on which nothing is under way.
    #[must_use]
    pub fn new(config: LinkConfig, rng: SimRng) -> Self {
        Self {
            config,
            line: Serial::default(),
            rng,
        }
    }

    /// Sends a packet; returns when its last byte arrives, or `None` if it gets lost. `now` must
    /// not run backwards.
    pub fn send(&mut self, now: Duration, bytes: u64) -> Option<Duration> {
        let LinkConfig {
            rate,
            delay,
            jitter,
            loss,
            queue,
        } = self.config;
        if self.line.backlog(now) > rate.time_for(queue) {
            return None;
        }
        let sent = self.line.work(now, rate.time_for(bytes));
        // A packet that gets lost has taken its time on the line all the same. What is drawn does
        // not depend on the outcome, so that runs with other losses stay comparable.
        let is_lost = self.rng.chance(loss);
        let late = jitter.mul_f64(self.rng.next_u64() as f64 / u64::MAX as f64);
        (!is_lost).then(|| sent + delay + late)
    }

    /// How long a packet sent now would wait.
    #[must_use]
    pub fn backlog(&self, now: Duration) -> Duration {
        self.line.backlog(now)
    }

    /// Changes what it is like, for packets sent from now on.
    pub fn set_config(&mut self, config: LinkConfig) {
        self.config = config;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rate_holds() {
        // 1000 blocks over 10 Mbit/s: 13.1072 s, and the delay once.
        let config = LinkConfig {
            queue: u64::MAX,
            ..LinkConfig::new(Rate::mbit_per_sec(10), MS * 30)
        };
        let mut link = Link::new(config, SimRng::new(0));
        let arrivals = (0..1000).map(|_| link.send(Duration::ZERO, 16_384).unwrap());
        let expected = Duration::from_micros(13_107_200) + MS * 30;
        assert_eq!(arrivals.last(), Some(expected));
    }

    #[test]
    fn an_idle_link_does_not_save_up() {
        let mut link = Link::new(LinkConfig::new(RATE, Duration::ZERO), SimRng::new(0));
        assert_eq!(link.send(MS * 500, 1000), Some(MS * 501));
        assert_eq!(link.send(MS * 900, 1000), Some(MS * 901));
    }

    #[test]
    fn a_full_queue_drops() {
        let config = LinkConfig {
            queue: 5_000,
            ..LinkConfig::new(RATE, Duration::ZERO)
        };
        let mut link = Link::new(config, SimRng::new(0));
        let sent = (0..100).filter_map(|_| link.send(Duration::ZERO, 1000));
        // Five wait, and one is on the line.
        assert_eq!(sent.count(), 6);
        assert_eq!(link.backlog(MS), MS * 5);
        assert_eq!(link.send(MS, 1000), Some(MS * 7));
    }

    #[test]
    fn packets_get_lost_at_the_given_rate() {
        let config = LinkConfig {
            loss: 0.2,
            queue: u64::MAX,
            ..LinkConfig::new(RATE, Duration::ZERO)
        };
        let mut link = Link::new(config, SimRng::new(5));
        let arrived = (0..10_000)
            .filter_map(|_| link.send(Duration::ZERO, 100))
            .count();
        assert!((7_850..8_150).contains(&arrived), "{arrived}");
        link.set_config(LinkConfig {
            loss: 1.0,
            ..config
        });
        assert_eq!(link.send(Duration::ZERO, 1), None);
    }

    proptest! {
        /// Without jitter packets stay in order, and no two share the line.
        #[test]
        fn packets_follow_each_other(
            seed: u64,
            packets in prop::collection::vec((0_u64..3, 1_u64..3000), 1..100),
        ) {
            let config = LinkConfig { loss: 0.1, ..LinkConfig::new(RATE, MS * 7) };
            let mut link = Link::new(config, SimRng::new(seed));
            let (mut now, mut last) = (Duration::ZERO, Duration::ZERO);
            for (wait, bytes) in packets {
                now += MS * wait as u32;
                if let Some(arrival) = link.send(now, bytes) {
                    let sending = RATE.time_for(bytes);
                    prop_assert!(arrival >= last + sending && arrival >= now + sending + MS * 7);
                    last = arrival;
                }
            }
        }

        #[test]
        fn jitter_is_bounded_and_seeded(seed: u64) {
            let config = LinkConfig { jitter: MS * 10, ..LinkConfig::new(RATE, MS * 5) };
            let run = || {
                let mut link = Link::new(config, SimRng::new(seed));
                (0..50).map(|i| link.send(MS * i, 1000)).collect::<Vec<_>>()
            };
            let arrivals = run();
            for (i, arrival) in (0..).zip(&arrivals) {
                let sent = MS * (i + 1);
                prop_assert!((sent + MS * 5..=sent + MS * 15).contains(&arrival.unwrap()));
            }
            prop_assert_eq!(arrivals, run());
        }
    }

    const MS: Duration = Duration::from_millis(1);
    /// A byte a microsecond.
    const RATE: Rate = Rate::mbit_per_sec(8);
}
