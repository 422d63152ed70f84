//! What verifying pieces costs: whole pieces through a `Hasher`, single blocks in one call.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::hint::black_box;

use bt_hash::{Algorithm, Hasher, merkle, sha1, sha256};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// A piece of 1 MiB in blocks of 16 KiB, as it arrives.
fn pieces(c: &mut Criterion) {
    for (name, algorithm) in [("sha1", Algorithm::Sha1), ("sha256", Algorithm::Sha256)] {
        let mut group = c.benchmark_group(format!("hash/{name}"));
        group.throughput(Throughput::Bytes(1 << 20));
        let mut parts: Vec<_> = (0..64).map(|byte| vec![byte; BLOCK]).collect();
        let mut hasher = Hasher::new();
        group.bench_function("piece_1m", |b| {
            b.iter(|| {
                hasher.submit((), algorithm, std::mem::take(&mut parts));
                hasher.flush();
                let done = hasher.poll().expect("a flushed job is given out");
                parts = done.parts;
                done.digest
            });
        });
    }
}

fn blocks(c: &mut Criterion) {
    let block = vec![0x5a; BLOCK];
    let mut group = c.benchmark_group("hash/one_shot");
    group.throughput(Throughput::Bytes(BLOCK as u64));
    group.bench_function("sha1_16k", |b| b.iter(|| sha1(black_box(&block))));
    group.bench_function("sha256_16k", |b| b.iter(|| sha256(black_box(&block))));
    group.finish();

    let leaves: Vec<_> = (0..64).map(|byte| [byte; 32]).collect();
    let mut group = c.benchmark_group("hash/merkle_root");
    group.throughput(Throughput::Elements(64));
    group.bench_function("64_leaves", |b| {
        b.iter(|| merkle::root_of(black_box(&leaves), 64));
    });
}

const BLOCK: usize = 16 * 1024;

criterion_group!(benches, pieces, blocks);
criterion_main!(benches);
