//! What is told of a download: does a person believe it?

use std::time::Duration;

use bt_sim::{Access, Rate};
use bt_tests::{Behaviour, NodeSpec, Sight, World, WorldConfig};
use bt_types::PeerSource;

/// By the mean of the last minute.
fn time_left(sight: &Sight) -> Option<f64> {
    let rate = sight.stats.progress_rate_bytes_per_sec;
    (rate > 0).then(|| sight.stats.bytes_missing as f64 / rate as f64)
}

/// Pieces of four sizes, peers fast and slow, near and far: what was said to be left a second ago
/// is one second more than what is said now, and not a multiple of it; and it was true.
#[test]
fn what_is_left_never_jumps_while_the_rate_is_steady() {
    for (seed, piece_length) in [(1, 64 << 10), (2, 256 << 10), (3, 1 << 20), (4, 4 << 20)] {
        for seeds in [1, 4] {
            let total: u32 = 256 << 20;
            let mut world = World::new(WorldConfig {
                piece_count: total / piece_length,
                piece_length,
                ..WorldConfig::common(seed)
            });
            let leecher = world.add(NodeSpec::leecher(line(10)));
            world.observe(leecher);
            for _ in 0..seeds {
                world.add(NodeSpec::seed(line(16 / seeds)));
            }
            let report = world.run(Duration::from_secs(600));
            let end = report.nodes[leecher].completed_at.expect("it completes");
            // Until slow start is over the rate is not steady.
            let sights: Vec<_> = world.sights(leecher).iter().collect();
            let steady = sights
                .iter()
                .filter(|sight| sight.at > Duration::from_secs(10));
            let told: Vec<_> = steady
                .filter_map(|sight| Some((sight.at, time_left(sight)?)))
                .collect();
            assert!(told.len() > 300, "{}", told.len());
            for pair in told.windows(2) {
                let ((at, before), (_, after)) = (pair[0], pair[1]);
                let jump = (after - before + 0.25).abs();
                assert!(
                    jump <= 1.0 + before / 10.0,
                    "from {before} to {after} at {at:?}"
                );
            }
            for (at, left) in told {
                let really = (end - at).as_secs_f64();
                let off = (left - really).abs();
                assert!(
                    off <= 3.0 + really / 10.0,
                    "{left} s of {really} s at {at:?}"
                );
            }
        }
    }
}

/// The lines lose packets, so that what came in the last two seconds is now more and now less: by
/// that, what is left would jump.
#[test]
fn a_shaky_line_does_not_shake_what_is_left() {
    let mut world = World::new(WorldConfig {
        piece_count: 400,
        piece_length: 256 << 10,
        ..WorldConfig::common(6)
    });
    let lossy = |up_mbit| Access {
        loss: 0.02,
        ..line(up_mbit)
    };
    let leecher = world.add(NodeSpec::leecher(lossy(10)));
    world.observe(leecher);
    for _ in 0..2 {
        world.add(NodeSpec::seed(lossy(20)));
    }
    world.run(Duration::from_secs(600));
    let sights = world.sights(leecher).iter();
    let steady = sights
        .filter(|sight| sight.at > Duration::from_secs(20) && sight.stats.bytes_missing > 20 << 20);
    let steady: Vec<_> = steady.collect();
    assert!(steady.len() > 100, "{}", steady.len());
    let worst = |time_left: fn(&Sight) -> f64| {
        let pairs = steady.windows(2);
        let jumps = pairs.map(|pair| {
            let (before, after) = (time_left(pair[0]), time_left(pair[1]));
            (after - before + 0.25).abs() / before
        });
        jumps.fold(0.0, f64::max)
    };
    let told = worst(|sight| time_left(sight).expect("it comes all the time"));
    let by_two_seconds = worst(|sight| {
        let rate = sight.stats.download_rate_bytes_per_sec.max(1);
        sight.stats.bytes_missing as f64 / rate as f64
    });
    assert!(told < 0.05, "{told}, {by_two_seconds}");
    assert!(by_two_seconds > 2.0 * told, "{told}, {by_two_seconds}");
}

/// Bytes are wasted by who is too late and by who lies, and it is said which.
#[test]
fn what_is_wasted_is_told_by_why() {
    let mut world = World::new(WorldConfig {
        piece_count: 200,
        piece_length: 256 << 10,
        ..WorldConfig::common(5)
    });
    world.add(NodeSpec::seed(line(10)));
    world.add(NodeSpec {
        behaviour: Behaviour::Liar(0.05),
        ..NodeSpec::seed(line(10))
    });
    let leecher = world.add(NodeSpec::leecher(line(10)));
    let report = world.run(Duration::from_secs(600));
    let stats = report.nodes[leecher].stats;
    assert!(stats.wasted.failed_hash >= 256 << 10, "{stats:?}");
    assert_eq!(stats.wasted.unrequested, 0, "{stats:?}");
    let useful = stats.downloaded - stats.wasted.total();
    assert_eq!(useful, report.bytes, "{stats:?}");
    let tracker = stats.sources.of(PeerSource::Tracker);
    assert_eq!((tracker.named, tracker.connected), (2, 2));
    assert_eq!(stats.sources.iter().count(), 1, "{stats:?}");
}

fn line(up_mbit: u64) -> Access {
    Access {
        up: Rate::mbit_per_sec(up_mbit),
        down: Rate::mbit_per_sec(100),
        delay: Duration::from_millis(20),
        loss: 0.0,
    }
}
