//! How long a torrent is served.

use std::{
    future,
    time::{Duration, Instant},
};

use bt_client::{Snapshot, State, TorrentHandle};
use tokio::time::sleep_until;

use crate::{
    arguments::SeedUntil,
    exit::Failure,
    format::{bytes, duration, printable},
    progress::Progress,
    transfer,
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

    fn has_ratio(&self, snapshot: &Snapshot) -> bool {
        let stats = &snapshot.stats;
        self.until
            .seed_ratio
            .is_some_and(|ratio| stats.uploaded as f64 >= ratio * stats.wanted_bytes_total as f64)
    }
}

/// Shows progress until a torrent has been served for long enough.
pub(crate) async fn serve(
    handle: &mut TorrentHandle,
    progress: &mut Progress,
    seeding: &mut Seeding,
) -> Result<Goal, Failure> {
    let is_served = |snapshot: &Snapshot| matches!(snapshot.state, State::Seeding);
    transfer::watch(handle, progress, is_served).await?;
    seeding.since = Some(Instant::now());
    tokio::select! {
        result = transfer::watch(handle, progress, |snapshot| seeding.has_ratio(snapshot)) => {
            result.map(|()| Goal::Ratio)
        }
        () = until(seeding.deadline()) => Ok(Goal::Time),
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
    let ratio = stats.uploaded as f64 / stats.wanted_bytes_total.max(1) as f64;
    format!(
        "{}: {} served, {ratio:.2} times its size, in {}",
        printable(&snapshot.name),
        bytes(stats.uploaded),
        duration(elapsed)
    )
}
