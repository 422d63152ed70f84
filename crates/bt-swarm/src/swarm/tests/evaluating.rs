//! What peers are worth, and what is remembered of them.

use bt_scheduler::Conduct;

use super::*;

/// Who sends next to nothing is parted from when somebody waits, after two minutes; who sends
/// more stays, however long it is connected.
#[test]
fn who_is_worth_next_to_nothing_makes_room() {
    let info = torrent(64 * 1024, 64 * MIB);
    let mut swarm = lone(&info);
    swarm.set_grant(epoch(), room_for(2));
    let [trickle, good] = [1, 2].map(|id| {
        let now = epoch() + secs(id.into());
        let conn = dial_one(&mut swarm, now, peer(id), id);
        swarm.handle_message(now, conn, Message::HaveAll);
        drain(&mut swarm);
        conn
    });
    let mut now = epoch() + secs(2);
    for conn in [trickle, good] {
        swarm.handle_message(now, conn, Message::Unchoke);
    }
    for second in 3..=130 {
        now = epoch() + secs(second);
        swarm.handle_timeout(now);
        for action in drain(&mut swarm) {
            // A few blocks in all from the one, what it is asked for from the other.
            match action {
                Action::Send(conn, Outgoing::Message(Message::Request(block)))
                    if conn == good || second == 3 =>
                {
                    let tag = Tag {
                        length: block.length,
                        is_good: true,
                    };
                    swarm.handle_block(now, conn, block, tag);
                }
                _ => {}
            }
        }
    }
    assert_eq!(swarm.peers(now).count(), 2, "nobody waits");
    swarm.add_peers(now, PeerSource::Tracker, [peer(3)]);
    let parted: Vec<_> = drain(&mut swarm)
        .into_iter()
        .filter_map(|action| match action {
            Action::Disconnect(conn, reason) => Some((conn, reason)),
            _ => None,
        })
        .collect();
    assert_eq!(parted, [(trickle, DisconnectReason::Useless)]);
}

/// Who took much and gave nothing does not begin anew by connecting anew.
#[test]
fn what_a_peer_took_outlives_its_connection() {
    let info = torrent(64 * 1024, 4 * MIB);
    let mut swarm = half_complete(&info);
    let conn = taker(&mut swarm);
    take(&mut swarm, conn, MIB);
    assert_eq!(conduct(&swarm, conn), Conduct::Taking);
    swarm.handle_disconnected(epoch(), conn, None);
    let later = epoch() + secs(60);
    swarm.handle_timeout(later);
    let redialled = drain(&mut swarm)
        .into_iter()
        .find_map(|action| match action {
            Action::Dial(dial) => Some(dial.id),
            _ => None,
        });
    let connection = NewConnection {
        direction: Direction::Outbound,
        dial: redialled,
        ..incoming(1)
    };
    let conn = swarm.handle_connected(later, connection).unwrap();
    assert_eq!(conduct(&swarm, conn), Conduct::Taking);
}

/// When we lack nothing, nobody can give us anything for what it takes.
#[test]
fn what_is_taken_of_a_seed_is_held_against_nobody() {
    let info = torrent(64 * 1024, 4 * MIB);
    let have = Bitfield::full(info.layout().piece_count());
    let mut swarm = with_memory(&info, have, 32 << 20);
    let conn = taker(&mut swarm);
    take(&mut swarm, conn, 3 * MIB);
    assert_eq!(conduct(&swarm, conn), Conduct::Fair);
}

/// A peer that has nothing, and beside it one that has all but the last piece: nothing that we
/// give is seen nowhere else.
fn taker(swarm: &mut Swarm<Tag>) -> ConnId {
    let conn = dial_one(swarm, epoch(), peer(1), 1);
    let other = swarm.handle_connected(epoch(), incoming(2)).unwrap();
    (0..63).for_each(|piece| swarm.handle_message(epoch(), other, Message::Have(piece)));
    conn
}

fn conduct(swarm: &Swarm<Tag>, conn: ConnId) -> Conduct {
    let evidence = swarm.evidence(epoch() + secs(60), conn, &swarm.sessions[&conn]);
    swarm.conduct(conn, &evidence)
}

/// A peer asks for so many bytes, from the first piece on, and gets them.
fn take(swarm: &mut Swarm<Tag>, conn: ConnId, bytes: u64) {
    swarm.handle_message(epoch(), conn, Message::Interested);
    serve(swarm);
    for begin in (0..bytes).step_by(BLOCK_LENGTH as usize) {
        let request = RawBlock {
            piece: (begin / (64 * 1024)) as u32,
            begin: (begin % (64 * 1024)) as u32,
            length: BLOCK_LENGTH,
        };
        swarm.handle_message(epoch(), conn, Message::Request(request));
        assert_eq!(serve(swarm).blocks, [request]);
    }
}

fn half_complete(info: &Arc<Info>) -> Swarm<Tag> {
    let count = info.layout().piece_count();
    let mut have = Bitfield::new(count);
    (0..count / 2).for_each(|piece| _ = have.insert(PieceIndex::new(piece)));
    with_memory(info, have, 32 << 20)
}

fn room_for(max_peers: usize) -> Grant {
    Grant {
        max_peers,
        ..Grant::default()
    }
}
