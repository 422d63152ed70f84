//! How long a peer does nothing between its bursts.

use std::time::{Duration, Instant};

/// Watches for a peer that lets us wait, sends all that it was asked for at once, and lets us wait
/// again: transmission looks only twice a second at what it has been asked for, once it has nothing
/// left to send.
///
/// The time from a request to its block does not show it: a request that is made just before a
/// burst is answered at once. Whoever asks such a peer for less than it can send in a whole period
/// is sent less in every period, measures that, and asks for even less.
#[derive(Debug)]
pub(super) struct Pauses {
    /// The longest since the peer last had nothing left to send.
    waited: Duration,
    /// The longest of the span that runs, and of the one before.
    longest: [Duration; 2],
    span_start: Instant,
}

impl Pauses {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            waited: Duration::ZERO,
            longest: [Duration::ZERO; 2],
            span_start: now,
        }
    }

    /// A block has come, `wait` after the peer could turn to it; `is_last` if it is asked for no
    /// more. Only then did we ask for too little, and only then is what we waited for the burst
    /// what it should have lasted for.
    pub(super) fn record(&mut self, now: Instant, wait: Duration, is_last: bool) {
        if now.saturating_duration_since(self.span_start) >= SPAN {
            self.span_start = now;
            self.longest = [Duration::ZERO, self.longest[0]];
        }
        self.waited = self.waited.max(wait);
        if is_last {
            self.longest[0] = self.longest[0].max(std::mem::take(&mut self.waited));
        }
    }

    /// The longest pause of late, if it is longer than what a queue of `queue_time` gets us over
    /// anyway; else nothing.
    pub(super) fn longest(&self, queue_time: Duration) -> Duration {
        let longest = self.longest[0].max(self.longest[1]).min(MAX_PAUSE);
        if longest > queue_time {
            longest
        } else {
            Duration::ZERO
        }
    }
}

/// A habit shows again and again in this time; a hiccup is forgotten after twice as long.
const SPAN: Duration = Duration::from_secs(5);
/// Nobody is known whose habit takes longer: the rest are disks that wake up, and lines that fail.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(1);
