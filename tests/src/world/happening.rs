//! What happens in a world, and what follows from it.

use std::time::Duration;

use bt_swarm::{Action, Dial, DialId, DiskDone, DiskJob, Event, NewConnection, Outgoing};
use bt_types::{Block, ConnId, Direction, Payload, Transport};
use bt_wire::{Message, RawBlock, Reserved};

use super::World;
use crate::Tag;

pub(super) enum Happening {
    Join(usize),
    Announce(usize),
    /// A node's timer, if it is still the one that it waits for.
    Wake(usize),
    /// A dial has an answer.
    Answer {
        from: usize,
        dial: DialId,
    },
    Arrive {
        to: usize,
        conn: ConnId,
        delivery: Delivery,
    },
    /// The last byte of a block has left.
    Sent {
        from: usize,
        conn: ConnId,
        block: Block,
    },
    Close {
        to: usize,
        conn: ConnId,
    },
    Disk {
        node: usize,
        done: DiskDone<Tag>,
    },
}

pub(super) enum Delivery {
    Message(Message),
    Block(RawBlock, Tag),
}

impl World {
    /// Lets one thing happen; returns the nodes to which it did.
    pub(super) fn happen(&mut self, now: Duration, happening: Happening) -> [Option<usize>; 2] {
        let time = self.epoch + now;
        match happening {
            Happening::Join(node) => {
                self.join(now, node);
                [Some(node), None]
            }
            Happening::Announce(node) if self.nodes[node].is_present => {
                self.announce(now, node);
                [Some(node), None]
            }
            Happening::Announce(_) => [None, None],
            Happening::Wake(index) => {
                let node = &mut self.nodes[index];
                if node.armed != Some(now) || !node.is_present {
                    return [None, None];
                }
                node.armed = None;
                node.swarm.handle_timeout(time);
                [Some(index), None]
            }
            Happening::Answer { from, dial } => self.answer(now, from, dial),
            Happening::Arrive { to, conn, delivery } => {
                let swarm = &mut self.nodes[to].swarm;
                match delivery {
                    Delivery::Message(message) => swarm.handle_message(time, conn, message),
                    Delivery::Block(block, tag) => swarm.handle_block(time, conn, block, tag),
                }
                [Some(to), None]
            }
            Happening::Sent { from, conn, block } => {
                self.nodes[from].swarm.handle_block_sent(time, conn, block);
                [Some(from), None]
            }
            Happening::Close { to, conn } => {
                self.nodes[to].wires.remove(&conn);
                self.nodes[to].swarm.handle_disconnected(time, conn, None);
                [Some(to), None]
            }
            Happening::Disk { node, done } => {
                self.nodes[node].swarm.handle_disk(time, done);
                [Some(node), None]
            }
        }
    }

    /// Carries out what a node has decided, until it waits.
    pub(super) fn settle(&mut self, now: Duration, index: usize) {
        while let Some(action) = self.nodes[index].swarm.poll_action() {
            self.act(now, index, action);
        }
        let memory_bytes = self.nodes[index].swarm.stats(self.epoch + now).memory_bytes;
        let peak = &mut self.nodes[index].peak_memory_bytes;
        *peak = memory_bytes.max(*peak);
        while let Some(event) = self.nodes[index].swarm.poll_event() {
            let node = &mut self.nodes[index];
            let is_complete = event == Event::Completed;
            if !matches!(event, Event::PieceVerified(_)) {
                node.events.push((now, event));
            }
            if is_complete {
                node.completed_at = Some(now);
                if node.spec.leaves_when_complete {
                    self.leave(now, index);
                    return self.settle(now, index);
                }
            }
        }
        let node = &mut self.nodes[index];
        let deadline = node
            .swarm
            .poll_timeout()
            .map(|at| (at - self.epoch).max(now));
        if deadline != node.armed {
            node.armed = deadline;
            if let Some(at) = deadline {
                self.queue.schedule_at(at, Happening::Wake(index));
            }
        }
    }

    fn act(&mut self, now: Duration, index: usize, action: Action<Tag>) {
        match action {
            Action::Dial(dial) => self.dial(index, dial),
            Action::AbortDial(dial) => {
                self.nodes[index].dials.remove(&dial);
            }
            Action::Send(conn, Outgoing::Message(message)) => {
                self.scratch.clear();
                message.encode(&mut self.scratch);
                let bytes = self.scratch.len() as u64;
                self.deliver(now, index, conn, bytes, Delivery::Message(message));
            }
            Action::Send(conn, Outgoing::Block(block, tag)) => {
                let bytes = PIECE_HEADER + tag.len() as u64;
                self.deliver(now, index, conn, bytes, Delivery::Block(block.into(), tag));
                let sent = self.network.up_backlog(now, self.nodes[index].line);
                self.queue.schedule_in(
                    sent,
                    Happening::Sent {
                        from: index,
                        conn,
                        block,
                    },
                );
            }
            Action::Disconnect(conn, _) => {
                if let Some((to, conn)) = self.nodes[index].wires.remove(&conn) {
                    let distance = self.distance(index, to);
                    self.queue
                        .schedule_in(distance, Happening::Close { to, conn });
                }
            }
            Action::Disk(job) => {
                let piece = match &job {
                    DiskJob::Verify { piece, .. } | DiskJob::Spill { piece, .. } => *piece,
                    DiskJob::Read { block, .. } => block.piece,
                };
                let position = self.position(piece);
                let (at, done) = self.nodes[index].work(now, position, job);
                self.queue
                    .schedule_at(at, Happening::Disk { node: index, done });
            }
        }
    }

    /// Puts bytes on the line; a message takes its place in packets with headers of their own.
    fn deliver(
        &mut self,
        now: Duration,
        from: usize,
        conn: ConnId,
        bytes: u64,
        delivery: Delivery,
    ) {
        let Some(&(to, conn)) = self.nodes[from].wires.get(&conn) else {
            return;
        };
        let bytes = bytes + bytes.div_ceil(SEGMENT) * SEGMENT_HEADERS;
        let (sender, receiver) = (self.nodes[from].line, self.nodes[to].line);
        let at = self.network.transfer(now, sender, receiver, bytes);
        self.queue
            .schedule_at(at, Happening::Arrive { to, conn, delivery });
    }

    /// One and a half times there and back: TCP's handshake, then ours.
    fn dial(&mut self, index: usize, dial: Dial) {
        let to = self
            .nodes
            .iter()
            .position(|node| node.addr == dial.peer && node.is_present);
        self.nodes[index].dials.insert(dial.id, to);
        let delay = match to {
            Some(to) => self.distance(index, to) * 4,
            None => REFUSAL_TIME,
        };
        self.queue.schedule_in(
            delay,
            Happening::Answer {
                from: index,
                dial: dial.id,
            },
        );
    }

    fn answer(&mut self, now: Duration, from: usize, dial: DialId) -> [Option<usize>; 2] {
        let time = self.epoch + now;
        let Some(to) = self.nodes[from].dials.remove(&dial) else {
            return [None, None];
        };
        let Some(to) = to.filter(|&to| self.nodes[to].is_present && self.nodes[from].is_present)
        else {
            self.nodes[from].swarm.handle_dial_failed(time, dial);
            return [Some(from), None];
        };
        let outbound = self.connection(to, Direction::Outbound, Some(dial));
        let inbound = self.connection(from, Direction::Inbound, None);
        let a = self.nodes[from].swarm.handle_connected(time, outbound);
        let b = self.nodes[to].swarm.handle_connected(time, inbound);
        match (a, b) {
            (Ok(a), Ok(b)) => {
                self.nodes[from].wires.insert(a, (to, b));
                self.nodes[to].wires.insert(b, (from, a));
            }
            (Ok(a), Err(_)) => self.nodes[from].swarm.handle_disconnected(time, a, None),
            (Err(_), Ok(b)) => self.nodes[to].swarm.handle_disconnected(time, b, None),
            (Err(_), Err(_)) => {}
        }
        [Some(from), Some(to)]
    }

    fn connection(&self, to: usize, direction: Direction, dial: Option<DialId>) -> NewConnection {
        let node = &self.nodes[to];
        let mut peer = node.addr;
        if direction == Direction::Inbound {
            peer.set_port(EPHEMERAL_PORT);
        }
        NewConnection {
            peer,
            direction,
            transport: Transport::Tcp,
            peer_id: node.swarm.handshake().peer_id,
            reserved: Reserved::NONE.with_fast().with_extended(),
            dial,
        }
    }

    fn distance(&self, a: usize, b: usize) -> Duration {
        self.nodes[a].spec.access.delay + self.nodes[b].spec.access.delay
    }
}

/// Length, id, piece and offset before a block's bytes.
const PIECE_HEADER: u64 = 13;
/// What of a packet of 1500 bytes is ours.
const SEGMENT: u64 = 1448;
/// And what is TCP's and IP's.
const SEGMENT_HEADERS: u64 = 52;
/// How long it takes to hear that nobody is there.
const REFUSAL_TIME: Duration = Duration::from_millis(100);
const EPHEMERAL_PORT: u16 = 50_000;
