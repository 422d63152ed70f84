//! What is wanted, and what of it comes first.

use super::*;
use bt_types::Priority::{self, High, Low, Normal, Skip};

#[test]
fn what_is_wanted_most_comes_first_begun_or_not() {
    let (mut picker, now, conn) = with_seed(layout(4, 4));
    let begun = pick(&mut picker, now, conn)[0].piece;
    let mut priorities = [Normal; 4];
    let urgent = (begun.as_usize() + 1) % 4;
    priorities[urgent] = High;
    assert_eq!(picker.set_priorities(now, &priorities), []);
    picker.check_invariants();
    let other = join_seed(&mut picker, now, 2);
    let asked = pick(&mut picker, now, other);
    assert!(asked.iter().all(|block| block.piece.as_usize() == urgent));
}

#[test]
fn what_is_not_wanted_is_not_asked_for_and_interests_nobody() {
    let (mut picker, now, conn) = with_seed(layout(3, 4));
    picker.set_priorities(now, &[Skip, Low, Skip]);
    let asked = receive_all(&mut picker, now, conn);
    assert!(asked.iter().all(|block| block.piece == PieceIndex::new(1)));
    assert_eq!(asked.len(), 4);
    picker.piece_verified(PieceIndex::new(1));
    assert!(picker.is_complete() && !picker.is_interesting(conn));
    assert_eq!(
        picker.bytes_left(),
        u64::from(8 * BLOCK_LENGTH),
        "lacking all the same"
    );
    picker.set_priorities(now, &[Skip, Skip, High]);
    assert!(!picker.is_complete() && picker.is_interesting(conn));
    assert_eq!(picker.poll_ready(), Some(conn));
    picker.check_invariants();
}

#[test]
fn work_at_what_is_not_wanted_any_more_ends() {
    let (mut picker, now, conn) = with_seed(layout(1, 8));
    let asked = pick(&mut picker, now, conn);
    let _ = picker.handle_block(now, conn, asked[0]);
    let asked_next = pick(&mut picker, now, conn);
    assert_eq!(picker.set_priorities(now, &[Skip]), [PieceIndex::new(0)]);
    picker.check_invariants();
    let cancels: Vec<_> = std::iter::from_fn(|| picker.poll_cancel()).collect();
    assert_eq!(cancels.len(), asked.len() - 1 + asked_next.len());
    assert_eq!(
        (picker.outstanding_total(), picker.is_complete()),
        (0, true)
    );
    // What was on its way is of no use, and nobody's fault.
    let late = picker.handle_block(now, conn, asked[1]);
    assert_eq!(late, Received::Duplicate);
    picker.set_priorities(now, &[Normal]);
    assert_eq!(
        receive_all(&mut picker, now, conn).len(),
        8,
        "from the start"
    );
}

#[test]
fn what_has_come_whole_still_awaits_its_verdict() {
    for is_good in [true, false] {
        let (mut picker, now, conn) = with_seed(layout(1, 2));
        receive_all(&mut picker, now, conn);
        assert_eq!(picker.set_priorities(now, &[Skip]), []);
        picker.check_invariants();
        assert!(!picker.is_complete());
        match is_good {
            true => picker.piece_verified(PieceIndex::new(0)),
            false => picker.piece_failed(PieceIndex::new(0)),
        }
        picker.check_invariants();
        assert!(picker.is_complete() && !picker.is_interesting(conn));
        assert_eq!(picker.have().get(PieceIndex::new(0)), is_good);
    }
}

#[test]
fn in_order_one_piece_follows_the_other() {
    let (mut picker, now, conn) = with_seed(layout(6, 2));
    picker.set_in_order(true);
    picker.set_priorities(now, &[Normal, Normal, High, Skip, Normal, High]);
    let asked = receive_all(&mut picker, now, conn);
    let mut pieces: Vec<_> = asked.iter().map(|block| block.piece.get()).collect();
    pieces.dedup();
    assert_eq!(pieces, [2, 5, 0, 1, 4]);
}

/// Peers that allow pieces although they choke us are asked for what is wanted most of these.
#[test]
fn what_is_allowed_is_asked_for_by_priority() {
    let (mut picker, now, conn) = with_seed(layout(4, 4));
    picker.choked(now, conn, OnChoke::Dropped);
    picker.set_priorities(now, &[Priority::Low, Skip, High, Normal]);
    for piece in 0..4 {
        picker.peer_allows(conn, PieceIndex::new(piece));
    }
    let asked = pick(&mut picker, now, conn);
    assert!(asked.iter().all(|block| block.piece == PieceIndex::new(2)));
}
