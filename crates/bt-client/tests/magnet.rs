//! Torrents of which only the ids are known, over loopback. What peers may do to the metadata is
//! tested on virtual time, in the crates below.
#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bt_client::{
    AddError, AddTorrent, Choose, Limit, Mode, Session, SessionConfig, Snapshot, State, Subject,
    Then, TorrentError, TorrentHandle,
};
use bt_metainfo::{Info, InfoBuilder, MagnetLink};
use bt_types::{FileIndex, InfoHashV2, PeerSource, Priority, Selection, TorrentIds};
use tokio::time::timeout;

const PIECE_LENGTH: usize = 16_384;

/// Two files of some pieces each, named `name`, in a folder of its own.
fn write_data(root: &Path, name: &str) -> Arc<Info> {
    let folder = root.join(name);
    fs::create_dir_all(&folder).unwrap();
    let (a, b) = (vec![1; 100_000], vec![2; 70_000]);
    fs::write(folder.join("a"), &a).unwrap();
    fs::write(folder.join("b"), &b).unwrap();
    let whole = [a, b].concat();
    let info = InfoBuilder::new(name, PIECE_LENGTH as u32)
        .file(["a"], 100_000)
        .file(["b"], 70_000)
        .pieces(whole.chunks(PIECE_LENGTH).map(bt_hash::sha1));
    Arc::new(info.build().unwrap())
}

fn session(state: Option<&Path>) -> Session {
    Session::start(SessionConfig {
        bind: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        listen_port: 0,
        state: state.map(Into::into),
        ..SessionConfig::default()
    })
    .unwrap()
}

fn seed(session: &Session, info: &Arc<Info>, root: &Path) -> TorrentHandle {
    let subject = Subject::whole(Arc::clone(info), Mode::Seed);
    session
        .add(AddTorrent::new(subject, root.to_owned()))
        .unwrap()
}

/// A link that knows a peer, if there is one.
fn link(info: &Info, peer: Option<&Session>) -> MagnetLink {
    let port = peer.map(Session::listen_port);
    MagnetLink {
        peers: port
            .map(|port| ("127.0.0.1".to_owned(), port))
            .into_iter()
            .collect(),
        ..MagnetLink::new(info.ids())
    }
}

fn get(session: &Session, link: &MagnetLink, root: &Path, choose: Choose) -> TorrentHandle {
    let torrent = AddTorrent::from_link(link, root.to_owned(), Then::Get(choose));
    session.add(torrent).unwrap()
}

fn has_settled(snapshot: &Snapshot) -> bool {
    matches!(
        snapshot.state,
        State::Seeding | State::Stopped | State::Failed(_)
    )
}

/// Far longer than it takes; only a failure waits for it.
async fn in_time<T>(task: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), task)
        .await
        .expect("not in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_enough_and_once_followed_needs_no_peer_to_know_the_torrent() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let state = folder.path().join("state");
    let info = write_data(&from, "data");
    let seeder = session(None);
    let _seed = seed(&seeder, &info, &from);

    let leecher = session(Some(&state));
    let handle = get(&leecher, &link(&info, Some(&seeder)), &to, Choose::all());
    let done = in_time(handle.wait_for(has_settled)).await;
    assert!(matches!(done.state, State::Seeding), "{done:?}");
    assert_eq!((&*done.name, done.stats.metadata), ("data", None));
    assert_eq!(done.stats.downloaded, 170_000);
    let known = done.stats.sources.iter();
    let known: Vec<_> = known
        .map(|(source, count)| (source, count.connected))
        .collect();
    assert_eq!(known, [(PeerSource::User, 1)], "one connection for both");
    for file in ["data/a", "data/b"] {
        assert!(fs::read(from.join(file)).unwrap() == fs::read(to.join(file)).unwrap());
    }
    handle.stop().await;
    drop(leecher);

    // Nobody is there: it is known all the same, and complete.
    let later = session(Some(&state));
    let handle = get(&later, &link(&info, None), &to, Choose::all());
    let done = in_time(handle.wait_for(has_settled)).await;
    assert!(matches!(done.state, State::Seeding), "{done:?}");
    assert_eq!((done.bytes_resumed, done.bytes_hashed), (170_000, 0));
    handle.stop().await;
    drop(later);

    // What lies there is something else: it is fetched again.
    let kept = state.join(format!("{}.info", info.ids().primary_swarm_id()));
    assert_eq!(fs::read(&kept).unwrap(), info.raw());
    fs::write(&kept, b"d4:name1:xe").unwrap();
    let later = session(Some(&state));
    let handle = get(&later, &link(&info, Some(&seeder)), &to, Choose::all());
    let done = in_time(handle.wait_for(has_settled)).await;
    assert!(matches!(done.state, State::Seeding), "{done:?}");
    assert_eq!(done.stats.downloaded, 0);
    // It is used before it is kept.
    handle.stop().await;
    assert_eq!(fs::read(&kept).unwrap(), info.raw());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_chosen_when_it_is_known_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    let info = write_data(&from, "data");
    let (seeder, leecher) = (session(None), session(None));
    let _seed = seed(&seeder, &info, &from);
    let link = link(&info, Some(&seeder));

    let to = folder.path().join("second");
    let second = Choose::by(|_| Ok(Selection::of_files(vec![Priority::Skip, Priority::Normal])));
    let handle = get(&leecher, &link, &to, second);
    let done = in_time(handle.wait_for(has_settled)).await;
    assert!(matches!(done.state, State::Seeding), "{done:?}");
    assert!(!done.selection.wants(FileIndex(0)) && done.files_left_out == 1);
    assert!(!to.join("data/a").exists());
    assert!(fs::read(from.join("data/b")).unwrap() == fs::read(to.join("data/b")).unwrap());
    handle.stop().await;

    let refuses = Choose::by(|info| Err(format!("of {} files none", info.files().len()).into()));
    let to = folder.path().join("refused");
    let handle = get(&leecher, &link, &to, refuses);
    let failed = in_time(handle.wait_for(has_settled)).await;
    let State::Failed(error) = &failed.state else {
        panic!("{failed:?}")
    };
    assert!(matches!(**error, TorrentError::NotChosen(_)));
    assert_eq!(error.to_string(), "of 2 files none");
    assert!(!to.exists(), "nothing is made for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_alone_writes_nothing_of_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let state = folder.path().join("state");
    let info = write_data(&from, "data");
    let seeder = session(None);
    let _seed = seed(&seeder, &info, &from);
    // From the peer, and then from the folder.
    for peer in [Some(&seeder), None] {
        let asking = session(Some(&state));
        let torrent = AddTorrent::from_link(&link(&info, peer), to.clone(), Then::Stop);
        let handle = asking.add(torrent).unwrap();
        let last = in_time(handle.wait_for(has_settled)).await;
        assert!(matches!(last.state, State::Stopped), "{last:?}");
        assert_eq!(last.info.as_ref().unwrap().raw(), info.raw());
        assert!(!to.exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_nobody_answers_says_why_and_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let info = write_data(&folder.path().join("from"), "data");
    let leecher = session(None);
    let handle = get(&leecher, &link(&info, None), folder.path(), Choose::all());
    let why = in_time(handle.wait_for(|snapshot| snapshot.limit.is_some())).await;
    assert_eq!(*why.name, info.ids().primary_swarm_id().to_string());
    assert!(
        matches!(why.limit, Some(Limit::NoPeers { known: 0, .. })),
        "{why:?}"
    );
    assert!(matches!(why.state, State::Metadata { total: 0, .. }));
    let last = in_time(handle.stop()).await;
    assert!(matches!(last.state, State::Stopped) && last.info.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_place_is_taken_is_known_with_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let info = write_data(&from, "data");
    fs::create_dir_all(to.join("data")).unwrap();
    fs::write(to.join("data/other"), [9; 100]).unwrap();
    let other = InfoBuilder::new("data", PIECE_LENGTH as u32)
        .file(["other"], 100)
        .pieces([bt_hash::sha1(&[9; 100])]);
    let (seeder, leecher) = (session(None), session(None));
    let _seed = seed(&seeder, &info, &from);
    let _other = seed(&leecher, &Arc::new(other.build().unwrap()), &to);
    let handle = get(&leecher, &link(&info, Some(&seeder)), &to, Choose::all());
    let failed = in_time(handle.wait_for(has_settled)).await;
    let State::Failed(error) = &failed.state else {
        panic!("{failed:?}")
    };
    assert!(matches!(&**error, TorrentError::PathTaken(path) if *path == to.join("data")));

    let v2 = MagnetLink::new(TorrentIds::v2_only(InfoHashV2([1; 32])));
    let torrent = AddTorrent::from_link(&v2, to, Then::Stop);
    assert_eq!(leecher.add(torrent).err(), Some(AddError::V2Only));
}
