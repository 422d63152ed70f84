//! What a session asks of each torrent's schedule whenever anything happens.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::time::Instant;

use bt_tracker::{Config, Identity, Schedule};
use bt_types::{AnnounceResponse, PeerId, SwarmId};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// One tracker, a usual torrent, and the longest list that people pass around, one a tier.
fn idle(c: &mut Criterion) {
    let mut group = c.benchmark_group("tracker/idle_wake_up");
    group.throughput(Throughput::Elements(1));
    for trackers in [1, 8, 150] {
        let now = epoch();
        let mut schedule = schedule(trackers);
        schedule.start(now);
        answer_all(&mut schedule, now);
        group.bench_function(format!("{trackers}_trackers"), |b| {
            b.iter(|| {
                schedule.handle_timeout(now);
                assert_eq!(schedule.poll_announce(now), None);
                schedule.poll_timeout()
            });
        });
    }
    group.finish();
}

fn run(c: &mut Criterion) {
    let now = epoch();
    let mut group = c.benchmark_group("tracker/start_and_stop");
    for trackers in [8, 150] {
        group.throughput(Throughput::Elements(2 * trackers));
        group.bench_function(format!("{trackers}_trackers"), |b| {
            b.iter(|| {
                let mut schedule = schedule(trackers);
                schedule.start(now);
                answer_all(&mut schedule, now);
                schedule.stop(now);
                answer_all(&mut schedule, now);
            });
        });
    }
    group.finish();
}

fn answer_all(schedule: &mut Schedule, now: Instant) {
    while let Some(announce) = schedule.poll_announce(now) {
        schedule.handle_outcome(now, announce.id, Ok(AnnounceResponse::default()));
    }
    while schedule.poll_event().is_some() {}
}

fn schedule(trackers: u64) -> Schedule {
    let tiers = (0..trackers).map(|n| vec![format!("udp://tracker-{n}.example:6969/announce")]);
    let identity = Identity {
        swarm_id: SwarmId([1; 20]),
        peer_id: PeerId([2; 20]),
        key: 3,
        port: 6881,
    };
    Schedule::new(tiers.collect(), Config::new(identity), [7; 32])
}

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary epoch; only offsets from it matter"
)]
fn epoch() -> Instant {
    Instant::now()
}

criterion_group!(benches, idle, run);
criterion_main!(benches);
