use std::{sync::Arc, thread};

use bt_types::PieceIndex;

use crate::{FilePool, Storage, testing::World};

const FILES: &[(&str, usize, &str)] = &[("a", 10, ""), ("b", 10, ""), ("c", 10, "")];

#[test]
fn only_so_many_files_are_open_and_those_used_last() {
    let world = World::with_pool(10, FILES, FilePool::new(2));
    world.fill();
    for (piece, open) in [(0, 1), (1, 2), (0, 2), (2, 2), (0, 2)] {
        world.read(PieceIndex::new(piece)).unwrap();
        assert_eq!(world.pool.open_count(), open);
    }
    world.storage.close_files();
    assert_eq!(world.pool.open_count(), 0);
}

#[test]
fn a_file_opened_to_read_is_opened_again_to_write() {
    let world = World::new(10, FILES);
    world.fill();
    let (piece, bytes) = world.piece(0);
    world.read(piece).unwrap();
    world.storage.write(piece, &[(0, &bytes[..5])]).unwrap();
    assert_eq!(world.pool.open_count(), 1);
    assert_eq!(world.read(piece).unwrap(), bytes);
}

#[test]
fn a_storage_that_goes_closes_its_own_files_only() {
    let world = World::new(10, FILES);
    world.fill();
    let root = world.folder.path().to_owned();
    let other = Storage::new(root, Arc::clone(&world.info), Arc::clone(&world.pool));
    world.read(PieceIndex::new(0)).unwrap();
    other
        .write(PieceIndex::new(0), &[(0, b"0123456789")])
        .unwrap();
    assert_eq!(world.pool.open_count(), 2);
    drop(other);
    assert_eq!(world.pool.open_count(), 1);
    assert_eq!(world.read(PieceIndex::new(0)).unwrap(), b"0123456789");
}

#[test]
fn many_threads_share_few_files() {
    let world = World::with_pool(10, FILES, FilePool::new(1));
    world.storage.prepare().unwrap();
    thread::scope(|scope| {
        for index in [0, 1, 2, 0, 1, 2] {
            let world = &world;
            scope.spawn(move || {
                let (piece, bytes) = world.piece(index);
                for _ in 0..200 {
                    world.storage.write(piece, &[(0, bytes)]).unwrap();
                    assert_eq!(world.read(piece).unwrap(), bytes);
                }
            });
        }
    });
    assert_eq!(world.pool.open_count(), 1);
}
