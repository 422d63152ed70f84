//! What a simulated event and a simulated transfer cost.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::time::Duration;

use bt_sim::{Access, EventQueue, Network, NodeId, SimRng};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn events(c: &mut Criterion) {
    let mut group = c.benchmark_group("sim/events");
    group.throughput(Throughput::Elements(100_000));
    group.bench_function("100k_of_10k_waiting", |b| {
        b.iter(|| {
            let mut rng = SimRng::new(1);
            let mut queue = EventQueue::new();
            for event in 0..10_000_u32 {
                queue.schedule_at(Duration::from_micros(rng.below(1_000_000)), event);
            }
            for _ in 0..100_000 {
                let (_, event) = queue.pop().expect("each event schedules another");
                queue.schedule_in(Duration::from_micros(rng.below(1_000_000)), event);
            }
            queue.now()
        });
    });
}

fn transfers(c: &mut Criterion) {
    let mut group = c.benchmark_group("sim/transfer");
    group.throughput(Throughput::Elements(100_000));
    group.bench_function("100k_between_10k_nodes", |b| {
        b.iter(|| {
            let mut rng = SimRng::new(1);
            let mut network = Network::new(rng.fork(1));
            for _ in 0..10_000 {
                network.add(Access::home());
            }
            (0..100_000_u64)
                .map(|at| {
                    let (from, to) = (rng.below(10_000) as u32, rng.below(10_000) as u32);
                    network.transfer(Duration::from_micros(at), NodeId(from), NodeId(to), 16_384)
                })
                .max()
        });
    });
}

criterion_group!(benches, events, transfers);
criterion_main!(benches);
