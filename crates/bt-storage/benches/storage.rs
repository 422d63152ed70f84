//! What a download and a check cost beside the network.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, atomic::AtomicBool, mpsc},
    thread,
};

use bt_hash::sha1;
use bt_metainfo::InfoBuilder;
use bt_storage::{
    FilePool, Storage,
    check::check,
    create::{Content, Selection, hash_pieces},
    disk::{DiskPool, Done, Job},
    resume::{Beside, BootId, FileTime, Keeper, Place, Record, Stamp},
};
use bt_types::{BLOCK_LENGTH, Bitfield, Block, InfoHash, PieceIndex, ResumeState, TorrentIds};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;

/// Complete pieces in memory, hashed and written by one thread; the files exist already.
fn verify_and_write(c: &mut Criterion) {
    let (storage, content, _folder) = torrent(MIB, &[32 * MIB]);
    let (sender, answers) = mpsc::channel();
    let pool = DiskPool::new(1, move |(), done: Done<Vec<u8>>| {
        sender.send(done).expect("we listen");
    });
    let mut group = c.benchmark_group("storage/verify_and_write");
    group
        .throughput(Throughput::Bytes(content.len() as u64))
        .sample_size(20);
    group.bench_function("32_pieces_of_1_mib", |b| {
        let jobs = || -> Vec<_> {
            let pieces = content.chunks(MIB).zip(storage.layout().pieces());
            let pieces = pieces.map(|(bytes, piece)| Job::Verify {
                piece,
                blocks: blocks_of(bytes),
                wants_digests: false,
            });
            pieces.collect()
        };
        let run = |jobs: Vec<_>| {
            let count = jobs.len();
            for job in jobs {
                pool.submit(Arc::clone(&storage), (), job);
            }
            for _ in 0..count {
                let done = answers.recv().expect("an answer");
                assert!(matches!(done, Done::Verified { .. }), "{done:?}");
            }
        };
        b.iter_batched(jobs, run, BatchSize::LargeInput);
    });
}

/// A complete download in the page cache, on all cores.
fn check_all(c: &mut Criterion) {
    let (storage, content, _folder) = torrent(MIB, &[256 * MIB]);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut group = c.benchmark_group("storage/check");
    group
        .throughput(Throughput::Bytes(content.len() as u64))
        .sample_size(10);
    group.bench_function("256_mib", |b| {
        b.iter(|| {
            let checked = check(&storage, threads, &|_| (), &AtomicBool::new(false));
            assert!(checked.expect("a good disk").have.is_full());
        });
    });
}

/// What `bt create` does beside writing the torrent: from the page cache, on all cores.
fn create(c: &mut Criterion) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut group = c.benchmark_group("storage/create");
    for (name, piece_length, files) in [
        ("256_mib", MIB, &[256 * MIB][..]),
        ("10k_small_files", 256 * 1024, &[4096; 10_000]),
    ] {
        let (storage, bytes, folder) = torrent(piece_length, files);
        group
            .throughput(Throughput::Bytes(bytes.len() as u64))
            .sample_size(10);
        group.bench_function(name, |b| {
            b.iter(|| {
                let content = Content::find(&folder.path().join("t"), &Selection::default());
                let content = content.expect("a good disk");
                let never = AtomicBool::new(false);
                let hashes = hash_pieces(&content, storage.layout(), threads, &|_| (), &never);
                let hashes = hashes.expect("a good disk").expect("nobody cancelled");
                assert_eq!(hashes.len(), storage.layout().piece_count() as usize);
            });
        });
    }
    group.finish();
}

/// 10,000 files of 4 KiB in 100 folders, written from nothing in pieces of 256 KiB, and checked.
fn small_files(c: &mut Criterion) {
    let (storage, content, _folder) = torrent(256 * 1024, &[4096; 10_000]);
    let mut group = c.benchmark_group("storage/small_files");
    group
        .throughput(Throughput::Elements(10_000))
        .sample_size(10);
    group.bench_function("write_10k", |b| {
        let fresh = || {
            let folder = TempDir::new().expect("a temporary folder");
            let root = folder.path().to_owned();
            let files = Arc::new(FilePool::new(FilePool::DEFAULT_MAX_OPEN));
            let storage = Storage::new(root, Arc::clone(storage.info()), files);
            storage.prepare().expect("a good disk");
            (folder, storage)
        };
        let write = |(folder, storage): (TempDir, Storage)| {
            for (bytes, piece) in content.chunks(256 * 1024).zip(storage.layout().pieces()) {
                storage.write(piece, &[(0, bytes)]).expect("a good disk");
            }
            folder // to be removed when the clock has stopped
        };
        b.iter_batched(fresh, write, BatchSize::PerIteration);
    });
    group.bench_function("check_10k", |b| {
        b.iter(|| {
            let checked = check(&storage, 1, &|_| (), &AtomicBool::new(false));
            assert!(checked.expect("a good disk").have.is_full());
        });
    });
}

/// What a peer asks for, from the page cache.
fn read(c: &mut Criterion) {
    let (storage, _, _folder) = torrent(MIB, &[4 * MIB]);
    let mut buffer = vec![0; BLOCK_LENGTH as usize];
    let mut group = c.benchmark_group("storage/read");
    group.throughput(Throughput::Bytes(buffer.len() as u64));
    group.bench_function("16_kib", |b| {
        let block = Block {
            piece: PieceIndex::new(2),
            begin: 5 * BLOCK_LENGTH,
            length: BLOCK_LENGTH,
        };
        b.iter(|| storage.read(block, &mut buffer).expect("a good disk"));
    });
}

/// A million pieces in a thousand files, half of them there; and what a download of short pieces
/// pays for being noted.
fn resume(c: &mut Criterion) {
    let ids = TorrentIds::v1_only(InfoHash([7; 20]));
    let mut state = ResumeState::nothing(ids, 1 << 20);
    for piece in (0..1 << 20).step_by(2).map(PieceIndex::new) {
        state.written.insert(piece);
    }
    state.synced.clone_from(&state.written);
    let time = FileTime {
        secs: 1_700_000_000,
        nanos: 5,
    };
    let stamp = Stamp {
        length: 1 << 30,
        modified: time,
        changed: time,
    };
    let record = Record {
        state,
        files: vec![Some(stamp); 1000],
        beside: Beside::default(),
        not_synced: BTreeSet::new(),
        boot: BootId::new("a boot"),
        is_clean: true,
    };
    let bytes = record.encode();
    let mut group = c.benchmark_group("storage/resume");
    group.bench_function("encode_1m_pieces", |b| b.iter(|| record.encode()));
    group.bench_function("decode_1m_pieces", |b| {
        b.iter(|| Record::decode(&bytes).expect("a good record"));
    });
    for (name, is_noted) in [
        ("pieces_of_16_kib", false),
        ("pieces_of_16_kib_noted", true),
    ] {
        let (storage, content, folder) = torrent(16 << 10, &[16 * MIB]);
        if is_noted {
            let place = Place::lock(&folder.path().join("state"), &storage).expect("our place");
            let start = place.start(&storage, None).expect("a good disk");
            let nothing = Bitfield::new(storage.layout().piece_count());
            let keeper = Keeper::begin(place, &storage, start, nothing, None);
            storage.set_keeper(Arc::new(keeper.expect("a good disk")));
        }
        let (sender, answers) = mpsc::channel();
        let pool = DiskPool::new(1, move |(), done: Done<Vec<u8>>| {
            sender.send(done).expect("we listen");
        });
        group.throughput(Throughput::Elements(1024));
        group.bench_function(name, |b| {
            let jobs = || -> Vec<_> {
                let pieces = content.chunks(16 << 10).zip(storage.layout().pieces());
                let pieces = pieces.map(|(bytes, piece)| Job::Verify {
                    piece,
                    blocks: blocks_of(bytes),
                    wants_digests: false,
                });
                pieces.collect()
            };
            let run = |jobs: Vec<_>| {
                let count = jobs.len();
                for job in jobs {
                    pool.submit(Arc::clone(&storage), (), job);
                }
                for _ in 0..count {
                    let done = answers.recv().expect("an answer");
                    assert!(matches!(done, Done::Verified { .. }), "{done:?}");
                }
            };
            b.iter_batched(jobs, run, BatchSize::LargeInput);
        });
    }
    group.finish();
}

/// A torrent of files of the given lengths, complete on disk.
fn torrent(piece_length: usize, files: &[usize]) -> (Arc<Storage>, Vec<u8>, TempDir) {
    let content: Vec<u8> = (0..files.iter().sum::<usize>() as u32)
        .map(|index| (index.wrapping_mul(0x9e37_79b1) >> 24) as u8)
        .collect();
    let builder =
        InfoBuilder::new("t", piece_length as u32).pieces(content.chunks(piece_length).map(sha1));
    let add = |builder: InfoBuilder, (number, length): (usize, &usize)| {
        let path = [format!("{:03}", number / 100), format!("{number:05}")];
        builder.file(path, *length as u64)
    };
    let builder = files.iter().enumerate().fold(builder, add);
    let info = Arc::new(builder.build().expect("a valid torrent"));

    let folder = TempDir::new().expect("a temporary folder");
    let pool = Arc::new(FilePool::new(FilePool::DEFAULT_MAX_OPEN));
    let storage = Storage::new(folder.path().to_owned(), info, pool);
    storage.prepare().expect("a good disk");
    let mut rest = content.as_slice();
    for file in 0..files.len() as u32 {
        let file = bt_types::FileIndex(file);
        let (bytes, after) = rest.split_at(storage.layout().file_length(file) as usize);
        rest = after;
        fs::write(storage.path_of(file), bytes).expect("a good disk");
    }
    (Arc::new(storage), content, folder)
}

fn blocks_of(piece: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let blocks = piece.chunks(BLOCK_LENGTH as usize);
    let begins = (0..).step_by(BLOCK_LENGTH as usize);
    begins.zip(blocks.map(<[u8]>::to_vec)).collect()
}

const MIB: usize = 1 << 20;

criterion_group!(
    benches,
    verify_and_write,
    check_all,
    create,
    small_files,
    read,
    resume
);
criterion_main!(benches);
