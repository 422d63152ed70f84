//! What `get`, `seed` and `demo` have in common.

use std::{path::PathBuf, process, time::Duration};

use bt_client::{
    AddTorrent, Mode, Session, SessionConfig, Snapshot, State, TorrentError, TorrentHandle,
};
use bt_metainfo::Metainfo;
use bt_storage::{ErrorKind, StorageError};
use tokio::{runtime, signal};

use crate::{
    arguments::Network,
    exit::{Exit, Failure},
    format::{bytes, printable},
    progress::Progress,
};

/// Runs a command that needs the network.
pub(crate) fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(command);
    // Nothing that still runs has anything to say.
    runtime.shutdown_background();
    result
}

/// Starts a session and one torrent in it.
pub(crate) fn start(
    network: &Network,
    metainfo: &Metainfo,
    root: PathBuf,
    mode: Mode,
    progress: &Progress,
) -> Result<(Session, TorrentHandle), Failure> {
    let config = SessionConfig {
        listen_port: network.port,
        memory: usize::try_from(network.memory).unwrap_or(usize::MAX),
        min_announce_interval: Duration::from_secs(network.min_announce_interval),
        ..SessionConfig::default()
    };
    let session = Session::start(config).map_err(|error| Failure::other(error.to_string()))?;
    progress.listening(session.listen_port());
    let mut torrent = AddTorrent::new(metainfo, root, mode);
    // What the user names is asked first, each for itself.
    let named = network.tracker.iter().map(|url| vec![url.clone()]);
    torrent.trackers.splice(0..0, named);
    torrent.peers.clone_from(&network.peer);
    let added = session.add(torrent);
    let handle = added.map_err(|error| Failure::new(Exit::BadTorrent, error.to_string()))?;
    Ok((session, handle))
}

/// Shows progress until a snapshot satisfies `wanted`.
pub(crate) async fn watch(
    handle: &mut TorrentHandle,
    progress: &mut Progress,
    wanted: impl Fn(&Snapshot) -> bool,
) -> Result<(), Failure> {
    let mut snapshot = handle.snapshot();
    loop {
        if let State::Failed(error) = &snapshot.state {
            return Err(failure(error));
        }
        if wanted(&snapshot) {
            return Ok(());
        }
        progress.show(&snapshot);
        let Some(next) = handle.next_snapshot().await else {
            return Err(Failure::other("the torrent ended unexpectedly"));
        };
        snapshot = next;
    }
}

/// Waits for Ctrl-C, or whatever else asks us to end. A second one ends the process at once.
pub(crate) async fn interrupted() {
    first_signal().await;
    tokio::spawn(async {
        first_signal().await;
        process::exit(Exit::Stopped as i32);
    });
}

/// Waits so many seconds, or for ever.
pub(crate) async fn timed_out(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

/// Why a download was not finished, and how to go on.
pub(crate) fn stopped(why: &str, snapshot: &Snapshot) -> Failure {
    let stats = &snapshot.stats;
    let message = format!(
        "{why} with {} of {} done; run the same command again to go on",
        bytes(stats.bytes_verified),
        bytes(stats.bytes_total)
    );
    Failure::new(Exit::Stopped, message)
}

/// In the user's words, with what to do.
pub(crate) fn failure(error: &TorrentError) -> Failure {
    match error {
        TorrentError::Storage(error) => storage_failure(error),
        TorrentError::DataIncomplete { .. } => Failure::new(
            Exit::Verification,
            format!("{error}; bt verify tells which are not, bt get fetches them"),
        ),
        other => Failure::other(other.to_string()),
    }
}

pub(crate) fn storage_failure(error: &StorageError) -> Failure {
    let advice = match error.kind {
        ErrorKind::Full => "; make room and run the same command again",
        ErrorKind::Permission => "; give yourself the right to, or choose another folder",
        ErrorKind::ReadOnly => "; choose a folder that can be written to",
        ErrorKind::Missing => "; is the disk still there?",
        ErrorKind::Obstructed => "; move away what lies there",
        _ => "",
    };
    let message = format!("{}{advice}", printable(&error.to_string()));
    Failure::new(Exit::Disk, message)
}

#[cfg(unix)]
async fn first_signal() {
    use signal::unix::{SignalKind, signal};
    // A service manager's wish is the user's.
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => signals.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminated => {}
        () = ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn first_signal() {
    ctrl_c().await;
}

async fn ctrl_c() {
    if signal::ctrl_c().await.is_err() {
        // Then it ends the process, as it does by itself.
        std::future::pending::<()>().await;
    }
}
