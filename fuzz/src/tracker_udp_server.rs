//! A UDP tracker under any datagrams: bounded, never amplifying, and its answers can be read.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use arbitrary::{Arbitrary, Unstructured};
use bt_tracker_udp::{
    ServerConfig, TrackerServer,
    wire::{ConnectionId, Family, Request, Response, TransactionId},
};
use bt_types::{AnnounceEvent, AnnounceRequest, PeerId, SwarmId};

/// Decodes what strangers and peers send, and the clock.
pub fn run(data: &[u8]) {
    let Ok(ops) = Vec::<Op>::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let mut world = World::new();
    for op in ops.iter().take(MAX_OPS) {
        world.apply(op);
        world.server.check_invariants();
    }
    while let Some(at) = world.server.poll_timeout() {
        world.now = world.now.max(at);
        world.server.handle_timeout(world.now);
        world.server.check_invariants();
    }
    assert_eq!(
        (world.server.peer_count(), world.server.swarm_count()),
        (0, 0)
    );
}

#[derive(Arbitrary)]
enum Op {
    Datagram {
        host: u8,
        bytes: Vec<u8>,
    },
    /// Bytes behind a valid connection id.
    Connected {
        host: u8,
        action: u8,
        bytes: Vec<u8>,
    },
    Announce {
        host: u8,
        swarm: u8,
        event: u8,
        is_seed: bool,
        num_want: Option<u8>,
    },
    Scrape {
        host: u8,
        swarms: u8,
    },
    Advance(u8),
}

struct World {
    server: TrackerServer,
    now: Instant,
    out: Vec<u8>,
}

impl World {
    fn new() -> Self {
        let config = ServerConfig {
            interval: Duration::from_secs(2),
            peer_timeout: Duration::from_secs(40),
            max_peers_per_reply: 5,
            max_swarms: 3,
            max_peers: 12,
            url_data: None,
        };
        Self {
            server: TrackerServer::new(config, [7; 32]),
            now: crate::epoch(),
            out: Vec::new(),
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Datagram { host, bytes } => {
                let from = address(*host);
                if self
                    .server
                    .handle_datagram(self.now, from, bytes, &mut self.out)
                {
                    assert!(self.out.len() <= bytes.len(), "amplified");
                }
            }
            Op::Connected {
                host,
                action,
                bytes,
            } => {
                let id = self.connect(*host).0.to_be_bytes();
                let action = u32::from(*action % 4).to_be_bytes();
                let datagram = [&id[..], &action, &[0; 4], bytes].concat();
                let from = address(*host);
                if self
                    .server
                    .handle_datagram(self.now, from, &datagram, &mut self.out)
                {
                    let read = Response::decode(&self.out, Family::of(from));
                    assert!(read.is_ok(), "{read:?}");
                }
            }
            Op::Announce {
                host,
                swarm,
                event,
                is_seed,
                num_want,
            } => self.announce(*host, *swarm, *event, *is_seed, *num_want),
            Op::Scrape { host, swarms } => {
                let count = usize::from(*swarms % 74) + 1;
                let scrape = Request::Scrape {
                    connection_id: self.connect(*host),
                    swarm_ids: vec![SwarmId([1; 20]); count],
                };
                match self.ask(*host, &scrape) {
                    Response::Scrape(entries) => assert_eq!(entries.len(), count),
                    other => panic!("{other:?}"),
                }
            }
            Op::Advance(seconds) => {
                self.now += Duration::from_secs(u64::from(*seconds));
                self.server.handle_timeout(self.now);
            }
        }
    }

    fn announce(&mut self, host: u8, swarm: u8, event: u8, is_seed: bool, num_want: Option<u8>) {
        let swarm_id = SwarmId([swarm % 4; 20]);
        let event = [
            AnnounceEvent::None,
            AnnounceEvent::Completed,
            AnnounceEvent::Started,
            AnnounceEvent::Stopped,
        ][usize::from(event % 4)];
        let announce = Request::Announce {
            connection_id: self.connect(host),
            request: AnnounceRequest {
                swarm_id,
                peer_id: PeerId([2; 20]),
                uploaded: 0,
                downloaded: 0,
                left: u64::from(!is_seed),
                event,
                key: 0,
                num_want: num_want.map(u32::from),
                port: 6881,
            },
            url_data: Vec::new(),
        };
        let me = SocketAddr::new(address(host).ip(), 6881);
        match self.ask(host, &announce) {
            Response::Announce(response) => {
                assert!(response.peers.len() <= num_want.map_or(5, |n| usize::from(n).min(5)));
                assert!(!response.peers.contains(&me), "told of itself");
                let is_known = self.server.peers(swarm_id).any(|peer| peer == me);
                assert_eq!(is_known, event != AnnounceEvent::Stopped);
            }
            Response::Error(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn connect(&mut self, host: u8) -> ConnectionId {
        match self.ask(host, &Request::Connect) {
            Response::Connect(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn ask(&mut self, host: u8, request: &Request) -> Response {
        let mut datagram = Vec::new();
        request.encode(TransactionId(5), &mut datagram);
        let from = address(host);
        let answered = self
            .server
            .handle_datagram(self.now, from, &datagram, &mut self.out);
        assert!(answered, "no answer to {request:?}");
        let (tid, response) = Response::decode(&self.out, Family::of(from)).expect("readable");
        assert_eq!(tid, TransactionId(5));
        response
    }
}

/// Half of the hosts have IPv6 addresses.
fn address(host: u8) -> SocketAddr {
    let ip: IpAddr = match host % 2 {
        0 => Ipv4Addr::new(10, 0, 0, host).into(),
        _ => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into()).into(),
    };
    SocketAddr::new(ip, 40_000)
}

/// Bounds the time of one input.
const MAX_OPS: usize = 1000;
