use std::time::{Duration, Instant};

use super::Event;
use crate::{
    format::{bytes, duration, rate},
    json,
    progress::Progress,
};

/// Shows how the hashing is doing, a few times a second however often it is told.
pub(super) struct Pace {
    json: bool,
    progress: Progress,
    started: Instant,
    next: Instant,
}

impl Pace {
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        let now = Instant::now();
        Self {
            json,
            progress: Progress::new(false, quiet || json),
            started: now,
            next: now + INTERVAL,
        }
    }

    pub(super) fn show(&mut self, bytes_done: u64, bytes_total: u64) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + INTERVAL;
        let elapsed = now - self.started;
        let bytes_per_sec = (bytes_done as f64 / elapsed.as_secs_f64()) as u64;
        let eta_secs = (bytes_total - bytes_done).checked_div(bytes_per_sec);
        if self.json {
            json::print(&Event::Hashing {
                bytes_done,
                bytes_total,
                bytes_per_sec,
                eta_secs,
            });
            return;
        }
        self.progress.show_work(bytes_done, bytes_total, || {
            let (done, all) = (bytes(bytes_done), bytes(bytes_total));
            let left =
                eta_secs.map(|secs| format!("  {} left", duration(Duration::from_secs(secs))));
            let left = left.unwrap_or_default();
            format!("hashing, {done} of {all}  {}{left}", rate(bytes_per_sec))
        });
    }
}

/// Also the rate's first measure.
const INTERVAL: Duration = Duration::from_millis(200);
