//! Torrents of which only the ids are known, over loopback. What peers may do to the metadata is
//! tested on virtual time, in the crates below.
#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bt_client::{
    AddError, AddTorrent, Choose, DhtConfig, Limit, Mode, Session, SessionConfig, Snapshot, State,
    Subject, Then, TorrentError, TorrentHandle,
};
use bt_metainfo::{Info, InfoBuilder, MagnetLink};
use bt_types::{FileIndex, InfoHashV2, PeerId, PeerSource, Priority, Selection, TorrentIds};
use bt_wire::{
    DecodedHandshake, ExtendedHandshake, ExtendedMessage, Extension, ExtensionIds, Handshake,
    MetadataMessage, Reserved,
};
use tokio::time::timeout;

const PIECE_LENGTH: usize = 16_384;

/// Two files of some pieces each, named `name`, in a folder of its own.
fn write_data(root: &Path, name: &str) -> Arc<Info> {
    Arc::new(data(root, name).build().unwrap())
}

fn data(root: &Path, name: &str) -> InfoBuilder {
    let folder = root.join(name);
    fs::create_dir_all(&folder).unwrap();
    let (a, b) = (vec![1; 100_000], vec![2; 70_000]);
    fs::write(folder.join("a"), &a).unwrap();
    fs::write(folder.join("b"), &b).unwrap();
    let whole = [a, b].concat();
    InfoBuilder::new(name, PIECE_LENGTH as u32)
        .file(["a"], 100_000)
        .file(["b"], 70_000)
        .pieces(whole.chunks(PIECE_LENGTH).map(bt_hash::sha1))
}

fn config(state: Option<&Path>) -> SessionConfig {
    SessionConfig {
        bind: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        listen_port: 0,
        state: state.map(Into::into),
        ..SessionConfig::default()
    }
}

fn session(state: Option<&Path>) -> Session {
    Session::start(config(state)).unwrap()
}

/// A seed that is there: who dials it before is turned away, and comes again only after a while.
async fn seed(session: &Session, info: &Arc<Info>, root: &Path) -> TorrentHandle {
    let subject = Subject::whole(Arc::clone(info), Mode::Seed);
    let torrent = AddTorrent::new(subject, root.to_owned());
    let handle = session.add(torrent).unwrap();
    let seeding = in_time(handle.wait_for(has_settled)).await;
    assert!(matches!(seeding.state, State::Seeding), "{seeding:?}");
    handle
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
    let _seed = seed(&seeder, &info, &from).await;

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
    let _seed = seed(&seeder, &info, &from).await;
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
    let _seed = seed(&seeder, &info, &from).await;
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
    let _seed = seed(&seeder, &info, &from).await;
    let _other = seed(&leecher, &Arc::new(other.build().unwrap()), &to).await;
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

/// BEP 27: of a private torrent nobody is to think that it is in the DHT. That a link leads to one
/// is known at once if an earlier run has kept the metadata.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_known_to_be_private_offers_no_dht() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::create_dir_all(&state).unwrap();
    for is_private in [false, true] {
        let info = info_of(folder.path(), is_private);
        let name = format!("{}.info", info.ids().primary_swarm_id());
        fs::write(state.join(name), info.raw()).unwrap();
        let session = with_dht(Some(&state));
        let to = folder.path().join(format!("private-{is_private}"));
        let handle = get(&session, &link(&info, None), &to, Choose::all());
        in_time(handle.wait_for(is_downloading)).await;
        let (_, theirs) = greet(&session, &info);
        assert_eq!(theirs.reserved.supports_dht(), !is_private);
        handle.stop().await;
    }
}

/// Otherwise it is known when a peer has sent it.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_turns_out_to_be_private_offers_no_dht_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    for is_private in [false, true] {
        let info = info_of(folder.path(), is_private);
        let session = with_dht(None);
        let to = folder.path().join(format!("private-{is_private}"));
        let handle = get(&session, &link(&info, None), &to, Choose::all());
        let is_waiting = |snapshot: &Snapshot| matches!(snapshot.state, State::Metadata { .. });
        in_time(handle.wait_for(is_waiting)).await;
        let (mut peer, theirs) = greet(&session, &info);
        assert!(theirs.reserved.supports_dht(), "nothing is known yet");
        serve_metadata(&mut peer, &info);
        in_time(handle.wait_for(is_downloading)).await;
        drop(peer);
        let (_, theirs) = greet(&session, &info);
        assert_eq!(theirs.reserved.supports_dht(), !is_private);
        handle.stop().await;
    }
}

fn info_of(root: &Path, is_private: bool) -> Info {
    let data = data(&root.join("from"), "data");
    let data = if is_private { data.private() } else { data };
    data.build().unwrap()
}

/// A session that is in a DHT of which it knows nobody.
fn with_dht(state: Option<&Path>) -> Session {
    let dht = Some(DhtConfig {
        bootstrap: Vec::new(),
        ..DhtConfig::default()
    });
    let config = SessionConfig {
        dht,
        ..config(state)
    };
    Session::start(config).unwrap()
}

fn is_downloading(snapshot: &Snapshot) -> bool {
    matches!(snapshot.state, State::Downloading)
}

/// A peer that comes, and what it is answered.
#[expect(clippy::disallowed_methods, reason = "it is not the session's")]
fn greet(session: &Session, info: &Info) -> (TcpStream, Handshake) {
    let address = (Ipv4Addr::LOCALHOST, session.listen_port());
    let mut peer = TcpStream::connect(address).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let ours = Handshake {
        reserved: Reserved::NONE.with_extended(),
        swarm_id: info.ids().primary_swarm_id(),
        peer_id: PeerId([1; 20]),
    };
    peer.write_all(&ours.encode()).unwrap();
    let mut answer = [0; Handshake::LENGTH];
    peer.read_exact(&mut answer).unwrap();
    let Ok(DecodedHandshake::Complete { handshake, .. }) = Handshake::decode(&answer) else {
        panic!("{answer:?}")
    };
    (peer, handshake)
}

/// Sends the metadata, which fits into one block, when it is asked for (BEP 9).
fn serve_metadata(peer: &mut TcpStream, info: &Info) {
    const OURS: u8 = 1;
    let raw = info.raw();
    let hello = ExtendedHandshake {
        ids: ExtensionIds::default().with(Extension::Metadata, OURS),
        metadata_size: Some(raw.len() as u32),
        ..ExtendedHandshake::default()
    };
    let mut out = Vec::new();
    hello.to_message().encode(&mut out);
    peer.write_all(&out).unwrap();
    let mut theirs = None;
    loop {
        let mut length = [0; 4];
        peer.read_exact(&mut length).unwrap();
        let mut message = vec![0; u32::from_be_bytes(length) as usize];
        peer.read_exact(&mut message).unwrap();
        match message[..] {
            [EXTENDED, 0, ref payload @ ..] => {
                let ids = ExtendedHandshake::decode(payload).unwrap().ids;
                theirs = ids.get(Extension::Metadata);
            }
            [EXTENDED, OURS, ..] => break,
            _ => {}
        }
    }
    let data = MetadataMessage::Data {
        piece: 0,
        total_size: raw.len() as u32,
        payload: raw.into(),
    };
    let data = ExtendedMessage::Metadata(data).to_message(theirs.unwrap());
    out.clear();
    data.encode(&mut out);
    peer.write_all(&out).unwrap();
}

/// BEP 10: the id of its messages.
const EXTENDED: u8 = 20;
