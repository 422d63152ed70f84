//! Answers that nobody asked for, and other lies.

use proptest::prelude::*;

use super::*;

fn friend(n: u8) -> Contact {
    Contact {
        id: NodeId([n; 20]),
        addr: v4(n),
    }
}

/// A node that has just asked its only friend for peers.
fn asking() -> (Alone, Vec<u8>) {
    let mut node = Alone::new(Config::default());
    node.befriend(friend(1));
    node.dht.get_peers(node.now, SWARM).unwrap();
    let mut sent = node.sent();
    assert_eq!(sent.len(), 1);
    let (_, query) = sent.pop().unwrap();
    (node, query)
}

fn with_peers(id: NodeId, peers: &[SocketAddr]) -> Response<'_> {
    let mut response = Response::new(id);
    response.peers = peers.into();
    response.token = Some(b"token");
    response
}

#[test]
fn answers_are_taken_from_who_was_asked_and_once() {
    let (mut node, query) = asking();
    let peers = [peer(5)];
    let answer = answer_to(&query, with_peers(friend(1).id, &peers));
    let other_port = SocketAddr::new(v4(1).ip(), 6882);
    for from in [v4(2), other_port] {
        assert_eq!(node.hear(from, &answer), Err(DatagramError::Unsolicited));
    }
    let mut other_id = answer.clone();
    let at = other_id
        .windows(4)
        .position(|window| window == b"1:t4")
        .unwrap();
    other_id[at + 5] ^= 1;
    assert_eq!(node.hear(v4(1), &other_id), Err(DatagramError::Unsolicited));
    assert!(node.dht.poll_event().is_none());
    assert_eq!(node.hear(v4(1), &answer), Ok(()));
    assert_eq!(node.hear(v4(1), &answer), Err(DatagramError::Unsolicited));
    let events: Vec<_> = std::iter::from_fn(|| node.dht.poll_event()).collect();
    assert_eq!(super::peers(&events), peers);
    assert_eq!(node.sent(), [], "nothing is sent to who was not asked");
}

#[test]
fn late_answers_are_not_taken() {
    let (mut node, query) = asking();
    node.now += Duration::from_secs(1);
    node.dht.handle_timeout(node.now);
    node.now += Duration::from_secs(5);
    node.dht.handle_timeout(node.now);
    let answer = answer_to(&query, with_peers(friend(1).id, &[]));
    assert_eq!(node.hear(v4(1), &answer), Err(DatagramError::Unsolicited));
    assert!(matches!(
        node.dht.poll_event(),
        Some(Event::Finished { .. })
    ));
}

#[test]
fn who_changes_his_id_is_somebody_else() {
    let (mut node, query) = asking();
    let other = NodeId([0x77; 20]);
    let peers = [peer(5)];
    let answer = answer_to(&query, with_peers(other, &peers));
    assert_eq!(node.hear(v4(1), &answer), Err(DatagramError::OtherNode));
    let known: Vec<_> = node
        .dht
        .nodes(Family::V4)
        .map(|contact| contact.id)
        .collect();
    assert_eq!(known, [other]);
    let events: Vec<_> = std::iter::from_fn(|| node.dht.poll_event()).collect();
    assert_eq!(super::peers(&events), []);
}

#[test]
fn who_takes_our_id_is_nobody() {
    let (mut node, query) = asking();
    let own = node.dht.id(Family::V4).unwrap();
    let answer = answer_to(&query, with_peers(own, &[]));
    assert_eq!(node.hear(v4(1), &answer), Err(DatagramError::Ourselves));
    let ping = node.ask(
        v4(2),
        Query {
            id: own,
            ..query_of_nobody()
        },
    );
    assert!(ping.is_empty());
}

fn query_of_nobody() -> Query<'static> {
    super::query(0, Method::Ping)
}

#[test]
fn peers_and_nodes_that_cannot_be_are_left_out() {
    let (mut node, query) = asking();
    let peers = [
        "1.2.3.4:0",
        "127.0.0.1:80",
        "10.0.0.1:80",
        "224.0.0.1:80",
        "0.0.0.0:80",
        "5.6.7.8:80",
        "[::1]:80",
    ];
    let peers = peers.map(|peer| peer.parse().unwrap());
    let mut bytes = Vec::new();
    for (n, addr) in [
        "127.0.0.1:6881",
        "192.168.0.1:6881",
        "9.9.9.9:0",
        "239.0.0.1:6881",
        "9.9.9.9:6881",
    ]
    .iter()
    .enumerate()
    {
        let id = NodeId([n as u8 + 100; 20]);
        let addr = addr.parse().unwrap();
        wire::push_contact(&mut bytes, &Contact { id, addr });
    }
    bytes.extend_from_slice(b"half a node");
    let mut response = with_peers(friend(1).id, &peers);
    response.nodes = Some(wire::Contacts::new(&bytes, Family::V4));
    node.hear(v4(1), &answer_to(&query, response)).unwrap();
    let asked: Vec<_> = node.sent().into_iter().map(|(to, _)| to).collect();
    assert_eq!(asked, ["9.9.9.9:6881".parse().unwrap()]);
    let events: Vec<_> = std::iter::from_fn(|| node.dht.poll_event()).collect();
    assert_eq!(super::peers(&events), ["5.6.7.8:80".parse().unwrap()]);
}

#[test]
fn refusals_end_a_query() {
    let (mut node, query) = asking();
    let asked = wire::decode(&query).unwrap();
    let mut out = Vec::new();
    let error = wire::ErrorBody {
        code: 202,
        message: b"no",
        external: None,
    };
    let message = Message {
        transaction_id: asked.transaction_id,
        body: Body::Error(error),
        version: None,
    };
    wire::encode(&message, &mut out);
    assert_eq!(node.hear(v4(2), &out), Err(DatagramError::Unsolicited));
    assert_eq!(node.hear(v4(1), &out), Ok(()));
    let Some(Event::Finished { figures, .. }) = node.dht.poll_event() else {
        panic!("it has ended")
    };
    assert_eq!((figures.queries, figures.failures), (1, 1));
}

#[test]
fn one_answer_does_not_name_the_world() {
    let (mut node, query) = asking();
    let mut bytes = Vec::new();
    for n in 0..50 {
        let id = NodeId([n + 100; 20]);
        wire::push_contact(
            &mut bytes,
            &Contact {
                id,
                addr: v4(n + 100),
            },
        );
    }
    let mut response = with_peers(friend(1).id, &[]);
    response.nodes = Some(wire::Contacts::new(&bytes, Family::V4));
    node.hear(v4(1), &answer_to(&query, response)).unwrap();
    // Twenty of them are nodes that may be asked, and nobody is in the table unheard.
    let mut asked = node.sent().len();
    for _ in 0..100 {
        node.now += Duration::from_secs(1);
        node.dht.handle_timeout(node.now);
        let lookups = node.sent().into_iter().filter(|(to, _)| *to != v4(1));
        asked += lookups.count();
    }
    assert!(asked <= 20, "{asked}");
    assert_eq!(node.dht.node_count(Family::V4), 1);
}

#[test]
fn nothing_answers_noise() {
    let mut node = Alone::new(Config::default());
    let deep = [b'l'; 2000];
    let huge = vec![b'd'; 1 << 20];
    for noise in [
        &b""[..],
        b"\0\0\x04\x17\x27\x10\x19\x80",
        b"GET / HTTP/1.1\r\n\r\n",
        &deep,
        &huge,
    ] {
        assert_eq!(node.hear(v4(1), noise), Err(DatagramError::Malformed));
    }
    let response = b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t4:aaaa1:y1:re";
    assert_eq!(node.hear(v4(1), response), Err(DatagramError::Unsolicited));
    let error = b"d1:eli201e2:noe1:t4:aaaa1:y1:ee";
    assert_eq!(node.hear(v4(1), error), Err(DatagramError::Unsolicited));
    assert_eq!(node.sent(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes, nothing but what is counted changes, unless it was a query or an answer
    /// that we asked for; and every operation ends.
    #[test]
    fn random_bytes_change_nothing(
        noise in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..40),
    ) {
        let (mut node, _) = asking();
        for bytes in &noise {
            prop_assert!(node.hear(v4(1), bytes).is_err());
        }
        prop_assert_eq!(node.sent(), []);
        prop_assert!(node.dht.poll_event().is_none());
        for _ in 0..20 {
            node.now += Duration::from_secs(1);
            node.dht.handle_timeout(node.now);
        }
        prop_assert_eq!(node.dht.operation_count(), 0);
    }
}
