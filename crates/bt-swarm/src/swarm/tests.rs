//! Whole swarms, joined by wires without length, on virtual time.

mod banning;
mod dht_nodes;
mod evaluating;
mod extended;
mod fast;
mod gossiping;
mod hostile;
mod limits;
mod metadata;
mod ranking;
mod selecting;
mod sharing;
mod showing;
mod super_seeding;
mod trouble;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bt_scheduler::Grant;
use bt_types::{BLOCK_LENGTH, Direction, PartialPiece, PeerSource, PieceIndex, Transport};
use bt_wire::RawBlock;
use proptest::prelude::*;

use super::*;
use crate::{
    DiskDone, DiskJob,
    testing::{Net, Tag, epoch, torrent},
    upload::MAX_QUEUED_REQUESTS,
};

const MIB: u64 = 1 << 20;

#[test]
fn a_leech_gets_everything_from_a_seed() {
    let info = torrent(64 * 1024, 5 * MIB + 12_345);
    let mut net = Net::new();
    let (seed, leech) = (net.seed(&info), net.leech(&info));
    net.tell(leech, &[seed]);
    net.complete(leech, secs(60));
    let stats = net.nodes[leech].swarm.stats(net.now);
    assert_eq!(
        (stats.downloaded, stats.wasted.total()),
        (5 * MIB + 12_345, 0)
    );
    assert_eq!(stats.bytes_verified, stats.bytes_total);
    assert_eq!(
        net.nodes[seed].swarm.stats(net.now).uploaded,
        5 * MIB + 12_345
    );
    let completed = net.nodes[leech]
        .events
        .iter()
        .filter(|event| **event == Event::Completed);
    assert_eq!(completed.count(), 1);
    assert_eq!(
        net.nodes[seed].swarm.stats(net.now).peers_connected,
        0,
        "two seeds part"
    );
}

#[test]
fn leeches_feed_each_other() {
    let info = torrent(32 * 1024, 2 * MIB);
    let mut net = Net::new();
    let seed = net.seed(&info);
    let leeches: Vec<_> = (0..4).map(|_| net.leech(&info)).collect();
    net.tell(leeches[0], &[seed]);
    for pair in leeches.windows(2) {
        net.tell(pair[1], &[pair[0]]);
    }
    for &leech in &leeches {
        net.complete(leech, secs(120));
    }
    assert_eq!(
        net.nodes[seed].swarm.stats(net.now).uploaded,
        2 * MIB,
        "the chain passes it on"
    );
}

/// Nobody can see what the others are being sent; each is told of other pieces.
#[test]
fn a_lone_seed_tells_each_peer_of_other_pieces() {
    let info = torrent(64 * 1024, 2 * MIB);
    let mut seed = with_memory(&info, Bitfield::full(32), 32 << 20);
    let mut told = Vec::new();
    for peer in 1..=4 {
        let conn = seed.handle_connected(epoch(), incoming(peer)).unwrap();
        seed.handle_message(epoch(), conn, Message::Interested);
        let sent = drain(&mut seed);
        let pieces = sent.iter().filter_map(|action| match action {
            Action::Send(to, Outgoing::Message(Message::Suggest(piece))) if *to == conn => {
                Some(*piece)
            }
            _ => None,
        });
        told.extend(pieces);
        // First, so that its first requests are for these.
        let last = sent.last();
        assert!(matches!(
            last,
            Some(Action::Send(_, Outgoing::Message(Message::Unchoke)))
        ));
    }
    assert_eq!(told, (0..16).collect::<Vec<_>>());
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let info = torrent(32 * 1024, MIB);
        let mut net = Net::new();
        let nodes: Vec<_> = (0..3).map(|_| net.leech(&info)).collect();
        let seed = net.seed(&info);
        for &node in &nodes {
            net.tell(node, &[seed, nodes[0], nodes[1]]);
        }
        net.advance(secs(60));
        net.nodes
            .iter()
            .map(|node| format!("{:?}", node.events))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_seeder_that_restarts_is_found_again() {
    let info = torrent(1 << 20, 64 * MIB);
    let mut net = Net::new();
    let (seed, leech) = (net.seed(&info), net.leech(&info));
    net.nodes[leech].held_disk = Some(Vec::new());
    net.tell(leech, &[seed]);
    net.run();
    net.take_down(seed);
    net.release_disk(leech);
    net.advance(secs(60));
    let failures: Vec<_> = net.nodes[leech]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::DialFailed { failures, .. } => Some(*failures),
            _ => None,
        })
        .collect();
    assert_eq!(failures, [1, 2, 3], "5 s, then 10, 20 and 40 between");
    net.nodes[seed].is_down = false;
    net.complete(leech, secs(60));
}

#[test]
fn dials_that_take_too_long_are_aborted() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = lone(&info);
    let now = epoch();
    swarm.add_peers(now, PeerSource::Tracker, (1..=40).map(peer));
    let dials = drain(&mut swarm)
        .into_iter()
        .filter(|action| matches!(action, Action::Dial(_)));
    assert_eq!(
        dials.count(),
        Grant::default().max_half_open,
        "half-open dials are bounded"
    );
    let deadline = now + secs(20);
    while swarm.poll_timeout().is_some_and(|next| next <= deadline) {
        let next = swarm.poll_timeout().unwrap();
        swarm.handle_timeout(next);
    }
    let aborted = drain(&mut swarm)
        .into_iter()
        .filter(|a| matches!(a, Action::AbortDial(_)));
    assert_eq!(aborted.count(), Grant::default().max_half_open);
    assert_eq!(
        swarm.stats(deadline).dials_in_flight,
        40 - Grant::default().max_half_open
    );
}

#[test]
fn a_lone_liar_is_banned_and_the_download_goes_on() {
    let info = torrent(64 * 1024, 4 * MIB);
    let mut net = Net::new();
    let (liar, good, leech) = (net.seed(&info), net.seed(&info), net.leech(&info));
    net.nodes[liar].is_liar = true;
    net.tell(leech, &[liar]);
    net.advance(secs(1));
    assert!(
        net.nodes[leech]
            .events
            .iter()
            .any(|event| matches!(event, Event::PeerBanned { .. }))
    );
    net.tell(leech, &[liar, good]);
    net.complete(leech, secs(60));
    assert!(!connected_to(&net, leech, liar));
}

/// The pieces are large enough for all three to take part in each.
#[test]
fn one_liar_among_good_peers_never_stops_a_download() {
    let info = torrent(1 << 20, 8 * MIB);
    let mut net = Net::new();
    let seeds = [net.seed(&info), net.seed(&info), net.seed(&info)];
    let leech = net.leech(&info);
    net.nodes[seeds[1]].is_liar = true;
    net.tell(leech, &seeds);
    net.complete(leech, secs(600));
    let banned: Vec<_> = net.nodes[leech]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PeerBanned { peer, .. } => Some(*peer),
            _ => None,
        })
        .collect();
    assert!(
        banned.iter().all(|&peer| peer == net.nodes[seeds[1]].addr),
        "{banned:?}"
    );
}

#[test]
fn a_huge_piece_needs_no_more_memory_than_granted() {
    let info = torrent(128 << 20, 128 * MIB);
    let mut net = Net::new();
    let seed = net.seed(&info);
    let leech = net.add_with(&info, Bitfield::new(1), |config| {
        config.grant.memory_bytes = 16 << 20;
    });
    net.tell(leech, &[seed]);
    net.complete(leech, secs(600));
    let node = &net.nodes[leech];
    assert!(node.peak_memory <= 16 << 20, "{} bytes", node.peak_memory);
    assert!(node.spills >= 14, "{} spills", node.spills);
}

#[test]
fn blocks_of_an_earlier_run_are_not_fetched_again() {
    let info = torrent(64 << 10, 256 << 10);
    let mut net = Net::new();
    let seed = net.seed(&info);
    let leech = net.leech(&info);
    has_on_disk(&mut net, leech, 1, &[0, 2, 3], true);
    has_on_disk(&mut net, leech, 2, &[0, 1, 2, 3], true);
    net.run();
    let verified = net.nodes[leech].swarm.stats(net.now).pieces_verified;
    assert_eq!(verified, 1, "the one of which nothing is missing");
    net.tell(leech, &[seed]);
    net.complete(leech, secs(60));
    let stats = net.nodes[leech].swarm.stats(net.now);
    assert_eq!(stats.downloaded, (16 - 7) * 16_384);
    assert_eq!(stats.wasted.total(), 0);
}

#[test]
fn for_wrong_blocks_of_an_earlier_run_nobody_is_banned() {
    let info = torrent(64 << 10, 128 << 10);
    let mut net = Net::new();
    let seed = net.seed(&info);
    let leech = net.leech(&info);
    has_on_disk(&mut net, leech, 0, &[0, 2], false);
    has_on_disk(&mut net, leech, 1, &[0, 1, 2, 3], false);
    net.tell(leech, &[seed]);
    net.complete(leech, secs(60));
    let events = &net.nodes[leech].events;
    let failed = |event: &&Event| matches!(event, Event::PieceFailed { .. });
    assert_eq!(events.iter().filter(failed).count(), 2);
    let banned = |event: &Event| matches!(event, Event::PeerBanned { .. });
    assert!(!events.iter().any(banned), "{events:?}");
}

#[test]
fn what_is_in_memory_at_the_end_can_be_kept() {
    let info = torrent(1 << 20, 4 * MIB);
    let mut net = Net::new();
    let seed = net.seed(&info);
    let leech = net.leech(&info);
    net.nodes[seed].swarm.set_grant(net.now, slow());
    net.tell(leech, &[seed]);
    net.advance(secs(3));
    let stats = net.nodes[leech].swarm.stats(net.now);
    assert!(
        stats.downloaded > 0 && stats.bytes_verified < 4 * MIB,
        "{stats:?}"
    );
    net.nodes[leech].swarm.spill_all(net.now);
    net.nodes[leech].swarm.stop(net.now);
    net.run();
    let spilled = net.nodes[leech].spilled.values().map(BTreeMap::len);
    let kept = spilled.sum::<usize>() as u64 * 16_384;
    let verified = net.nodes[leech].swarm.stats(net.now).bytes_verified;
    assert_eq!(kept + verified, stats.downloaded);
    assert_eq!(net.nodes[leech].swarm.memory_bytes(), 0);
}

/// Blocks of a piece were written in an earlier run.
fn has_on_disk(net: &mut Net, node: usize, piece: u32, slots: &[u32], is_good: bool) {
    let piece = PieceIndex::new(piece);
    let tag = Tag {
        length: 16_384,
        is_good,
    };
    let blocks = slots.iter().map(|slot| (slot * 16_384, tag));
    net.nodes[node].spilled.insert(piece, blocks.collect());
    let slots = slots.to_vec();
    let partial = PartialPiece { piece, slots };
    let now = net.now;
    net.nodes[node].swarm.handle_partial_piece(now, &partial);
}

/// A third of a MiB per second.
fn slow() -> Grant {
    let mut grant = Grant::default();
    grant.rates.upload = std::num::NonZeroU64::new(MIB / 3);
    grant
}

#[test]
fn fifty_peers_with_huge_pieces_and_a_slow_disk_share_a_small_memory() {
    let info = torrent(16 << 20, 160 * MIB);
    let mut net = Net::new();
    let seeds: Vec<_> = (0..50).map(|_| net.seed(&info)).collect();
    let leech = net.add_with(&info, Bitfield::new(10), |config| {
        config.grant.memory_bytes = 16 << 20;
        config.grant.max_half_open = 100;
    });
    net.nodes[leech].held_disk = Some(Vec::new());
    net.tell(leech, &seeds);
    // The disk answers only now and then: everybody runs into the bound again and again.
    for _ in 0..2000 {
        net.advance(Duration::from_millis(100));
        net.release_disk(leech);
        net.nodes[leech].held_disk = Some(Vec::new());
        if net.nodes[leech].swarm.is_complete() {
            break;
        }
    }
    let node = &net.nodes[leech];
    assert!(node.swarm.is_complete(), "{:?}", node.swarm.stats(net.now));
    assert!(node.peak_memory <= 16 << 20, "{} bytes", node.peak_memory);
}

#[test]
fn two_peers_that_dial_each_other_keep_one_connection() {
    let info = torrent(64 * 1024, MIB);
    let mut net = Net::new();
    let nodes = [net.leech(&info), net.leech(&info)];
    net.tell(nodes[0], &[nodes[1]]);
    net.tell(nodes[1], &[nodes[0]]);
    net.advance(secs(1));
    for node in nodes {
        assert_eq!(net.nodes[node].swarm.stats(net.now).peers_connected, 1);
    }
}

#[test]
fn meeting_ourselves_is_remembered() {
    let info = torrent(64 * 1024, MIB);
    let mut net = Net::new();
    let node = net.leech(&info);
    net.tell(node, &[node]);
    net.advance(secs(600));
    let stats = net.nodes[node].swarm.stats(net.now);
    assert_eq!((stats.peers_connected, stats.peers_known), (0, 0));
}

#[test]
fn keep_alives_are_sent_and_silence_ends_a_connection() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = lone(&info);
    let now = epoch();
    let conn = swarm.handle_connected(now, incoming(1)).unwrap();
    drain(&mut swarm);
    let mut keep_alives = Vec::new();
    let mut silent_at = None;
    while let Some(next) = swarm.poll_timeout().filter(|&next| next <= now + secs(300)) {
        swarm.handle_timeout(next);
        for action in drain(&mut swarm) {
            match action {
                Action::Send(_, Outgoing::Message(Message::KeepAlive)) => {
                    keep_alives.push((next - now).as_secs());
                }
                Action::Disconnect(gone, DisconnectReason::Silent) if gone == conn => {
                    silent_at = Some((next - now).as_secs());
                }
                _ => {}
            }
        }
    }
    assert_eq!(keep_alives, [100]);
    assert_eq!(silent_at, Some(150));
}

#[test]
fn who_breaks_the_protocol_is_dropped_with_the_reason() {
    let check = |fast: bool, messages: Vec<Message>, expected: &str| {
        let info = torrent(64 * 1024, MIB);
        let mut swarm = lone(&info);
        let now = epoch();
        let mut connection = incoming(1);
        if !fast {
            connection.reserved = Reserved::NONE;
        }
        let conn = swarm.handle_connected(now, connection).unwrap();
        drain(&mut swarm);
        for message in messages {
            swarm.handle_message(now, conn, message);
            swarm.check_invariants();
        }
        let reasons = drain(&mut swarm).into_iter().filter_map(reason);
        let reasons: Vec<_> = reasons.map(|reason| reason.to_string()).collect();
        assert_eq!(reasons, [format!("protocol broken: {expected}")]);
    };
    let raw = |piece| RawBlock {
        piece,
        begin: 0,
        length: 16_384,
    };
    for piece in [16, 99, u32::MAX] {
        let named = [
            (Message::Have(piece), "have"),
            (Message::Suggest(piece), "suggest"),
            (Message::AllowedFast(piece), "allowed-fast"),
        ];
        for (message, name) in named {
            let expected = format!("{name} about a piece that does not exist: piece {piece} of 16");
            check(true, vec![message], &expected);
        }
    }
    check(
        true,
        vec![Message::Bitfield([0; 3].into())],
        "bitfield of 3 bytes, 2 expected for 16 pieces",
    );
    let fast = [
        (Message::HaveAll, "have-all"),
        (Message::HaveNone, "have-none"),
        (Message::Reject(raw(0)), "reject"),
        (Message::Suggest(0), "suggest"),
        (Message::AllowedFast(0), "allowed-fast"),
    ];
    for (message, name) in fast {
        let expected = format!("{name} without the fast extension");
        check(false, vec![message], &expected);
    }
    check(
        true,
        vec![Message::Request(raw(1)); 301],
        "301 requests for what it cannot have",
    );
    check(
        true,
        vec![Message::Unknown { id: 99, length: 5 }; 101],
        "101 unknown messages",
    );
}

/// aria2 does so: a bitfield in place of many a `have`. What was told once stays told.
#[test]
fn a_peer_may_tell_again_which_pieces_it_has() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = lone(&info);
    let now = epoch();
    let conn = swarm.handle_connected(now, incoming(1)).unwrap();
    let mut pieces_after = |message| {
        swarm.handle_message(now, conn, message);
        swarm.check_invariants();
        let torrent = swarm.torrent.as_ref().unwrap();
        torrent.picker.peer_pieces(conn).as_bytes().to_vec()
    };
    let bitfield = |bytes: [u8; 2]| Message::Bitfield(bytes.into());
    assert_eq!(pieces_after(Message::HaveNone), [0, 0]);
    assert_eq!(pieces_after(Message::Have(15)), [0, 1]);
    assert_eq!(pieces_after(bitfield([0x80, 0])), [0x80, 1]);
    assert_eq!(pieces_after(bitfield([0xc0, 1])), [0xc0, 1]);
    assert_eq!(pieces_after(bitfield([0, 0])), [0xc0, 1]);
    assert_eq!(pieces_after(Message::HaveNone), [0xc0, 1]);
    assert_eq!(pieces_after(Message::HaveAll), [0xff, 0xff]);
    assert_eq!(pieces_after(Message::HaveAll), [0xff, 0xff]);
    assert_eq!(pieces_after(bitfield([0x80, 0])), [0xff, 0xff]);
    assert_eq!(swarm.stats(now).peers_connected, 1);
}

#[test]
fn a_few_unknown_messages_and_odd_requests_are_forgiven() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = lone(&info);
    let now = epoch();
    let conn = swarm.handle_connected(now, incoming(1)).unwrap();
    for _ in 0..50 {
        swarm.handle_message(now, conn, Message::Unknown { id: 200, length: 1 });
        let raw = RawBlock {
            piece: u32::MAX,
            begin: u32::MAX,
            length: u32::MAX,
        };
        swarm.handle_message(now, conn, Message::Request(raw));
        swarm.handle_message(now, conn, Message::Cancel(raw));
        swarm.handle_message(now, conn, Message::Reject(raw));
        swarm.handle_block(
            now,
            conn,
            raw,
            Tag {
                length: 7,
                is_good: false,
            },
        );
    }
    assert_eq!(swarm.stats(now).peers_connected, 1);
}

#[test]
fn what_was_said_before_the_metadata_counts_after_it() {
    let info = torrent(64 * 1024, MIB);
    let now = epoch();
    let mut swarm = without_metadata(&info);
    let conn = swarm.handle_connected(now, incoming(1)).unwrap();
    swarm.handle_message(now, conn, Message::HaveNone);
    swarm.handle_message(now, conn, Message::Have(3));
    swarm.handle_message(now, conn, Message::Unchoke);
    drain(&mut swarm);
    swarm.handle_metadata(now, Arc::clone(&info), Bitfield::new(16));
    let requests: Vec<_> = drain(&mut swarm)
        .into_iter()
        .filter_map(|action| match action {
            Action::Send(_, Outgoing::Message(Message::Request(raw))) => Some(raw.piece),
            _ => None,
        })
        .collect();
    assert!(
        !requests.is_empty() && requests.iter().all(|&piece| piece == 3),
        "{requests:?}"
    );
}

#[test]
fn requests_of_a_choked_peer_are_rejected_those_of_an_unchoked_one_served() {
    let info = torrent(64 * 1024, MIB);
    let now = epoch();
    let mut swarm = without_metadata(&info);
    swarm.handle_metadata(now, Arc::clone(&info), Bitfield::full(16));
    let conn = swarm.handle_connected(now, incoming(1)).unwrap();
    let raw = RawBlock {
        piece: 1,
        begin: 0,
        length: BLOCK_LENGTH,
    };
    drain(&mut swarm);
    swarm.handle_message(now, conn, Message::Request(raw));
    assert!(matches!(
        drain(&mut swarm)[..],
        [Action::Send(_, Outgoing::Message(Message::Reject(rejected)))] if rejected == raw
    ));
    swarm.handle_message(now, conn, Message::Interested);
    let mut actions = drain(&mut swarm);
    swarm.handle_message(now, conn, Message::Request(raw));
    actions.extend(drain(&mut swarm));
    actions.retain(|action| {
        !matches!(
            action,
            Action::Send(_, Outgoing::Message(Message::Suggest(_)))
        )
    });
    assert!(matches!(
        actions[0],
        Action::Send(_, Outgoing::Message(Message::Unchoke))
    ));
    let Action::Disk(DiskJob::Read { block, .. }) = actions[1] else {
        panic!()
    };
    read(&mut swarm, now, conn, block);
    assert!(
        matches!(drain(&mut swarm)[..], [Action::Send(_, Outgoing::Block(sent, _))] if sent == block)
    );
}

/// rtorrent asks for as much as it gets in some seconds, on a fast line for thousands of blocks, and
/// has no fast extension. It must neither be dropped for that nor left waiting.
#[test]
fn requests_that_find_no_room_are_answered_and_held_against_nobody() {
    let now = epoch();
    for supports_fast in [true, false] {
        let info = torrent(64 * 1024, 256 * MIB);
        let mut swarm = with_memory(&info, Bitfield::full(4096), 32 << 20);
        let mut peer = incoming(1);
        if !supports_fast {
            peer.reserved = Reserved::NONE.with_extended();
        }
        let conn = swarm.handle_connected(now, peer).unwrap();
        swarm.handle_message(now, conn, Message::Interested);
        drain(&mut swarm);
        let asked = MAX_QUEUED_REQUESTS + 100;
        for n in 0..asked {
            let raw = RawBlock {
                piece: n / 4,
                begin: n % 4 * BLOCK_LENGTH,
                length: BLOCK_LENGTH,
            };
            swarm.handle_message(now, conn, Message::Request(raw));
        }
        let (mut sent, mut told) = (0, Vec::new());
        loop {
            let actions = drain(&mut swarm);
            if actions.is_empty() {
                break;
            }
            for action in actions {
                match action {
                    Action::Disk(DiskJob::Read { conn, block }) => {
                        read(&mut swarm, now, conn, block);
                    }
                    Action::Send(_, Outgoing::Block(block, _)) => {
                        sent += 1;
                        swarm.handle_block_sent(now, conn, block);
                    }
                    Action::Send(_, Outgoing::Message(message)) => told.push(message),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(sent, MAX_QUEUED_REQUESTS);
        if supports_fast {
            let is_reject = |message: &Message| matches!(message, Message::Reject(_));
            assert_eq!(told.iter().filter(|told| is_reject(told)).count(), 100);
        } else {
            assert_eq!(told, [Message::Choke, Message::Unchoke]);
        }
        assert_eq!(swarm.stats(now).peers_connected, 1);
    }
}

#[test]
fn a_stopped_swarm_takes_nobody_and_wants_nothing() {
    let info = torrent(64 * 1024, MIB);
    let mut swarm = lone(&info);
    let now = epoch();
    swarm.add_peers(now, PeerSource::Tracker, [peer(1)]);
    let _conn = swarm.handle_connected(now, incoming(2)).unwrap();
    swarm.stop(now);
    drain(&mut swarm);
    assert_eq!(
        swarm.handle_connected(now, incoming(3)),
        Err(Refusal::Stopped)
    );
    assert_eq!(swarm.poll_timeout(), None);
    assert!(drain(&mut swarm).is_empty());
    assert_eq!(swarm.stats(now).peers_connected, 0);
}

/// Whoever does not read must not be able to stop the download: neither by what is on its way to
/// it, nor by staying.
#[test]
fn peers_that_do_not_read_take_a_quarter_of_the_memory_and_are_dropped() {
    let info = torrent(64 * 1024, 64 * MIB);
    let start = epoch();
    let mut have = Bitfield::full(1024);
    for piece in 512..1024 {
        have.remove(bt_types::PieceIndex::new(piece));
    }
    let mut swarm = with_memory(&info, have, 1 << 20);
    let deaf: Vec<_> = (1..=20)
        .map(|id| swarm.handle_connected(start, incoming(id)).unwrap())
        .collect();
    let (mut dropped, mut not_reading) = (0, 0);
    for second in 0..600 {
        let now = start + secs(second);
        for (conn, slot) in deaf
            .iter()
            .flat_map(|conn| (0..16).map(move |slot| (*conn, slot)))
        {
            swarm.handle_message(now, conn, Message::Interested);
            let raw = RawBlock {
                piece: slot,
                begin: 0,
                length: BLOCK_LENGTH,
            };
            swarm.handle_message(now, conn, Message::Request(raw));
        }
        swarm.handle_timeout(now);
        for action in drain(&mut swarm) {
            match action {
                Action::Disk(DiskJob::Read { conn, block }) => {
                    read(&mut swarm, now, conn, block);
                }
                Action::Disconnect(_, reason) => {
                    dropped += 1;
                    not_reading += usize::from(reason == DisconnectReason::NotReading);
                }
                _ => {}
            }
        }
        swarm.check_invariants();
        assert!(swarm.stats(now).memory_bytes <= 1 << 18, "second {second}");
    }
    // Those that never got a slot are dropped for asking all the same.
    assert_eq!(dropped, deaf.len());
    assert!(not_reading >= 8, "{not_reading}");
}

#[test]
fn silent_peers_do_not_keep_the_memory_from_a_good_one() {
    let info = torrent(64 * 1024, 64 * MIB);
    let start = epoch();
    let mut swarm = with_memory(&info, Bitfield::new(1024), 1 << 20);
    for id in 1..=40 {
        let conn = swarm.handle_connected(start, incoming(id)).unwrap();
        swarm.handle_message(start, conn, Message::HaveAll);
        swarm.handle_message(start, conn, Message::Unchoke);
    }
    drain(&mut swarm);
    let good = swarm.handle_connected(start, incoming(99)).unwrap();
    swarm.handle_message(start, good, Message::HaveAll);
    swarm.handle_message(start, good, Message::Unchoke);
    let mut received = 0;
    for tick in 0..600 {
        let now = start + Duration::from_millis(tick * 100);
        swarm.handle_timeout(now);
        for action in drain(&mut swarm) {
            match action {
                Action::Send(conn, Outgoing::Message(Message::Request(raw))) if conn == good => {
                    received += 1;
                    let tag = Tag {
                        length: raw.length,
                        is_good: true,
                    };
                    swarm.handle_block(now, good, raw, tag);
                }
                Action::Disk(DiskJob::Verify { piece, .. }) => {
                    let block_digests = Vec::new();
                    swarm.handle_disk(
                        now,
                        DiskDone::Verified {
                            piece,
                            block_digests,
                        },
                    );
                }
                _ => {}
            }
        }
    }
    assert_eq!(
        received,
        64 * 64,
        "everything, from the good one, within a minute"
    );
}

#[test]
fn idle_strangers_leave_room_for_those_we_choose() {
    let info = torrent(64 * 1024, MIB);
    let start = epoch();
    let mut swarm = lone(&info);
    let from_one_host = |id: u8| NewConnection {
        peer: SocketAddr::from(([8, 8, 8, 8], 1000 + u16::from(id))),
        ..incoming(id)
    };
    let admitted = (1..=50).filter(|&id| swarm.handle_connected(start, from_one_host(id)).is_ok());
    assert_eq!(admitted.count(), 8);
    let admitted = (51..=250).filter(|&id| swarm.handle_connected(start, incoming(id)).is_ok());
    assert_eq!(admitted.count(), 150 - 8, "a quarter is left");
    swarm.add_peers(
        start,
        PeerSource::User,
        [SocketAddr::from(([9, 9, 9, 9], 1))],
    );
    assert!(
        drain(&mut swarm)
            .iter()
            .any(|action| matches!(action, Action::Dial(_)))
    );
    // Later, somebody new takes the place of one that never traded anything.
    let later = start + secs(121);
    assert!(swarm.handle_connected(later, incoming(251)).is_ok());
    assert!(
        drain(&mut swarm)
            .iter()
            .any(|action| { matches!(action, Action::Disconnect(_, DisconnectReason::Useless)) })
    );
}

#[test]
fn nobody_is_cut_off_by_a_stranger_who_takes_its_id() {
    let info = torrent(64 * 1024, MIB);
    let now = epoch();
    let mut swarm = lone(&info);
    let friend = dial_one(&mut swarm, now, peer(1), 200);
    let stranger = NewConnection {
        peer: SocketAddr::from(([10, 0, 0, 66], 5000)),
        peer_id: bt_types::PeerId([200; 20]),
        ..incoming(1)
    };
    assert!(swarm.handle_connected(now, stranger).is_ok());
    assert!(swarm.peers(now).any(|peer| peer.conn == friend));
}

#[test]
fn a_peer_that_has_come_by_itself_is_not_dialled_again() {
    let info = torrent(64 * 1024, MIB);
    let start = epoch();
    let mut swarm = lone(&info);
    swarm.add_peers(start, PeerSource::Tracker, [peer(1)]);
    let Some(Action::Dial(dial)) = swarm.poll_action() else {
        panic!()
    };
    // It comes by itself, from another port and under another id, and says where it listens.
    let mut inbound = incoming(1);
    inbound.peer.set_port(50_000);
    let conn = swarm.handle_connected(start, inbound).unwrap();
    let hello = bt_wire::ExtendedHandshake {
        port: Some(peer(1).port()),
        ..Default::default()
    };
    let mut payload = Vec::new();
    hello.encode(&mut payload);
    let hello = Message::Extended {
        id: 0,
        payload: payload.into(),
    };
    swarm.handle_message(start, conn, hello);
    let ours = NewConnection {
        peer: peer(1),
        direction: Direction::Outbound,
        peer_id: bt_types::PeerId([77; 20]),
        dial: Some(dial.id),
        ..incoming(1)
    };
    assert_eq!(swarm.handle_connected(start, ours), Err(Refusal::Duplicate));
    for minute in 0..60 {
        let now = start + secs(60 * minute);
        swarm.handle_message(now, conn, Message::KeepAlive);
        swarm.handle_timeout(now);
        assert!(
            !drain(&mut swarm)
                .iter()
                .any(|action| matches!(action, Action::Dial(_)))
        );
    }
    // And once it has gone, it is.
    swarm.handle_disconnected(start + secs(3600), conn, None);
    swarm.handle_timeout(start + secs(3700));
    assert!(
        drain(&mut swarm)
            .iter()
            .any(|action| matches!(action, Action::Dial(_)))
    );
}

#[test]
fn blocks_that_cross_our_cancels_are_nobody_s_fault() {
    let info = torrent(64 * 1024, 64 * MIB);
    let start = epoch();
    let mut swarm = with_memory(&info, Bitfield::new(1024), 32 << 20);
    let conn = swarm.handle_connected(start, incoming(1)).unwrap();
    swarm.handle_message(start, conn, Message::HaveAll);
    let mut late = 0;
    for round in 0..400 {
        let now = start + Duration::from_millis(round * 10);
        swarm.handle_message(now, conn, Message::Unchoke);
        let requests: Vec<_> = drain(&mut swarm)
            .into_iter()
            .filter_map(|action| match action {
                Action::Send(_, Outgoing::Message(Message::Request(raw))) => Some(raw),
                _ => None,
            })
            .collect();
        swarm.stop_expecting(now, conn);
        for raw in requests {
            late += 1;
            swarm.handle_unrequested_block(now, conn, raw);
        }
    }
    assert!(late > 1000, "{late}");
    let stats = swarm.stats(start + secs(4));
    assert_eq!(stats.peers_connected, 1);
    assert_eq!(
        stats.downloaded,
        stats.wasted.total(),
        "they count as received, and as waste"
    );
}

/// Less memory must not stop what is held already, nor must more of it go unnoticed.
#[test]
fn a_grant_that_changes_stops_nothing() {
    let info = torrent(8 << 20, 64 * MIB);
    let mut net = Net::new();
    let (seed, leech) = (net.seed(&info), net.leech(&info));
    net.tell(leech, &[seed]);
    net.nodes[leech].held_disk = Some(Vec::new());
    net.run();
    for memory_bytes in [1 << 20, 0, 32 << 20] {
        let grant = Grant {
            memory_bytes,
            ..Grant::default()
        };
        let now = net.now;
        net.nodes[leech].swarm.set_grant(now, grant);
        net.release_disk(leech);
        net.advance(secs(5));
    }
    net.complete(leech, secs(60));
}

/// Even where there is no room for another.
#[test]
fn of_two_connections_to_one_peer_one_is_kept() {
    let info = torrent(64 * 1024, MIB);
    let now = epoch();
    let mut swarm = lone(&info);
    swarm.set_grant(
        now,
        Grant {
            max_peers: 4,
            ..Grant::default()
        },
    );
    let outbound = dial_one(&mut swarm, now, peer(1), 1);
    for id in 2..5 {
        swarm.handle_connected(now, incoming(id)).unwrap();
    }
    // Its id is the lower one: our connection stays.
    assert_eq!(
        swarm.handle_connected(now, incoming(1)),
        Err(Refusal::Duplicate)
    );
    assert!(swarm.peers(now).any(|peer| peer.conn == outbound));

    let config = Config::new(bt_types::PeerId([0; 20]), 6881);
    let mut swarm: Swarm<Tag> = Swarm::new(info.ids(), config, [0; 32]);
    swarm.handle_metadata(now, Arc::clone(&info), Bitfield::new(16));
    swarm.set_grant(
        now,
        Grant {
            max_peers: 4,
            ..Grant::default()
        },
    );
    let outbound = dial_one(&mut swarm, now, peer(1), 1);
    for id in 2..5 {
        swarm.handle_connected(now, incoming(id)).unwrap();
    }
    // Its id is the greater one: its connection takes the place of ours.
    let kept = swarm.handle_connected(now, incoming(1)).unwrap();
    let conns: Vec<_> = swarm.peers(now).map(|peer| peer.conn).collect();
    assert!(conns.contains(&kept) && !conns.contains(&outbound));
}

#[test]
fn a_peer_under_two_addresses_is_not_dialled_for_ever() {
    let info = torrent(64 * 1024, MIB);
    let start = epoch();
    let mut swarm = lone(&info);
    let conn = dial_one(&mut swarm, start, peer(1), 1);
    let mut other = peer(1);
    other.set_port(9999);
    swarm.add_peers(start, PeerSource::Tracker, [other]);
    let mut dials = 0;
    for second in 0..600 {
        let now = start + secs(second);
        swarm.handle_message(now, conn, Message::KeepAlive);
        swarm.handle_timeout(now);
        for action in drain(&mut swarm) {
            let Action::Dial(dial) = action else { continue };
            dials += 1;
            let again = NewConnection {
                peer: other,
                direction: Direction::Outbound,
                dial: Some(dial.id),
                ..incoming(1)
            };
            assert_eq!(swarm.handle_connected(now, again), Err(Refusal::Duplicate));
        }
    }
    assert!(dials <= 8, "{dials} dials in ten minutes");
}

/// BEP 27: nobody comes along to another tracker, not even who is just being dialled.
#[test]
fn forgetting_peers_forgets_dials_too() {
    let info = torrent(64 * 1024, MIB);
    let now = epoch();
    let mut swarm = lone(&info);
    let _conn = dial_one(&mut swarm, now, peer(1), 1);
    swarm.add_peers(now, PeerSource::Tracker, [peer(2), peer(3)]);
    swarm.handle_timeout(now + secs(1));
    drain(&mut swarm);
    swarm.forget_peers(now + secs(1));
    let aborted = drain(&mut swarm)
        .into_iter()
        .filter(|a| matches!(a, Action::AbortDial(_)));
    assert_eq!(aborted.count(), 2);
    let stats = swarm.stats(now + secs(1));
    assert_eq!(
        (
            stats.peers_known,
            stats.peers_connected,
            stats.dials_in_flight
        ),
        (0, 0, 0)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a peer says, in whatever order: no panic, no broken invariant, bounded memory.
    #[test]
    fn any_sequence_of_messages_is_survived(
        messages in prop::collection::vec(any_message(), 0..200),
        complete: bool,
        super_seed: bool,
    ) {
        let info = torrent(64 * 1024, MIB);
        let start = epoch();
        let mut config = Config::new(bt_types::PeerId([255; 20]), 6881);
        config.super_seed = super_seed;
        let mut swarm: Swarm<Tag> = Swarm::new(info.ids(), config, [0; 32]);
        let have = if complete { Bitfield::full(16) } else { Bitfield::new(16) };
        swarm.handle_metadata(start, info, have);
        let conns: Vec<_> =
            (1..4).map(|id| swarm.handle_connected(start, incoming(id)).unwrap()).collect();
        for (step, (conn, message)) in messages.into_iter().enumerate() {
            let now = start + Duration::from_millis(step as u64 * 300);
            let conn = conns[conn];
            match message {
                Ok(message) => swarm.handle_message(now, conn, message),
                Err(raw) => {
                    let tag = Tag { length: raw.length, is_good: step % 3 > 0 };
                    swarm.handle_block(now, conn, raw, tag);
                }
            }
            swarm.handle_timeout(now);
            drain(&mut swarm);
            swarm.check_invariants();
            prop_assert!(swarm.stats(now).memory_bytes <= Grant::default().memory_bytes);
        }
    }
}

fn any_message() -> impl Strategy<Value = (usize, Result<Message, RawBlock>)> {
    let raw = (
        0_u32..17,
        0_u32..5,
        prop_oneof![Just(16_384_u32), 0_u32..20_000],
    )
        .prop_map(|(piece, slot, length)| RawBlock {
            piece,
            begin: slot * 16_384,
            length,
        });
    let piece = 0_u32..17;
    let message = prop_oneof![
        Just(Ok(Message::Choke)),
        Just(Ok(Message::Unchoke)),
        Just(Ok(Message::Interested)),
        Just(Ok(Message::NotInterested)),
        Just(Ok(Message::HaveAll)),
        Just(Ok(Message::HaveNone)),
        piece.clone().prop_map(|piece| Ok(Message::Have(piece))),
        piece.clone().prop_map(|piece| Ok(Message::Suggest(piece))),
        piece.prop_map(|piece| Ok(Message::AllowedFast(piece))),
        any::<[u8; 2]>().prop_map(|bytes| Ok(Message::Bitfield(bytes.into()))),
        raw.clone().prop_map(|raw| Ok(Message::Request(raw))),
        raw.clone().prop_map(|raw| Ok(Message::Cancel(raw))),
        raw.clone().prop_map(|raw| Ok(Message::Reject(raw))),
        raw.prop_map(Err),
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(id, payload)| Ok(
            Message::Extended {
                id,
                payload: payload.into()
            }
        )),
    ];
    (0_usize..3, message)
}

/// As before a magnet link's metadata has come.
fn without_metadata(info: &Arc<Info>) -> Swarm<Tag> {
    let config = Config::new(bt_types::PeerId([255; 20]), 6881);
    Swarm::new(info.ids(), config, [0; 32])
}

fn lone(info: &Arc<Info>) -> Swarm<Tag> {
    let mut swarm = without_metadata(info);
    let have = Bitfield::new(info.layout().piece_count());
    swarm.handle_metadata(epoch(), Arc::clone(info), have);
    swarm
}

fn with_memory(info: &Arc<Info>, have: Bitfield, memory_bytes: usize) -> Swarm<Tag> {
    let mut config = Config::new(bt_types::PeerId([255; 20]), 6881);
    config.grant.memory_bytes = memory_bytes;
    let mut swarm = Swarm::new(info.ids(), config, [0; 32]);
    swarm.handle_metadata(epoch(), Arc::clone(info), have);
    swarm
}

fn dial_one(swarm: &mut Swarm<Tag>, now: Instant, addr: SocketAddr, id: u8) -> ConnId {
    swarm.add_peers(now, PeerSource::Tracker, [addr]);
    let Some(Action::Dial(dial)) = swarm.poll_action() else {
        panic!("nobody is dialled")
    };
    let connection = NewConnection {
        peer: addr,
        direction: Direction::Outbound,
        peer_id: bt_types::PeerId([id; 20]),
        dial: Some(dial.id),
        ..incoming(1)
    };
    swarm.handle_connected(now, connection).unwrap()
}

impl Swarm<Tag> {
    /// What a choke without the fast extension does, and the end of one.
    fn stop_expecting(&mut self, now: Instant, conn: ConnId) {
        if let Some(torrent) = &mut self.torrent {
            torrent
                .picker
                .choked(now, conn, bt_scheduler::OnChoke::Dropped);
        }
    }
}

fn incoming(id: u8) -> NewConnection {
    NewConnection {
        peer: peer(id),
        direction: Direction::Inbound,
        transport: Transport::Tcp,
        peer_id: bt_types::PeerId([id; 20]),
        reserved: Reserved::NONE.with_fast().with_extended(),
        dial: None,
    }
}

fn peer(id: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, id], 6881))
}

fn drain(swarm: &mut Swarm<Tag>) -> Vec<Action<Tag>> {
    std::iter::from_fn(|| swarm.poll_action()).collect()
}

/// What becomes of requests.
#[derive(Debug, Default, Eq, PartialEq)]
struct Answers {
    blocks: Vec<RawBlock>,
    rejects: Vec<RawBlock>,
    end: Option<DisconnectReason>,
}

/// Reads what is asked of the disk, and hands over what is sent, until nothing happens any more.
fn serve(swarm: &mut Swarm<Tag>) -> Answers {
    let mut answers = Answers::default();
    while let Some(action) = swarm.poll_action() {
        match action {
            Action::Disk(DiskJob::Read { conn, block }) => read(swarm, epoch(), conn, block),
            Action::Send(conn, Outgoing::Block(block, _)) => {
                swarm.handle_block_sent(epoch(), conn, block);
                answers.blocks.push(block.into());
            }
            Action::Send(_, Outgoing::Message(Message::Reject(raw))) => answers.rejects.push(raw),
            Action::Disconnect(_, reason) => answers.end = Some(reason),
            _ => {}
        }
    }
    answers
}

/// The disk has done a read.
fn read(swarm: &mut Swarm<Tag>, now: Instant, conn: ConnId, block: bt_types::Block) {
    let payload = Tag {
        length: block.length,
        is_good: true,
    };
    let done = DiskDone::Read {
        conn,
        block,
        payload,
    };
    swarm.handle_disk(now, done);
}

fn is_request(action: &Action<Tag>) -> bool {
    matches!(
        action,
        Action::Send(_, Outgoing::Message(Message::Request(_)))
    )
}

fn is_reject(action: &Action<Tag>) -> bool {
    matches!(
        action,
        Action::Send(_, Outgoing::Message(Message::Reject(_)))
    )
}

fn reason(action: Action<Tag>) -> Option<DisconnectReason> {
    match action {
        Action::Disconnect(_, reason) => Some(reason),
        _ => None,
    }
}

fn connected_to(net: &Net, node: usize, other: usize) -> bool {
    let addr = net.nodes[other].addr;
    net.nodes[node]
        .swarm
        .peers(net.now)
        .any(|peer| peer.addr == addr)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
