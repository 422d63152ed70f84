//! Allowed-fast and suggested pieces (BEP 6).

use super::*;

/// One that has everything and chokes us.
fn with_choking_seed(layout: PieceLayout) -> (Picker, Instant, ConnId) {
    let (mut picker, now) = (picker(layout), epoch());
    let conn = ConnId(1);
    picker.add_peer(now, conn, 250);
    picker.set_peer_pieces(conn, Bitfield::full(picker.layout.piece_count()));
    (picker, now, conn)
}

#[test]
fn who_chokes_us_is_asked_for_what_it_allows_and_nothing_else() {
    let (mut picker, now, conn) = with_choking_seed(layout(10, 2));
    assert_eq!(picker.poll_ready(), None);
    for piece in [3, 7, 7] {
        picker.peer_allows(conn, PieceIndex::new(piece));
    }
    assert_eq!(picker.poll_ready(), Some(conn));
    let asked = pick(&mut picker, now, conn);
    let pieces: Vec<_> = asked.iter().map(|block| block.piece.get()).collect();
    assert_eq!(pieces, [3, 3, 7, 7]);
    picker.check_invariants();
    for &block in &asked {
        let _ = picker.handle_block(now, conn, block);
    }
    for piece in [3, 7] {
        picker.piece_verified(PieceIndex::new(piece));
    }
    assert_eq!(pick(&mut picker, now, conn), []);
    assert_eq!(picker.poll_ready(), None);
    picker.check_invariants();
}

#[test]
fn it_is_asked_for_a_few_blocks_at_a_time() {
    let (mut picker, now, conn) = with_choking_seed(layout(10, 16));
    picker.peer_allows(conn, PieceIndex::new(3));
    let asked = pick(&mut picker, now, conn);
    assert_eq!(asked.len(), 4);
    assert_eq!(pick(&mut picker, now, conn), []);
    let _ = picker.handle_block(now, conn, asked[0]);
    assert_eq!(picker.poll_ready(), Some(conn));
    assert_eq!(pick(&mut picker, now, conn).len(), 1);
}

#[test]
fn a_piece_may_be_allowed_before_the_peer_has_it() {
    let (mut picker, now) = (picker(layout(10, 4)), epoch());
    let (conn, piece) = (ConnId(1), PieceIndex::new(3));
    picker.add_peer(now, conn, 250);
    picker.peer_has(conn, PieceIndex::new(5));
    picker.peer_allows(conn, piece);
    assert_eq!(pick(&mut picker, now, conn), []);
    while picker.poll_ready().is_some() {}
    picker.peer_has(conn, piece);
    assert_eq!(picker.poll_ready(), Some(conn));
    assert_eq!(pick(&mut picker, now, conn).len(), 4);
}

/// A favour that is not done is no fault: the blocks are for others, and the peer is not snubbed.
#[test]
fn who_does_not_answer_while_it_chokes_us_is_not_snubbed_but_not_asked_again() {
    let (mut picker, now, conn) = with_choking_seed(layout(10, 8));
    picker.peer_allows(conn, PieceIndex::new(3));
    let asked = pick(&mut picker, now, conn);
    let later = now + Duration::from_secs(11);
    picker.handle_timeout(later);
    picker.check_invariants();
    assert!(!picker.peer_stats(later, conn).is_snubbed);
    assert_eq!(pick(&mut picker, later, conn), []);
    let other = join_seed(&mut picker, later, 2);
    assert_eq!(pick(&mut picker, later, other), asked, "free for others");
    picker.unchoked(later, conn);
    assert!(!pick(&mut picker, later, conn).is_empty());
    picker.check_invariants();
}

#[test]
fn a_reject_while_choked_takes_the_permission_back() {
    let (mut picker, now, conn) = with_choking_seed(layout(10, 2));
    for piece in [3, 7] {
        picker.peer_allows(conn, PieceIndex::new(piece));
    }
    let asked = pick(&mut picker, now, conn);
    for &block in asked.iter().filter(|block| block.piece.get() == 3) {
        assert!(picker.handle_reject(now, conn, block));
    }
    assert_eq!(pick(&mut picker, now, conn), []);
    picker.check_invariants();
}

/// BEP 6: a choke does not end requests for allowed pieces, nor does an unchoke; and the time for
/// them begins anew.
#[test]
fn what_is_allowed_outlives_choke_and_unchoke() {
    let (mut picker, now, conn) = with_choking_seed(layout(10, 8));
    picker.peer_allows(conn, PieceIndex::new(3));
    let asked = pick(&mut picker, now, conn);
    let later = now + Duration::from_secs(9);
    picker.unchoked(later, conn);
    picker.handle_timeout(now + Duration::from_secs(12));
    assert!(!picker.peer_stats(later, conn).is_snubbed);
    assert_eq!(picker.poll_cancel(), None);
    picker.choked(later, conn, OnChoke::AwaitRejects);
    assert_eq!(picker.outstanding(conn), 4);
    for &block in &asked {
        let received = picker.handle_block(later, conn, block);
        assert!(matches!(received, Received::Accepted { .. }));
    }
    assert_eq!(pick(&mut picker, later, conn).len(), 4, "the rest of it");
    picker.check_invariants();
}

#[test]
fn permissions_without_end_are_not_remembered() {
    let (mut picker, now, conn) = with_choking_seed(layout(1000, 1));
    (0..1000).for_each(|piece| picker.peer_allows(conn, PieceIndex::new(piece)));
    let mut asked = 0;
    loop {
        let blocks = pick(&mut picker, now, conn);
        if blocks.is_empty() {
            break;
        }
        asked += blocks.len();
        for block in blocks {
            let _ = picker.handle_block(now, conn, block);
            picker.piece_verified(block.piece);
        }
    }
    assert_eq!(asked, 32);
}

#[test]
fn a_suggestion_decides_between_equals_only() {
    let rarest = |rare: u32, suggested: &[u32]| {
        let have = (0..4).map(PieceIndex::new);
        let (mut picker, now, conn) = with_seed(layout(40, 1));
        have.for_each(|piece| picker.piece_verified(piece));
        let other = ConnId(2);
        picker.add_peer(now, other, 250);
        let mut pieces = Bitfield::full(40);
        pieces.remove(PieceIndex::new(rare));
        picker.set_peer_pieces(other, pieces);
        for &piece in suggested {
            picker.peer_suggests(conn, PieceIndex::new(piece));
        }
        let asked = pick(&mut picker, now, conn);
        picker.check_invariants();
        asked
            .iter()
            .map(|block| block.piece.get())
            .collect::<Vec<_>>()
    };
    let asked = rarest(9, &[20, 1, 30]);
    assert_eq!(
        asked[..3],
        [9, 30, 20],
        "the rarest comes first all the same"
    );
    assert_eq!(rarest(9, &[9])[0], 9);
    // Among the first pieces, any is as good as any.
    let (mut picker, now, conn) = with_seed(layout(40, 1));
    picker.peer_suggests(conn, PieceIndex::new(17));
    assert_eq!(pick(&mut picker, now, conn)[0].piece.get(), 17);
}
