//! Peers that keep to nothing, on virtual time. What they do to sockets and to memory as a whole
//! is shown by the hostile cases of `tests/interop`.

use super::*;
use crate::ProtocolBreach;

/// At whatever stage a peer falls silent.
#[test]
fn silence_ends_a_connection_whatever_was_said_before() {
    let stages: [&[Message]; 5] = [
        &[],
        &[Message::HaveAll],
        &[Message::HaveAll, Message::Unchoke],
        &[Message::HaveAll, Message::Unchoke, Message::Choke],
        &[Message::HaveNone, Message::Interested],
    ];
    for said in stages {
        let info = torrent(64 * 1024, MIB);
        let mut swarm = lone(&info);
        let start = epoch();
        let conn = swarm.handle_connected(start, incoming(1)).unwrap();
        for message in said {
            swarm.handle_message(start, conn, message.clone());
        }
        drain(&mut swarm);
        let mut dropped = None;
        while let Some(next) = swarm
            .poll_timeout()
            .filter(|&next| next <= start + secs(300))
        {
            swarm.handle_timeout(next);
            let reason = drain(&mut swarm).into_iter().find_map(reason);
            dropped = dropped.or(reason.map(|reason| (next - start, reason)));
        }
        assert_eq!(
            dropped,
            Some((secs(150), DisconnectReason::Silent)),
            "{said:?}"
        );
        assert_eq!(swarm.stats(start + secs(300)).memory_bytes, 0, "{said:?}");
    }
}

#[test]
fn a_bitfield_must_end_where_the_pieces_do() {
    let info = torrent(64 * 1024, 10 * 64 * 1024);
    let check = |bytes: &[u8], expected: &str| {
        let mut swarm = lone(&info);
        let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
        swarm.handle_message(epoch(), conn, Message::Bitfield(bytes.into()));
        let reasons: Vec<_> = drain(&mut swarm).into_iter().filter_map(reason).collect();
        assert_eq!(reasons.len(), 1, "{bytes:?}");
        assert!(reasons[0].to_string().contains(expected), "{}", reasons[0]);
    };
    check(&[], "bitfield of 0 bytes");
    check(&[0xff], "bitfield of 1 bytes");
    check(&[0xff; 3], "bitfield of 3 bytes");
    check(&[0xff, 0xe0], "bits beyond the last of 10 pieces");
    check(&[0, 1], "bits beyond the last of 10 pieces");
}

#[test]
fn what_is_forgiven_is_forgiven_only_so_often() {
    let asked = |length| RawBlock {
        piece: 1,
        begin: 0,
        length,
    };
    let hello = bt_wire::ExtendedHandshake::default().to_message();
    let offered = Message::Extended {
        id: 9,
        payload: [].into(),
    };
    let check = |said: Result<Message, RawBlock>, times: u32, expected: &str| {
        let info = torrent(64 * 1024, MIB);
        for mut swarm in [lone(&info), without_metadata(&info)] {
            let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
            let say = |swarm: &mut Swarm<Tag>| match said.clone() {
                Ok(message) => swarm.handle_message(epoch(), conn, message),
                Err(raw) => {
                    let tag = Tag {
                        length: raw.length,
                        is_good: true,
                    };
                    swarm.handle_block(epoch(), conn, raw, tag);
                }
            };
            (0..times).for_each(|_| say(&mut swarm));
            assert_eq!(serve(&mut swarm).end, None, "{expected}");
            say(&mut swarm);
            let end = serve(&mut swarm).end.expect("dropped at last");
            assert_eq!(end.to_string(), format!("protocol broken: {expected}"));
        }
    };
    check(Ok(hello), 100, "101 extended handshakes");
    check(Ok(offered), 100, "101 unknown messages");
    check(
        Ok(Message::Request(asked(BLOCK_LENGTH))),
        300,
        "301 requests for what it cannot have",
    );
    let unrequested = "501 blocks that were not requested";
    check(Err(asked(BLOCK_LENGTH)), 500, unrequested);
    check(Err(asked(0)), 500, unrequested);
    check(Err(asked(1)), 500, unrequested);
    check(
        Err(RawBlock {
            begin: 5,
            ..asked(BLOCK_LENGTH)
        }),
        500,
        unrequested,
    );
    check(
        Err(RawBlock {
            piece: u32::MAX,
            ..asked(BLOCK_LENGTH)
        }),
        500,
        unrequested,
    );
    check(
        Err(RawBlock {
            begin: u32::MAX,
            ..asked(BLOCK_LENGTH)
        }),
        500,
        unrequested,
    );
}

/// Ranges that no piece has, more than a block, nothing at all: each is answered (BEP 6) or passed
/// over, whoever asks, but nothing is read; and this is not for ever.
#[test]
fn who_asks_for_what_cannot_be_had_is_refused_and_then_dropped() {
    const PIECE: u32 = 64 * 1024;
    const LAST: u32 = PIECE - 100;
    let info = torrent(PIECE, MIB - 100);
    let seed = || with_memory(&info, Bitfield::full(16), 32 << 20);
    let check = |piece, begin, length| {
        let raw = RawBlock {
            piece,
            begin,
            length,
        };
        for (is_fast, mut swarm) in [
            (true, seed()),
            (false, seed()),
            (true, without_metadata(&info)),
        ] {
            let mut peer = incoming(1);
            if !is_fast {
                peer.reserved = Reserved::NONE;
            }
            let conn = swarm.handle_connected(epoch(), peer).unwrap();
            swarm.handle_message(epoch(), conn, Message::Interested);
            drain(&mut swarm); // and so it is unchoked
            for _ in 0..300 {
                swarm.handle_message(epoch(), conn, Message::Request(raw));
            }
            let rejects = vec![raw; if is_fast { 300 } else { 0 }];
            let expected = Answers {
                rejects,
                ..Answers::default()
            };
            assert!(serve(&mut swarm) == expected, "{raw:?}");
            swarm.handle_message(epoch(), conn, Message::Request(raw));
            let expected = DisconnectReason::Protocol(ProtocolBreach::InvalidRequests(301));
            assert_eq!(serve(&mut swarm).end, Some(expected), "{raw:?}");
            swarm.check_invariants();
        }
    };
    for piece in [16, 99, u32::MAX] {
        check(piece, 0, BLOCK_LENGTH);
    }
    // Behind the end of a piece, over it, and round all numbers.
    check(0, PIECE, BLOCK_LENGTH);
    check(0, u32::MAX, BLOCK_LENGTH);
    check(0, PIECE - BLOCK_LENGTH + 1, BLOCK_LENGTH);
    check(15, LAST, 1);
    check(15, PIECE - BLOCK_LENGTH, BLOCK_LENGTH);
    check(0, 1, u32::MAX);
    check(0, u32::MAX, 1);
    check(u32::MAX, u32::MAX, u32::MAX);
    // Too long.
    for length in [BLOCK_LENGTH + 1, 2 * BLOCK_LENGTH, PIECE, 1 << 31, u32::MAX] {
        check(0, 0, length);
    }
    // Empty.
    for (piece, begin) in [(0, 0), (0, PIECE), (15, LAST), (16, 0), (0, u32::MAX)] {
        check(piece, begin, 0);
    }
}

/// As long as it is less than that.
#[test]
fn who_has_asked_for_what_cannot_be_had_is_served_all_the_same() {
    let (mut swarm, conn) = seeding();
    swarm.handle_message(epoch(), conn, Message::Interested);
    drain(&mut swarm); // and so it is unchoked
    let odd = RawBlock {
        length: u32::MAX,
        ..block(0)
    };
    (0..300).for_each(|_| swarm.handle_message(epoch(), conn, Message::Request(odd)));
    swarm.handle_message(epoch(), conn, Message::Request(block(0)));
    let answers = serve(&mut swarm);
    assert_eq!((answers.blocks, answers.end), (vec![block(0)], None));
}

/// What cannot be judged before the metadata is known is judged then. Suggestions and permissions
/// pass by: they are not remembered.
#[test]
fn the_metadata_shows_what_was_wrong_before_it() {
    let info = torrent(64 * 1024, 10 * 64 * 1024);
    let check = |said: &[Message], expected: Option<&str>| {
        let mut swarm = without_metadata(&info);
        let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
        drain(&mut swarm);
        for message in said {
            swarm.handle_message(epoch(), conn, message.clone());
        }
        assert!(drain(&mut swarm).is_empty(), "{expected:?}");
        assert_eq!(swarm.stats(epoch()).memory_bytes, 0, "{expected:?}");
        swarm.handle_metadata(epoch(), Arc::clone(&info), Bitfield::new(10));
        let end = drain(&mut swarm).into_iter().find_map(reason);
        let expected = expected.map(|expected| format!("protocol broken: {expected}"));
        assert_eq!(end.map(|end| end.to_string()), expected);
    };
    let bitfield = |bytes: &[u8]| Message::Bitfield(bytes.into());
    check(
        &[Message::Have(9), Message::Have(10)],
        Some("have about a piece that does not exist: piece 10 of 10"),
    );
    check(
        &[bitfield(&[0xff, 0xe0])],
        Some("bitfield sets bits beyond the last of 10 pieces"),
    );
    check(
        &[bitfield(&[0xff, 0xc0]), bitfield(&[0xff; 3])],
        Some("bitfield of 3 bytes, 2 expected for 10 pieces"),
    );
    check(&vec![Message::Suggest(u32::MAX); 10_000], None);
    check(&vec![Message::AllowedFast(u32::MAX); 10_000], None);
}

/// Two pipelines' worth may have crossed our choke; then it counts as an attack.
#[test]
fn requests_in_floods_though_choked_end_the_connection() {
    let (mut swarm, conn) = seeding();
    for n in 0..10_000 {
        swarm.handle_message(epoch(), conn, Message::Request(block(n % 64)));
    }
    let answers = serve(&mut swarm);
    assert_eq!(
        answers.end.unwrap().to_string(),
        "protocol broken: 301 requests for what it cannot have"
    );
    assert_eq!(answers.rejects.len(), 2 * 2000 + 300);
}

/// BEP 6: each request has one answer, here a reject; and what a peer makes the disk read stays
/// bounded, however often it changes its mind.
#[test]
fn storms_of_requests_and_cancels_are_answered_one_by_one() {
    let (mut swarm, conn) = seeding();
    swarm.handle_message(epoch(), conn, Message::Interested);
    drain(&mut swarm);
    let (mut rejects, mut reads) = (0, Vec::new());
    for n in 0..5_000 {
        let asked = block(n % 64);
        for message in [Message::Request(asked), Message::Cancel(asked)] {
            swarm.handle_message(epoch(), conn, message);
            for action in drain(&mut swarm) {
                rejects += u32::from(is_reject(&action));
                if let Action::Disk(DiskJob::Read { block, .. }) = action {
                    reads.push(block);
                }
            }
        }
        swarm.check_invariants();
    }
    // As much as for anybody who has not taken anything yet.
    assert_eq!((rejects, reads.len()), (5_000, 3));
    for block in reads {
        read(&mut swarm, epoch(), conn, block);
    }
    assert!(drain(&mut swarm).is_empty(), "nobody wants them any more");
    assert_eq!(swarm.stats(epoch()).memory_bytes, 0);
}

/// A seed that is asked for one block, and only that, does not send it for ever.
#[test]
fn who_takes_the_same_piece_again_and_again_is_dropped() {
    let (mut swarm, conn) = seeding();
    swarm.handle_message(epoch(), conn, Message::Interested);
    let (mut sent, mut end) = (0, None);
    while end.is_none() && sent < 1000 {
        swarm.handle_message(epoch(), conn, Message::Request(block(5)));
        let answers = serve(&mut swarm);
        sent += answers.blocks.len();
        end = answers.end;
    }
    let expected = "protocol broken: piece 1 taken 10 times over";
    assert_eq!(end.unwrap().to_string(), expected);
    assert_eq!(sent, 40, "four blocks a piece, ten times");
}

/// BEP 6 knows one of the two, once. What has been said of all pieces is not taken back by a word,
/// and saying it again and again costs nothing.
#[test]
fn have_all_then_have_none_then_have_all() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = lone(&info);
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    let mut said = 0;
    for message in [Message::HaveAll, Message::HaveNone]
        .into_iter()
        .cycle()
        .take(100_000)
    {
        swarm.handle_message(epoch(), conn, message);
        said += drain(&mut swarm)
            .iter()
            .filter(|action| {
                matches!(
                    action,
                    Action::Send(
                        _,
                        Outgoing::Message(Message::Interested | Message::NotInterested)
                    )
                )
            })
            .count();
    }
    assert_eq!(said, 1);
    let pieces: Vec<_> = swarm.peers(epoch()).map(|peer| peer.pieces).collect();
    assert_eq!(pieces, [16]);
}

/// A claim without a block costs a place, and the place is lost when somebody else needs it.
#[test]
fn who_claims_everything_and_delivers_nothing_makes_room() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = lone(&info);
    let one = bt_scheduler::Grant {
        max_peers: 4,
        ..bt_scheduler::Grant::default()
    };
    swarm.set_grant(epoch(), one);
    for id in 1..=3 {
        let conn = swarm.handle_connected(epoch(), incoming(id)).unwrap();
        swarm.handle_message(epoch(), conn, Message::HaveAll);
        swarm.handle_message(epoch(), conn, Message::Unchoke);
    }
    let mut now = epoch();
    let mut asked = [0; 2]; // in either minute
    while let Some(next) = swarm
        .poll_timeout()
        .filter(|&next| next <= epoch() + secs(121))
    {
        now = next;
        swarm.handle_timeout(now);
        let requests = drain(&mut swarm).into_iter().filter(is_request);
        asked[usize::from(now > epoch() + secs(60))] += requests.count();
        let held = swarm.stats(now).memory_bytes;
        assert!(held <= 3 * 16 * BLOCK_LENGTH as usize, "{held}");
    }
    assert!(asked[1] < asked[0], "{asked:?}");
    let now = now.max(epoch() + secs(121));
    assert!(swarm.handle_connected(now, incoming(9)).is_ok());
    let reasons: Vec<_> = drain(&mut swarm).into_iter().filter_map(reason).collect();
    assert_eq!(reasons, [DisconnectReason::Useless]);
}

#[test]
fn who_changes_its_mind_all_the_time_makes_us_think_once_a_second() {
    let (mut swarm, conn) = seeding();
    let mut told = 0;
    for n in 0..20_000_u64 {
        let now = epoch() + Duration::from_micros(n * 500); // ten seconds
        let message = if n % 2 == 0 {
            Message::Interested
        } else {
            Message::NotInterested
        };
        swarm.handle_message(now, conn, message);
        let slots = [Message::Choke, Message::Unchoke];
        let is_about_slots = |action: &Action<Tag>| matches!(action, Action::Send(_, Outgoing::Message(message)) if slots.contains(message));
        told += drain(&mut swarm)
            .iter()
            .filter(|action| is_about_slots(action))
            .count();
    }
    assert!((1..=11).contains(&told), "told {told} times in ten seconds");
    assert_eq!(swarm.stats(epoch() + secs(10)).peers_connected, 1);
}

/// What costs us nothing but the reading of it is borne, and answered by nothing.
#[test]
fn floods_of_small_talk_leave_nothing_behind() {
    let small_talk = [
        vec![Message::KeepAlive],
        vec![Message::Port(6881)],
        vec![Message::Choke, Message::Unchoke],
        vec![Message::NotInterested],
        vec![Message::Have(3)],
        vec![Message::Suggest(3), Message::AllowedFast(3)],
        vec![Message::Bitfield([0x80, 1].into()), Message::HaveNone],
        vec![Message::Cancel(block(1)), Message::Reject(block(1))],
    ];
    for messages in small_talk {
        let info = torrent(64 * 1024, MIB);
        let mut swarm = lone(&info);
        let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
        let mut actions = 0;
        for round in 0..2_000 {
            // A batch, as a driver hands it over.
            for message in messages.iter().cycle().take(50) {
                swarm.handle_message(epoch(), conn, message.clone());
            }
            let said = drain(&mut swarm).len();
            actions += if round == 0 { 0 } else { said };
        }
        assert_eq!(actions, 0, "{messages:?}");
        let stats = swarm.stats(epoch());
        assert_eq!(
            (stats.peers_connected, stats.memory_bytes),
            (1, 0),
            "{messages:?}"
        );
        assert!(std::iter::from_fn(|| swarm.poll_event()).count() <= 1);
    }
}

/// In a torrent about as large as we take: every piece is news once, and not again.
#[test]
fn a_have_for_each_of_two_million_pieces_twice() {
    const PIECES: u32 = 2_000_000;
    let info = torrent(16_384, u64::from(PIECES) * 16_384);
    let mut swarm = lone(&info);
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    for piece in (0..PIECES).chain(0..PIECES) {
        swarm.handle_message(epoch(), conn, Message::Have(piece));
    }
    assert!(drain(&mut swarm).len() < 10);
    assert_eq!(
        swarm
            .peers(epoch())
            .map(|peer| peer.pieces)
            .collect::<Vec<_>>(),
        [PIECES]
    );
    swarm.handle_message(epoch(), conn, Message::Have(PIECES));
    assert_eq!(swarm.stats(epoch()).peers_connected, 0);
}

/// A seed with one peer.
fn seeding() -> (Swarm<Tag>, ConnId) {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = with_memory(&info, Bitfield::full(16), 32 << 20);
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    drain(&mut swarm);
    (swarm, conn)
}

/// Of 64 in all.
fn block(number: u32) -> RawBlock {
    RawBlock {
        piece: number / 4,
        begin: number % 4 * BLOCK_LENGTH,
        length: BLOCK_LENGTH,
    }
}
