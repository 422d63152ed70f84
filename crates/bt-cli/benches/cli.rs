//! What a user waits for before anything is transferred: the whole process, from start to exit.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use bt_metainfo::{InfoBuilder, MetainfoBuilder};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn show(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("many.torrent");
    fs::write(&path, torrent(FILES)).expect("room for a torrent");
    let mut group = c.benchmark_group("cli/show");
    group
        .throughput(Throughput::Elements(FILES))
        .sample_size(10);
    group.bench_function("20k_files", |b| b.iter(|| run(&["show"], &path)));
    group.bench_function("20k_files_json", |b| {
        b.iter(|| run(&["show", "--json"], &path));
    });
    group.finish();
}

/// A folder of small files: walked, opened, hashed and written out.
fn create(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let content = folder.path().join("many");
    for file in 0..FILES / 10 {
        let inner = content.join(format!("folder {}", file % 100));
        fs::create_dir_all(&inner).expect("room for a folder");
        fs::write(inner.join(format!("{file}.txt")), [7; 5_000]).expect("room for a file");
    }
    let mut group = c.benchmark_group("cli/create");
    group
        .throughput(Throughput::Elements(FILES / 10))
        .sample_size(10);
    group.bench_function("2k_files", |b| {
        b.iter(|| run(&["create", "-q", "-o", "-"], &content));
    });
    group.finish();
}

fn run(arguments: &[&str], torrent: &Path) {
    let mut bt = Command::new(env!("CARGO_BIN_EXE_bt"));
    bt.args(arguments).arg(torrent).stdout(Stdio::null());
    assert!(bt.status().expect("bt is built").success());
}

fn torrent(files: u64) -> Vec<u8> {
    let length = 5_000;
    let mut info = InfoBuilder::new("many", 256 * 1024);
    for file in 0..files {
        info = info.file(
            [format!("folder {}", file % 100), format!("{file}.txt")],
            length,
        );
    }
    let pieces = (files * length).div_ceil(256 * 1024);
    MetainfoBuilder::new(info.pieces((0..pieces).map(|_| [0; 20])).encode()).encode()
}

const FILES: u64 = 20_000;

criterion_group!(benches, show, create);
criterion_main!(benches);
