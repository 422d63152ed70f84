//! Syncs that fail, by the rules of Linux: the first tells it, those after it succeed, and bring nothing
//! of what the first has lost.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use bt_types::{Priority, Selection};

use super::*;
use crate::{FilePool, faults, part_file};

/// Piece 0 lies in `a`, piece 5 in `d`.
#[test]
fn what_could_not_be_synced_is_not_believed_without_power() {
    for ends_clean in [true, false] {
        let (mut case, syncs) = failing(FILES);
        let keeper = case.begin(&case.start("boot"));
        case.write([0, 5]);
        syncs.fail_after(0);
        let failed = keeper.sync(&case.world.storage).unwrap_err();
        assert!(failed.path.ends_with("t/a"), "{failed}");
        assert_eq!(
            keeper.unsynced_bytes(),
            0,
            "nothing is to be gained any more"
        );
        // The next one succeeds, and brings what is in other files.
        case.write([1, 6]);
        keeper.sync(&case.world.storage).unwrap();
        assert_eq!(pieces(&keeper.state().synced), [5, 6]);
        match ends_clean {
            true => finish(&case, &keeper),
            false => keeper.flush(),
        }
        case.kill(keeper);
        let start = case.start("boot");
        assert_eq!(pieces(&start.trusted), [0, 1, 5, 6], "{ends_clean}");
        let start = case.start("another");
        assert_eq!(pieces(&start.trusted), [5, 6], "{ends_clean}");
        assert_eq!(pieces(&start.doubtful), [0, 1], "{ends_clean}");

        // Nor has another run any means of bringing it to the medium, whatever it hashes.
        for checks_all in [false, true] {
            let start = match checks_all {
                true => {
                    let boot = id(Some("boot"));
                    let place = case.place();
                    place
                        .start_anew(&case.world.storage, boot.as_ref())
                        .unwrap()
                }
                false => case.start("boot"),
            };
            let keeper = case.begin(&start);
            finish(&case, &keeper);
            case.kill(keeper);
            assert_eq!(pieces(&case.start("another").doubtful), [0, 1]);
        }
        // Until what is read comes from the medium.
        let keeper = case.begin_as("another", &case.start("another"));
        finish(&case, &keeper);
        case.kill(keeper);
        let start = case.start("a third");
        assert_eq!(pieces(&start.trusted), [0, 1, 5, 6]);
    }
}

#[test]
fn a_folder_that_cannot_be_synced_may_lose_its_files() {
    let (mut case, syncs) = failing(FILES);
    let keeper = case.begin(&case.start("boot"));
    case.write([0, 3]);
    // The files a, b/c and d, then the root, `t` and `t/b`.
    syncs.fail_after(5);
    let failed = keeper.sync(&case.world.storage).unwrap_err();
    assert!(failed.path.ends_with("t/b"), "{failed}");
    finish(&case, &keeper);
    case.kill(keeper);
    let start = case.start("another");
    assert_eq!(
        (pieces(&start.trusted), pieces(&start.doubtful)),
        (vec![0], vec![3])
    );
}

/// Nothing is synced on the way, when no piece is complete; at a clean end all is.
#[test]
fn blocks_that_are_named_are_synced() {
    let files: &[FileSpec<'_>] = &[("a", 3 * 16_384, ""), ("b", 16_384, "")];
    for (fails, known_after) in [(false, 1), (true, 0)] {
        let (mut case, syncs) = failing_of(4 * 16_384, files);
        let keeper = case.begin(&case.start("boot"));
        let piece = PieceIndex::new(0);
        let blocks = case.world.blocks(piece, 16_384)[..1].to_vec();
        case.run(Job::Spill { piece, blocks });
        if fails {
            syncs.fail_after(0);
        }
        let before = syncs.count.load(Ordering::SeqCst);
        finish(&case, &keeper);
        assert!(syncs.count.load(Ordering::SeqCst) > before);
        case.kill(keeper);
        assert_eq!(case.start("boot").partial.len(), 1, "{fails}");
        assert_eq!(case.start("another").partial.len(), known_after, "{fails}");
    }
}

/// Its disk was full, say, and has room again. A failure on the way could not be noted.
#[cfg(unix)]
#[test]
fn who_cannot_append_to_the_journal_syncs_at_its_end_only() {
    let (mut case, syncs) = failing(FILES);
    case.world.fill();
    let keeper = case.begin(&case.start("boot"));
    let state = case.state.path().to_owned();
    fs::remove_dir_all(&state).unwrap();
    keeper.set_totals(Totals {
        downloaded: 1,
        uploaded: 2,
    });
    let before = syncs.count.load(Ordering::SeqCst);
    keeper.sync(&case.world.storage).unwrap_err();
    assert_eq!(syncs.count.load(Ordering::SeqCst), before);
    fs::create_dir(&state).unwrap();
    finish(&case, &keeper);
    case.kill(keeper);
    assert_eq!(case.start("another").trusted.count_ones(), 9);
}

/// Piece 1 is in the part file and on the medium; its place in `b` is not.
#[test]
fn what_moves_to_a_file_that_cannot_be_synced_is_not_believed_without_power() {
    let files: &[FileSpec<'_>] = &[("a", 100, ""), ("b", 28, "")];
    let (mut case, syncs) = failing(files);
    let chosen = |wanted: &[bool]| {
        Selection::of_files(wanted.iter().map(|is_wanted| match is_wanted {
            true => Priority::Normal,
            false => Priority::Skip,
        }))
    };
    let keeper = case.begin(&case.start("boot"));
    let storage = Arc::clone(&case.world.storage);
    storage.set_selection(&chosen(&[true, false])).unwrap();
    case.write([0, 1]);
    keeper.sync(&storage).unwrap();
    assert_eq!(pieces(&keeper.state().synced), [0, 1]);
    syncs.fail_after(0);
    storage.set_selection(&chosen(&[true, true])).unwrap_err();
    assert!(keeper.could_not_sync(FileIndex(1)) && !keeper.could_not_sync(part_file::FILE));
    storage.set_selection(&chosen(&[true, true])).unwrap();
    drop(storage);
    finish(&case, &keeper);
    case.kill(keeper);
    assert_eq!(pieces(&case.start("boot").trusted), [0, 1]);
    let start = case.start("another");
    assert_eq!(
        (pieces(&start.trusted), pieces(&start.doubtful)),
        (vec![0], vec![1])
    );
}

/// Decides about syncs, and counts them.
#[derive(Default)]
struct Syncs {
    count: AtomicUsize,
    fails_at: AtomicUsize,
}

impl Syncs {
    fn before(&self, call: faults::Call) -> faults::Outcome {
        if call != faults::Call::Sync {
            return faults::Outcome::Proceed;
        }
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        match number == self.fails_at.load(Ordering::SeqCst) {
            true => faults::Outcome::Fail(io::Error::other("lost")),
            false => faults::Outcome::Proceed,
        }
    }

    /// Has the one fail that comes after so many.
    fn fail_after(&self, others: usize) {
        let at = self.count.load(Ordering::SeqCst) + others + 1;
        self.fails_at.store(at, Ordering::SeqCst);
    }
}

fn failing(files: &[FileSpec<'_>]) -> (Case, Arc<Syncs>) {
    failing_of(64, files)
}

fn failing_of(piece_length: usize, files: &[FileSpec<'_>]) -> (Case, Arc<Syncs>) {
    let syncs = Arc::new(Syncs::default());
    let deciding = Arc::clone(&syncs);
    let pool = FilePool::with_faults(4, move |call, _| deciding.before(call));
    (Case::of(World::with_pool(piece_length, files, pool)), syncs)
}

fn finish(case: &Case, keeper: &Keeper) {
    let finished = keeper.finish(&case.world.storage, Totals::default());
    finished.unwrap();
}

/// What the medium did not get before its disk was unplugged may be gone, and nothing looks otherwise.
#[test]
#[cfg(unix)]
fn what_a_disk_has_not_taken_is_in_doubt_when_it_is_back() {
    let mut case = Case::new();
    let keeper = case.begin(&case.start("boot"));
    case.write([0, 1, 5]);
    keeper.sync(&case.world.storage).unwrap();
    case.write([6, 7]);
    let root = &case.world.folder.path().to_owned();
    std::fs::rename(root, root.with_extension("away")).unwrap();
    assert!(matches!(case.run(Job::Survey), Done::Failed { .. }));
    assert!(keeper.sync(&case.world.storage).is_err());
    std::fs::rename(root.with_extension("away"), root).unwrap();
    // A sync that succeeds now proves nothing.
    assert!(keeper.sync(&case.world.storage).is_err());
    let survey = || match case.run(Job::Survey) {
        Done::Surveyed { doubtful, .. } => doubtful
            .into_iter()
            .map(PieceIndex::get)
            .collect::<Vec<_>>(),
        done => panic!("{done:?}"),
    };
    assert_eq!(survey(), [6, 7]);
    assert_eq!(survey(), [], "it has not been away again");
    case.write([8]);
    keeper.sync(&case.world.storage).unwrap();
    assert_eq!(pieces(&keeper.state().synced), [0, 1, 5, 6, 7, 8]);

    // What was refused meanwhile is no loss.
    std::fs::rename(root, root.with_extension("away")).unwrap();
    let refused = case.run(Job::Verify {
        piece: PieceIndex::new(2),
        blocks: case.world.blocks(PieceIndex::new(2), 16),
        wants_digests: false,
    });
    assert!(matches!(refused, Done::Failed { .. }));
    std::fs::rename(root.with_extension("away"), root).unwrap();
    survey();
    finish(&case, &keeper);
    case.kill(keeper);
    assert_eq!(pieces(&case.start("boot").doubtful), []);
}
