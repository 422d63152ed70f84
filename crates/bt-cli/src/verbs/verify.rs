use std::{
    collections::BTreeSet,
    io::{self, Write},
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use bt_storage::{
    FilePool, Storage, StorageError,
    check::{self, BadPiece, CheckProgress, Checked, Problem},
};
use bt_types::FileIndex;
use serde::Serialize;
use tokio::task::spawn_blocking;

use crate::{
    arguments::Verify,
    data_path,
    exit::{Exit, Failure},
    format::{bytes, printable},
    interrupt::Interrupt,
    json,
    progress::Progress,
    stdout, torrent_file, transfer,
};

pub(crate) fn run(verify: &Verify, quiet: bool) -> Result<(), Failure> {
    let metainfo = torrent_file::read(&verify.torrent)?;
    let root = data_path::root(metainfo.info(), &verify.path)?;
    let files = Arc::new(FilePool::new(MAX_OPEN_FILES));
    let storage = Arc::new(Storage::new(root, Arc::clone(metainfo.info()), files));
    let progress = Progress::new(false, quiet || verify.json);
    let checked = transfer::block_on(check(&storage, progress))?;
    if checked.is_cancelled {
        let message = format!(
            "interrupted before all of {} were checked",
            bytes(storage.layout().data_length())
        );
        return Err(Failure::new(Exit::Stopped, message));
    }

    let found = Found::of(&storage, checked.bytes_have, &checked.bad);
    stdout::print(|out| match verify.json {
        true => json::write(out, &found),
        false => found.write(out),
    })?;
    if found.ok {
        return Ok(());
    }
    let (bad, all) = (found.bad_pieces.len(), found.piece_count);
    let message = format!("{bad} of {all} pieces are not right; bt get fetches them again");
    Err(Failure::new(Exit::Verification, message))
}

/// Until all is checked or the user has had enough.
async fn check(storage: &Arc<Storage>, progress: Progress) -> Result<Checked, Failure> {
    let mut interrupt = Interrupt::listen()?;
    let cancel = Arc::new(AtomicBool::new(false));
    let mut checking = spawn_blocking({
        let (storage, cancel) = (Arc::clone(storage), Arc::clone(&cancel));
        move || check_on_all_cores(&storage, progress, &cancel)
    });
    let checked = tokio::select! {
        biased;
        () = interrupt.requested() => {
            cancel.store(true, Ordering::Relaxed);
            interrupt.end_at_next(|| {});
            checking.await
        }
        checked = &mut checking => checked,
    };
    match checked {
        Ok(checked) => checked.map_err(|error| transfer::storage_failure(&error)),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn check_on_all_cores(
    storage: &Storage,
    progress: Progress,
    cancel: &AtomicBool,
) -> Result<Checked, StorageError> {
    let progress = Mutex::new(progress);
    let show = |now: CheckProgress| {
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.show_check(now.bytes_done, now.bytes_total);
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    // What `bt get` keeps beside the files counts, and so do files that are called `NAME.part`.
    storage.find()?;
    check::check(storage, threads, &show, cancel)
}

/// What a check found. The keys are stable.
#[derive(Debug, Serialize)]
struct Found {
    ok: bool,
    piece_count: u32,
    pieces_good: u32,
    bytes_total: u64,
    bytes_good: u64,
    bad_pieces: Vec<Bad>,
    /// Every file that a bad piece touches.
    bad_files: BTreeSet<String>,
    /// CPU time that hashing took, on all threads together.
    hash_cpu_ms: u64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Bad {
    piece: u32,
    /// `corrupt`, `missing` (a file is not there, or too short) or `unknown` (the torrent does not
    /// tell the hash).
    problem: &'static str,
    /// The file that is missing, or all that the piece touches.
    files: Vec<String>,
}

impl Found {
    fn of(storage: &Storage, bytes_good: u64, bad: &[BadPiece]) -> Self {
        let layout = storage.layout();
        let bad_pieces: Vec<_> = bad.iter().map(|bad| Bad::of(storage, bad)).collect();
        Self {
            ok: bad.is_empty(),
            piece_count: layout.piece_count(),
            pieces_good: layout.piece_count() - bad.len() as u32,
            bytes_total: layout.data_length(),
            bytes_good,
            bad_files: bad_pieces
                .iter()
                .flat_map(|bad| bad.files.clone())
                .collect(),
            bad_pieces,
            hash_cpu_ms: u64::try_from(storage.hash_cpu_time().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// For people: one line for each run of pieces with the same trouble.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let is_same = |a: &Bad, b: &Bad| {
            a.piece + 1 == b.piece && (a.problem, &a.files) == (b.problem, &b.files)
        };
        for run in self.bad_pieces.chunk_by(is_same) {
            if let [first, .., last] = run {
                write!(out, "pieces {}-{}", first.piece, last.piece)?;
            } else if let [only] = run {
                write!(out, "piece {}", only.piece)?;
            }
            if let Some(first) = run.first() {
                let files: Vec<_> = first.files.iter().map(|file| printable(file)).collect();
                writeln!(out, ": {} in {}", first.problem, files.join(", "))?;
            }
        }
        if self.ok {
            writeln!(out, "all {} pieces are right", self.piece_count)?;
        }
        Ok(())
    }
}

impl Bad {
    fn of(storage: &Storage, bad: &BadPiece) -> Self {
        let path = |file: FileIndex| storage.info().file(file).path.to_string();
        let touched = || storage.files_of(bad.piece).map(path).collect();
        let (problem, files) = match bad.problem {
            Problem::Missing(file) => ("missing", vec![path(file)]),
            Problem::Corrupt => ("corrupt", touched()),
            _ => ("unknown", touched()),
        };
        Self {
            piece: bad.piece.get(),
            problem,
            files,
        }
    }
}

/// Far below what a process gets by default.
const MAX_OPEN_FILES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(piece: u32, problem: &'static str, file: &str) -> Bad {
        Bad {
            piece,
            problem,
            files: vec![file.to_owned()],
        }
    }

    #[test]
    fn runs_of_bad_pieces_are_one_line() {
        let found = Found {
            ok: false,
            piece_count: 10,
            pieces_good: 4,
            bytes_total: 100,
            bytes_good: 40,
            bad_pieces: vec![
                bad(1, "corrupt", "d/a"),
                bad(3, "missing", "d/b"),
                bad(4, "missing", "d/b"),
                bad(5, "missing", "d/b"),
                bad(6, "missing", "d/c\u{1b}"),
                bad(9, "corrupt", "d/a"),
            ],
            bad_files: BTreeSet::new(),
            hash_cpu_ms: 0,
        };
        let mut out = Vec::new();
        found.write(&mut out).unwrap();
        let expected = "piece 1: corrupt in d/a\npieces 3-5: missing in d/b\n\
                        piece 6: missing in d/c\\u{1b}\npiece 9: corrupt in d/a\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
