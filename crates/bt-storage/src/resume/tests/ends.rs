//! Runs that end at any call to the disk, which fails, tears writes, and may lose what was not synced.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bt_types::{BLOCK_LENGTH, PieceIndex, Priority, Selection};

use super::Case;
use crate::{
    FilePool, StorageError,
    disk::{Done, Job},
    faults::{Call, Outcome},
    testing::{FileSpec, World},
};

/// Never a piece that is believed and is not there; of a killed process never one in doubt but what
/// was being written; after a power failure none but what was not synced.
#[test]
fn whatever_ends_a_run_no_record_claims_what_is_not_there() {
    let mut believed = 0;
    for seed in 0..RUNS {
        believed += run(seed, false);
    }
    assert!(
        believed > RUNS as u32,
        "only {believed} pieces were believed in {RUNS} runs"
    );
}

/// Processes that are killed at any call, while what is wanted changes: what was there stays, be it in
/// files of either name or beside them.
#[test]
fn whatever_ends_a_run_that_chooses_loses_nothing() {
    let mut believed = 0;
    for seed in 0..RUNS {
        believed += run(seed, true);
    }
    assert!(
        believed > RUNS as u32,
        "only {believed} pieces were believed in {RUNS} runs"
    );
}

/// Several lives of one download; how many pieces were believed.
fn run(seed: u64, chooses: bool) -> u32 {
    let mut draw = Draw(seed);
    let death = Arc::new(Death::default());
    death.calm();
    let pool = FilePool::with_faults(2, {
        let death = Arc::clone(&death);
        move |call, bytes| death.before(call, bytes)
    });
    let mut case = Case::of(World::with_pool(PIECE, FILES, pool));
    let mut believed = 0;
    let mut is_same_boot = true;
    for life in 0..4 {
        death.calm();
        let boot = if is_same_boot { "boot" } else { "another" };
        let start = case.start(boot);
        let what = format!("seed {seed}, life {life}, {boot}: {start:?}");
        for piece in start.trusted.iter_ones() {
            let bytes = case.world.read(piece).expect(&what);
            assert!(
                bytes == case.world.pieces[piece.as_usize()],
                "piece {piece}, {what}"
            );
        }
        believed += start.trusted.count_ones();
        let acknowledged = death.acknowledged(is_same_boot);
        for piece in &acknowledged {
            let is_known = start.trusted.get(*piece) || start.doubtful.get(*piece);
            assert!(is_known, "piece {piece} was there, {what}");
        }
        if is_same_boot && !chooses {
            // What is done is noted with what is begun next: the last piece, and the one before.
            let in_doubt = start.doubtful.count_ones();
            assert!(life == 0 || in_doubt <= IN_HAND, "{what}");
        }

        let keeper = case.begin(&start);
        let storage = Arc::clone(&case.world.storage);
        if chooses {
            let have = keeper.state().written;
            for piece in acknowledged {
                assert!(have.get(piece), "piece {piece} is lost, {what}");
            }
            let is_chosen = storage.set_verified(&have).is_ok()
                && storage.set_selection(&draw.selection()).is_ok();
            assert!(is_chosen, "{what}");
        }
        death.sets_out(keeper.state().written.iter_ones(), &case, &mut draw);
        let mut partial: Vec<Vec<u32>> = vec![Vec::new(); case.world.pieces.len()];
        for known in &start.partial {
            partial[known.piece.as_usize()].clone_from(&known.slots);
        }
        let mut missing: Vec<_> = keeper.state().written.iter_zeros().collect();
        while !missing.is_empty() && !death.is_over() {
            let chosen = draw.below(missing.len());
            let piece = missing[chosen];
            let slots = &mut partial[piece.as_usize()];
            let is_spilled = |begin: u32| slots.contains(&(begin / BLOCK_LENGTH));
            let mut blocks = case.world.blocks(piece, BLOCK_LENGTH as usize);
            blocks.retain(|(begin, _)| !is_spilled(*begin));
            match draw.below(8) {
                0 if chooses => {
                    // It may fail as any write.
                    let _ = storage.set_selection(&draw.selection());
                }
                0 => death.synced(keeper.sync(&case.world.storage), &case),
                1..=3 if blocks.len() > 1 => {
                    blocks.truncate(1);
                    let slot = blocks[0].0 / BLOCK_LENGTH;
                    match case.run(Job::Spill { piece, blocks }) {
                        Done::Spilled { .. } => slots.push(slot),
                        _ => slots.clear(),
                    }
                }
                _ => {
                    let done = case.run(Job::Verify {
                        piece,
                        blocks,
                        wants_digests: false,
                    });
                    match done {
                        Done::Verified { .. } => {
                            missing.swap_remove(chosen);
                            death.told(piece);
                        }
                        Done::Failed { .. } => slots.clear(),
                        other => panic!("{other:?}, {what}"),
                    }
                }
            }
        }
        drop(storage);
        case.kill(keeper);
        if chooses && draw.below(2) == 0 {
            case.world.storage = Arc::new(case.world.unopened().with_part_names());
        }
        is_same_boot = chooses || draw.below(2) == 0;
        death.bury(&case, is_same_boot, &mut draw);
    }
    believed
}

/// Ends the process at one call: what is done to the disk after that never happened.
#[derive(Default)]
struct Death {
    /// Calls that are left; none is counted while it is calm.
    calls_left: AtomicUsize,
    is_calm: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// How many bytes of the last write still got through.
    torn_at: usize,
    /// One call fails before, and life goes on.
    fails_at: usize,
    state: PathBuf,
    /// The journal when it was over.
    journal_at_death: Option<Vec<u8>>,
    /// And when the last sync was done.
    journal_at_sync: Vec<u8>,
    /// The data as it was at the last sync.
    synced: Vec<(PathBuf, Vec<u8>)>,
    /// A file, or a folder of files, of which a sync has failed since the power was there: no later one
    /// brings what it should have brought.
    lost: Vec<PathBuf>,
    /// Pieces of which somebody was told, before the last sync and since.
    told_and_synced: Vec<PieceIndex>,
    told: Vec<PieceIndex>,
}

impl Death {
    fn before(&self, call: Call, _: usize) -> Outcome {
        if self.is_calm.load(Ordering::SeqCst) > 0 {
            return Outcome::Proceed;
        }
        let left = self.calls_left.load(Ordering::SeqCst);
        self.calls_left
            .store(left.saturating_sub(1), Ordering::SeqCst);
        let mut inner = self.inner.lock().unwrap();
        match left {
            0 => {
                inner.die();
                Outcome::Fail(io::Error::other("nobody is there any more"))
            }
            left if left == inner.fails_at => Outcome::Fail(io::ErrorKind::StorageFull.into()),
            // The last one is cut, and the next tells that it was.
            1 if call == Call::Write && inner.torn_at > 0 => Outcome::Short(inner.torn_at),
            _ => Outcome::Proceed,
        }
    }

    fn calm(&self) {
        self.is_calm.store(1, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.inner.lock().unwrap().journal_at_death.is_some()
    }

    /// A life begins, with these pieces.
    fn sets_out(&self, have: impl Iterator<Item = PieceIndex>, case: &Case, draw: &mut Draw) {
        let inner = &mut *self.inner.lock().unwrap();
        inner.state = case.state.path().to_owned();
        inner.torn_at = draw.below(2) * (1 + draw.below(PIECE));
        inner.fails_at = 1 + draw.below(80);
        inner.journal_at_death = None;
        inner.journal_at_sync = journal_of(&inner.state).1;
        let have: Vec<_> = have.collect();
        // What was there when the life began may have been written by the one before.
        inner.told_and_synced.retain(|piece| have.contains(piece));
        inner.told = have;
        self.calls_left.store(draw.below(60), Ordering::SeqCst);
        self.is_calm.store(0, Ordering::SeqCst);
    }

    fn told(&self, piece: PieceIndex) {
        let inner = &mut *self.inner.lock().unwrap();
        // Who is dead tells nobody anything.
        if inner.journal_at_death.is_none() {
            inner.told.push(piece);
        }
    }

    fn synced(&self, synced: Result<(), StorageError>, case: &Case) {
        let inner = &mut *self.inner.lock().unwrap();
        if inner.journal_at_death.is_some() {
            return;
        }
        if synced.is_ok() {
            inner.told_and_synced.clone_from(&inner.told);
        }
        // One call fails at most.
        inner.lost.extend(synced.err().map(|error| error.path));
        inner.journal_at_sync = journal_of(&inner.state).1;
        for (path, now) in data_of(case) {
            if inner.lost.iter().any(|lost| path.starts_with(lost)) {
                continue;
            }
            inner.synced.retain(|(other, _)| *other != path);
            inner.synced.push((path, now));
        }
    }

    /// What somebody was told of, and must have survived.
    fn acknowledged(&self, is_same_boot: bool) -> Vec<PieceIndex> {
        let inner = self.inner.lock().unwrap();
        match is_same_boot {
            true => inner.told.clone(),
            false => inner.told_and_synced.clone(),
        }
    }

    /// Makes true that it was over then; without power, that what was not synced is lost in part.
    fn bury(&self, case: &Case, is_same_boot: bool, draw: &mut Draw) {
        self.calm();
        let inner = &mut *self.inner.lock().unwrap();
        inner.die();
        let (journal, _) = journal_of(&inner.state);
        let mut at_death = inner.journal_at_death.take().unwrap_or_default();
        if !journal.exists() {
            return; // complete: there is none
        }
        if is_same_boot {
            return fs::write(&journal, at_death).unwrap();
        }
        // Of what is newer than the last sync the end is lost, with zeros or less in its place.
        let synced = inner.journal_at_sync.iter();
        let is_old = at_death
            .iter()
            .zip(synced)
            .take_while(|(now, then)| now == then);
        let old = is_old.count();
        let kept = old + draw.below(at_death.len() - old + 1);
        match draw.below(2) {
            0 => at_death.truncate(kept),
            _ => at_death[kept..].fill(0),
        }
        fs::write(&journal, at_death).unwrap();
        for (path, now) in data_of(case) {
            let before = inner.synced.iter().find(|(other, _)| *other == path);
            let before = before.map_or(&[][..], |(_, before)| before);
            let mut kept = now.clone();
            // Page by page, the size apart.
            for page in 0..now.len().div_ceil(PAGE) {
                let range = page * PAGE..now.len().min((page + 1) * PAGE);
                if draw.below(2) == 0 {
                    for at in range {
                        kept[at] = before.get(at).copied().unwrap_or(0);
                    }
                }
            }
            if draw.below(3) == 0 {
                kept.truncate(before.len().max(draw.below(now.len() + 1)));
            }
            if kept != now {
                fs::write(&path, kept).unwrap();
            }
        }
        inner.told.clone_from(&inner.told_and_synced);
        inner.lost.clear();
    }
}

impl Inner {
    fn die(&mut self) {
        if self.journal_at_death.is_none() {
            self.journal_at_death = Some(journal_of(&self.state).1);
        }
    }
}

/// The journal and what is in it.
fn journal_of(state: &Path) -> (PathBuf, Vec<u8>) {
    let entries = fs::read_dir(state).unwrap().flatten();
    let mut paths = entries.map(|entry| entry.path());
    let found = paths.find(|path| path.extension().is_some_and(|it| it == "journal"));
    let path = found.unwrap_or_else(|| state.join("none"));
    let bytes = fs::read(&path).unwrap_or_default();
    (path, bytes)
}

fn data_of(case: &Case) -> Vec<(PathBuf, Vec<u8>)> {
    let files = case.world.info.files().iter();
    let paths = files.map(|file| case.world.path(file.path.as_str()));
    paths
        .filter_map(|path| fs::read(&path).ok().map(|bytes| (path, bytes)))
        .collect()
}

/// Numbers from a seed.
struct Draw(u64);

impl Draw {
    /// Some of the files.
    fn selection(&mut self) -> Selection {
        let wanted = self.below(1 << FILES.len());
        Selection::of_files((0..FILES.len()).map(|file| match wanted >> file & 1 {
            0 => Priority::Skip,
            _ => Priority::Normal,
        }))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

const RUNS: u64 = 200;
const PIECE: usize = 2 * BLOCK_LENGTH as usize;
const PAGE: usize = 4096;
/// One job at a time, on one thread, and the one before it.
const IN_HAND: u32 = 2;
const FILES: &[FileSpec<'_>] = &[
    ("a", 3 * PIECE + 100, ""),
    ("b", 5, ""),
    ("c/d", 2 * PIECE + 7000, ""),
];
