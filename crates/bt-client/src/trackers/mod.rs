//! Beside each swarm: when to announce (decided by `bt-tracker`), and how (by the URL's scheme).

mod addresses;
mod http;
mod seen_as;
mod udp;
mod url;

use std::{
    collections::HashMap,
    error::Error,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_tracker::{
    Announce, AnnounceFailure, AnnounceId, Config, DualStack, Event, Family, Progress, Retry,
    TrackerState,
};
use bt_tracker_http::{Origin, Scrape, ScrapeEntry};
use bt_tracker_udp::BEP_15_ATTEMPTS;
use bt_types::{AnnounceRequest, AnnounceResponse, SwarmId};
use tracing::debug;

pub(crate) use self::{addresses::Memory, seen_as::SeenAs, udp::UdpTrackers};
use self::{
    addresses::{Fate, Of},
    url::UdpUrl,
};
use crate::{
    AnnounceError,
    mail::{Mail, Mailbox, Outcome},
    net::{self, HttpClient, HttpError, Wait},
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

/// What the torrents of a session ask trackers with, of each kind. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) udp: UdpTrackers,
    pub(crate) http: HttpClient,
}

/// What is announced, and to whom.
pub(crate) struct What<'a> {
    pub(crate) tracker: &'a Arc<str>,
    pub(crate) origin: Origin,
    pub(crate) request: AnnounceRequest,
    pub(crate) tracker_id: Option<&'a [u8]>,
    pub(crate) family: Option<Family>,
}

/// What a tracker has answered, and from where.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: AnnounceResponse,
    pub(crate) from: SocketAddr,
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

impl Clients {
    /// Announces by the protocol that the URL names, and tells of its wait, if it has to wait for its
    /// turn. It takes as long as it takes: the caller gives up what is too slow.
    pub(crate) async fn announce(
        &self,
        memory: &Memory,
        announce: &What<'_>,
        tell: impl Fn(Wait),
    ) -> Result<Answer, AnnounceError> {
        let What {
            tracker,
            request,
            family,
            ..
        } = *announce;
        if is_http(tracker) {
            debug!(url = %tracker, event = ?request.event, "announcing");
            return http::announce(&self.http, announce, tell).await;
        }
        let url = UdpUrl::parse(tracker)?;
        let of = (Arc::clone(tracker), family);
        let addresses = self.udp_addresses(memory, &of, &url).await?;
        announce_in_turn(&self.udp, memory, (&of, url.data), &addresses, request).await
    }

    /// Asks how many peers some swarms have, by the protocol that the URL names, for the user.
    pub(crate) async fn scrape(
        &self,
        memory: &Memory,
        tracker: &Arc<str>,
        swarm_ids: &[SwarmId],
    ) -> Result<Scrape, AnnounceError> {
        if is_http(tracker) {
            return http::scrape(&self.http, tracker, swarm_ids).await;
        }
        let url = UdpUrl::parse(tracker)?;
        let of = (Arc::clone(tracker), None);
        let addresses = self.udp_addresses(memory, &of, &url).await?;
        let address = *addresses.first().ok_or(AnnounceError::NoReachableAddress)?;
        let found = self.udp.scrape(address, url.data, swarm_ids).await?;
        let mut swarms: Vec<_> = found
            .into_iter()
            .map(|entry| {
                Some(ScrapeEntry {
                    seeders: Some(entry.seeders),
                    completed: Some(entry.completed),
                    leechers: Some(entry.leechers),
                    downloaders: None,
                })
            })
            .collect();
        swarms.resize(swarm_ids.len(), None);
        Ok(Scrape {
            swarms,
            min_interval: None,
        })
    }

    /// In the order in which they are to be tried.
    async fn udp_addresses(
        &self,
        memory: &Memory,
        of: &Of,
        url: &UdpUrl<'_>,
    ) -> Result<Vec<SocketAddr>, AnnounceError> {
        let found = net::resolve(url.host, url.port).await;
        let mut addresses = found.map_err(|source| AnnounceError::LookUp {
            host: url.host.to_owned(),
            source,
        })?;
        addresses.retain(|&address| self.udp.reaches(address));
        if addresses.is_empty() {
            return Err(AnnounceError::NoReachableAddress);
        }
        if let Some(family) = of.1 {
            addresses.retain(|address| address.is_ipv4() == (family == Family::V4));
            if addresses.is_empty() {
                return Err(AnnounceError::NoAddressOf(family));
            }
        }
        // Few UDP trackers listen on IPv6, whatever their name says, and silence costs 15 seconds.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        memory.put_in_turn(of, &mut addresses);
        Ok(addresses)
    }
}

/// Whether a tracker is asked over HTTP or HTTPS.
fn is_http(url: &str) -> bool {
    let scheme = url.split("://").next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// Announces to the addresses of a tracker, one after the other, until one answers, if only to
/// refuse; the next announce begins where this one was.
async fn announce_in_turn(
    udp: &UdpTrackers,
    memory: &Memory,
    (of, url_data): (&Of, &str),
    addresses: &[SocketAddr],
    request: AnnounceRequest,
) -> Result<Answer, AnnounceError> {
    let mut last = AnnounceError::NoReachableAddress;
    for (position, &address) in addresses.iter().enumerate() {
        debug!(url = %of.0, %address, event = ?request.event, "announcing");
        memory.note(of, address, Fate::Unanswered);
        let is_last = position + 1 == addresses.len();
        let attempts = if is_last { BEP_15_ATTEMPTS } else { 1 };
        match udp.announce(address, url_data, request, attempts).await {
            Ok(response) => {
                memory.note(of, address, Fate::Answered);
                let from = address;
                return Ok(Answer { response, from });
            }
            // That is its answer, whatever its other addresses do.
            Err(refusal @ AnnounceError::Refused { .. }) => return Err(refusal),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What the schedule hears of it.
fn failure(error: &AnnounceError) -> AnnounceFailure {
    let message = match error.source() {
        Some(source) if !matches!(error, AnnounceError::NotAnAnswer { .. }) => {
            format!("{error}: {source}")
        }
        _ => error.to_string(),
    };
    let retry = match error {
        AnnounceError::UnsupportedScheme
        | AnnounceError::NoHostAndPort
        | AnnounceError::Url(_)
        | AnnounceError::Request(_) => Retry::Never,
        AnnounceError::NoAddressOf(_) | AnnounceError::Http(HttpError::NoAddressOf(_)) => {
            Retry::NoAddress
        }
        AnnounceError::Refused { retry, .. } => *retry,
        _ => Retry::Unspecified,
    };
    AnnounceFailure { message, retry }
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
    use bt_types::{PeerId, SwarmId};
    use tokio::sync::mpsc;

    use super::*;
    use crate::{net::UdpSockets, random::Seeds};

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

    #[tokio::test]
    async fn a_refusal_is_not_forgotten_while_another_address_is_silent() {
        let local = || UdpSockets::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let (server, refuses) = local();
        let (_silent, silent) = local();
        let _refusing = AbortOnDrop::spawn(async move {
            let mut datagram = [0; 1500];
            while let Ok((_, from)) = server.recv_from(&mut datagram).await {
                // BEP 15: action 3, the transaction id, the reason.
                let refusal = [&[0, 0, 0, 3], &datagram[12..16], b"go away"].concat();
                server.send_to(&refusal, from).await.unwrap();
            }
        });
        let udp = UdpTrackers::alone(local().0, Seeds::from_system().unwrap());
        let request = AnnounceRequest {
            swarm_id: SwarmId([1; 20]),
            peer_id: PeerId([2; 20]),
            downloaded: 0,
            uploaded: 0,
            left: 1,
            event: bt_types::AnnounceEvent::Started,
            key: 3,
            num_want: None,
            port: 4,
        };
        let url = ("udp://t:1".into(), None);
        let (memory, addresses) = (Memory::default(), [refuses, silent]);
        let answer = announce_in_turn(&udp, &memory, (&url, ""), &addresses, request);
        // The silent one alone would take this long.
        let answer = tokio::time::timeout(Duration::from_secs(10), answer).await;
        assert!(
            matches!(answer, Ok(Err(AnnounceError::Refused { reason, .. })) if reason == "go away")
        );
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
