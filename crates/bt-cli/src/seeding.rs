//! How long a torrent is served.

use std::{
    future,
    time::{Duration, Instant},
};

use bt_client::{Snapshot, State};
use tokio::time::sleep_until;

use crate::{
    arguments::SeedUntil,
    format::{bytes, duration, printable},
};

/// What has been reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Goal {
    Ratio,
    Time,
}

impl Goal {
    /// As machines read it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ratio => "ratio",
            Self::Time => "time",
        }
    }
}

/// One torrent that is served, or will be once it is complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeding {
    until: SeedUntil,
    since: Option<Instant>,
}

impl Seeding {
    pub(crate) fn new(until: SeedUntil) -> Self {
        Self { until, since: None }
    }

    /// Looks how the torrent is doing; returns what it has reached, if it is served and has.
    pub(crate) fn reached(&mut self, now: Instant, snapshot: &Snapshot) -> Option<Goal> {
        // Once it is served, a disk that fails for a while changes nothing.
        if matches!(snapshot.state, State::Seeding) {
            self.since.get_or_insert(now);
        }
        self.since?;
        if self.has_ratio(snapshot) {
            Some(Goal::Ratio)
        } else if self.deadline().is_some_and(|deadline| deadline <= now) {
            Some(Goal::Time)
        } else {
            None
        }
    }

    /// When it will have been served for long enough, if that is known.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        // A time that no clock can show never comes.
        self.since?
            .checked_add(Duration::from_secs(self.until.seed_time?))
    }

    /// For how long it has been served.
    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        self.since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// All runs count: who is killed and started again gives no more than was wished.
    fn has_ratio(&self, snapshot: &Snapshot) -> bool {
        let (uploaded, size) = (
            snapshot.totals().uploaded,
            snapshot.stats.wanted_bytes_total,
        );
        self.until
            .seed_ratio
            .is_some_and(|ratio| uploaded as f64 >= ratio * size as f64)
    }
}

/// Waits until then, or for ever.
pub(crate) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => future::pending().await,
    }
}

/// Tells people that a torrent has been served for long enough.
pub(crate) fn summary(snapshot: &Snapshot, elapsed: Duration) -> String {
    let stats = &snapshot.stats;
    let times = |uploaded| uploaded as f64 / stats.wanted_bytes_total.max(1) as f64;
    let in_all = match snapshot.totals().uploaded {
        all if all > stats.uploaded => format!(" ({:.2} times in all runs)", times(all)),
        _ => String::new(),
    };
    format!(
        "{}: {} served, {:.2} times its size, in {}{in_all}",
        printable(&snapshot.name),
        bytes(stats.uploaded),
        times(stats.uploaded),
        duration(elapsed)
    )
}
