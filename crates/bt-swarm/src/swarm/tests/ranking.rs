//! BEP 40: whom both sides would rather keep, where all else is equal.

use std::{cmp::Reverse, net::IpAddr};

use bt_scheduler::canonical_priority;

use super::*;

/// Our address, as all peers here see it; in their network, so that all of theirs counts.
const OURS: [u8; 4] = [10, 0, 0, 250];

#[test]
fn of_equals_those_are_dialled_first_whom_both_would_keep() {
    let mut swarm = lone(&torrent(64 * 1024, MIB));
    let voter = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    vote(&mut swarm, epoch(), voter);
    let mut peers: Vec<_> = (2..=200).map(peer).collect();
    let grant = Grant {
        max_half_open: 5,
        ..Grant::default()
    };
    swarm.set_grant(epoch(), grant);
    swarm.add_peers(epoch(), PeerSource::Tracker, peers.iter().copied());
    peers.sort_by_key(|&peer| Reverse(rank(peer)));
    assert_eq!(dials(&mut swarm), peers[..5]);
}

#[test]
fn of_equals_those_stay_whom_both_would_keep() {
    let mut swarm = lone(&torrent(64 * 1024, MIB));
    let mut peers: Vec<_> = (1..=8).map(peer).collect();
    for id in 1..=8 {
        let conn = swarm.handle_connected(epoch(), incoming(id)).unwrap();
        vote(&mut swarm, epoch(), conn);
    }
    peers.sort_by_key(|&peer| Reverse(rank(peer)));
    let grant = Grant {
        max_peers: 4,
        ..Grant::default()
    };
    swarm.set_grant(epoch(), grant);
    assert_eq!(connected(&swarm), sorted(&peers[..4]));
    // Nobody has been of any use for two minutes, and somebody comes; a quarter of the places is
    // not for those who come by themselves.
    let later = epoch() + secs(121);
    assert!(swarm.handle_connected(later, incoming(9)).is_ok());
    let mut expected = peers[..3].to_vec();
    expected.push(peer(9));
    assert_eq!(connected(&swarm), sorted(&expected));
}

/// BEP 24: before any peer has said what it sees.
#[test]
fn trackers_tell_our_address_too() {
    let tracker = IpAddr::from([10, 200, 0, 1]);
    let dialled = |voted: &[IpAddr]| {
        let mut swarm = lone(&torrent(64 * 1024, MIB));
        for address in voted {
            swarm.handle_address_vote(tracker, *address);
        }
        let grant = Grant {
            max_half_open: 5,
            ..Grant::default()
        };
        swarm.set_grant(epoch(), grant);
        swarm.add_peers(epoch(), PeerSource::Tracker, (2..=200).map(peer));
        dials(&mut swarm)
    };
    let mut peers: Vec<_> = (2..=200).map(peer).collect();
    peers.sort_by_key(|&peer| Reverse(rank(peer)));
    // One host has one vote, its last.
    let other = IpAddr::from([10, 0, 0, 251]);
    assert_eq!(dialled(&[other, other, OURS.into()]), peers[..5]);
    assert_ne!(dialled(&[]), peers[..5]);
}

fn vote(swarm: &mut Swarm<Tag>, now: Instant, conn: ConnId) {
    let hello = bt_wire::ExtendedHandshake {
        your_ip: Some(IpAddr::from(OURS)),
        ..Default::default()
    };
    swarm.handle_message(now, conn, hello.to_message());
}

fn dials(swarm: &mut Swarm<Tag>) -> Vec<SocketAddr> {
    let dials = drain(swarm).into_iter().filter_map(|action| match action {
        Action::Dial(dial) => Some(dial.peer),
        _ => None,
    });
    dials.collect()
}

fn rank(peer: SocketAddr) -> Option<u32> {
    canonical_priority(SocketAddr::from((OURS, 6881)), peer)
}

fn connected(swarm: &Swarm<Tag>) -> Vec<SocketAddr> {
    sorted(
        &swarm
            .peers(epoch())
            .map(|peer| peer.addr)
            .collect::<Vec<_>>(),
    )
}

fn sorted(peers: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut peers = peers.to_vec();
    peers.sort_unstable();
    peers
}
