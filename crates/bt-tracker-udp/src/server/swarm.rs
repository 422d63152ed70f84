use std::{collections::BTreeMap, net::SocketAddr, time::Instant};

use bt_types::{AnnounceEvent, AnnounceRequest};

use super::AnnounceCounts;

/// The peers of one torrent, all of one address family.
#[derive(Debug)]
pub(super) struct Swarm {
    /// In no particular order, so that any stretch of it is a sample.
    peers: Vec<Peer>,
    /// Where each is in `peers`.
    places: BTreeMap<SocketAddr, usize>,
    /// Always the number of `peers` that are seeders.
    seeders: usize,
    /// Peers that said once that they had completed.
    completed: u32,
    announces: AnnounceCounts,
    /// When it may be forgotten if it has no peers.
    expires: Instant,
}

#[derive(Debug)]
struct Peer {
    addr: SocketAddr,
    is_seeder: bool,
    /// Kept so that a retransmission does not count twice.
    has_completed: bool,
    expires: Instant,
}

impl Swarm {
    pub(super) fn new(expires: Instant) -> Self {
        Self {
            peers: Vec::new(),
            places: BTreeMap::new(),
            seeders: 0,
            completed: 0,
            announces: AnnounceCounts::default(),
            expires,
        }
    }

    /// Takes what `addr` says of itself. Returns `false`, with nothing changed, if it is a new
    /// peer and there is no room for one.
    pub(super) fn announce(
        &mut self,
        addr: SocketAddr,
        request: &AnnounceRequest,
        expires: Instant,
        has_room: bool,
    ) -> bool {
        let place = self.places.get(&addr).copied();
        let leaves = request.event == AnnounceEvent::Stopped;
        if place.is_none() && !leaves && !has_room {
            return false;
        }
        self.expires = self.expires.max(expires);
        self.announces.count(request.event);
        match place {
            Some(place) if leaves => self.remove(place),
            None if leaves => {}
            _ => {
                let place = place.unwrap_or_else(|| self.insert(addr, expires));
                self.update(place, request, expires);
            }
        }
        true
    }

    /// Up to `count` peers other than `asker`, from the place that `start` chooses.
    pub(super) fn some_but(&self, asker: SocketAddr, start: u64, count: usize) -> Vec<SocketAddr> {
        let start = start.checked_rem(self.peers.len() as u64).unwrap_or(0) as usize;
        let (before, after) = self.peers.split_at(start);
        let others = after.iter().chain(before).filter(|peer| peer.addr != asker);
        others.map(|peer| peer.addr).take(count).collect()
    }

    /// Removes the peers that are due and returns how many these were.
    pub(super) fn expire(&mut self, now: Instant) -> usize {
        let before = self.peers.len();
        let mut place = 0;
        while place < self.peers.len() {
            if self.peers[place].expires <= now {
                self.remove(place); // another takes this place
            } else {
                place += 1;
            }
        }
        before - self.peers.len()
    }

    /// When the whole may be forgotten, if nobody announces until then.
    pub(super) fn expires(&self) -> Instant {
        self.expires
    }

    /// When there is something to forget.
    pub(super) fn next_expiry(&self) -> Instant {
        let peers = self.peers.iter().map(|peer| peer.expires).min();
        peers.map_or(self.expires, |at| at.min(self.expires))
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.peers.iter().map(|peer| peer.addr)
    }

    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn seeders(&self) -> usize {
        self.seeders
    }

    pub(super) fn leechers(&self) -> usize {
        self.peers.len() - self.seeders
    }

    pub(super) fn completed(&self) -> u32 {
        self.completed
    }

    pub(super) fn announces(&self) -> AnnounceCounts {
        self.announces
    }

    pub(super) fn check_invariants(&self) {
        assert_eq!(self.peers.len(), self.places.len());
        for (place, peer) in self.peers.iter().enumerate() {
            assert_eq!(self.places.get(&peer.addr), Some(&place));
            assert!(peer.expires <= self.expires);
        }
        let seeders = self.peers.iter().filter(|peer| peer.is_seeder).count();
        assert_eq!(seeders, self.seeders);
    }

    fn insert(&mut self, addr: SocketAddr, expires: Instant) -> usize {
        let place = self.peers.len();
        self.peers.push(Peer {
            addr,
            is_seeder: false,
            has_completed: false,
            expires,
        });
        self.places.insert(addr, place);
        place
    }

    fn update(&mut self, place: usize, request: &AnnounceRequest, expires: Instant) {
        let peer = &mut self.peers[place];
        let is_seeder = request.left == 0;
        self.seeders += usize::from(is_seeder);
        self.seeders -= usize::from(peer.is_seeder);
        peer.is_seeder = is_seeder;
        peer.expires = expires;
        if request.event == AnnounceEvent::Completed && !peer.has_completed {
            peer.has_completed = true;
            self.completed = self.completed.saturating_add(1);
        }
    }

    fn remove(&mut self, place: usize) {
        let peer = self.peers.swap_remove(place);
        self.places.remove(&peer.addr);
        self.seeders -= usize::from(peer.is_seeder);
        if let Some(moved) = self.peers.get(place) {
            self.places.insert(moved.addr, place);
        }
    }
}
