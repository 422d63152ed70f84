//! Selections: what is made, what is moved, and what is never touched.

use std::{collections::BTreeSet, sync::atomic::AtomicBool};

use bt_types::{Bitfield, Priority};

use super::*;
use crate::{
    check::check,
    disk::{Done, Job},
    testing::{Disk, FileSpec},
};

/// Pieces of 64 bytes: `a` ends in piece 1, `b` in piece 2, `d/c` in piece 4.
const SHARED: &[FileSpec<'_>] = &[
    ("a", 100, ""),
    ("b", 50, ""),
    ("d/c", 130, ""),
    ("d/empty", 0, ""),
    ("z", 20, ""),
];

#[test]
fn unwanted_files_are_not_made_and_their_parts_are_kept_beside_them() {
    let world = World::new(64, SHARED);
    let only_b = selection(5, &[1]);
    world.storage.set_selection(&only_b).unwrap();
    for index in [1, 2] {
        let (piece, bytes) = world.piece(index);
        world.storage.write(piece, &[(0, bytes)]).unwrap();
        assert_eq!(world.read(piece).unwrap(), bytes);
    }
    assert_eq!(names_in(&world), ["b"]);
    assert_eq!(fs::read(world.path("t/b")).unwrap().len(), 50);
    assert!(world.storage.part_file().is_file());
    let name = world.storage.part_file();
    let name = name.file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with(".t.") && name.ends_with(".parts"),
        "{name}"
    );

    // Another run finds both pieces, and needs nothing of them to be fetched again.
    let again = restart(&world);
    again.set_selection(&only_b).unwrap();
    let checked = check(&again, 1, &|_| (), &AtomicBool::new(false)).unwrap();
    assert_eq!(checked.have, set(5, &[1, 2]));
    assert_eq!(names_in(&world), ["b"]);

    // More is wanted: it gets what is there, in its place.
    again.set_selection(&selection(5, &[1, 2, 3])).unwrap();
    let (_, bytes) = world.piece(2);
    assert_eq!(fs::read(world.path("t/d/c")).unwrap(), bytes[22..]);
    assert!(world.path("t/d/empty").is_file() && !world.path("t/a").exists());
    again.set_selection(&Selection::everything()).unwrap();
    assert!(!again.part_file().exists(), "nobody needs it any more");
    let checked = check(&again, 1, &|_| (), &AtomicBool::new(false)).unwrap();
    assert_eq!(checked.have, set(5, &[1, 2]));
}

#[test]
fn what_lies_there_of_unwanted_files_counts_and_is_not_written_to() {
    let world = World::new(64, SHARED);
    world.fill();
    let before = fs::read(world.path("t/a")).unwrap();
    let storage = restart(&world);
    storage.set_selection(&selection(5, &[1])).unwrap();
    let found = || {
        let checked = check(&storage, 1, &|_| (), &AtomicBool::new(false));
        checked.unwrap().have
    };
    assert!(found().is_full());
    // Somebody else's file is in the way: what is fetched again spares it.
    fs::write(world.path("t/a"), [0; 100]).unwrap();
    assert!(!found().get(PieceIndex::new(1)));
    let (piece, bytes) = world.piece(1);
    storage.write(piece, &[(0, bytes)]).unwrap();
    assert!(found().get(piece));
    assert_eq!(fs::read(world.path("t/a")).unwrap(), [0; 100]);
    // Until it is wanted.
    storage.set_selection(&selection(5, &[0, 1])).unwrap();
    assert_eq!(fs::read(world.path("t/a")).unwrap()[64..], before[64..]);
}

/// A run that was killed may have left anything in the part file.
#[test]
fn what_is_wrong_in_the_part_file_replaces_nothing() {
    let world = World::new(64, SHARED);
    world.storage.set_selection(&selection(5, &[1])).unwrap();
    let (piece, bytes) = world.piece(1);
    world.storage.write(piece, &[(0, &bytes[..40])]).unwrap();
    let whole = world.pieces.concat();
    fs::write(world.path("t/a"), &whole[..100]).unwrap();
    fs::write(world.path("t/b"), &whole[100..150]).unwrap();
    let storage = restart(&world);
    storage.set_selection(&selection(5, &[0, 1])).unwrap();
    assert_eq!(fs::read(world.path("t/a")).unwrap(), whole[..100]);
    assert_eq!(fs::read(world.path("t/b")).unwrap(), whole[100..150]);
}

#[test]
fn what_is_no_part_file_of_ours_is_not_touched() {
    for content in [&b"somebody else's"[..], &[7; 300]] {
        let world = World::new(64, SHARED);
        fs::write(world.storage.part_file(), content).unwrap();
        let error = world
            .storage
            .set_selection(&selection(5, &[1]))
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Obstructed, "{error}");
        assert_eq!(fs::read(world.storage.part_file()).unwrap(), content);
    }
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_the_part_file_is_not_followed() {
    let world = World::new(64, SHARED);
    let outside = tempfile::TempDir::new().unwrap();
    let target = outside.path().join("new");
    std::os::unix::fs::symlink(&target, world.storage.part_file()).unwrap();
    let error = world
        .storage
        .set_selection(&selection(5, &[1]))
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Obstructed, "{error}");
    let (piece, bytes) = world.piece(1);
    assert!(
        world.storage.write(piece, &[(0, bytes)]).is_ok(),
        "all is wanted still"
    );
    assert!(!target.exists());
}

/// Whatever its bytes are.
#[test]
fn a_damaged_part_file_is_read_without_harm() {
    let world = World::new(64, SHARED);
    world.storage.set_selection(&selection(5, &[1])).unwrap();
    let (piece, bytes) = world.piece(1);
    world.storage.write(piece, &[(0, bytes)]).unwrap();
    let good = fs::read(world.storage.part_file()).unwrap();
    for length in 0..good.len() {
        fs::write(world.storage.part_file(), &good[..length]).unwrap();
        let storage = restart(&world);
        // Half a head is nobody's.
        if storage.set_selection(&selection(5, &[1])).is_ok() {
            check(&storage, 1, &|_| (), &AtomicBool::new(false)).unwrap();
            storage.set_selection(&Selection::everything()).unwrap();
        }
        let _ = fs::remove_file(world.path("t/a"));
    }
}

#[test]
fn files_are_called_part_until_they_are_complete() {
    let world = World::new(64, SHARED);
    let named = || restart(&world).with_part_names();
    let storage = Arc::new(named());
    storage.set_selection(&selection(5, &[0, 1, 3])).unwrap();
    storage.set_verified(&Bitfield::new(5)).unwrap();
    assert_eq!(names_in(&world), ["d"], "an empty file is complete");
    let disk = Disk::new(1);
    let verify = |storage: &Arc<Storage>, index| {
        let (piece, bytes) = world.piece(index);
        let blocks = vec![(0, bytes.to_vec())];
        let job = Job::Verify {
            piece,
            blocks,
            wants_digests: false,
        };
        let pool = disk.pool.as_ref().unwrap();
        pool.submit(Arc::clone(storage), 7, job);
        assert!(matches!(disk.answer().1, Done::Verified { .. }));
    };
    verify(&storage, 0);
    assert_eq!(names_in(&world), ["a.part", "d"]);
    verify(&storage, 1);
    assert_eq!(names_in(&world), ["a", "b.part", "d"]);

    // Whoever comes later recognises it, with the option or without.
    let storage = Arc::new(restart(&world));
    storage.set_selection(&selection(5, &[0, 1, 3])).unwrap();
    let checked = check(&storage, 1, &|_| (), &AtomicBool::new(false)).unwrap();
    assert_eq!(checked.have, set(5, &[0, 1]));
    storage.set_verified(&checked.have).unwrap();
    verify(&storage, 2);
    assert_eq!(names_in(&world), ["a", "b", "d"]);

    // It was killed between the last byte and the new name.
    fs::rename(world.path("t/a"), world.path("t/a.part")).unwrap();
    let storage = named();
    storage.set_selection(&selection(5, &[0, 1, 3])).unwrap();
    let checked = check(&storage, 1, &|_| (), &AtomicBool::new(false)).unwrap();
    storage.set_verified(&checked.have).unwrap();
    assert_eq!(names_in(&world), ["a", "b", "d"]);
}

#[test]
fn a_name_that_is_taken_is_not_taken_away() {
    let world = World::new(64, SHARED);
    let storage = restart(&world).with_part_names();
    storage.prepare().unwrap();
    let (piece, bytes) = world.piece(0);
    storage.write(piece, &[(0, bytes)]).unwrap();
    fs::write(world.path("t/a"), "mine").unwrap();
    let error = storage.set_verified(&Bitfield::full(5)).unwrap_err();
    assert_eq!(
        (error.kind, error.operation),
        (ErrorKind::Obstructed, Operation::Rename)
    );
    assert_eq!(fs::read(world.path("t/a")).unwrap(), b"mine");
}

#[test]
fn a_torrent_with_such_names_has_them_for_itself() {
    let world = World::new(64, &[("a", 100, ""), ("a.PART", 50, "")]);
    let storage = restart(&world).with_part_names();
    storage.prepare().unwrap();
    let (piece, bytes) = world.piece(0);
    storage.write(piece, &[(0, bytes)]).unwrap();
    assert_eq!(names_in(&world), ["a"]);
}

#[derive(Clone, Debug)]
enum Op {
    Select(Vec<bool>),
    /// Writes blocks of a piece unverified; then the rest, if it is to become whole.
    Piece {
        index: prop::sample::Index,
        spilled: u8,
        completes: bool,
    },
    Restart,
}

proptest! {
    /// Over any layout, with any selections at any time: what is whole reads back right, nothing is
    /// made that was never wanted, and what is wanted in the end is where it belongs.
    #[test]
    fn every_wanted_byte_arrives_and_nothing_else_is_touched(
        files in prop::collection::vec((0..60usize, any::<bool>()), 1..7),
        piece_length in 1..50usize,
        ops in prop::collection::vec(op(), 1..25),
        part_names: bool,
    ) {
        let names: Vec<_> = (0..files.len()).map(|n| format!("d{}/f{n}", n % 3)).collect();
        let specs: Vec<_> = files.iter().zip(&names).map(|(&(length, is_pad), name)| {
            (name.as_str(), length, if is_pad { "p" } else { "" })
        }).collect();
        prop_assume!(files.iter().any(|&(length, is_pad)| length > 0 && !is_pad));
        let world = World::new(piece_length, &specs);
        let count = world.storage.layout().piece_count();
        let start = || match part_names {
            true => restart(&world).with_part_names(),
            false => restart(&world),
        };
        let mut storage = start();
        let mut current = selection(files.len(), &[0]);
        storage.set_selection(&current).unwrap();
        let mut have = Bitfield::new(count);
        let mut ever: BTreeSet<usize> = [0].into();
        for op in ops {
            match op {
                Op::Select(wanted) => {
                    let wanted: Vec<_> = (0..files.len()).filter(|&n| wanted[n]).collect();
                    ever.extend(&wanted);
                    current = selection(files.len(), &wanted);
                    storage.set_selection(&current).unwrap();
                }
                Op::Piece { index, spilled, completes } => {
                    let (piece, bytes) = world.piece(index.index(count as usize));
                    if have.get(piece) {
                        continue;
                    }
                    let blocks = bytes.chunks(7).enumerate();
                    let blocks = blocks.map(|(n, block)| ((n * 7) as u32, block));
                    let (early, late): (Vec<_>, Vec<_>) =
                        blocks.partition(|(begin, _)| spilled >> (begin / 7 % 8) & 1 == 1);
                    storage.write(piece, &early).unwrap();
                    for (begin, block) in early {
                        let length = block.len() as u32;
                        let mut found = vec![0xee; block.len()];
                        storage.read(Block { piece, begin, length }, &mut found).unwrap();
                        prop_assert_eq!(&found[..], block);
                    }
                    if completes {
                        storage.write(piece, &late).unwrap();
                        storage.add_verified(piece).unwrap();
                        have.insert(piece);
                    }
                }
                Op::Restart => {
                    storage = start();
                    storage.set_selection(&current).unwrap();
                    let checked = check(&storage, 1, &|_| (), &AtomicBool::new(false)).unwrap();
                    for piece in have.iter_ones() {
                        prop_assert!(checked.have.get(piece), "{:?} is lost", piece);
                    }
                    have = checked.have;
                    storage.set_verified(&have).unwrap();
                }
            }
            for piece in have.iter_ones() {
                let length = storage.layout().piece_length(piece);
                let mut found = vec![0xee; length as usize];
                storage.read(Block { piece, begin: 0, length }, &mut found).unwrap();
                prop_assert_eq!(&found, &world.pieces[piece.as_usize()]);
            }
            for (n, name) in names.iter().enumerate().filter(|(n, _)| !ever.contains(n)) {
                for name in [format!("t/{name}"), format!("t/{name}.part")] {
                    prop_assert!(!world.path(&name).exists(), "{} is not wanted", n);
                }
            }
        }
        // In the end all is wanted and comes.
        storage.set_selection(&Selection::everything()).unwrap();
        storage.set_verified(&have).unwrap();
        for (index, bytes) in world.pieces.iter().enumerate() {
            let piece = PieceIndex::new(index as u32);
            if !have.get(piece) {
                storage.write(piece, &[(0, bytes)]).unwrap();
                storage.add_verified(piece).unwrap();
            }
        }
        prop_assert!(!storage.part_file().exists());
        let whole = world.pieces.concat();
        let mut rest = &whole[..];
        for (&(length, is_pad), name) in files.iter().zip(&names) {
            let (bytes, after) = rest.split_at(length);
            rest = after;
            if !is_pad {
                let found = fs::read(world.path(&format!("t/{name}")));
                prop_assert!(found.as_deref().is_ok_and(|found| found == bytes), "{}", name);
            }
        }
    }
}

fn op() -> impl Strategy<Value = Op> {
    let piece = (any::<prop::sample::Index>(), any::<u8>(), any::<bool>());
    prop_oneof![
        2 => prop::collection::vec(any::<bool>(), 7).prop_map(Op::Select),
        4 => piece.prop_map(|(index, spilled, completes)| Op::Piece { index, spilled, completes }),
        1 => Just(Op::Restart),
    ]
}

fn selection(files: usize, wanted: &[usize]) -> Selection {
    Selection::of_files((0..files).map(|file| match wanted.contains(&file) {
        true => Priority::Normal,
        false => Priority::Skip,
    }))
}

fn restart(world: &World) -> Storage {
    let (info, pool) = (Arc::clone(&world.info), Arc::clone(&world.pool));
    Storage::new(world.folder.path().into(), info, pool)
}

fn set(len: u32, pieces: &[u32]) -> Bitfield {
    let mut set = Bitfield::new(len);
    for &piece in pieces {
        set.insert(PieceIndex::new(piece));
    }
    set
}

/// What lies in the torrent's folder, in order.
fn names_in(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.path("t")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
