//! How many requests one peer should have outstanding, and how long to wait for an answer.

mod pauses;

use std::time::{Duration, Instant};

use bt_types::BLOCK_LENGTH;

use self::pauses::Pauses;
use crate::{Evaluation, Evidence, PickerConfig, RateMeter, Tally};

/// What is measured of one peer's answers, and what follows for asking it.
#[derive(Debug)]
pub(crate) struct Pipeline {
    rate: RateMeter,
    depth: u32,
    phase: Phase,
    round_trip: RoundTrip,
    pauses: Pauses,
    /// Smoothed; see [`Evidence::block_time`].
    block_time: Option<Duration>,
    /// Requests while the peer does not choke us.
    answers: Tally,
    /// Pieces that it had part in.
    pieces: Tally,
    /// By what was known at the last answer, or when one was last missed.
    evaluation: Evaluation,
}

/// A block that came, as it was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) bytes: u32,
    /// Since it was asked for.
    pub(crate) round_trip: Duration,
    /// Since the peer could turn to it: the block before had come.
    pub(crate) busy: Duration,
    /// Nothing is left that the peer is asked for.
    pub(crate) is_last: bool,
}

#[derive(Debug)]
enum Phase {
    /// Each block that comes makes room for two requests, until they come no faster for it. None
    /// that was in the queue for as long as one should be does: what is asked of a slow peer cannot
    /// be asked of another.
    SlowStart {
        window_start: Instant,
        window_bytes: u64,
        /// Bytes per second in the window before.
        previous_rate: u64,
    },
    /// The depth follows rate, latency and pauses.
    Steady,
}

impl Pipeline {
    pub(crate) fn new(now: Instant, config: &PickerConfig) -> Self {
        Self {
            rate: RateMeter::new(now),
            depth: INITIAL_DEPTH,
            phase: Phase::slow_start(now),
            round_trip: RoundTrip::default(),
            pauses: Pauses::new(now),
            block_time: None,
            answers: Tally::default(),
            pieces: Tally::default(),
            evaluation: config.evaluator.evaluate(&Evidence::default()),
        }
    }

    /// The peer begins to serve us (again): what it can do now is found out anew.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.depth = INITIAL_DEPTH;
        self.phase = Phase::slow_start(now);
        self.round_trip.least = None;
        self.pauses = Pauses::new(now);
    }

    /// The peer does not answer: whatever was learned of its speed no longer holds.
    pub(crate) fn collapse(&mut self) {
        self.depth = MIN_DEPTH;
        self.phase = Phase::Steady;
    }

    /// A block has come.
    pub(crate) fn record(&mut self, now: Instant, answer: Answer, config: &PickerConfig) {
        let Answer {
            bytes,
            round_trip,
            busy,
            is_last,
        } = answer;
        self.rate.record(now, u64::from(bytes));
        self.round_trip.record(round_trip);
        self.block_time = Some(match self.block_time {
            Some(mean) => (mean * 7 + busy) / 8,
            None => busy,
        });
        self.pauses.record(now, busy, is_last);
        self.answers.add_good();
        self.evaluate(now, config);
        let queue_time = config.queue_time + self.pauses.longest(config.queue_time);
        match &mut self.phase {
            Phase::SlowStart {
                window_start,
                window_bytes,
                previous_rate,
            } => {
                let ahead = queue_time + self.evaluation.latency();
                if round_trip < ahead && self.depth < config.max_pipeline {
                    self.depth += 1;
                }
                *window_bytes += u64::from(bytes);
                let elapsed = now.saturating_duration_since(*window_start);
                // A window must see the answers to what was asked in the one before.
                if elapsed >= SLOW_START_WINDOW.max(self.evaluation.latency()) {
                    let elapsed_ms = elapsed.as_millis().max(1) as u64;
                    let window_rate = *window_bytes * 1000 / elapsed_ms;
                    if window_rate < *previous_rate + SLOW_START_GROWTH {
                        self.phase = Phase::Steady;
                    } else {
                        (*window_start, *window_bytes) = (now, 0);
                        *previous_rate = window_rate;
                    }
                }
            }
            Phase::Steady => {
                let bytes_ahead = self.evaluation.bytes_ahead(queue_time);
                let blocks_ahead = bytes_ahead.div_ceil(u64::from(BLOCK_LENGTH));
                self.depth = blocks_ahead.min(u64::from(config.max_pipeline)) as u32;
            }
        }
    }

    /// How many requests to have outstanding with a peer that accepts `reqq`.
    ///
    /// Two at least, so that the link does not idle while one answer is under way, unless the peer
    /// itself says that it takes fewer.
    pub(crate) fn depth(&self, reqq: u32, config: &PickerConfig) -> usize {
        let most = reqq.min(config.max_pipeline).max(1);
        self.depth.max(MIN_DEPTH).min(most) as usize
    }

    /// How many blocks may have left the peer and not yet have come, at most.
    pub(crate) fn on_their_way(&self, now: Instant) -> usize {
        let latency_ms = self.round_trip.latency().as_millis() as u64;
        let bytes = self.rate_bytes_per_sec(now).saturating_mul(latency_ms) / 1000;
        (bytes / u64::from(BLOCK_LENGTH)) as usize + MIN_DEPTH as usize
    }

    pub(crate) fn rate_bytes_per_sec(&self, now: Instant) -> u64 {
        self.rate.bytes_per_sec(now)
    }

    /// What is known of the peer, by what it does of late.
    pub(crate) fn evidence(&self, now: Instant) -> Evidence {
        Evidence {
            download_rate: self.block_time.map(|_| self.rate_bytes_per_sec(now)),
            block_time: self.block_time,
            latency: self.round_trip.latency(),
            answers: self.answers,
            pieces: self.pieces,
            ..Evidence::default()
        }
    }

    /// What is to be expected of the peer.
    pub(crate) fn evaluation(&self) -> &Evaluation {
        &self.evaluation
    }

    /// The peer is known from before: how reliable it was counts.
    pub(crate) fn remember(&mut self, now: Instant, known: &Evidence, config: &PickerConfig) {
        (self.answers, self.pieces) = (known.answers, known.pieces);
        self.evaluate(now, config);
    }

    /// The peer was asked for so many blocks, and did not send them, though it could have.
    pub(crate) fn missed(&mut self, now: Instant, blocks: usize, config: &PickerConfig) {
        (0..blocks).for_each(|_| self.answers.add_bad());
        if blocks > 0 {
            self.evaluate(now, config);
        }
    }

    /// A piece that the peer had part in has passed its hash, or not.
    pub(crate) fn judged(&mut self, now: Instant, is_good: bool, config: &PickerConfig) {
        match is_good {
            true if self.pieces.is_clean() => return, // It could not be any better.
            true => self.pieces.add_good(),
            false => self.pieces.add_bad(),
        }
        self.evaluate(now, config);
    }

    /// What the peer sent of a piece that failed turned out to be right.
    pub(crate) fn cleared(&mut self, now: Instant, config: &PickerConfig) {
        self.pieces.take_back_bad();
        self.evaluate(now, config);
    }

    fn evaluate(&mut self, now: Instant, config: &PickerConfig) {
        self.evaluation = config.evaluator.evaluate(&self.evidence(now));
    }

    pub(crate) fn is_slow_start(&self) -> bool {
        matches!(self.phase, Phase::SlowStart { .. })
    }

    pub(crate) fn round_trip(&self) -> &RoundTrip {
        &self.round_trip
    }
}

impl Phase {
    fn slow_start(now: Instant) -> Self {
        Self::SlowStart {
            window_start: now,
            window_bytes: 0,
            previous_rate: 0,
        }
    }
}

/// The time from request to block: mean and mean deviation as TCP keeps them (RFC 6298), and the
/// least, which is the latency of the path without the queue that we build ourselves.
#[derive(Debug, Default)]
pub(crate) struct RoundTrip {
    mean: Duration,
    deviation: Duration,
    has_samples: bool,
    /// Since the peer last unchoked us: the first request meets no queue, later ones always do, so
    /// that a window of late samples would feed the queue to itself.
    least: Option<Duration>,
}

impl RoundTrip {
    fn record(&mut self, sample: Duration) {
        if self.has_samples {
            let error = self.mean.abs_diff(sample);
            self.deviation = (self.deviation * 3 + error) / 4;
            self.mean = (self.mean * 7 + sample) / 8;
        } else {
            (self.mean, self.deviation) = (sample, sample / 2);
            self.has_samples = true;
        }
        self.least = Some(self.least.map_or(sample, |least| least.min(sample)));
    }

    pub(crate) fn mean(&self) -> Option<Duration> {
        self.has_samples.then_some(self.mean)
    }

    pub(crate) fn deviation(&self) -> Option<Duration> {
        self.has_samples.then_some(self.deviation)
    }

    /// That of the path, as far as is known; believed up to [`MAX_LATENCY`].
    pub(crate) fn latency(&self) -> Duration {
        self.least.unwrap_or_default().min(MAX_LATENCY)
    }

    /// How long a peer may be silent that is asked for blocks, after having failed `snubs` times.
    pub(crate) fn timeout(&self, snubs: u32, config: &PickerConfig) -> Duration {
        let expected = match self.has_samples {
            true => self.mean + self.deviation * 4,
            false => config.first_timeout,
        };
        let patience = expected.max(config.min_timeout) * (1 << snubs.min(MAX_DOUBLINGS));
        patience.min(config.max_timeout)
    }
}

/// The lower bound, libtorrent's `min_request_queue`.
const MIN_DEPTH: u32 = 2;
/// Enough for a first look at a peer; doubles with each round trip.
const INITIAL_DEPTH: u32 = 4;
/// libtorrent compares the bytes of one second with those of the second before.
const SLOW_START_WINDOW: Duration = Duration::from_secs(1);
/// Growth by less, in bytes per second, ends slow start (libtorrent).
const SLOW_START_GROWTH: u64 = 5_000;
/// More than any path has: the rest is a disk that wakes up, or a queue of the peer's own.
const MAX_LATENCY: Duration = Duration::from_secs(3);
/// 2 s become 60 s after five.
const MAX_DOUBLINGS: u32 = 5;

#[cfg(test)]
mod tests;
