//! A picker among peers with a rate and a latency, on virtual time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
};

use bt_types::{BLOCK_LENGTH, FileExtent};

use super::super::*;

/// Drives one [`Picker`] as a swarm would.
pub(super) struct World {
    pub(super) picker: Picker,
    pub(super) now: Instant,
    pub(super) start: Instant,
    pub(super) peers: BTreeMap<ConnId, Link>,
    /// What happens when; the number keeps the order of what happens at once.
    events: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    next_event: u64,
    /// Pieces that fail their first check.
    pub(super) bad_once: Vec<PieceIndex>,
    /// Every request in the order in which it was made.
    pub(super) requested: Vec<(ConnId, Block)>,
    pub(super) duplicates: usize,
    pub(super) checks_invariants: bool,
}

/// The other end of a connection.
pub(super) struct Link {
    pub(super) rate: u64,
    pub(super) latency: Duration,
    /// From when on it swallows requests without an answer.
    pub(super) mute_from: Option<Instant>,
    queue: VecDeque<Block>,
    is_sending: bool,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Event {
    Request(ConnId, Block),
    Cancel(ConnId, Block),
    Sent(ConnId, Block),
    Arrives(ConnId, Block),
    Verdict(PieceIndex),
}

impl World {
    pub(super) fn new(layout: PieceLayout, seed: u64) -> Self {
        let have = Bitfield::new(layout.piece_count());
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let start = epoch();
        Self {
            picker: Picker::new(Arc::new(layout), have, PickerConfig::default(), bytes),
            now: start,
            start,
            peers: BTreeMap::new(),
            events: BinaryHeap::new(),
            next_event: 0,
            bad_once: Vec::new(),
            requested: Vec::new(),
            duplicates: 0,
            checks_invariants: true,
        }
    }

    /// A peer that has `pieces` and answers.
    pub(super) fn join(&mut self, rate: u64, latency: Duration, pieces: Bitfield) -> ConnId {
        let conn = ConnId(self.peers.len() as u64);
        let link = Link {
            rate,
            latency,
            mute_from: None,
            queue: VecDeque::new(),
            is_sending: false,
        };
        self.peers.insert(conn, link);
        self.picker.add_peer(self.now, conn, 250);
        self.picker.set_peer_pieces(conn, pieces);
        self.picker.unchoked(self.now, conn);
        conn
    }

    pub(super) fn join_seed(&mut self, rate: u64, latency_ms: u64) -> ConnId {
        let pieces = Bitfield::full(self.picker.layout.piece_count());
        self.join(rate, Duration::from_millis(latency_ms), pieces)
    }

    pub(super) fn mute(&mut self, conn: ConnId, after: Duration) {
        self.peers.get_mut(&conn).unwrap().mute_from = Some(self.now + after);
    }

    /// Runs until everything is there, and returns how long that took.
    pub(super) fn run(&mut self, limit: Duration) -> Duration {
        let deadline = self.now + limit;
        while !self.picker.is_complete() {
            assert!(
                self.step(),
                "nothing happens any more: {:?}",
                self.picker.have()
            );
            assert!(self.now < deadline, "too slow: {:?}", self.picker.have());
        }
        self.now - self.start
    }

    pub(super) fn run_until(&mut self, until: Instant) {
        self.pump();
        while !self.picker.is_complete() && self.next_time().is_some_and(|next| next <= until) {
            self.step();
        }
        self.now = until;
    }

    fn next_time(&self) -> Option<Instant> {
        let event = self.events.peek().map(|Reverse((at, ..))| *at);
        event.into_iter().chain(self.picker.poll_timeout()).min()
    }

    fn step(&mut self) -> bool {
        self.pump();
        let Some(next) = self.next_time() else {
            return false;
        };
        self.now = self.now.max(next);
        if self
            .picker
            .poll_timeout()
            .is_some_and(|timeout| timeout <= self.now)
        {
            self.picker.handle_timeout(self.now);
            let rearmed = self.picker.poll_timeout();
            assert!(
                rearmed.is_none_or(|next| next > self.now),
                "the timer stands still"
            );
        }
        while let Some(Reverse((at, ..))) = self.events.peek() {
            if *at > self.now {
                break;
            }
            let Reverse((_, _, event)) = self.events.pop().unwrap();
            self.handle(event);
        }
        self.pump();
        true
    }

    fn pump(&mut self) {
        let mut blocks = Vec::new();
        while let Some(conn) = self.picker.poll_ready() {
            self.picker.pick(self.now, conn, usize::MAX, &mut blocks);
            let stats = self.picker.peer_stats(self.now, conn);
            assert!(stats.target_depth >= 2 && stats.target_depth <= 250);
            for block in blocks.drain(..) {
                assert!(self.picker.peer_pieces(conn).get(block.piece));
                assert!(!self.picker.have().get(block.piece));
                self.requested.push((conn, block));
                self.after(self.peers[&conn].latency / 2, Event::Request(conn, block));
            }
        }
        while let Some((conn, block)) = self.picker.poll_cancel() {
            self.after(self.peers[&conn].latency / 2, Event::Cancel(conn, block));
        }
        if self.checks_invariants {
            self.picker.check_invariants();
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Request(conn, block) => {
                let link = self.peers.get_mut(&conn).unwrap();
                if link.mute_from.is_none_or(|from| self.now < from) {
                    link.queue.push_back(block);
                    self.send_next(conn);
                }
            }
            Event::Cancel(conn, block) => {
                let link = self.peers.get_mut(&conn).unwrap();
                link.queue.retain(|&queued| queued != block);
            }
            Event::Sent(conn, block) => {
                let link = self.peers.get_mut(&conn).unwrap();
                link.is_sending = false;
                let latency = link.latency / 2;
                self.after(latency, Event::Arrives(conn, block));
                self.send_next(conn);
            }
            Event::Arrives(conn, block) => match self.picker.handle_block(self.now, conn, block) {
                Received::Accepted { piece_complete } => {
                    if piece_complete {
                        self.after(Duration::from_millis(5), Event::Verdict(block.piece));
                    }
                }
                Received::Duplicate => self.duplicates += 1,
                Received::Unrequested => panic!("{conn:?} was asked for {block:?}"),
            },
            Event::Verdict(piece) => match self.bad_once.iter().position(|&bad| bad == piece) {
                Some(at) => {
                    self.bad_once.swap_remove(at);
                    self.picker.piece_failed(piece);
                }
                None => self.picker.piece_verified(piece),
            },
        }
    }

    fn send_next(&mut self, conn: ConnId) {
        let now = self.now;
        let link = self.peers.get_mut(&conn).unwrap();
        let is_mute = link.mute_from.is_some_and(|from| from <= now);
        if link.is_sending || is_mute {
            return;
        }
        if let Some(block) = link.queue.pop_front() {
            link.is_sending = true;
            let micros = u64::from(block.length) * 1_000_000 / link.rate;
            self.after(Duration::from_micros(micros), Event::Sent(conn, block));
        }
    }

    fn after(&mut self, delay: Duration, event: Event) {
        self.events
            .push(Reverse((self.now + delay, self.next_event, event)));
        self.next_event += 1;
    }
}

/// Pieces of `blocks` blocks each.
pub(super) fn layout(pieces: u32, blocks: u32) -> PieceLayout {
    let piece_length = u64::from(blocks * BLOCK_LENGTH);
    let file = FileExtent::data(u64::from(pieces) * piece_length);
    PieceLayout::packed(piece_length, [file]).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary epoch; only offsets from it matter"
)]
pub(super) fn epoch() -> Instant {
    Instant::now()
}
