#![cfg(unix)]

use bt_types::FileIndex;

use super::*;
use crate::{ErrorKind, check, testing::World};

/// As if the disk had been unmounted: what is seen is the empty folder below it, which lies on
/// another.
fn unmount(world: &World) -> u64 {
    let here = sys::device_of(world.folder.path()).unwrap();
    std::fs::rename(world.path("t"), world.path("away")).unwrap();
    *world.storage.home.lock() = Some(here + 1);
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
    assert_eq!(*world.storage.home.lock(), Some(here));
    assert!(check::missing(&world.storage).unwrap().is_empty());
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
