//! One real transfer over loopback: tracker, seeder, download. Everything finer is tested on
//! virtual time, in the crates below.
#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "some tests are a peer of their own"
)]

use std::{
    fs,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    num::NonZeroU64,
    path::Path,
    sync::Arc,
    time::Duration,
};

use bt_client::{
    AddError, AddTorrent, DhtClient, DhtConfig, DhtQuery, Limit, LocalTracker, Mode, RateLimits,
    Session, SessionConfig, Snapshot, State, Subject, TorrentError,
};
use bt_dht::{
    NodeId, Outcome,
    wire::{self, Body, Message, Method, Query, Response, Want},
};
use bt_metainfo::{Info, InfoBuilder};
use bt_tracker_udp::{ServerConfig, SwarmStats};
use bt_types::{PeerId, PeerSource, Priority, Selection};
use bt_wire::{Handshake, Reserved};
use tokio::time::timeout;

const PIECE_LENGTH: usize = 65_536;

/// Two files that share a piece, of which the last piece is short.
const FILES: [(&str, usize); 2] = [("a", 3_000_000), ("b", 1_234_567)];

fn bytes(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(step).collect()
}

fn write_data(root: &Path) -> Arc<Info> {
    let folder = root.join("data");
    fs::create_dir_all(&folder).unwrap();
    let mut builder = InfoBuilder::new("data", PIECE_LENGTH as u32);
    let mut whole = Vec::new();
    for (seed, (name, length)) in (1..).zip(FILES) {
        let content = bytes(length, seed);
        fs::write(folder.join(name), &content).unwrap();
        whole.extend(content);
        builder = builder.file([name], length as u64);
    }
    let builder = builder.pieces(whole.chunks(PIECE_LENGTH).map(bt_hash::sha1));
    Arc::new(builder.build().unwrap())
}

fn session() -> Session {
    Session::start(SessionConfig {
        bind: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        listen_port: 0,
        ..SessionConfig::default()
    })
    .unwrap()
}

fn torrent(info: &Arc<Info>, root: &Path, mode: Mode, tracker: &LocalTracker) -> AddTorrent {
    AddTorrent {
        trackers: vec![vec![tracker.url()]],
        ..AddTorrent::new(Subject::whole(Arc::clone(info), mode), root.to_owned())
    }
}

/// Far longer than it takes; only a failure waits for it.
async fn in_time<T>(task: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), task)
        .await
        .expect("not in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torrent_travels_from_seeder_to_leecher_through_a_tracker() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let info = write_data(&from);
    let swarm_id = info.ids().primary_swarm_id();
    let tracker =
        LocalTracker::start((Ipv4Addr::LOCALHOST, 0).into(), ServerConfig::default()).unwrap();
    let (seeder, leecher) = (session(), session());

    let seed = seeder
        .add(torrent(&info, &from, Mode::Seed, &tracker))
        .unwrap();
    in_time(async {
        // The leecher's one announce must find the seeder.
        let mut events = seed.events();
        while tracker.stats(swarm_id).seeders == 0 {
            events.next().await.expect("the seed ended");
        }
    })
    .await;
    let get = leecher
        .add(torrent(&info, &to, Mode::Get, &tracker))
        .unwrap();
    let done = in_time(
        get.wait_for(|snapshot| matches!(snapshot.state, State::Seeding | State::Failed(_))),
    )
    .await;
    assert!(matches!(done.state, State::Seeding), "{done:?}");
    for (name, _) in FILES {
        let path = Path::new("data").join(name);
        assert!(fs::read(from.join(&path)).unwrap() == fs::read(to.join(&path)).unwrap());
    }

    assert!(matches!(in_time(get.stop()).await.state, State::Stopped));
    assert!(matches!(in_time(seed.stop()).await.state, State::Stopped));
    let SwarmStats { announces, .. } = tracker.stats(swarm_id);
    assert_eq!(
        (announces.started, announces.completed, announces.stopped),
        (2, 1, 2)
    );
}

#[tokio::test]
async fn seeding_what_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let info = write_data(folder.path());
    fs::write(folder.path().join("data/b"), "not it").unwrap();
    let tracker =
        LocalTracker::start((Ipv4Addr::LOCALHOST, 0).into(), ServerConfig::default()).unwrap();
    let session = session();
    let seed = session
        .add(torrent(&info, folder.path(), Mode::Seed, &tracker))
        .unwrap();
    let last = in_time(seed.wait_for(|snapshot| snapshot.state.is_over())).await;
    let State::Failed(error) = &last.state else {
        panic!("{last:?}")
    };
    // The first file's whole pieces are good; the one that both share is not.
    let good = (FILES[0].1 / PIECE_LENGTH) as u32;
    assert!(
        matches!(**error, TorrentError::DataIncomplete { pieces_good, .. } if pieces_good == good),
        "{error}"
    );
    assert_eq!(fs::read(folder.path().join("data/b")).unwrap(), b"not it");
}

#[tokio::test]
async fn a_torrent_that_has_ended_tells_so_and_can_be_added_again() {
    let folder = tempfile::tempdir().unwrap();
    let info = write_data(folder.path());
    let session = session();
    let torrent = || {
        AddTorrent::new(
            Subject::whole(Arc::clone(&info), Mode::Seed),
            folder.path().to_owned(),
        )
    };
    for _ in 0..3 {
        let seed = session.add(torrent()).unwrap();
        assert_eq!(
            session.add(torrent()).unwrap_err(),
            AddError::AlreadyAdded,
            "it is there"
        );
        let mut events = seed.events();
        in_time(seed.wait_for(|snapshot| matches!(snapshot.state, State::Seeding))).await;
        assert!(matches!(in_time(seed.stop()).await.state, State::Stopped));
        in_time(async { while events.next().await.is_some() {} }).await;
        assert!(in_time(seed.events().next()).await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_strangers_do_not_keep_peers_out() {
    let folder = tempfile::tempdir().unwrap();
    let info = write_data(folder.path());
    let session = session();
    let seed = session.add(AddTorrent::new(
        Subject::whole(Arc::clone(&info), Mode::Seed),
        folder.path().to_owned(),
    ));
    let seed = seed.unwrap();
    in_time(seed.wait_for(|snapshot| matches!(snapshot.state, State::Seeding))).await;
    let address = (Ipv4Addr::LOCALHOST, session.listen_port());
    let connect = || TcpStream::connect(address).unwrap();
    // More than there are places for, and they would hold them for ten seconds.
    let idle: Vec<_> = (0..100).map(|_| connect()).collect();
    let mut peer = connect();
    let ours = Handshake {
        reserved: Reserved::NONE,
        swarm_id: info.ids().primary_swarm_id(),
        peer_id: PeerId([b'p'; 20]),
    };
    peer.write_all(&ours.encode()).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    peer.read_exact(&mut [0; Handshake::LENGTH]).unwrap();
    drop(idle);
}

#[tokio::test]
async fn two_torrents_never_write_to_one_place() {
    let folder = tempfile::tempdir().unwrap();
    let tracker =
        LocalTracker::start((Ipv4Addr::LOCALHOST, 0).into(), ServerConfig::default()).unwrap();
    let session = session();
    let named = |name: &str, hash: u8| {
        let builder = InfoBuilder::new(name, 16_384).single_file(1);
        Arc::new(builder.pieces([[hash; 20]]).build().unwrap())
    };
    let add = |info: &Arc<Info>| session.add(torrent(info, folder.path(), Mode::Get, &tracker));
    let first = add(&named("a", 1)).unwrap();
    assert_eq!(
        add(&named("a", 2)).unwrap_err(),
        AddError::PathTaken(folder.path().join("a"))
    );
    add(&named("b", 2)).unwrap();
    in_time(first.stop()).await;
    add(&named("a", 2)).unwrap();
}

#[tokio::test]
async fn limits_change_while_it_runs_and_the_lower_counts() {
    let folder = tempfile::tempdir().unwrap();
    let info = write_data(folder.path());
    let session = session();
    let upload = |bytes_per_sec| RateLimits {
        upload: NonZeroU64::new(bytes_per_sec),
        download: None,
    };
    let seed = session.add(AddTorrent {
        limits: upload(70_000),
        ..AddTorrent::new(
            Subject::whole(Arc::clone(&info), Mode::Seed),
            folder.path().to_owned(),
        )
    });
    let seed = seed.unwrap();
    let shown = async |limits| {
        let wanted = |snapshot: &Snapshot| {
            matches!(snapshot.state, State::Seeding) && snapshot.limits == limits
        };
        assert!(wanted(&*in_time(seed.wait_for(wanted)).await));
    };
    shown(upload(70_000)).await;
    session.set_limits(upload(50_000));
    shown(upload(50_000)).await;
    seed.set_limits(upload(20_000));
    shown(upload(20_000)).await;
    session.set_limits(RateLimits::NONE);
    seed.set_limits(RateLimits::NONE);
    shown(RateLimits::NONE).await;
}

/// The two files share a piece.
#[tokio::test(flavor = "multi_thread")]
async fn some_of_a_torrent_is_fetched_and_then_the_rest_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let info = write_data(&from);
    let (seeder, leecher) = (session(), session());
    let add = |session: &Session, root: &Path, mode, peers, selection| {
        let info = Arc::clone(&info);
        let subject = Subject::Info {
            info,
            mode,
            selection,
        };
        let torrent = AddTorrent {
            peers,
            part_names: true,
            ..AddTorrent::new(subject, root.to_owned())
        };
        session.add(torrent).unwrap()
    };
    let seed = add(&seeder, &from, Mode::Seed, vec![], Arc::default());
    in_time(seed.wait_for(|snapshot| matches!(snapshot.state, State::Seeding))).await;
    let address = (Ipv4Addr::LOCALHOST, seeder.listen_port()).into();
    let only_b = Arc::new(Selection::of_files([Priority::Skip, Priority::High]));
    let get = add(&leecher, &to, Mode::Get, vec![address], Arc::clone(&only_b));
    let is_done = |selection: &Arc<Selection>| {
        let selection = Arc::clone(selection);
        move |snapshot: &Snapshot| {
            matches!(snapshot.state, State::Seeding) && snapshot.selection == selection
        }
    };
    let done = in_time(get.wait_for(is_done(&only_b))).await;
    assert_eq!(done.files_left_out, 1);
    assert_eq!(done.stats.wanted_bytes_total, FILES[1].1 as u64);
    let right = |name: &str| fs::read(from.join("data").join(name)).unwrap();
    let found = |name: &str| fs::read(to.join("data").join(name));
    assert!(found("b").unwrap() == right("b"));
    assert!(found("a").is_err() && found("a.part").is_err());
    assert_eq!(fs::read_dir(&to).unwrap().count(), 2, "and the part file");

    let all = Arc::new(Selection::everything());
    get.set_selection(Arc::clone(&all));
    let done = in_time(get.wait_for(is_done(&all))).await;
    assert_eq!(done.files_left_out, 0);
    let missing = done.stats.downloaded - done.stats.bytes_total;
    assert_eq!(missing, 0, "nothing comes twice");
    for (name, _) in FILES {
        assert!(found(name).unwrap() == right(name));
    }
    assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
    assert!(matches!(in_time(get.stop()).await.state, State::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_taken_away_lets_a_transfer_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let info = write_data(&from);
    let (seeder, leecher) = (session(), session());
    let next_to_nothing = RateLimits {
        upload: NonZeroU64::new(1),
        download: NonZeroU64::new(1),
    };
    let add = |session: &Session, root: &Path, mode, peers, limits| {
        let torrent = AddTorrent {
            peers,
            limits,
            ..AddTorrent::new(Subject::whole(Arc::clone(&info), mode), root.to_owned())
        };
        session.add(torrent).unwrap()
    };
    let seed = add(&seeder, &from, Mode::Seed, vec![], RateLimits::NONE);
    in_time(seed.wait_for(|snapshot| matches!(snapshot.state, State::Seeding))).await;
    let address = (Ipv4Addr::LOCALHOST, seeder.listen_port()).into();
    let get = add(&leecher, &to, Mode::Get, vec![address], next_to_nothing);

    let got_some = |snapshot: &Snapshot| snapshot.stats.downloaded > 0;
    let first = in_time(get.wait_for(got_some)).await;
    assert_eq!(first.stats.downloaded, 16_384, "the first block is free");
    seeder.set_limits(next_to_nothing);
    in_time(seed.wait_for(|snapshot| snapshot.limits == next_to_nothing)).await;
    get.set_limits(RateLimits::NONE);
    in_time(get.wait_for(|snapshot| snapshot.limits == RateLimits::NONE)).await;
    let second = get.snapshot();
    assert!(
        second.stats.downloaded <= 2 * 16_384,
        "the seed still waits"
    );
    seeder.set_limits(RateLimits::NONE);
    let is_over = |snapshot: &Snapshot| matches!(snapshot.state, State::Seeding | State::Failed(_));
    let last = in_time(get.wait_for(is_over)).await;
    assert!(matches!(last.state, State::Seeding), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_connected_and_what_limits_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let info = write_data(&from);
    let (seeder, leecher) = (session(), session());
    let add = |session: &Session, root: &Path, mode, peers, download| {
        let torrent = AddTorrent {
            peers,
            limits: RateLimits {
                upload: None,
                download: NonZeroU64::new(download),
            },
            ..AddTorrent::new(Subject::whole(Arc::clone(&info), mode), root.to_owned())
        };
        session.add(torrent).unwrap()
    };
    let seed = add(&seeder, &from, Mode::Seed, vec![], 0);
    in_time(seed.wait_for(|snapshot| matches!(snapshot.state, State::Seeding))).await;
    let seed_addr = (Ipv4Addr::LOCALHOST, seeder.listen_port()).into();
    let get = add(&leecher, &to, Mode::Get, vec![seed_addr], 200_000);
    let limited = |snapshot: &Snapshot| {
        let limit = snapshot.limit.filter(|limit| limit.name() == "own_limit");
        limit.is_some() && snapshot.stats.downloaded > 0
    };
    let snapshot = in_time(get.wait_for(limited)).await;
    assert_eq!(snapshot.totals().downloaded, snapshot.stats.downloaded);
    assert_eq!(snapshot.share_ratio(), Some(0.0));
    let source = snapshot.stats.sources.of(PeerSource::User);
    assert_eq!((source.named, source.connected), (1, 1));
    assert!(snapshot.stats.copies.whole() >= 1);

    let [theirs] = &get.peers().await[..] else {
        panic!("one is connected")
    };
    assert_eq!(theirs.addr, seed_addr);
    // It says so itself, and its id says the same.
    let client = theirs.client().unwrap();
    assert!(client.starts_with("bt 0."), "{client}");
    assert_eq!(theirs.peer_id.client().as_deref(), Some("bt 0.1.0"));
    assert_eq!(theirs.flags(), "DC");
    assert!(theirs.worth_bytes_per_sec > 0);
    let [ours] = &seed.peers().await[..] else {
        panic!("one is connected")
    };
    assert_eq!((ours.flags().as_str(), ours.why_choked), ("UI", None));
    assert!(ours.uploaded >= snapshot.stats.downloaded);

    get.set_limits(RateLimits::NONE);
    let done = in_time(get.wait_for(|snapshot| matches!(snapshot.state, State::Seeding))).await;
    assert_eq!(done.limit, Some(Limit::Complete));
    assert_eq!(in_time(get.stop()).await.limit, None);
    assert!(get.peers().await.is_empty(), "it is over");
}

/// A torrent without trackers: the peers find each other by way of a node that knows nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_torrent_travels_by_way_of_the_dht_alone() {
    for ip in loopbacks() {
        travel_by_the_dht(ip).await;
    }
}

async fn travel_by_the_dht(ip: IpAddr) {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let info = write_data(&from);
    let by = |ports: &[u16], state: Option<&str>| SessionConfig {
        bind: Some(ip),
        listen_port: 0,
        dht: Some(DhtConfig {
            bootstrap: ports
                .iter()
                .map(|&port| SocketAddr::new(ip, port).to_string())
                .collect(),
            trusts_local_addresses: true,
        }),
        state: state.map(|name| folder.path().join(name)),
        ..SessionConfig::default()
    };
    let node = Session::start(by(&[], None)).unwrap();
    let way_in = [node.listen_port()];
    let torrent = |root: &Path, mode| {
        AddTorrent::new(Subject::whole(Arc::clone(&info), mode), root.to_owned())
    };
    let seeder = Session::start(by(&way_in, None)).unwrap();
    let _seed = seeder.add(torrent(&from, Mode::Seed)).unwrap();
    let swarm = info.ids().primary_swarm_id();
    let config = by(&way_in, None).dht.unwrap();
    let client = DhtClient::start(&config, Some(ip), None).unwrap();
    in_time(async {
        // The leecher's first look-up must find the seeder.
        let expected = SocketAddr::new(ip, seeder.listen_port());
        let mut is_known = false;
        while !is_known {
            let mut events = client.ask(DhtQuery::GetPeers(swarm));
            while let Some(event) = events.next().await {
                if let bt_dht::Event::Peers { peers, .. } = event {
                    is_known |= peers.contains(&expected);
                }
            }
        }
    })
    .await;
    // The second time by the nodes that it remembers.
    for (number, ways_in) in [&way_in[..], &[]].into_iter().enumerate() {
        let leecher = Session::start(by(ways_in, Some("state"))).unwrap();
        let root = to.join(number.to_string());
        let get = leecher.add(torrent(&root, Mode::Get)).unwrap();
        let done = in_time(get.wait_for(|it| matches!(it.state, State::Seeding))).await;
        let from_dht = done.stats.sources.of(PeerSource::Dht);
        assert!(from_dht.connected >= 1, "{from_dht:?}");
        get.stop().await;
        in_time(leecher.close()).await;
        assert!(folder.path().join("state/dht").is_file());
    }
}

/// A tracker of each, and both hear of us, each over its own family.
#[tokio::test(flavor = "multi_thread")]
async fn trackers_are_told_over_the_families_that_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let info = write_data(folder.path());
    let swarm = info.ids().primary_swarm_id();
    let start = |ip| LocalTracker::start(SocketAddr::new(ip, 0), ServerConfig::default()).unwrap();
    let trackers: Vec<_> = loopbacks().into_iter().map(start).collect();
    let session = Session::start(SessionConfig {
        listen_port: 0,
        ..SessionConfig::default()
    })
    .unwrap();
    let seed = AddTorrent {
        trackers: trackers.iter().map(|it| vec![it.url()]).collect(),
        ..AddTorrent::new(Subject::whole(info, Mode::Seed), folder.path().to_owned())
    };
    let seed = session.add(seed).unwrap();
    in_time(async {
        let mut events = seed.events();
        while trackers.iter().any(|it| it.stats(swarm).seeders == 0) {
            events.next().await.expect("the seed ended");
        }
    })
    .await;
    in_time(seed.stop()).await;
}

/// IPv6 only where the machine has it.
fn loopbacks() -> Vec<IpAddr> {
    let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let is_here = |ip: &IpAddr| TcpListener::bind((*ip, 0)).is_ok();
    both.into_iter().filter(is_here).collect()
}

/// BEP 43: who is gone in a moment has no place in others' tables, and answers nobody.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_the_dht_without_a_torrent_is_read_only() {
    let node = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    node.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let nobody = DhtConfig {
        bootstrap: Vec::new(),
        trusts_local_addresses: true,
    };
    let client = DhtClient::start(&nobody, Some(Ipv4Addr::LOCALHOST.into()), None).unwrap();
    let mut events = client.ask(DhtQuery::Ping(node.local_addr().unwrap()));
    let mut buffer = [0; 1500];
    let (length, from) = node.recv_from(&mut buffer).unwrap();
    let ping = wire::decode(&buffer[..length]).unwrap();
    let Body::Query(ref query) = ping.body else {
        panic!("{ping:?}")
    };
    assert!(query.is_read_only);
    // It reads what we ask first, and then our answer.
    let send = |transaction_id, body| {
        let message = Message {
            transaction_id,
            body,
            version: None,
        };
        let mut out = Vec::new();
        wire::encode(&message, &mut out);
        node.send_to(&out, from).unwrap();
    };
    let ours = Query {
        id: NodeId([1; 20]),
        is_read_only: false,
        want: Want::default(),
        method: Method::Ping,
    };
    send(b"tx", Body::Query(ours));
    let answer = Body::Response(Response::new(NodeId([1; 20])));
    send(ping.transaction_id, answer);
    let end = in_time(events.next()).await;
    let Some(bt_dht::Event::Finished { outcome, .. }) = end else {
        panic!("{end:?}")
    };
    assert!(matches!(outcome, Outcome::Answered { .. }), "{outcome:?}");
    // What it has to say goes out before it tells what it has learned.
    node.set_nonblocking(true).unwrap();
    let silence = node.recv_from(&mut buffer).unwrap_err();
    assert_eq!(silence.kind(), io::ErrorKind::WouldBlock);
}
