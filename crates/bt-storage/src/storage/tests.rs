use std::{
    fs,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use proptest::prelude::*;

use super::*;
use crate::{
    ErrorKind,
    faults::{Call, Outcome},
    testing::World,
};

/// Pieces of 64 bytes over two folders, with padding, an empty file and a program.
const FILES: &[(&str, usize, &str)] = &[
    ("a", 100, ""),
    (".pad/28", 28, "p"),
    ("b/c", 90, "x"),
    ("b/empty", 0, ""),
    ("d/e/f", 75, ""),
];

#[test]
fn a_survey_that_finds_files_gone_lets_them_be_made_again() {
    let world = World::new(64, &[("a", 40, ""), ("b", 40, ""), ("c/empty", 0, "")]);
    world.fill();
    let (piece, bytes) = world.piece(0);
    world.read(piece).unwrap();
    std::fs::remove_dir_all(world.path("t")).unwrap();
    crate::check::missing(&world.storage).unwrap();
    assert!(world.path("t/c/empty").exists() && !world.path("t/a").exists());
    world.storage.write(piece, &[(0, bytes)]).unwrap();
    assert_eq!(world.read(piece).unwrap(), bytes);
}

#[test]
#[cfg(unix)]
fn a_file_that_is_removed_is_missing_once_and_then_made_anew() {
    for is_open in [true, false] {
        let world = World::new(64, &[("a", 200, "")]);
        world.fill();
        let (piece, bytes) = world.piece(0);
        world.read(piece).unwrap();
        world.storage.write(piece, &[(0, bytes)]).unwrap();
        if !is_open {
            world.storage.close_files();
        }
        std::fs::remove_file(world.path("t/a")).unwrap();
        let error = world.storage.write(piece, &[(0, bytes)]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Missing);
        assert_eq!(world.read(piece).unwrap_err().kind, ErrorKind::Missing);
        world.storage.write(piece, &[(0, bytes)]).unwrap();
        assert_eq!(world.read(piece).unwrap(), bytes);
        assert!(world.path("t/a").exists());
    }
}

/// What was moved away is not written to any more, wherever it lies, and what others have put in its
/// place is not taken for ours.
#[test]
#[cfg(unix)]
fn a_file_that_is_moved_away_or_replaced_is_missing_once() {
    type Meddle = fn(&World);
    let meddles: [Meddle; 3] = [
        |world| std::fs::rename(world.path("t/a"), world.path("t/b")).unwrap(),
        |world| std::fs::rename(world.path("t"), world.path("away")).unwrap(),
        |world| {
            std::fs::rename(world.path("t/a"), world.path("t/b")).unwrap();
            std::fs::write(world.path("t/a"), [7; 200]).unwrap();
        },
    ];
    for (case, meddle) in meddles.into_iter().enumerate() {
        let world = World::new(64, &[("a", 200, "")]);
        world.storage.prepare().unwrap();
        for piece in [0, 1] {
            let (piece, bytes) = world.piece(piece);
            world.storage.write(piece, &[(0, bytes)]).unwrap();
        }
        meddle(&world);
        let (piece, bytes) = world.piece(2);
        let error = world.storage.write(piece, &[(0, bytes)]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Missing, "{case}");
        world.storage.write(piece, &[(0, bytes)]).unwrap();
        assert_eq!(world.read(piece).unwrap(), bytes, "{case}");
        let away = ["t/b", "away/a"].map(|path| world.path(path));
        let away = away.iter().find(|path| path.exists()).unwrap();
        assert_eq!(std::fs::metadata(away).unwrap().len(), 128, "{case}");
    }
}

/// That a file has another name when it is complete is our own doing.
#[test]
fn a_file_that_gets_its_own_name_is_not_moved_away() {
    let world = World::single(64, 200);
    let storage = world.unopened().with_part_names();
    storage.prepare().unwrap();
    storage.set_verified(&bt_types::Bitfield::new(4)).unwrap();
    for (piece, bytes) in (0..4).map(|piece| world.piece(piece)) {
        storage.write(piece, &[(0, bytes)]).unwrap();
        storage.add_verified(piece).unwrap();
    }
    let (piece, bytes) = world.piece(3);
    storage.write(piece, &[(0, bytes)]).unwrap();
    assert!(world.path("t").exists() && !world.path("t.part").exists());
}

#[test]
fn prepare_makes_folders_and_empty_files() {
    let world = World::new(64, FILES);
    for _ in 0..2 {
        world.storage.prepare().unwrap();
        assert!(world.path("t/d/e").is_dir());
        assert_eq!(fs::read(world.path("t/b/empty")).unwrap(), b"");
        for missing in ["t/a", "t/.pad", "t/b/c", "t/d/e/f"] {
            assert!(!world.path(missing).exists(), "{missing}");
        }
    }
}

#[test]
fn prepare_makes_the_root() {
    let world = World::new(64, FILES);
    let root = world.path("new/root");
    let storage = Storage::new(
        root.clone(),
        Arc::clone(&world.info),
        Arc::clone(&world.pool),
    );
    let (piece, bytes) = world.piece(0);
    // Nobody else does: it may be a disk that was taken away.
    let error = storage.write(piece, &[(0, bytes)]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Missing);
    assert!(!world.path("new").exists());
    storage.prepare().unwrap();
    storage.write(piece, &[(0, bytes)]).unwrap();
    assert!(root.join("t/a").is_file());
}

#[test]
fn pieces_come_back_and_files_are_right() {
    let world = World::new(64, FILES);
    for (index, bytes) in world.pieces.iter().enumerate() {
        let piece = PieceIndex::new(index as u32);
        assert_eq!(world.read(piece).unwrap_err().kind, ErrorKind::Missing);
        world.storage.write(piece, &[(0, bytes)]).unwrap();
        assert_eq!(&world.read(piece).unwrap(), bytes);
    }
    let all = world.pieces.concat();
    assert_eq!(fs::read(world.path("t/a")).unwrap(), all[..100]);
    assert_eq!(fs::read(world.path("t/b/c")).unwrap(), all[128..218]);
    assert_eq!(fs::read(world.path("t/d/e/f")).unwrap(), all[218..]);
    assert!(!world.path("t/.pad").exists());
}

#[test]
fn padding_is_neither_written_nor_believed() {
    let world = World::new(64, FILES);
    let piece = PieceIndex::new(1);
    let mut dirty = world.pieces[1].clone();
    dirty[40] = 1;
    world.storage.write(piece, &[(0, &dirty)]).unwrap();
    assert_eq!(world.read(piece).unwrap(), world.pieces[1]);
    world.storage.clear_padding(piece, 0, &mut dirty);
    assert_eq!(dirty, world.pieces[1]);
}

#[test]
fn each_file_of_a_piece_costs_one_write() {
    let writes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&writes);
    let pool = FilePool::with_faults(4, move |call, _| {
        counter.fetch_add(usize::from(call == Call::Write), Ordering::Relaxed);
        Outcome::Proceed
    });
    let world = World::with_pool(64, FILES, pool);
    let (piece, bytes) = world.piece(3);
    let blocks: Vec<_> = bytes
        .chunks(4)
        .enumerate()
        .map(|(i, block)| (4 * i as u32, block))
        .collect();
    world.storage.prepare().unwrap();
    world.storage.write(piece, &blocks).unwrap();
    assert_eq!(writes.load(Ordering::Relaxed), 2);
    assert_eq!(
        fs::read(world.path("t/b/c")).unwrap()[64..],
        world.pieces[3][..26]
    );
}

#[test]
fn more_blocks_than_one_call_takes() {
    let world = World::new(5000, &[("a", 5000, "")]);
    let (piece, bytes) = world.piece(0);
    let blocks: Vec<_> = bytes
        .chunks(1)
        .enumerate()
        .map(|(i, byte)| (i as u32, byte))
        .collect();
    world.storage.write(piece, &blocks).unwrap();
    assert_eq!(world.read(piece).unwrap(), bytes);
}

#[test]
fn longer_files_are_left_as_they_are() {
    let world = World::new(64, FILES);
    world.storage.prepare().unwrap();
    fs::write(world.path("t/a"), [b'x'; 200]).unwrap();
    let (piece, bytes) = world.piece(0);
    world.storage.write(piece, &[(0, bytes)]).unwrap();
    let found = fs::read(world.path("t/a")).unwrap();
    assert_eq!((&found[..64], &found[64..]), (bytes, &[b'x'; 136][..]));
}

#[cfg(unix)]
#[test]
fn links_are_in_the_way() {
    use std::os::unix::fs::symlink;
    let world = World::new(64, FILES);
    let outside = tempfile::TempDir::new().unwrap();
    fs::create_dir(world.path("t")).unwrap();
    symlink(outside.path(), world.path("t/b")).unwrap();
    let (piece, bytes) = world.piece(2);
    let error = world.storage.write(piece, &[(0, bytes)]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Obstructed);
    assert!(error.to_string().starts_with("cannot write "), "{error}");
    assert!(error.to_string().contains("/t/b/c: "), "{error}");
    assert_eq!(
        world.storage.prepare().unwrap_err().kind,
        ErrorKind::Obstructed
    );
    assert_eq!(world.read(piece).unwrap_err().kind, ErrorKind::Obstructed);
    assert!(fs::read_dir(outside.path()).unwrap().next().is_none());
}

#[test]
fn files_of_a_piece() {
    let world = World::new(64, FILES);
    let files = |piece| {
        let files = world.storage.files_of(PieceIndex::new(piece));
        files.map(|file| file.0).collect::<Vec<_>>()
    };
    assert_eq!((files(1), files(3)), (vec![0], vec![2, 4]));
    assert_eq!(world.storage.path_of(FileIndex(2)), world.path("t/b/c"));
}

#[test]
#[should_panic(expected = "8 bytes at 60 of a piece of 64")]
fn blocks_beyond_their_piece_are_the_caller_s_mistake() {
    let world = World::new(64, FILES);
    let _ = world.storage.write(PieceIndex::new(0), &[(60, &[0; 8])]);
}

#[test]
fn a_disk_that_takes_nothing_fails_the_write() {
    let world = World::with_pool(64, FILES, script([(Call::Write, || Outcome::Short(0))]));
    let (piece, bytes) = world.piece(0);
    let error = world.storage.write(piece, &[(0, bytes)]).unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::WriteZero);
    world.storage.write(piece, &[(0, bytes)]).unwrap();
}

/// Within a buffer, between two, and again and again.
#[test]
fn a_write_may_be_cut_anywhere() {
    for cut in 1..64 {
        let pool = FilePool::with_faults(4, move |call, _| match call {
            Call::Write => Outcome::Short(cut),
            _ => Outcome::Proceed,
        });
        let world = World::with_pool(64, FILES, pool);
        world.storage.prepare().unwrap();
        for (number, bytes) in world.pieces.iter().enumerate() {
            let piece = PieceIndex::new(number as u32);
            let blocks = world.blocks(piece, 7);
            let blocks: Vec<_> = blocks.iter().map(|(at, bytes)| (*at, &bytes[..])).collect();
            world.storage.write(piece, &blocks).unwrap();
            assert_eq!(&world.read(piece).unwrap(), bytes, "cut after {cut} bytes");
        }
    }
}

/// A torn write is an error; the same write made again mends it.
#[test]
fn a_torn_write_fails_and_can_be_made_again() {
    for torn_after in 1..64 {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let pool = FilePool::with_faults(4, move |call, _| match call {
            Call::Write => match count.fetch_add(1, Ordering::Relaxed) {
                0 => Outcome::Short(torn_after),
                1 => Outcome::Fail(io::Error::other("input/output error")),
                _ => Outcome::Proceed,
            },
            _ => Outcome::Proceed,
        });
        let world = World::with_pool(64, FILES, pool);
        let (piece, bytes) = world.piece(0);
        let blocks: Vec<_> = (0..).step_by(8).zip(bytes.chunks(8)).collect();
        let torn = world.storage.write(piece, &blocks);
        // Where all that the piece has of its first file was written, nothing was torn.
        assert_eq!(torn.is_err(), calls.load(Ordering::Relaxed) >= 2);
        world.storage.write(piece, &blocks).unwrap();
        assert_eq!(world.read(piece).unwrap(), bytes);
    }
}

#[cfg(unix)]
mod errno {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_full_disk_names_the_file() {
        let full = || Outcome::Fail(Errno::NOSPC.into());
        let world = World::with_pool(64, FILES, script([(Call::Write, full)]));
        let (piece, bytes) = world.piece(0);
        let error = world.storage.write(piece, &[(0, bytes)]).unwrap_err();
        let path = world.path("t/a");
        assert_eq!((error.kind, &error.path), (ErrorKind::Full, &path));
        let text = format!("cannot write {}: no space left on device", path.display());
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn interruptions_are_not_errors() {
        let interrupt = || Outcome::Fail(Errno::INTR.into());
        let pool = script([
            (Call::Open, interrupt),
            (Call::Write, interrupt),
            (Call::Write, || Outcome::Short(3)),
            (Call::Write, interrupt),
            (Call::Read, interrupt),
            (Call::Read, || Outcome::Short(5)),
            (Call::Read, interrupt),
        ]);
        let world = World::with_pool(64, FILES, pool);
        let (piece, bytes) = world.piece(0);
        world.storage.write(piece, &[(0, bytes)]).unwrap();
        assert_eq!(world.read(piece).unwrap(), bytes);
    }

    #[test]
    fn other_files_are_closed_when_descriptors_run_out() {
        let none_left = || Outcome::Fail(Errno::MFILE.into());
        let proceed = || Outcome::Proceed;
        let pool = script([
            (Call::Open, none_left),
            (Call::Open, proceed),
            (Call::Open, none_left),
            (Call::Open, proceed),
        ]);
        let world = World::with_pool(64, FILES, pool);
        let (piece, bytes) = world.piece(3);
        // With nothing of ours to close, it is an error.
        let error = world.storage.write(piece, &[(0, bytes)]).unwrap_err();
        assert_eq!(
            error.source.raw_os_error(),
            Some(Errno::MFILE.raw_os_error())
        );
        world.storage.write(piece, &[(0, bytes)]).unwrap();
        assert_eq!(world.pool.open_count(), 1);
        assert_eq!(world.read(piece).unwrap(), bytes);
    }
}

/// A pool whose calls of each kind go as told, and well after that.
fn script<const N: usize>(steps: [(Call, fn() -> Outcome); N]) -> FilePool {
    let steps = Mutex::new(steps.to_vec());
    FilePool::with_faults(4, move |call, _| {
        let mut steps = steps.lock().unwrap();
        match steps.iter().position(|step| step.0 == call) {
            Some(next) => steps.remove(next).1(),
            None => Outcome::Proceed,
        }
    })
}

proptest! {
    /// Against a model of bytes, with transfers cut short at random and files closed at will.
    #[test]
    fn behaves_like_bytes(
        writes in prop::collection::vec((0..6u32, 0..64u32, 1..64u32, any::<u8>()), 1..20),
        cuts in prop::collection::vec(1..40usize, 1..5),
        max_open in 1..4usize,
    ) {
        let turn = AtomicUsize::new(0);
        let pool = FilePool::with_faults(max_open, move |call, _| match call {
            Call::Open => Outcome::Proceed,
            _ => Outcome::Short(cuts[turn.fetch_add(1, Ordering::Relaxed) % cuts.len()]),
        });
        let world = World::with_pool(64, FILES, pool);
        let layout = world.storage.layout();
        let mut model: Vec<Vec<u8>> = layout.pieces().map(|piece| vec![0; layout.piece_length(piece) as usize]).collect();
        // Sparse to their ends, so that every read succeeds.
        world.storage.prepare().unwrap();
        for file in layout.pieces().flat_map(|piece| world.storage.files_of(piece)) {
            let made = fs::File::create(world.storage.path_of(file)).unwrap();
            made.set_len(layout.file_length(file)).unwrap();
        }
        for (piece, begin, length, byte) in writes {
            let piece = PieceIndex::new(piece % layout.piece_count());
            let piece_length = layout.piece_length(piece);
            let begin = begin % piece_length;
            let length = length.min(piece_length - begin);
            let bytes = vec![byte; length as usize];
            let (head, tail) = bytes.split_at(bytes.len() / 2);
            let blocks = [(begin, head), (begin + head.len() as u32, tail)];
            let blocks = if byte % 2 == 0 { &blocks } else { &[blocks[1], blocks[0]] };
            world.storage.write(piece, blocks).unwrap();
            let place = &mut model[piece.as_usize()];
            place[begin as usize..][..bytes.len()].copy_from_slice(&bytes);
            world.storage.clear_padding(piece, 0, place);
            prop_assert_eq!(&world.read(piece).unwrap(), &model[piece.as_usize()]);
            prop_assert!(world.pool.open_count() <= max_open);
        }
        for piece in layout.pieces() {
            prop_assert_eq!(&world.read(piece).unwrap(), &model[piece.as_usize()]);
        }
    }
}

mod choosing;
