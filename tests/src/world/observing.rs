//! Nodes that are looked at while the world runs, and changed from outside.

use std::time::Duration;

use bt_scheduler::{Grant, RateLimits};
use bt_sim::{DiskConfig, Rate};

use super::{
    World,
    happening::{Happening, What},
};
use crate::Sight;

impl World {
    /// From now on a node is looked at four times a second, as the client does.
    pub fn observe(&mut self, node: usize) {
        self.schedule_sight(node);
    }

    /// What was seen of a node, in order.
    #[must_use]
    pub fn sights(&self, node: usize) -> &[Sight] {
        &self.nodes[node].sights
    }

    /// Gives a node another disk.
    pub fn set_disk(&mut self, node: usize, disk: DiskConfig) {
        self.nodes[node].set_disk(disk);
    }

    /// Lets a node hash faster or slower; what it has begun takes as long as it would have.
    pub fn set_hashing(&mut self, node: usize, rate: Option<Rate>) {
        self.nodes[node].spec.hashing = rate;
    }

    /// Limits the rates of a node that is in no session, or lets them go.
    pub fn set_limits(&mut self, node: usize, rates: RateLimits) {
        let now = self.queue.now();
        let grant = Grant {
            max_peers: self.config.max_peers,
            memory_bytes: self.config.memory_bytes,
            rates,
            ..Grant::default()
        };
        self.nodes[node].swarm.set_grant(self.epoch + now, grant);
        self.settle(now, node);
    }

    pub(super) fn sight(&mut self, now: Duration, index: usize) {
        let time = self.epoch + now;
        let node = &mut self.nodes[index];
        if let Some(limit) = node.swarm.observe(time, node.outside) {
            let stats = node.swarm.stats(time);
            node.sights.push(Sight {
                at: now,
                stats,
                limit,
            });
        }
        self.schedule_sight(index);
    }

    fn schedule_sight(&mut self, index: usize) {
        let happening = Happening::Node(self.nodes[index].life, What::Observe);
        self.queue.schedule_in(SIGHT_INTERVAL, happening);
    }
}

/// As often as the client takes a snapshot.
const SIGHT_INTERVAL: Duration = Duration::from_millis(250);
