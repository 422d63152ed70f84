//! What is said to limit a download: each answer in a world in which it is true, and another one
//! once it is not.

use std::{num::NonZeroU64, time::Duration};

use bt_scheduler::RateLimits;
use bt_sim::{Access, DiskConfig, Rate};
use bt_swarm::Limit;
use bt_tests::{Behaviour, NodeSpec, World, WorldConfig};

/// Of what is said between these seconds, all is `limit`.
#[track_caller]
fn said(world: &World, node: usize, from: u64, until: u64, limit: &str) -> Limit {
    let sights = world.sights(node).iter();
    let sights = sights.filter(|sight| (secs(from)..secs(until)).contains(&sight.at));
    let mut last = None;
    for sight in sights {
        assert_eq!(sight.limit.name(), limit, "{sight:?}");
        last = Some(sight.limit);
    }
    last.expect("it was looked at")
}

#[test]
fn no_peers() {
    let mut world = World::new(config(1));
    let leecher = world.add(NodeSpec::leecher(fast()));
    world.observe(leecher);
    world.add(NodeSpec {
        joins_at: secs(30),
        ..NodeSpec::seed(slow())
    });
    world.run(secs(60));
    let limit = said(&world, leecher, 0, 30, "no_peers");
    let nobody = Limit::NoPeers {
        known: 0,
        unreachable: 0,
        dialling: 0,
        dht_nodes: None,
    };
    assert_eq!(limit, nobody);
    said(&world, leecher, 40, 60, "peers");
}

#[test]
fn all_choked() {
    let mut world = World::new(config(2));
    let leecher = world.add(NodeSpec::leecher(fast()));
    world.observe(leecher);
    for _ in 0..3 {
        world.add(NodeSpec {
            behaviour: Behaviour::Leech,
            ..NodeSpec::seed(fast())
        });
    }
    world.add(NodeSpec {
        joins_at: secs(30),
        ..NodeSpec::seed(slow())
    });
    world.run(secs(60));
    let limit = said(&world, leecher, 5, 30, "all_choked");
    let choked = Limit::AllChoked {
        connected: 3,
        interesting: 3,
    };
    assert_eq!(limit, choked);
    said(&world, leecher, 40, 60, "peers");
}

#[test]
fn a_slow_disk() {
    let mut world = World::new(WorldConfig {
        memory_bytes: 8 << 20,
        ..config(3)
    });
    let leecher = world.add(NodeSpec {
        disk: DiskConfig {
            seek: Duration::from_millis(10),
            rate: Rate::bytes_per_sec(1_000_000),
        },
        ..NodeSpec::leecher(fast())
    });
    world.observe(leecher);
    world.add(NodeSpec::seed(line(50)));
    world.run(secs(40));
    let Limit::Disk {
        waiting_bytes,
        written_bytes_per_sec,
        is_refusing: false,
    } = said(&world, leecher, 10, 40, "disk")
    else {
        panic!("it does not refuse");
    };
    assert!(waiting_bytes > 2 << 20, "{waiting_bytes}");
    let rate = written_bytes_per_sec;
    assert!((800_000..=1_100_000).contains(&rate), "{rate}");

    world.set_disk(leecher, DiskConfig::solid_state());
    world.run(secs(70));
    said(&world, leecher, 60, 70, "peers");
}

#[test]
fn hashing() {
    let mut world = World::new(WorldConfig {
        memory_bytes: 8 << 20,
        ..config(4)
    });
    let leecher = world.add(NodeSpec {
        hashing: Some(Rate::bytes_per_sec(1_000_000)),
        ..NodeSpec::leecher(fast())
    });
    world.observe(leecher);
    world.add(NodeSpec::seed(line(50)));
    world.run(secs(40));
    let Limit::Hashing {
        hashed_bytes_per_sec,
        ..
    } = said(&world, leecher, 10, 40, "hashing")
    else {
        panic!("it is hashing");
    };
    let rate = hashed_bytes_per_sec;
    assert!((800_000..=1_100_000).contains(&rate), "{rate}");

    world.set_hashing(leecher, None);
    world.run(secs(70));
    said(&world, leecher, 60, 70, "peers");
}

#[test]
fn our_own_limit() {
    let mut world = World::new(config(5));
    let leecher = world.add(NodeSpec::leecher(fast()));
    world.observe(leecher);
    for _ in 0..3 {
        world.add(NodeSpec::seed(line(4)));
    }
    world.run(secs(1));
    let rate = NonZeroU64::new(200_000).expect("not 0");
    let limits = RateLimits {
        download: Some(rate),
        ..RateLimits::NONE
    };
    world.set_limits(leecher, limits);
    world.run(secs(40));
    let Limit::OwnLimit {
        bytes_per_sec,
        received_bytes_per_sec,
    } = said(&world, leecher, 10, 40, "own_limit")
    else {
        panic!("it is our limit");
    };
    assert_eq!(bytes_per_sec, rate);
    let off = received_bytes_per_sec.abs_diff(rate.get());
    assert!(off < 30_000, "{received_bytes_per_sec}");

    world.set_limits(leecher, RateLimits::NONE);
    world.run(secs(60));
    said(&world, leecher, 45, 60, "peers");
}

/// Everybody lacks the same piece, until somebody comes who has it.
#[test]
fn rare_pieces() {
    let mut world = World::new(WorldConfig {
        piece_count: 40,
        ..config(6)
    });
    let leecher = world.add(NodeSpec::leecher(fast()));
    world.observe(leecher);
    for _ in 0..4 {
        world.add(NodeSpec {
            lacks: vec![7],
            ..NodeSpec::seed(fast())
        });
    }
    world.add(NodeSpec {
        joins_at: secs(60),
        ..NodeSpec::seed(line(1))
    });
    // The world goes on for it.
    world.add(NodeSpec {
        joins_at: secs(100),
        ..NodeSpec::leecher(fast())
    });
    world.run(secs(120));
    let limit = said(&world, leecher, 20, 60, "rare_pieces");
    let rare = Limit::RarePieces {
        connected: 4,
        interesting: 0,
        missing: 1,
        nowhere: 1,
        sole: 0,
    };
    assert_eq!(limit, rare);
    said(&world, leecher, 90, 100, "complete");
    // As far as others see, there was less than a copy; now there is more.
    let copies = |at: u64| {
        let mut sights = world.sights(leecher).iter();
        let sight = sights.find(|sight| sight.at >= secs(at));
        sight.map(|sight| sight.stats.copies.to_string())
    };
    assert_eq!(copies(50).as_deref(), Some("0.975"));
    assert_eq!(copies(63).as_deref(), Some("1.975"));
}

/// Nobody is known but by the tracker, which does not answer for a minute.
#[test]
fn a_tracker_that_is_down() {
    let mut world = World::new(WorldConfig {
        tracker_down_until: secs(60),
        ..config(7)
    });
    let leecher = world.add(NodeSpec::leecher(fast()));
    world.observe(leecher);
    world.add(NodeSpec::seed(slow()));
    world.run(secs(120));
    let limit = said(&world, leecher, 0, 60, "trackers_down");
    let down = Limit::TrackersDown {
        failing: 1,
        known: 0,
    };
    assert_eq!(limit, down);
    said(&world, leecher, 90, 120, "peers");
}

#[test]
fn the_peers_themselves() {
    let mut world = World::new(config(8));
    let leecher = world.add(NodeSpec::leecher(fast()));
    world.observe(leecher);
    for _ in 0..3 {
        world.add(NodeSpec::seed(line(1)));
    }
    world.run(secs(60));
    let Limit::Peers {
        connected,
        serving,
        snubbed,
        received_bytes_per_sec,
    } = said(&world, leecher, 5, 60, "peers")
    else {
        panic!("it is the peers");
    };
    assert_eq!((connected, serving, snubbed), (3, 3, 0));
    let line = 3 * 125_000;
    let rate = received_bytes_per_sec;
    assert!((line * 8 / 10..=line).contains(&rate), "{rate}");
}

/// Much memory is asked for by peers that are far away.
#[test]
fn little_memory() {
    let mut world = World::new(WorldConfig {
        memory_bytes: 256 << 10,
        ..config(9)
    });
    let far = |mbit| Access {
        delay: Duration::from_millis(200),
        ..line(mbit)
    };
    let leecher = world.add(NodeSpec::leecher(far(100)));
    world.observe(leecher);
    for _ in 0..4 {
        world.add(NodeSpec::seed(far(50)));
    }
    world.run(secs(30));
    said(&world, leecher, 10, 30, "memory");
}

fn config(seed: u64) -> WorldConfig {
    WorldConfig {
        piece_count: 2000,
        piece_length: 256 * 1024,
        ..WorldConfig::common(seed)
    }
}

fn fast() -> Access {
    line(100)
}

fn slow() -> Access {
    line(1)
}

fn line(up_mbit: u64) -> Access {
    Access {
        up: Rate::mbit_per_sec(up_mbit),
        down: Rate::mbit_per_sec(100),
        delay: Duration::from_millis(10),
        loss: 0.0,
    }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
