use std::net::{IpAddr, Ipv4Addr};

use bt_types::PeerId;
use proptest::prelude::*;

use super::*;
use crate::wire::{ConnectionId, TransactionId};

#[test]
fn a_peer_learns_of_the_others_but_not_of_itself() {
    let mut world = World::new(Config::default());
    assert_eq!(
        world.announce(1, AnnounceEvent::Started, 10, None),
        Ok(vec![])
    );
    assert_eq!(
        world.announce(2, AnnounceEvent::Started, 0, None),
        Ok(vec![peer(1)])
    );
    assert_eq!(
        world.announce(1, AnnounceEvent::None, 10, None),
        Ok(vec![peer(2)])
    );
    let stats = world.server.stats(SWARM);
    assert_eq!((stats.seeders, stats.leechers), (1, 1));
    assert_eq!((stats.announces.started, stats.announces.regular), (2, 1));
}

#[test]
fn completing_counts_once_and_stopping_removes() {
    let mut world = World::new(Config::default());
    world.announce(1, AnnounceEvent::Started, 10, None).unwrap();
    for _ in 0..2 {
        world
            .announce(1, AnnounceEvent::Completed, 0, None)
            .unwrap();
    }
    let entry = ScrapeEntry {
        seeders: 1,
        completed: 1,
        leechers: 0,
    };
    assert_eq!(world.scrape(2, &[SWARM]), [entry]);
    assert_eq!(world.server.stats(SWARM).announces.completed, 2);

    world.announce(3, AnnounceEvent::Started, 1, None).unwrap();
    // Who leaves gets no peers, and may leave twice.
    for _ in 0..2 {
        assert_eq!(
            world.announce(1, AnnounceEvent::Stopped, 0, None),
            Ok(vec![])
        );
    }
    let entry = ScrapeEntry {
        seeders: 0,
        completed: 1,
        leechers: 1,
    };
    let unknown = SwarmId([9; 20]);
    assert_eq!(
        world.scrape(2, &[unknown, SWARM]),
        [ScrapeEntry::default(), entry]
    );
    assert_eq!(world.server.stats(SWARM).announces.stopped, 2);
}

#[test]
fn num_want_is_honoured_within_bounds() {
    let mut world = World::new(Config::default());
    for host in 0..250 {
        world
            .announce(host, AnnounceEvent::Started, 1, Some(0))
            .unwrap();
    }
    let mut count = |num_want| {
        let peers = world.announce(7, AnnounceEvent::None, 1, num_want).unwrap();
        let distinct: std::collections::BTreeSet<_> = peers.iter().collect();
        assert_eq!(distinct.len(), peers.len());
        assert!(!peers.contains(&peer(7)));
        peers.len()
    };
    assert_eq!(count(Some(0)), 0);
    assert_eq!(count(Some(3)), 3);
    assert_eq!(count(None), 50);
    assert_eq!(count(Some(u32::MAX)), 200);
}

#[test]
fn answers_fit_into_the_least_ipv6_packet() {
    let mut world = World::new(Config {
        max_peers_per_reply: 10_000,
        ..Config::default()
    });
    for host in 0..300 {
        world
            .announce(host, AnnounceEvent::Started, 1, Some(0))
            .unwrap();
        let v6 = SocketAddr::new(v6_host(host), 1);
        world
            .announce_from(v6, AnnounceEvent::Started, 1, Some(0))
            .unwrap();
    }
    assert_eq!(
        world
            .announce(1, AnnounceEvent::None, 1, Some(5000))
            .unwrap()
            .len(),
        202
    );
    let v6 = SocketAddr::new(v6_host(1), 1);
    let peers = world
        .announce_from(v6, AnnounceEvent::None, 1, Some(5000))
        .unwrap();
    assert_eq!(peers.len(), 67);
    assert!(peers.iter().all(SocketAddr::is_ipv6));
    assert!(world.out.len() <= 1232);
}

#[test]
fn silent_peers_are_forgotten_and_then_their_swarm() {
    let mut world = World::new(Config {
        interval: secs(2),
        peer_timeout: secs(5),
        ..Config::default()
    });
    world.announce(1, AnnounceEvent::Started, 1, None).unwrap();
    world.now += secs(3);
    world.announce(2, AnnounceEvent::Started, 1, None).unwrap();
    let mut counts = Vec::new();
    let start = world.now;
    while let Some(at) = world.server.poll_timeout() {
        world.now = at;
        world.server.handle_timeout(at);
        world.server.check_invariants();
        counts.push(((at - start).as_secs(), world.server.peer_count()));
    }
    assert_eq!(counts, [(2, 1), (5, 0)]);
    assert_eq!(world.server.swarm_count(), 0);
}

#[test]
fn swarms_and_peers_are_bounded() {
    let mut world = World::new(Config {
        max_swarms: 1,
        max_peers: 2,
        ..Config::default()
    });
    for host in [1, 2] {
        world
            .announce(host, AnnounceEvent::Started, 1, None)
            .unwrap();
    }
    let full = Err("this tracker is full".into());
    assert_eq!(world.announce(3, AnnounceEvent::Started, 1, None), full);
    let request = request(SwarmId([2; 20]), AnnounceEvent::Started, 1, None);
    assert_eq!(world.ask(from(1), request, b""), full);
    // Who is known is served, and leaving makes room.
    world.announce(2, AnnounceEvent::None, 1, None).unwrap();
    world.announce(1, AnnounceEvent::Stopped, 1, None).unwrap();
    world.announce(3, AnnounceEvent::Started, 1, None).unwrap();
    world.server.check_invariants();
}

#[test]
fn no_peers_without_a_connection_id() {
    let mut world = World::new(Config::default());
    world.announce(1, AnnounceEvent::Started, 1, None).unwrap();
    let announce = Request::Announce {
        connection_id: ConnectionId(0),
        request: request(SWARM, AnnounceEvent::Started, 1, None),
        url_data: vec![],
    };
    let error = Response::Error(STALE_CONNECTION.into());
    assert_eq!(world.send(from(2), &announce), Some(error.clone()));
    let scrape = Request::Scrape {
        connection_id: ConnectionId(0),
        swarm_ids: vec![SWARM],
    };
    assert_eq!(world.send(from(2), &scrape), Some(error));
    assert_eq!(world.server.peer_count(), 1);
}

#[test]
fn a_required_path_is_checked() {
    let mut world = World::new(Config {
        url_data: Some("/announce?passkey=7".into()),
        ..Config::default()
    });
    let request = request(SWARM, AnnounceEvent::Started, 1, None);
    let refused = Err("unknown path or passkey".into());
    assert_eq!(world.ask(from(1), request, b"/announce"), refused);
    assert_eq!(
        world.ask(from(1), request, b"/announce?passkey=7"),
        Ok(vec![])
    );
}

#[test]
fn port_0_is_not_listed() {
    let mut world = World::new(Config::default());
    let mut request = request(SWARM, AnnounceEvent::Started, 1, None);
    request.port = 0;
    assert!(world.ask(from(1), request, b"").is_err());
    assert_eq!(world.server.peer_count(), 0);
}

#[test]
fn ipv4_in_ipv6_clothes_joins_the_ipv4_swarm() {
    let mut world = World::new(Config::default());
    let mapped = "[::ffff:10.0.0.1]:9".parse().unwrap();
    world
        .announce_from(mapped, AnnounceEvent::Started, 1, None)
        .unwrap();
    assert_eq!(
        world.announce(2, AnnounceEvent::Started, 1, None),
        Ok(vec![peer(1)])
    );
    assert_eq!(
        world.server.peers(SWARM).collect::<Vec<_>>(),
        [peer(1), peer(2)]
    );
}

proptest! {
    /// Who has not shown that he receives at his address cannot make us send more than he did.
    #[test]
    fn strangers_cannot_amplify(bytes: Vec<u8>, action in 0u8..5, length in 0usize..300) {
        let mut world = World::new(Config::default());
        world.announce(1, AnnounceEvent::Started, 1, None).unwrap();
        let mut request = [&[0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, action], &bytes[..]].concat();
        request.resize(length, 0);
        for datagram in [&bytes, &request] {
            let sent = world.server.handle_datagram(world.now, from(2), datagram, &mut world.out);
            prop_assert_eq!(sent, !world.out.is_empty());
            prop_assert!(world.out.len() <= datagram.len());
            world.server.check_invariants();
        }
    }

    #[test]
    fn invariants_hold_over_any_announces(
        steps in prop::collection::vec((0u16..12, 0u8..4, 0u64..2, 0u64..4, 0u32..5), 0..200),
    ) {
        let mut world = World::new(Config {
            interval: secs(2),
            peer_timeout: secs(4),
            max_swarms: 1,
            max_peers: 8,
            ..Config::default()
        });
        for (host, event, left, seconds, num_want) in steps {
            world.now += secs(seconds);
            world.server.handle_timeout(world.now);
            let event = [
                AnnounceEvent::None,
                AnnounceEvent::Completed,
                AnnounceEvent::Started,
                AnnounceEvent::Stopped,
            ][usize::from(event)];
            if let Ok(peers) = world.announce(host, event, left, Some(num_want)) {
                prop_assert!(peers.len() <= num_want as usize);
                prop_assert!(!peers.contains(&peer(host)));
            }
            world.server.check_invariants();
        }
    }
}

/// A server and the time, and clients that connect before each request.
struct World {
    server: TrackerServer,
    now: Instant,
    out: Vec<u8>,
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary epoch; only offsets from it matter"
    )]
    fn new(config: Config) -> Self {
        Self {
            server: TrackerServer::new(config, [7; 32]),
            now: Instant::now(),
            out: Vec::new(),
        }
    }

    fn send(&mut self, from: SocketAddr, request: &Request) -> Option<Response> {
        let mut datagram = Vec::new();
        request.encode(TransactionId(5), &mut datagram);
        let answered = self
            .server
            .handle_datagram(self.now, from, &datagram, &mut self.out);
        answered.then(|| {
            let (tid, response) = Response::decode(&self.out, Family::of(from)).unwrap();
            assert_eq!(tid, TransactionId(5));
            response
        })
    }

    fn connect(&mut self, from: SocketAddr) -> ConnectionId {
        match self.send(from, &Request::Connect) {
            Some(Response::Connect(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    fn ask(
        &mut self,
        from: SocketAddr,
        request: AnnounceRequest,
        url_data: &[u8],
    ) -> Result<Vec<SocketAddr>, String> {
        let announce = Request::Announce {
            connection_id: self.connect(from),
            request,
            url_data: url_data.into(),
        };
        match self.send(from, &announce) {
            Some(Response::Announce(response)) => Ok(response.peers),
            Some(Response::Error(text)) => Err(text),
            other => panic!("{other:?}"),
        }
    }

    fn announce_from(
        &mut self,
        from: SocketAddr,
        event: AnnounceEvent,
        left: u64,
        num_want: Option<u32>,
    ) -> Result<Vec<SocketAddr>, String> {
        self.ask(from, request(SWARM, event, left, num_want), b"")
    }

    fn announce(
        &mut self,
        host: u16,
        event: AnnounceEvent,
        left: u64,
        num_want: Option<u32>,
    ) -> Result<Vec<SocketAddr>, String> {
        self.announce_from(from(host), event, left, num_want)
    }

    fn scrape(&mut self, host: u16, swarm_ids: &[SwarmId]) -> Vec<ScrapeEntry> {
        let scrape = Request::Scrape {
            connection_id: self.connect(from(host)),
            swarm_ids: swarm_ids.into(),
        };
        match self.send(from(host), &scrape) {
            Some(Response::Scrape(entries)) => entries,
            other => panic!("{other:?}"),
        }
    }
}

fn request(
    swarm_id: SwarmId,
    event: AnnounceEvent,
    left: u64,
    num_want: Option<u32>,
) -> AnnounceRequest {
    AnnounceRequest {
        swarm_id,
        peer_id: PeerId([1; 20]),
        uploaded: 0,
        downloaded: 0,
        left,
        event,
        key: 0,
        num_want,
        port: 6881,
    }
}

/// Where a host's datagrams come from: not the port on which it listens.
fn from(host: u16) -> SocketAddr {
    SocketAddr::new(peer(host).ip(), 40_000)
}

fn peer(host: u16) -> SocketAddr {
    let [high, low] = host.to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, high, low)), 6881)
}

fn v6_host(host: u16) -> IpAddr {
    std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host).into()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const SWARM: SwarmId = SwarmId([1; 20]);
