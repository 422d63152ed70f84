use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bt_dht::{Announce, Config, Dht, Event, Family, OperationId, Outcome, wire::Contact};
use bt_sim::{Access, EventQueue, Network, NodeId as Line, Rate, SimRng, epoch};
use bt_types::SwarmId;

use super::{
    report::Lookup,
    sybil::{Heard, Sybil},
};

/// Many nodes, and what is under way between them.
pub(super) struct DhtWorld {
    epoch: Instant,
    queue: EventQueue<Happening>,
    network: Network,
    rng: SimRng,
    nodes: Vec<Node>,
    by_address: BTreeMap<SocketAddr, usize>,
    open: BTreeMap<(usize, OperationId), Lookup>,
    results: Vec<Lookup>,
    datagrams: u64,
}

struct Node {
    addr: SocketAddr,
    line: Line,
    life: Life,
    /// Which of the timers that were set counts.
    timer: u64,
    timer_at: Option<Instant>,
}

enum Life {
    NotYet,
    Honest(Box<Dht>),
    Sybil(Sybil),
    Silent,
}

enum Happening {
    Start {
        node: usize,
    },
    Datagram {
        to: usize,
        from: SocketAddr,
        bytes: Vec<u8>,
    },
    Timer {
        node: usize,
        timer: u64,
    },
    Introduction {
        node: usize,
        to: SocketAddr,
    },
}

/// Any swarm.
pub(super) fn swarm(rng: &mut SimRng) -> SwarmId {
    let mut id = [0; 20];
    id.copy_from_slice(&rng.seed()[..20]);
    SwarmId(id)
}

impl DhtWorld {
    pub(super) fn new(rng: SimRng) -> Self {
        Self {
            epoch: epoch(),
            queue: EventQueue::new(),
            network: Network::new(rng.fork(1)),
            rng: rng.fork(2),
            nodes: Vec::new(),
            by_address: BTreeMap::new(),
            open: BTreeMap::new(),
            results: Vec::new(),
            datagrams: 0,
        }
    }

    /// Honest nodes, each in a neighbourhood of its own.
    pub(super) fn add_nodes(&mut self, count: usize, within: Duration) {
        for n in 0..count {
            let [_, high, low, _] = ((n as u32 + 256) << 8).to_be_bytes();
            let first = 20 + (n % 150) as u8;
            let first = if first == 127 { 19 } else { first };
            let addr = SocketAddr::from(([first, high, low, 77], 6881));
            self.add(addr, Life::NotYet, within);
        }
    }

    /// Liars, all of one /24, the same number around each swarm.
    pub(super) fn add_sybils(&mut self, count: usize, swarms: &[SwarmId], within: Duration) {
        let each = count.div_ceil(swarms.len());
        let mut left = count;
        for (s, swarm) in swarms.iter().enumerate() {
            let ids = Sybil::ids(*swarm, each.min(left));
            left -= ids.len();
            let contact = |(n, id)| {
                let host = s * each + n;
                let port = 6881 + (host / 250) as u16;
                let addr = SocketAddr::from(([198, 51, 100, 1 + (host % 250) as u8], port));
                Contact { id, addr }
            };
            let contacts: Vec<_> = ids.into_iter().enumerate().map(contact).collect();
            for Contact { id, addr } in &contacts {
                let sybil = Sybil::new(*id, &contacts);
                self.add(*addr, Life::Sybil(sybil), within);
            }
        }
    }

    /// So many of the honest ones neither hear nor speak any more.
    pub(super) fn silence(&mut self, count: usize) {
        for node in self.pick_honest(count) {
            self.nodes[node].life = Life::Silent;
        }
    }

    /// Some of those that live, each once.
    pub(super) fn pick_honest(&mut self, count: usize) -> Vec<usize> {
        let is_honest = |node: &usize| matches!(self.nodes[*node].life, Life::Honest(_));
        let mut honest: Vec<_> = (0..self.nodes.len()).filter(is_honest).collect();
        self.rng.shuffle(&mut honest);
        honest.truncate(count);
        honest
    }

    /// The peer that a node announces.
    pub(super) fn peer_of(&self, node: usize) -> SocketAddr {
        SocketAddr::new(self.nodes[node].addr.ip(), PEER_PORT)
    }

    pub(super) fn announce(&mut self, node: usize, swarm: SwarmId) {
        let announce = Announce {
            port: PEER_PORT,
            implied_port: false,
            is_seed: false,
        };
        self.with_dht(node, |dht, now| dht.announce(now, swarm, announce));
    }

    pub(super) fn look_up(&mut self, node: usize, swarm: SwarmId, peer: SocketAddr) {
        let started = self.queue.now();
        if let Some(Ok(id)) = self.with_dht(node, |dht, now| dht.get_peers(now, swarm)) {
            let lookup = Lookup::new(started, peer);
            self.open.insert((node, id), lookup);
        }
        self.drain(node);
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let until = self.queue.now() + time;
        self.queue
            .schedule_at(until, Happening::Start { node: usize::MAX });
        while let Some((_, happening)) = self.queue.pop() {
            match happening {
                Happening::Start { node: usize::MAX } => return,
                happening => self.happen(happening),
            }
        }
    }

    /// How many others an honest node knows.
    pub(super) fn mean_known(&self) -> f64 {
        let counts = self.nodes.iter().filter_map(|node| match &node.life {
            Life::Honest(dht) => Some(dht.node_count(Family::V4)),
            _ => None,
        });
        let counts: Vec<_> = counts.collect();
        counts.iter().sum::<usize>() as f64 / counts.len().max(1) as f64
    }

    /// Of all look-ups that have ended.
    pub(super) fn take_results(&mut self) -> Vec<Lookup> {
        // One that never ended has found nothing.
        let open = std::mem::take(&mut self.open);
        self.results.extend(open.into_values());
        std::mem::take(&mut self.results)
    }

    pub(super) fn datagrams(&self) -> u64 {
        self.datagrams
    }

    pub(super) fn happenings(&self) -> u64 {
        self.queue.popped()
    }

    fn add(&mut self, addr: SocketAddr, life: Life, within: Duration) {
        let delay = self
            .rng
            .duration(Duration::from_millis(5)..Duration::from_millis(75));
        let line = self.network.add(Access {
            up: Rate::mbit_per_sec(10),
            down: Rate::mbit_per_sec(100),
            delay,
            loss: 0.005,
        });
        let node = self.nodes.len();
        self.by_address.insert(addr, node);
        self.nodes.push(Node {
            addr,
            line,
            life,
            timer: 0,
            timer_at: None,
        });
        // The first is there for the others to find.
        let start = self.rng.duration(Duration::ZERO..within);
        let start = if node == 0 { Duration::ZERO } else { start };
        self.queue.schedule_at(start, Happening::Start { node });
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Start { node } => self.start(node),
            Happening::Datagram { to, from, bytes } => self.deliver(to, from, &bytes),
            Happening::Timer { node, timer } => {
                if self.nodes[node].timer == timer {
                    self.nodes[node].timer_at = None;
                    self.with_dht(node, Dht::handle_timeout);
                }
            }
            Happening::Introduction { node, to } => {
                if let Life::Sybil(sybil) = &self.nodes[node].life {
                    let introduction = sybil.introduction();
                    self.send(node, to, introduction);
                }
            }
        }
    }

    fn start(&mut self, node: usize) {
        let way_in = self.way_in(node);
        if let Life::Sybil(_) = self.nodes[node].life {
            for to in way_in {
                self.queue
                    .schedule_in(Duration::ZERO, Happening::Introduction { node, to });
            }
            return;
        }
        let seed = self.rng.seed();
        let now = self.epoch + self.queue.now();
        let ip = self.nodes[node].addr.ip();
        let mut dht = Dht::new(now, Config::default(), seed);
        dht.set_external_address(now, ip);
        self.nodes[node].life = Life::Honest(Box::new(dht));
        self.with_dht(node, |dht, now| dht.bootstrap(now, &way_in).is_ok());
    }

    /// Some that are there already.
    fn way_in(&mut self, node: usize) -> Vec<SocketAddr> {
        let mut others: Vec<_> = self.pick_honest(3);
        others.retain(|other| *other != node);
        others.iter().map(|other| self.nodes[*other].addr).collect()
    }

    fn deliver(&mut self, to: usize, from: SocketAddr, bytes: &[u8]) {
        match &self.nodes[to].life {
            Life::Honest(_) => {
                // What it does not take is its own business.
                self.with_dht(to, |dht, now| dht.handle_datagram(now, from, bytes).is_ok());
            }
            Life::Sybil(sybil) => match sybil.hear(bytes, from) {
                Heard::Answer(answer) => self.send(to, from, answer),
                Heard::Nodes(contacts) => self.introduce(to, &contacts),
                Heard::Nothing => {}
            },
            Life::NotYet | Life::Silent => {}
        }
    }

    /// A liar goes on to the nodes that it hears of, though not for ever.
    fn introduce(&mut self, node: usize, contacts: &[Contact]) {
        if self.queue.now() > INTRODUCTIONS_UNTIL {
            return;
        }
        for contact in contacts {
            let within = self
                .rng
                .duration(Duration::from_secs(5)..Duration::from_secs(60));
            let to = contact.addr;
            // One in ten, or they would be most of what is sent.
            if self.rng.chance(0.1) {
                self.queue
                    .schedule_in(within, Happening::Introduction { node, to });
            }
        }
    }

    fn with_dht<T>(&mut self, node: usize, act: impl FnOnce(&mut Dht, Instant) -> T) -> Option<T> {
        let now = self.epoch + self.queue.now();
        let Life::Honest(dht) = &mut self.nodes[node].life else {
            return None;
        };
        let result = act(dht, now);
        self.drain(node);
        Some(result)
    }

    /// Takes what a node wants to send and to say, and sets its timer.
    fn drain(&mut self, node: usize) {
        let mut datagram = Vec::new();
        loop {
            let Life::Honest(dht) = &mut self.nodes[node].life else {
                return;
            };
            let Some(to) = dht.poll_transmit(&mut datagram) else {
                break;
            };
            self.send(node, to, datagram.clone());
        }
        let Life::Honest(dht) = &mut self.nodes[node].life else {
            return;
        };
        let due = dht.poll_timeout();
        let events: Vec<_> = std::iter::from_fn(|| dht.poll_event()).collect();
        for event in events {
            self.learn(node, event);
        }
        if self.nodes[node].timer_at != Some(due) {
            let state = &mut self.nodes[node];
            (state.timer, state.timer_at) = (state.timer + 1, Some(due));
            let timer = state.timer;
            let at = due.saturating_duration_since(self.epoch);
            self.queue.schedule_at(at, Happening::Timer { node, timer });
        }
    }

    fn learn(&mut self, node: usize, event: Event) {
        let now = self.queue.now();
        match event {
            Event::Peers { id, peers } => {
                if let Some(lookup) = self.open.get_mut(&(node, id)) {
                    lookup.peers(now, &peers);
                }
            }
            Event::Finished {
                id,
                outcome: Outcome::PeersFound { .. },
                figures,
            } => {
                if let Some(mut lookup) = self.open.remove(&(node, id)) {
                    lookup.ended(now, figures);
                    self.results.push(lookup);
                }
            }
            _ => {}
        }
    }

    fn send(&mut self, from: usize, to: SocketAddr, bytes: Vec<u8>) {
        self.datagrams += 1;
        let Some(&to) = self.by_address.get(&to) else {
            return;
        };
        let (sender, receiver) = (&self.nodes[from], &self.nodes[to]);
        let size = (bytes.len() + HEADERS) as u64;
        let now = self.queue.now();
        let from = sender.addr;
        let arrival = self.network.datagram(now, sender.line, receiver.line, size);
        if let Some(at) = arrival {
            let happening = Happening::Datagram { to, from, bytes };
            self.queue.schedule_at(at, happening);
        }
    }
}

/// Where every peer accepts others.
const PEER_PORT: u16 = 7777;
/// IPv4 and UDP.
const HEADERS: usize = 28;
const INTRODUCTIONS_UNTIL: Duration = Duration::from_secs(600);
