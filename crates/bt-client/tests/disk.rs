//! Disks that fail for a while, under sessions on loopback.
#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bt_client::{
    AddTorrent, ErrorKind, Mode, OnDiskError, Session, SessionConfig, Snapshot, State, Subject,
    TorrentHandle,
};
use bt_metainfo::{Info, InfoBuilder};
use bt_storage::{
    FilePool,
    faults::{Call, Outcome},
};
use tokio::time::timeout;

/// A disk on which a kind of call fails while it is told to.
#[derive(Clone)]
struct Faulty {
    call: Call,
    kind: io::ErrorKind,
    fails: Arc<AtomicBool>,
}

impl Faulty {
    fn new(call: Call, kind: io::ErrorKind) -> Self {
        Self {
            call,
            kind,
            fails: Arc::new(AtomicBool::new(true)),
        }
    }

    fn set_failing(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }

    fn session(&self, on_disk_error: OnDiskError) -> Session {
        let disk = self.clone();
        let faults = move |call, _| match call == disk.call && disk.fails.load(Ordering::Relaxed) {
            true => Outcome::Fail(disk.kind.into()),
            false => Outcome::Proceed,
        };
        let config = SessionConfig {
            on_disk_error,
            ..config()
        };
        Session::with_files(config, FilePool::with_faults(16, faults)).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_waits_for_a_full_disk_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let info = write_data(&from);
    let seeder = Session::start(config()).unwrap();
    seed(&seeder, &info, &from).await;
    let disk = Faulty::new(Call::Write, io::ErrorKind::StorageFull);
    let leecher = disk.session(OnDiskError::Wait);
    let get = add(&leecher, &info, &to, Mode::Get, Some(&seeder));
    let waits = until(&get, in_trouble).await;
    let State::DiskTrouble(trouble) = &waits.state else {
        unreachable!()
    };
    assert_eq!(trouble.kind, ErrorKind::Full);
    assert_eq!(trouble.path, to.join("data"));
    assert_eq!(waits.stats.pieces_verified, 0);
    disk.set_failing(false);
    let done = until(&get, is_seeding).await;
    assert_eq!(
        (done.stats.downloaded, done.stats.wasted.total()),
        (LENGTH as u64, 0)
    );
    let read = |root: &Path| fs::read(root.join("data")).unwrap();
    assert!(read(&from) == read(&to));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_that_cannot_read_waits_and_then_serves() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let info = write_data(&from);
    let disk = Faulty::new(Call::Read, io::ErrorKind::Other);
    disk.set_failing(false);
    let seeder = disk.session(OnDiskError::Wait);
    let seed = seed(&seeder, &info, &from).await;
    disk.set_failing(true);
    let leecher = Session::start(config()).unwrap();
    let get = add(&leecher, &info, &to, Mode::Get, Some(&seeder));
    until(&seed, in_trouble).await;
    disk.set_failing(false);
    until(&seed, is_seeding).await;
    until(&get, is_seeding).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_waits_for_its_disk_too() {
    let folder = tempfile::tempdir().unwrap();
    let info = write_data(folder.path());
    let disk = Faulty::new(Call::Read, io::ErrorKind::Other);
    let session = disk.session(OnDiskError::Wait);
    let seed = add(&session, &info, folder.path(), Mode::Seed, None);
    until(&seed, in_trouble).await;
    disk.set_failing(false);
    until(&seed, is_seeding).await;
    seed.stop().await;

    disk.set_failing(true);
    let seed = add(&session, &info, folder.path(), Mode::Seed, None);
    until(&seed, in_trouble).await;
    assert!(
        matches!(seed.stop().await.state, State::Stopped),
        "while it waits"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wishes_so_fails_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let info = write_data(folder.path());
    for call in [Call::Read, Call::Open] {
        let disk = Faulty::new(call, io::ErrorKind::PermissionDenied);
        let session = disk.session(OnDiskError::Fail);
        let get = add(&session, &info, folder.path(), Mode::Get, None);
        let last = until(&get, |snapshot| snapshot.state.is_over()).await;
        assert!(matches!(last.state, State::Failed(_)), "{last:?}");
    }
}

fn write_data(root: &Path) -> Arc<Info> {
    fs::create_dir_all(root).unwrap();
    let content: Vec<u8> = (0..LENGTH).map(|n| (n * n / 251) as u8).collect();
    fs::write(root.join("data"), &content).unwrap();
    let info = InfoBuilder::new("data", PIECE_LENGTH as u32).single_file(LENGTH as u64);
    let pieces = content.chunks(PIECE_LENGTH).map(bt_hash::sha1);
    Arc::new(info.pieces(pieces).build().unwrap())
}

fn config() -> SessionConfig {
    SessionConfig {
        bind: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        listen_port: 0,
        ..SessionConfig::default()
    }
}

fn add(
    session: &Session,
    info: &Arc<Info>,
    root: &Path,
    mode: Mode,
    from: Option<&Session>,
) -> TorrentHandle {
    let peers = from.map(|peer| (Ipv4Addr::LOCALHOST, peer.listen_port()).into());
    let torrent = AddTorrent {
        peers: peers.into_iter().collect(),
        ..AddTorrent::new(Subject::whole(Arc::clone(info), mode), root.to_owned())
    };
    session.add(torrent).unwrap()
}

async fn seed(session: &Session, info: &Arc<Info>, root: &Path) -> TorrentHandle {
    let seed = add(session, info, root, Mode::Seed, None);
    until(&seed, is_seeding).await;
    seed
}

/// Far longer than it takes; only a failure waits for it.
async fn until(torrent: &TorrentHandle, wanted: fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let found = timeout(Duration::from_secs(60), torrent.wait_for(wanted)).await;
    let found = found.expect("not in time");
    assert!(wanted(&found), "{found:?}");
    found
}

fn in_trouble(snapshot: &Snapshot) -> bool {
    matches!(snapshot.state, State::DiskTrouble(_))
}

fn is_seeding(snapshot: &Snapshot) -> bool {
    matches!(snapshot.state, State::Seeding)
}

const PIECE_LENGTH: usize = 65_536;
const LENGTH: usize = 2_000_000;
