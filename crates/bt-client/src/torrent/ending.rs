use std::time::{Duration, Instant};

use bt_storage::Claim;
use tokio::{task::spawn_blocking, time::timeout};
use tracing::warn;

use super::drive::{Drive, Stage};
use crate::State;

/// A torrent is told to end, or cannot go on.
pub(super) struct Ending {
    /// How the torrent will have ended once its trackers are told and the disk is done.
    state: State,
    /// Until when the disk is waited for.
    deadline: Instant,
}

impl Ending {
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Drive {
    /// Begins to end: no peers any more, and trackers are told. The first reason counts.
    pub(super) fn end(&mut self, now: Instant, state: State) {
        if self.ending.is_none() {
            self.ending = Some(Ending {
                state,
                deadline: now + DISK_STOP_TIMEOUT,
            });
            if self.remembering.is_some() {
                self.parts.swarm.spill_all(now);
            }
            if !matches!(self.stage, Stage::Transfer(_)) {
                self.stage = Stage::Over;
            }
            self.parts.swarm.stop(now);
            self.parts.trackers.stop(now);
            self.parts.discovery.stop();
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// How the torrent has ended, if it has.
    pub(super) fn ended(&mut self, now: Instant) -> Option<State> {
        let is_done = self.disk_jobs == 0 && self.parts.trackers.has_stopped();
        let jobs = self.disk_jobs;
        let ending = self
            .ending
            .take_if(|ending| is_done || ending.deadline <= now)?;
        if !is_done {
            warn!(jobs, "the disk is too slow to wait for");
        }
        Some(ending.state)
    }
}

/// Lets others have the data, unless the disk hangs: then that is not waited for.
pub(super) async fn release(claim: Option<Claim>) {
    let released = spawn_blocking(move || drop(claim));
    // It has no answer to give.
    let _ = timeout(RELEASE_TIMEOUT, released).await;
}

/// A piece or two, even for a memory card. A disk that hangs must not keep its user from leaving:
/// what was not written is fetched again.
const DISK_STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// For what takes no time where the disk does not hang.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);
