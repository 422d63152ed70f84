use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::*;
use crate::{
    FilePool,
    faults::{Call, Outcome},
    testing::{FileSpec, World},
};

const FILES: &[FileSpec<'_>] = &[
    ("a", 100, ""),
    (".pad/28", 28, "p"),
    ("b/c", 90, ""),
    ("b/empty", 0, ""),
    ("d", 75, ""),
];

#[test]
fn a_complete_download_is_complete() {
    let checked = check_files(64, FILES, |_| ());
    assert!(checked.have.is_full() && checked.bad.is_empty() && !checked.is_cancelled);
    assert_eq!(checked.bytes_have, 265);
}

#[test]
fn a_fresh_one_is_empty_and_no_error() {
    let world = World::new(64, FILES);
    let checked = check(&world.storage, 2, &|_| (), &AtomicBool::new(false)).unwrap();
    assert_eq!((checked.have.count_ones(), checked.bytes_have), (0, 0));
    assert_eq!(checked.bad.len(), 5);
    assert_eq!(bad_of(&checked)[2], (2, Problem::Missing(FileIndex(2))));
}

#[test]
fn bad_pieces_are_named_with_the_reason() {
    let checked = check_files(64, FILES, |world| {
        let mut bytes = fs::read(world.path("t/a")).unwrap();
        bytes[99] ^= 1;
        fs::write(world.path("t/a"), &bytes).unwrap();
        fs::File::options()
            .write(true)
            .open(world.path("t/b/c"))
            .unwrap()
            .set_len(80)
            .unwrap();
    });
    assert_eq!(
        bad_of(&checked),
        [(1, Problem::Corrupt), (3, Problem::Missing(FileIndex(2)))]
    );
    assert_eq!(
        checked
            .have
            .iter_ones()
            .map(PieceIndex::get)
            .collect::<Vec<_>>(),
        [0, 2, 4]
    );
    assert_eq!(checked.bytes_have, 64 + 64 + 37);
}

#[test]
fn longer_files_do_not_matter() {
    let checked = check_files(64, FILES, |world| {
        let bytes = fs::read(world.path("t/d")).unwrap();
        fs::write(world.path("t/d"), [bytes, vec![1; 50]].concat()).unwrap();
    });
    assert!(checked.have.is_full());
}

#[test]
fn holes_read_as_zeros() {
    let checked = check_files(64, FILES, |world| {
        let file = fs::File::create(world.path("t/d")).unwrap();
        file.set_len(75).unwrap();
    });
    assert_eq!(
        bad_of(&checked),
        [(3, Problem::Corrupt), (4, Problem::Corrupt)]
    );
}

/// Pieces that are longer than what a thread reads at once.
#[test]
fn huge_pieces_are_hashed_in_parts() {
    let length = 9 << 20;
    let files: &[FileSpec<'_>] = &[
        ("a", length + 5, ""),
        ("pad", (1 << 20) + 7, "p"),
        ("b", length, ""),
    ];
    assert!(check_files(length, files, |_| ()).have.is_full());
    let checked = check_files(length, files, |world| {
        let mut bytes = fs::read(world.path("t/b")).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(world.path("t/b"), bytes).unwrap();
    });
    assert_eq!(bad_of(&checked), [(2, Problem::Corrupt)]);
}

#[test]
fn v2_torrents_are_checked_too() {
    let world = World::v2();
    world.fill();
    fs::write(world.path("t/b"), [0; 100]).unwrap();
    let checked = check(&world.storage, 2, &|_| (), &AtomicBool::new(false)).unwrap();
    assert_eq!(bad_of(&checked), [(2, Problem::Corrupt)]);
    assert_eq!(checked.bytes_have, 3 * 16_384 - 5);
}

#[test]
fn files_put_in_place_behind_our_back_are_seen() {
    let world = World::new(64, FILES);
    world.fill();
    world.read(PieceIndex::new(0)).unwrap();
    fs::rename(world.path("t/a"), world.path("t/old")).unwrap();
    let checked = check(&world.storage, 1, &|_| (), &AtomicBool::new(false)).unwrap();
    assert_eq!(bad_of(&checked)[0], (0, Problem::Missing(FileIndex(0))));
}

#[test]
fn a_cancelled_check_ends_early() {
    let world = World::new(1 << 20, &[("a", 64 << 20, "")]);
    world.fill();
    let cancel = AtomicBool::new(false);
    let checked = check(
        &world.storage,
        2,
        &|_| cancel.store(true, Ordering::Relaxed),
        &cancel,
    );
    let checked = checked.unwrap();
    assert!(checked.is_cancelled && checked.bad.is_empty());
    assert!((1..=4).contains(&checked.have.count_ones()), "{checked:?}");
}

#[test]
fn a_failing_disk_is_an_error() {
    let pool = FilePool::with_faults(4, |call, _| match call {
        Call::Read => Outcome::Fail(std::io::Error::other("the disk is on fire")),
        _ => Outcome::Proceed,
    });
    let world = World::with_pool(64, FILES, pool);
    world.fill();
    let error = check(&world.storage, 2, &|_| (), &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Other);
    assert!(
        error.to_string().ends_with("the disk is on fire"),
        "{error}"
    );
}

/// A file is cut after its length has been looked at.
#[test]
fn a_check_goes_on_where_a_disk_interrupted_it() {
    let reads = AtomicU64::new(0);
    let pool = FilePool::with_faults(4, move |call, _| {
        match call == Call::Read && reads.fetch_add(1, Ordering::Relaxed) == 2 {
            true => Outcome::Fail(std::io::Error::other("input/output error")),
            false => Outcome::Proceed,
        }
    });
    // A piece is a batch of its own.
    let world = World::with_pool(1 << 20, &[("a", 5 << 20, "")], pool);
    world.fill();
    let cancel = AtomicBool::new(false);
    let all = Bitfield::full(5);
    let first = check_pieces(&world.storage, &all, 1, &|_| (), &cancel).unwrap_err();
    assert_eq!(first.error.operation, crate::Operation::Read);
    assert_eq!((first.checked.have.count_ones(), first.at), (2, 2..3));
    let mut left = all;
    for piece in first.checked.have.iter_ones() {
        left.remove(piece);
    }
    let second = check_pieces(&world.storage, &left, 1, &|_| (), &cancel).unwrap();
    assert!(second.have == left && second.bad.is_empty() && !second.is_cancelled);
}

#[test]
fn files_may_shrink_while_they_are_read() {
    let pool = FilePool::with_faults(4, |call, bytes| match call {
        // The joint read of all pieces, and that of the second, which starts in `a` and has
        // 36 bytes there.
        Call::Read if bytes == 100 || bytes == 36 => Outcome::Short(0),
        _ => Outcome::Proceed,
    });
    let world = World::with_pool(64, FILES, pool);
    world.fill();
    let checked = check(&world.storage, 1, &|_| (), &AtomicBool::new(false)).unwrap();
    assert_eq!(bad_of(&checked), [(1, Problem::Missing(FileIndex(0)))]);
}

/// The file that is cut is named, not the one with which its piece begins.
#[test]
fn a_later_file_that_shrinks_is_the_one_that_is_named() {
    let pool = FilePool::with_faults(4, |call, bytes| match call {
        // `b/c` when pieces are read together, and what the second piece has of it.
        Call::Read if bytes == 90 || bytes == 28 => Outcome::Short(0),
        _ => Outcome::Proceed,
    });
    let files = &[("a", 100, ""), ("b/c", 90, "")];
    let world = World::with_pool(64, files, pool);
    world.fill();
    let checked = check(&world.storage, 1, &|_| (), &AtomicBool::new(false)).unwrap();
    assert_eq!(bad_of(&checked), [(1, Problem::Missing(FileIndex(1)))]);
}

/// However short pieces are, whoever shows the progress is not kept busy by it.
#[test]
fn progress_is_told_by_the_batch() {
    let length = (1 << 20) + 5;
    let world = World::new(64, &[("a", length, "")]);
    world.fill();
    for is_there in [true, false] {
        if !is_there {
            fs::remove_file(world.path("t/a")).unwrap();
        }
        let calls = AtomicU64::new(0);
        let progress = |_| {
            calls.fetch_add(1, Ordering::Relaxed);
        };
        let checked = check(&world.storage, 1, &progress, &AtomicBool::new(false)).unwrap();
        assert_eq!((checked.have.is_full(), calls.into_inner()), (is_there, 2));
    }
}

/// Fills, damages, checks on several threads, and looks at what is always true.
fn check_files(
    piece_length: usize,
    files: &[FileSpec<'_>],
    damage: impl FnOnce(&World),
) -> Checked {
    let world = World::new(piece_length, files);
    world.fill();
    damage(&world);
    let layout = world.storage.layout();
    let most = AtomicU64::new(0);
    let progress = |progress: CheckProgress| {
        assert_eq!(progress.bytes_total, layout.data_length());
        most.fetch_max(progress.bytes_done, Ordering::Relaxed);
    };
    let checked = check(&world.storage, 3, &progress, &AtomicBool::new(false)).unwrap();
    assert_eq!(most.into_inner(), layout.data_length());
    for piece in layout.pieces() {
        let is_right = world
            .read(piece)
            .is_ok_and(|bytes| bytes == world.pieces[piece.as_usize()]);
        assert_eq!(checked.have.get(piece), is_right, "piece {piece}");
        assert_ne!(checked.bad.iter().any(|bad| bad.piece == piece), is_right);
    }
    checked
}

fn bad_of(checked: &Checked) -> Vec<(u32, Problem)> {
    let bad = checked.bad.iter();
    bad.map(|bad| (bad.piece.get(), bad.problem)).collect()
}
