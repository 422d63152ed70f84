//! The fast extension (BEP 6): what a choked peer may have, answers to all requests, cancels.

use bt_types::PieceIndex;

use super::*;

const PIECES: u32 = 200;
const PIECE: u32 = 2 * BLOCK_LENGTH;

/// Has so many pieces and lacks one, and its only upload slot is taken.
fn busy(pieces: u32) -> Swarm<Tag> {
    let info = torrent(PIECE, u64::from((pieces + 1) * PIECE));
    let mut have = Bitfield::full(pieces + 1);
    have.remove(PieceIndex::new(pieces));
    let mut swarm = with_memory(&info, have, 32 << 20);
    swarm.set_grant(epoch(), slots(1));
    let lucky = swarm.handle_connected(epoch(), incoming(200)).unwrap();
    assert_eq!(say(&mut swarm, lucky, Message::Interested), [0; 0]);
    swarm
}

fn slots(upload_slots: usize) -> Grant {
    Grant {
        upload_slots,
        ..Grant::default()
    }
}

/// The same, and a peer that has said to be interested; returns what that was told to have all the
/// same, too.
fn slotless() -> (Swarm<Tag>, ConnId, Vec<u32>) {
    let mut swarm = busy(PIECES);
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    let allowed = say(&mut swarm, conn, Message::Interested);
    (swarm, conn, allowed)
}

/// Lets the peer say something; returns what it is then allowed.
fn say(swarm: &mut Swarm<Tag>, conn: ConnId, message: Message) -> Vec<u32> {
    swarm.handle_message(epoch(), conn, message);
    let sent = drain(swarm).into_iter();
    let allowed = sent.filter_map(|action| match action {
        Action::Send(_, Outgoing::Message(Message::AllowedFast(piece))) => Some(piece),
        _ => None,
    });
    allowed.collect()
}

fn block(piece: u32, slot: u32) -> RawBlock {
    RawBlock {
        piece,
        begin: slot * BLOCK_LENGTH,
        length: BLOCK_LENGTH,
    }
}

#[test]
fn a_newcomer_without_a_slot_may_have_five_pieces() {
    let (mut swarm, conn, allowed) = slotless();
    assert_eq!(allowed.len(), 5);
    let other = (0..PIECES).find(|piece| !allowed.contains(piece)).unwrap();
    for raw in [block(allowed[0], 0), block(other, 0), block(allowed[1], 1)] {
        swarm.handle_message(epoch(), conn, Message::Request(raw));
    }
    let answers = serve(&mut swarm);
    assert_eq!(answers.blocks, [block(allowed[0], 0), block(allowed[1], 1)]);
    assert_eq!(answers.rejects, [block(other, 0)]);
    // It is told once, whatever it says.
    assert_eq!(say(&mut swarm, conn, Message::NotInterested), [0; 0]);
    assert_eq!(say(&mut swarm, conn, Message::Interested), [0; 0]);
}

#[test]
fn who_has_five_pieces_needs_no_help() {
    let (mut swarm, conn, allowed) = slotless();
    (0..5).for_each(|n| _ = say(&mut swarm, conn, Message::Have(n)));
    let raw = block(*allowed.iter().find(|&&piece| piece >= 5).unwrap(), 0);
    swarm.handle_message(epoch(), conn, Message::Request(raw));
    assert_eq!(serve(&mut swarm).rejects, [raw]);

    let second = swarm.handle_connected(epoch(), incoming(2)).unwrap();
    (0..5).for_each(|n| _ = say(&mut swarm, second, Message::Have(n)));
    assert_eq!(say(&mut swarm, second, Message::Interested), [0; 0]);
}

/// Twice over, for a piece may fail its hash. Then there is a reject for each request, and after
/// as many as may cross a choke on their way the end.
#[test]
fn what_is_allowed_to_the_choked_is_not_for_ever() {
    let (mut swarm, conn, allowed) = slotless();
    let (mut blocks, mut rejects, mut end) = (0, 0, None);
    for n in 0..5000 {
        let raw = block(allowed[n % 5], n as u32 / 5 % 2);
        swarm.handle_message(epoch(), conn, Message::Request(raw));
        let answers = serve(&mut swarm);
        blocks += answers.blocks.len();
        rejects += answers.rejects.len();
        end = end.or(answers.end);
    }
    assert_eq!((blocks, rejects), (20, 2 * 2000 + 300));
    let reason = end.unwrap().to_string();
    assert_eq!(
        reason,
        "protocol broken: 301 requests for what it cannot have"
    );
    // Storms of requests and cancels use it up as well.
    let (mut swarm, conn, allowed) = slotless();
    let mut reads = 0;
    for _ in 0..1000 {
        let raw = block(allowed[0], 0);
        for message in [Message::Request(raw), Message::Cancel(raw)] {
            swarm.handle_message(epoch(), conn, message);
            let actions = drain(&mut swarm).into_iter();
            reads += actions
                .filter(|action| matches!(action, Action::Disk(_)))
                .count();
        }
    }
    assert!(reads <= 4, "{reads}");
    assert_eq!(swarm.stats(epoch()).peers_connected, 2);
}

/// Together they cost no more than one slot: one block at a time, to who came first.
#[test]
fn the_choked_are_served_one_block_at_a_time() {
    let mut swarm = busy(PIECES);
    let peers = [1, 2, 3].map(|id| {
        let conn = swarm.handle_connected(epoch(), incoming(id)).unwrap();
        (conn, say(&mut swarm, conn, Message::Interested))
    });
    for (conn, allowed) in peers {
        for piece in allowed {
            swarm.handle_message(epoch(), conn, Message::Request(block(piece, 0)));
        }
    }
    let mut order = Vec::new();
    for _ in 0..15 {
        let actions = drain(&mut swarm);
        let [Action::Disk(DiskJob::Read { conn, block })] = actions[..] else {
            panic!("{actions:?}")
        };
        order.push(conn.0);
        read(&mut swarm, epoch(), conn, block);
        assert_eq!(drain(&mut swarm).len(), 1, "it is sent");
        swarm.handle_block_sent(epoch(), conn, block);
    }
    assert!(order.is_sorted(), "{order:?}");
    assert!(drain(&mut swarm).is_empty());
}

#[test]
fn nobody_gets_much_of_a_small_torrent_for_nothing() {
    let mut swarm = busy(18);
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    assert_eq!(say(&mut swarm, conn, Message::Interested), [0; 0]);
}

#[test]
fn who_may_not_upload_allows_nothing() {
    let mut swarm = busy(PIECES);
    swarm.set_grant(epoch(), slots(0));
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    assert_eq!(say(&mut swarm, conn, Message::Interested), [0; 0]);
    let (mut swarm, conn, allowed) = slotless();
    swarm.set_grant(epoch(), slots(0));
    let raw = block(allowed[0], 0);
    swarm.handle_message(epoch(), conn, Message::Request(raw));
    assert_eq!(serve(&mut swarm).rejects, [raw]);
}

/// Both sides: the newcomer asks for what it may have, and for nothing else.
#[test]
fn a_leech_without_a_slot_gets_what_it_is_allowed() {
    let info = torrent(PIECE, u64::from(PIECES * PIECE));
    let mut net = Net::new();
    let one_slot = |config: &mut Config| config.grant.upload_slots = 1;
    let mut most = Bitfield::full(PIECES);
    most.remove(PieceIndex::new(PIECES - 1));
    let seed = net.add_with(&info, most.clone(), one_slot);
    // What others have, too, may be kept.
    let other = net.add(&info, most);
    net.tell(other, &[seed]);
    net.run();
    // Its disk is slow, so that it wants the slot all the time, and has no room for more than one
    // may take who gives nothing.
    let little_memory = |config: &mut Config| config.grant.memory_bytes = 512 << 10;
    let lucky = net.add_with(&info, Bitfield::new(PIECES), little_memory);
    net.nodes[lucky].held_disk = Some(Vec::new());
    net.tell(lucky, &[seed]);
    net.run();
    let leech = net.leech(&info);
    net.tell(leech, &[seed]);
    net.advance(secs(8));
    let stats = net.nodes[leech].swarm.stats(net.now);
    assert_eq!((stats.pieces_verified, stats.wasted.total()), (5, 0));
    assert_eq!(stats.downloaded, u64::from(5 * PIECE));
}

/// Who allows pieces and never sends one costs four requests at a time, and keeps the blocks from
/// nobody.
#[test]
fn who_allows_and_never_delivers_keeps_nothing_from_others() {
    let info = torrent(PIECE, u64::from(PIECES * PIECE));
    let mut swarm = lone(&info);
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    swarm.handle_message(epoch(), conn, Message::HaveAll);
    let requests = |swarm: &mut _| drain(swarm).iter().filter(|it| is_request(it)).count();
    let mut asked = 0;
    for second in 0..100 {
        let now = epoch() + secs(second);
        (0..PIECES).for_each(|piece| swarm.handle_message(now, conn, Message::AllowedFast(piece)));
        swarm.handle_timeout(now);
        asked += requests(&mut swarm);
        assert!(swarm.stats(now).memory_bytes <= 4 * BLOCK_LENGTH as usize);
        swarm.check_invariants();
    }
    assert_eq!(asked, 4, "what it owes counts for two minutes");
    let now = epoch() + secs(100);
    let good = swarm.handle_connected(now, incoming(2)).unwrap();
    swarm.handle_message(now, good, Message::HaveAll);
    swarm.handle_message(now, good, Message::Unchoke);
    assert_eq!(requests(&mut swarm), 4);
}

/// BEP 6: first the choke, then a reject for each request that it ends.
#[test]
fn a_choke_answers_all_requests_but_those_for_allowed_pieces() {
    let (mut swarm, conn, allowed) = slotless();
    swarm.set_grant(epoch(), slots(2));
    drain(&mut swarm);
    let other = (0..PIECES).find(|piece| !allowed.contains(piece)).unwrap();
    let asked = [block(other, 0), block(allowed[0], 0), block(other, 1)];
    for raw in asked {
        swarm.handle_message(epoch(), conn, Message::Request(raw));
    }
    swarm.set_grant(epoch(), slots(1));
    let mut told = Vec::new();
    for second in 11..120 {
        swarm.handle_timeout(epoch() + secs(second));
        for action in drain(&mut swarm) {
            match action {
                Action::Send(to, Outgoing::Message(message)) if to == conn => told.push(message),
                _ => {}
            }
        }
        if !told.is_empty() {
            break;
        }
    }
    let expected = [
        Message::Choke,
        Message::Reject(block(other, 0)),
        Message::Reject(block(other, 1)),
    ];
    assert_eq!(told, expected);
}

/// Until its first byte is handed to the network, a block can be taken back; only the driver knows.
#[test]
fn a_cancel_is_honoured_until_the_block_is_on_the_wire() {
    let info = torrent(PIECE, u64::from(PIECES * PIECE));
    for is_in_time in [true, false] {
        let mut swarm = with_memory(&info, Bitfield::full(PIECES), 32 << 20);
        let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
        swarm.handle_message(epoch(), conn, Message::Interested);
        let raw = block(1, 0);
        drain(&mut swarm);
        swarm.handle_message(epoch(), conn, Message::Request(raw));
        let [Action::Disk(DiskJob::Read { block, .. })] = drain(&mut swarm)[..] else {
            panic!("nothing is read")
        };
        read(&mut swarm, epoch(), conn, block);
        drain(&mut swarm);
        for n in 0..10 {
            swarm.handle_message(epoch(), conn, Message::Cancel(raw));
            let told = drain(&mut swarm);
            let is_recall = matches!(told[..], [Action::TakeBack(_, back)] if back == block);
            assert_eq!((is_recall, told.len()), (n == 0, usize::from(n == 0)));
        }
        if is_in_time {
            swarm.handle_block_taken_back(epoch(), conn, block);
            swarm.handle_block_taken_back(epoch(), conn, block);
            assert_eq!(serve(&mut swarm).rejects, [raw]);
        } else {
            swarm.handle_block_sent(epoch(), conn, block);
            assert_eq!(serve(&mut swarm), Answers::default());
        }
        let stats = swarm.stats(epoch());
        let uploaded = if is_in_time { 0 } else { BLOCK_LENGTH };
        assert_eq!((stats.uploaded, stats.memory_bytes), (uploaded.into(), 0));
        swarm.check_invariants();
    }
}

#[test]
fn a_suggested_piece_is_asked_for_first() {
    let info = torrent(PIECE, u64::from(PIECES * PIECE));
    let mut swarm = lone(&info);
    let conn = swarm.handle_connected(epoch(), incoming(1)).unwrap();
    let said = [Message::HaveAll, Message::Suggest(77), Message::Unchoke];
    said.into_iter()
        .for_each(|message| swarm.handle_message(epoch(), conn, message));
    let first = drain(&mut swarm)
        .into_iter()
        .find_map(|action| match action {
            Action::Send(_, Outgoing::Message(Message::Request(raw))) => Some(raw),
            _ => None,
        });
    assert_eq!(first, Some(block(77, 0)));
}
