use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_types::{AnnounceEvent, AnnounceRequest, AnnounceResponse};
use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng};

use crate::{
    Announce, AnnounceFailure, AnnounceId, Config, Event, Progress, Retry, TrackerStatus,
    tiers::{MAX_TRACKERS, Tiers, below},
    tracker::{Farewell, InFlight, Standing, Tracker, back_off, cut_message},
};

/// When a torrent announces, to which of its trackers, and what it says. Performs no I/O.
///
/// After each call that takes `&mut self`, drain [`poll_event`](Self::poll_event), since an
/// abandoned announce makes room for another, then [`poll_announce`](Self::poll_announce), then
/// arm one timer from [`poll_timeout`](Self::poll_timeout) for
/// [`handle_timeout`](Self::handle_timeout). `now` must not run backwards.
///
/// Trackers of a tier are shuffled once and tried in order; one that answers moves to the front of
/// its tier (BEP 12). Each tracker that is used hears `Started` first, `Completed` once if the
/// download completes in this run, and `Stopped` at the end. An event that was not acknowledged is
/// said again; one that was, never.
#[derive(Debug)]
pub struct Schedule {
    config: Config,
    rng: ChaCha12Rng,
    trackers: Tiers,
    phase: Phase,
    progress: Progress,
    /// When the download completed in this run.
    completed_at: Option<Instant>,
    /// The tracker that answered last; kept for private torrents.
    serving: Option<Arc<str>>,
    next_id: u64,
    events: VecDeque<Event>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Idle,
    Running {
        since: Instant,
        /// Whether the torrent was complete when it started, so that it cannot complete.
        was_complete: bool,
    },
    /// Somebody is still to be told, or being told.
    Stopping {
        deadline: Instant,
    },
}

/// Why a tracker was not added.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a torrent has at most {MAX_TRACKERS} trackers")]
pub struct TooManyTrackers;

impl Schedule {
    /// A schedule over the given tiers, first tier first, that has not started.
    ///
    /// URLs are trimmed; the first of equal ones counts, the first [`MAX_TRACKERS`] are kept. Put
    /// trackers that the user named into tiers of their own in front, as
    /// [`add_tracker`](Self::add_tracker) does. The seed decides the order within tiers and the
    /// jitter, and need not be secret.
    #[must_use]
    pub fn new(tiers: Vec<Vec<String>>, config: Config, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha12Rng::from_seed(seed);
        let trackers = Tiers::new(&tiers, &config, &mut rng);
        Self {
            events: trackers.iter().filter_map(unsupported).collect(),
            trackers,
            config,
            rng,
            phase: Phase::Idle,
            progress: Progress::UNKNOWN,
            completed_at: None,
            serving: None,
            next_id: 0,
        }
    }

    /// Begins a run: every tracker that is used will hear `Started`. Set the progress before, as a
    /// torrent with nothing left cannot complete. Harmless while running; while stopping, it takes
    /// the stop back.
    pub fn start(&mut self, now: Instant) {
        if let Phase::Running { .. } = self.phase {
            return;
        }
        for index in 0..self.trackers.len() {
            self.abandon(index);
            self.trackers[index].restart();
        }
        self.completed_at = None;
        self.phase = Phase::Running {
            since: now,
            was_complete: self.progress.left == 0,
        };
    }

    /// The download has just become complete: tells each tracker in use, at once. Counts once a
    /// run, and not if nothing was left at the start.
    pub fn completed(&mut self, now: Instant) {
        match self.phase {
            Phase::Running {
                was_complete: false,
                ..
            } if self.completed_at.is_none() => {
                self.completed_at = Some(now);
                self.progress.left = 0;
            }
            _ => {}
        }
    }

    /// Ends the run: tells each tracker that knows us, in one try each, all at once. When that is
    /// done, or [`Config::stop_timeout`] has passed, [`Event::Stopped`] comes.
    pub fn stop(&mut self, now: Instant) {
        match self.phase {
            Phase::Idle => self.events.push_back(Event::Stopped),
            Phase::Stopping { .. } => {}
            Phase::Running { .. } => {
                let deadline = now + self.config.stop_timeout;
                self.phase = Phase::Stopping { deadline };
                for index in 0..self.trackers.len() {
                    self.prepare_farewell(index, deadline);
                }
                self.finish_stop_if_done();
            }
        }
    }

    /// What the next announces say of the transfer.
    pub fn set_progress(&mut self, progress: Progress) {
        self.progress = progress;
    }

    /// More peers are wanted: trackers that answered are asked again after
    /// [`Config::eager_interval`] if their interval is longer, and never before their minimum
    /// interval has passed. Those that failed are not asked sooner.
    pub fn want_peers(&mut self, now: Instant) {
        for tracker in self.trackers.iter_mut() {
            if let Standing::Working { next } = &mut tracker.standing {
                let allowed = tracker.not_before.map_or(now, |at| at.max(now));
                *next = allowed.min(*next);
            }
        }
    }

    /// Adds a tracker in a tier of its own in front of all others. One that is there already is
    /// tried again now if it was failing, and also if it said "never".
    ///
    /// # Errors
    /// If there are [`MAX_TRACKERS`] already.
    pub fn add_tracker(&mut self, now: Instant, url: &str) -> Result<(), TooManyTrackers> {
        let url = url.trim();
        if let Some(tracker) = self.trackers.find_mut(url) {
            match &mut tracker.standing {
                Standing::Failing { retry_at, .. } => *retry_at = now,
                standing @ Standing::GivenUp => *standing = Standing::Untried,
                _ => {}
            }
            return Ok(());
        }
        if self.trackers.len() == MAX_TRACKERS {
            return Err(TooManyTrackers);
        }
        let tracker = Tracker::new(url, 0, self.config.supports(url));
        self.events.extend(unsupported(&tracker));
        self.trackers.insert_in_front(tracker);
        Ok(())
    }

    /// Takes what became of an announce. An id that is not awaited (any more) is ignored.
    pub fn handle_outcome(
        &mut self,
        now: Instant,
        id: AnnounceId,
        outcome: Result<AnnounceResponse, AnnounceFailure>,
    ) {
        let mut trackers = self.trackers.iter();
        let Some(index) = trackers.position(|t| t.in_flight.is_some_and(|it| it.id == id)) else {
            return;
        };
        match outcome {
            Ok(response) => self.succeed(now, index, response),
            Err(failure) => self.fail(now, index, failure),
        }
        self.finish_stop_if_done();
    }

    /// The driver lets this announce wait in line behind others, of whichever torrents. It is not late
    /// for that, until [`handle_begun`](Self::handle_begun) starts its time anew; but a stop waits no
    /// longer than it may. An id that is not awaited (any more) is ignored.
    pub fn handle_waiting(&mut self, id: AnnounceId) {
        self.set_deadline(id, None);
    }

    /// The turn of this announce has come.
    pub fn handle_begun(&mut self, now: Instant, id: AnnounceId) {
        self.set_deadline(id, Some(now + self.config.announce_timeout));
    }

    /// Gives up announces that have taken too long; harmless when called early.
    pub fn handle_timeout(&mut self, now: Instant) {
        for index in 0..self.trackers.len() {
            let late = self.trackers[index].in_flight;
            let is_late = |it: &InFlight| it.deadline.is_some_and(|deadline| deadline <= now);
            if let Some(InFlight { id, .. }) = late.filter(is_late) {
                self.events.push_back(Event::Abandoned { id });
                let failure = AnnounceFailure {
                    message: "no answer in time".into(),
                    retry: Retry::Unspecified,
                };
                self.fail(now, index, failure);
            }
        }
        match self.phase {
            Phase::Stopping { deadline } if deadline <= now => {
                for tracker in self.trackers.iter_mut() {
                    tracker.farewell = None;
                }
            }
            _ => {}
        }
        self.finish_stop_if_done();
    }

    /// The next announce that is due. Drain after every call that takes `&mut self`.
    pub fn poll_announce(&mut self, now: Instant) -> Option<Announce> {
        match self.phase {
            Phase::Idle => None,
            Phase::Running { since, .. } => {
                let (index, _) = self.candidates(since).find(|(_, due)| *due <= now)?;
                let event = self.trackers[index].next_event(self.completed_at.is_some());
                Some(self.announce(index, event, now + self.config.announce_timeout))
            }
            Phase::Stopping { deadline } => {
                let mut trackers = self.trackers.iter_mut().enumerate();
                let (index, event) = trackers
                    .find_map(|(index, tracker)| Some((index, tracker.next_farewell()?)))?;
                Some(self.announce(index, event, deadline))
            }
        }
    }

    /// What the application has not learned yet.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and drain again; `None` while there
    /// is nothing to wait for. Lies in the past only if [`poll_announce`](Self::poll_announce) was
    /// not drained.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Idle => None,
            Phase::Stopping { deadline } => Some(deadline),
            Phase::Running { since, .. } => {
                let in_flight = self.trackers.iter().filter_map(|tracker| tracker.in_flight);
                let deadlines = in_flight.filter_map(|it| it.deadline);
                let announces = self.candidates(since).map(|(_, due)| due);
                deadlines.chain(announces).min()
            }
        }
    }

    /// The trackers as they stand, in the order in which they are tried.
    #[must_use]
    pub fn trackers(&self) -> Vec<TrackerStatus> {
        let mut status: Vec<_> = self.trackers.iter().map(Tracker::status).collect();
        if let Phase::Running { since, .. } = self.phase {
            for (index, due) in self.candidates(since) {
                status[index].next_announce = Some(due);
            }
        }
        status
    }

    /// For tests and fuzzing: checks what must hold between any two calls.
    ///
    /// # Panics
    /// If it does not hold, which is a fault of this crate.
    pub fn check_invariants(&self) {
        self.trackers.check_invariants();
        for tracker in self.trackers.iter() {
            assert!(self.completed_at.is_some() || !tracker.completed);
            assert!(tracker.in_flight.is_none_or(|it| it.id.0 < self.next_id));
        }
        match self.phase {
            Phase::Idle => assert!(self.trackers.iter().all(|t| t.in_flight.is_none())),
            Phase::Running { .. } => {
                for group in self.trackers.groups(self.config.reach()) {
                    let busy = group.filter(|index| self.trackers[*index].in_flight.is_some());
                    assert!(busy.count() <= 1, "two at once where one will do");
                }
            }
            Phase::Stopping { .. } => assert!(!self.is_stop_done(), "nothing left to stop"),
        }
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        assert!(stopping || self.trackers.iter().all(|t| t.farewell.is_none()));
    }

    /// Who may be announced to next, and from when, in a run that began at `since`.
    fn candidates(&self, since: Instant) -> impl Iterator<Item = (usize, Instant)> + '_ {
        let groups = self.trackers.groups(self.config.reach());
        groups.flat_map(move |group| self.trackers.candidates(group, since, self.completed_at))
    }

    fn announce(&mut self, index: usize, event: AnnounceEvent, deadline: Instant) -> Announce {
        let id = AnnounceId(self.next_id);
        self.next_id += 1;
        let tracker = &mut self.trackers[index];
        tracker.in_flight = Some(InFlight {
            id,
            event,
            deadline: Some(deadline),
        });
        let identity = self.config.identity;
        Announce {
            id,
            url: tracker.url.clone(),
            request: AnnounceRequest {
                swarm_id: identity.swarm_id,
                peer_id: identity.peer_id,
                uploaded: self.progress.uploaded,
                downloaded: self.progress.downloaded,
                left: self.progress.left,
                event,
                key: identity.key,
                num_want: match event {
                    AnnounceEvent::Stopped => Some(0),
                    _ => self.config.num_want,
                },
                port: identity.port,
            },
            family: None,
            tracker_id: tracker.tracker_id.clone(),
            deadline,
        }
    }

    fn set_deadline(&mut self, id: AnnounceId, deadline: Option<Instant>) {
        if !matches!(self.phase, Phase::Running { .. }) {
            return;
        }
        let in_flight = self
            .trackers
            .iter_mut()
            .filter_map(|t| t.in_flight.as_mut());
        for it in in_flight.filter(|it| it.id == id) {
            it.deadline = deadline;
        }
    }

    fn succeed(&mut self, now: Instant, index: usize, mut response: AnnounceResponse) {
        response.peers.truncate(MAX_PEERS);
        let min_interval = response.min_interval.unwrap_or_default();
        let min_interval = min_interval.max(self.config.min_interval).min(MAX_INTERVAL);
        let interval = match response.interval {
            Duration::ZERO => DEFAULT_INTERVAL,
            told => told.min(MAX_INTERVAL),
        };
        let next = now + self.jittered(interval.max(min_interval));
        let not_before = now + interval.min(self.config.eager_interval).max(min_interval);

        let tracker = &mut self.trackers[index];
        let Some(InFlight { event, .. }) = tracker.in_flight.take() else {
            return;
        };
        tracker.acknowledge(event);
        tracker.keep(&response);
        tracker.standing = Standing::Working { next };
        tracker.not_before = Some(not_before);
        let url = tracker.url.clone();
        if event != AnnounceEvent::Stopped {
            self.trackers.move_to_front_of_tier(index);
            self.note_who_serves(&url);
        }
        self.events.push_back(Event::Answered {
            url,
            event,
            response,
        });
    }

    fn fail(&mut self, now: Instant, index: usize, failure: AnnounceFailure) {
        let tracker = &mut self.trackers[index];
        let Some(InFlight { event, .. }) = tracker.in_flight.take() else {
            return;
        };
        let message = cut_message(&failure.message);
        tracker.message = Some(message.clone());
        let retry_at = match failure.retry {
            // One try. It says nothing about how the tracker would answer in the next run.
            _ if event == AnnounceEvent::Stopped => {
                tracker.acknowledge(event);
                None
            }
            Retry::Never => {
                tracker.standing = Standing::GivenUp;
                tracker.farewell = None;
                None
            }
            Retry::Unspecified => Some(self.back_off(now, index, Duration::ZERO)),
            Retry::NoAddress => Some(self.back_off(now, index, NO_ADDRESS)),
            Retry::After(hint) => Some(self.back_off(now, index, hint.min(MAX_INTERVAL))),
        };
        self.events.push_back(Event::Failed {
            url: self.trackers[index].url.clone(),
            message,
            retry_at,
        });
    }

    /// Counts a failure and says until when the tracker is left alone: by libtorrent's rule, or
    /// longer if the tracker asks for it now or, unless it is owed an event, did so in its last
    /// answer.
    fn back_off(&mut self, now: Instant, index: usize, at_least: Duration) -> Instant {
        let failures = self.trackers[index].failures().saturating_add(1);
        let wait = self.jittered(back_off(failures).max(at_least));
        let tracker = &mut self.trackers[index];
        let retry_at = match tracker.next_event(self.completed_at.is_some()) {
            AnnounceEvent::None => tracker
                .not_before
                .map_or(now + wait, |at| at.max(now + wait)),
            _ => now + wait,
        };
        tracker.standing = Standing::Failing { failures, retry_at };
        retry_at
    }

    /// Decides what one tracker still hears. Only a `Completed` under way is waited for.
    fn prepare_farewell(&mut self, index: usize, deadline: Instant) {
        let tracker = &mut self.trackers[index];
        match &mut tracker.in_flight {
            Some(in_flight) if in_flight.event == AnnounceEvent::Completed => {
                in_flight.deadline = Some(deadline);
                tracker.farewell = Some(Farewell::Stopped);
            }
            _ => {
                tracker.farewell = tracker.farewell_now(self.completed_at.is_some());
                self.abandon(index);
            }
        }
    }

    fn abandon(&mut self, index: usize) {
        if let Some(InFlight { id, .. }) = self.trackers[index].in_flight.take() {
            self.events.push_back(Event::Abandoned { id });
        }
    }

    fn is_stop_done(&self) -> bool {
        let mut trackers = self.trackers.iter();
        trackers.all(|tracker| tracker.in_flight.is_none() && tracker.farewell.is_none())
    }

    fn finish_stop_if_done(&mut self) {
        if matches!(self.phase, Phase::Stopping { .. }) && self.is_stop_done() {
            self.phase = Phase::Idle;
            self.serving = None;
            self.events.push_back(Event::Stopped);
        }
    }

    fn note_who_serves(&mut self, url: &Arc<str>) {
        if self.config.is_private && self.serving.as_ref() != Some(url) {
            if self.serving.is_some() {
                self.events.push_back(Event::Switched { url: url.clone() });
            }
            self.serving = Some(url.clone());
        }
    }

    /// Up to a tenth longer, so that torrents that started together do not stay together.
    fn jittered(&mut self, wait: Duration) -> Duration {
        let most = wait.as_millis() as u64 / 10;
        wait + Duration::from_millis(below(&mut self.rng, most + 1))
    }
}

fn unsupported(tracker: &Tracker) -> Option<Event> {
    matches!(tracker.standing, Standing::Unsupported).then(|| Event::Unsupported {
        url: tracker.url.clone(),
    })
}

/// Peers kept of one answer. Trackers name 200 or fewer.
const MAX_PEERS: usize = 1000;
/// What to wait if a tracker names no interval; what most of them name.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30 * 60);
/// Names rarely get addresses of another family.
const NO_ADDRESS: Duration = Duration::from_secs(60 * 60);
/// However long a tracker would have us wait.
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests;
