//! What a search costs who hears it, and who sends it.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "an arbitrary epoch; only offsets from it matter"
)]

use std::{
    hint::black_box,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bt_lsd::{Group, Lsd};
use bt_types::SwarmId;
use criterion::{Criterion, criterion_group, criterion_main};

fn searches(c: &mut Criterion) {
    let start = Instant::now();
    let swarms: Vec<_> = (0..20).map(|n| SwarmId([n; 20])).collect();
    let theirs = Lsd::new(start, 6881, [1; 8]);
    let search = theirs.searches(Group::V4, &swarms).next();
    let search = search.expect("room for twenty");
    let from = SocketAddr::from(([192, 168, 1, 9], 6771));

    let mut ours = Lsd::new(start, 6882, [2; 8]);
    let mut now = start;
    c.bench_function("lsd/handle_datagram/20_swarms", |b| {
        b.iter(|| {
            now += Duration::from_secs(1);
            let found = ours.handle_datagram(now, from, black_box(&search));
            found.map(|found| found.swarms().count())
        });
    });
    c.bench_function("lsd/searches/20_swarms", |b| {
        b.iter(|| theirs.searches(Group::V4, black_box(&swarms)).count());
    });
}

criterion_group!(benches, searches);
criterion_main!(benches);
