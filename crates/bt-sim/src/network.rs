use std::time::Duration;

use crate::{Rate, SimRng, rate::Serial};

/// Many nodes, each behind its own line, with nothing but distance between them.
///
/// What limits a swarm is the lines of its members, so only these have a rate. Everything that a
/// node sends shares its `up`, everything that it receives shares its `down`, first come, first
/// served. A transfer goes through both at once, at the pace of the slower one.
///
/// # How exact it is
///
/// A transfer needs one event and constant time, whatever else is under way, and its delivery is
/// known when it is sent. The price: the receiver's line is reserved from that moment on, not
/// from when the first byte arrives. Never has more arrived since a node was last idle than its
/// rate allows, but what waited long at slow senders may arrive in a burst. Whoever studies
/// queues uses a [`Link`](crate::Link).
///
/// 80 bytes a node.
#[derive(Clone, Debug)]
pub struct Network {
    nodes: Vec<Node>,
    rng: SimRng,
}

/// The number of a node in a [`Network`], counted from 0.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeId(pub u32);

/// The line of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Access {
    /// How fast the node sends, to all others together.
    pub up: Rate,
    /// How fast the node receives, from all others together.
    pub down: Rate,
    /// Half of the time to the middle of the network and back: two nodes are the sum of their
    /// delays apart.
    pub delay: Duration,
    /// The probability with which a packet is lost here, in either direction: a datagram is gone,
    /// a [`Stream`](crate::Stream) sends it again.
    pub loss: f64,
}

impl Access {
    /// 1 Gbit/s, half a millisecond.
    #[must_use]
    pub const fn lan() -> Self {
        Self {
            up: Rate::mbit_per_sec(1000),
            down: Rate::mbit_per_sec(1000),
            delay: Duration::from_micros(500),
            loss: 0.0,
        }
    }

    /// A cable or VDSL line at home: 100 Mbit/s down, 20 up, 15 ms.
    #[must_use]
    pub const fn home() -> Self {
        Self {
            up: Rate::mbit_per_sec(20),
            down: Rate::mbit_per_sec(100),
            delay: Duration::from_millis(15),
            loss: 0.0,
        }
    }
}

impl Network {
    /// A network without nodes. `rng` decides which datagrams get lost.
    #[must_use]
    pub fn new(rng: SimRng) -> Self {
        Self {
            nodes: Vec::new(),
            rng,
        }
    }

    /// Adds a node. Nodes are never removed; one that has left simply sends nothing.
    pub fn add(&mut self, access: Access) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node {
            access,
            up: Serial::default(),
            down: Serial::default(),
        });
        id
    }

    /// How many nodes there are.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Changes a node's line, for what is sent from now on.
    ///
    /// # Panics
    /// If there is no such node; so do all methods that take one.
    pub fn set_access(&mut self, node: NodeId, access: Access) {
        self.nodes[node.0 as usize].access = access;
    }

    /// Sends `bytes` that do not get lost; returns when the last one arrives. What the same two
    /// nodes send one after the other arrives in order. `now` must not run backwards.
    ///
    /// For a TCP connection with all that it costs use a [`Stream`](crate::Stream).
    pub fn transfer(&mut self, now: Duration, from: NodeId, to: NodeId, bytes: u64) -> Duration {
        let sender = &mut self.nodes[from.0 as usize];
        let sent = sender.up.work(now, sender.access.up.time_for(bytes));
        let distance = sender.access.delay;
        let receiver = &mut self.nodes[to.0 as usize];
        let received = receiver
            .down
            .work(now, receiver.access.down.time_for(bytes));
        sent.max(received) + distance + receiver.access.delay
    }

    /// Sends a datagram; returns when it arrives, or `None` if it gets lost: by chance, or since
    /// more than [half a second's worth](Self::LONGEST_QUEUE) waits at either end.
    pub fn datagram(
        &mut self,
        now: Duration,
        from: NodeId,
        to: NodeId,
        bytes: u64,
    ) -> Option<Duration> {
        let (sender, receiver) = (&self.nodes[from.0 as usize], &self.nodes[to.0 as usize]);
        let backlog = sender.up.backlog(now).max(receiver.down.backlog(now));
        let survives = (1.0 - sender.access.loss) * (1.0 - receiver.access.loss);
        // Drawn in any case, so that runs stay comparable.
        let is_lost = !self.rng.chance(survives);
        if backlog > Self::LONGEST_QUEUE {
            return None;
        }
        let arrival = self.transfer(now, from, to, bytes);
        (!is_lost).then_some(arrival)
    }

    /// How long what goes from one node to the other is under way, apart from their lines.
    #[must_use]
    pub fn distance(&self, from: NodeId, to: NodeId) -> Duration {
        self.nodes[from.0 as usize].access.delay + self.nodes[to.0 as usize].access.delay
    }

    /// How long what `node` sends now would wait.
    #[must_use]
    pub fn up_backlog(&self, now: Duration, node: NodeId) -> Duration {
        self.nodes[node.0 as usize].up.backlog(now)
    }

    /// Takes time of both lines without waiting for them; returns how long the slower one needs.
    pub(crate) fn occupy(
        &mut self,
        now: Duration,
        from: NodeId,
        to: NodeId,
        bytes: u64,
    ) -> Duration {
        let sender = &mut self.nodes[from.0 as usize];
        let up = sender.access.up.time_for(bytes);
        sender.up.work(now, up);
        let receiver = &mut self.nodes[to.0 as usize];
        let down = receiver.access.down.time_for(bytes);
        receiver.down.work(now, down);
        up.max(down)
    }

    /// The probability with which a packet is lost between two nodes.
    pub(crate) fn loss(&self, from: NodeId, to: NodeId) -> f64 {
        let survives = |node: NodeId| 1.0 - self.nodes[node.0 as usize].access.loss;
        1.0 - survives(from) * survives(to)
    }

    pub(crate) fn draw(&mut self, probability: f64) -> bool {
        self.rng.chance(probability)
    }

    /// The longest wait that a datagram survives.
    pub const LONGEST_QUEUE: Duration = Duration::from_millis(500);
}

#[derive(Clone, Debug)]
struct Node {
    access: Access,
    up: Serial,
    down: Serial,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_slower_end_sets_the_pace() {
        for (up, down, seconds) in [(1, 10, 8), (10, 1, 8), (1, 1, 8), (8, 8, 1)] {
            let (mut network, from, to) = pair(up, down);
            let arrivals = (0..100).map(|_| network.transfer(Duration::ZERO, from, to, 10_000));
            let expected = Duration::from_secs(seconds) + MS * 20;
            assert_eq!(arrivals.last(), Some(expected), "{up} up, {down} down");
        }
    }

    #[test]
    fn a_slow_sender_does_not_hold_up_a_fast_one() {
        let mut network = Network::new(SimRng::new(0));
        let slow = network.add(access(1, 1));
        let fast = network.add(access(100, 100));
        let to = network.add(access(100, 100));
        let late = network.transfer(Duration::ZERO, slow, to, 125_000);
        let early = network.transfer(Duration::ZERO, fast, to, 125_000);
        assert_eq!((late, early), (MS * 1020, MS * 40));
    }

    #[test]
    fn uploads_share_a_line() {
        let mut network = Network::new(SimRng::new(0));
        let seed = network.add(access(8, 8));
        let leeches: Vec<_> = (0..10).map(|_| network.add(access(100, 100))).collect();
        let arrivals = leeches
            .iter()
            .map(|leech| network.transfer(Duration::ZERO, seed, *leech, 100_000));
        let last = arrivals.max().unwrap();
        assert_eq!(last, MS * 1020);
        assert_eq!(network.up_backlog(MS * 400, seed), MS * 600);
    }

    #[test]
    fn datagrams_get_lost_at_both_ends_and_in_queues() {
        let (mut network, from, to) = pair(1000, 1000);
        for node in [from, to] {
            network.set_access(
                node,
                Access {
                    loss: 0.1,
                    ..access(1000, 1000)
                },
            );
        }
        let arrived = (0..10_000).filter(|i| {
            let now = MS * *i;
            network.datagram(now, from, to, 100).is_some()
        });
        let arrived = arrived.count();
        assert!((7_950..8_250).contains(&arrived), "{arrived}");

        let (mut network, from, to) = pair(8, 8);
        let arrived = (0..1000).filter_map(|_| network.datagram(Duration::ZERO, from, to, 1000));
        // 500 ms hold 500 of them, and one more finds the queue just full.
        assert_eq!(arrived.count(), 501);
    }

    #[test]
    fn nodes_are_small() {
        assert!(size_of::<Node>() <= 80, "{}", size_of::<Node>());
    }

    proptest! {
        /// Whatever is sent: nobody sends or receives faster than its line, and streams keep
        /// their order.
        #[test]
        fn lines_are_never_exceeded(
            sends in prop::collection::vec((0_u32..4, 0_u32..4, 1_u64..50_000, 0_u32..30), 1..200),
        ) {
            let mut network = Network::new(SimRng::new(0));
            for i in 1..5 {
                network.add(access(i, 2 * i));
            }
            let mut now = Duration::ZERO;
            let (mut sent, mut received) = ([0; 4], [0; 4]);
            let mut last = [[Duration::ZERO; 4]; 4];
            for (from, to, bytes, wait) in sends {
                now += MS * wait;
                let arrival = network.transfer(now, NodeId(from), NodeId(to), bytes);
                let pair = &mut last[from as usize][to as usize];
                prop_assert!(arrival > now && arrival > *pair);
                *pair = arrival;
                // All that a node has sent or got until then needs at least its time.
                sent[from as usize] += bytes;
                received[to as usize] += bytes;
                let up = Rate::mbit_per_sec(u64::from(from) + 1);
                let down = Rate::mbit_per_sec(2 * u64::from(to) + 2);
                prop_assert!(arrival >= up.time_for(sent[from as usize]));
                prop_assert!(arrival >= down.time_for(received[to as usize]));
            }
        }
    }

    /// Lines in Mbit/s, 20 ms apart.
    fn pair(up: u64, down: u64) -> (Network, NodeId, NodeId) {
        let mut network = Network::new(SimRng::new(0));
        let from = network.add(access(up, 1000));
        let to = network.add(access(1000, down));
        (network, from, to)
    }

    fn access(up: u64, down: u64) -> Access {
        Access {
            up: Rate::mbit_per_sec(up),
            down: Rate::mbit_per_sec(down),
            delay: MS * 10,
            loss: 0.0,
        }
    }

    const MS: Duration = Duration::from_millis(1);
}
