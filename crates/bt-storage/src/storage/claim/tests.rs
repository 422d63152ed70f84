#![cfg(unix)]

use super::*;
use crate::{ErrorKind, FilePool, check, testing::World};
use Purpose::{Read, Write};

/// Another process's view of the same data.
fn other(world: &World) -> Arc<Storage> {
    let (root, info) = (world.folder.path().to_owned(), Arc::clone(&world.info));
    Arc::new(Storage::new(root, info, FilePool::new(4).into()))
}

fn is_in_use(storage: &Arc<Storage>, purpose: Purpose) -> bool {
    match storage.claim(purpose) {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::InUse);
            assert!(error.to_string().ends_with("/t: another bt is using it"));
            true
        }
    }
}

#[test]
fn a_folder_is_written_to_by_one_or_read_by_many() {
    let world = World::new(64, &[("a", 200, ""), ("b", 10, "")]);
    let (ours, other) = (&world.storage, other(&world));
    ours.prepare().unwrap();
    let claim = ours.claim(Write).unwrap();
    assert!(is_in_use(&other, Read) && is_in_use(&other, Write));
    drop(claim);
    let readers = (ours.claim(Read).unwrap(), other.claim(Read).unwrap());
    drop(readers.1);
    assert!(is_in_use(&other, Write), "somebody reads");
    drop(readers.0);
    assert!(!is_in_use(&other, Write));
}

#[test]
fn a_single_file_is_claimed_under_each_of_its_names() {
    let world = World::single(64, 200);
    let storage = world.unopened().with_part_names();
    let (ours, other) = (Arc::new(storage), other(&world));
    let claim = ours.claim(Write).unwrap();
    ours.find().unwrap();
    assert!(!world.path("t.part").exists(), "made before it is wanted");
    ours.prepare().unwrap();
    assert!(world.path("t.part").exists());
    assert!(is_in_use(&other, Write));
    for piece in world.storage.layout().pieces() {
        let bytes = &world.pieces[piece.as_usize()];
        ours.write(piece, &[(0, bytes)]).unwrap();
    }
    ours.set_verified(&bt_types::Bitfield::full(4)).unwrap();
    assert!(world.path("t").exists());
    assert!(is_in_use(&other, Read));
    ours.renew_claim().unwrap();
    drop(claim);
    assert!(!is_in_use(&other, Read));
}

/// Two that begin where nothing is: the second hears of the first when it makes something.
#[test]
fn what_is_not_there_yet_is_claimed_when_it_is_made() {
    for world in [World::new(64, &[("a", 200, "")]), World::single(64, 200)] {
        let (ours, other) = (&world.storage, other(&world));
        let _claims = (ours.claim(Write).unwrap(), other.claim(Write).unwrap());
        ours.prepare().unwrap();
        assert_eq!(other.prepare().unwrap_err().kind, ErrorKind::InUse);
    }
}

#[test]
fn what_is_made_anew_is_claimed_anew() {
    for world in [World::new(64, &[("a", 200, "")]), World::single(64, 200)] {
        let (ours, other) = (&world.storage, other(&world));
        let _claim = ours.claim(Write).unwrap();
        ours.prepare().unwrap();
        let (piece, bytes) = world.piece(0);
        ours.write(piece, &[(0, bytes)]).unwrap();
        std::fs::rename(world.path("t"), world.path("elsewhere")).unwrap();
        assert_eq!(check::missing(ours).unwrap().len(), 4);
        assert!(is_in_use(&other, Write));
        ours.write(piece, &[(0, bytes)]).unwrap();
        assert!(is_in_use(&other, Write));
    }
}

/// Who has removed it may have begun anew.
#[test]
fn what_others_have_made_meanwhile_is_not_written_to() {
    let world = World::new(64, &[("a", 200, "")]);
    let (ours, other) = (&world.storage, other(&world));
    let _claim = ours.claim(Write).unwrap();
    ours.prepare().unwrap();
    let (piece, bytes) = world.piece(0);
    ours.write(piece, &[(0, bytes)]).unwrap();
    std::fs::remove_dir_all(world.path("t")).unwrap();
    other.prepare().unwrap();
    let theirs = other.claim(Write).unwrap();
    let error = ours.write(piece, &[(0, bytes)]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Missing, "it is told once");
    let error = ours.write(piece, &[(0, bytes)]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InUse);
    assert_eq!(check::missing(ours).unwrap_err().kind, ErrorKind::InUse);
    assert!(!world.path("t/a").exists());
    drop(theirs);
    assert_eq!(check::missing(ours).unwrap().len(), 4);
    ours.write(piece, &[(0, bytes)]).unwrap();
    assert!(is_in_use(&other, Write));
}

#[test]
fn what_is_not_wanted_is_not_made() {
    let world = World::single(64, 200);
    let nothing = bt_types::Selection::of_files([bt_types::Priority::Skip]);
    let _claim = world.storage.claim(Write).unwrap();
    world.storage.set_selection(&nothing).unwrap();
    assert!(!world.path("t").exists());
}
