//! What extensions say (BEP 21, 54), and to whom `have` is news.

use bt_wire::{ExtendedHandshake, ExtendedMessage, Extension, ExtensionIds};

use super::*;

/// Under which numbers the peers of these tests take messages.
fn theirs() -> ExtensionIds {
    ExtensionIds::default()
        .with(Extension::DontHave, 21)
        .with(Extension::UploadOnly, 22)
}

fn hello(upload_only: Option<bool>) -> Message {
    let handshake = ExtendedHandshake {
        ids: theirs(),
        upload_only,
        ..ExtendedHandshake::default()
    };
    handshake.to_message()
}

/// Our numbers, as we tell them.
fn ours(told: &[Action<Tag>]) -> ExtendedHandshake {
    let handshake = told.iter().find_map(|action| match action {
        Action::Send(_, Outgoing::Message(Message::Extended { id: 0, payload })) => {
            ExtendedHandshake::decode(payload).ok()
        }
        _ => None,
    });
    handshake.expect("we introduce ourselves")
}

/// The messages of extensions that have been sent to who takes them under [`theirs`].
fn extended(told: Vec<Action<Tag>>) -> Vec<ExtendedMessage> {
    let sent = told.into_iter().filter_map(|action| match action {
        Action::Send(_, Outgoing::Message(Message::Extended { id, payload })) => {
            let extension = theirs().find(id)?;
            Some(ExtendedMessage::decode(extension, &payload).unwrap())
        }
        _ => None,
    });
    sent.collect()
}

fn of_full(info: &Arc<Info>) -> Swarm<Tag> {
    let count = info.layout().piece_count();
    with_memory(info, Bitfield::full(count), 32 << 20)
}

#[test]
fn who_has_everything_says_so_and_who_loses_a_piece_takes_it_back() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = of_full(&info);
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    assert_eq!(ours(&drain(&mut swarm)).upload_only, Some(true));
    swarm.handle_message(epoch(), conn, hello(None));
    swarm.handle_piece_lost(epoch(), bt_types::PieceIndex::new(3));
    let told = extended(drain(&mut swarm));
    let expected = [
        ExtendedMessage::DontHave(3),
        ExtendedMessage::UploadOnly(false),
    ];
    assert_eq!(told, expected);
    assert!(!swarm.is_complete());
    swarm.handle_piece_lost(epoch(), bt_types::PieceIndex::new(3));
    swarm.handle_piece_lost(epoch(), bt_types::PieceIndex::new(99));
    assert!(drain(&mut swarm).is_empty());
    let lost = std::iter::from_fn(|| swarm.poll_event());
    let lost = lost.filter(|event| matches!(event, Event::PieceLost(_)));
    assert_eq!(lost.count(), 1);
    assert_eq!(
        ours(&{
            swarm.handle_connected(epoch(), incoming(2)).unwrap();
            drain(&mut swarm)
        })
        .upload_only,
        None
    );
}

/// It is no longer served either, whoever had asked for it.
#[test]
fn requests_for_a_lost_piece_are_rejected() {
    let info = torrent(MIB as u32, 4 * MIB);
    let mut swarm = of_full(&info);
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    swarm.handle_message(epoch(), conn, Message::Interested);
    drain(&mut swarm); // and so it is unchoked
    for slot in 0..20 {
        let raw = RawBlock {
            piece: 3,
            begin: slot * BLOCK_LENGTH,
            length: BLOCK_LENGTH,
        };
        swarm.handle_message(epoch(), conn, Message::Request(raw));
    }
    drain(&mut swarm);
    swarm.handle_piece_lost(epoch(), bt_types::PieceIndex::new(3));
    assert_eq!(serve(&mut swarm).rejects.len(), 20);
    swarm.check_invariants();
}

#[test]
fn what_a_peer_takes_back_is_not_asked_of_it() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = lone(&info);
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    let numbers = ours(&drain(&mut swarm)).ids;
    let lose = |piece| {
        let id = numbers.get(Extension::DontHave).expect("we take it");
        ExtendedMessage::DontHave(piece).to_message(id)
    };
    swarm.handle_message(epoch(), conn, Message::Have(3));
    assert_eq!(drain(&mut swarm).len(), 1, "we are interested");
    // What it never had is not held against it.
    swarm.handle_message(epoch(), conn, lose(5));
    assert!(drain(&mut swarm).is_empty());
    swarm.handle_message(epoch(), conn, lose(3));
    assert!(matches!(
        drain(&mut swarm)[..],
        [Action::Send(_, Outgoing::Message(Message::NotInterested))]
    ));
    assert_eq!(swarm.peers(epoch()).map(|peer| peer.pieces).sum::<u32>(), 0);
    swarm.handle_message(epoch(), conn, lose(16));
    let end = drain(&mut swarm).into_iter().find_map(reason).unwrap();
    assert_eq!(
        end.to_string(),
        "protocol broken: lt_donthave about a piece that does not exist: piece 16 of 16"
    );
}

#[test]
fn two_that_only_upload_part_however_they_say_it() {
    let info = torrent(64 * 1024, MIB);
    let by_message = |swarm: &mut Swarm<Tag>, conn| {
        let numbers = ours(&drain(swarm)).ids;
        let id = numbers.get(Extension::UploadOnly).expect("we take it");
        let message = ExtendedMessage::UploadOnly(true).to_message(id);
        swarm.handle_message(epoch(), conn, message);
    };
    let by_handshake = |swarm: &mut Swarm<Tag>, conn| {
        swarm.handle_message(epoch(), conn, hello(Some(true)));
    };
    type Way<'a> = &'a dyn Fn(&mut Swarm<Tag>, ConnId);
    for say in [&by_message as Way<'_>, &by_handshake] {
        let mut swarm = of_full(&info);
        let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
        swarm.handle_message(epoch(), conn, Message::Have(3));
        say(&mut swarm, conn);
        let end = drain(&mut swarm).into_iter().find_map(reason);
        assert_eq!(end, Some(DisconnectReason::BothUploadOnly));
        // One of whom we still want something stays.
        let mut swarm = lone(&info);
        let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
        swarm.handle_message(epoch(), conn, Message::Have(3));
        say(&mut swarm, conn);
        drain(&mut swarm);
        assert_eq!(swarm.stats(epoch()).peers_connected, 1);
    }
}

#[test]
fn who_only_uploads_gets_no_slot_until_it_wants_something_again() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = lone(&info);
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    swarm.handle_message(epoch(), conn, hello(Some(true)));
    swarm.handle_message(epoch(), conn, Message::Interested);
    drain(&mut swarm);
    assert!(
        swarm
            .peers(epoch())
            .all(|peer| peer.am_choking && !peer.peer_interested)
    );
    swarm.handle_message(epoch() + secs(2), conn, hello(Some(false)));
    drain(&mut swarm);
    assert!(
        swarm
            .peers(epoch())
            .all(|peer| !peer.am_choking && peer.peer_interested)
    );
}

#[test]
fn a_have_is_sent_to_those_for_whom_it_is_news() {
    let info = torrent(BLOCK_LENGTH, 16 * u64::from(BLOCK_LENGTH));
    let mut swarm = lone(&info);
    // Peers with everything; with the piece; without; and one with few pieces that gives us this.
    let [seed, other, poor, giver] = [1, 2, 3, 4].map(|id| {
        let conn = swarm.handle_connected(epoch(), incoming(id)).unwrap();
        swarm.handle_message(epoch(), conn, hello(None));
        conn
    });
    swarm.handle_message(epoch(), seed, Message::HaveAll);
    for conn in [other, giver] {
        swarm.handle_message(epoch(), conn, Message::Have(7));
    }
    swarm.handle_message(epoch(), giver, Message::Unchoke);
    let asked = drain(&mut swarm);
    assert_eq!(asked.iter().filter(|action| is_request(action)).count(), 1);
    let raw = RawBlock {
        piece: 7,
        begin: 0,
        length: BLOCK_LENGTH,
    };
    let tag = Tag {
        length: BLOCK_LENGTH,
        is_good: true,
    };
    swarm.handle_block(epoch(), giver, raw, tag);
    drain(&mut swarm);
    swarm.handle_disk(epoch(), verified(7));
    let told: Vec<_> = drain(&mut swarm)
        .into_iter()
        .filter_map(|action| match action {
            Action::Send(conn, Outgoing::Message(Message::Have(7))) => Some(conn),
            _ => None,
        })
        .collect();
    assert_eq!(told, [seed, poor, giver], "not {other:?}, which has it");
}

/// Who has not been told of each piece counts us as a seed all the same.
#[test]
fn that_we_are_complete_is_told_to_everybody_who_understands_it() {
    let info = torrent(BLOCK_LENGTH, 2 * u64::from(BLOCK_LENGTH));
    let mut have = Bitfield::full(2);
    have.remove(bt_types::PieceIndex::new(1));
    let mut swarm = with_memory(&info, have, 32 << 20);
    let with_message = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    swarm.handle_message(epoch(), with_message, hello(None));
    let with_handshake = swarm.handle_connected(epoch(), incoming(2)).unwrap();
    let mut plain = incoming(3);
    plain.reserved = Reserved::NONE;
    swarm.handle_connected(epoch(), plain).unwrap();
    drain(&mut swarm);
    swarm.handle_disk(epoch(), verified(1));
    let told: Vec<_> = drain(&mut swarm)
        .into_iter()
        .filter_map(|action| match action {
            Action::Send(conn, Outgoing::Message(Message::Extended { id, payload })) => {
                Some((conn, id, payload))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], (with_message, 22, [1].into()));
    assert_eq!((told[1].0, told[1].1), (with_handshake, 0));
    let handshake = ExtendedHandshake::decode(&told[1].2).unwrap();
    let expected = ExtendedHandshake {
        upload_only: Some(true),
        ..ExtendedHandshake::default()
    };
    assert_eq!(handshake, expected);
}

fn verified(piece: u32) -> DiskDone<Tag> {
    DiskDone::Verified {
        piece: bt_types::PieceIndex::new(piece),
        block_digests: Vec::new(),
    }
}
