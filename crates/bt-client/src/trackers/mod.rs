//! Beside each swarm: when to announce (decided by `bt-tracker`), and how (by the URL's scheme).

mod addresses;
mod clients;
mod http;
mod seen_as;
mod udp;
mod url;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bt_tracker::{Announce, AnnounceId, Config, DualStack, Event, Family, Progress, TrackerState};
use bt_tracker_http::Origin;

use self::clients::failure;
pub(crate) use self::{
    addresses::Memory,
    clients::{Clients, What},
    seen_as::SeenAs,
    udp::UdpTrackers,
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
    /// Returns whether several were, or may have been. They are not told that we leave: they have
    /// heard from us just now, and forget us by themselves.
    pub(crate) fn make_private(&mut self) -> bool {
        if self.plan.config.is_private {
            return false;
        }
        self.plan.config.is_private = true;
        self.is_touched = true;
        self.under_way.clear();
        self.generation += 1;
        self.schedule = self.plan.schedule();
        if let Some((began, progress)) = self.begun {
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
        self.has_stopped
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
            self.begin(announce);
        }
        let events: Vec<_> = std::iter::from_fn(|| self.schedule.poll_event()).collect();
        for event in &events {
            match event {
                Event::Abandoned { id } => {
                    self.under_way.remove(id);
                }
                Event::Stopped => self.has_stopped = true,
                _ => {}
            }
        }
        self.deadline = self.schedule.poll_timeout();
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

    fn begin(&mut self, announce: Announce) {
        let id = announce.id;
        let clients = self.clients.clone();
        let mailbox = self.mailbox.clone();
        let addresses = self.addresses.clone();
        let generation = self.generation;
        let origin = self.plan.origin(&announce.url);
        let task = AbortOnDrop::spawn(async move {
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
            let outcome = answer.map(|answer| answer.response);
            let outcome = outcome.map_err(|error| failure(&error));
            let _ = mailbox.send(Mail::Announced(generation, id, outcome));
        });
        self.under_way.insert(id, task);
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
mod tests {
    use bt_tracker::Identity;
    use bt_types::{AnnounceResponse, PeerId, SwarmId};
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        AnnounceError,
        net::{HttpClient, UdpSockets},
        random::Seeds,
    };

    /// Of a torrent with these trackers, each a tier of its own.
    fn trackers(urls: &[&str]) -> Trackers {
        let (sockets, _) = UdpSockets::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let mut config = Config::new(Identity {
            swarm_id: SwarmId([1; 20]),
            peer_id: PeerId([2; 20]),
            key: 3,
            port: 4,
        });
        config.schemes = SCHEMES;
        let plan = Plan {
            tiers: urls.iter().map(|url| vec![(*url).to_owned()]).collect(),
            of_user: vec![" http://mine ".to_owned()],
            config,
            families: vec![Family::V4],
            seed: [5; 32],
        };
        let clients = Clients {
            udp: UdpTrackers::alone(sockets, Seeds::from_system().unwrap()),
            http: HttpClient::new(None),
        };
        let (mailbox, _) = mpsc::unbounded_channel();
        Trackers::new(plan, clients, mailbox)
    }

    #[tokio::test]
    async fn who_has_named_a_tracker_decides_where_it_may_be() {
        let trackers = trackers(&["http://mine", "http://other"]);
        let origins = ["http://mine", "http://other"].map(|url| trackers.plan.origin(url));
        assert_eq!(origins, [Origin::User, Origin::Torrent]);
    }

    #[tokio::test]
    async fn the_schedule_is_left_alone_while_it_has_nothing_to_do() {
        let mut trackers = trackers(&["udp://127.0.0.1:9"]);
        let now = Instant::now();
        let mut asked = 0;
        let mut drain = |trackers: &mut Trackers, now| {
            trackers.drain(now, || {
                asked += 1;
                Progress::UNKNOWN
            });
            asked
        };
        trackers.start(now, Progress::UNKNOWN);
        assert_eq!(drain(&mut trackers, now), 1);
        assert_eq!(trackers.under_way.len(), 1);
        assert_eq!(drain(&mut trackers, now), 1, "an announce is under way");
        let deadline = trackers
            .poll_timeout()
            .expect("an announce may take so long");
        trackers.handle_timeout(deadline);
        assert_eq!(drain(&mut trackers, deadline), 2);
        assert!(trackers.under_way.is_empty(), "it is given up");
    }

    #[tokio::test]
    async fn trackers_are_counted_by_how_they_do() {
        let mut trackers = trackers(&["udp://127.0.0.1:9", "udp://127.0.0.1:10", "wss://a"]);
        let now = Instant::now();
        let counts = |trackers: &Trackers| {
            let counts = trackers.counts();
            (counts.working, counts.failing, counts.asked)
        };
        assert_eq!(counts(&trackers), (0, 0, 0));
        trackers.start(now, Progress::UNKNOWN);
        trackers.drain(now, || Progress::UNKNOWN);
        assert_eq!(counts(&trackers), (0, 0, 2));
        let mut ids: Vec<_> = trackers.under_way.keys().copied().collect();
        ids.sort_unstable();
        trackers.handle_outcome(now, 0, ids[0], Ok(AnnounceResponse::default()));
        trackers.handle_outcome(
            now,
            0,
            ids[1],
            Err(failure(&AnnounceError::NoReachableAddress)),
        );
        assert_eq!(counts(&trackers), (1, 1, 0));
        // It is asked again, and fails until it answers.
        let later = now + Duration::from_secs(60);
        trackers.handle_timeout(later);
        trackers.drain(later, || Progress::UNKNOWN);
        assert_eq!(trackers.under_way.len(), 1);
        assert_eq!(counts(&trackers), (1, 1, 0));
    }

    #[test]
    fn an_announce_has_three_sends_and_longer_if_there_is_nobody_else() {
        let tier = |count| vec!["udp://t:1".to_owned(); count];
        let third_send = Duration::from_secs(15 + 30);
        assert!(announce_timeout(&[tier(1), tier(3)]) > third_send);
        let all_waits = third_send + Duration::from_secs(60);
        assert!(announce_timeout(&[tier(1), tier(1)]) >= all_waits);
    }

    #[tokio::test]
    async fn a_torrent_that_turns_out_to_be_private_asks_one_tracker_at_a_time() {
        let mut trackers = trackers(&["udp://127.0.0.1:9", "udp://127.0.0.1:10"]);
        let now = Instant::now();
        trackers.start(now, Progress::UNKNOWN);
        trackers.drain(now, || Progress::UNKNOWN);
        assert_eq!(trackers.under_way.len(), 2);
        let late: Vec<_> = trackers.under_way.keys().copied().collect();
        assert!(trackers.make_private(), "both may have named peers");
        trackers.drain(now, || Progress::UNKNOWN);
        assert_eq!(trackers.under_way.len(), 1);
        for id in late {
            trackers.handle_outcome(now, 0, id, Ok(AnnounceResponse::default()));
        }
        let events = trackers.drain(now, || Progress::UNKNOWN);
        assert!(
            events.is_empty(),
            "those that were asked before: {events:?}"
        );
        assert!(!trackers.make_private(), "it is already");
    }
}
