//! Peers that tell of peers (BEP 11).

use std::{collections::BTreeSet, net::IpAddr};

use bt_wire::{ExtendedHandshake, ExtendedMessage, Extension, ExtensionIds};
use bt_wire::{PexFlags, PexMessage, PexPeer};

use super::*;
use crate::ProtocolBreach;

fn theirs() -> ExtensionIds {
    ExtensionIds::default().with(Extension::Pex, 32)
}

fn hello(port: Option<u16>) -> Message {
    let handshake = ExtendedHandshake {
        ids: theirs(),
        port,
        ..ExtendedHandshake::default()
    };
    handshake.to_message()
}

fn tell(addrs: impl IntoIterator<Item = SocketAddr>) -> Message {
    tell_with(PexFlags::default(), addrs)
}

fn tell_with(flags: PexFlags, addrs: impl IntoIterator<Item = SocketAddr>) -> Message {
    let added = addrs.into_iter().map(|addr| PexPeer { addr, flags });
    let message = PexMessage {
        added: added.collect(),
        dropped: Vec::new(),
    };
    ExtendedMessage::Pex(message).to_message(1.try_into().unwrap())
}

fn told(actions: Vec<Action<Tag>>) -> BTreeMap<ConnId, PexMessage> {
    let sent = actions.into_iter().filter_map(|action| match action {
        Action::Send(conn, Outgoing::Message(Message::Extended { id: 32, payload })) => {
            match ExtendedMessage::decode(Extension::Pex, &payload) {
                Ok(ExtendedMessage::Pex(message)) => Some((conn, message)),
                other => panic!("{other:?}"),
            }
        }
        _ => None,
    });
    sent.collect()
}

fn public(n: u8) -> SocketAddr {
    SocketAddr::from(([9, 9, n, 1], 6881))
}

/// A stranger that came from a public address and says where it listens.
fn come(swarm: &mut Swarm<Tag>, now: Instant, n: u8, port: Option<u16>) -> ConnId {
    let mut connection = incoming(n);
    connection.peer = SocketAddr::new(public(n).ip(), 50_000);
    let conn = swarm.handle_connected(now, connection).unwrap();
    swarm.handle_message(now, conn, hello(port));
    conn
}

#[test]
fn peers_find_each_other_by_one_that_all_know() {
    let info = torrent(64 * 1024, 8 * MIB);
    let mut net = Net::new();
    let gossips = |config: &mut Config| config.pex = true;
    let seed = net.add_with(&info, Bitfield::full(128), gossips);
    let leeches: Vec<_> = (0..5)
        .map(|_| net.add_with(&info, Bitfield::new(128), gossips))
        .collect();
    for &leech in &leeches {
        // Nothing is done before they have met.
        net.nodes[leech].held_disk = Some(Vec::new());
        net.tell(leech, &[seed]);
    }
    net.advance(secs(15));
    for &a in &leeches {
        for &b in leeches.iter().filter(|&&b| b != a) {
            assert!(connected_to_host(&net, a, b), "{a} and {b}");
        }
    }
    let sources = net.nodes[leeches[4]].swarm.stats(net.now).sources;
    // The seed is one that the others name, too.
    assert_eq!(sources.of(PeerSource::Pex).named, 5);
    assert_eq!(sources.of(PeerSource::Pex).connected, 5);
    assert_eq!(sources.of(PeerSource::Tracker).named, 1);
}

fn connected_to_host(net: &Net, node: usize, other: usize) -> bool {
    let ip = net.nodes[other].addr.ip();
    let mut peers = net.nodes[node].swarm.peers(net.now);
    peers.any(|peer| peer.addr.ip() == ip)
}

#[test]
fn each_is_told_of_the_others_that_can_be_dialled() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = lone(&info);
    let mut now = epoch();
    let a = come(&mut swarm, now, 1, Some(7001));
    let b = come(&mut swarm, now, 2, Some(7002));
    let hidden = come(&mut swarm, now, 3, None);
    drain(&mut swarm);
    // Rounds of dialling have a little time between them.
    swarm.last_dialling = None;
    let dialled = dial_one(&mut swarm, now, public(4), 4);
    swarm.handle_message(now, dialled, hello(None));
    swarm.handle_message(now, dialled, Message::HaveAll);
    // A neighbour is of no use to the others.
    let neighbour = swarm.handle_connected(now, incoming(5)).unwrap();
    swarm.handle_message(now, neighbour, hello(Some(7005)));
    drain(&mut swarm);
    now += secs(2);
    swarm.handle_timeout(now);
    let messages = told(drain(&mut swarm));
    let listens = |n: u8, port| SocketAddr::new(public(n).ip(), port);
    let added = |conn: ConnId| -> BTreeSet<_> {
        let added = messages[&conn].added.iter();
        added.map(|peer| peer.addr).collect()
    };
    let (at_a, at_b) = (listens(1, 7001), listens(2, 7002));
    let at_dialled = public(4);
    assert_eq!(added(a), [at_b, at_dialled].into());
    assert_eq!(added(b), [at_a, at_dialled].into());
    assert_eq!(added(hidden), [at_a, at_b, at_dialled].into());
    assert_eq!(added(dialled), [at_a, at_b].into());
    assert_eq!(added(neighbour), [at_a, at_b, at_dialled].into());
    let flags = messages[&a]
        .added
        .iter()
        .find(|peer| peer.addr == at_dialled);
    let expected = PexFlags::REACHABLE.with(PexFlags::UPLOAD_ONLY);
    assert_eq!(flags.map(|peer| peer.flags), Some(expected));
    // Within the minute nobody hears more; then who has gone, and who has come.
    swarm.handle_disconnected(now, b, None);
    come(&mut swarm, now, 6, Some(7006));
    swarm.handle_timeout(now + secs(59));
    assert!(!told(drain(&mut swarm)).contains_key(&a));
    now += secs(60);
    swarm.handle_timeout(now);
    let messages = told(drain(&mut swarm));
    assert_eq!(messages[&a].dropped, [at_b]);
    let news: Vec<_> = messages[&a].added.iter().map(|peer| peer.addr).collect();
    assert_eq!(news, [listens(6, 7006)]);
    swarm.handle_timeout(now + secs(60));
    assert!(told(drain(&mut swarm)).is_empty(), "no news");
}

#[test]
fn of_what_is_told_only_what_can_be_a_peer_counts() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = lone(&info);
    let now = epoch();
    let conn = come(&mut swarm, now, 1, None);
    for n in 10..14 {
        // Several say so: that is us.
        let mut connection = incoming(n);
        connection.peer = SocketAddr::new(public(n).ip(), 50_000);
        let voter = swarm.handle_connected(now, connection).unwrap();
        let vote = ExtendedHandshake {
            your_ip: Some([8, 8, 8, 8].into()),
            ..ExtendedHandshake::default()
        };
        swarm.handle_message(now, voter, vote.to_message());
    }
    let known = swarm.stats(now).peers_known;
    let odd = [
        "9.9.9.9:0",
        "127.0.0.1:80",
        "10.0.0.1:6881",
        "192.168.1.1:6881",
        "169.254.1.1:6881",
        "[::1]:80",
        "[fe80::1]:6881",
        "[fd00::1]:6881",
        "[::ffff:127.0.0.1]:80",
        "0.0.0.0:1",
        "224.0.0.1:1",
        "255.255.255.255:1",
        "8.8.8.8:6881",
    ];
    let odd = odd.iter().map(|addr| addr.parse::<SocketAddr>().unwrap());
    swarm.handle_message(now, conn, tell(odd));
    assert_eq!(swarm.stats(now).peers_known, known);
    // One a minute, and fifty of each.
    let crowd = || (0..100).map(|n| SocketAddr::from(([7, 7, 7, n], 6881)));
    swarm.handle_message(now + secs(30), conn, tell(crowd()));
    assert_eq!(swarm.stats(now).peers_known, known);
    swarm.handle_message(now + secs(60), conn, tell(crowd()));
    assert_eq!(swarm.stats(now).peers_known, known + 50);
    assert_eq!(swarm.stats(now).sources.of(PeerSource::Pex).named, 50);
    // Some are tried: there is room for more.
    drain(&mut swarm);
    // IPv6 is as good, and IPv4 in its clothes is IPv4.
    let both = ["[2001:db8::7]:6881", "[::ffff:7.7.7.0]:6881"];
    let both = both.iter().map(|addr| addr.parse::<SocketAddr>().unwrap());
    swarm.handle_message(now + secs(120), conn, tell(both));
    assert_eq!(swarm.stats(now).peers_known, known + 51);
}

#[test]
fn floods_of_addresses_end_the_connection() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = lone(&info);
    let conn = come(&mut swarm, epoch(), 1, None);
    drain(&mut swarm);
    for n in 0..100 {
        swarm.handle_message(epoch(), conn, tell([public(n)]));
    }
    let reasons: Vec<_> = drain(&mut swarm).into_iter().filter_map(reason).collect();
    let breach = ProtocolBreach::PexFlood(21);
    assert_eq!(reasons, [DisconnectReason::Protocol(breach)]);
    assert_eq!(swarm.stats(epoch()).sources.of(PeerSource::Pex).named, 1);
}

#[test]
fn nobody_is_told_of_anybody_unless_that_is_wanted() {
    let info = torrent(64 * 1024, MIB);
    let private = bt_metainfo::InfoBuilder::new("secret", 16_384)
        .single_file(16_384)
        .pieces([[0; 20]])
        .private()
        .build();
    let private = Arc::new(private.unwrap());
    for (info, pex) in [(&info, false), (&private, true)] {
        let mut config = Config::new(bt_types::PeerId([255; 20]), 6881);
        config.pex = pex;
        let mut swarm = Swarm::new(info.ids(), config, [0; 32]);
        let have = Bitfield::new(info.layout().piece_count());
        swarm.handle_metadata(epoch(), Arc::clone(info), have);
        let conns: Vec<_> = (1..4)
            .map(|n| come(&mut swarm, epoch(), n, Some(7000)))
            .collect();
        drain(&mut swarm);
        swarm.handle_message(epoch(), conns[0], tell([public(99)]));
        for second in 1..120 {
            swarm.handle_timeout(epoch() + secs(second));
            assert!(told(drain(&mut swarm)).is_empty());
        }
        let brought = swarm.stats(epoch()).sources.of(PeerSource::Pex);
        assert_eq!(brought.named, 0);
    }
}

fn dialled(actions: Vec<Action<Tag>>) -> Vec<SocketAddr> {
    let dials = actions.into_iter().filter_map(|action| match action {
        Action::Dial(dial) => Some(dial.peer),
        _ => None,
    });
    dials.collect()
}

fn nobody_dialled() -> Grant {
    Grant {
        max_half_open: 0,
        ..Grant::default()
    }
}

/// A swarm that lacks nothing, or everything.
fn swarm_with(info: &Arc<Info>, has_all: bool) -> Swarm<Tag> {
    let mut swarm = without_metadata(info);
    let count = info.layout().piece_count();
    let have = if has_all {
        Bitfield::full(count)
    } else {
        Bitfield::new(count)
    };
    swarm.handle_metadata(epoch(), Arc::clone(info), have);
    swarm
}

#[test]
fn a_seed_does_not_dial_who_is_said_to_be_one() {
    let info = torrent(64 * 1024, MIB);
    for (has_all, expected) in [
        (true, vec![public(11)]),
        (false, vec![public(10), public(11)]),
    ] {
        let mut swarm = swarm_with(&info, has_all);
        let conn = come(&mut swarm, epoch(), 1, None);
        drain(&mut swarm);
        let seed = tell_with(PexFlags::UPLOAD_ONLY, [public(10)]);
        swarm.handle_message(epoch(), conn, seed);
        let later = epoch() + secs(60);
        swarm.handle_message(later, conn, tell([public(11)]));
        let mut all = dialled(drain(&mut swarm));
        swarm.handle_timeout(later + secs(10));
        all.extend(dialled(drain(&mut swarm)));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all, expected, "has all: {has_all}");
    }
}

/// What is heard while something is missing counts when nothing is any more, and is no more than a
/// rumour.
#[test]
fn that_somebody_is_a_seed_is_believed_until_somebody_doubts_it() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = without_metadata(&info);
    let now = epoch();
    let [a, b] = [1, 2].map(|n| come(&mut swarm, now, n, None));
    swarm.set_grant(now, nobody_dialled());
    let all = (10..14).map(public);
    let seeds = tell_with(PexFlags::UPLOAD_ONLY, all);
    swarm.handle_message(now, a, seeds);
    let full = Bitfield::full(info.layout().piece_count());
    swarm.handle_metadata(now, Arc::clone(&info), full);
    swarm.set_grant(now + secs(10), Grant::default());
    assert_eq!(dialled(drain(&mut swarm)), []);
    // One of those of whom something else is said, or known.
    swarm.handle_message(now + secs(20), b, tell([public(10)]));
    swarm.add_peers(now + secs(30), PeerSource::Tracker, [public(11)]);
    swarm.handle_timeout(now + secs(40));
    let mut dials = dialled(drain(&mut swarm));
    dials.sort_unstable();
    assert_eq!(dials, [public(10), public(11)]);
    // What was told of the others does not change by being repeated.
    let again = tell_with(PexFlags::UPLOAD_ONLY, [public(12)]);
    swarm.handle_message(now + secs(70), b, again);
    swarm.handle_timeout(now + secs(80));
    assert_eq!(dialled(drain(&mut swarm)), []);
}

#[test]
fn one_peer_alone_does_not_fill_the_table() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = lone(&info);
    let mut now = epoch();
    let conns = [1, 2].map(|n| come(&mut swarm, now, n, None));
    // Nobody is dialled: all that is told stays what it is.
    swarm.set_grant(now, nobody_dialled());
    drain(&mut swarm);
    let known = |swarm: &Swarm<Tag>| swarm.stats(epoch()).peers_known;
    let before = known(&swarm);
    let invented = |minute: u8| (0..50).map(move |n| SocketAddr::from(([7, 7, minute, n], 6881)));
    for minute in 0..10 {
        swarm.handle_message(now, conns[0], tell(invented(minute)));
        now += secs(60);
    }
    assert_eq!(known(&swarm), before + 50);
    // Another may tell of as many; and what others have told, too, takes no room.
    swarm.handle_message(now, conns[1], tell(invented(0)));
    now += secs(60);
    swarm.handle_message(now, conns[1], tell(invented(100)));
    assert_eq!(known(&swarm), before + 100);
    // Once they have been tried, there is room for more.
    swarm.set_grant(now, Grant::default());
    let tried = dialled(drain(&mut swarm));
    assert!(!tried.is_empty());
    swarm.handle_message(now + secs(60), conns[1], tell(invented(101)));
    let of_other =
        |addr: &&SocketAddr| matches!(addr.ip(), IpAddr::V4(ip) if ip.octets()[2] == 100);
    let by_other = tried.iter().filter(of_other).count();
    assert_eq!(known(&swarm), before + 100 + by_other);
}
