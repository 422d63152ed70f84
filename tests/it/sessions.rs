//! One client with several torrents: what they share is kept, and none starves.

use std::time::Duration;

use bt_scheduler::Grant;
use bt_sim::{Access, Rate};
use bt_tests::{NodeSpec, World, WorldConfig};

/// Three torrents to fetch and one to serve, of which each alone would take all there is.
#[test]
fn torrents_of_a_session_keep_to_what_they_have_together_and_none_starves() {
    let capacity = Grant {
        max_peers: 24,
        upload_slots: 6,
        memory_bytes: 4 << 20,
        ..Grant::default()
    };
    let mut world = World::new(WorldConfig {
        piece_count: PIECES,
        piece_length: PIECE_LENGTH,
        ..WorldConfig::common(11)
    });
    let torrents = [0; 3].map(|_: u8| world.add_torrent(PIECES, PIECE_LENGTH));
    let fetched = [0, torrents[0], torrents[1]];
    let served = torrents[2];
    for torrent in fetched {
        for _ in 0..2 {
            world.add(of(torrent, NodeSpec::seed(access())));
        }
    }
    for torrent in fetched.into_iter().chain([served]) {
        for _ in 0..12 {
            world.add(of(torrent, NodeSpec::leecher(access())));
        }
    }
    let mut specs: Vec<_> = fetched
        .map(|torrent| of(torrent, NodeSpec::leecher(access())))
        .into();
    specs.push(of(served, NodeSpec::seed(access())));
    let members = world.add_session(capacity, specs);

    let report = world.run(Duration::from_secs(3600));
    let leechers = report.leechers().count();
    assert_eq!(report.completion_times().len(), leechers, "{report}");

    // Each has a floor of its own that the others' needs do not touch.
    let peaks = world.session_peaks(members[0]).expect("it is a session");
    let floors = members.len();
    assert!(peaks.peers <= capacity.max_peers + floors, "{peaks:?}");
    assert!(
        peaks.half_open <= capacity.max_half_open + floors,
        "{peaks:?}"
    );
    assert!(
        peaks.upload_slots <= capacity.upload_slots + floors,
        "{peaks:?}"
    );
    let memory_floors = floors * (256 << 10);
    assert!(
        peaks.memory_bytes <= capacity.memory_bytes + memory_floors,
        "{peaks:?}"
    );
    // And what there is was used: the limits were felt.
    assert!(peaks.peers * 10 >= capacity.max_peers * 9, "{peaks:?}");
    assert!(peaks.upload_slots >= capacity.upload_slots, "{peaks:?}");

    // None of the three waits for the others to be done.
    let times = members[..3].iter().map(|&member| {
        let time = report.nodes[member].completion_time;
        time.expect("all leechers completed").as_secs_f64()
    });
    let times: Vec<_> = times.collect();
    let (first, last) = (
        times.iter().copied().fold(f64::INFINITY, f64::min),
        times.iter().copied().fold(0.0, f64::max),
    );
    assert!(last <= first * 2.0, "{times:?}");
    assert!(
        report.nodes[members[3]].stats.uploaded > report.bytes,
        "{report}"
    );
}

fn of(torrent: usize, spec: NodeSpec) -> NodeSpec {
    NodeSpec { torrent, ..spec }
}

fn access() -> Access {
    Access {
        up: Rate::mbit_per_sec(10),
        down: Rate::mbit_per_sec(100),
        delay: Duration::from_micros(12_500),
        loss: 0.0,
    }
}

const PIECES: u32 = 60;
const PIECE_LENGTH: u32 = 128 * 1024;
