//! A client of a UDP tracker that answers anything: every request ends once, nothing else moves it.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use arbitrary::{Arbitrary, Unstructured};
use bt_tracker_udp::{
    RequestId, UdpTracker,
    wire::{ConnectionId, Family, Request, Response, ScrapeEntry, TransactionId},
};
use bt_types::{AnnounceEvent, AnnounceRequest, AnnounceResponse, PeerId, SwarmId};

/// Decodes what the application, the network and the clock do.
pub fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let mut world = World::new(input.is_ipv6);
    for op in input.ops.iter().take(MAX_OPS) {
        world.apply(op);
        world.settle();
    }
    while let Some(at) = world.tracker.poll_timeout() {
        world.now = world.now.max(at);
        world.tracker.handle_timeout(world.now);
        world.settle();
    }
    assert!(world.open.is_empty(), "never ended: {:?}", world.open);
}

#[derive(Arbitrary)]
struct Input {
    is_ipv6: bool,
    ops: Vec<Op>,
}

#[derive(Arbitrary)]
enum Op {
    Announce {
        is_stopped: bool,
        attempts: u8,
        /// Of the same kind: more together than the tracker gets at a time.
        more: u8,
    },
    Scrape {
        count: u8,
    },
    Cancel,
    /// Half seconds.
    Advance(u8),
    NextTimeout,
    Datagram {
        is_from_elsewhere: bool,
        bytes: Vec<u8>,
    },
    /// Bytes behind a header that fits what was sent.
    Body {
        to: u8,
        action: u8,
        bytes: Vec<u8>,
    },
    Answer {
        to: u8,
        answer: Answer,
    },
}

#[derive(Arbitrary)]
enum Answer {
    Connect,
    Announce { peers: u8 },
    Empty,
    Scrape { entries: u8 },
    Error,
    Disown,
}

struct World {
    tracker: UdpTracker,
    family: Family,
    now: Instant,
    /// What was sent, the latest last, for answers.
    sent: Vec<(TransactionId, Request)>,
    open: BTreeSet<RequestId>,
}

impl World {
    fn new(is_ipv6: bool) -> Self {
        let ip = match is_ipv6 {
            true => Ipv6Addr::LOCALHOST.into(),
            false => Ipv4Addr::LOCALHOST.into(),
        };
        let address = SocketAddr::new(ip, 6969);
        Self {
            tracker: UdpTracker::new(address, "/announce", [7; 32]),
            family: Family::of(address),
            now: crate::epoch(),
            sent: Vec::new(),
            open: BTreeSet::new(),
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Announce {
                is_stopped,
                attempts,
                more,
            } => {
                let request = request(*is_stopped);
                let attempts = u32::from(*attempts);
                for _ in 0..=*more {
                    let id = match attempts {
                        0 => self.tracker.announce(self.now, request),
                        _ => self
                            .tracker
                            .announce_with_attempts(self.now, request, attempts),
                    };
                    self.open.extend(id);
                }
            }
            Op::Scrape { count } => {
                let swarms = vec![SwarmId([1; 20]); usize::from(*count)];
                self.open.extend(self.tracker.scrape(self.now, &swarms));
            }
            Op::Cancel => {
                if let Some(id) = self.open.pop_first() {
                    self.tracker.cancel(self.now, id);
                }
            }
            Op::Advance(half_seconds) => {
                self.now += Duration::from_millis(500) * u32::from(*half_seconds);
                self.tracker.handle_timeout(self.now);
            }
            Op::NextTimeout => {
                let at = self.tracker.poll_timeout();
                self.now = at.map_or(self.now, |at| at.max(self.now));
                self.tracker.handle_timeout(self.now);
            }
            Op::Datagram {
                is_from_elsewhere,
                bytes,
            } => {
                let mut from = self.tracker.tracker();
                if *is_from_elsewhere {
                    from.set_port(1);
                }
                self.receive(from, bytes);
            }
            Op::Body { to, action, bytes } => {
                let tid = self.pick(*to).map_or(0, |(tid, _)| tid.0);
                let header = [
                    &u32::from(*action % 5).to_be_bytes()[..],
                    &tid.to_be_bytes(),
                ];
                let datagram = [&header.concat()[..], bytes].concat();
                self.receive(self.tracker.tracker(), &datagram);
            }
            Op::Answer { to, answer } => {
                let Some((tid, _)) = self.pick(*to) else {
                    return;
                };
                let mut datagram = Vec::new();
                let response = answer.response(self.family);
                response.encode(*tid, self.family, &mut datagram);
                self.receive(self.tracker.tracker(), &datagram);
            }
        }
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8]) {
        let before = format!("{:?}", self.tracker);
        if self
            .tracker
            .handle_datagram(self.now, from, datagram)
            .is_err()
        {
            assert_eq!(
                before,
                format!("{:?}", self.tracker),
                "ignored, yet changed"
            );
        }
    }

    /// Most answers are to what was sent last.
    fn pick(&self, to: u8) -> Option<&(TransactionId, Request)> {
        self.sent.iter().rev().nth(usize::from(to))
    }

    fn settle(&mut self) {
        self.tracker.check_invariants();
        while let Some(transmit) = self.tracker.poll_transmit() {
            assert_eq!(transmit.destination, self.tracker.tracker());
            let sent = Request::decode(&transmit.payload).expect("we send what we can read");
            self.sent.push(sent);
        }
        while let Some(event) = self.tracker.poll_event() {
            assert!(self.open.remove(&event.id), "{event:?} ended twice");
        }
        assert_eq!(self.tracker.pending_count(), self.open.len());
    }
}

impl Answer {
    fn response(&self, family: Family) -> Response {
        let ip = match family {
            Family::V4 => Ipv4Addr::LOCALHOST.into(),
            Family::V6 => Ipv6Addr::LOCALHOST.into(),
        };
        match self {
            Self::Connect => Response::Connect(ConnectionId(5)),
            Self::Announce { peers } => Response::Announce(AnnounceResponse {
                peers: vec![SocketAddr::new(ip, 1); usize::from(*peers)],
                ..AnnounceResponse::default()
            }),
            Self::Empty => Response::EmptyAnnounce,
            Self::Scrape { entries } => {
                Response::Scrape(vec![ScrapeEntry::default(); usize::from(*entries)])
            }
            Self::Error => Response::Error("no".into()),
            Self::Disown => Response::Error("bad connection id".into()),
        }
    }
}

fn request(is_stopped: bool) -> AnnounceRequest {
    AnnounceRequest {
        swarm_id: SwarmId([1; 20]),
        peer_id: PeerId([2; 20]),
        uploaded: 0,
        downloaded: 0,
        left: 1,
        event: match is_stopped {
            true => AnnounceEvent::Stopped,
            false => AnnounceEvent::None,
        },
        key: 0,
        num_want: None,
        port: 6881,
    }
}

/// Each operation may compare the whole state; this bounds the time of one input.
const MAX_OPS: usize = 300;
