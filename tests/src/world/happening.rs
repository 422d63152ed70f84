//! What happens in a world, and what follows from it.

use std::time::Duration;

use bt_swarm::{Action, DialId, DiskDone, DiskJob, Event, Outgoing};
use bt_types::{Block, ConnId, PieceIndex, Selection};

use super::{World, network::Delivery};
use crate::{Behaviour, Tag, node::Life};

pub(super) enum Happening {
    /// A node comes, for the first time or again.
    Join(usize),
    Leave(usize),
    /// A node's disk is full, or has room again.
    DiskFull(usize, bool),
    /// The block that was on a host's line has left.
    LineFree(usize),
    /// What the torrents of a session share is divided anew.
    Divide(usize),
    /// Something happens to a node, if it is still there.
    Node(Life, What),
}

pub(super) enum What {
    Announce,
    /// It is looked at.
    Observe,
    /// A node's timer, if it is still the one that it waits for.
    Wake,
    /// A dial has an answer.
    Answer(DialId),
    Arrive(ConnId, Delivery),
    /// The last byte of a block has left.
    Sent(ConnId, Block),
    Close(ConnId),
    Disk(DiskDone<Tag>),
    /// The network is whole again, and a stream goes on.
    Resume(ConnId),
}

impl World {
    /// Lets one thing happen, and notes to whom.
    pub(super) fn happen(&mut self, now: Duration, happening: Happening) {
        match happening {
            Happening::Node(life, what) => self.happen_to(now, life, what),
            Happening::LineFree(host) => self.line_free(now, host),
            Happening::Join(node) => self.join(now, node),
            Happening::Leave(node) => self.leave(now, node),
            Happening::DiskFull(node, is_full) => self.nodes[node].set_disk_full(is_full),
            Happening::Divide(session) => self.divide(now, session),
        }
    }

    pub(super) fn happen_to(&mut self, now: Duration, life: Life, what: What) {
        let index = life.node();
        let node = &mut self.nodes[index];
        if node.life != life || !node.is_present {
            return;
        }
        let time = self.epoch + now;
        match what {
            What::Arrive(conn, Delivery::Message(message)) => {
                node.swarm.handle_message(time, conn, message);
            }
            What::Arrive(conn, Delivery::Messages(messages)) => {
                for message in messages {
                    node.swarm.handle_message(time, conn, message);
                }
            }
            What::Arrive(conn, Delivery::Block(block, tag)) => {
                node.swarm.handle_block(time, conn, block, tag);
            }
            What::Sent(conn, block) => node.swarm.handle_block_sent(time, conn, block),
            What::Disk(done) => node.swarm.handle_disk(time, done),
            What::Close(conn) => {
                self.unplug(index, conn);
                let swarm = &mut self.nodes[index].swarm;
                swarm.handle_disconnected(time, conn, None);
            }
            What::Wake => {
                if node.armed != Some(now) {
                    return;
                }
                node.armed = None;
                node.swarm.handle_timeout(time);
            }
            // These say themselves whom they touch.
            What::Answer(dial) => return self.answer(now, index, dial),
            What::Resume(conn) => return self.resume(now, index, conn),
            What::Announce => self.announce(now, index),
            // Changes nothing.
            What::Observe => return self.sight(now, index),
        }
        self.touched.push(index);
    }

    /// Carries out what a node has decided, until it waits.
    pub(super) fn settle(&mut self, now: Duration, index: usize) {
        while let Some(action) = self.nodes[index].swarm.poll_action() {
            self.act(now, index, action);
        }
        self.flush(now, index);
        let node = &mut self.nodes[index];
        node.peak_memory_bytes = node.peak_memory_bytes.max(node.swarm.memory_bytes());
        while let Some(event) = self.nodes[index].swarm.poll_event() {
            self.note(now, index, event);
        }
        if !self.nodes[index].is_present {
            return;
        }
        let node = &mut self.nodes[index];
        let Some(deadline) = node.swarm.poll_timeout() else {
            return;
        };
        let deadline = (deadline - self.epoch).max(now);
        // A deadline that has moved away is looked at again at its old time: most move with every
        // block, and would leave an event behind each time.
        if node.armed.is_none_or(|armed| deadline < armed) {
            node.armed = Some(deadline);
            self.queue
                .schedule_at(deadline, Happening::Node(node.life, What::Wake));
        }
    }

    fn act(&mut self, now: Duration, index: usize, action: Action<Tag>) {
        match action {
            Action::Send(conn, Outgoing::Message(message)) => {
                let message = self.nodes[index].twist(message);
                self.send_message(now, index, conn, message);
            }
            Action::Send(conn, Outgoing::Block(block, _)) if self.nodes[index].forgets() => {
                // It believes that it has sent it.
                let life = self.nodes[index].life;
                let sent = Happening::Node(life, What::Sent(conn, block));
                self.queue.schedule_at(now, sent);
            }
            Action::Send(conn, Outgoing::Block(block, tag)) => {
                self.flush(now, index);
                self.send_block(now, index, conn, block, tag);
            }
            Action::TakeBack(conn, block) => {
                self.flush(now, index);
                self.take_back(now, index, conn, block);
            }
            Action::Metadata(bytes) => self.learn(now, index, &bytes),
            Action::Disk(job) => {
                let piece = match &job {
                    DiskJob::Verify { piece, .. } | DiskJob::Spill { piece, .. } => *piece,
                    DiskJob::Read { block, .. } => block.piece,
                    DiskJob::Survey => PieceIndex::new(0),
                };
                let torrent = self.nodes[index].spec.torrent;
                let position = self.position(torrent, piece);
                let node = &mut self.nodes[index];
                let (at, done) = node.work(now, position, job);
                self.queue
                    .schedule_at(at, Happening::Node(node.life, What::Disk(done)));
            }
            Action::Dial(dial) => self.dial(now, index, dial),
            Action::AbortDial(dial) => {
                self.nodes[index].dials.remove(&dial);
            }
            Action::Disconnect(conn, _) => {
                self.flush(now, index);
                self.close(now, index, conn);
            }
        }
    }

    /// What became true is kept as far as anybody asks for it later.
    fn note(&mut self, now: Duration, index: usize, event: Event) {
        match &event {
            Event::Completed => self.completed(now, index),
            Event::PieceFailed { contributors, .. } => {
                let senders: Vec<_> = contributors
                    .iter()
                    .filter_map(|addr| self.fellow_at(*addr, index))
                    .filter(|&sender| self.is_liar(sender))
                    .collect();
                self.nodes[index].suspected.extend(senders);
            }
            Event::PeerBanned { peer, .. } => {
                let banned = self.fellow_at(*peer, index);
                self.nodes[index].banned.extend(banned);
            }
            Event::DiskFailed(_) | Event::DiskRecovered | Event::PieceLost(_) => {}
            // Of those who choose, what they got.
            Event::PieceVerified(_)
                if *self.nodes[index].spec.selection != Selection::everything() => {}
            _ => return,
        }
        self.nodes[index].events.push((now, event));
    }

    fn completed(&mut self, now: Duration, index: usize) {
        let node = &mut self.nodes[index];
        if node.completed_at.is_some() {
            return;
        }
        node.completed_at = Some(now);
        self.awaited -= usize::from(node.spec.is_awaited());
        if node.spec.is_awaited_contributor() {
            self.awaited_contributors -= 1;
            if self.awaited_contributors == 0 {
                for node in &mut self.nodes {
                    let held = node.swarm.have().map(bt_types::Bitfield::count_ones);
                    node.held_at_end_of_contributors = held;
                }
            }
        }
        if self.nodes[index].spec.leaves_when_complete {
            self.leave(now, index);
        }
    }

    fn is_liar(&self, node: usize) -> bool {
        matches!(self.nodes[node].spec.behaviour, Behaviour::Liar(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn happenings_are_small() {
        assert_eq!(size_of::<Happening>(), 72);
    }
}
