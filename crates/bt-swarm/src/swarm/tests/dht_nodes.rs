//! Who is told where our DHT node is, and whom we believe (BEP 5, 27).

use bt_metainfo::InfoBuilder;

use super::*;

fn swarm(dht_port: Option<u16>, is_private: bool) -> Swarm<Tag> {
    let mut builder = InfoBuilder::new("file", 16_384).single_file(16_384);
    if is_private {
        builder = builder.private();
    }
    let info = Arc::new(builder.pieces([[0; 20]]).build().unwrap());
    let mut config = Config::new(bt_types::PeerId([7; 20]), 6881);
    config.dht_port = dht_port;
    let mut swarm = Swarm::new(info.ids(), config, [7; 32]);
    swarm.handle_metadata(epoch(), info, Bitfield::new(1));
    swarm
}

fn peer(last: u8, supports_dht: bool) -> NewConnection {
    let mut connection = incoming(last);
    if supports_dht {
        connection.reserved = connection.reserved.with_dht();
    }
    connection
}

fn told_port(swarm: &mut Swarm<Tag>) -> Option<u16> {
    drain(swarm).into_iter().find_map(|action| match action {
        Action::Send(_, Outgoing::Message(Message::Port(port))) => Some(port),
        _ => None,
    })
}

fn learnt(swarm: &mut Swarm<Tag>) -> Vec<SocketAddr> {
    let events = std::iter::from_fn(|| swarm.poll_event());
    let nodes = events.filter_map(|event| match event {
        Event::DhtNode { node } => Some(node),
        _ => None,
    });
    nodes.collect()
}

#[test]
fn nodes_are_exchanged_by_who_has_them() {
    for (ours, is_private, theirs) in [
        (Some(7001), false, true),
        (Some(7001), false, false),
        (Some(7001), true, true),
        (None, false, true),
    ] {
        let mut swarm = swarm(ours, is_private);
        let takes_part = ours.is_some() && !is_private;
        assert_eq!(swarm.handshake().reserved.supports_dht(), takes_part);
        let connection = peer(1, theirs);
        let conn = swarm.handle_connected(epoch(), connection).unwrap();
        let expected = ours.filter(|_| takes_part && theirs);
        assert_eq!(told_port(&mut swarm), expected, "{ours:?} {is_private}");

        swarm.handle_message(epoch(), conn, Message::Port(7002));
        let node = SocketAddr::new(connection.peer.ip(), 7002);
        let expected: &[_] = if takes_part { &[node] } else { &[] };
        assert_eq!(learnt(&mut swarm), expected, "{ours:?} {is_private}");
    }
}

#[test]
fn a_peer_names_one_node_and_no_port_0() {
    let mut swarm = swarm(Some(7001), false);
    let conn = swarm.handle_connected(epoch(), peer(1, true)).unwrap();
    for port in [0, 7002, 7003, 7002] {
        swarm.handle_message(epoch(), conn, Message::Port(port));
    }
    let ports: Vec<_> = learnt(&mut swarm).iter().map(SocketAddr::port).collect();
    assert_eq!(ports, [7002]);
}
