//! What `get`, `seed` and `demo` have in common.

use std::{path::PathBuf, time::Duration};

use bt_client::{
    AddError, AddTorrent, Mode, RateLimits, Session, SessionConfig, Snapshot, State, TorrentError,
    TorrentHandle, report::Total,
};
use bt_metainfo::Metainfo;
use bt_storage::{ErrorKind, StorageError};
use tokio::runtime;

use crate::{
    arguments::{Finding, Network, is_served},
    exit::{Exit, Failure},
    format::{bytes, in_full, printable, reason},
    logging, open_files,
    progress::{self, Progress},
    state_folder::state_folder,
};

/// Runs a command that waits for more than one thing.
pub(crate) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start threads: {}", reason(&error))))?;
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
    quiet: bool,
) -> Result<(Session, TorrentHandle), Failure> {
    let session = open(network, progress, quiet)?;
    let torrent = with_named(network, AddTorrent::from_file(metainfo, root, mode));
    if !quiet {
        warn_if_lonely(&network.finding, &torrent);
    }
    let name = torrent.name();
    let handle = session
        .add(torrent)
        .map_err(|error| not_added(&name, &error))?;
    Ok((session, handle))
}

/// Starts a session, and tells the port.
pub(crate) fn open(
    network: &Network,
    progress: &Progress,
    quiet: bool,
) -> Result<Session, Failure> {
    let config = SessionConfig {
        listen_port: network.port,
        memory: usize::try_from(network.memory).unwrap_or(usize::MAX),
        limits: RateLimits {
            upload: network.limit_up,
            download: network.limit_down,
        },
        on_disk_error: network.on_disk_error(),
        state: state_folder(network.state.as_deref()),
        dht: network.finding.dht(),
        lsd: !network.finding.no_lsd,
        min_announce_interval: Duration::from_secs(network.min_announce_interval),
        pex: !network.finding.no_pex,
        ..SessionConfig::default()
    };
    open_files::allow_many();
    let session = Session::start(config).map_err(|error| Failure::other(in_full(&error)))?;
    let port = session.listen_port();
    progress.listening(port);
    if !quiet && port != network.port && network.port != 0 {
        let wanted = network.port;
        logging::tell(&format!("port {wanted} is taken; listening on {port}"));
    }
    Ok(session)
}

/// A torrent with the trackers and peers that the user names.
pub(crate) fn with_named(network: &Network, mut torrent: AddTorrent) -> AddTorrent {
    network.finding.add_to(&mut torrent);
    torrent.recheck = network.recheck;
    torrent
}

pub(crate) fn not_added(name: &str, error: &AddError) -> Failure {
    let message = format!("{}: {}", printable(name), in_full(error));
    match error {
        AddError::PathTaken(_) => elsewhere(message),
        _ => Failure::new(Exit::BadTorrent, message),
    }
}

fn elsewhere(problem: String) -> Failure {
    Failure::other(format!("{problem}; fetch it into another folder"))
}

/// Says so if there is no way to find anybody.
pub(crate) fn warn_if_lonely(finding: &Finding, torrent: &AddTorrent) {
    if let Some(warning) = lonely(torrent, !finding.no_dht) {
        let name = printable(&torrent.name());
        logging::tell(&format!("warning: {name}: {warning}"));
    }
}

/// What to say if there is no way to find anybody.
fn lonely(torrent: &AddTorrent, has_dht: bool) -> Option<&'static str> {
    let tiers = torrent.tiers();
    let mut urls = tiers.iter().flatten().peekable();
    let asks_dht = has_dht && !torrent.is_private();
    if asks_dht || !torrent.peers.is_empty() || !torrent.peer_names.is_empty() {
        None
    } else if urls.peek().is_none() {
        Some("no tracker is named; use --tracker or --peer")
    } else if !urls.any(|url| is_served(url)) {
        Some(
            "none of its trackers is of a kind that bt can ask (udp, http or https); \
             use --tracker or --peer",
        )
    } else {
        None
    }
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

/// Waits so many seconds, or for ever.
pub(crate) async fn timed_out(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

/// Why a download was not finished, and how to go on.
pub(crate) fn stopped(why: &str, total: &Total) -> Failure {
    let message = format!(
        "{why} with {} of {} done; run the same command again to go on",
        bytes(total.wanted_bytes_done),
        bytes(total.wanted_bytes_total)
    );
    Failure::new(Exit::Stopped, message)
}

/// Why a download was not finished of which nothing is known yet, and how to go on.
pub(crate) fn stopped_without_metadata(why: &str, snapshot: &Snapshot) -> Failure {
    let limit = snapshot.limit.as_ref();
    let limit = limit.map(|limit| format!(" ({})", progress::why(limit)));
    let message = format!(
        "{why} before the metadata has come{}; run the same command again to go on",
        limit.unwrap_or_default()
    );
    Failure::new(Exit::Stopped, message)
}

/// In the user's words, with what to do.
pub(crate) fn failure(error: &TorrentError) -> Failure {
    match error {
        TorrentError::Storage(error) => storage_failure(error),
        TorrentError::BadMetadata(_) | TorrentError::IdsContradict | TorrentError::V2Only => {
            Failure::new(Exit::BadTorrent, printable(&in_full(error)))
        }
        TorrentError::NotChosen(why) => match why.downcast_ref::<Failure>() {
            Some(failure) => failure.clone(),
            None => Failure::new(Exit::Usage, printable(&why.to_string())),
        },
        TorrentError::PathTaken(_) => elsewhere(printable(&in_full(error))),
        TorrentError::DataIncomplete { .. } => Failure::new(
            Exit::Verification,
            format!("{error}; bt verify tells which are not, bt get fetches them"),
        ),
        other => Failure::other(printable(&in_full(other))),
    }
}

pub(crate) fn storage_failure(error: &StorageError) -> Failure {
    let advice = match error.kind {
        ErrorKind::Full => "; make room and run the same command again",
        ErrorKind::Permission => "; give yourself the right to, or choose another folder",
        ErrorKind::ReadOnly => "; choose a folder that can be written to",
        ErrorKind::Missing => "; is the disk still there?",
        ErrorKind::Obstructed => "; move away what lies there",
        ErrorKind::InUse => "; end the other one first",
        _ => "",
    };
    let message = format!("{}{advice}", printable(&in_full(error)));
    Failure::new(Exit::Disk, message)
}

#[cfg(test)]
mod tests {
    use bt_metainfo::{InfoBuilder, MetainfoBuilder};
    use clap::Parser;

    use super::*;
    use crate::arguments::{Arguments, Verb};

    fn torrent(trackers: &[&str]) -> Metainfo {
        let info = InfoBuilder::new("x", 16_384).single_file(1);
        torrent_of(info, trackers)
    }

    fn torrent_of(info: InfoBuilder, trackers: &[&str]) -> Metainfo {
        let mut torrent = MetainfoBuilder::new(info.pieces([[0; 20]]).encode());
        for url in trackers {
            torrent = torrent.tier([*url]);
        }
        Metainfo::from_bytes(&torrent.encode()).unwrap()
    }

    fn network(words: &str) -> Network {
        let words = format!("bt get x {words}");
        match Arguments::parse_from(words.split_whitespace()).verb {
            Verb::Get(get) => get.network,
            _ => unreachable!(),
        }
    }

    fn lonely_with(words: &str, trackers: &[&str]) -> Option<&'static str> {
        let torrent = AddTorrent::from_file(&torrent(trackers), PathBuf::new(), Mode::Get);
        let network = network(words);
        lonely(&with_named(&network, torrent), !network.finding.no_dht)
    }

    #[test]
    fn who_can_find_nobody_is_told() {
        let web_socket = "wss://a/announce";
        for (trackers, words, says) in [
            (&[][..], "--no-dht", "no tracker is named;"),
            (&[web_socket], "--no-dht", "udp, http or https"),
        ] {
            let said = lonely_with(words, trackers);
            assert!(said.is_some_and(|line| line.contains(says)), "{said:?}");
        }
        for (trackers, words) in [
            (&[web_socket, "UDP://b:1"][..], "--no-dht"),
            (&["https://b/announce"], "--no-dht"),
            (&[web_socket], "--no-dht --peer 192.0.2.1:1"),
            (&[], "--no-dht --tracker udp://b:1"),
            (&[], ""),
        ] {
            assert_eq!(lonely_with(words, trackers), None);
        }
        // The DHT is not for everybody.
        let private = InfoBuilder::new("x", 16_384).private().single_file(1);
        let private = AddTorrent::from_file(&torrent_of(private, &[]), PathBuf::new(), Mode::Get);
        assert!(lonely(&private, true).is_some());
    }
}
