//! Several torrents of one client: they share a line, and what an [`Arbiter`] divides.

use std::time::Duration;

use bt_scheduler::{Arbiter, Grant};

use super::{World, happening::Happening};
use crate::NodeSpec;

/// The torrents of one client.
pub(super) struct Session {
    arbiter: Arbiter<usize>,
    members: Vec<usize>,
    peaks: SessionUse,
}

/// What the torrents of a session used together at most, whenever things were divided.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SessionUse {
    /// Connections, those being made included.
    pub peers: usize,
    /// Connections being made.
    pub half_open: usize,
    /// Peers to which was uploaded at once.
    pub upload_slots: usize,
    /// Payload in memory, and blocks for which memory was reserved, in bytes.
    pub memory_bytes: usize,
}

impl World {
    /// Adds a client that has several torrents, one node for each of `specs`; returns their
    /// numbers. They share the line of the first, and divide `capacity` among them, as the
    /// client's session does: four times a second, by what each says that it needs.
    ///
    /// # Panics
    /// If two of them are of the same torrent, or there are none.
    pub fn add_session(&mut self, capacity: Grant, specs: Vec<NodeSpec>) -> Vec<usize> {
        let host = self.add_host(&specs[0]);
        let mut members: Vec<usize> = Vec::new();
        let mut arbiter = Arbiter::new(capacity);
        for spec in specs {
            let torrent = spec.torrent;
            let is_new = |&member: &usize| self.nodes[member].spec.torrent != torrent;
            assert!(members.iter().all(is_new), "a torrent is added once");
            let member = self.add_to(host, spec);
            arbiter.add(member);
            members.push(member);
        }
        let session = self.sessions.len();
        self.sessions.push(Session {
            arbiter,
            members: members.clone(),
            peaks: SessionUse::default(),
        });
        self.divide(Duration::ZERO, session);
        members
    }

    /// What the session of this node used together at most.
    #[must_use]
    pub fn session_peaks(&self, member: usize) -> Option<SessionUse> {
        let mut sessions = self.sessions.iter();
        let session = sessions.find(|session| session.members.contains(&member))?;
        Some(session.peaks)
    }

    pub(super) fn divide(&mut self, now: Duration, index: usize) {
        let session = &mut self.sessions[index];
        let mut is_news = now == Duration::ZERO;
        let mut together = SessionUse::default();
        for &member in &session.members {
            let demand = self.nodes[member].swarm.demand(self.epoch + now);
            together.peers += demand.peers.used;
            together.half_open += demand.half_open.used;
            together.upload_slots += demand.upload_slots.used;
            together.memory_bytes += demand.memory_bytes.used;
            is_news |= session.arbiter.set_demand(&member, demand);
        }
        session.peaks.raise_to(together);
        if is_news {
            for (&member, grant) in session.arbiter.divide() {
                let swarm = &mut self.nodes[member].swarm;
                swarm.set_grant(self.epoch + now, grant);
                self.touched.push(member);
            }
        }
        self.queue
            .schedule_in(DIVISION_INTERVAL, Happening::Divide(index));
    }
}

impl SessionUse {
    fn raise_to(&mut self, other: Self) {
        self.peers = self.peers.max(other.peers);
        self.half_open = self.half_open.max(other.half_open);
        self.upload_slots = self.upload_slots.max(other.upload_slots);
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
    }
}

/// As the client does.
const DIVISION_INTERVAL: Duration = Duration::from_millis(250);
