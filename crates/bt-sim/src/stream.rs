use std::time::Duration;

use crate::{Network, NodeId};

/// One direction of a TCP connection between two nodes of a [`Network`].
///
/// A reliable stream loses nothing, but losses on the way have their price, and that is what is
/// modelled:
///
/// - bytes travel in segments of at most 1448, with 52 of headers each;
/// - a segment that gets lost is sent again, and takes its time of both lines twice;
/// - bytes arrive in order, so all that is behind a lost segment waits for it: a round trip where
///   enough follows to show the gap, otherwise until a timer runs out (200 ms, as in Linux);
/// - in the long run a stream is no faster than `segment / round trip * sqrt(3 / 2p)` (Mathis et
///   al., "The macroscopic behavior of the TCP congestion avoidance algorithm", 1997).
///
/// Slow start is left out: what is studied here are connections that live for minutes.
///
/// ```
/// use std::time::Duration;
/// use bt_sim::{Access, Network, SimRng, Stream};
///
/// let mut network = Network::new(SimRng::new(1));
/// let far = Access { delay: Duration::from_millis(50), ..Access::lan() };
/// let (a, b) = (network.add(far), network.add(Access { loss: 0.01, ..far }));
/// let mut stream = Stream::new(a, b);
/// // Over 200 ms, a loss of one in a hundred leaves 90 kB/s of a gigabit.
/// let now = Duration::ZERO;
/// let last = (0..100).map(|_| network.send(now, &mut stream, 16_384).arrives).last();
/// assert!(last.is_some_and(|last| last > Duration::from_secs(15)));
/// ```
#[derive(Clone, Debug)]
pub struct Stream {
    from: NodeId,
    to: NodeId,
    /// When the latest of what was sent arrives: nothing overtakes it.
    last_arrival: Duration,
    /// Until when the congestion window is full.
    held_until: Duration,
}

/// How something travels that was sent over a [`Stream`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Transit {
    /// When its last byte has left the sender.
    pub leaves: Duration,
    /// When its last byte can be read at the other end.
    pub arrives: Duration,
}

impl Stream {
    /// A connection on which nothing has been sent.
    #[must_use]
    pub fn new(from: NodeId, to: NodeId) -> Self {
        Self {
            from,
            to,
            last_arrival: Duration::ZERO,
            held_until: Duration::ZERO,
        }
    }

    /// What `payload` bytes come to on the line, if none of them is lost.
    #[must_use]
    pub fn line_bytes(payload: u64) -> u64 {
        payload + payload.div_ceil(SEGMENT) * HEADERS
    }
}

impl Network {
    /// Sends much at once: it waits until the line is free, and takes it for itself.
    ///
    /// Where several streams share a line, let them take turns with an [`Outbox`](crate::Outbox).
    pub fn send(&mut self, now: Duration, stream: &mut Stream, payload: u64) -> Transit {
        let price = self.price(now, stream, payload);
        let arrives = self.transfer(now, stream.from, stream.to, price.bytes) + price.wait;
        let leaves = (now + self.up_backlog(now, stream.from)).max(stream.held_until);
        let arrives = arrives.max(leaves + self.distance(stream.from, stream.to));
        stream.last_arrival = arrives.max(stream.last_arrival);
        Transit {
            leaves,
            arrives: stream.last_arrival,
        }
    }

    /// Sends a few bytes, which need not wait for what other streams send: packets of all streams
    /// take turns on a line. What they take of the line others wait for. Returns when they arrive,
    /// which is never before what the stream has sent already.
    pub fn slip_in(&mut self, now: Duration, stream: &mut Stream, payload: u64) -> Duration {
        let price = self.price(now, stream, payload);
        let transmission = self.occupy(now, stream.from, stream.to, price.bytes);
        let arrives = now + transmission + self.distance(stream.from, stream.to) + price.wait;
        stream.last_arrival = arrives.max(stream.last_arrival);
        stream.last_arrival
    }

    /// What `payload` costs, chance included.
    fn price(&mut self, now: Duration, stream: &mut Stream, payload: u64) -> Price {
        let bytes = Stream::line_bytes(payload);
        let loss = self.loss(stream.from, stream.to);
        if loss <= 0.0 {
            return Price {
                bytes,
                wait: Duration::ZERO,
            };
        }
        let segments = payload.div_ceil(SEGMENT);
        let lost = (0..segments).map(|_| self.losses(loss)).sum::<u64>();
        let round_trip = self.distance(stream.from, stream.to) * 2;
        let per_segment = round_trip.mul_f64((loss / 1.5).sqrt());
        let segments = u32::try_from(segments).unwrap_or(u32::MAX);
        stream.held_until = stream.held_until.max(now) + per_segment * segments;
        let wait = match (lost, segments) {
            (0, _) => Duration::ZERO,
            (_, ..SEGMENTS_THAT_SHOW_A_GAP) => round_trip + RETRANSMISSION_TIMEOUT,
            _ => round_trip,
        };
        Price {
            bytes: bytes + lost * (SEGMENT + HEADERS),
            wait,
        }
    }

    /// How often a segment is lost before it arrives.
    fn losses(&mut self, loss: f64) -> u64 {
        let mut count = 0;
        while count < MOST_LOSSES && self.draw(loss) {
            count += 1;
        }
        count
    }
}

struct Price {
    /// On the line.
    bytes: u64,
    /// For what was lost.
    wait: Duration,
}

/// What of a packet of 1500 bytes is payload.
const SEGMENT: u64 = 1448;
/// And what is IP's, TCP's and its time stamps'.
const HEADERS: u64 = 52;
/// Linux's least; RFC 6298 would have a second.
const RETRANSMISSION_TIMEOUT: Duration = Duration::from_millis(200);
/// The lost one and three that cause duplicate acknowledgements (RFC 5681).
const SEGMENTS_THAT_SHOW_A_GAP: u32 = 4;
/// More in a row than any line that carries anything.
const MOST_LOSSES: u64 = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Access, Rate, SimRng};

    #[test]
    fn headers_count() {
        assert_eq!(Stream::line_bytes(1), 53);
        assert_eq!(Stream::line_bytes(1448), 1500);
        assert_eq!(Stream::line_bytes(1449), 1553);
    }

    #[test]
    fn a_message_does_not_wait_for_the_blocks_of_others_but_for_its_own() {
        let (mut network, a, b) = pair(0.0);
        let (mut busy, mut idle) = (Stream::new(a, b), Stream::new(a, b));
        let block = network.send(Duration::ZERO, &mut busy, 144_800);
        assert_eq!(block.leaves, MS * 150);
        assert_eq!(block.arrives, MS * 170);
        let message = network.slip_in(Duration::ZERO, &mut idle, 948);
        assert_eq!(message, MS * 21);
        assert_eq!(
            network.slip_in(Duration::ZERO, &mut busy, 948),
            block.arrives
        );
        // What slipped in is not free.
        let next = network.send(MS * 150, &mut idle, 1448);
        assert_eq!(next.leaves, MS * 150 + Duration::from_micros(3500));
    }

    #[test]
    fn losses_cost_line_time_and_patience() {
        let (mut network, a, b) = pair(0.02);
        let mut stream = Stream::new(a, b);
        let mut now = Duration::ZERO;
        let mut late = 0;
        for _ in 0..1000 {
            let arrives = network.slip_in(now, &mut stream, 100);
            late += u32::from(arrives > now + MS * 200);
            now += Duration::from_secs(1);
        }
        // Of two ends with 2 % each.
        assert!((20..60).contains(&late), "{late}");
    }

    #[test]
    fn long_streams_keep_to_the_formula() {
        let (mut network, a, b) = pair(0.01);
        let mut stream = Stream::new(a, b);
        let mut now = Duration::ZERO;
        let bytes = 100 * 14_480;
        for _ in 0..100 {
            now = network.send(now, &mut stream, 14_480).leaves;
        }
        let rate = bytes as f64 / now.as_secs_f64();
        let loss = 1.0 - 0.99_f64 * 0.99;
        let expected = 1448.0 / 0.04 * (1.5 / loss).sqrt();
        assert!((rate / expected - 1.0).abs() < 0.05, "{rate}, {expected}");
    }

    proptest! {
        /// Whatever is sent in whatever manner, a stream arrives in order.
        #[test]
        fn streams_keep_their_order(
            sends in prop::collection::vec((1_u64..50_000, any::<bool>(), 0_u32..30), 1..100),
            loss in 0.0..0.3,
        ) {
            let (mut network, a, b) = pair(loss);
            let mut stream = Stream::new(a, b);
            let (mut now, mut last) = (Duration::ZERO, Duration::ZERO);
            for (bytes, is_small, wait) in sends {
                now += MS * wait;
                let arrives = match is_small {
                    true => network.slip_in(now, &mut stream, bytes),
                    false => network.send(now, &mut stream, bytes).arrives,
                };
                prop_assert!(arrives >= last && arrives >= now + MS * 20);
                last = arrives;
            }
        }
    }

    /// A line of 1 MB/s to a fast one, 20 ms apart.
    fn pair(loss: f64) -> (Network, NodeId, NodeId) {
        let mut network = Network::new(SimRng::new(5));
        let access = Access {
            up: Rate::bytes_per_sec(1_000_000),
            down: Rate::mbit_per_sec(1000),
            delay: MS * 10,
            loss,
        };
        let (from, to) = (network.add(access), network.add(access));
        (network, from, to)
    }

    const MS: Duration = Duration::from_millis(1);
}
