use std::collections::BTreeSet;

use bt_dht::{
    Announce, Config,
    wire::{self, Body, Method},
};

use super::*;
use crate::trackers::SeenAs;

const PUBLIC: SwarmId = SwarmId([1; 20]);
const PRIVATE: SwarmId = SwarmId([2; 20]);

/// A node that is led in by these.
fn entering(now: Instant, ways_in: &[SocketAddr]) -> Driver {
    let config = DhtConfig {
        bootstrap: ways_in.iter().map(SocketAddr::to_string).collect(),
        trusts_local_addresses: true,
    };
    Driver::new(
        now,
        node(now, 1),
        &config,
        Arc::default(),
        None,
        Arc::default(),
    )
}

/// The same, and a query that it was asked at once.
fn asked(now: Instant, ways_in: &[SocketAddr]) -> (Driver, mpsc::UnboundedReceiver<Event>) {
    let mut driver = entering(now, ways_in);
    let (events, told) = mpsc::unbounded_channel();
    let query = DhtQuery::GetPeers(SwarmId([7; 20]));
    driver.ask(now, query, Listener::Client(events));
    assert_eq!(driver.waiting.len(), 1);
    (driver, told)
}

fn node(now: Instant, seed: u8) -> Dht {
    let config = Config {
        trusts_local_addresses: true,
        ..Config::default()
    };
    Dht::new(now, config, [seed; 32])
}

#[test]
fn what_waits_begins_with_the_first_answers() {
    let now = Instant::now();
    let [ours, first, second, silent] =
        [6881, 6882, 6883, 6884].map(|port| ([127, 0, 0, 1], port).into());
    let (mut driver, _told) = asked(now, &[first, second, silent]);
    let mut others = [(first, node(now, 2)), (second, node(now, 3))];
    let mut datagram = Vec::new();
    while let Some(to) = driver.dht.poll_transmit(&mut datagram) {
        let mut others = others.iter_mut();
        if let Some((_, other)) = others.find(|(address, _)| *address == to) {
            other.handle_datagram(now, ours, &datagram).unwrap();
        }
    }
    for (address, other) in &mut others {
        driver.note_entered(now);
        assert_eq!(driver.waiting.len(), 1, "too few have answered");
        while other.poll_transmit(&mut datagram).is_some() {
            let _ = driver.dht.handle_datagram(now, *address, &datagram);
        }
    }
    driver.note_entered(now);
    assert_eq!(driver.waiting.len(), 0);
    assert_eq!(driver.attempts, 1, "the silent one is still waited for");
}

/// BEP 24 and 42.
#[tokio::test]
async fn what_trackers_say_of_our_address_counts() {
    let now = Instant::now();
    let (mut driver, _told) = asked(now, &[([127, 0, 0, 1], 6882).into()]);
    let address = [8, 8, 8, 8].into();
    for second in 1..=4 {
        assert_eq!(driver.dht.external_address(Family::V4), None);
        let by = [11, second, 0, 1].into();
        let vote = Command::SeenAs(SeenAs { by, address });
        driver.obey(now, vote).await;
    }
    assert_eq!(driver.dht.external_address(Family::V4), Some(address));
}

#[tokio::test]
async fn what_waits_ends_where_nobody_answers() {
    // What is drained reads the clock, which must not be behind.
    let mut now = Instant::now() - Duration::from_secs(10);
    let silent = ([127, 0, 0, 1], 6883).into();
    let (mut driver, mut told) = asked(now, &[silent]);
    for _ in 0..10 {
        now += Duration::from_secs(1);
        driver.handle_timeout(now);
        driver.drain(&mut Vec::new()).await;
    }
    let Some(Event::Finished { outcome, .. }) = told.recv().await else {
        panic!("it has not ended");
    };
    assert_eq!(outcome, Outcome::PeersFound { peers: 0 });
}

/// Our node, and two that lead it in.
struct World {
    now: Instant,
    driver: Driver,
    others: [(SocketAddr, Dht); 2],
    mailbox: Mailbox,
    /// What ours has asked of the swarms.
    asked: BTreeSet<(&'static str, SwarmId)>,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let others = [2, 3].map(|seed| {
            let address = SocketAddr::from(([127, 0, 0, 1], 6880 + u16::from(seed)));
            (address, node(now, seed))
        });
        let ways_in = others.each_ref().map(|(address, _)| *address);
        Self {
            now,
            driver: entering(now, &ways_in),
            others,
            mailbox: mpsc::unbounded_channel().0,
            asked: BTreeSet::new(),
        }
    }

    async fn announce(&mut self, swarm: SwarmId) {
        let announce = Announce {
            port: 6881,
            implied_port: false,
            is_seed: false,
        };
        let command = Command::Announce(swarm, announce, self.mailbox.clone());
        self.driver.obey(self.now, command).await;
    }

    async fn forget(&mut self, swarm: SwarmId) {
        self.driver.obey(self.now, Command::Forget(swarm)).await;
    }

    /// Brings what ours has to say to the others; whether there was anything.
    fn say(&mut self) -> bool {
        let mut datagram = Vec::new();
        let mut has_said = false;
        self.driver.note_entered(self.now);
        while let Some(to) = self.driver.dht.poll_transmit(&mut datagram) {
            has_said = true;
            if let Body::Query(query) = wire::decode(&datagram).unwrap().body {
                match query.method {
                    Method::GetPeers { info_hash, .. } => {
                        self.asked.insert(("get_peers", info_hash));
                    }
                    Method::AnnouncePeer { info_hash, .. } => {
                        self.asked.insert(("announce_peer", info_hash));
                    }
                    _ => {}
                }
            }
            let mut others = self.others.iter_mut();
            let (_, other) = others.find(|(address, _)| *address == to).unwrap();
            let ours = ([127, 0, 0, 1], 6881).into();
            let _ = other.handle_datagram(self.now, ours, &datagram);
        }
        has_said
    }

    /// Brings what the others have to say to ours.
    fn hear(&mut self) {
        let mut datagram = Vec::new();
        for (address, other) in &mut self.others {
            while other.poll_transmit(&mut datagram).is_some() {
                let dht = &mut self.driver.dht;
                let _ = dht.handle_datagram(self.now, *address, &datagram);
            }
        }
    }

    fn talk(&mut self) {
        while self.say() {
            self.hear();
        }
    }
}

#[tokio::test]
async fn what_is_forgotten_before_the_node_is_in_is_never_asked() {
    let mut world = World::new();
    world.announce(PRIVATE).await;
    world.announce(PUBLIC).await;
    world.forget(PRIVATE).await;
    world.talk();
    let expected = ["get_peers", "announce_peer"].map(|query| (query, PUBLIC));
    assert_eq!(world.asked, expected.into());
}

#[tokio::test]
async fn what_is_forgotten_under_way_is_not_announced() {
    let mut world = World::new();
    world.talk();
    world.announce(PRIVATE).await;
    world.announce(PUBLIC).await;
    assert!(world.say());
    world.forget(PRIVATE).await;
    world.hear();
    world.talk();
    let expected = [
        ("get_peers", PRIVATE),
        ("get_peers", PUBLIC),
        ("announce_peer", PUBLIC),
    ];
    assert_eq!(world.asked, expected.into());
    let is_left = |swarm| world.driver.listeners.values().any(|who| who.is(swarm));
    assert!(!is_left(PRIVATE) && is_left(PUBLIC), "its end is not told");
}
