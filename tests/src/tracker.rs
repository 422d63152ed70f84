use std::{collections::BTreeSet, net::SocketAddr};

use bt_sim::SimRng;

/// A tracker that knows who is there and returns a few of them at random, as real ones do.
#[derive(Debug)]
pub(crate) struct Tracker {
    present: BTreeSet<SocketAddr>,
    peers_returned: usize,
    rng: SimRng,
}

impl Tracker {
    pub(crate) fn new(peers_returned: usize, rng: SimRng) -> Self {
        Self {
            present: BTreeSet::new(),
            peers_returned,
            rng,
        }
    }

    pub(crate) fn announce(&mut self, from: SocketAddr) -> Vec<SocketAddr> {
        let mut peers: Vec<_> = self
            .present
            .iter()
            .copied()
            .filter(|&addr| addr != from)
            .collect();
        self.present.insert(from);
        self.rng.shuffle(&mut peers);
        peers.truncate(self.peers_returned);
        peers
    }

    pub(crate) fn leave(&mut self, addr: SocketAddr) {
        self.present.remove(&addr);
    }
}
