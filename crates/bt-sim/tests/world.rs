//! A small world of all parts: nodes behind NATs come and go and pass a rumour on, and write it to
//! their disks. What matters is that a seed tells the whole story.

use std::{net::SocketAddr, time::Duration};

use bt_sim::{
    Access, Arrivals, Churn, ChurnEvent, Disk, DiskConfig, EventQueue, Nat, NatKind, Network,
    NodeId, SimRng,
};
use proptest::prelude::*;

#[test]
fn a_rumour_reaches_nearly_everybody() {
    let world = World::run(1, 200);
    let informed = world.nodes.iter().filter(|node| node.informed).count();
    assert!(informed > 190, "{informed}");
    assert!(world.trace.len() > 1_000, "{} events", world.trace.len());
}

#[test]
fn ten_thousand_nodes() {
    let world = World::run(2, 10_000);
    let informed = world.nodes.iter().filter(|node| node.informed).count();
    assert!(informed > 9_500, "{informed}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn one_seed_is_one_story(seed: u64) {
        let world = World::run(seed, 50);
        prop_assert_eq!(&world.trace, &World::run(seed, 50).trace);
        prop_assert_ne!(&world.trace, &World::run(seed.wrapping_add(1), 50).trace);
    }
}

struct World {
    nodes: Vec<Node>,
    network: Network,
    queue: EventQueue<Event>,
    rng: SimRng,
    trace: Vec<(Duration, Event)>,
}

struct Node {
    nat: Nat,
    disk: Disk,
    present: bool,
    informed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Churn(ChurnEvent),
    /// Tell somebody.
    Gossip(u32),
    /// A datagram arrives, from an address, at a node's outer port.
    Arrive {
        from: SocketAddr,
        to: u32,
        port: u16,
    },
    Written(u32),
}

impl World {
    /// Two minutes.
    fn run(seed: u64, count: u32) -> Self {
        let rng = SimRng::new(seed);
        let mut world = Self {
            nodes: Vec::new(),
            network: Network::new(rng.fork(0)),
            queue: EventQueue::new(),
            rng: rng.fork(1),
            trace: Vec::new(),
        };
        for number in 0..count {
            let loss = 0.1;
            world.network.add(Access {
                loss,
                ..Access::home()
            });
            let kind = match number % 4 {
                0 | 1 => NatKind::Open,
                2 => NatKind::PortRestricted,
                _ => NatKind::Symmetric,
            };
            world.nodes.push(Node {
                nat: Nat::new(kind, address(number).ip()),
                disk: Disk::new(DiskConfig::hard_disk()),
                present: false,
                informed: number == 0,
            });
        }
        let churn = Churn {
            arrivals: Arrivals::FlashCrowd {
                within: Duration::from_secs(5),
            },
            session: Some(Duration::from_secs(60)),
            absence: Some(Duration::from_secs(10)),
        };
        let end = Duration::from_secs(120);
        for (at, event) in churn.schedule(count, end, &mut rng.fork(2)) {
            world.queue.schedule_at(at, Event::Churn(event));
        }
        while let Some((now, event)) = world.queue.pop_until(end) {
            world.trace.push((now, event));
            world.handle(now, event);
        }
        world
    }

    fn handle(&mut self, now: Duration, event: Event) {
        match event {
            Event::Churn(ChurnEvent::Join(node)) => {
                self.nodes[node as usize].present = true;
                self.queue
                    .schedule_in(Duration::from_secs(1), Event::Gossip(node));
            }
            Event::Churn(ChurnEvent::Leave(node)) => self.nodes[node as usize].present = false,
            Event::Gossip(node) => self.gossip(now, node),
            Event::Arrive { from, to, port } => {
                let node = &mut self.nodes[to as usize];
                let reached = node.nat.inbound(now, from, port) == Some(PORT);
                if reached && node.present && !node.informed {
                    let written = node.disk.write(now, 0, 1000);
                    assert_eq!(written.result, Ok(()));
                    self.queue.schedule_at(written.at, Event::Written(to));
                }
            }
            Event::Written(node) => self.nodes[node as usize].informed = true,
        }
    }

    /// Says what it knows to somebody, or asks somebody who may know: who hears from us can
    /// answer through our NAT.
    fn gossip(&mut self, now: Duration, number: u32) {
        let other = self.rng.below(self.nodes.len() as u64) as u32;
        let node = &mut self.nodes[number as usize];
        if !node.present {
            return;
        }
        let source = node.nat.outbound(now, PORT, address(other));
        let informed = node.informed;
        let (from, to) = (NodeId(number), NodeId(other));
        if informed {
            if let Some(at) = self.network.datagram(now, from, to, 1000) {
                let event = Event::Arrive {
                    from: source,
                    to: other,
                    port: PORT,
                };
                self.queue.schedule_at(at, event);
            }
        } else if self.nodes[other as usize].informed && self.nodes[other as usize].present {
            let answer = self.nodes[other as usize].nat.outbound(now, PORT, source);
            // The question itself takes no time here.
            let told = self.network.transfer(now, to, from, 1000);
            let event = Event::Arrive {
                from: answer,
                to: number,
                port: source.port(),
            };
            self.queue.schedule_at(told, event);
        }
        let pause = self.rng.exponential(Duration::from_secs(1));
        self.queue.schedule_in(pause, Event::Gossip(number));
    }
}

/// Where a node listens.
fn address(number: u32) -> SocketAddr {
    let [_, a, b, c] = number.to_be_bytes();
    SocketAddr::from(([10, a, b, c], PORT))
}

const PORT: u16 = 6881;
