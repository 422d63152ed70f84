use std::{collections::HashMap, net::SocketAddr};

use bt_sim::SimRng;

/// A tracker that knows who is there and returns a few of them at random, as real ones do.
#[derive(Debug)]
pub(crate) struct Tracker {
    present: Vec<SocketAddr>,
    /// Where each is in `present`. Never gone through, so that its order does not matter.
    places: HashMap<SocketAddr, usize>,
    peers_returned: usize,
    rng: SimRng,
}

impl Tracker {
    pub(crate) fn new(peers_returned: usize, rng: SimRng) -> Self {
        Self {
            present: Vec::new(),
            places: HashMap::new(),
            peers_returned,
            rng,
        }
    }

    /// Takes note of `from`, and tells of others; as much work as there are peers to return.
    pub(crate) fn announce(&mut self, from: SocketAddr) -> Vec<SocketAddr> {
        if !self.places.contains_key(&from) {
            self.places.insert(from, self.present.len());
            self.present.push(from);
        }
        // The first places become a random choice; who asks is not counted.
        let chosen = (self.peers_returned + 1).min(self.present.len());
        for place in 0..chosen {
            let rest = (self.present.len() - place) as u64;
            let drawn = place + self.rng.below(rest) as usize;
            self.swap(place, drawn);
        }
        let others = self.present[..chosen].iter().copied();
        others
            .filter(|&addr| addr != from)
            .take(self.peers_returned)
            .collect()
    }

    pub(crate) fn leave(&mut self, addr: SocketAddr) {
        if let Some(place) = self.places.remove(&addr) {
            self.present.swap_remove(place);
            if let Some(&moved) = self.present.get(place) {
                self.places.insert(moved, place);
            }
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.present.swap(a, b);
        self.places.insert(self.present[a], a);
        self.places.insert(self.present[b], b);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn everybody_is_told_of_now_and_then_but_nobody_of_itself() {
        let mut tracker = Tracker::new(5, SimRng::new(1));
        (0..20).for_each(|n| drop(tracker.announce(addr(n))));
        let mut told = BTreeSet::new();
        for _ in 0..50 {
            let peers = tracker.announce(addr(3));
            assert_eq!(peers.iter().collect::<BTreeSet<_>>().len(), 5);
            told.extend(peers);
        }
        assert!(!told.contains(&addr(3)));
        assert_eq!(told.len(), 19);
    }

    #[test]
    fn who_has_left_is_not_told_of() {
        let mut tracker = Tracker::new(50, SimRng::new(1));
        (0..6).for_each(|n| drop(tracker.announce(addr(n))));
        tracker.leave(addr(2));
        tracker.leave(addr(5));
        tracker.leave(addr(5));
        let mut peers = tracker.announce(addr(0));
        peers.sort_unstable();
        assert_eq!(peers, [addr(1), addr(3), addr(4)]);
    }

    fn addr(n: u8) -> SocketAddr {
        SocketAddr::from(([11, 0, 0, n], 6881))
    }
}
