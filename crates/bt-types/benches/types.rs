//! What the hot path asks of the shared types.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::hint::black_box;

use bt_types::{Bitfield, CompactAddrs, FileExtent, PieceLayout};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn layout(c: &mut Criterion) {
    let files = (0..100_000).map(|i| FileExtent::data(40_000 + i % 7_000));
    let layout = PieceLayout::packed(262_144, files).expect("a valid torrent");
    let mut group = c.benchmark_group("types/layout_slices");
    group.throughput(Throughput::Elements(u64::from(layout.piece_count())));
    group.bench_function("100k_files", |b| {
        b.iter(|| {
            let slices = layout
                .pieces()
                .flat_map(|piece| layout.slices(piece, 0, 16_384));
            slices.map(|slice| u64::from(slice.length)).sum::<u64>()
        });
    });
}

fn bitfield(c: &mut Criterion) {
    let full = Bitfield::full(1_000_000);
    let mut group = c.benchmark_group("types/bitfield");
    group.throughput(Throughput::Elements(1_000_000));
    group.bench_function("iter_ones_1m", |b| {
        b.iter(|| black_box(&full).iter_ones().count());
    });
    group.bench_function("has_any_not_in_1m", |b| {
        b.iter(|| black_box(&full).has_any_not_in(black_box(&full)));
    });
}

fn compact(c: &mut Criterion) {
    let bytes: Vec<u8> = (0..6 * 200).map(|i| i as u8).collect();
    let mut group = c.benchmark_group("types/compact_v4");
    group.throughput(Throughput::Elements(200));
    group.bench_function("200_peers", |b| {
        b.iter(|| {
            CompactAddrs::lossy_v4(black_box(&bytes))
                .filter(|a| a.port() != 0)
                .count()
        });
    });
}

criterion_group!(benches, layout, bitfield, compact);
criterion_main!(benches);
