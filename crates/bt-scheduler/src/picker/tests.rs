mod hints;
mod priorities;
mod properties;
mod scenarios;
mod world;

use bt_types::{BLOCK_LENGTH, FileExtent};

use super::*;
use world::{epoch, layout};

#[test]
fn a_choking_peer_is_asked_for_nothing() {
    let (mut picker, now, conn) = with_seed(layout(4, 4));
    picker.choked(now, conn, OnChoke::Dropped);
    assert_eq!(pick(&mut picker, now, conn), []);
    assert!(picker.is_interesting(conn));
    picker.unchoked(now, conn);
    assert_eq!(pick(&mut picker, now, conn).len(), 4);
}

#[test]
fn a_block_is_accepted_once_and_only_if_asked_for() {
    let (mut picker, now, conn) = with_seed(layout(4, 4));
    let asked = pick(&mut picker, now, conn);
    let other = Block {
        length: 1,
        ..asked[0]
    };
    assert_eq!(picker.handle_block(now, conn, other), Received::Unrequested);
    assert_eq!(
        picker.handle_block(now, ConnId(9), asked[0]),
        Received::Unrequested
    );
    for (&block, piece_complete) in asked.iter().zip([false, false, false, true]) {
        let accepted = Received::Accepted { piece_complete };
        assert_eq!(picker.handle_block(now, conn, block), accepted);
    }
    assert_eq!(
        picker.handle_block(now, conn, asked[0]),
        Received::Unrequested
    );
    assert_eq!(picker.outstanding_total(), 0);
    picker.check_invariants();
}

#[test]
fn what_is_on_disk_of_a_piece_is_not_asked_for() {
    let (mut picker, now, conn) = with_seed(layout(2, 4));
    let piece = PieceIndex::new(1);
    assert_eq!(picker.piece_resumed(piece, [0, 2, 99]), Some(false));
    assert_eq!(picker.piece_resumed(piece, [1]), None, "it is begun");
    picker.check_invariants();
    let mut asked = receive_all(&mut picker, now, conn);
    asked.retain(|block| block.piece == piece);
    let slots: Vec<_> = asked.iter().map(|block| block.slot()).collect();
    assert_eq!(slots, [1, 3]);
    picker.piece_verified(piece);
    assert_eq!(picker.piece_resumed(piece, [1]), None, "it is done");
    picker.check_invariants();

    let (mut picker, now, conn) = with_seed(layout(1, 4));
    assert_eq!(picker.piece_resumed(PieceIndex::new(0), 0..4), Some(true));
    assert_eq!(pick(&mut picker, now, conn), []);
    picker.piece_failed(PieceIndex::new(0));
    assert_eq!(pick(&mut picker, now, conn).len(), 4);
    picker.check_invariants();
}

#[test]
fn a_piece_is_had_when_it_is_verified_and_wanted_again_when_it_fails() {
    let (mut picker, now, conn) = with_seed(layout(1, 4));
    let asked = receive_all(&mut picker, now, conn);
    assert_eq!(
        pick(&mut picker, now, conn),
        [],
        "while it is being checked"
    );
    assert!(!picker.is_complete());
    picker.piece_failed(asked[0].piece);
    picker.check_invariants();
    assert_eq!(receive_all(&mut picker, now, conn).len(), 4);
    assert_eq!(picker.bytes_left(), u64::from(4 * BLOCK_LENGTH));
    picker.piece_verified(asked[0].piece);
    assert!(picker.is_complete() && picker.have().is_full());
    assert!(!picker.is_interesting(conn));
    assert_eq!(picker.bytes_left(), 0);
    // The disk has lost it.
    picker.piece_failed(asked[0].piece);
    assert!(picker.is_interesting(conn) && !picker.is_complete());
    picker.check_invariants();
}

/// BEP 47, and a piece of which nothing can be requested.
#[test]
fn padding_is_never_requested() {
    let block = u64::from(BLOCK_LENGTH);
    let files = [
        FileExtent::data(block + 100),
        FileExtent::pad(3 * block - 100),
        FileExtent::pad(4 * block),
        FileExtent::data(4 * block),
    ];
    let layout = PieceLayout::packed(4 * block, files).unwrap();
    let (mut picker, now, conn) = with_seed(layout);
    assert_eq!(picker.bytes_left(), 5 * block + 100);
    let mut asked = Vec::new();
    while !picker.is_complete() {
        asked.extend(receive_all(&mut picker, now, conn));
        for piece in [0, 2] {
            picker.piece_verified(PieceIndex::new(piece));
        }
    }
    let bytes: u64 = asked.iter().map(|block| u64::from(block.length)).sum();
    assert_eq!((asked.len(), bytes), (6, 5 * block + 100));
    assert_eq!((picker.bytes_left(), picker.have().count_ones()), (0, 2));
    assert!(!picker.is_interesting(conn));
    // Whoever finds it on disk may say so; failing changes nothing.
    picker.piece_failed(PieceIndex::new(1));
    picker.check_invariants();
    picker.piece_verified(PieceIndex::new(1));
    assert!(picker.have().is_full());
    picker.check_invariants();
}

#[test]
fn interest_follows_have_and_lost() {
    let mut picker = picker(layout(3, 2));
    let (now, conn) = (epoch(), ConnId(5));
    picker.add_peer(now, conn, 250);
    assert!(!picker.is_interesting(conn));
    assert!(picker.peer_has(conn, PieceIndex::new(1)));
    assert!(!picker.peer_has(conn, PieceIndex::new(1)), "no news");
    assert!(picker.is_interesting(conn));
    picker.peer_lost(conn, PieceIndex::new(1));
    assert!(!picker.is_interesting(conn));
    picker.peer_has(conn, PieceIndex::new(2));
    picker.piece_verified(PieceIndex::new(2));
    assert!(!picker.is_interesting(conn));
    assert_eq!(picker.availability(PieceIndex::new(2)), 1);
    picker.remove_peer(now, conn);
    assert_eq!(picker.availability(PieceIndex::new(2)), 0);
    assert_eq!(picker.peer_pieces(conn).len(), 0);
    picker.check_invariants();
}

#[test]
fn requests_go_back_when_their_peer_leaves_or_chokes() {
    let (mut picker, now, first) = with_seed(layout(2, 8));
    let second = join_seed(&mut picker, now, 2);
    let asked = pick(&mut picker, now, first);
    assert_eq!(picker.outstanding(first), asked.len());
    picker.choked(now, first, OnChoke::Dropped);
    assert_eq!(picker.outstanding(first), 0);
    assert_eq!(
        picker.handle_block(now, first, asked[0]),
        Received::Duplicate
    );
    assert_eq!(pick(&mut picker, now, second), asked, "begun pieces first");
    picker.remove_peer(now, second);
    assert_eq!(picker.outstanding_total(), 0);
    picker.unchoked(now, first);
    assert_eq!(pick(&mut picker, now, first), asked);
    picker.check_invariants();
}

/// BEP 6: a choke drops nothing; the peer rejects, or still answers.
#[test]
fn with_the_fast_extension_requests_outlive_the_choke() {
    let (mut picker, now, first) = with_seed(layout(1, 8));
    let second = join_seed(&mut picker, now, 2);
    let asked = pick(&mut picker, now, first);
    picker.choked(now, first, OnChoke::AwaitRejects);
    picker.check_invariants();
    assert_eq!(picker.outstanding(first), 4, "memory stays reserved");
    let others = pick(&mut picker, now, second);
    assert!(
        others.iter().all(|block| !asked.contains(block)),
        "what may be on its way is not asked for twice"
    );
    let accepted = Received::Accepted {
        piece_complete: false,
    };
    assert_eq!(picker.handle_block(now, first, asked[0]), accepted);
    assert!(picker.handle_reject(now, first, asked[1]));
    assert!(!picker.handle_reject(now, first, asked[1]));
    for block in others {
        let _ = picker.handle_block(now, second, block);
    }
    assert_eq!(
        pick(&mut picker, now, second)[0],
        asked[1],
        "what was rejected is free"
    );
    assert_eq!(picker.outstanding(first), 2);
    picker.check_invariants();
}

#[test]
fn question_and_reject_do_not_go_round() {
    let (mut picker, start, conn) = with_seed(layout(50, 4));
    let (mut now, mut asked) = (start, 0);
    let mut blocks = Vec::new();
    while now < start + Duration::from_secs(60) {
        picker.handle_timeout(now);
        while let Some(conn) = picker.poll_ready() {
            picker.pick(now, conn, usize::MAX, &mut blocks);
        }
        asked += blocks.len();
        for block in blocks.drain(..) {
            assert!(picker.handle_reject(now, conn, block));
        }
        picker.check_invariants();
        now += Duration::from_millis(10);
    }
    assert!((8..=60).contains(&asked), "{asked} requests in a minute");
}

#[test]
fn a_rejected_piece_is_left_to_others_and_the_rest_goes_on() {
    let (mut picker, mut now, conn) = with_seed(layout(8, 4));
    let rejected = pick(&mut picker, now, conn)[0].piece;
    for slot in 0..4 {
        let block = picker.layout.block(rejected, slot).unwrap();
        assert!(picker.handle_reject(now, conn, block));
    }
    now += Duration::from_secs(1);
    picker.handle_timeout(now);
    let asked = receive_all(&mut picker, now, conn);
    assert!(asked.iter().all(|block| block.piece != rejected));
    assert_eq!(asked.len(), 7 * 4);
    let other = join_seed(&mut picker, now, 2);
    assert!(
        pick(&mut picker, now, other)
            .iter()
            .all(|block| block.piece == rejected)
    );
}

#[test]
fn who_alone_has_a_rejected_piece_is_asked_again_later() {
    let (mut picker, start, conn) = with_seed(layout(1, 1));
    let block = pick(&mut picker, start, conn)[0];
    assert!(picker.handle_reject(start, conn, block));
    let mut asked_again = None;
    while let Some(now) = picker.poll_timeout().filter(|_| asked_again.is_none()) {
        picker.handle_timeout(now);
        if let Some(ready) = picker.poll_ready() {
            asked_again = pick(&mut picker, now, ready).first().map(|_| now - start);
        }
    }
    assert_eq!(asked_again, Some(Duration::from_secs(30)));
}

#[test]
fn a_reserved_piece_has_one_source() {
    let (mut picker, now, first) = with_seed(layout(1, 8));
    let second = join_seed(&mut picker, now, 2);
    let piece = PieceIndex::new(0);
    assert!(picker.reserve(now, piece, first));
    assert!(!picker.reserve(now, piece, second), "it is begun");
    assert_eq!(
        [first, second].map(|conn| picker.reserved_pieces(conn)),
        [1, 0]
    );
    assert_eq!(pick(&mut picker, now, second), []);
    assert_eq!(pick(&mut picker, now, first).len(), 4);
    assert_eq!(
        pick(&mut picker, now, second),
        [],
        "not in the end-game either"
    );
    picker.check_invariants();
    picker.choked(now, first, OnChoke::Dropped);
    assert_eq!(picker.reserved_pieces(first), 0);
    assert_eq!(picker.poll_ready(), Some(second), "for all again");
    assert_eq!(pick(&mut picker, now, second).len(), 4);
    picker.check_invariants();
}

#[test]
fn a_reserved_piece_is_for_all_when_its_peer_loses_it() {
    let (mut picker, now, first) = with_seed(layout(1, 4));
    let second = join_seed(&mut picker, now, 2);
    assert!(picker.reserve(now, PieceIndex::new(0), first));
    picker.peer_lost(first, PieceIndex::new(0));
    picker.check_invariants();
    assert_eq!(pick(&mut picker, now, second).len(), 4);
}

#[test]
fn what_a_peer_loses_is_not_asked_of_it() {
    let (mut picker, now, first) = with_seed(layout(1, 8));
    let asked = pick(&mut picker, now, first);
    picker.peer_lost(first, PieceIndex::new(0));
    picker.check_invariants();
    assert_eq!(pick(&mut picker, now, first), []);
    let second = join_seed(&mut picker, now, 2);
    assert_eq!(pick(&mut picker, now, second), asked);
    picker.set_peer_pieces(second, Bitfield::new(1));
    picker.check_invariants();
}

#[test]
fn memory_bounds_the_requests_and_wake_goes_on() {
    let (mut picker, now, conn) = with_seed(layout(2, 8));
    while picker.poll_ready().is_some() {}
    let mut blocks = Vec::new();
    picker.pick(now, conn, 0, &mut blocks);
    assert_eq!(blocks, []);
    picker.pick(now, conn, 1, &mut blocks);
    assert_eq!((blocks.len(), picker.outstanding_total()), (1, 1));
    assert_eq!(picker.poll_ready(), None);
    picker.wake();
    assert_eq!(picker.poll_ready(), Some(conn));
    assert_eq!(picker.poll_ready(), None);
}

#[test]
fn the_first_pieces_are_random_then_the_rarest_comes() {
    let pieces = 40;
    let mut picker = picker(layout(pieces, 4));
    let now = epoch();
    let conn = join_seed(&mut picker, now, 0);
    // Nobody but the seed has the last two.
    for other in 1..4 {
        let mut common = Bitfield::full(pieces);
        common.remove(PieceIndex::new(pieces - 1));
        common.remove(PieceIndex::new(pieces - 2));
        picker.add_peer(now, ConnId(other), 250);
        picker.set_peer_pieces(ConnId(other), common);
    }
    for had in 0..4 {
        let piece = pick(&mut picker, now, conn)[0].piece;
        assert!(
            piece.get() < pieces - 2,
            "{piece:?} as number {had}: two in forty"
        );
        picker.piece_verified(piece);
        while picker.poll_cancel().is_some() {}
    }
    let mut rarest = [(); 2].map(|()| {
        let piece = pick(&mut picker, now, conn)[0].piece;
        picker.piece_verified(piece);
        piece.get()
    });
    rarest.sort_unstable();
    assert_eq!(rarest, [pieces - 2, pieces - 1]);
}

/// Picks for `conn`, and checks.
fn pick(picker: &mut Picker, now: Instant, conn: ConnId) -> Vec<Block> {
    let mut blocks = Vec::new();
    picker.pick(now, conn, usize::MAX, &mut blocks);
    picker.check_invariants();
    blocks
}

/// Lets `conn` send all that it is asked for, until it is asked for nothing more or another piece.
fn receive_all(picker: &mut Picker, now: Instant, conn: ConnId) -> Vec<Block> {
    let mut all = Vec::new();
    loop {
        let blocks = pick(picker, now, conn);
        if blocks.is_empty() {
            return all;
        }
        for &block in &blocks {
            let received = picker.handle_block(now, conn, block);
            assert!(matches!(received, Received::Accepted { .. }));
        }
        all.extend(blocks);
    }
}

fn picker(layout: PieceLayout) -> Picker {
    let have = Bitfield::new(layout.piece_count());
    Picker::new(Arc::new(layout), have, PickerConfig::default(), [7; 32])
}

fn join_seed(picker: &mut Picker, now: Instant, conn: u64) -> ConnId {
    let conn = ConnId(conn);
    picker.add_peer(now, conn, 250);
    picker.set_peer_pieces(conn, Bitfield::full(picker.layout.piece_count()));
    picker.unchoked(now, conn);
    conn
}

fn with_seed(layout: PieceLayout) -> (Picker, Instant, ConnId) {
    let (mut picker, now) = (picker(layout), epoch());
    let conn = join_seed(&mut picker, now, 1);
    (picker, now, conn)
}
