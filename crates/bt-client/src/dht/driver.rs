use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bt_dht::{Dht, Event, Family, OperationId, Outcome};
use bt_types::{PeerSource, SwarmId};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
    time::sleep_until,
};
use tracing::{debug, info, trace};

use super::{
    Command, DhtConfig, DhtQuery,
    entering::{Entering, Of},
    state_file::StateFile,
};
use crate::{
    mail::{Mail, Mailbox},
    net::{Inbox, UdpSockets},
};

/// Drives the session's node: feeds what arrives to it, sends what it says, and brings what it
/// learns to whom it concerns.
pub(super) struct Driver {
    dht: Dht,
    sockets: Arc<UdpSockets>,
    file: Option<StateFile>,
    entering: Entering,
    listeners: HashMap<OperationId, Listener>,
    /// What waits until the node knows somebody, or has found nobody.
    waiting: VecDeque<(DhtQuery, Listener)>,
    /// Attempts to find in that have not ended.
    attempts: usize,
    /// Somebody is known, or was.
    has_entered: bool,
    /// When it is tried anew if we know nobody then.
    enter_again_at: Instant,
    /// Hosts that do nothing but lead in.
    routers: Vec<SocketAddr>,
    save_at: Instant,
    saving: Option<JoinHandle<()>>,
    node_count: Arc<AtomicUsize>,
}

/// Who has asked for an operation.
enum Listener {
    /// We have, to find in.
    Ourselves,
    Torrent(SwarmId, Mailbox),
    Client(mpsc::UnboundedSender<Event>),
}

impl Listener {
    /// Whether it is the torrent of this swarm.
    fn is(&self, swarm: SwarmId) -> bool {
        matches!(self, Self::Torrent(of, _) if *of == swarm)
    }
}

impl Driver {
    pub(super) fn new(
        now: Instant,
        dht: Dht,
        config: &DhtConfig,
        sockets: Arc<UdpSockets>,
        file: Option<StateFile>,
        node_count: Arc<AtomicUsize>,
    ) -> Self {
        let mut driver = Self {
            dht,
            sockets,
            file,
            entering: Entering::new(&config.bootstrap),
            listeners: HashMap::new(),
            waiting: VecDeque::new(),
            attempts: 0,
            has_entered: false,
            enter_again_at: now,
            routers: Vec::new(),
            save_at: now + FIRST_SAVE,
            saving: None,
            node_count,
        };
        driver.try_anew(now);
        driver
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut inbox: Inbox) {
        let mut datagram = Vec::new();
        let mut received = Vec::new();
        loop {
            self.note_entered(Instant::now());
            self.drain(&mut datagram).await;
            let deadline = self.poll_timeout();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(Instant::now(), command).await,
                    None => break,
                },
                count = inbox.recv_many(&mut received, MAX_DATAGRAMS) => {
                    if count == 0 {
                        break; // nobody reads any more
                    }
                    let now = Instant::now();
                    for datagram in received.drain(..) {
                        let from = datagram.from;
                        if let Err(ignored) = self.dht.handle_datagram(now, from, &datagram.payload) {
                            trace!(%from, %ignored);
                        }
                    }
                }
                (of, found) = self.entering.next() => self.handle_looked_up(Instant::now(), of, &found),
                () = sleep_until(deadline.into()) => self.handle_timeout(Instant::now()),
            }
        }
        self.save_now().await;
    }

    /// Sends all that is to be sent, and tells all that is to be told.
    async fn drain(&mut self, datagram: &mut Vec<u8>) {
        loop {
            while let Some(to) = self.dht.poll_transmit(datagram) {
                // Who cannot be reached is as one who does not answer.
                if let Err(error) = self.sockets.send_to(datagram, to).await {
                    trace!(%to, %error, "not sent");
                }
            }
            let Some(event) = self.dht.poll_event() else {
                break;
            };
            self.tell(Instant::now(), event);
        }
        let count = self.dht.node_count(Family::V4) + self.dht.node_count(Family::V6);
        self.node_count.store(count, Ordering::Relaxed);
    }

    fn tell(&mut self, now: Instant, event: Event) {
        let id = match &event {
            Event::Peers { id, .. }
            | Event::Item { id, .. }
            | Event::Samples { id, .. }
            | Event::Finished { id, .. } => *id,
            Event::ExternalAddress(address) => {
                return info!(%address, "our address, as others see it");
            }
            Event::IdChanged(family, id) => {
                return debug!(?family, %id, "our id in the DHT is another now");
            }
            _ => return,
        };
        let end = match &event {
            Event::Finished { outcome, .. } => Some(*outcome),
            _ => None,
        };
        match self.listeners.get(&id) {
            Some(Listener::Torrent(_, mailbox)) => {
                let mail = match (event, end) {
                    (Event::Peers { peers, .. }, _) => Some(Mail::Found(PeerSource::Dht, peers)),
                    (_, Some(Outcome::Announced { nodes })) => Some(Mail::DhtAnnounced { nodes }),
                    _ => None,
                };
                // A torrent that has gone needs no answer.
                if mail.is_some_and(|mail| mailbox.send(mail).is_err()) {
                    self.listeners.remove(&id);
                    self.dht.cancel(now, id);
                    return;
                }
            }
            Some(Listener::Client(events)) => {
                if events.send(event).is_err() {
                    self.listeners.remove(&id);
                    self.dht.cancel(now, id);
                    return;
                }
            }
            Some(Listener::Ourselves) | None => {}
        }
        if let Some(outcome) = end {
            self.listeners.remove(&id);
            if let Outcome::Bootstrapped { nodes } = outcome {
                self.handle_entered(now, nodes);
            }
        }
    }

    async fn obey(&mut self, now: Instant, command: Command) {
        match command {
            Command::Announce(swarm, announce, mailbox) => {
                let query = DhtQuery::Announce(swarm, announce);
                self.ask(now, query, Listener::Torrent(swarm, mailbox));
            }
            Command::Forget(swarm) => self.forget(now, swarm),
            Command::Ask(query, events) => self.ask(now, query, Listener::Client(events)),
            Command::Candidate(node) => {
                let reaches = self.sockets.reaches(node);
                // Who knows enough nodes, or is busy, can do without one more.
                if reaches && self.node_count() < ENOUGH_NODES && self.has_time() {
                    let _ = self.dht.ping(now, node);
                }
            }
            Command::SeenAs(vote) => self.dht.handle_address_vote(now, vote.by, vote.address),
            Command::Hosts(hosts) => self.entering.look_up_hosts(hosts),
            Command::Save(reply) => {
                self.save_now().await;
                let _ = reply.send(());
            }
        }
    }

    fn ask(&mut self, now: Instant, query: DhtQuery, listener: Listener) {
        // What asks one node only needs no others.
        if self.is_entering() && !matches!(query, DhtQuery::Ping(_)) {
            self.waiting.push_back((query, listener));
        } else {
            self.begin(now, query, listener);
        }
    }

    /// Gives up what a torrent has asked for. Nobody who has answered until now learns that we are
    /// in its swarm.
    fn forget(&mut self, now: Instant, swarm: SwarmId) {
        self.waiting.retain(|(_, listener)| !listener.is(swarm));
        let dht = &mut self.dht;
        self.listeners.retain(|&id, listener| {
            let is_over = listener.is(swarm);
            if is_over {
                dht.cancel(now, id);
            }
            !is_over
        });
    }

    fn begin(&mut self, now: Instant, query: DhtQuery, listener: Listener) {
        let dht = &mut self.dht;
        let begun = match query {
            DhtQuery::GetPeers(swarm) => dht.get_peers(now, swarm),
            DhtQuery::Announce(swarm, announce) => dht.announce(now, swarm, announce),
            DhtQuery::Scrape(swarm) => dht.scrape(now, swarm),
            DhtQuery::Ping(node) => dht.ping(now, node),
            DhtQuery::Get(wanted) => dht.get(now, wanted),
            DhtQuery::Put(item, cas) => dht.put(now, item, cas),
            DhtQuery::Sample(target) => dht.sample(now, target),
        };
        match (begun, listener) {
            (Ok(id), listener) => {
                self.listeners.insert(id, listener);
            }
            (Err(error), Listener::Torrent(_, mailbox)) => {
                debug!(%error);
                let _ = mailbox.send(Mail::DhtAnnounced { nodes: 0 });
            }
            // Who asked learns by the end of its events.
            (Err(error), _) => debug!(%error),
        }
    }

    /// Whether somebody may be found in a moment, while nobody is known.
    fn is_entering(&self) -> bool {
        !self.has_entered && (self.attempts > 0 || self.entering.is_looking_up())
    }

    /// The first nodes that answer are the way in for all that waits: to wait until those around
    /// ourselves have answered, or have not, would take seconds. One alone may know nobody.
    fn note_entered(&mut self, now: Instant) {
        let nodes = self.node_count();
        if !self.has_entered && nodes >= WAY_IN {
            info!(nodes, "in the DHT");
            self.has_entered = true;
            self.begin_what_waits(now);
        }
    }

    /// By way of the nodes that we were given, and of those of the last run.
    fn try_anew(&mut self, now: Instant) {
        let addresses = self.entering.addresses().to_vec();
        self.enter(now, &addresses);
    }

    fn enter(&mut self, now: Instant, by: &[SocketAddr]) {
        self.enter_again_at = now + ENTER_AGAIN;
        if let Ok(id) = self.dht.bootstrap(now, by) {
            self.attempts += 1;
            self.listeners.insert(id, Listener::Ourselves);
        }
    }

    fn handle_entered(&mut self, now: Instant, nodes: usize) {
        self.attempts = self.attempts.saturating_sub(1);
        debug!(nodes, "looked for those around ourselves");
        if nodes < FEW_NODES {
            self.entering.look_up(now);
        }
        self.begin_what_waits(now);
    }

    fn handle_looked_up(&mut self, now: Instant, of: Of, found: &[SocketAddr]) {
        let found: Vec<_> = found
            .iter()
            .copied()
            .filter(|&node| self.sockets.reaches(node))
            .collect();
        match of {
            Of::Bootstrap if !found.is_empty() => {
                let news = found.iter().filter(|&addr| !self.routers.contains(addr));
                let news: Vec<_> = news.copied().collect();
                self.routers.extend(news);
                // Names that lead to others every day: those of today will do.
                let old = self.routers.len().saturating_sub(MAX_ROUTERS);
                self.routers.drain(..old);
                self.dht.set_routers(&self.routers);
                self.enter(now, &found);
            }
            // They may be what leads in.
            Of::Torrent if !found.is_empty() && self.node_count() < FEW_NODES => {
                self.enter(now, &found);
            }
            Of::Torrent if self.has_time() => {
                for node in found {
                    let _ = self.dht.ping(now, node);
                }
            }
            _ => {}
        }
        self.begin_what_waits(now);
    }

    fn begin_what_waits(&mut self, now: Instant) {
        if !self.is_entering() {
            for (query, listener) in std::mem::take(&mut self.waiting) {
                self.begin(now, query, listener);
            }
        }
    }

    fn poll_timeout(&self) -> Instant {
        let deadlines = [
            Some(self.dht.poll_timeout()),
            self.file.as_ref().map(|_| self.save_at),
            self.is_lost().then_some(self.enter_again_at),
        ];
        let next = deadlines.into_iter().flatten().min();
        next.unwrap_or(self.enter_again_at)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.dht.handle_timeout(now);
        if self.save_at <= now {
            self.save_at = now + SAVE_INTERVAL;
            self.save();
        }
        if self.is_lost() && self.enter_again_at <= now {
            self.try_anew(now);
        }
    }

    /// Writes the state beside everything else, unless that still goes on, or there is nothing in it
    /// that leads back.
    fn save(&mut self) {
        let is_saving = self.saving.as_ref().is_some_and(|job| !job.is_finished());
        let state = self.dht.state();
        let is_of_use = [Family::V4, Family::V6]
            .iter()
            .any(|family| !state.nodes(*family).is_empty());
        if let Some(file) = self.file.clone().filter(|_| is_of_use && !is_saving) {
            self.saving = Some(spawn_blocking(move || file.write(&state)));
        }
    }

    /// Writes what is known now, and waits until it is written.
    async fn save_now(&mut self) {
        self.saved().await;
        self.save();
        self.saved().await;
    }

    async fn saved(&mut self) {
        if let Some(job) = self.saving.take() {
            // It does not panic, and nobody aborts it.
            let _ = job.await;
        }
    }

    /// Nobody is known, and nobody is being asked for a way in.
    fn is_lost(&self) -> bool {
        self.node_count() == 0 && self.attempts == 0 && !self.entering.is_looking_up()
    }

    fn node_count(&self) -> usize {
        self.dht.node_count(Family::V4) + self.dht.node_count(Family::V6)
    }

    /// Whether a little more may be done on the word of strangers.
    fn has_time(&self) -> bool {
        self.dht.operation_count() < BUSY
    }
}

/// Datagrams that are handled before answers are sent.
const MAX_DATAGRAMS: usize = 32;
/// With so few, hosts that lead in are asked as well.
const FEW_NODES: usize = 8;
/// With so many, a node does not need those that peers name.
const ENOUGH_NODES: usize = 200;
/// Operations under way beyond which nodes that strangers named are not looked at.
const BUSY: usize = 64;
const MAX_ROUTERS: usize = 64;
const ENTER_AGAIN: Duration = Duration::from_secs(60);
/// Nodes that are known, before something is looked up.
const WAY_IN: usize = 2;
/// Soon, so that a short run leaves something to the next.
const FIRST_SAVE: Duration = Duration::from_secs(30);
const SAVE_INTERVAL: Duration = Duration::from_secs(10 * 60);

#[cfg(test)]
mod tests;
