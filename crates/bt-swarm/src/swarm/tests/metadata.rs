//! The info dictionary, to and from peers (BEP 9), and what follows if it is private (BEP 27).

use std::num::NonZeroU64;

use bt_metainfo::InfoBuilder;
use bt_scheduler::RateLimits;
use bt_wire::{ExtendedHandshake, ExtendedMessage, Extension, ExtensionIds, MetadataMessage};

use super::*;
use crate::{BanReason, ProtocolBreach};

/// Under which numbers the peers of these tests take messages.
fn theirs() -> ExtensionIds {
    ExtensionIds::default()
        .with(Extension::Metadata, 31)
        .with(Extension::Pex, 32)
}

fn hello(metadata_size: Option<u32>) -> Message {
    let handshake = ExtendedHandshake {
        ids: theirs(),
        metadata_size,
        ..ExtendedHandshake::default()
    };
    handshake.to_message()
}

/// What is said to us, under our numbers.
fn say(message: MetadataMessage) -> Message {
    ExtendedMessage::Metadata(message).to_message(2.try_into().unwrap())
}

fn told(actions: Vec<Action<Tag>>) -> Vec<(ConnId, MetadataMessage)> {
    let sent = actions.into_iter().filter_map(|action| match action {
        Action::Send(conn, Outgoing::Message(Message::Extended { id: 31, payload })) => {
            let message = ExtendedMessage::decode(Extension::Metadata, &payload);
            match message {
                Ok(ExtendedMessage::Metadata(message)) => Some((conn, message)),
                other => panic!("{other:?}"),
            }
        }
        _ => None,
    });
    sent.collect()
}

/// Its dictionary has three blocks.
fn many_pieces() -> Arc<Info> {
    let pieces = (0..2000_u32).map(|n| {
        let mut hash = [0; 20];
        hash[..4].copy_from_slice(&n.to_be_bytes());
        hash
    });
    let info = InfoBuilder::new("file", 16_384)
        .single_file(2000 * 16_384)
        .pieces(pieces)
        .build();
    Arc::new(info.unwrap())
}

fn data(info: &Info, piece: u32) -> MetadataMessage {
    let mut blocks = info.raw().chunks(BLOCK_LENGTH as usize);
    MetadataMessage::Data {
        piece,
        total_size: info.raw().len() as u32,
        payload: blocks.nth(piece as usize).unwrap().into(),
    }
}

fn metadata_of(actions: &[Action<Tag>]) -> Option<&[u8]> {
    actions.iter().find_map(|action| match action {
        Action::Metadata(bytes) => Some(&bytes[..]),
        _ => None,
    })
}

#[test]
fn who_knows_the_ids_only_gets_everything_and_passes_it_on() {
    let info = torrent(64 * 1024, MIB);
    let mut net = Net::new();
    let seed = net.seed(&info);
    let (near, far) = (net.add_by_ids(&info), net.add_by_ids(&info));
    for node in [near, far] {
        assert!(net.nodes[node].swarm.info().is_none());
    }
    net.tell(near, &[seed]);
    net.tell(far, &[near]);
    for node in [near, far] {
        net.complete(node, secs(60));
        let swarm = &net.nodes[node].swarm;
        assert_eq!(swarm.info().map(|info| info.raw()), Some(info.raw()));
        assert_eq!(swarm.stats(net.now).metadata, None);
    }
}

/// What it has said of its pieces before counts, and it is asked for them at once.
#[test]
fn the_metadata_comes_in_blocks_and_leads_straight_to_requests() {
    let info = many_pieces();
    let size = info.raw().len() as u32;
    let mut swarm = without_metadata(&info);
    let conns: Vec<_> = (1..=2)
        .map(|id| swarm.handle_connected(epoch(), incoming(id)).unwrap())
        .collect();
    for &conn in &conns {
        swarm.handle_message(epoch(), conn, Message::HaveAll);
        swarm.handle_message(epoch(), conn, Message::Unchoke);
        swarm.handle_message(epoch(), conn, hello(Some(size)));
    }
    let asked = told(drain(&mut swarm));
    assert_eq!(asked.len(), 2, "different blocks of both");
    let progress = swarm.stats(epoch()).metadata.expect("it is under way");
    assert_eq!(
        (progress.bytes, progress.total, progress.peers),
        (0, size, 2)
    );
    for (conn, message) in asked {
        let MetadataMessage::Request { piece } = message else {
            panic!("{message:?}")
        };
        swarm.handle_message(epoch(), conn, say(data(&info, piece)));
    }
    let progress = swarm.stats(epoch()).metadata.expect("it is under way");
    assert_eq!(progress.bytes, 2 * BLOCK_LENGTH);
    let actions = drain(&mut swarm);
    assert_eq!(metadata_of(&actions), None);
    let [(conn, _)] = told(actions)[..] else {
        panic!("one of them is asked for the last")
    };
    swarm.handle_message(epoch(), conn, say(data(&info, 2)));
    let actions = drain(&mut swarm);
    assert_eq!(metadata_of(&actions), Some(info.raw()));
    assert_eq!(swarm.stats(epoch()).metadata.map(|it| it.bytes), Some(size));
    let read = Arc::new(Info::from_bytes(info.raw()).unwrap());
    swarm.handle_metadata(epoch(), read, Bitfield::new(2000));
    let actions = drain(&mut swarm);
    assert!(actions.iter().any(is_request));
    // Whoever lacks it can have it from us now.
    let news = actions.iter().find_map(|action| match action {
        Action::Send(_, Outgoing::Message(Message::Extended { id: 0, payload })) => {
            ExtendedHandshake::decode(payload).ok()
        }
        _ => None,
    });
    assert_eq!(news.and_then(|news| news.metadata_size), Some(size));
}

#[test]
fn who_sends_wrong_metadata_is_banned_and_somebody_else_asked() {
    let info = torrent(64 * 1024, MIB);
    let size = info.raw().len() as u32;
    let mut swarm = without_metadata(&info);
    let liar = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    swarm.handle_message(epoch(), liar, hello(Some(size)));
    assert_eq!(told(drain(&mut swarm)).len(), 1);
    let lie = MetadataMessage::Data {
        piece: 0,
        total_size: size,
        payload: vec![7; size as usize].into(),
    };
    swarm.handle_message(epoch(), liar, say(lie));
    let actions = drain(&mut swarm);
    assert_eq!(metadata_of(&actions), None);
    let end = actions.into_iter().find_map(reason);
    assert_eq!(end, Some(DisconnectReason::BadData(BanReason::Metadata)));
    let events: Vec<_> = std::iter::from_fn(|| swarm.poll_event()).collect();
    let failed = Event::MetadataFailed {
        contributors: vec![peer(1)],
    };
    assert!(events.contains(&failed), "{events:?}");
    assert_eq!(
        swarm.handle_connected(epoch(), incoming(1)),
        Err(Refusal::Banned)
    );
    let good = swarm.handle_connected(epoch(), incoming(2)).unwrap();
    swarm.handle_message(epoch(), good, hello(Some(size)));
    assert_eq!(told(drain(&mut swarm)).len(), 1);
    swarm.handle_message(epoch(), good, say(data(&info, 0)));
    assert_eq!(metadata_of(&drain(&mut swarm)), Some(info.raw()));
}

#[test]
fn who_misbehaves_about_metadata_is_dropped_with_the_reason() {
    let info = torrent(64 * 1024, MIB);
    let size = info.raw().len() as u32;
    let one = |message: MetadataMessage| vec![say(message)];
    let block = |total_size, length: u32| MetadataMessage::Data {
        piece: 0,
        total_size,
        payload: vec![0; length as usize].into(),
    };
    let reject = || say(MetadataMessage::Reject { piece: 7 });
    for (messages, breach) in [
        (one(block(size + 1, size)), ProtocolBreach::MetadataBlock(0)),
        (one(block(size, size - 1)), ProtocolBreach::MetadataBlock(0)),
        (one(block(size, 0)), ProtocolBreach::MetadataBlock(0)),
        (
            (0..200).map(|_| reject()).collect(),
            ProtocolBreach::UnknownMessages(101),
        ),
        (
            (1..200)
                .map(|piece| {
                    say(MetadataMessage::Data {
                        piece,
                        total_size: size,
                        payload: [].into(),
                    })
                })
                .collect(),
            ProtocolBreach::UnknownMessages(101),
        ),
        (
            (0..400)
                .map(|piece| say(MetadataMessage::Request { piece }))
                .collect(),
            ProtocolBreach::MetadataRequests(301),
        ),
    ] {
        let mut swarm = without_metadata(&info);
        let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
        swarm.handle_message(epoch(), conn, hello(Some(size)));
        drain(&mut swarm);
        for message in messages {
            swarm.handle_message(epoch(), conn, message);
            swarm.check_invariants();
        }
        let reasons: Vec<_> = drain(&mut swarm).into_iter().filter_map(reason).collect();
        assert_eq!(reasons, [DisconnectReason::Protocol(breach)]);
    }
}

/// A later kind of message is for later clients, and costs what its bytes cost.
#[test]
fn unknown_kinds_of_metadata_messages_pass_by() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = lone(&info);
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    swarm.handle_message(epoch(), conn, hello(None));
    drain(&mut swarm);
    for msg_type in 3..1000 {
        swarm.handle_message(epoch(), conn, say(MetadataMessage::Unknown { msg_type }));
    }
    assert!(drain(&mut swarm).is_empty());
}

#[test]
fn what_can_be_had_is_served_and_the_rest_refused() {
    let info = many_pieces();
    let mut swarm = lone(&info);
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    let introduced = drain(&mut swarm);
    let ours = introduced.iter().find_map(|action| match action {
        Action::Send(_, Outgoing::Message(Message::Extended { id: 0, payload })) => {
            ExtendedHandshake::decode(payload).ok()
        }
        _ => None,
    });
    let ours = ours.expect("we introduce ourselves");
    assert_eq!(ours.metadata_size, Some(info.raw().len() as u32));
    assert_eq!(ours.ids.find(2), Some(Extension::Metadata));
    // Before it has said under which number it listens, it cannot be answered.
    swarm.handle_message(epoch(), conn, say(MetadataMessage::Request { piece: 0 }));
    assert!(drain(&mut swarm).is_empty());
    swarm.handle_message(epoch(), conn, hello(None));
    drain(&mut swarm);
    for piece in [0, 2, 3, u32::MAX] {
        swarm.handle_message(epoch(), conn, say(MetadataMessage::Request { piece }));
    }
    let answers: Vec<_> = told(drain(&mut swarm));
    let answers: Vec<_> = answers.into_iter().map(|(_, message)| message).collect();
    let reject = |piece| MetadataMessage::Reject { piece };
    let expected = [reject(3), reject(u32::MAX), data(&info, 0), data(&info, 2)];
    assert_eq!(answers, expected);
}

/// Somebody asks for everything again and again: a little goes at once, the rest in time, and
/// after four times over it is enough.
#[test]
fn floods_of_requests_for_metadata_are_paced_and_end() {
    let info = many_pieces();
    let mut net_now = epoch();
    let mut swarm = lone(&info);
    let rates = RateLimits {
        upload: NonZeroU64::new(20_000),
        download: None,
    };
    let conn = swarm.handle_connected(net_now, incoming(1)).unwrap();
    swarm.handle_message(net_now, conn, hello(None));
    for piece in (0..3).cycle().take(200) {
        swarm.handle_message(net_now, conn, say(MetadataMessage::Request { piece }));
    }
    let is_data = |message: &MetadataMessage| matches!(message, MetadataMessage::Data { .. });
    let count = |actions| told(actions).iter().filter(|it| is_data(&it.1)).count();
    let at_once = count(drain(&mut swarm));
    assert!((8..=9).contains(&at_once), "{at_once}");
    // 16 KiB at 20 kB/s: one each 0.8 s.
    let grant = Grant {
        rates,
        ..Grant::default()
    };
    swarm.set_grant(net_now, grant);
    let mut served = at_once;
    while let Some(next) = swarm.next_metadata_serving_at() {
        net_now = net_now.max(next);
        swarm.handle_timeout(net_now);
        let now = count(drain(&mut swarm));
        assert!(now <= 1, "{now} at once");
        served += now;
    }
    assert_eq!(served, 3 * 4 + 16);
    assert!(net_now - epoch() > secs(10), "{:?}", net_now - epoch());
    for _ in 0..400 {
        swarm.handle_message(net_now, conn, say(MetadataMessage::Request { piece: 0 }));
    }
    let reasons: Vec<_> = drain(&mut swarm).into_iter().filter_map(reason).collect();
    let breach = ProtocolBreach::MetadataRequests(301);
    assert_eq!(reasons, [DisconnectReason::Protocol(breach)]);
}

#[test]
fn a_torrent_that_turns_out_to_be_private_parts_from_strangers() {
    let swarm = turn_private(|swarm, info| {
        swarm.handle_metadata(epoch(), Arc::clone(info), Bitfield::new(1));
    });
    assert!(swarm.info().is_some());
}

/// What is on disk may take minutes to be looked at.
#[test]
fn it_does_so_before_it_is_known_what_is_on_disk() {
    let mut swarm = turn_private(|swarm, _| swarm.make_private(epoch()));
    assert!(swarm.info().is_none());
    swarm.make_private(epoch() + secs(91));
    assert!(drain(&mut swarm).is_empty(), "said once");
}

fn turn_private(turn: impl FnOnce(&mut Swarm<Tag>, &Arc<Info>)) -> Swarm<Tag> {
    let info = InfoBuilder::new("secret", 16_384)
        .single_file(16_384)
        .pieces([[0; 20]])
        .private()
        .build();
    let info = Arc::new(info.unwrap());
    let size = info.raw().len() as u32;
    let mut swarm = without_metadata(&info);
    let public = |n: u8| SocketAddr::from(([9, 9, 9, n], 6881));
    let sources = [
        PeerSource::Tracker,
        PeerSource::Dht,
        PeerSource::Pex,
        PeerSource::Lsd,
    ];
    let mut conns = Vec::new();
    for (n, source) in (1..).zip(sources) {
        swarm.add_peers(epoch(), source, [public(n)]);
        let Some(Action::Dial(dial)) = swarm.poll_action() else {
            panic!("nobody is dialled")
        };
        let connection = NewConnection {
            peer: dial.peer,
            direction: Direction::Outbound,
            dial: Some(dial.id),
            ..incoming(n)
        };
        conns.push(swarm.handle_connected(epoch(), connection).unwrap());
        drain(&mut swarm);
        // Rounds of dialling have a little time between them.
        swarm.last_dialling = None;
    }
    conns.push(swarm.handle_connected(epoch(), incoming(9)).unwrap());
    // One is being dialled, one waits, one was named by the tracker, too.
    swarm.add_peers(epoch(), PeerSource::Dht, [public(50)]);
    swarm.add_peers(epoch(), PeerSource::Pex, [public(4)]);
    for &conn in &conns {
        swarm.handle_message(epoch(), conn, hello(Some(size)));
    }
    let actions = drain(&mut swarm);
    let dialled = actions.iter().filter(|it| matches!(it, Action::Dial(_)));
    assert_eq!(dialled.count(), 1);
    for (conn, message) in told(actions) {
        if let MetadataMessage::Request { piece } = message {
            swarm.handle_message(epoch(), conn, say(data(&info, piece)));
        }
    }
    let actions = drain(&mut swarm);
    assert_eq!(metadata_of(&actions), Some(info.raw()));
    turn(&mut swarm, &info);
    let actions = drain(&mut swarm);
    let parted: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Disconnect(conn, DisconnectReason::Private) => Some(*conn),
            _ => None,
        })
        .collect();
    assert_eq!(parted, conns[1..4]);
    let aborted = actions
        .iter()
        .filter(|it| matches!(it, Action::AbortDial(_)));
    assert_eq!(aborted.count(), 1);
    let news = actions.iter().find_map(|action| match action {
        Action::Send(conn, Outgoing::Message(Message::Extended { id: 0, payload })) => {
            assert!(*conn == conns[0] || *conn == conns[4]);
            ExtendedHandshake::decode(payload).ok()
        }
        _ => None,
    });
    let news = news.expect("the others are told");
    assert_eq!((news.ids.find(1), news.ids.find(2)), (None, None));
    assert_eq!(news.metadata_size, None);
    assert_eq!(swarm.add_peers(epoch(), PeerSource::Pex, [public(60)]), 0);
    // Nobody is told of anybody, and nobody can have the dictionary.
    swarm.handle_timeout(epoch() + secs(90));
    let request = say(MetadataMessage::Request { piece: 0 });
    swarm.handle_message(epoch() + secs(90), conns[0], request);
    let is_extended = |action: &Action<Tag>| {
        matches!(
            action,
            Action::Send(_, Outgoing::Message(Message::Extended { .. }))
        )
    };
    assert!(!drain(&mut swarm).iter().any(is_extended));
    swarm
}

/// A link whose two ids are of different torrents: whoever knows one of them tells the truth.
#[test]
fn nobody_is_blamed_for_a_link_that_contradicts_itself() {
    let info = torrent(64 * 1024, MIB);
    let size = info.raw().len() as u32;
    let v1 = info.ids().v1().expect("it is a v1 torrent");
    let ids = TorrentIds::hybrid(v1, bt_types::InfoHashV2([9; 32]));
    let config = Config::new(bt_types::PeerId([255; 20]), 6881);
    let mut swarm = Swarm::<Tag>::new(ids, config, [0; 32]);
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    swarm.handle_message(epoch(), conn, hello(Some(size)));
    drain(&mut swarm);
    swarm.handle_message(epoch(), conn, say(data(&info, 0)));
    let actions = drain(&mut swarm);
    assert!(actions.is_empty(), "{actions:?}");
    let events: Vec<_> = std::iter::from_fn(|| swarm.poll_event()).collect();
    assert!(events.contains(&Event::IdsContradict), "{events:?}");
}
