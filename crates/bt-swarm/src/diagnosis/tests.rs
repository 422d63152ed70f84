use proptest::prelude::*;

use super::*;
use crate::testing::epoch;

/// Five seconds of a download that nothing of ours limits, one sample every quarter of a second;
/// `change` is given each with its number.
fn limit(change: impl Fn(usize, &mut Sample)) -> Limit {
    let mut samples = Samples::default();
    for number in 0..20 {
        let mut sample = sample(number);
        change(number, &mut sample);
        samples.push(sample);
    }
    samples.diagnose().unwrap()
}

fn sample(number: usize) -> Sample {
    let mut supply = Supply::default();
    (supply.interesting, supply.serving) = (6, 3);
    (supply.pieces_missing, supply.pieces_sole) = (40, 1);
    Sample {
        at: epoch() + Duration::from_millis(250) * number as u32,
        is_complete: false,
        connected: 8,
        known: 20,
        unreachable: 5,
        dialling: 2,
        metadata: None,
        supply,
        held_back: None,
        is_starved: false,
        memory_bytes: 32 << 20,
        disk_bytes: 1 << 20,
        disk_refuses: false,
        downloaded: 250_000 * number as u64,
        verified: 200_000 * number as u64,
        outside: Outside::default(),
    }
}

#[test]
fn nothing_of_ours() {
    let expected = Limit::Peers {
        connected: 8,
        serving: 3,
        snubbed: 0,
        received_bytes_per_sec: 1_000_000,
    };
    assert_eq!(limit(|_, _| {}), expected);
    assert_eq!(Samples::default().diagnose(), None);
}

#[test]
fn each_of_them() {
    let check = |change: fn(&mut Sample), expected: Limit| {
        assert_eq!(limit(|_, sample| change(sample)), expected);
    };
    check(|sample| sample.is_complete = true, Limit::Complete);
    check(
        |sample| (sample.connected, sample.supply.interesting) = (0, 0),
        Limit::NoPeers {
            known: 20,
            unreachable: 5,
            dialling: 2,
            dht_nodes: None,
        },
    );
    check(
        |sample| {
            (sample.connected, sample.supply.interesting) = (0, 0);
            sample.outside.dht_nodes = Some(0);
        },
        Limit::NoPeers {
            known: 20,
            unreachable: 5,
            dialling: 2,
            dht_nodes: Some(0),
        },
    );
    check(
        |sample| {
            (sample.connected, sample.known, sample.unreachable) = (0, 5, 5);
            sample.outside.trackers_failing = 2;
        },
        Limit::TrackersDown {
            failing: 2,
            known: 5,
        },
    );
    check(
        |sample| sample.supply.serving = 0,
        Limit::AllChoked {
            connected: 8,
            interesting: 6,
        },
    );
    check(
        |sample| {
            (sample.supply.interesting, sample.supply.serving) = (0, 0);
            sample.supply.pieces_nowhere = 40;
        },
        Limit::RarePieces {
            connected: 8,
            interesting: 0,
            missing: 40,
            nowhere: 40,
            sole: 1,
        },
    );
    check(
        |sample| (sample.supply.interesting, sample.supply.serving) = (2, 1),
        Limit::RarePieces {
            connected: 8,
            interesting: 2,
            missing: 40,
            nowhere: 0,
            sole: 1,
        },
    );
    check(
        |sample| sample.held_back = NonZeroU64::new(7),
        Limit::OwnLimit {
            bytes_per_sec: NonZeroU64::new(7).unwrap(),
            received_bytes_per_sec: 1_000_000,
        },
    );
    check(
        |sample| sample.is_starved = true,
        Limit::Memory {
            bytes: 32 << 20,
            received_bytes_per_sec: 1_000_000,
        },
    );
    check(
        |sample| sample.disk_refuses = true,
        Limit::Disk {
            waiting_bytes: 1 << 20,
            written_bytes_per_sec: 800_000,
            is_refusing: true,
        },
    );
    check(
        |sample| (sample.is_starved, sample.disk_bytes) = (true, 16 << 20),
        Limit::Disk {
            waiting_bytes: 16 << 20,
            written_bytes_per_sec: 800_000,
            is_refusing: false,
        },
    );
}

/// All is received, and the last pieces are being written.
#[test]
fn at_the_end_the_disk_is_waited_for() {
    let at_end = limit(|_, sample| sample.supply.pieces_missing = 0);
    assert_eq!(at_end.name(), "disk");
}

#[test]
fn a_disk_whose_threads_hash_for_most_of_the_time_is_no_slow_disk() {
    for (percent, threads, name) in [
        (40, 1, "disk"),
        (60, 1, "hashing"),
        (60, 2, "disk"),
        (120, 2, "hashing"),
        (90, 0, "hashing"),
    ] {
        let limit = limit(|number, sample| {
            (sample.is_starved, sample.disk_bytes) = (true, 16 << 20);
            sample.outside.disk_threads = threads;
            sample.outside.hash_time = Duration::from_millis(250) * number as u32 * percent / 100;
        });
        assert_eq!(limit.name(), name, "{percent} % of {threads}");
    }
}

/// A tracker that still may answer, or an address that may, is hope.
#[test]
fn trackers_are_to_blame_only_if_nothing_else_is_left() {
    let check = |change: fn(&mut Sample), name: &str| {
        let limit = limit(|_, sample| {
            (sample.connected, sample.known, sample.unreachable) = (0, 5, 5);
            sample.outside.trackers_failing = 1;
            change(sample);
        });
        assert_eq!(limit.name(), name);
    };
    check(|_| {}, "trackers_down");
    check(|sample| sample.unreachable = 4, "no_peers");
    check(|sample| sample.outside.trackers_asked = 1, "no_peers");
    check(|sample| sample.outside.trackers_working = 1, "no_peers");
    check(|sample| sample.outside.trackers_failing = 0, "no_peers");
}

#[test]
fn what_holds_for_a_moment_is_not_told() {
    for most in [9, 12] {
        let limit = limit(|number, sample| {
            sample.held_back = NonZeroU64::new(7).filter(|_| number < most);
        });
        let expected = if most > 10 { "own_limit" } else { "peers" };
        assert_eq!(limit.name(), expected);
    }
}

#[test]
fn what_was_long_ago_is_forgotten_and_memory_is_bounded() {
    let mut samples = Samples::default();
    let mut old = sample(0);
    old.disk_refuses = true;
    samples.push(old);
    for number in 0..100_000_u32 {
        let mut sample = sample(0);
        sample.at += Duration::from_millis(1) * number;
        samples.push(sample);
        assert!(samples.0.len() <= MAX_SAMPLES);
        let span = sample.at - samples.0[0].at;
        assert!(span <= WINDOW, "{span:?}");
        let seconds = number / 1000;
        assert!(seconds < 6 || span > WINDOW / 2, "{span:?}");
    }
    assert!(samples.0.iter().all(|sample| !sample.disk_refuses));
}

fn any_sample() -> impl Strategy<Value = Sample> {
    let counts = prop::array::uniform8(0_usize..10);
    let flags = any::<[bool; 5]>();
    (counts, flags, any::<u16>(), 0_u64..1 << 40).prop_map(|(counts, flags, hash, bytes)| {
        let mut sample = sample(0);
        sample.connected = counts[0] + counts[1];
        sample.supply.interesting = counts[1];
        sample.supply.serving = counts[1].min(counts[2]);
        sample.supply.pieces_missing = counts[3] as u32;
        (sample.known, sample.unreachable) = (counts[4] + counts[5], counts[5]);
        sample.outside.trackers_failing = counts[6];
        sample.outside.trackers_working = counts[7];
        sample.outside.hash_time = Duration::from_millis(hash.into());
        sample.is_complete = flags[0];
        sample.held_back = NonZeroU64::new(u64::from(flags[1]));
        (sample.is_starved, sample.disk_refuses) = (flags[2], flags[3]);
        sample.disk_bytes = if flags[4] { 20 << 20 } else { 0 };
        (sample.downloaded, sample.verified) = (bytes, bytes / 2);
        sample
    })
}

proptest! {
    /// Whatever is seen, there is one answer, and its figures are among what was seen.
    #[test]
    fn there_is_always_an_answer(seen in prop::collection::vec((any_sample(), 0_u64..2000), 1..60)) {
        let mut samples = Samples::default();
        let mut at = epoch();
        for (mut sample, later) in seen {
            at += Duration::from_millis(later);
            sample.at = at;
            samples.push(sample);
            let limit = samples.diagnose().unwrap();
            prop_assert_eq!(limit == Limit::Complete, sample.is_complete);
            match limit {
                Limit::Peers { connected, serving, .. } => prop_assert!(serving <= connected),
                Limit::RarePieces { connected, interesting, .. }
                | Limit::AllChoked { connected, interesting } => {
                    prop_assert!(interesting <= connected);
                }
                Limit::NoPeers { known, unreachable, .. } => prop_assert!(unreachable <= known),
                _ => {}
            }
        }
    }
}
