use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bt_types::{AnnounceEvent, AnnounceResponse};

use crate::{AnnounceId, TrackerState, TrackerStatus};

/// One tracker: how it answered, what it has been told, what it is being told.
#[derive(Debug)]
pub(crate) struct Tracker {
    pub(crate) url: Arc<str>,
    pub(crate) tier: u32,
    pub(crate) standing: Standing,
    pub(crate) in_flight: Option<InFlight>,
    /// Whether it acknowledged `Started`, and was not told `Stopped` since.
    pub(crate) started: bool,
    /// Whether it acknowledged `Completed`. Never without `started`.
    pub(crate) completed: bool,
    /// What is still to be said before we have left; always `None` unless stopping.
    pub(crate) farewell: Option<Farewell>,
    /// Since its last answer: no regular announce before this.
    pub(crate) not_before: Option<Instant>,
    pub(crate) tracker_id: Option<Arc<[u8]>>,
    pub(crate) message: Option<String>,
    seeders: Option<u32>,
    leechers: Option<u32>,
    peers: usize,
}

/// What the last announce showed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standing {
    Unsupported,
    Untried,
    Working { next: Instant },
    Failing { failures: u32, retry_at: Instant },
    GivenUp,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlight {
    pub(crate) id: AnnounceId,
    pub(crate) event: AnnounceEvent,
    /// `None` while it waits in line.
    pub(crate) deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Farewell {
    /// The download completed just before we were told to stop: this must not get lost.
    CompletedThenStopped,
    Stopped,
}

impl Tracker {
    pub(crate) fn new(url: &str, tier: u32, is_supported: bool) -> Self {
        Self {
            url: url.into(),
            tier,
            standing: if is_supported {
                Standing::Untried
            } else {
                Standing::Unsupported
            },
            in_flight: None,
            started: false,
            completed: false,
            farewell: None,
            not_before: None,
            tracker_id: None,
            message: None,
            seeders: None,
            leechers: None,
            peers: 0,
        }
    }

    /// Forgets what it was told, since a new run begins. Failures are not forgotten.
    pub(crate) fn restart(&mut self) {
        self.started = false;
        self.completed = false;
        self.farewell = None;
        if let Standing::Working { .. } = self.standing {
            self.standing = Standing::Untried;
        }
    }

    /// What to say next in a run in which the download has completed or not.
    pub(crate) fn next_event(&self, is_completed: bool) -> AnnounceEvent {
        match (self.started, is_completed && !self.completed) {
            (false, _) => AnnounceEvent::Started,
            (true, true) => AnnounceEvent::Completed,
            (true, false) => AnnounceEvent::None,
        }
    }

    /// It has heard `event`, or, as to `Stopped`, had its one chance to.
    pub(crate) fn acknowledge(&mut self, event: AnnounceEvent) {
        match event {
            AnnounceEvent::None => {}
            AnnounceEvent::Started => self.started = true,
            AnnounceEvent::Completed => self.completed = true,
            AnnounceEvent::Stopped => {
                self.started = false;
                self.completed = false;
            }
        }
    }

    /// Keeps what of an answer is shown, or sent back.
    pub(crate) fn keep(&mut self, response: &AnnounceResponse) {
        if let Some(tracker_id) = response.tracker_id.as_deref() {
            let keeps = tracker_id.len() <= MAX_TRACKER_ID;
            self.tracker_id = keeps.then(|| tracker_id.into());
        }
        self.message = response.warning.as_deref().map(cut_message);
        self.seeders = response.seeders;
        self.leechers = response.leechers;
        self.peers = response.peers.len();
    }

    /// What it should hear if we stop now. A tracker whose very first `Started` is under way may
    /// know us already; one that fails gets no `Completed`, since leaving cannot wait for it.
    pub(crate) fn farewell_now(&self, is_completed: bool) -> Option<Farewell> {
        let owed = self.next_event(is_completed) == AnnounceEvent::Completed;
        match self.standing {
            Standing::Unsupported | Standing::GivenUp => None,
            Standing::Working { .. } if owed => Some(Farewell::CompletedThenStopped),
            Standing::Untried if self.in_flight.is_some() => Some(Farewell::Stopped),
            _ => self.started.then_some(Farewell::Stopped),
        }
    }

    /// While stopping: takes the next thing to say, unless something is being said.
    pub(crate) fn next_farewell(&mut self) -> Option<AnnounceEvent> {
        if self.in_flight.is_some() {
            return None;
        }
        match self.farewell.take()? {
            Farewell::CompletedThenStopped => {
                self.farewell = Some(Farewell::Stopped);
                Some(AnnounceEvent::Completed)
            }
            Farewell::Stopped => Some(AnnounceEvent::Stopped),
        }
    }

    /// Failures since the last answer.
    pub(crate) fn failures(&self) -> u32 {
        match self.standing {
            Standing::Failing { failures, .. } => failures,
            _ => 0,
        }
    }

    /// For display; when it is announced to next is not its own affair.
    pub(crate) fn status(&self) -> TrackerStatus {
        let state = match self.standing {
            _ if self.in_flight.is_some() => TrackerState::Announcing,
            Standing::Unsupported => TrackerState::Unsupported,
            Standing::Untried => TrackerState::Idle,
            Standing::Working { .. } => TrackerState::Working,
            Standing::Failing { .. } => TrackerState::Failing,
            Standing::GivenUp => TrackerState::GivenUp,
        };
        TrackerStatus {
            url: self.url.clone(),
            tier: self.tier,
            state,
            message: self.message.clone(),
            next_announce: None,
            failures: self.failures(),
            seeders: self.seeders,
            leechers: self.leechers,
            peers: self.peers,
        }
    }
}

/// How long to leave a tracker alone after `failures` failures in a row: libtorrent's
/// 5 + 12.5 n² seconds, an hour at most.
pub(crate) fn back_off(failures: u32) -> Duration {
    let n = failures.min(MORE_THAN_AN_HOUR);
    let wait = FIRST_BACK_OFF + Duration::from_millis(12_500) * (n * n);
    wait.min(MAX_BACK_OFF)
}

/// What is kept of a tracker's message.
pub(crate) fn cut_message(message: &str) -> String {
    let mut end = message.len().min(MAX_MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].into()
}

const FIRST_BACK_OFF: Duration = Duration::from_secs(5);
const MAX_BACK_OFF: Duration = Duration::from_secs(60 * 60);
/// As many failures in a row reach the longest wait; keeps the square in range.
const MORE_THAN_AN_HOUR: u32 = 17;
/// Bytes kept of a tracker's message.
const MAX_MESSAGE: usize = 1024;
/// Bytes of an id that we send back; a longer one is not kept. Trackers use some 20.
const MAX_TRACKER_ID: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures of libtorrent's formula.
    #[test]
    fn back_off_grows_with_the_square_to_an_hour() {
        for (failures, seconds) in [
            (1, 17.5),
            (2, 55.0),
            (3, 117.5),
            (4, 205.0),
            (16, 3205.0),
            (17, 3600.0),
            (u32::MAX, 3600.0),
        ] {
            assert_eq!(
                back_off(failures).as_secs_f64(),
                seconds,
                "{failures} failures"
            );
        }
    }

    #[test]
    fn messages_are_cut_between_characters() {
        assert_eq!(cut_message("not registered"), "not registered");
        let long = "ä".repeat(600) + "x";
        assert_eq!(cut_message(&long), "ä".repeat(512));
        assert_eq!(cut_message(&("x".to_owned() + &long)).len(), 1023);
    }
}
