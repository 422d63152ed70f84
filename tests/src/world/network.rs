//! How what nodes say gets to others: lines, connections, dials.

use std::time::Duration;

use bt_sim::{NatKind, NodeId, Outbox, Stream};
use bt_swarm::{Dial, DialId, NewConnection};
use bt_types::{Block, ConnId, ConnMap, Direction, Transport};
use bt_wire::{Message, RawBlock};

use super::{
    World,
    happening::{Happening, What},
};
use crate::{Tag, node::Life};

/// A line, who uses it, and what waits for it.
pub(super) struct Host {
    line: NodeId,
    /// One node for each torrent of a session.
    pub(super) members: Vec<usize>,
    /// How many of them are there.
    pub(super) present: usize,
    outbox: Outbox<(usize, ConnId), Parcel>,
    sending: Option<Sending>,
}

/// What goes over a connection at once.
pub(super) struct Parcel {
    bytes: u64,
    delivery: Delivery,
    /// The block that it carries: the sender is told when it has left.
    block: Option<Block>,
}

pub(super) enum Delivery {
    Message(Message),
    Messages(Vec<Message>),
    Block(RawBlock, Tag),
}

/// The block that is on a line now.
struct Sending {
    from: Life,
    conn: ConnId,
    block: Block,
    leaves: Duration,
}

/// Our end of a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    /// The other end.
    to: Life,
    conn: ConnId,
    stream: Stream,
}

/// Messages to one peer that go out by one write.
pub(super) struct Batch {
    conn: ConnId,
    bytes: u64,
    delivery: Delivery,
}

impl Host {
    pub(super) fn new(line: NodeId) -> Self {
        Self {
            line,
            members: Vec::new(),
            present: 0,
            outbox: Outbox::new(),
            sending: None,
        }
    }
}

impl World {
    pub(super) fn send_message(
        &mut self,
        now: Duration,
        from: usize,
        conn: ConnId,
        message: Message,
    ) {
        self.scratch.clear();
        message.encode(&mut self.scratch);
        let added = self.scratch.len() as u64;
        match &mut self.batch {
            Some(batch) if batch.conn == conn => {
                batch.bytes += added;
                batch.delivery.push(message);
            }
            _ => {
                self.flush(now, from);
                self.batch = Some(Batch {
                    conn,
                    bytes: added,
                    delivery: Delivery::Message(message),
                });
            }
        }
    }

    /// The next thing that a node does does not belong to the same write.
    pub(super) fn flush(&mut self, now: Duration, from: usize) {
        if let Some(batch) = self.batch.take() {
            let parcel = Parcel {
                bytes: batch.bytes,
                delivery: batch.delivery,
                block: None,
            };
            self.send(now, from, batch.conn, parcel);
        }
    }

    pub(super) fn send_block(
        &mut self,
        now: Duration,
        from: usize,
        conn: ConnId,
        block: Block,
        tag: Tag,
    ) {
        let parcel = Parcel {
            bytes: PIECE_HEADER + u64::from(block.length),
            delivery: Delivery::Block(block.into(), tag),
            block: Some(block),
        };
        self.send(now, from, conn, parcel);
    }

    /// A block that waits for the line need not be sent after all; one that is on it has left.
    pub(super) fn take_back(&mut self, now: Duration, from: usize, conn: ConnId, block: Block) {
        let node = &mut self.nodes[from];
        let outbox = &mut self.hosts[node.host].outbox;
        let is_it = |parcel: &Parcel| parcel.block == Some(block);
        if outbox.take_back(&(from, conn), is_it).is_some() {
            let time = self.epoch + now;
            node.swarm.handle_block_taken_back(time, conn, block);
        }
    }

    fn send(&mut self, now: Duration, from: usize, conn: ConnId, parcel: Parcel) {
        let node = &mut self.nodes[from];
        let Some(wire) = node.wires.get_mut(&conn) else {
            return; // The other side has closed it.
        };
        let to = wire.to;
        let host = node.host;
        let may_be_held = self.config.partition.is_some();
        if may_be_held && self.must_wait(now, from, conn, to.node()) {
            return self.hold(now, from, conn, parcel);
        }
        if parcel.block.is_none() && !self.hosts[host].outbox.is_waiting(&(from, conn)) {
            return self.slip_in(now, from, conn, parcel);
        }
        let host_record = &mut self.hosts[host];
        host_record.outbox.push((from, conn), parcel);
        if host_record.sending.is_none() {
            self.send_next(now, host);
        }
    }

    /// A few bytes go out at once, between the packets of blocks.
    fn slip_in(&mut self, now: Duration, from: usize, conn: ConnId, parcel: Parcel) {
        let Some(wire) = self.nodes[from].wires.get_mut(&conn) else {
            return;
        };
        self.timeline.sent(now, Stream::line_bytes(parcel.bytes));
        let at = self.network.slip_in(now, &mut wire.stream, parcel.bytes);
        let what = What::Arrive(wire.conn, parcel.delivery);
        self.queue.schedule_at(at, Happening::Node(wire.to, what));
    }

    /// The line is free: whose turn it is sends a block.
    fn send_next(&mut self, now: Duration, host: usize) {
        while let Some(((from, conn), parcel)) = self.hosts[host].outbox.pop() {
            let Some(wire) = self.nodes[from].wires.get(&conn) else {
                continue;
            };
            let to = wire.to;
            if self.config.partition.is_some() && self.must_wait(now, from, conn, to.node()) {
                self.hold(now, from, conn, parcel);
                continue;
            }
            let Some(block) = parcel.block else {
                self.slip_in(now, from, conn, parcel);
                continue;
            };
            self.timeline.sent(now, Stream::line_bytes(parcel.bytes));
            let node = &mut self.nodes[from];
            let Some(wire) = node.wires.get_mut(&conn) else {
                continue;
            };
            let transit = self.network.send(now, &mut wire.stream, parcel.bytes);
            let what = What::Arrive(wire.conn, parcel.delivery);
            self.queue
                .schedule_at(transit.arrives, Happening::Node(wire.to, what));
            let record = &mut self.hosts[host];
            record.sending = Some(Sending {
                from: node.life,
                conn,
                block,
                leaves: transit.leaves,
            });
            let free_in = self.network.up_backlog(now, record.line);
            self.queue.schedule_in(free_in, Happening::LineFree(host));
            return;
        }
    }

    pub(super) fn line_free(&mut self, now: Duration, host: usize) {
        if let Some(sending) = self.hosts[host].sending.take() {
            let what = What::Sent(sending.conn, sending.block);
            // Later than the line is free if the stream is held back by losses.
            if sending.leaves > now {
                let happening = Happening::Node(sending.from, what);
                self.queue.schedule_at(sending.leaves, happening);
            } else {
                self.happen_to(now, sending.from, what);
            }
        }
        self.send_next(now, host);
    }

    /// Whether what is sent now gets there after the partition only.
    fn must_wait(&self, now: Duration, from: usize, conn: ConnId, to: usize) -> bool {
        self.is_cut(now, from, to) || self.held.contains_key(&(from, conn))
    }

    fn is_cut(&self, now: Duration, a: usize, b: usize) -> bool {
        let partition = self.config.partition.is_some_and(|p| p.holds(now));
        partition && self.nodes[a].spec.is_far != self.nodes[b].spec.is_far
    }

    fn hold(&mut self, now: Duration, from: usize, conn: ConnId, parcel: Parcel) {
        if !self.held.contains_key(&(from, conn)) {
            let resumes = self.next_try(now);
            let life = self.nodes[from].life;
            self.queue
                .schedule_at(resumes, Happening::Node(life, What::Resume(conn)));
        }
        self.held.entry((from, conn)).or_default().push(parcel);
    }

    /// When TCP tries again what it could not send during the partition.
    fn next_try(&mut self, now: Duration) -> Duration {
        let Some(partition) = self.config.partition else {
            return now;
        };
        let lasted = partition.until - partition.from;
        let backoff = lasted.clamp(Duration::from_millis(1), LONGEST_BACKOFF);
        partition.until.max(now) + self.rng.duration(Duration::ZERO..backoff)
    }

    /// A stream that was held up goes on.
    pub(super) fn resume(&mut self, now: Duration, from: usize, conn: ConnId) {
        for parcel in self.held.remove(&(from, conn)).into_iter().flatten() {
            self.send(now, from, conn, parcel);
        }
    }

    /// Our end is gone; the other hears of it.
    pub(super) fn close(&mut self, now: Duration, from: usize, conn: ConnId) {
        if let Some(wire) = self.unplug(from, conn) {
            let distance = self.distance(from, wire.to.node());
            let at = match self.is_cut(now, from, wire.to.node()) {
                true => self.next_try(now),
                false => now,
            };
            let happening = Happening::Node(wire.to, What::Close(wire.conn));
            self.queue.schedule_at(at + distance, happening);
        }
    }

    pub(super) fn unplug(&mut self, from: usize, conn: ConnId) -> Option<Wire> {
        let node = &mut self.nodes[from];
        let wire = node.wires.remove(&conn)?;
        self.hosts[node.host].outbox.close(&(from, conn));
        if !self.held.is_empty() {
            self.held.remove(&(from, conn));
        }
        Some(wire)
    }

    /// Two round trips: TCP's handshake, then ours.
    pub(super) fn dial(&mut self, now: Duration, from: usize, dial: Dial) {
        let to = self.fellow_at(dial.peer, from);
        let to = to.map(|to| (to, &self.nodes[to]));
        let delay = match to {
            Some((to, node)) if self.is_cut(now, from, to) || node.spec.nat != NatKind::Open => {
                // Packets are dropped on the way: no answer.
                return;
            }
            Some((to, node)) if node.is_present => self.distance(from, to) * 4,
            _ => REFUSAL_TIME,
        };
        let to = to.filter(|(_, node)| node.is_present);
        let to = to.map(|(_, node)| node.life);
        let node = &mut self.nodes[from];
        node.dials.insert(dial.id, to);
        let happening = Happening::Node(node.life, What::Answer(dial.id));
        self.queue.schedule_in(delay, happening);
    }

    pub(super) fn answer(&mut self, now: Duration, from: usize, dial: DialId) {
        let time = self.epoch + now;
        let Some(to) = self.nodes[from].dials.remove(&dial) else {
            return;
        };
        self.touched.push(from);
        let is_there = |life: &Life| {
            let node = &self.nodes[life.node()];
            node.is_present && node.life == *life
        };
        let Some(to) = to.filter(is_there).map(Life::node) else {
            return self.nodes[from].swarm.handle_dial_failed(time, dial);
        };
        self.touched.push(to);
        let outbound = self.connection(to, Direction::Outbound, Some(dial));
        let inbound = self.connection(from, Direction::Inbound, None);
        let a = self.nodes[from].swarm.handle_connected(time, outbound);
        let b = self.nodes[to].swarm.handle_connected(time, inbound);
        match (a, b) {
            (Ok(a), Ok(b)) => {
                self.plug(from, a, to, b);
                self.plug(to, b, from, a);
            }
            (Ok(a), Err(_)) => self.nodes[from].swarm.handle_disconnected(time, a, None),
            (Err(_), Ok(b)) => self.nodes[to].swarm.handle_disconnected(time, b, None),
            (Err(_), Err(_)) => {}
        }
    }

    fn plug(&mut self, from: usize, conn: ConnId, to: usize, other: ConnId) {
        let line = |node: usize| self.hosts[self.nodes[node].host].line;
        let wire = Wire {
            to: self.nodes[to].life,
            conn: other,
            stream: Stream::new(line(from), line(to)),
        };
        self.nodes[from].wires.insert(conn, wire);
    }

    fn connection(&self, to: usize, direction: Direction, dial: Option<DialId>) -> NewConnection {
        let node = &self.nodes[to];
        let mut peer = node.addr;
        if direction == Direction::Inbound {
            peer.set_port(EPHEMERAL_PORT);
        }
        let handshake = node.swarm.handshake();
        NewConnection {
            peer,
            direction,
            transport: Transport::Tcp,
            peer_id: handshake.peer_id,
            reserved: handshake.reserved,
            dial,
        }
    }

    fn distance(&self, a: usize, b: usize) -> Duration {
        self.nodes[a].spec.access.delay + self.nodes[b].spec.access.delay
    }
}

impl Delivery {
    fn push(&mut self, message: Message) {
        match self {
            Self::Messages(messages) => messages.push(message),
            Self::Message(_) | Self::Block(..) => {
                let single = std::mem::replace(self, Self::Messages(Vec::with_capacity(4)));
                if let (Self::Messages(messages), Self::Message(first)) = (self, single) {
                    messages.extend([first, message]);
                }
            }
        }
    }
}

/// The connections of a node.
pub(crate) type Wires = ConnMap<Wire>;

/// Length, id, piece and offset before a block's bytes.
const PIECE_HEADER: u64 = 13;
/// How long it takes to hear that nobody is there.
const REFUSAL_TIME: Duration = Duration::from_millis(100);
const EPHEMERAL_PORT: u16 = 50_000;
/// However long a partition lasts, TCP tries again within a minute or two.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
