use std::{
    collections::HashMap,
    future,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_tracker::Retry;
use bt_tracker_udp::{
    Outcome, RequestId, ScrapeError, UdpTracker,
    wire::{MAX_SCRAPE, ScrapeEntry},
};
use bt_types::{AnnounceRequest, AnnounceResponse, SwarmId};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep_until,
};
use tracing::trace;

use crate::{
    AnnounceError,
    net::{Inbox, Udp, UdpSockets},
    random::Seeds,
    tasks::AbortOnDrop,
};

/// The session's UDP trackers: one machine for each address, whatever torrents talk to it, all
/// behind the session's UDP sockets. Cheap to clone; the last one ends its task.
#[derive(Clone)]
pub(crate) struct UdpTrackers {
    asks: mpsc::Sender<Ask>,
    sockets: Arc<UdpSockets>,
    _task: Arc<AbortOnDrop>,
}

type Answer = Result<Granted, AnnounceError>;

enum Granted {
    Announce(AnnounceResponse),
    Scrape(Vec<ScrapeEntry>),
}

struct Ask {
    tracker: SocketAddr,
    url_data: String,
    question: Question,
    reply: oneshot::Sender<Answer>,
}

enum Question {
    Announce {
        request: AnnounceRequest,
        attempts: u32,
    },
    Scrape(Vec<SwarmId>),
}

struct Machine {
    url_data: String,
    udp: UdpTracker,
    replies: HashMap<RequestId, oneshot::Sender<Answer>>,
    last_asked: Instant,
}

impl UdpTrackers {
    /// With sockets that are used for nothing else.
    pub(crate) fn alone(sockets: UdpSockets, seeds: Seeds) -> Self {
        let udp = Udp::start(sockets);
        Self::start(udp.sockets, udp.trackers, seeds)
    }

    pub(crate) fn start(sockets: Arc<UdpSockets>, inbox: Inbox, seeds: Seeds) -> Self {
        let (asks, queue) = mpsc::channel(QUEUE);
        let driver = Driver {
            sockets: Arc::clone(&sockets),
            seeds,
            machines: Vec::new(),
        };
        Self {
            asks,
            sockets,
            _task: Arc::new(AbortOnDrop::spawn(driver.run(queue, inbox))),
        }
    }

    /// Whether there is a socket from which such an address can be reached.
    pub(crate) fn reaches(&self, tracker: SocketAddr) -> bool {
        self.sockets.reaches(tracker)
    }

    /// Announces to one address. Dropping the future gives the announce up.
    pub(crate) async fn announce(
        &self,
        tracker: SocketAddr,
        url_data: &str,
        request: AnnounceRequest,
        attempts: u32,
    ) -> Result<AnnounceResponse, AnnounceError> {
        let question = Question::Announce { request, attempts };
        match self.ask(tracker, url_data, question).await? {
            Granted::Announce(response) => Ok(response),
            Granted::Scrape(_) => Err(AnnounceError::NoAnswer { tracker }),
        }
    }

    /// Scrapes one address: an entry for each swarm, in order, of which the last ones may lack.
    /// Dropping the future gives it up.
    pub(crate) async fn scrape(
        &self,
        tracker: SocketAddr,
        url_data: &str,
        swarm_ids: &[SwarmId],
    ) -> Result<Vec<ScrapeEntry>, AnnounceError> {
        let question = Question::Scrape(swarm_ids.to_vec());
        match self.ask(tracker, url_data, question).await? {
            Granted::Scrape(entries) => Ok(entries),
            Granted::Announce(_) => Err(AnnounceError::NoAnswer { tracker }),
        }
    }

    async fn ask(&self, tracker: SocketAddr, url_data: &str, question: Question) -> Answer {
        let (reply, answer) = oneshot::channel();
        let ask = Ask {
            tracker,
            url_data: url_data.to_owned(),
            question,
            reply,
        };
        // The driver lives as long as we do; were it gone, there would be no answer either.
        let _ = self.asks.send(ask).await;
        let answer = answer.await;
        answer.unwrap_or(Err(AnnounceError::NoAnswer { tracker }))
    }
}

struct Driver {
    sockets: Arc<UdpSockets>,
    seeds: Seeds,
    machines: Vec<Machine>,
}

impl Driver {
    async fn run(mut self, mut queue: mpsc::Receiver<Ask>, mut inbox: Inbox) {
        loop {
            for machine in &mut self.machines {
                machine.drain(&self.sockets).await;
            }
            let deadline = self
                .machines
                .iter()
                .filter_map(|m| m.udp.poll_timeout())
                .min();
            let timer = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline.into()).await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                // Who reads goes on as long as we are there.
                Some(datagram) = inbox.recv() => self.receive(datagram.from, &datagram.payload),
                ask = queue.recv() => match ask {
                    Some(ask) => self.ask(ask),
                    None => return,
                },
                () = timer => self.handle_timeout(),
            }
        }
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8]) {
        for machine in &mut self.machines {
            match machine.udp.handle_datagram(Instant::now(), from, datagram) {
                Ok(()) => return,
                Err(ignored) => trace!(%from, %ignored),
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        let now = Instant::now();
        self.machines.retain(|machine| machine.is_in_use(now));
        let is_same = |m: &Machine| m.udp.tracker() == ask.tracker && m.url_data == ask.url_data;
        let index = self.machines.iter().position(is_same).unwrap_or_else(|| {
            self.machines.push(Machine {
                udp: UdpTracker::new(ask.tracker, &ask.url_data, self.seeds.draw()),
                url_data: ask.url_data,
                replies: HashMap::new(),
                last_asked: now,
            });
            self.machines.len() - 1
        });
        let machine = &mut self.machines[index];
        // Torrents that have gone hold no places.
        machine.forget_who_no_longer_waits(now);
        machine.last_asked = now;
        let tracker = ask.tracker;
        let busy = AnnounceError::Busy { tracker };
        let asked = match ask.question {
            Question::Announce { request, attempts } => machine
                .udp
                .announce_with_attempts(now, request, attempts)
                .map_err(|_| busy),
            Question::Scrape(swarm_ids) => {
                let asked = machine.udp.scrape(now, &swarm_ids);
                asked.map_err(|error| match error {
                    ScrapeError::Count(_) => AnnounceError::ScrapeCount { max: MAX_SCRAPE },
                    _ => busy,
                })
            }
        };
        match asked {
            Ok(id) => {
                machine.replies.insert(id, ask.reply);
            }
            Err(error) => {
                // Nobody waiting any more is fine.
                let _ = ask.reply.send(Err(error));
            }
        }
    }

    fn handle_timeout(&mut self) {
        let now = Instant::now();
        for machine in &mut self.machines {
            machine.forget_who_no_longer_waits(now);
            machine.udp.handle_timeout(now);
        }
    }
}

impl Machine {
    /// Sends what is to be sent and tells what became of requests.
    async fn drain(&mut self, sockets: &UdpSockets) {
        while let Some(transmit) = self.udp.poll_transmit() {
            if let Err(error) = sockets
                .send_to(&transmit.payload, transmit.destination)
                .await
            {
                self.give_up(&error);
            }
        }
        let tracker = self.udp.tracker();
        while let Some(event) = self.udp.poll_event() {
            let answer = match event.outcome {
                Outcome::Announced(response) => Ok(Granted::Announce(response)),
                Outcome::Scraped(entries) => Ok(Granted::Scrape(entries)),
                Outcome::Refused(reason) => Err(AnnounceError::Refused {
                    tracker,
                    reason,
                    retry: Retry::Unspecified,
                }),
                Outcome::NoTurn => Err(AnnounceError::Busy { tracker }),
                _ => Err(AnnounceError::NoAnswer { tracker }),
            };
            if let Some(reply) = self.replies.remove(&event.id) {
                // Nobody waiting any more is fine.
                let _ = reply.send(answer);
            }
        }
    }

    /// No route, or forbidden: waiting for an answer would be in vain.
    fn give_up(&mut self, error: &std::io::Error) {
        self.udp.retain(Instant::now(), |_| false);
        for (_, reply) in self.replies.drain() {
            let _ = reply.send(Err(AnnounceError::Unreachable {
                tracker: self.udp.tracker(),
                source: error.kind().into(),
            }));
        }
    }

    fn forget_who_no_longer_waits(&mut self, now: Instant) {
        self.replies.retain(|_, reply| !reply.is_closed());
        self.udp.retain(now, |id| self.replies.contains_key(&id));
    }

    fn is_in_use(&self, now: Instant) -> bool {
        self.udp.pending_count() > 0 || now.duration_since(self.last_asked) < KEPT
    }
}

/// Announces that wait for the driver; it takes them at once.
const QUEUE: usize = 64;
/// Longer than the connection id that a machine holds is good for.
const KEPT: Duration = Duration::from_secs(120);
