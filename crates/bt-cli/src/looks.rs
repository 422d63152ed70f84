use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// When to look at peers again.
pub(crate) struct Looks(Interval);

impl Looks {
    /// Within a runtime.
    pub(crate) fn new() -> Self {
        let mut interval = interval(LOOK_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(interval)
    }

    /// Waits until it is time. May be interrupted.
    pub(crate) async fn next(&mut self) {
        self.0.tick().await;
    }
}

/// Slow enough to be read.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
