//! What is remembered, through the public interface; the two parsers, in `tests/parsers.rs`; and
//! runs that end at any call to the disk, in `tests/ends.rs`.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bt_types::{Bitfield, FileIndex, PieceIndex, Totals};
use tempfile::TempDir;

use super::{Belief, BootId, Keeper, Place, PlaceError, Start};
use crate::{
    FilePool,
    check::check_pieces,
    disk::{Done, Job},
    faults::{Call, Outcome},
    testing::{Disk, FileSpec, World},
};

mod choosing;
mod ends;
mod parsers;
mod syncs;

/// Nine pieces of 64 bytes; the files share some.
const FILES: &[FileSpec<'_>] = &[
    ("a", 150, ""),
    ("b/c", 90, ""),
    ("b/empty", 0, ""),
    ("d", 320, ""),
];

#[test]
fn a_clean_stop_leaves_nothing_to_be_hashed() {
    let case = Case::new();
    let keeper = case.begin(&case.start("boot"));
    case.write([0, 1, 5]);
    let totals = Totals {
        downloaded: 10,
        uploaded: 20,
    };
    keeper.finish(&case.world.storage, totals).unwrap();
    for boot in ["boot", "another"] {
        let start = case.start(boot);
        assert_eq!(pieces(&start.trusted), [0, 1, 5], "{boot}");
        assert_eq!(pieces(&start.doubtful), [], "{boot}");
        assert_eq!((start.totals, start.belief), (totals, Belief::AllWritten));
    }
}

#[test]
fn a_killed_process_leaves_what_it_has_written() {
    let mut case = Case::new();
    let keeper = case.begin(&case.start("boot"));
    case.write([0, 1, 5]);
    keeper.flush();
    keeper.set_totals(Totals {
        downloaded: 7,
        uploaded: 0,
    });
    case.kill(keeper);
    let start = case.start("boot");
    assert_eq!(pieces(&start.trusted), [0, 1, 5]);
    assert_eq!(pieces(&start.doubtful), []);
    assert_eq!(start.totals.downloaded, 7);
}

#[test]
fn what_was_done_last_may_be_in_doubt() {
    let mut case = Case::new();
    let keeper = case.begin(&case.start("boot"));
    case.write([0, 1, 5]);
    case.kill(keeper);
    let start = case.start("boot");
    assert_eq!(pieces(&start.trusted), [0, 1]);
    assert_eq!(pieces(&start.doubtful), [5]);
    // And is found to be right.
    let keeper = case.begin(&start);
    assert_eq!(pieces(&keeper.state().written), [0, 1, 5]);
}

#[test]
fn a_power_failure_leaves_what_was_synced() {
    let mut case = Case::new();
    let keeper = case.begin(&case.start("boot"));
    case.write([0, 1]);
    assert_eq!(keeper.unsynced_bytes(), 128);
    keeper.sync(&case.world.storage).unwrap();
    assert_eq!(keeper.unsynced_bytes(), 0);
    case.write([5]);
    case.kill(keeper);
    for boot in [Some("another"), None] {
        let start = case.place().start(&case.world.storage, id(boot).as_ref());
        let start = start.unwrap();
        assert_eq!(pieces(&start.trusted), [0, 1]);
        assert_eq!(pieces(&start.doubtful), [5]);
        assert_eq!(start.belief, Belief::OnlySynced);
    }
}

#[test]
fn a_piece_that_was_being_written_is_in_doubt() {
    let mut case = Case::new();
    let keeper = case.begin(&case.start("boot"));
    case.write([0]);
    keeper.begun(vec![PieceIndex::new(7)]);
    // Half of it, and nobody had time to say so.
    let (piece, bytes) = case.world.piece(7);
    let written = case.world.storage.write(piece, &[(0, &bytes[..30])]);
    written.unwrap();
    case.kill(keeper);
    let start = case.start("boot");
    assert_eq!(pieces(&start.trusted), [0]);
    assert_eq!(pieces(&start.doubtful), [7]);
}

/// A survey has found that these pieces cannot be there any more, one of them synced, one not.
#[test]
fn what_is_lost_is_not_believed_any_more_and_the_rest_is() {
    for ends_clean in [true, false] {
        let mut case = Case::new();
        let keeper = case.begin(&case.start("boot"));
        case.write([0, 1]);
        keeper.sync(&case.world.storage).unwrap();
        case.write([5, 6]);
        for lost in [1, 5] {
            keeper.dropped(PieceIndex::new(lost), Vec::new);
        }
        assert_eq!(pieces(&keeper.state().written), [0, 6]);
        assert_eq!(pieces(&keeper.state().synced), [0]);
        assert_eq!(keeper.unsynced_bytes(), 64, "of piece 6");
        keeper.sync(&case.world.storage).unwrap();
        assert_eq!(pieces(&keeper.state().synced), [0, 6]);
        if ends_clean {
            let finished = keeper.finish(&case.world.storage, Totals::default());
            finished.unwrap();
        } else {
            case.kill(keeper);
        }
        for boot in ["boot", "another"] {
            let start = case.start(boot);
            assert_eq!(pieces(&start.trusted), [0, 6], "{boot}, {ends_clean}");
            assert_eq!(pieces(&start.doubtful), [], "{boot}, {ends_clean}");
        }
    }
}

/// A file was missing when it was to be read: whatever becomes of it, its pieces are looked at, if
/// nobody has before.
#[test]
fn pieces_of_a_file_that_was_missing_are_hashed() {
    let mut case = Case::new();
    let keeper = case.begin(&case.start("boot"));
    case.write([0, 1, 2, 5, 8]);
    keeper.flush();
    keeper.doubted([FileIndex(0)].into_iter());
    case.kill(keeper);
    let start = case.start("boot");
    assert_eq!(pieces(&start.trusted), [5, 8]);
    assert_eq!(pieces(&start.doubtful), [0, 1, 2]);
}

#[test]
fn blocks_of_incomplete_pieces_are_remembered() {
    let files: &[FileSpec<'_>] = &[("a", 3 * 16_384 + 100, "")];
    let case = Case::of(World::new(3 * 16_384, files));
    let keeper = case.begin(&case.start("boot"));
    let piece = PieceIndex::new(0);
    let blocks = case.world.blocks(piece, 16_384);
    case.run(Job::Spill {
        piece,
        blocks: blocks[1..].to_vec(),
    });
    let spilled = |start: &Start| -> Vec<_> {
        let partial = start.partial.iter();
        partial
            .map(|partial| (partial.piece.get(), partial.slots.clone()))
            .collect()
    };
    keeper
        .finish(&case.world.storage, Totals::default())
        .unwrap();
    assert_eq!(spilled(&case.start("boot")), [(0, vec![1, 2])]);
    assert_eq!(spilled(&case.start("another")), [(0, vec![1, 2])]);

    // The same after a kill, but not after a power failure: nobody has synced them.
    let mut case = Case::of(World::new(3 * 16_384, files));
    let keeper = case.begin(&case.start("boot"));
    case.run(Job::Spill {
        piece,
        blocks: blocks[..1].to_vec(),
    });
    case.kill(keeper);
    assert_eq!(spilled(&case.start("boot")), [(0, vec![0])]);
    assert_eq!(spilled(&case.start("another")), []);

    // Completed by the rest, it is a piece like others.
    let keeper = case.begin(&case.start("boot"));
    let done = case.run(Job::Verify {
        piece,
        blocks: blocks[1..].to_vec(),
        wants_digests: false,
    });
    assert!(matches!(done, Done::Verified { .. }), "{done:?}");
    keeper.flush();
    case.kill(keeper);
    let start = case.start("boot");
    assert_eq!((pieces(&start.trusted), spilled(&start)), (vec![0], vec![]));
}

/// A disk that is full, say. What was spilled before is where it was.
#[test]
fn a_refused_spill_takes_no_other_blocks_with_it() {
    let refuses = Arc::new(AtomicBool::new(false));
    let deciding = Arc::clone(&refuses);
    let pool = FilePool::with_faults(4, move |call, _| {
        let refuses = deciding.load(Ordering::SeqCst);
        match call {
            Call::Write if refuses => Outcome::Fail(std::io::ErrorKind::StorageFull.into()),
            _ => Outcome::Proceed,
        }
    });
    let files: &[FileSpec<'_>] = &[("a", 3 * 16_384, "")];
    let mut case = Case::of(World::with_pool(3 * 16_384, files, pool));
    let keeper = case.begin(&case.start("boot"));
    let piece = PieceIndex::new(0);
    let blocks = case.world.blocks(piece, 16_384);
    let spill = |case: &Case, slots: std::ops::Range<usize>| {
        let blocks = blocks[slots].to_vec();
        case.run(Job::Spill { piece, blocks })
    };
    spill(&case, 0..2);
    refuses.store(true, Ordering::SeqCst);
    // One of them again: it may be torn.
    let done = spill(&case, 1..3);
    assert!(matches!(done, Done::Failed { .. }), "{done:?}");
    case.kill(keeper);
    let start = case.start("boot");
    assert_eq!(
        (start.partial.len(), &*start.partial[0].slots),
        (1, &[0][..])
    );
    assert_eq!(pieces(&start.doubtful), []);
}

#[test]
fn wrong_pieces_leave_nothing_behind() {
    let files: &[FileSpec<'_>] = &[("a", 2 * 16_384, "")];
    let mut case = Case::of(World::new(2 * 16_384, files));
    let keeper = case.begin(&case.start("boot"));
    let piece = PieceIndex::new(0);
    let mut blocks = case.world.blocks(piece, 16_384);
    blocks[0].1[5] ^= 1;
    let rest = blocks.split_off(1);
    case.run(Job::Spill { piece, blocks });
    let done = case.run(Job::Verify {
        piece,
        blocks: rest,
        wants_digests: false,
    });
    assert!(matches!(done, Done::Corrupt { .. }), "{done:?}");
    case.kill(keeper);
    let start = case.start("boot");
    assert_eq!(start.trusted.count_ones() + start.doubtful.count_ones(), 0);
    assert!(start.partial.is_empty());
}

#[test]
fn files_that_others_have_changed_are_hashed_and_no_others() {
    let change = |what: &str, change: &dyn Fn(&Path), doubtful: &[u32], trusted: &[u32]| {
        let case = Case::new();
        case.world.fill();
        let keeper = case.begin(&case.start("boot"));
        keeper
            .finish(&case.world.storage, Totals::default())
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20)); // longer than a tick of its clock
        change(&case.world.path("t"));
        let start = case.start("boot");
        assert_eq!(pieces(&start.doubtful), doubtful, "{what}");
        assert_eq!(pieces(&start.trusted), trusted, "{what}");
    };
    let (of_a, rest) = (&[0, 1, 2], &[3, 4, 5, 6, 7, 8]);
    change("nothing", &|_| (), &[], &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    change(
        "cut",
        &|top| {
            let file = fs::File::options().write(true).open(top.join("a"));
            file.unwrap().set_len(100).unwrap();
        },
        of_a,
        rest,
    );
    change(
        "written",
        &|top| fs::write(top.join("a"), [1; 150]).unwrap(),
        of_a,
        rest,
    );
    change(
        "replaced",
        &|top| {
            fs::copy(top.join("a"), top.join("new")).unwrap();
            fs::rename(top.join("new"), top.join("a")).unwrap();
        },
        of_a,
        rest,
    );
    change(
        "removed",
        &|top| fs::remove_file(top.join("b/c")).unwrap(),
        &[2, 3],
        &[0, 1, 4, 5, 6, 7, 8],
    );
    change(
        "a link in its place",
        &|top| {
            fs::rename(top.join("d"), top.join("moved")).unwrap();
            #[cfg(unix)]
            std::os::unix::fs::symlink("moved", top.join("d")).unwrap();
        },
        &[3, 4, 5, 6, 7, 8],
        &[0, 1, 2],
    );
}

#[test]
fn what_others_write_while_a_killed_one_was_writing_is_noticed_later() {
    let mut case = Case::new();
    let keeper = case.begin(&case.start("boot"));
    case.write([0, 4]);
    keeper.begun(vec![PieceIndex::new(7)]);
    case.kill(keeper);
    let future = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 33);
    let file = fs::File::options().write(true).open(case.world.path("t/d"));
    file.unwrap().set_modified(future).unwrap();
    let start = case.start("boot");
    assert_eq!(pieces(&start.trusted), [0]);
    assert_eq!(pieces(&start.doubtful), [3, 4, 5, 6, 7, 8]);
}

#[test]
fn records_of_others_are_not_believed() {
    let case = Case::new();
    case.world.fill();
    let start = case.start("boot");
    assert_eq!(start.belief, Belief::NoRecord);
    assert_eq!(start.doubtful.count_ones(), 9);
    let keeper = case.begin(&start);
    keeper
        .finish(&case.world.storage, Totals::default())
        .unwrap();
    assert_eq!(case.start("boot").trusted.count_ones(), 9);

    let other = Case::of(World::new(32, FILES));
    let record = fs::read(case.place().record()).unwrap();
    fs::write(other.place().record(), record).unwrap();
    let start = other.start("boot");
    assert!(matches!(start.belief, Belief::Refused(_)), "{start:?}");
    assert!(start.doubtful.is_full());
}

#[test]
fn a_recheck_believes_nothing_but_what_was_moved() {
    let case = Case::new();
    let keeper = case.begin(&case.start("boot"));
    let totals = Totals {
        downloaded: 3,
        uploaded: 4,
    };
    keeper.finish(&case.world.storage, totals).unwrap();
    let start = case.place().start_anew(&case.world.storage, None).unwrap();
    assert!(start.doubtful.is_full());
    assert_eq!(start.totals, totals);
}

#[test]
fn a_place_is_had_by_one() {
    let case = Case::new();
    let place = case.place();
    let second = Place::lock(case.state.path(), &case.world.storage);
    assert!(matches!(second, Err(PlaceError::InUse(_))), "{second:?}");
    drop(place);
    let keeper = case.begin(&case.start("boot"));
    let second = Place::lock(case.state.path(), &case.world.storage);
    assert!(matches!(second, Err(PlaceError::InUse(_))), "{second:?}");
    keeper
        .finish(&case.world.storage, Totals::default())
        .unwrap();
    case.place();
    // Nothing is left lying about but the record.
    let left = fs::read_dir(case.state.path()).unwrap().flatten();
    let endings: Vec<_> = left
        .filter_map(|entry| entry.path().extension().map(ToOwned::to_owned))
        .collect();
    assert_eq!(endings, ["resume"]);
}

#[test]
fn an_unwritable_folder_is_told() {
    let case = Case::new();
    let file = case.state.path().join("file");
    fs::write(&file, "").unwrap();
    let place = Place::lock(&file.join("below"), &case.world.storage);
    assert!(matches!(place, Err(PlaceError::Folder(_))), "{place:?}");
}

/// A torrent, its data, and where its record is.
pub(super) struct Case {
    pub(super) world: World,
    pub(super) state: TempDir,
    disk: Disk,
}

impl Case {
    fn new() -> Self {
        Self::of(World::new(64, FILES))
    }

    pub(super) fn of(world: World) -> Self {
        world.storage.prepare().unwrap();
        Self {
            world,
            state: TempDir::new().unwrap(),
            disk: Disk::new(1),
        }
    }

    pub(super) fn place(&self) -> Place {
        Place::lock(self.state.path(), &self.world.storage).unwrap()
    }

    pub(super) fn start(&self, boot: &str) -> Start {
        let boot = id(Some(boot));
        let start = self.place().start(&self.world.storage, boot.as_ref());
        start.unwrap()
    }

    /// Hashes what is in doubt, and has a keeper from then on.
    pub(super) fn begin(&self, start: &Start) -> Arc<Keeper> {
        self.begin_as("boot", start)
    }

    fn begin_as(&self, boot: &str, start: &Start) -> Arc<Keeper> {
        let storage = &self.world.storage;
        let never = AtomicBool::new(false);
        let checked = check_pieces(storage, &start.doubtful, 1, &|_| (), &never).unwrap();
        let mut have = checked.have;
        start.trusted.iter_ones().for_each(|piece| {
            have.insert(piece);
        });
        let (place, start) = (self.place(), start.clone());
        let keeper = Keeper::begin(place, storage, start, have, id(Some(boot))).unwrap();
        let keeper = Arc::new(keeper);
        storage.set_keeper(Arc::clone(&keeper));
        keeper
    }

    /// Ends without a word.
    pub(super) fn kill(&mut self, keeper: Arc<Keeper>) {
        self.world.reopen();
        // A thread of the disk may still be putting down its tools.
        while Arc::strong_count(&keeper) > 1 {
            std::thread::yield_now();
        }
    }

    pub(super) fn run(&self, job: Job<Vec<u8>>) -> Done<Vec<u8>> {
        self.disk.run(&self.world, job)
    }

    fn write(&self, pieces: impl IntoIterator<Item = u32>) {
        for piece in pieces.into_iter().map(PieceIndex::new) {
            let blocks = self.world.blocks(piece, 16);
            let done = self.run(Job::Verify {
                piece,
                blocks,
                wants_digests: false,
            });
            assert!(matches!(done, Done::Verified { .. }), "{done:?}");
        }
    }
}

pub(super) fn pieces(set: &Bitfield) -> Vec<u32> {
    set.iter_ones().map(PieceIndex::get).collect()
}

fn id(name: Option<&str>) -> Option<BootId> {
    name.and_then(BootId::new)
}
