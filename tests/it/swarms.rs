use std::time::Duration;

use bt_sim::{Access, Rate};
use bt_swarm::Event;
use bt_tests::{Behaviour, NodeSpec, Report, World, WorldConfig, fluid_lower_bound};

/// The figures of one small swarm, so that a change of policy shows as a change of numbers.
#[test]
fn ten_leechers_and_a_seed() {
    let report = homogeneous(10, 7);
    insta::assert_snapshot!(report.to_string());
    let bound = fluid_lower_bound(TOTAL, LINE.get(), &[(LINE.get(), 10 * LINE.get()); 10]);
    let last = report.last_completion().expect("everybody completes");
    assert!(last < bound * 2, "{last:?}, bound {bound:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(homogeneous(8, 1), homogeneous(8, 1));
    assert_ne!(homogeneous(8, 1), homogeneous(8, 2));
}

#[test]
fn one_liar_does_not_stop_anybody_and_nobody_honest_is_banned() {
    let mut world = World::new(config(3));
    let honest = world.add(NodeSpec::seed(access()));
    let liar = NodeSpec {
        behaviour: Behaviour::Liar(0.2),
        ..NodeSpec::seed(access())
    };
    let liar = world.add(liar);
    let leechers: Vec<_> = (0..6)
        .map(|_| world.add(NodeSpec::leecher(access())))
        .collect();
    let report = world.run(HOUR);
    assert_eq!(report.completion_times().len(), leechers.len(), "{report}");
    for &leecher in &leechers {
        for (_, event) in world.events(leecher) {
            if let Event::PeerBanned { peer, .. } = event {
                assert_eq!(peer.ip(), world.addr(liar).ip());
                assert_ne!(peer.ip(), world.addr(honest).ip());
            }
        }
    }
}

#[test]
fn who_comes_late_completes_too_and_who_leaves_is_not_missed() {
    let mut world = World::new(config(4));
    world.add(NodeSpec::seed(access()));
    for n in 0..6 {
        world.add(NodeSpec {
            joins_at: Duration::from_secs(n * 20),
            leaves_when_complete: true,
            ..NodeSpec::leecher(access())
        });
    }
    let report = world.run(HOUR);
    assert_eq!(report.completion_times().len(), 6, "{report}");
}

/// Pieces as large as all of the memory, from peers of which each needs minutes for one.
#[test]
fn fifty_slow_seeds_with_huge_pieces_need_no_more_memory_than_granted() {
    let mut world = World::new(WorldConfig {
        piece_count: 4,
        piece_length: 16 << 20,
        memory_bytes: 16 << 20,
        ..config(5)
    });
    for _ in 0..50 {
        world.add(NodeSpec::seed(Access {
            up: Rate::mbit_per_sec(1),
            ..access()
        }));
    }
    let leecher = world.add(NodeSpec::leecher(access()));
    let report = world.run(HOUR);
    let leecher = &report.nodes[leecher];
    assert!(leecher.peak_memory_bytes <= 16 << 20, "{leecher:?}");
    // At full speed of all seeds together it takes eleven seconds.
    let time = leecher.completion_time.expect("it completes");
    assert!(time < Duration::from_secs(30), "{time:?}");
}

fn homogeneous(leechers: usize, seed: u64) -> Report {
    let mut world = World::new(config(seed));
    world.add(NodeSpec::seed(access()));
    for _ in 0..leechers {
        world.add(NodeSpec::leecher(access()));
    }
    world.run(HOUR)
}

fn config(seed: u64) -> WorldConfig {
    WorldConfig {
        seed,
        piece_count: PIECES,
        piece_length: PIECE_LENGTH,
        peers_returned: 50,
        max_peers: 50,
        memory_bytes: 32 << 20,
    }
}

fn access() -> Access {
    Access {
        up: LINE,
        down: Rate::mbit_per_sec(100),
        delay: Duration::from_micros(12_500),
        loss: 0.0,
    }
}

const PIECES: u32 = 100;
const PIECE_LENGTH: u32 = 256 * 1024;
const TOTAL: u64 = PIECES as u64 * PIECE_LENGTH as u64;
const LINE: Rate = Rate::mbit_per_sec(10);
const HOUR: Duration = Duration::from_secs(3600);
