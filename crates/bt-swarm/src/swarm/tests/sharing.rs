//! What torrents share.

use super::*;

fn room_for(max_peers: usize) -> Grant {
    Grant {
        max_peers,
        ..Grant::default()
    }
}

#[test]
fn demand_is_what_is_held_and_what_could_be() {
    let info = torrent(64 * 1024, MIB);
    let now = epoch();
    let mut swarm = lone(&info);
    assert_eq!(swarm.demand(now).peers.used, 0);
    let conn = dial_one(&mut swarm, now, peer(1), 1);
    swarm.set_grant(now, room_for(2));
    swarm.add_peers(now + secs(1), PeerSource::Tracker, (2..12).map(peer));
    drain(&mut swarm);
    let demand = swarm.demand(now + secs(1));
    assert_eq!((demand.peers.used, demand.half_open.used), (2, 1));
    assert_eq!(demand.peers.wanted, 11);
    assert_eq!(
        (demand.upload_slots.wanted, demand.memory_bytes.used),
        (0, 0)
    );

    swarm.handle_message(now + secs(1), conn, Message::Interested);
    swarm.handle_message(now + secs(1), conn, Message::HaveAll);
    swarm.handle_message(now + secs(1), conn, Message::Unchoke);
    drain(&mut swarm);
    let demand = swarm.demand(now + secs(1));
    assert_eq!(demand.upload_slots.wanted, 1);
    assert!(demand.memory_bytes.used > 0);
    assert!(demand.memory_bytes.wanted > demand.memory_bytes.used);

    swarm.set_grant(now + secs(1), room_for(1));
    swarm
        .handle_connected(now + secs(1), incoming(99))
        .unwrap_err();
    let demand = swarm.demand(now + secs(1));
    assert_eq!(demand.peers.wanted, 11 + 4, "others may come, too");

    swarm.stop(now + secs(2));
    assert_eq!(swarm.demand(now + secs(2)), bt_scheduler::Demand::default());
}

#[test]
fn who_finds_no_memory_wants_more() {
    let info = torrent(1 << 20, 64 * MIB);
    let now = epoch();
    let mut swarm = with_memory(&info, Bitfield::new(64), 256 << 10);
    for id in 1..=8 {
        let conn = dial_one(&mut swarm, now + secs(id.into()), peer(id), id);
        swarm.handle_message(now + secs(id.into()), conn, Message::HaveAll);
        swarm.handle_message(now + secs(id.into()), conn, Message::Unchoke);
        drain(&mut swarm);
    }
    let need = swarm.demand(now + secs(9)).memory_bytes;
    assert!(need.used <= 256 << 10, "{need:?}");
    assert!(need.wanted >= 512 << 10, "{need:?}");
}

#[test]
fn where_room_is_lost_those_go_that_carry_least() {
    let info = torrent(16_384, MIB);
    let start = epoch();
    let mut swarm = lone(&info);
    let [idle, busy, also_idle] = [1, 2, 3].map(|id| {
        let conn = dial_one(&mut swarm, start + secs(id.into()), peer(id), id);
        drain(&mut swarm);
        conn
    });
    let now = start + secs(4);
    swarm.handle_message(now, busy, Message::HaveAll);
    swarm.handle_message(now, busy, Message::Unchoke);
    let requested = drain(&mut swarm)
        .into_iter()
        .find_map(|action| match action {
            Action::Send(_, Outgoing::Message(Message::Request(block))) => Some(block),
            _ => None,
        });
    let block = requested.unwrap();
    let tag = Tag {
        length: block.length,
        is_good: true,
    };
    swarm.handle_block(now, busy, block, tag);

    swarm.set_grant(now, room_for(1));
    let dropped: Vec<_> = drain(&mut swarm)
        .into_iter()
        .filter_map(|action| match action {
            Action::Disconnect(conn, DisconnectReason::NoRoom) => Some(conn),
            _ => None,
        })
        .collect();
    assert_eq!(dropped, [idle, also_idle]);
    assert!(swarm.peers(now).any(|peer| peer.conn == busy));
    assert_eq!(swarm.demand(now).peers.wanted, 3, "they are welcome again");
    swarm.check_invariants();
}
