use std::{
    num::NonZero,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use bt_storage::create::{Content, CreateError, HashProgress, hash_pieces};
use bt_types::PieceLayout;
use tokio::task::{JoinHandle, spawn_blocking};

mod draft;
mod output;
mod pace;
mod renamed;
mod selection;
mod summary;

use self::{
    draft::Draft,
    output::Output,
    pace::Pace,
    summary::{Created, Event},
};
use crate::{
    arguments::Create,
    exit::{Exit, Failure},
    format::{bytes, in_full, printable, reason},
    interrupt::Interrupt,
    json, logging, transfer,
};

pub(crate) fn run(create: &Create, quiet: bool) -> Result<(), Failure> {
    let tell = |line: &str| {
        if !quiet {
            logging::tell(line);
        }
    };
    let name = name_of(create)?;
    let output = Arc::new(Output::of(create, &name)?);
    transfer::block_on(async {
        let mut interrupt = Interrupt::listen()?;
        let (content, idle) = find(create, &output, &mut interrupt).await?;
        let content = Arc::new(content);
        output.spare(&content)?;
        for pattern in &idle {
            tell(&format!("--exclude {} matched nothing", printable(pattern)));
        }
        for note in summary::notes(&content) {
            tell(&note);
        }
        let draft = Draft::new(create, &name, &content)?;
        for warning in draft.warnings() {
            tell(&warning);
        }
        output.probe()?;

        let started = Instant::now();
        let show = Pace::new(create.json, quiet);
        let hashed = hash(create, &content, draft.layout(), show, &mut interrupt);
        let (hashes, hash_cpu_ms) = hashed.await?;
        let (torrent, bytes) = draft.finish(hashes)?;
        write(&output, bytes, &mut interrupt).await?;
        let created = Created::new(&torrent, &content, output.path(), hash_cpu_ms);
        tell(&created.in_words(started.elapsed()));
        if create.json {
            json::print(&Event::Created(created));
        }
        Ok(())
    })
}

/// What the torrent is called, and those who download it get.
fn name_of(create: &Create) -> Result<String, Failure> {
    if let Some(name) = &create.name {
        return Ok(name.clone());
    }
    let shown = shown(&create.path);
    let name = match create.path.file_name() {
        Some(name) => Some(name.to_owned()),
        // `.`, `..`
        None => create
            .path
            .canonicalize()
            .map_err(|error| Failure::other(format!("cannot read {shown}: {}", reason(&error))))?
            .file_name()
            .map(ToOwned::to_owned),
    };
    let name = name.ok_or_else(|| {
        Failure::other(format!(
            "{shown} has no name that the torrent could have; --name gives it one"
        ))
    })?;
    name.into_string().map_err(|_| {
        let message = format!("the name of {shown} is not UTF-8; --name gives the torrent another");
        Failure::other(message)
    })
}

/// The files and which exclusions matched nothing, or the end if the user has had enough.
async fn find(
    create: &Create,
    output: &Output,
    interrupt: &mut Interrupt,
) -> Result<(Content, Vec<String>), Failure> {
    let finding: JoinHandle<_> = spawn_blocking({
        let (create, own) = (create.clone(), output.below(&create.path));
        move || {
            selection::with(&create, own, |selection| {
                Content::find(&create.path, selection)
            })
        }
    });
    let found = tokio::select! {
        biased;
        () = interrupt.requested() => {
            let message = "interrupted while looking for files; no torrent was made";
            return Err(Failure::new(Exit::Stopped, message));
        }
        found = finding => found,
    };
    match found {
        Ok((found, idle)) => match found {
            Ok(content) => Ok((content, idle)),
            Err(error) => Err(failure(&error, create)),
        },
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The hashes, and the milliseconds of CPU time that they took; or the end if the user has had
/// enough.
async fn hash(
    create: &Create,
    content: &Arc<Content>,
    layout: &Arc<PieceLayout>,
    pace: Pace,
    interrupt: &mut Interrupt,
) -> Result<(Vec<[u8; 20]>, u64), Failure> {
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    let threads = create.threads.map_or_else(cores, usize::from);
    let cancel = Arc::new(AtomicBool::new(false));
    let mut hashing = spawn_blocking({
        let (content, layout) = (Arc::clone(content), Arc::clone(layout));
        let cancel = Arc::clone(&cancel);
        move || {
            let pace = Mutex::new(pace);
            let hash_cpu_ms = AtomicU64::new(0);
            let show = |now: HashProgress| {
                let spent = u64::try_from(now.hash_cpu_time.as_millis()).unwrap_or(u64::MAX);
                hash_cpu_ms.fetch_max(spent, Ordering::Relaxed);
                let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
                pace.show(now.bytes_done, now.bytes_total);
            };
            let hashes = hash_pieces(&content, &layout, threads, &show, &cancel)?;
            Ok(hashes.map(|hashes| (hashes, hash_cpu_ms.into_inner())))
        }
    });
    let hashed = tokio::select! {
        biased;
        () = interrupt.requested() => {
            cancel.store(true, Ordering::Relaxed);
            tokio::select! {
                // A disk may answer late, or never.
                () = interrupt.requested() => return Err(not_hashed(content)),
                hashed = hashing => hashed,
            }
        }
        hashed = &mut hashing => hashed,
    };
    match hashed {
        Ok(Ok(Some(hashes))) => Ok(hashes),
        Ok(Ok(None)) => Err(not_hashed(content)),
        Ok(Err(error)) => Err(failure(&error, create)),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn not_hashed(content: &Content) -> Failure {
    let all = bytes(content.length());
    let message = format!("interrupted before all of {all} were hashed; no torrent was made");
    Failure::new(Exit::Stopped, message)
}

/// The end for the user who has had enough of waiting for one who takes it.
async fn write(
    output: &Arc<Output>,
    torrent: Vec<u8>,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let mut writing: JoinHandle<_> = spawn_blocking({
        let output = Arc::clone(output);
        move || output.write(&torrent)
    });
    let mut wishes = 0;
    let written = loop {
        tokio::select! {
            biased;
            written = &mut writing => break written,
            () = interrupt.requested() => wishes += 1,
        }
        // A file is there in a moment, and nothing of it is left beside it; but not if the disk
        // never answers.
        if output.waits_for_others() || wishes > 1 {
            let message = "interrupted before the torrent was written; no torrent was made";
            return Err(Failure::new(Exit::Stopped, message));
        }
    };
    match written {
        Ok(written) => written,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn failure(error: &CreateError, create: &Create) -> Failure {
    let (exit, advice) = match error {
        CreateError::Disk(error) => match error.source.kind() {
            // Not there at all: a slip rather than a broken disk.
            std::io::ErrorKind::NotFound => (Exit::Other, ""),
            std::io::ErrorKind::PermissionDenied if error.path == create.path => {
                (Exit::Disk, "; give yourself the right to")
            }
            std::io::ErrorKind::PermissionDenied => (
                Exit::Disk,
                "; give yourself the right to, or leave it out with --exclude",
            ),
            _ => (Exit::Disk, ""),
        },
        CreateError::Link(_) => (
            Exit::Other,
            "; --links follow takes in what such links lead to, --links skip leaves them out",
        ),
        CreateError::LinkLoop(_) | CreateError::DanglingLink(_) => (
            Exit::Other,
            "; leave it out with --exclude, or all links with --links skip",
        ),
        CreateError::NotUtf8(_) => (Exit::Other, "; rename it, or leave it out with --exclude"),
        CreateError::Changed(_) => (
            Exit::Other,
            "; run the same command again once nobody writes to it",
        ),
        _ => (Exit::Other, ""),
    };
    Failure::new(exit, format!("{}{advice}", printable(&in_full(error))))
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// A path below the content, for people.
fn shown_below(path: &[String]) -> String {
    printable(&path.join("/"))
}

/// Where a torrent of this name goes if nothing else is said.
fn file_of(name: &str) -> PathBuf {
    PathBuf::from(format!("{name}.torrent"))
}
