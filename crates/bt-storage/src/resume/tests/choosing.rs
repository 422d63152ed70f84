//! What is remembered of a torrent of which some files are left out, and that another run may leave
//! out others.

use std::{collections::BTreeMap, time::Duration};

use bt_types::{Block, Priority, Selection};

use super::*;
use crate::{ErrorKind, Storage, check::check};

/// Pieces of 64 bytes: `a` ends in piece 1, `b` in piece 2, `d/c` in piece 4, which `z` shares.
const SHARED: &[FileSpec<'_>] = &[
    ("a", 100, ""),
    ("b", 50, ""),
    ("d/c", 130, ""),
    ("z", 20, ""),
];

#[test]
fn a_clean_restart_checks_nothing() {
    for part_names in [false, true] {
        let mut case = choosing(part_names);
        let keeper = choose(&case, &[1]);
        case.write([1, 2]);
        finish(&case, &keeper);
        for (boot, names) in [
            ("boot", part_names),
            ("another", part_names),
            ("boot", false),
        ] {
            restart(&mut case, names);
            let start = case.start(boot);
            assert_eq!(pieces(&start.trusted), [1, 2], "{boot}");
            assert_eq!(pieces(&start.doubtful), [], "{boot}");
            assert_eq!(start.belief, Belief::AllWritten);
            assert_right(&case, &start.trusted);
        }
        // And leaves the same.
        let keeper = choose(&case, &[1]);
        finish(&case, &keeper);
        restart(&mut case, part_names);
        assert_eq!(pieces(&case.start("boot").doubtful), []);
    }
}

#[test]
fn files_that_are_not_complete_are_known_by_their_other_names() {
    let mut case = choosing(true);
    let keeper = choose(&case, &[0, 1, 2, 3]);
    case.write([0, 2]);
    assert!(case.world.path("t/a.part").is_file());
    finish(&case, &keeper);
    restart(&mut case, true);
    assert_eq!(pieces(&case.start("boot").trusted), [0, 2]);
    // With its last piece a file gets its name: looks otherwise, and is known all the same.
    let keeper = choose(&case, &[0, 1, 2, 3]);
    case.write([1]);
    assert!(case.world.path("t/a").is_file() && case.world.path("t/b").is_file());
    keeper.flush();
    case.kill(keeper);
    let start = case.start("boot");
    assert_eq!(
        (pieces(&start.trusted), pieces(&start.doubtful)),
        (vec![0, 1, 2], vec![])
    );
    // Somebody else gives one another name.
    fs::rename(case.world.path("t/a"), case.world.path("t/a.part")).unwrap();
    restart(&mut case, true);
    let start = case.start("boot");
    assert_eq!(
        (pieces(&start.trusted), pieces(&start.doubtful)),
        (vec![2], vec![0, 1])
    );
    choose(&case, &[0, 1, 2, 3]);
    assert!(case.world.path("t/a").is_file());
}

#[test]
fn what_is_wanted_later_comes_out_of_the_part_file_without_a_check() {
    for ends_clean in [true, false] {
        let mut case = choosing(false);
        let keeper = choose(&case, &[1]);
        case.write([1, 2]);
        finish(&case, &keeper);
        restart(&mut case, false);
        // Piece 2 moves in part, piece 1 stays.
        let keeper = choose(&case, &[1, 2]);
        let moved = fs::read(case.world.path("t/d/c")).unwrap();
        assert!(moved == case.world.pieces[2][22..]);
        case.write([3]);
        keeper.flush();
        match ends_clean {
            true => finish(&case, &keeper),
            false => drop(keeper),
        }
        restart(&mut case, false);
        let start = case.start("boot");
        assert_eq!(pieces(&start.trusted), [1, 2, 3], "{ends_clean}");
        assert_eq!(pieces(&start.doubtful), [], "{ends_clean}");
        let keeper = choose(&case, &[0, 1, 2, 3]);
        assert!(!case.world.storage.part_file().exists());
        assert_right(&case, &keeper.state().written);
        finish(&case, &keeper);
        restart(&mut case, false);
        let start = case.start("another");
        assert_eq!(pieces(&start.trusted), [1, 2, 3]);
    }
}

/// While it runs, and then it is killed.
#[test]
fn selections_that_change_are_noted() {
    let mut case = choosing(false);
    let keeper = choose(&case, &[1]);
    case.write([1, 2]);
    for wanted in [&[1, 2][..], &[0], &[0, 2], &[2, 3]] {
        case.world
            .storage
            .set_selection(&selection(wanted))
            .unwrap();
        assert_right(&case, &keeper.state().written);
    }
    case.write([4]);
    keeper.flush();
    case.kill(keeper);
    let start = case.start("boot");
    assert_eq!(pieces(&start.trusted), [1, 2, 4]);
    assert_eq!(pieces(&start.doubtful), []);
    assert_right(&case, &start.trusted);
}

#[test]
fn a_killed_process_leaves_in_doubt_what_it_was_writing_and_nothing_else() {
    let mut case = choosing(false);
    let keeper = choose(&case, &[1, 3]);
    case.write([1, 4]);
    keeper.flush();
    keeper.begun(vec![PieceIndex::new(2)]);
    let (piece, bytes) = case.world.piece(2);
    let half = case.world.storage.write(piece, &[(0, &bytes[..30])]);
    half.unwrap();
    case.kill(keeper);
    let start = case.start("boot");
    assert_eq!(pieces(&start.trusted), [1, 4]);
    assert_eq!(pieces(&start.doubtful), [2]);
    assert_right(&case, &start.trusted);
    let keeper = case.begin(&start);
    assert_eq!(pieces(&keeper.state().written), [1, 4]);
}

#[test]
fn a_part_file_that_others_have_touched_puts_its_pieces_in_doubt_and_no_others() {
    let change = |what: &str, change: &dyn Fn(&Path), right: &[u32]| {
        let mut case = choosing(false);
        let keeper = choose(&case, &[2]);
        case.write([2, 3, 4]);
        finish(&case, &keeper);
        std::thread::sleep(Duration::from_millis(20)); // longer than a tick of its clock
        change(&case.world.storage.part_file());
        restart(&mut case, false);
        let start = case.start("boot");
        assert_eq!(pieces(&start.trusted), [3], "{what}");
        assert_eq!(pieces(&start.doubtful), [2, 4], "{what}");
        let keeper = choose(&case, &[2]);
        assert_eq!(pieces(&keeper.state().written), right, "{what}");
        // What was lost comes again, and is there.
        case.write([2, 4]);
        finish(&case, &keeper);
        restart(&mut case, false);
        let start = case.start("boot");
        assert_eq!(pieces(&start.trusted), [2, 3, 4], "{what}");
        assert_right(&case, &start.trusted);
    };
    change("removed", &|path| fs::remove_file(path).unwrap(), &[3]);
    change(
        "touched",
        &|path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, bytes).unwrap();
        },
        &[2, 3, 4],
    );
    change(
        "cut",
        &|path| {
            let file = fs::File::options().write(true).open(path).unwrap();
            let length = file.metadata().unwrap().len();
            file.set_len(length - 1).unwrap();
        },
        &[2, 3],
    );
    change(
        "written",
        &|path| {
            let mut bytes = fs::read(path).unwrap();
            let at = bytes.len() - 1;
            bytes[at] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        &[2, 3, 4], // the last byte is of no piece: the last one is shorter
    );
}

/// Nobody remembers which files were left out: the hash tells what is right.
#[test]
fn a_recheck_finds_what_lies_in_the_part_file() {
    let mut case = choosing(false);
    let keeper = choose(&case, &[1]);
    case.write([1, 2]);
    finish(&case, &keeper);
    restart(&mut case, false);
    let start = case.place().start_anew(&case.world.storage, None).unwrap();
    assert!(start.doubtful.is_full());
    let keeper = case.begin(&start);
    let have = keeper.state().written;
    assert_eq!(pieces(&have), [1, 2]);
    let storage = &case.world.storage;
    storage.set_verified(&have).unwrap();
    storage.set_selection(&selection(&[1, 2])).unwrap();
    assert_right(&case, &have);
    finish(&case, &keeper);
    restart(&mut case, false);
    assert_eq!(pieces(&case.start("boot").trusted), [1, 2]);
}

/// A file that was complete when others were left out: what the part file has is older.
#[test]
fn what_is_right_in_files_counts_if_the_part_file_is_wrong() {
    let case = choosing(false);
    let storage = &case.world.storage;
    storage.set_selection(&selection(&[1])).unwrap();
    let (piece, _) = case.world.piece(1);
    storage.write(piece, &[(0, &[7; 64])]).unwrap();
    let whole = case.world.pieces.concat();
    fs::write(case.world.path("t/a"), &whole[..100]).unwrap();
    fs::write(case.world.path("t/b"), &whole[100..150]).unwrap();
    let other = fresh(&case, false);
    other.find().unwrap();
    let checked = check(&other, 2, &|_| (), &AtomicBool::new(false)).unwrap();
    assert_eq!(pieces(&checked.have), [0, 1]);
    other.set_verified(&checked.have).unwrap();
    other.set_selection(&selection(&[0, 1])).unwrap();
    assert_eq!(fs::read(case.world.path("t/a")).unwrap(), whole[..100]);
    assert_eq!(fs::read(case.world.path("t/b")).unwrap(), whole[100..150]);
}

/// Blocks of an incomplete piece, some of which are in the part file only.
#[test]
fn blocks_of_incomplete_pieces_are_remembered_wherever_they_lie() {
    let files: &[FileSpec<'_>] = &[("a", 20_000, ""), ("b", 3 * 16_384 - 20_000, "")];
    for wanted in [&[1][..], &[0, 1]] {
        let mut case = Case::of(World::new(3 * 16_384, files));
        restart(&mut case, false);
        let keeper = choose(&case, &[1]);
        let piece = PieceIndex::new(0);
        let blocks = case.world.blocks(piece, 16_384);
        let done = case.run(Job::Spill {
            piece,
            blocks: blocks[..2].to_vec(),
        });
        assert!(matches!(done, Done::Spilled { .. }), "{done:?}");
        finish(&case, &keeper);
        restart(&mut case, false);
        let start = case.start("boot");
        assert_eq!(start.partial.len(), 1);
        assert_eq!(start.partial[0].slots, [0, 1]);
        let keeper = choose(&case, wanted);
        assert_eq!(keeper.state().partial, start.partial);
        let done = case.run(Job::Verify {
            piece,
            blocks: blocks[2..].to_vec(),
            wants_digests: false,
        });
        assert!(matches!(done, Done::Verified { .. }), "{done:?}");
        assert_right(&case, &keeper.state().written);
    }
}

/// A survey after trouble: what was never wanted is not lost, and of what was in the part file
/// nothing is believed when that has gone.
#[test]
fn files_that_are_left_out_are_not_lost() {
    let case = choosing(false);
    let keeper = choose(&case, &[1]);
    case.write([1, 2]);
    let survey = || match case.run(Job::Survey) {
        Done::Surveyed { missing, .. } => missing.into_iter().map(PieceIndex::get).collect(),
        other => panic!("{other:?}"),
    };
    let missing: Vec<_> = survey();
    assert_eq!(missing, [0, 3, 4], "which nobody has had");
    assert_eq!(pieces(&keeper.state().written), [1, 2]);

    // A file of the right length lies where the part file counts.
    fs::write(case.world.path("t/a"), [7; 100]).unwrap();
    fs::remove_file(case.world.storage.part_file()).unwrap();
    let (piece, bytes) = case.world.piece(1);
    let block = Block {
        piece,
        begin: 0,
        length: bytes.len() as u32,
    };
    for _ in 0..2 {
        let read = case.run(Job::Read {
            block,
            buffer: vec![0; bytes.len()],
        });
        let Done::Failed { error, .. } = read else {
            panic!("{read:?}");
        };
        assert_eq!(error.kind, ErrorKind::Missing);
        assert_eq!(error.path, case.world.storage.part_file());
    }
    let refused = case.world.storage.set_selection(&selection(&[0, 1]));
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Missing);
    let missing: Vec<_> = survey();
    assert_eq!(missing, [1, 2, 3, 4]);
    assert_eq!(pieces(&keeper.state().written), []);
    case.write([1, 2]);
    let missing: Vec<_> = survey();
    assert_eq!(missing, [3, 4]);
    assert_right(&case, &keeper.state().written);
    assert_eq!(fs::read(case.world.path("t/a")).unwrap(), [7; 100]);
}

/// What was moved is on the medium before it leaves the part file.
#[test]
fn a_power_failure_after_another_selection_leaves_what_was_synced() {
    let mut case = choosing(false);
    let keeper = choose(&case, &[1]);
    case.write([1, 2]);
    keeper.sync(&case.world.storage).unwrap();
    let before = fs::read(case.place_of_journal()).unwrap();
    let storage = &case.world.storage;
    storage.set_selection(&selection(&[0, 1, 2, 3])).unwrap();
    let journal = case.place_of_journal();
    case.kill(keeper);
    // Nobody has synced what was noted of it.
    fs::write(journal, before).unwrap();
    let start = case.start("another");
    let known: Vec<_> = pieces(&start.trusted)
        .into_iter()
        .chain(pieces(&start.doubtful))
        .collect();
    assert!(known.contains(&1) && known.contains(&2), "{start:?}");
    let keeper = case.begin(&start);
    assert_eq!(pieces(&keeper.state().written), [1, 2]);
    assert_right(&case, &keeper.state().written);
}

impl Case {
    fn place_of_journal(&self) -> std::path::PathBuf {
        let entries = fs::read_dir(self.state.path()).unwrap().flatten();
        let mut paths = entries.map(|entry| entry.path());
        let is_journal =
            |path: &std::path::PathBuf| path.extension().is_some_and(|it| it == "journal");
        paths.find(is_journal).unwrap()
    }
}

fn choosing(part_names: bool) -> Case {
    let mut case = Case::of(World::new(64, SHARED));
    restart(&mut case, part_names);
    case
}

/// As another process would, to which nobody has said what is wanted.
fn restart(case: &mut Case, part_names: bool) {
    case.world.storage = Arc::new(fresh(case, part_names));
}

fn fresh(case: &Case, part_names: bool) -> Storage {
    let (info, pool) = (Arc::clone(&case.world.info), Arc::clone(&case.world.pool));
    let storage = Storage::new(case.world.folder.path().into(), info, pool);
    match part_names {
        true => storage.with_part_names(),
        false => storage,
    }
}

/// Begins as a client does: believes, hashes what is in doubt, and only then moves what is elsewhere.
fn choose(case: &Case, wanted: &[u32]) -> Arc<Keeper> {
    let keeper = case.begin(&case.start("boot"));
    let storage = &case.world.storage;
    storage.set_verified(&keeper.state().written).unwrap();
    storage.set_selection(&selection(wanted)).unwrap();
    keeper
}

fn finish(case: &Case, keeper: &Keeper) {
    let totals = Totals::default();
    keeper.finish(&case.world.storage, totals).unwrap();
}

fn selection(wanted: &[u32]) -> Selection {
    Selection::of_files((0..4).map(|file| match wanted.contains(&file) {
        true => Priority::Normal,
        false => Priority::Skip,
    }))
}

/// What is said to be there reads back right.
fn assert_right(case: &Case, have: &Bitfield) {
    let read = |piece: PieceIndex| (piece.get(), case.world.read(piece).ok());
    let found: BTreeMap<_, _> = have.iter_ones().map(read).collect();
    for (piece, bytes) in found {
        let right = &case.world.pieces[piece as usize];
        assert_eq!(bytes.as_ref(), Some(right), "piece {piece}");
    }
}
