//! Beside each swarm: when to announce (decided by `bt-tracker`), and how (by the URL's scheme).

mod udp;
mod url;

use std::{collections::HashMap, net::SocketAddr, time::Instant};

use bt_tracker::{Announce, AnnounceFailure, AnnounceId, Event, Progress, Retry, Schedule};
use bt_tracker_udp::BEP_15_ATTEMPTS;
use bt_types::AnnounceResponse;
use tracing::debug;

pub(crate) use self::udp::UdpTrackers;
use self::url::UdpUrl;
use crate::{
    net,
    tasks::AbortOnDrop,
    torrent::{Mail, Mailbox},
};

/// The trackers of one torrent.
pub(crate) struct Trackers {
    schedule: Schedule,
    udp: UdpTrackers,
    mailbox: Mailbox,
    under_way: HashMap<AnnounceId, AbortOnDrop>,
    has_stopped: bool,
}

/// How an announce ended.
pub(crate) type Outcome = Result<AnnounceResponse, AnnounceFailure>;

impl Trackers {
    pub(crate) fn new(schedule: Schedule, udp: UdpTrackers, mailbox: Mailbox) -> Self {
        Self {
            schedule,
            udp,
            mailbox,
            under_way: HashMap::new(),
            has_stopped: false,
        }
    }

    pub(crate) fn start(&mut self, now: Instant, progress: Progress) {
        self.schedule.set_progress(progress);
        self.schedule.start(now);
    }

    pub(crate) fn completed(&mut self, now: Instant) {
        self.schedule.completed(now);
    }

    /// Begins to leave; [`has_stopped`](Self::has_stopped) tells when that is done.
    pub(crate) fn stop(&mut self, now: Instant) {
        self.schedule.stop(now);
    }

    /// Every tracker that knows us has been told, or could not be told in time.
    pub(crate) fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    /// Starts the announces that are due, and returns what there is to tell.
    pub(crate) fn drain(&mut self, now: Instant, progress: Progress) -> Vec<Event> {
        self.schedule.set_progress(progress);
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
        events
    }

    pub(crate) fn want_peers(&mut self, now: Instant) {
        self.schedule.want_peers(now);
    }

    pub(crate) fn handle_outcome(&mut self, now: Instant, id: AnnounceId, outcome: Outcome) {
        self.under_way.remove(&id);
        self.schedule.handle_outcome(now, id, outcome);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.schedule.handle_timeout(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.schedule.poll_timeout()
    }

    fn begin(&mut self, announce: Announce) {
        let id = announce.id;
        let udp = self.udp.clone();
        let mailbox = self.mailbox.clone();
        let task = AbortOnDrop::spawn(async move {
            let outcome = perform(&udp, &announce).await;
            // A torrent that has gone needs no answer.
            let _ = mailbox.send(Mail::Announced(id, outcome));
        });
        self.under_way.insert(id, task);
    }
}

/// Announces to the addresses of a tracker, one after the other, until one answers. It takes as
/// long as it takes: the schedule abandons what is too slow.
async fn perform(udp: &UdpTrackers, announce: &Announce) -> Outcome {
    let url = UdpUrl::parse(&announce.url).map_err(|error| AnnounceFailure {
        message: error.to_string(),
        retry: Retry::Never,
    })?;
    let found = net::resolve(url.host, url.port).await;
    let found = found.map_err(|error| failure(format!("cannot look up {}: {error}", url.host)))?;
    let mut addresses: Vec<_> = found.into_iter().filter(|&a| udp.reaches(a)).collect();
    // Few UDP trackers listen on IPv6, whatever their name says, and silence costs 15 seconds.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut last = failure("no address of it can be reached from here".to_owned());
    for (position, &address) in addresses.iter().enumerate() {
        debug!(url = %announce.url, %address, event = ?announce.request.event, "announcing");
        let is_last = position + 1 == addresses.len();
        let attempts = if is_last { BEP_15_ATTEMPTS } else { 1 };
        match udp
            .announce(address, url.data, announce.request, attempts)
            .await
        {
            Ok(response) => return Ok(response),
            Err(error) => last = failure(format!("{address}: {error}")),
        }
    }
    Err(last)
}

fn failure(message: String) -> AnnounceFailure {
    AnnounceFailure {
        message,
        retry: Retry::Unspecified,
    }
}
