//! Which address others see us under: what peers say of it (BEP 10, `yourip`), and
//! trackers (BEP 24), counted.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, SocketAddr},
};

use bt_scheduler::canonical_priority;

use crate::bans::{host_of, is_local};

/// One vote for each host, of the latest hosts only. Nothing depends on the outcome but the order
/// among equals, so that no more proof is asked for.
#[derive(Debug, Default)]
pub(crate) struct AddressVotes {
    /// Voter and address, the oldest first.
    votes: VecDeque<(IpAddr, IpAddr)>,
    winners: BTreeMap<Kind, IpAddr>,
}

/// From where one is seen: a neighbour sees another address than the rest of the world, and who
/// came over IPv6 another than who came over IPv4.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Kind {
    is_local: bool,
    is_ipv4: bool,
}

impl AddressVotes {
    /// `voter` says that it sees us at `address`.
    pub(crate) fn add(&mut self, voter: IpAddr, address: IpAddr) {
        let (voter, address) = (voter.to_canonical(), address.to_canonical());
        if voter.is_ipv4() != address.is_ipv4() || !is_possible(address) {
            return;
        }
        self.votes.retain(|vote| host_of(vote.0) != host_of(voter));
        if self.votes.len() == MAX_VOTES {
            self.votes.pop_front();
        }
        self.votes.push_back((voter, address));
        self.count(Kind::of(voter));
    }

    /// Our address as `peer` sees it.
    pub(crate) fn winner(&self, peer: IpAddr) -> Option<IpAddr> {
        self.winners.get(&Kind::of(peer.to_canonical())).copied()
    }

    /// The rank of our connection with `peer` (BEP 40), the same for all while our address is not
    /// known.
    pub(crate) fn canonical_priority(&self, listen_port: u16, peer: SocketAddr) -> u32 {
        let ours = self.winner(peer.ip());
        let rank = ours.and_then(|ip| canonical_priority(SocketAddr::new(ip, listen_port), peer));
        rank.unwrap_or(0)
    }

    fn count(&mut self, kind: Kind) {
        let mut counts = BTreeMap::new();
        for (_, address) in self.votes.iter().filter(|vote| Kind::of(vote.0) == kind) {
            *counts.entry(*address).or_insert(0) += 1;
        }
        // As it is, unless another has more: every change makes all ranks others.
        let current = self.winners.get(&kind).copied();
        let rank = |&(address, count): &(IpAddr, u32)| (count, current == Some(address));
        if let Some((winner, _)) = counts.into_iter().max_by_key(rank) {
            self.winners.insert(kind, winner);
        }
    }
}

impl Kind {
    fn of(ip: IpAddr) -> Self {
        Self {
            is_local: is_local(ip),
            is_ipv4: ip.is_ipv4(),
        }
    }
}

fn is_possible(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast()
}

/// More would not make the outcome surer.
const MAX_VOTES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_hosts_win_each_for_those_who_see_us_as_they_do() {
        let mut votes = AddressVotes::default();
        assert_eq!(votes.winner(ip("8.8.8.8")), None);
        for (voter, address) in [
            ("8.8.8.8", "1.1.1.1"),
            ("8.8.4.4", "2.2.2.2"),
            ("::ffff:9.9.9.9", "::ffff:2.2.2.2"),
            // It changed its mind.
            ("8.8.8.8", "3.3.3.3"),
            ("192.168.1.2", "192.168.1.1"),
            ("2001:db8::8", "2001:db8::1"),
            // These are no answers.
            ("7.7.7.7", "2001:db8::2"),
            ("7.7.7.8", "0.0.0.0"),
            ("7.7.7.9", "224.0.0.1"),
        ] {
            votes.add(ip(voter), ip(address));
        }
        assert_eq!(votes.winner(ip("5.5.5.5")), Some(ip("2.2.2.2")));
        assert_eq!(votes.winner(ip("::ffff:5.5.5.5")), Some(ip("2.2.2.2")));
        assert_eq!(votes.winner(ip("10.0.0.1")), Some(ip("192.168.1.1")));
        assert_eq!(votes.winner(ip("2001:db8::5")), Some(ip("2001:db8::1")));
        assert_eq!(votes.winner(ip("fe80::1")), None);
    }

    /// A single host has a whole network of IPv6 addresses to vote from.
    #[test]
    fn a_network_of_ipv6_has_one_vote() {
        let mut votes = AddressVotes::default();
        for (voter, address) in [
            ("2001:db8:1::1", "2001:db8:9::1"),
            ("2001:db8:2::1", "2001:db8:9::1"),
            ("2001:db8:3::1", "2001:db8:9::2"),
            ("2001:db8:3::2", "2001:db8:9::2"),
            ("2001:db8:3::3", "2001:db8:9::2"),
        ] {
            votes.add(ip(voter), ip(address));
        }
        let peer = "[2001:db8:4::1]:6881".parse().unwrap();
        assert_eq!(votes.winner(ip("2001:db8:4::1")), Some(ip("2001:db8:9::1")));
        assert_ne!(votes.canonical_priority(6881, peer), 0);
    }

    #[test]
    fn the_winner_stays_unless_it_is_beaten() {
        let mut votes = AddressVotes::default();
        votes.add(ip("8.0.0.1"), ip("2.2.2.2"));
        for address in ["1.1.1.1", "3.3.3.3"] {
            votes.add(ip("8.0.0.2"), ip(address));
            assert_eq!(votes.winner(ip("5.5.5.5")), Some(ip("2.2.2.2")));
        }
        votes.add(ip("8.0.0.3"), ip("3.3.3.3"));
        assert_eq!(votes.winner(ip("5.5.5.5")), Some(ip("3.3.3.3")));
    }

    #[test]
    fn old_votes_make_room_for_new_ones() {
        let mut votes = AddressVotes::default();
        let host = |n: u32| IpAddr::from((0x0800_0000 + n).to_be_bytes());
        for n in 0..1000 {
            votes.add(host(n), ip("2.2.2.2"));
        }
        for n in 1000..1000 + MAX_VOTES as u32 {
            votes.add(host(n), ip("3.3.3.3"));
        }
        assert_eq!(votes.votes.len(), MAX_VOTES);
        assert_eq!(votes.winner(ip("5.5.5.5")), Some(ip("3.3.3.3")));
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
