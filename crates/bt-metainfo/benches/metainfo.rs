//! Torrents at the ends of what is real: millions of pieces, a hundred thousand files, and names
//! that all collide.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::hint::black_box;

use bt_metainfo::{Info, InfoBuilder, MagnetLink};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const PIECE_LENGTH: u32 = 1 << 20;

fn pieces(c: &mut Criterion) {
    let count: u32 = 2_000_000;
    let length = u64::from(count) * u64::from(PIECE_LENGTH);
    let builder = InfoBuilder::new("one file", PIECE_LENGTH).single_file(length);
    let raw = builder.pieces((0..count).map(|i| [i as u8; 20])).encode();
    let mut group = c.benchmark_group("metainfo/parse");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(raw.len() as u64));
    group.bench_function("2m_pieces", |b| {
        b.iter(|| Info::from_bytes(black_box(&raw)).is_ok());
    });
    let info = Info::from_bytes(&raw).expect("a valid torrent");
    group.throughput(Throughput::Elements(u64::from(count)));
    group.bench_function("2m_piece_hashes", |b| {
        let known = |piece| info.piece_hash(piece).is_some();
        b.iter(|| info.layout().pieces().filter(|piece| known(*piece)).count());
    });
}

fn files(c: &mut Criterion) {
    let count: u32 = 100_000;
    let mut group = c.benchmark_group("metainfo/parse");
    group.sample_size(10);
    group.throughput(Throughput::Elements(u64::from(count)));
    let mut bench = |name, path: fn(u32) -> [String; 3]| {
        let mut builder = InfoBuilder::new("many files", PIECE_LENGTH);
        for file in 0..count {
            builder = builder.file(path(file), 50_000);
        }
        let pieces = (u64::from(count) * 50_000).div_ceil(u64::from(PIECE_LENGTH));
        let raw = builder.pieces((0..pieces).map(|_| [7; 20])).encode();
        assert!(Info::from_bytes(&raw).is_ok());
        group.bench_function(name, |b| {
            b.iter(|| Info::from_bytes(black_box(&raw)).is_ok());
        });
    };
    bench("100k_files", |file| {
        let folder = format!("folder {}", file / 100);
        ["photos".to_owned(), folder, format!("IMG_{file:06}.jpeg")]
    });
    bench("100k_files_unicode", |file| {
        let folder = format!("альбом {}", file / 100);
        [
            "фото".to_owned(),
            folder,
            format!("снимок {file}: «море»?.jpeg"),
        ]
    });
    bench("100k_files_of_one_name", |file| {
        let name = if file % 2 == 0 {
            "Same.bin"
        } else {
            "same.BIN"
        };
        ["a".to_owned(), "b".to_owned(), name.to_owned()]
    });
}

fn magnet(c: &mut Criterion) {
    let trackers = (0..20).map(|n| format!("&tr=udp%3A%2F%2Ftracker{n}.example%3A6969%2Fannounce"));
    let hash = "cd".repeat(20);
    let link = format!(
        "magnet:?xt=urn:btih:{hash}&dn=a+name{}",
        trackers.collect::<String>()
    );
    c.bench_function("metainfo/parse_magnet/20_trackers", |b| {
        b.iter(|| black_box(&link).parse::<MagnetLink>().is_ok());
    });
}

criterion_group!(benches, pieces, files, magnet);
criterion_main!(benches);
