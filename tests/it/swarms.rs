use std::time::Duration;

use bt_sim::{Access, NatKind, Rate};
use bt_swarm::Event;
use bt_tests::{Absence, Behaviour, FullDisk, NodeSpec, Partition, World, WorldConfig};

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

/// Nobody can dial one of them, yet they have each other by way of those who can be dialled.
#[test]
fn who_can_not_be_dialled_dials() {
    let mut world = World::new(config(6));
    world.add(NodeSpec::seed(access()));
    for n in 0..6 {
        world.add(NodeSpec {
            nat: if n % 2 == 0 {
                NatKind::PortRestricted
            } else {
                NatKind::Open
            },
            ..NodeSpec::leecher(access())
        });
    }
    let report = world.run(HOUR);
    assert_eq!(report.completion_times().len(), 6, "{report}");
}

#[test]
fn who_comes_back_goes_on_with_what_it_had() {
    let mut world = World::new(config(7));
    world.add(NodeSpec::seed(access()));
    let wanderer = world.add(NodeSpec {
        absence: Some(Absence {
            from: Duration::from_secs(15),
            until: Duration::from_secs(60),
        }),
        ..NodeSpec::leecher(access())
    });
    let report = world.run(HOUR);
    let wanderer = &report.nodes[wanderer];
    let present = wanderer.time_present().expect("it completes");
    assert_eq!(wanderer.absent, Duration::from_secs(45));
    // Alone with the seed it needs 22 s, and a little to find it again.
    assert!(present < Duration::from_secs(30), "{present:?}");
    // Hardly anything was fetched twice.
    let twice = wanderer.stats.downloaded - report.bytes;
    assert!(twice < report.bytes / 10, "{twice} bytes");
}

/// Half of them wait for a minute, which costs nobody a byte; the others hardly notice.
#[test]
fn disks_that_are_full_for_a_while_cost_time_and_nothing_else() {
    let mut world = World::new(config(8));
    world.add(NodeSpec::seed(access()));
    let full = FullDisk {
        from: Duration::from_secs(10),
        until: Duration::from_secs(70),
    };
    let leechers: Vec<_> = (0..8)
        .map(|n| {
            world.add(NodeSpec {
                full_disk: (n % 2 == 0).then_some(full),
                ..NodeSpec::leecher(access())
            })
        })
        .collect();
    let report = world.run(HOUR);
    assert_eq!(report.completion_times().len(), 8, "{report}");
    for (n, &leecher) in leechers.iter().enumerate() {
        let node = &report.nodes[leecher];
        let completed_at = node.completed_at.expect("everybody completes");
        let count = |wanted: fn(&Event) -> bool| {
            let events = world.events(leecher);
            events.filter(|(_, event)| wanted(event)).count()
        };
        if n % 2 == 0 {
            assert!(completed_at > full.until && completed_at < full.until * 2);
            assert_eq!(count(|event| *event == Event::DiskRecovered), 1);
        } else {
            assert!(completed_at < full.until, "{completed_at:?}");
        }
        assert_eq!(count(|event| matches!(event, Event::PieceLost(_))), 0);
        let twice = node.stats.downloaded - report.bytes;
        assert!(twice < report.bytes / 50, "{twice} bytes fetched twice");
    }
}

#[test]
fn a_partition_delays_those_who_are_cut_off_and_nobody_for_ever() {
    let mut world = World::new(WorldConfig {
        partition: Some(Partition {
            from: Duration::from_secs(5),
            until: Duration::from_secs(65),
        }),
        ..config(8)
    });
    world.add(NodeSpec::seed(access()));
    let near = world.add(NodeSpec::leecher(access()));
    let far = world.add(NodeSpec {
        is_far: true,
        ..NodeSpec::leecher(access())
    });
    let report = world.run(HOUR);
    let time = |node: usize| report.nodes[node].completion_time.expect("it completes");
    assert!(time(near) < Duration::from_secs(60), "{report}");
    assert!(time(far) > Duration::from_secs(65), "{report}");
    assert!(time(far) < Duration::from_secs(180), "{report}");
}

/// One packet of fifty is lost: over 50 ms that leaves 250 kB/s to a connection, but there are
/// several.
#[test]
fn losses_slow_single_streams_down() {
    let time = |seeds: usize| {
        let mut world = World::new(config(9));
        let lossy = Access {
            loss: 0.02,
            ..access()
        };
        for _ in 0..seeds {
            world.add(NodeSpec::seed(access()));
        }
        let leecher = world.add(NodeSpec::leecher(lossy));
        let report = world.run(HOUR);
        report.nodes[leecher].completion_time.expect("it completes")
    };
    let (one, four) = (time(1), time(4));
    assert!(one > Duration::from_secs(90), "{one:?}");
    assert!(four < one / 3, "{four:?} of {one:?}");
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

fn config(seed: u64) -> WorldConfig {
    WorldConfig {
        piece_count: PIECES,
        piece_length: PIECE_LENGTH,
        ..WorldConfig::common(seed)
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
const LINE: Rate = Rate::mbit_per_sec(10);
const HOUR: Duration = Duration::from_secs(3600);
