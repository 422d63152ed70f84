//! Nodes among themselves.

use super::*;
use crate::Figures;

#[test]
fn what_is_announced_is_found_from_everywhere() {
    let mut world = World::with_nodes(30);
    for n in 0..30 {
        assert!(world.node(v4(n)).node_count(Family::V4) >= 8, "{n}");
    }
    for n in [3, 4] {
        let (_, outcome) = world.run(v4(n), |dht, now| dht.announce(now, SWARM, ANNOUNCE));
        assert_eq!(outcome, Outcome::Announced { nodes: 8 });
    }
    for n in (0..30).filter(|n| ![3, 4].contains(n)) {
        let (events, outcome) = world.run(v4(n), |dht, now| dht.get_peers(now, SWARM));
        assert_eq!(outcome, Outcome::PeersFound { peers: 2 });
        assert_eq!(peers(&events), [peer(3), peer(4)], "each once");
    }
    // After half an hour without another announce they are forgotten.
    world.wait(Duration::from_secs(33 * 60));
    let (_, outcome) = world.run(v4(9), |dht, now| dht.get_peers(now, SWARM));
    assert_eq!(outcome, Outcome::PeersFound { peers: 0 });
}

#[test]
fn the_port_may_be_that_of_the_datagrams() {
    let mut world = World::with_nodes(10);
    let announce = Announce {
        port: 0,
        implied_port: true,
        ..ANNOUNCE
    };
    world.run(v4(3), |dht, now| dht.announce(now, SWARM, announce));
    let (events, _) = world.run(v4(5), |dht, now| dht.get_peers(now, SWARM));
    assert_eq!(peers(&events), [v4(3)]);
}

#[test]
fn both_families_are_networks_of_their_own() {
    let mut world = World::new();
    let both = Config {
        v6: true,
        ..Config::default()
    };
    let only_v6 = Config {
        v4: false,
        v6: true,
        ..Config::default()
    };
    for n in 0..12 {
        world.add(
            v6(n),
            if n == 0 {
                both.clone()
            } else {
                only_v6.clone()
            },
        );
    }
    for n in 1..12 {
        let (_, outcome) = world.run(v6(n), |dht, now| dht.bootstrap(now, &[v6(0)]));
        assert!(
            matches!(outcome, Outcome::Bootstrapped { nodes: 1.. }),
            "{outcome:?}"
        );
    }
    world.run(v6(3), |dht, now| dht.announce(now, SWARM, ANNOUNCE));
    let (events, _) = world.run(v6(7), |dht, now| dht.get_peers(now, SWARM));
    assert_eq!(peers(&events), [SocketAddr::new(v6(3).ip(), 7777)]);
    let node = world.node(v6(3));
    assert_eq!(
        (node.id(Family::V4), node.node_count(Family::V4)),
        (None, 0)
    );
    // What comes from the other family is not looked at.
    let now = world.now;
    let ping = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
    let result = world.node(v6(3)).handle_datagram(now, v4(1), ping);
    assert_eq!(result, Err(DatagramError::OtherFamily));
}

#[test]
fn a_ping_tells_who_is_there() {
    let mut world = World::with_nodes(2);
    let id = world.node(v4(1)).id(Family::V4).unwrap();
    let (_, outcome) = world.run(v4(0), |dht, now| dht.ping(now, v4(1)));
    let round_trip = Duration::from_millis(20);
    assert_eq!(outcome, Outcome::Answered { id, round_trip });
    let (_, outcome) = world.run(v4(0), |dht, now| dht.ping(now, v4(9)));
    assert_eq!(outcome, Outcome::NotAnswered);
}

#[test]
fn who_knows_nobody_comes_to_an_end() {
    let mut world = World::new();
    world.add(v4(0), Config::default());
    let (events, outcome) = world.run(v4(0), |dht, now| dht.get_peers(now, SWARM));
    assert_eq!(outcome, Outcome::PeersFound { peers: 0 });
    let Event::Finished { figures, .. } = events[0] else {
        panic!()
    };
    assert_eq!(figures, Figures::default());
    let (_, outcome) = world.run(v4(0), |dht, now| dht.bootstrap(now, &[v4(1), v4(2)]));
    assert_eq!(outcome, Outcome::Bootstrapped { nodes: 0 });
}

#[test]
fn scrapes_count_seeds_and_others() {
    let mut world = World::with_nodes(24);
    for n in 0..20 {
        let announce = Announce {
            is_seed: n < 5,
            ..ANNOUNCE
        };
        world.run(v4(n), |dht, now| dht.announce(now, SWARM, announce));
    }
    let (_, outcome) = world.run(v4(22), |dht, now| dht.scrape(now, SWARM));
    let Outcome::Scraped {
        seeds,
        downloaders,
        nodes,
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!((seeds.round(), downloaders.round()), (5.0, 15.0));
    assert!(nodes >= 8);
}

#[test]
fn samples_tell_which_swarms_there_are() {
    let mut world = World::with_nodes(12);
    world.run(v4(3), |dht, now| dht.announce(now, SWARM, ANNOUNCE));
    let (events, outcome) = world.run(v4(7), |dht, now| dht.sample(now, SWARM.into()));
    assert!(
        matches!(outcome, Outcome::Sampled { nodes: 8.. }),
        "{outcome:?}"
    );
    let told = events.iter().filter(|event| match event {
        Event::Samples {
            info_hashes,
            total,
            interval,
            ..
        } => info_hashes == &[SWARM] && *total == 1 && interval.is_zero(),
        _ => false,
    });
    // Who announces is not among those that store it, and who asks is not asked.
    assert!(told.count() >= 6);
}

#[test]
fn nodes_that_are_gone_are_noticed_and_replaced() {
    let mut world = World::with_nodes(30);
    for n in 20..30 {
        world.nodes.remove(&v4(n));
    }
    world.wait(Duration::from_secs(45 * 60));
    let known: Vec<_> = world.node(v4(1)).nodes(Family::V4).collect();
    let dead = known
        .iter()
        .filter(|contact| (20..30).any(|n| v4(n) == contact.addr));
    // Those for whom there is no other may stay, and are told to nobody.
    let dead = dead.count();
    assert!(known.len() - dead >= 8, "{} of {}", dead, known.len());
    let (_, outcome) = world.run(v4(1), |dht, now| dht.announce(now, SWARM, ANNOUNCE));
    assert_eq!(outcome, Outcome::Announced { nodes: 8 });
    world.sent.clear();
    let (_, outcome) = world.run(v4(2), |dht, now| dht.get_peers(now, SWARM));
    assert_eq!(outcome, Outcome::PeersFound { peers: 1 });
    let named = world.sent.iter().filter_map(|(_, _, datagram)| {
        let Body::Response(response) = wire::decode(datagram).unwrap().body else {
            return None;
        };
        response.nodes
    });
    for contact in named.flat_map(wire::Contacts::iter) {
        assert!(
            (0..20).any(|n| v4(n) == contact.addr),
            "{contact:?} is gone"
        );
    }
}

#[test]
fn tables_are_kept_up_without_any_command() {
    let mut world = World::with_nodes(20);
    world.wait(Duration::from_secs(60));
    let before = world.node(v4(4)).counts().queries_sent;
    world.wait(Duration::from_secs(60 * 60));
    let counts = world.node(v4(4)).counts();
    // Every bucket four times an hour, and every node that is not heard of.
    assert!(
        (40..4000).contains(&(counts.queries_sent - before)),
        "{counts:?}"
    );
    assert!(world.node(v4(4)).node_count(Family::V4) >= 12);
}

#[test]
fn a_node_finds_its_way_back() {
    let mut world = World::with_nodes(20);
    let state = world.node(v4(6)).state();
    let state = State::decode(&state.encode()).unwrap();
    let id = world.node(v4(6)).id(Family::V4);
    let again = Dht::restore(world.now, Config::default(), &state, [9; 32]);
    assert_eq!(again.id(Family::V4), id);
    assert_eq!(again.node_count(Family::V4), 0, "nobody is trusted unheard");
    assert_eq!(again.state(), state, "nothing is lost before");
    world.nodes.insert(v4(6), again);
    world.wait(Duration::from_secs(60));
    assert!(world.node(v4(6)).node_count(Family::V4) >= 8, "by itself");
}

#[test]
fn routers_lead_in_and_are_no_nodes() {
    let mut world = World::with_nodes(12);
    world.add(v4(40), Config::default()).set_routers(&[v4(0)]);
    world.wait(Duration::from_secs(60));
    let node = world.node(v4(40));
    assert!(node.node_count(Family::V4) >= 8);
    assert!(node.nodes(Family::V4).all(|contact| contact.addr != v4(0)));
}

#[test]
fn who_only_asks_is_not_remembered() {
    let mut world = World::with_nodes(10);
    let config = Config {
        is_read_only: true,
        ..Config::default()
    };
    world.add(v4(40), config);
    world.run(v4(40), |dht, now| dht.bootstrap(now, &[v4(0)]));
    let (_, outcome) = world.run(v4(40), |dht, now| dht.announce(now, SWARM, ANNOUNCE));
    assert_eq!(outcome, Outcome::Announced { nodes: 8 });
    world.wait(Duration::from_secs(60));
    for n in 0..10 {
        let node = world.node(v4(n));
        assert!(node.nodes(Family::V4).all(|contact| contact.addr != v4(40)));
    }
    assert_eq!(world.node(v4(40)).counts().queries_answered, 0);
}

#[test]
fn a_thousand_operations_take_their_turns() {
    let mut world = World::with_nodes(12);
    let now = world.now;
    let node = world.node(v4(3));
    let swarm = |n: u16| {
        let mut id = [7; 20];
        id[..2].copy_from_slice(&n.to_be_bytes());
        SwarmId(id)
    };
    let begun = (0..5000)
        .map_while(|n| node.get_peers(now, swarm(n)).ok())
        .count();
    assert_eq!(begun, commands::MAX_OPERATIONS);
    assert_eq!(node.ping(now, v4(1)), Err(Busy));
    assert!(node.transactions.len() <= 64);
    // Those that are cancelled make room, and say nothing.
    let ids: Vec<_> = node.operations.keys().copied().collect();
    for id in &ids[10..] {
        node.cancel(now, *id);
    }
    assert_eq!(node.operation_count(), 10);
    world.wait(Duration::from_secs(10));
    let ended = world
        .events
        .iter()
        .filter(|(addr, event)| *addr == v4(3) && matches!(event, Event::Finished { .. }));
    assert_eq!(ended.count(), 10);
}

#[test]
fn the_id_follows_the_address() {
    let mut world = World::with_nodes(12);
    // Everybody has been told by enough others by now.
    let ip = v4(5).ip();
    let node = world.node(v4(5));
    assert_eq!(node.external_address(Family::V4), Some(ip));
    let id = node.id(Family::V4).unwrap();
    assert!(id.fits_address(ip));
    let told = world.add(v4(50), Config::default());
    let before = told.id(Family::V4);
    let now = crate::test_epoch();
    told.set_external_address(now, v4(50).ip());
    assert_ne!(told.id(Family::V4), before);
    let events: Vec<_> = std::iter::from_fn(|| told.poll_event()).collect();
    let id = told.id(Family::V4).unwrap();
    let expected = [
        Event::ExternalAddress(v4(50).ip()),
        Event::IdChanged(Family::V4, id),
    ];
    assert_eq!(events, expected);
}

#[test]
fn others_than_nodes_vote_for_an_address_as_nodes_do() {
    let mut world = World::new();
    let (now, ip) = (crate::test_epoch(), v4(50).ip());
    let node = world.add(v4(50), Config::default());
    let before = node.id(Family::V4).unwrap();
    // Three neighbourhoods, one of them twice, do not decide.
    for (second, last) in [(1, 1), (1, 2), (2, 1), (3, 1)] {
        node.handle_address_vote(now, [11, second, 0, last].into(), ip);
    }
    assert_eq!(node.external_address(Family::V4), None);
    // Of another family, or of our own network: no votes.
    node.handle_address_vote(now, "2606:4700::1".parse().unwrap(), ip);
    node.handle_address_vote(now, [11, 4, 0, 1].into(), [192, 168, 1, 1].into());
    assert_eq!(node.id(Family::V4), Some(before));
    let mapped = "::ffff:11.4.0.1".parse().unwrap();
    node.handle_address_vote(now, mapped, ip);
    assert_eq!(node.external_address(Family::V4), Some(ip));
    assert!(!before.fits_address(ip) && node.id(Family::V4).unwrap().fits_address(ip));
}

#[test]
fn many_nodes_share_an_address_in_a_network_of_ones_own() {
    let mut world = World::new();
    let config = Config {
        trusts_local_addresses: true,
        ..Config::default()
    };
    let local = |n: u16| SocketAddr::from(([127, 0, 0, 1], 7000 + n));
    for n in 0..20 {
        world.add(local(n), config.clone());
    }
    for n in 1..20 {
        world.run(local(n), |dht, now| dht.bootstrap(now, &[local(0)]));
    }
    let (_, outcome) = world.run(local(3), |dht, now| dht.announce(now, SWARM, ANNOUNCE));
    assert_eq!(outcome, Outcome::Announced { nodes: 8 });
    let (events, _) = world.run(local(9), |dht, now| dht.get_peers(now, SWARM));
    assert_eq!(peers(&events), [SocketAddr::from(([127, 0, 0, 1], 7777))]);
}
