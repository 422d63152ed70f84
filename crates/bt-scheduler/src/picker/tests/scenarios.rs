//! Whole downloads on virtual time.

use bt_types::BLOCK_LENGTH;

use super::{
    super::*,
    world::{World, layout},
};

/// 32 MiB from one peer at 10 MB/s behind 100 ms: slow start and the last round trip cost a
/// little, an idle link would cost seconds.
#[test]
fn one_fast_peer_is_kept_busy() {
    let mut world = World::new(layout(128, 16), 1);
    world.checks_invariants = false;
    world.join_seed(10_000_000, 100);
    let took = world.run(SECS * 60);
    let ideal = Duration::from_secs_f64(32.0 * 1.048_576 / 10.0);
    assert!(took < ideal.mul_f64(1.25), "{took:?}, at best {ideal:?}");
    assert_eq!(world.duplicates, 0);
}

#[test]
fn the_pipeline_grows_to_rate_times_latency() {
    let mut world = World::new(layout(2000, 16), 1);
    world.checks_invariants = false;
    let near = world.join_seed(1_000_000, 20);
    let far = world.join_seed(1_000_000, 1000);
    let slow = world.join_seed(20_000, 50);
    world.run_until(world.start + SECS * 30);
    let depth = |conn| world.picker.peer_stats(world.now, conn).target_depth;
    let (near, far, slow) = (depth(near), depth(far), depth(slow));
    assert!((25..35).contains(&near), "{near}");
    assert!((80..140).contains(&far), "{far}");
    assert!((2..=3).contains(&slow), "{slow}");
    assert!(world.now - world.start == SECS * 30 && world.duplicates == 0);
}

/// Silence is held against a peer, request by request; being slow, and what it sends, is not.
#[test]
fn requests_in_vain_count_in_what_is_expected_of_a_peer() {
    let mut world = World::new(layout(64, 16), 3);
    let [good, slow, mute] = [500_000, 2_000, 500_000].map(|rate| world.join_seed(rate, 50));
    world.mute(mute, SECS * 2);
    world.run_until(world.start + SECS * 20);
    let answers = |conn| world.picker.evidence(world.now, conn).answers;
    assert!(answers(good).is_clean() && answers(slow).is_clean());
    assert!(!answers(mute).is_clean());
    let evaluator = crate::Evaluator::default();
    let expected = |conn| {
        let evidence = world.picker.evidence(world.now, conn);
        evaluator.evaluate(&evidence).block_time()
    };
    assert!(expected(mute) > expected(good).map(|time| time * 5 / 4));
}

/// Peers of very different speed finish together: nobody waits for the slowest.
#[test]
fn slow_peers_do_not_hold_up_the_end() {
    let mut world = World::new(layout(64, 16), 3);
    world.checks_invariants = false;
    for rate in [1_000_000, 500_000, 50_000, 10_000, 2_000, 500] {
        world.join_seed(rate, 50);
    }
    let took = world.run(SECS * 120);
    let ideal = Duration::from_secs_f64(16.0 * 1_048_576.0 / 1_562_500.0);
    assert!(took < ideal.mul_f64(1.15), "{took:?}, at best {ideal:?}");
    // Each peer may be given two in vain, and some were on their way already.
    assert!(world.duplicates <= 12, "{} duplicates", world.duplicates);
}

/// The last piece is with a peer that needs 33 s for a block; a fast one comes and takes over.
#[test]
fn blocks_of_a_much_slower_peer_are_taken_over() {
    let mut world = World::new(layout(3, 4), 0);
    let slow = world.join_seed(500, 50);
    world.run_until(world.start + SECS * 1);
    let held = world.picker.outstanding(slow);
    assert!(held >= 2);
    world.join_seed(1_000_000, 50);
    let took = world.run(SECS * 20);
    assert!(took < SECS * 3, "{took:?}");
    let by_slow = world
        .requested
        .iter()
        .filter(|(conn, _)| *conn == slow)
        .count();
    assert!(by_slow <= held + 2, "{by_slow} requests to the slow peer");
}

#[test]
fn the_end_game_asks_two_at_most_and_floods_nobody() {
    let mut world = World::new(layout(4, 16), 5);
    for _ in 0..8 {
        world.join_seed(100_000, 50);
    }
    world.run(SECS * 20);
    let mut blocks: Vec<_> = world.requested.iter().map(|(_, block)| *block).collect();
    let total = blocks.len();
    blocks.sort_unstable();
    assert!(
        blocks.windows(3).all(|three| three[0] != three[2]),
        "never of three"
    );
    blocks.dedup();
    assert_eq!(blocks.len(), 64);
    assert!(
        total <= 64 + 16,
        "{total} requests for 64 blocks of 8 peers"
    );
}

#[test]
fn a_silent_peer_is_snubbed_and_its_blocks_go_to_others() {
    let mut world = World::new(layout(16, 16), 2);
    let silent = world.join_seed(100_000, 50);
    let other = world.join_seed(100_000, 50);
    world.mute(silent, SECS * 3);
    world.run_until(world.start + SECS * 9);
    let stats = world.picker.peer_stats(world.now, silent);
    assert!(stats.is_snubbed && stats.target_depth == 2);
    assert_eq!(stats.late, stats.outstanding, "they may still come");
    assert!(stats.outstanding > 0);
    assert!(!world.picker.peer_stats(world.now, other).is_snubbed);
    let asked = world.requested.len();
    let took = world.run(SECS * 60);
    assert!(took < SECS * 45, "{took:?}");
    let to_silent = world.requested[asked..]
        .iter()
        .filter(|(conn, _)| *conn == silent);
    assert!(to_silent.count() <= 8, "two at a time, ever less often");
}

#[test]
fn a_snubbed_peer_that_answers_is_forgiven() {
    let mut picker = Picker::new(
        Arc::new(layout(8, 16)),
        Bitfield::new(8),
        PickerConfig::default(),
        [1; 32],
    );
    let (start, conn) = (super::epoch(), ConnId(1));
    picker.add_peer(start, conn, 250);
    picker.set_peer_pieces(conn, Bitfield::full(8));
    picker.unchoked(start, conn);
    let asked = super::pick(&mut picker, start, conn);
    let timeout = picker.poll_timeout().unwrap();
    assert_eq!(timeout - start, SECS * 10);
    picker.handle_timeout(timeout);
    picker.check_invariants();
    assert!(picker.peer_stats(timeout, conn).is_snubbed);
    assert_eq!(picker.outstanding(conn), asked.len());
    assert_eq!(super::pick(&mut picker, timeout, conn), []);
    let later = timeout + SECS;
    let accepted = Received::Accepted {
        piece_complete: false,
    };
    for &block in &asked {
        assert_eq!(picker.handle_block(later, conn, block), accepted);
    }
    assert!(!picker.peer_stats(later, conn).is_snubbed);
    assert_eq!(picker.poll_ready(), Some(conn));
    assert!(super::pick(&mut picker, later, conn).len() >= 2);
}

/// Peers that unchoke us and never send hold up nothing but the first request to each.
#[test]
fn many_silent_peers_can_not_keep_a_block_from_the_one_that_answers() {
    let mut world = World::new(layout(4, 4), 3);
    for _ in 0..6 {
        let silent = world.join_seed(1_000_000, 20);
        world.mute(silent, Duration::ZERO);
    }
    world.join_seed(50_000, 20);
    let took = world.run(SECS * 60);
    assert!(
        took < SECS * 15,
        "{took:?}: ten for the first time-out, five for the data"
    );
}

/// What never comes is forgotten after two minutes, so that its memory is free again.
#[test]
fn late_requests_do_not_hold_memory_for_ever() {
    let (mut picker, start, conn) = super::with_seed(layout(8, 16));
    super::pick(&mut picker, start, conn);
    while let Some(timeout) = picker.poll_timeout() {
        if timeout > start + SECS * 121 {
            break;
        }
        picker.handle_timeout(timeout);
        picker.check_invariants();
    }
    assert_eq!(picker.outstanding_total(), 0);
    assert_eq!(std::iter::from_fn(|| picker.poll_cancel()).count(), 4);
}

#[test]
fn a_lost_request_does_not_make_its_peer_silent() {
    let (mut picker, start, conn) = super::with_seed(layout(64, 16));
    let lost = super::pick(&mut picker, start, conn)[0];
    let mut now = start;
    let mut queue: VecDeque<_> = (1..4)
        .map(|slot| picker.layout.block(lost.piece, slot).unwrap())
        .collect();
    for _ in 0..200 {
        now += Duration::from_millis(50);
        picker.handle_timeout(now);
        let block = queue.pop_front().unwrap();
        assert!(matches!(
            picker.handle_block(now, conn, block),
            Received::Accepted { .. }
        ));
        queue.extend(super::pick(&mut picker, now, conn));
        assert!(!picker.peer_stats(now, conn).is_snubbed);
    }
    let stats = picker.peer_stats(now, conn);
    assert_eq!(stats.late, 1, "the one that it passed over");
}

#[test]
fn fast_peers_have_pieces_for_themselves_and_slow_ones_share() {
    let mut world = World::new(layout(1000, 16), 4);
    world.checks_invariants = false;
    let fast: Vec<_> = (0..3).map(|_| world.join_seed(500_000, 20)).collect();
    for _ in 0..12 {
        world.join_seed(4_000, 20);
    }
    world.run_until(world.start + SECS * 60);
    let mut sources: std::collections::BTreeMap<_, Vec<_>> = Default::default();
    for (conn, block) in &world.requested {
        sources.entry(block.piece).or_default().push(*conn);
    }
    let alone = sources
        .values()
        .filter(|conns| conns.iter().all(|conn| *conn == conns[0]));
    let alone = alone
        .filter(|conns| conns.len() == 16 && fast.contains(&conns[0]))
        .count();
    assert!(
        alone * 10 > sources.len() * 8,
        "{alone} of {} pieces",
        sources.len()
    );
    assert!(
        world.picker.partial_pieces() <= 15,
        "{}",
        world.picker.partial_pieces()
    );
}

#[test]
fn a_bad_piece_is_fetched_again() {
    let mut world = World::new(layout(8, 4), 6);
    world.bad_once = [0, 3, 7].map(PieceIndex::new).into();
    world.join_seed(300_000, 20);
    world.join_seed(300_000, 20);
    world.run(SECS * 30);
    assert!(world.bad_once.is_empty());
    assert!(world.requested.len() >= (8 + 3) * 4);
}

/// Everyone has a part, nobody all: rarest first keeps the parts of the slow from being last.
#[test]
fn parts_come_together() {
    let mut world = World::new(layout(60, 4), 8);
    for part in 0..6 {
        let mut pieces = Bitfield::new(60);
        for piece in (0..60).filter(|piece| piece % 6 == part || piece % 5 == part) {
            pieces.insert(PieceIndex::new(piece));
        }
        world.join(200_000, Duration::from_millis(40), pieces);
    }
    let took = world.run(SECS * 60);
    let ideal = Duration::from_secs_f64(f64::from(240 * BLOCK_LENGTH) / 1_200_000.0);
    assert!(took < ideal * 2, "{took:?}, at best {ideal:?}");
}

const SECS: Duration = Duration::from_secs(1);
