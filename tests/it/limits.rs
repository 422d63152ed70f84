//! Upload and download limits: held, used up, and shared evenly.

mod sessions;

use std::{num::NonZeroU64, ops::Range, time::Duration};

use bt_scheduler::RateLimits;
use bt_sim::{Access, Rate};

use sessions::{Sessions, torrent};

#[test]
fn a_download_limit_is_held_and_used_up() {
    for limit in [100_000, 1_000_000, 5_000_000] {
        let mut world = Sessions::new(limit);
        let leech = one_leech(&mut world, down(limit), 3);
        world.run_until(secs(40));
        expect(world.downloaded(leech, thirty(5)), limit);
        assert_eq!(world.peers(leech), 3, "nobody is parted from");
    }
}

#[test]
fn an_upload_limit_is_held_and_used_up() {
    for limit in [100_000, 1_000_000, 5_000_000] {
        let mut world = Sessions::new(limit);
        let seed = one_seed(&mut world, up(limit), 4);
        world.run_until(secs(40));
        expect(world.uploaded(seed, thirty(5)), limit);
        assert_eq!(world.peers(seed), 4, "nobody is parted from");
    }
}

#[test]
fn every_peer_has_an_even_part() {
    let mut world = Sessions::new(1);
    let seed = one_seed(&mut world, up(800_000), 4);
    world.run_until(secs(40));
    for leech in seed + 1..=seed + 4 {
        let part = world.sent(seed, leech, thirty(5));
        assert!(part.abs_diff(6_000_000) < 600_000, "{part}");
    }

    let mut world = Sessions::new(2);
    let leech = one_leech(&mut world, down(900_000), 3);
    world.run_until(secs(40));
    for seed in leech + 1..=leech + 3 {
        let part = world.sent(seed, leech, thirty(5));
        assert!(part.abs_diff(9_000_000) < 900_000, "{part}");
    }
}

/// Who is far away, or asks for little, is not pushed aside by those that ask for much.
#[test]
fn a_slow_peer_has_all_that_it_can_take() {
    let mut world = Sessions::new(3);
    let seed = one_seed(&mut world, up(1_000_000), 3);
    let slow_session = world.add_session(line(Rate::bytes_per_sec(100_000)), RateLimits::NONE);
    let slow = world.add(slow_session, &torrent(0), false);
    world.connect(slow, seed);
    world.run_until(secs(60));
    expect(world.uploaded(seed, thirty(25)), 1_000_000);
    let part = world.sent(seed, slow, thirty(25));
    assert!(part > 2_700_000, "{part} of 3 MB");
}

#[test]
fn a_limit_that_changes_holds_at_once() {
    let mut world = Sessions::new(4);
    let leech = one_leech(&mut world, RateLimits::NONE, 3);
    world.set_access(0, line(Rate::bytes_per_sec(2_500_000)));
    world.run_until(secs(10));
    let unlimited = world.downloaded(leech, secs(5)..secs(10));
    assert!(unlimited > 11_000_000, "{unlimited}");
    for (at, limit) in [(10, 400_000), (40, 2_000_000), (70, 200_000)] {
        world.set_limits(0, down(limit));
        world.run_until(secs(at + 30));
        expect(world.downloaded(leech, thirty(at)), limit);
    }
    world.set_limits(0, RateLimits::NONE);
    world.run_until(secs(105));
    let unlimited = world.downloaded(leech, secs(102)..secs(105));
    assert!(unlimited > 6_000_000, "{unlimited}");
    assert_eq!(world.peers(leech), 3);

    let mut world = Sessions::new(5);
    let seed = one_seed(&mut world, RateLimits::NONE, 4);
    world.run_until(secs(10));
    for (at, limit) in [(10, 400_000), (40, 2_000_000), (70, 200_000)] {
        world.set_limits(0, up(limit));
        world.run_until(secs(at + 30));
        expect(world.uploaded(seed, thirty(at)), limit);
    }
    assert_eq!(world.peers(seed), 4);
}

#[test]
fn several_torrents_share_a_limit_evenly_and_what_one_leaves_goes_to_the_others() {
    let mut world = Sessions::new(6);
    let limit = 1_200_000;
    let session = world.add_session(fast(), down(limit));
    let (mut leeches, mut seeds) = (Vec::new(), Vec::new());
    for number in 0..3 {
        let info = torrent(number);
        leeches.push(world.add(session, &info, false));
        let seed_session = world.add_session(fast(), RateLimits::NONE);
        seeds.push(world.add(seed_session, &info, true));
        world.connect(leeches[number as usize], seeds[number as usize]);
    }
    world.run_until(secs(40));
    let parts = |world: &Sessions, time: Range<Duration>| {
        let parts = leeches
            .iter()
            .map(|&leech| world.downloaded(leech, time.clone()));
        parts.collect::<Vec<_>>()
    };
    let even = parts(&world, thirty(5));
    expect(even.iter().sum(), limit);
    for part in even {
        assert!(part.abs_diff(12_000_000) < 600_000, "{part}");
    }

    world.stop(seeds[0]);
    world.run_until(secs(71));
    let rest = parts(&world, thirty(41));
    assert_eq!(rest[0], 0);
    expect(rest.iter().sum(), limit);
    assert!(rest[1].abs_diff(rest[2]) < 900_000, "{rest:?}");

    let own = RateLimits {
        download: NonZeroU64::new(200_000),
        ..RateLimits::NONE
    };
    world.set_torrent_limits(leeches[1], own);
    world.run_until(secs(102));
    let rest = parts(&world, thirty(72));
    expect(rest[1], 200_000);
    expect(rest[2], 1_000_000);
    world.set_limits(session, RateLimits::NONE);
    world.run_until(secs(133));
    expect(parts(&world, thirty(103))[1], 200_000);
}

#[test]
fn several_torrents_are_uploaded_evenly_as_far_as_each_is_wanted() {
    let mut world = Sessions::new(7);
    let limit = 1_000_000;
    let session = world.add_session(fast(), up(limit));
    // The last one's only peer takes no more than a tenth of it.
    let lines = [fast(), fast(), line(Rate::bytes_per_sec(100_000))];
    let mut seeds = Vec::new();
    for (number, access) in (0..).zip(lines) {
        let info = torrent(number);
        let seed = world.add(session, &info, true);
        seeds.push(seed);
        let leech_session = world.add_session(access, RateLimits::NONE);
        let leech = world.add(leech_session, &info, false);
        world.connect(leech, seed);
    }
    world.run_until(secs(70));
    let parts: Vec<_> = seeds
        .iter()
        .map(|&seed| world.uploaded(seed, thirty(35)))
        .collect();
    expect(parts.iter().sum(), limit);
    assert!(parts[2].abs_diff(3_000_000) < 300_000, "{parts:?}");
    assert!(parts[0].abs_diff(parts[1]) < 900_000, "{parts:?}");

    // The line becomes a better one, and what it could use now it gets.
    world.set_access(3, fast());
    world.run_until(secs(102));
    for seed in seeds {
        let part = world.uploaded(seed, thirty(72));
        assert!(part.abs_diff(10_000_000) < 700_000, "{part}");
    }
}

/// Hours for a block; and as much as there is.
#[test]
fn extreme_limits_neither_stop_nor_break_anything() {
    let mut world = Sessions::new(8);
    let leech = one_leech(&mut world, down(1), 3);
    world.run_until(secs(3600));
    let got = world.downloaded(leech, secs(0)..secs(3600));
    assert!((1..40_000).contains(&got), "{got}");
    assert_eq!(world.peers(leech), 3, "it is not their fault");
    world.set_limits(0, down(u64::MAX));
    world.run_until(secs(3610));
    let got = world.downloaded(leech, secs(3602)..secs(3610));
    assert!(got > 60_000_000, "{got}");
}

/// A session with one torrent that seeds, and leeches with sessions of their own, which follow it
/// in number.
fn one_seed(world: &mut Sessions, limits: RateLimits, leeches: usize) -> usize {
    let info = torrent(0);
    let session = world.add_session(fast(), limits);
    let seed = world.add(session, &info, true);
    for _ in 0..leeches {
        let session = world.add_session(fast(), RateLimits::NONE);
        let leech = world.add(session, &info, false);
        world.connect(leech, seed);
    }
    seed
}

/// The other way round.
fn one_leech(world: &mut Sessions, limits: RateLimits, seeds: usize) -> usize {
    let info = torrent(0);
    let session = world.add_session(fast(), limits);
    let leech = world.add(session, &info, false);
    for _ in 0..seeds {
        let session = world.add_session(fast(), RateLimits::NONE);
        let seed = world.add(session, &info, true);
        world.connect(leech, seed);
    }
    leech
}

/// Within 5 % of what the limit gives in thirty seconds.
#[track_caller]
fn expect(bytes: u64, limit: u64) {
    let expected = limit * 30;
    assert!(
        bytes.abs_diff(expected) <= expected / 20,
        "{bytes} bytes in 30 s, {:.1} % of the limit",
        bytes as f64 * 100.0 / expected as f64
    );
}

fn down(bytes_per_sec: u64) -> RateLimits {
    RateLimits {
        download: NonZeroU64::new(bytes_per_sec),
        ..RateLimits::NONE
    }
}

fn up(bytes_per_sec: u64) -> RateLimits {
    RateLimits {
        upload: NonZeroU64::new(bytes_per_sec),
        ..RateLimits::NONE
    }
}

fn fast() -> Access {
    line(Rate::mbit_per_sec(100))
}

fn line(down: Rate) -> Access {
    Access {
        up: Rate::mbit_per_sec(100),
        down,
        delay: Duration::from_millis(10),
        loss: 0.0,
    }
}

fn thirty(from: u64) -> Range<Duration> {
    secs(from)..secs(from + 30)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
