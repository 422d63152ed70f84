#![cfg(unix)]

use bt_types::FileIndex;

use super::*;
use crate::{check, testing::World};

/// As if the disk had been unmounted: what is seen is the empty folder below it, which lies on
/// another.
fn unmount(world: &World) -> u64 {
    let here = sys::device_of(world.folder.path()).unwrap();
    std::fs::rename(world.path("t"), world.path("away")).unwrap();
    world.storage.home.lock().device = Some(here + 1);
    here
}

#[test]
fn nothing_is_lost_with_a_disk_that_is_away_and_nothing_is_written_around_it() {
    let world = World::new(64, &[("a", 200, ""), ("b", 10, "")]);
    world.fill();
    let (piece, bytes) = world.piece(0);
    world.storage.write(piece, &[(0, bytes)]).unwrap();
    assert!(world.storage.has_home());
    unmount(&world);
    assert!(!world.storage.has_home());
    for _ in 0..3 {
        let error = world.storage.write(piece, &[(0, bytes)]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Missing);
        assert_eq!(world.read(piece).unwrap_err().kind, ErrorKind::Missing);
        assert!(
            check::missing(&world.storage).is_err(),
            "none is known to be missing"
        );
        assert!(world.storage.prepare().is_err());
    }
    let message = world.storage.write(piece, &[(0, bytes)]).unwrap_err();
    let message = message.to_string();
    assert!(
        message.ends_with("the disk on which it was is not mounted there"),
        "{message}"
    );
    assert!(!world.path("t").exists());
    // A file that has never been there is not made either.
    let last = world.storage.layout().pieces().last().unwrap();
    assert!(world.storage.write(last, &[(8, &[1, 2])]).is_err());
    assert!(!world.path("t").exists());
}

#[test]
fn a_disk_that_comes_back_may_be_called_otherwise() {
    let world = World::new(64, &[("a", 200, "")]);
    world.fill();
    let (piece, bytes) = world.piece(0);
    world.read(piece).unwrap();
    let here = unmount(&world);
    assert!(world.storage.write(piece, &[(0, bytes)]).is_err());
    std::fs::rename(world.path("away"), world.path("t")).unwrap();
    world.storage.write(piece, &[(0, bytes)]).unwrap();
    assert!(world.storage.has_home());
    assert_eq!(world.storage.home.lock().device, Some(here));
    assert!(check::missing(&world.storage).unwrap().is_empty());
}

/// Whatever is the first of the torrent that is seen.
#[test]
fn the_disk_is_known_before_anything_is_opened() {
    let device = |storage: &Storage| storage.home.lock().device;
    let world = World::new(64, &[("a", 200, "")]);
    assert_eq!(device(&world.storage), None);
    assert!(world.storage.check_home(Operation::Read).is_ok());
    world.storage.prepare().unwrap();
    assert!(device(&world.storage).is_some());
    // Who only looks at what is there.
    let storage = std::sync::Arc::new(world.unopened());
    let _claim = storage.claim(crate::Purpose::Read).unwrap();
    assert!(device(&storage).is_some());
    let storage = world.unopened();
    storage
        .write(world.piece(0).0, &[(0, world.piece(0).1)])
        .unwrap();
    assert!(device(&storage).is_some());
}

#[test]
fn a_check_takes_nothing_for_missing_of_a_disk_that_is_away() {
    let world = World::new(64, &[("a", 200, ""), ("b", 100, "")]);
    world.fill();
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let check = || check::check(&world.storage, 1, &|_| (), &cancel);
    assert!(check().unwrap().have.is_full());
    unmount(&world);
    let error = check().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Missing);
    assert_eq!(error.path, world.folder.path());
    std::fs::rename(world.path("away"), world.path("t")).unwrap();
    assert!(check().unwrap().have.is_full());
}

/// It need not be one that was there before.
#[test]
fn files_are_made_on_a_disk_that_is_called_otherwise() {
    let world = World::new(64, &[("a", 64, ""), ("b", 64, "")]);
    world.storage.prepare().unwrap();
    let (first, bytes) = world.piece(0);
    world.storage.write(first, &[(0, bytes)]).unwrap();
    unmount(&world);
    let (second, bytes) = world.piece(1);
    assert!(world.storage.write(second, &[(0, bytes)]).is_err());
    std::fs::rename(world.path("away"), world.path("t")).unwrap();
    world.storage.write(second, &[(0, bytes)]).unwrap();
    assert!(world.path("t/b").exists());
}

/// So that others can have it.
#[test]
fn a_disk_that_is_away_is_let_go() {
    let world = World::new(64, &[("a", 64, "")]);
    let ours = &world.storage;
    let _claim = ours.claim(crate::Purpose::Write).unwrap();
    ours.prepare().unwrap();
    let (piece, bytes) = world.piece(0);
    ours.write(piece, &[(0, bytes)]).unwrap();
    unmount(&world);
    assert!(ours.write(piece, &[(0, bytes)]).is_err());
    assert_eq!(world.pool.open_count(), 0);
    std::fs::rename(world.path("away"), world.path("t")).unwrap();
    let other = std::sync::Arc::new(world.unopened());
    let theirs = other.claim(crate::Purpose::Write).unwrap();
    assert_eq!(check::missing(ours).unwrap_err().kind, ErrorKind::InUse);
    let error = ours.write(piece, &[(0, bytes)]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InUse);
    drop(theirs);
    assert!(check::missing(ours).unwrap().is_empty());
    assert!(
        other.claim(crate::Purpose::Write).is_err(),
        "it is ours again"
    );
}

#[test]
fn what_is_removed_from_a_disk_that_is_there_is_lost() {
    let world = World::new(64, &[("a", 200, "")]);
    world.fill();
    world.storage.length_on_disk(FileIndex(0)).unwrap();
    std::fs::remove_file(world.path("t/a")).unwrap();
    assert!(world.storage.has_home());
    assert_eq!(check::missing(&world.storage).unwrap().len(), 4);
}
