//! What a node answers to whom.

use super::*;

const TARGET: NodeId = NodeId([0x42; 20]);
const GET_PEERS: Method<'_> = Method::GetPeers {
    info_hash: SWARM,
    no_seeds: false,
    scrape: false,
};

fn announce(token: &[u8], port: u16) -> Method<'_> {
    Method::AnnouncePeer {
        info_hash: SWARM,
        port,
        implied_port: false,
        is_seed: false,
        token,
    }
}

fn token_for(node: &mut Alone, from: SocketAddr) -> Vec<u8> {
    let answer = node.ask(from, query(1, GET_PEERS));
    response(&answer).token.expect("a token").to_vec()
}

#[test]
fn who_asks_is_told_his_address() {
    let mut node = Alone::new(Config {
        version: Some(*b"XX01"),
        ..Config::default()
    });
    let answer = node.ask(v4(3), query(1, Method::Ping));
    let message = wire::decode(&answer).unwrap();
    assert_eq!(message.transaction_id, b"tx");
    assert_eq!(message.version, Some(&b"XX01"[..]));
    let expected = Response {
        external: Some(v4(3)),
        ..Response::new(node.dht.id(Family::V4).unwrap())
    };
    assert_eq!(message.body, Body::Response(expected));
}

#[test]
fn nodes_come_of_the_family_that_is_wanted() {
    let both = Config {
        v6: true,
        ..Config::default()
    };
    let mut node = Alone::new(both);
    for n in 1..=9 {
        node.befriend(Contact {
            id: NodeId([n; 20]),
            addr: v4(n),
        });
        node.befriend(Contact {
            id: NodeId([n; 20]),
            addr: v6(n.into()),
        });
    }
    for (from, v4_wanted, v6_wanted, expected) in [
        (v4(20), false, false, (Some(8), None)),
        (v6(20), false, false, (None, Some(8))),
        (v4(20), true, false, (Some(8), None)),
        (v4(20), false, true, (None, Some(8))),
        (v6(20), true, true, (Some(8), Some(8))),
    ] {
        for method in [
            Method::FindNode { target: TARGET },
            GET_PEERS,
            Method::Get {
                target: TARGET,
                newer_than: None,
            },
            Method::SampleInfohashes { target: TARGET },
        ] {
            let want = Want {
                v4: v4_wanted,
                v6: v6_wanted,
            };
            let answer = node.ask(
                from,
                Query {
                    want,
                    ..query(77, method)
                },
            );
            let told = response(&answer);
            let count = |nodes: Option<wire::Contacts<'_>>| nodes.map(|nodes| nodes.iter().count());
            assert_eq!((count(told.nodes), count(told.nodes6)), expected, "{from}");
        }
    }
    // Those that we know, the closest first.
    let answer = node.ask(
        v4(20),
        query(
            77,
            Method::FindNode {
                target: NodeId([1; 20]),
            },
        ),
    );
    let nodes = response(&answer).nodes.unwrap();
    let known = node.dht.nodes(Family::V4);
    let mut expected: Vec<_> = known.map(|contact| contact.id).collect();
    expected.sort_by_key(|id| id.distance(NodeId([1; 20])));
    let told: Vec<_> = nodes.iter().map(|contact| contact.id).collect();
    assert_eq!(told, expected[..8]);
}

#[test]
fn a_token_is_for_one_address() {
    let mut node = Alone::new(Config::default());
    let token = token_for(&mut node, v4(1));
    let other = node.ask(v4(2), query(2, announce(&token, 80)));
    assert_eq!(error_code(&other), 203);
    let forged = node.ask(v4(1), query(1, announce(b"aoeusnth", 80)));
    assert_eq!(error_code(&forged), 203);
    assert_eq!(node.dht.stored(), (0, 0, 0));
    // The port does not matter: it may change behind a NAT.
    let other_port = SocketAddr::new(v4(1).ip(), 9999);
    let answer = node.ask(other_port, query(1, announce(&token, 80)));
    response(&answer);
    assert_eq!(node.dht.stored(), (1, 1, 0));
    node.now += Duration::from_secs(601);
    let replayed = node.ask(v4(1), query(1, announce(&token, 80)));
    assert_eq!(error_code(&replayed), 203);
}

#[test]
fn arguments_that_are_wrong_are_refused() {
    let mut node = Alone::new(Config::default());
    for (query, code) in [
        (
            "d1:ad2:id20:abcdefghij0123456789e1:q9:find_node1:t2:aa1:y1:qe",
            203,
        ),
        ("d1:ade1:q4:ping1:t2:aa1:y1:qe", 203),
        ("d1:q4:ping1:t2:aa1:y1:qe", 203),
        (
            "d1:ad2:id20:abcdefghij0123456789e1:q4:vote1:t2:aa1:y1:qe",
            204,
        ),
        (
            "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti0e5:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe",
            203,
        ),
    ] {
        let result = node.hear(v4(1), query.as_bytes());
        assert_eq!(result, Err(DatagramError::Refused(code)), "{query}");
        let sent = node.sent();
        assert_eq!(sent.len(), 1);
        assert_eq!(error_code(&sent[0].1), code);
        assert!(sent[0].1.len() < 2 * query.len() + 40);
    }
    let unknown =
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q4:vote1:t2:aa1:y1:qe";
    node.hear(v4(2), unknown).unwrap();
    let sent = node.sent();
    assert!(response(&sent.last().unwrap().1).nodes.is_some());
}

#[test]
fn what_is_said_of_large_swarms_fits_into_a_packet() {
    let config = Config {
        reply_bytes_per_sec: 1 << 20,
        v6: true,
        ..Config::default()
    };
    let mut node = Alone::new(config);
    let host = |n: u16| SocketAddr::from(([30, 1, (n >> 8) as u8, n as u8], 6881));
    for n in 0..500 {
        let token = token_for(&mut node, host(n));
        response(&node.ask(host(n), query(1, announce(&token, 7000))));
    }
    assert_eq!(node.dht.stored(), (1, 500, 0));
    for n in 1..=8 {
        node.befriend(Contact {
            id: NodeId([n; 20]),
            addr: v4(n),
        });
        node.befriend(Contact {
            id: NodeId([n; 20]),
            addr: v6(n.into()),
        });
    }
    let ask = |node: &mut Alone, want, scrape| {
        let method = Method::GetPeers {
            info_hash: SWARM,
            no_seeds: false,
            scrape,
        };
        node.ask(
            v4(99),
            Query {
                want,
                ..query(77, method)
            },
        )
    };
    let answer = ask(&mut node, Want::default(), false);
    let told = response(&answer);
    assert!(answer.len() <= 1024, "{} bytes", answer.len());
    assert!(told.peers.len() >= 60, "{} peers", told.peers.len());
    assert!(told.token.is_none(), "full");
    let other = ask(&mut node, Want::default(), false);
    assert_ne!(response(&other).peers, told.peers, "others another time");
    // With everything that one can ask for.
    let answer = ask(&mut node, Want { v4: true, v6: true }, true);
    assert!(answer.len() <= 1300, "{} bytes", answer.len());
    assert!(response(&answer).seeds.is_some());
}

#[test]
fn who_floods_is_not_answered() {
    let mut node = Alone::new(Config::default());
    let mut answers = 0;
    for _ in 0..200 {
        node.now += Duration::from_millis(20);
        answers += usize::from(!node.ask(v4(1), query(1, Method::Ping)).is_empty());
    }
    assert_eq!(answers, 50);
    assert!(!node.ask(v4(2), query(2, Method::Ping)).is_empty());
}

#[test]
fn all_together_are_not_answered_more_than_our_line_bears() {
    let mut node = Alone::new(Config {
        reply_bytes_per_sec: 1000,
        ..Config::default()
    });
    let mut bytes = 0;
    for n in 0..1000_u16 {
        let from = SocketAddr::from(([40, (n >> 8) as u8, n as u8, 1], 6881));
        bytes += node.ask(from, query(1, Method::Ping)).len();
    }
    assert!((2900..3200).contains(&bytes), "{bytes}");
    node.now += Duration::from_secs(1);
    assert!(!node.ask(v4(1), query(1, Method::Ping)).is_empty());
}

#[test]
fn services_are_not_answered() {
    let mut node = Alone::new(Config::default());
    for from in [
        "20.1.1.1:53",
        "20.1.1.1:0",
        "20.1.1.1:1023",
        "224.0.0.1:6881",
        "0.0.0.0:6881",
    ] {
        let ping = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
        let result = node.hear(from.parse().unwrap(), ping);
        assert_eq!(result, Err(DatagramError::SourceAddress), "{from}");
        assert_eq!(node.sent(), []);
    }
}

#[test]
fn hosts_of_our_own_network_are_not_told_to_the_world() {
    let mut node = Alone::new(Config::default());
    let local = SocketAddr::from(([192, 168, 1, 7], 6881));
    node.befriend(Contact {
        id: NodeId([1; 20]),
        addr: local,
    });
    node.befriend(Contact {
        id: NodeId([2; 20]),
        addr: v4(2),
    });
    let told = |node: &mut Alone, from| {
        let answer = node.ask(from, query(77, Method::FindNode { target: TARGET }));
        let nodes = response(&answer).nodes.unwrap();
        nodes.iter().map(|contact| contact.addr).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut node, v4(9)), [v4(2)]);
    let neighbour = SocketAddr::from(([192, 168, 1, 9], 6881));
    assert_eq!(told(&mut node, neighbour).len(), 2);
    let token = token_for(&mut node, local);
    node.ask(local, query(1, announce(&token, 7777)));
    let answer = node.ask(v4(9), query(77, GET_PEERS));
    assert!(response(&answer).peers.is_empty());
    let answer = node.ask(neighbour, query(77, GET_PEERS));
    assert_eq!(response(&answer).peers.len(), 1);
}

#[test]
fn strangers_enter_the_table_when_they_have_answered() {
    let mut node = Alone::new(Config::default());
    let datagram = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
    node.hear(v4(1), datagram).unwrap();
    let sent = node.sent();
    assert_eq!(sent.len(), 2, "a ping, and the answer");
    assert_eq!(node.dht.node_count(Family::V4), 0);
    node.hear(v4(1), datagram).unwrap();
    assert_eq!(node.sent().len(), 1, "one ping is enough");
    let ping = sent
        .iter()
        .find(|(_, datagram)| matches!(wire::decode(datagram).unwrap().body, Body::Query(_)));
    let id = NodeId(*b"abcdefghij0123456789");
    let answer = answer_to(&ping.unwrap().1, Response::new(id));
    node.hear(v4(1), &answer).unwrap();
    assert_eq!(node.dht.node_count(Family::V4), 1);
}

#[test]
fn who_does_not_serve_is_not_asked_back() {
    let mut node = Alone::new(Config::default());
    let query = Query {
        is_read_only: true,
        ..query(1, Method::Ping)
    };
    assert!(!node.ask(v4(1), query).is_empty());
    assert_eq!(node.dht.transactions.len(), 0);
    let mut reader = Alone::new(Config {
        is_read_only: true,
        ..Config::default()
    });
    let ping = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
    assert_eq!(reader.hear(v4(1), ping), Err(DatagramError::ReadOnly));
    reader.dht.ping(reader.now, v4(1)).unwrap();
    let sent = reader.sent();
    let Body::Query(asked) = wire::decode(&sent[0].1).unwrap().body else {
        panic!()
    };
    assert!(asked.is_read_only);
}
