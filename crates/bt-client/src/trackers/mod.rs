//! Beside each swarm: when to announce (decided by `bt-tracker`), and how (by the URL's scheme).

mod addresses;
mod clients;
mod http;
mod leaving;
mod seen_as;
mod udp;
mod url;

use std::{
    collections::HashMap,
    mem,
    time::{Duration, Instant},
};

use bt_tracker::{Announce, AnnounceId, Config, DualStack, Event, Family, Progress, TrackerState};
use bt_tracker_http::Origin;

pub(crate) use self::{
    addresses::Memory,
    clients::{Clients, What},
    seen_as::SeenAs,
    udp::UdpTrackers,
};
use self::{
    clients::{Answer, failure},
    leaving::Leaving,
};
use crate::{
    mail::{Mail, Mailbox, Outcome},
    net::Wait,
    tasks::AbortOnDrop,
};

/// The trackers of one torrent.
pub(crate) struct Trackers {
    schedule: DualStack,
    plan: Plan,
    /// How many schedules there have been: what comes late from one before is for nobody.
    generation: u32,
    /// The end of the one before, while that goes on.
    leaving: Option<Leaving>,
    /// As it was begun, if it was.
    begun: Option<(Instant, Progress)>,
    clients: Clients,
    mailbox: Mailbox,
    under_way: HashMap<AnnounceId, AbortOnDrop>,
    has_stopped: bool,
    /// The schedule has been told something since it was drained.
    is_touched: bool,
    /// When it has something to do of itself.
    deadline: Option<Instant>,
    addresses: Memory,
}

/// What a schedule is made of.
pub(crate) struct Plan {
    pub(crate) tiers: Vec<Vec<String>>,
    /// Those of them that the user has named.
    pub(crate) of_user: Vec<String>,
    pub(crate) config: Config,
    pub(crate) families: Vec<Family>,
    pub(crate) seed: [u8; 32],
}

impl Plan {
    fn schedule(&self) -> DualStack {
        DualStack::new(&self.tiers, &self.config, &self.families, self.seed)
    }

    /// Who has named a tracker; the user's word counts more.
    fn origin(&self, url: &str) -> Origin {
        match self.of_user.iter().any(|named| named.trim() == url) {
            true => Origin::User,
            false => Origin::Torrent,
        }
    }
}

/// How trackers are doing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) working: usize,
    pub(crate) failing: usize,
    /// They are asked, and have not failed.
    pub(crate) asked: usize,
}

impl Trackers {
    pub(crate) fn new(plan: Plan, clients: Clients, mailbox: Mailbox) -> Self {
        Self {
            schedule: plan.schedule(),
            plan,
            generation: 0,
            leaving: None,
            begun: None,
            clients,
            mailbox,
            under_way: HashMap::new(),
            has_stopped: false,
            is_touched: true,
            deadline: None,
            addresses: Memory::default(),
        }
    }

    pub(crate) fn start(&mut self, now: Instant, progress: Progress) {
        self.is_touched = true;
        self.begun = Some((now, progress));
        self.schedule.set_progress(progress);
        self.schedule.start(now);
    }

    /// The torrent turns out to be private: from now on one tracker is asked at a time (BEP 27).
    /// Returns whether several were, or may have been. The others are told that we leave, beside
    /// everything else.
    pub(crate) fn make_private(&mut self, now: Instant) -> bool {
        if self.plan.config.is_private {
            return false;
        }
        self.plan.config.is_private = true;
        self.is_touched = true;
        self.under_way.clear();
        self.generation += 1;
        let earlier = mem::replace(&mut self.schedule, self.plan.schedule());
        if let Some((began, progress)) = self.begun {
            self.leaving = Some(Leaving::new(now, earlier));
            self.schedule.set_progress(progress);
            self.schedule.start(began);
        }
        self.begun.is_some() && self.plan.tiers.iter().flatten().nth(1).is_some()
    }

    pub(crate) fn completed(&mut self, now: Instant) {
        self.is_touched = true;
        self.schedule.completed(now);
    }

    /// Begins to leave; [`has_stopped`](Self::has_stopped) tells when that is done.
    pub(crate) fn stop(&mut self, now: Instant) {
        self.is_touched = true;
        self.schedule.stop(now);
    }

    /// Every tracker that knows us has been told, or could not be told in time.
    pub(crate) fn has_stopped(&self) -> bool {
        self.has_stopped && self.leaving.is_none()
    }

    /// Starts the announces that are due, and returns what there is to tell. Mostly there is
    /// nothing, and then the progress is not asked for.
    pub(crate) fn drain(
        &mut self,
        now: Instant,
        progress: impl FnOnce() -> Progress,
    ) -> Vec<Event> {
        let is_due = self.deadline.is_some_and(|deadline| deadline <= now);
        if !self.is_touched && !is_due {
            return Vec::new();
        }
        self.is_touched = false;
        self.schedule.set_progress(progress());
        while let Some(announce) = self.schedule.poll_announce(now) {
            if let Some(leaving) = &mut self.leaving {
                leaving.keep(now, &announce.url);
            }
            let id = announce.id;
            let task = self.begin(self.generation, announce);
            self.under_way.insert(id, task);
        }
        let mut events: Vec<_> = std::iter::from_fn(|| self.schedule.poll_event()).collect();
        for event in &events {
            match event {
                Event::Abandoned { id } => {
                    self.under_way.remove(id);
                }
                Event::Stopped => self.has_stopped = true,
                _ => {}
            }
        }
        events.extend(self.drain_leaving(now));
        let leaving = self.leaving.as_ref().and_then(Leaving::poll_timeout);
        let deadlines = [self.schedule.poll_timeout(), leaving];
        self.deadline = deadlines.into_iter().flatten().min();
        events
    }

    fn drain_leaving(&mut self, now: Instant) -> Vec<Event> {
        let Some(mut leaving) = self.leaving.take() else {
            return Vec::new();
        };
        let before = self.generation - 1;
        let events = leaving.drain(now, |announce| self.begin(before, announce));
        self.leaving = Some(leaving).filter(|leaving| !leaving.is_over());
        events
    }

    pub(crate) fn want_peers(&mut self, now: Instant) {
        self.is_touched = true;
        self.schedule.want_peers(now);
    }

    pub(crate) fn handle_outcome(
        &mut self,
        now: Instant,
        generation: u32,
        id: AnnounceId,
        outcome: Outcome,
    ) {
        if generation != self.generation {
            if let Some(leaving) = &mut self.leaving {
                self.is_touched = true;
                leaving.handle_outcome(now, id, outcome);
            }
            return;
        }
        self.is_touched = true;
        self.under_way.remove(&id);
        self.schedule.handle_outcome(now, id, outcome);
    }

    /// An announce waits for its turn, or has got it.
    pub(crate) fn handle_wait(
        &mut self,
        now: Instant,
        generation: u32,
        id: AnnounceId,
        wait: Wait,
    ) {
        if generation != self.generation {
            return;
        }
        self.is_touched = true;
        match wait {
            Wait::Begins => self.schedule.handle_waiting(id),
            Wait::Ends => self.schedule.handle_begun(now, id),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.is_touched = true;
        self.schedule.handle_timeout(now);
        if let Some(leaving) = &mut self.leaving {
            leaving.handle_timeout(now);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// How many work, fail, and are asked without having failed.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for tracker in self.schedule.trackers() {
            match tracker.state {
                TrackerState::Working => counts.working += 1,
                TrackerState::Announcing if tracker.failures == 0 => counts.asked += 1,
                TrackerState::Announcing | TrackerState::Failing | TrackerState::GivenUp => {
                    counts.failing += 1;
                }
                // Its turn has not come, or never will.
                _ => {}
            }
        }
        counts
    }

    fn begin(&self, generation: u32, announce: Announce) -> AbortOnDrop {
        let id = announce.id;
        let clients = self.clients.clone();
        let mailbox = self.mailbox.clone();
        let addresses = self.addresses.clone();
        let origin = self.plan.origin(&announce.url);
        AbortOnDrop::spawn(async move {
            let tell = |wait| {
                let _ = mailbox.send(Mail::AnnounceWaits(generation, id, wait));
            };
            let what = What {
                tracker: &announce.url,
                origin,
                request: announce.request,
                tracker_id: announce.tracker_id.as_deref(),
                family: announce.family,
            };
            let answer = clients.announce(&addresses, &what, tell).await;
            // A torrent that has gone needs no answer.
            if let Some(vote) = answer.as_ref().ok().and_then(SeenAs::of) {
                let _ = mailbox.send(Mail::SeenAs(vote));
            }
            let outcome = answer.map(Answer::into_believable);
            let outcome = outcome.map_err(|error| failure(&error));
            let _ = mailbox.send(Mail::Announced(generation, id, outcome));
        })
    }
}

/// How long an announce to one of these trackers may take. A look-up, and what UDP needs where
/// datagrams get lost (BEP 15: 15·2^n seconds).
pub(crate) fn announce_timeout(tiers: &[Vec<String>]) -> Duration {
    if tiers.iter().any(|tier| tier.len() > 1) {
        TIMEOUT_AMONG_OTHERS
    } else {
        TIMEOUT_OF_SOLE_TRACKER
    }
}

/// What we announce by.
pub(crate) const SCHEMES: &[&str] = &["udp", "http", "https"];
/// Three sends, after 0, 15 and 45 seconds, and time for an answer: then another tracker of the
/// tier may have its turn.
const TIMEOUT_AMONG_OTHERS: Duration = Duration::from_secs(50);
/// Three sends and all that BEP 15 lets each wait, 15 + 30 + 60 seconds; or as many addresses.
const TIMEOUT_OF_SOLE_TRACKER: Duration = Duration::from_secs(15 + 30 + 60 + 15);

#[cfg(test)]
mod tests;
