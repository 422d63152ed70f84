//! What is shown of peers.

use bt_wire::ExtendedHandshake;

use super::*;
use crate::{PeerInfo, WhyChoked};

fn one(swarm: &Swarm<Tag>, conn: ConnId) -> PeerInfo {
    let mut peers = swarm.peers(epoch());
    peers.find(|peer| peer.conn == conn).expect("it is there")
}

fn why(swarm: &Swarm<Tag>, conn: ConnId) -> Option<WhyChoked> {
    let peer = one(swarm, conn);
    assert_eq!(peer.why_choked.is_some(), peer.am_choking);
    peer.why_choked
}

#[test]
fn why_a_peer_is_choked() {
    let info = torrent(64 * 1024, MIB);
    let mut seed = with_memory(&info, Bitfield::full(16), 32 << 20);
    let conns: Vec<_> = (1..=6)
        .map(|id| seed.handle_connected(epoch(), incoming(id)).unwrap())
        .collect();
    drain(&mut seed);
    assert_eq!(why(&seed, conns[0]), Some(WhyChoked::NotInterested));
    for &conn in &conns {
        seed.handle_message(epoch(), conn, Message::Interested);
    }
    assert_eq!(why(&seed, conns[0]), Some(WhyChoked::NextRound));
    drain(&mut seed);
    let choked: Vec<_> = conns
        .iter()
        .filter_map(|&conn| why(&seed, conn).map(|why| (conn, why)))
        .collect();
    assert!(!choked.is_empty());
    for &(_, why) in &choked {
        assert_eq!(why, WhyChoked::SlotsFull);
    }
    let (conn, _) = choked[0];
    let hello = ExtendedHandshake {
        upload_only: Some(true),
        ..ExtendedHandshake::default()
    };
    // A seed parts from who only uploads; who lacks something does not.
    let mut leech = lone(&info);
    let partial = leech.handle_connected(epoch(), incoming(9)).unwrap();
    leech.handle_message(epoch(), partial, Message::Interested);
    leech.handle_message(epoch(), partial, hello.to_message());
    drain(&mut leech);
    assert_eq!(why(&leech, partial), Some(WhyChoked::UploadOnly));

    let grant = Grant {
        upload_slots: 0,
        ..Grant::default()
    };
    seed.set_grant(epoch(), grant);
    drain(&mut seed);
    assert_eq!(why(&seed, conn), Some(WhyChoked::NoSlots));
}

/// Whoever takes and gives nothing back, and whoever does not give on what only we have.
#[test]
fn bad_conduct_is_named() {
    for (conduct, expected) in [
        (bt_scheduler::Conduct::Taking, WhyChoked::Taking),
        (bt_scheduler::Conduct::Fair, WhyChoked::SlotsFull),
    ] {
        let info = torrent(64 * 1024, MIB);
        let mut have = Bitfield::full(16);
        have.remove(bt_types::PieceIndex::new(0));
        let mut swarm = with_memory(&info, have, 32 << 20);
        let conns: Vec<_> = (1..=6)
            .map(|id| swarm.handle_connected(epoch(), incoming(id)).unwrap())
            .collect();
        for &conn in &conns {
            swarm.handle_message(epoch(), conn, Message::Interested);
        }
        drain(&mut swarm);
        let mut choked = conns.iter().filter(|&&conn| one(&swarm, conn).am_choking);
        let conn = *choked.next().expect("there are more than slots");
        if conduct == bt_scheduler::Conduct::Taking {
            let session = swarm.sessions.get_mut(&conn).unwrap();
            session.traffic.lent = 2 << 20;
        }
        assert_eq!(why(&swarm, conn), Some(expected));
    }
}

#[test]
fn where_a_peer_comes_from() {
    use bt_types::PeerSource::{Incoming, Pex, Tracker};
    let mut swarm = lone(&torrent(64 * 1024, MIB));
    let mut dialled = incoming(1);
    (dialled.direction, dialled.peer) = (Direction::Outbound, peer(1));
    swarm.add_peers(epoch(), Pex, [peer(1)]);
    swarm.add_peers(epoch(), Tracker, [peer(1)]);
    let out = swarm.handle_connected(epoch(), dialled).unwrap();
    let of = |swarm: &Swarm<Tag>, conn| one(swarm, conn).sources.iter().collect::<Vec<_>>();
    assert_eq!(of(&swarm, out), [Tracker, Pex]);

    let inward = swarm.handle_connected(epoch(), incoming(2)).unwrap();
    assert_eq!(of(&swarm, inward), [Incoming]);
    let counts = |swarm: &Swarm<Tag>, source| {
        let count = swarm.stats(epoch()).sources.of(source);
        (count.named, count.connected)
    };
    assert_eq!(counts(&swarm, Incoming), (0, 0), "it could not be dialled");
    let hello = ExtendedHandshake {
        port: Some(6881),
        ..ExtendedHandshake::default()
    };
    swarm.handle_message(epoch(), inward, hello.to_message());
    assert_eq!(counts(&swarm, Incoming), (1, 1));
    assert_eq!(counts(&swarm, Tracker), (1, 1));
}
