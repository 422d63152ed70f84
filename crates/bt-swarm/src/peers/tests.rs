use super::*;

#[test]
fn delays_double_with_failures_and_end_at_an_hour() {
    let (mut peers, start) = peers();
    assert!(peers.add(start, PeerSource::Tracker, addr(1)));
    let mut delays = Vec::new();
    for _ in 0..12 {
        peers.set_dialling(addr(1));
        peers.dial_failed(start, addr(1), 0.0);
        delays.push((peers.known[&addr(1)].next_dial - start).as_secs());
    }
    assert_eq!(
        delays,
        [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]
    );
    peers.disconnected(start, addr(1), Outcome::Good, 0.0);
    assert_eq!(
        peers.known[&addr(1)].next_dial,
        start + Duration::from_secs(5)
    );
}

#[test]
fn impossible_and_own_addresses_are_not_remembered() {
    let (mut peers, now) = peers();
    for bad in [
        "1.2.3.4:0",
        "0.0.0.0:1",
        "224.0.0.1:1",
        "255.255.255.255:1",
        "[ff02::1]:1",
        "[::]:1",
    ] {
        assert!(
            !peers.add(now, PeerSource::Tracker, bad.parse().unwrap()),
            "{bad}"
        );
    }
    peers.add_own(addr(7));
    assert!(!peers.add(now, PeerSource::Tracker, addr(7)));
    assert_eq!(peers.len(), 0);
}

#[test]
fn private_torrents_take_peers_from_trackers_only() {
    let (mut peers, now) = peers();
    assert!(peers.add(now, PeerSource::Pex, addr(1)));
    assert!(peers.add(now, PeerSource::Tracker, addr(2)));
    peers.set_private();
    assert_eq!(
        peers.idle().map(|(addr, _)| addr).collect::<Vec<_>>(),
        [addr(2)]
    );
    for source in [PeerSource::Dht, PeerSource::Pex, PeerSource::Lsd] {
        assert!(!peers.add(now, source, addr(3)));
    }
}

#[test]
fn who_is_banned_anywhere_is_forgotten_and_not_learned_of_again() {
    let (mut peers, now) = peers();
    for port in 1..=3 {
        assert!(peers.add(now, PeerSource::Tracker, addr(port)));
    }
    assert!(peers.ban(addr(1)));
    assert!(!peers.ban(addr(1)), "no news");
    let mut shared = BanList::new();
    shared.ban(addr(2));
    peers.set_shared_bans(Arc::new(shared));
    assert!(!peers.ban(addr(2)), "no news");
    for banned in [addr(1), addr(2)] {
        assert!(peers.is_banned(banned));
        assert!(!peers.add(now, PeerSource::User, banned));
    }
    assert_eq!(peers.len(), 1);
    peers.set_shared_bans(Arc::default());
    assert!(peers.is_banned(addr(1)), "what it found out itself stays");
    assert!(peers.add(now, PeerSource::User, addr(2)));
}

#[test]
fn a_full_table_gives_up_failures_first() {
    let (mut peers, now) = peers();
    for port in 1..=4 {
        assert!(peers.add(now, PeerSource::Tracker, addr(port)));
    }
    assert!(
        !peers.add(now, PeerSource::Tracker, addr(5)),
        "nobody has failed yet"
    );
    peers.dial_failed(now, addr(3), 0.0);
    assert!(peers.add(now, PeerSource::Tracker, addr(5)));
    assert!(!peers.known.contains_key(&addr(3)));
}

/// Whoever connects can claim to listen anywhere, as often as it likes.
#[test]
fn strangers_do_not_keep_out_what_better_sources_tell() {
    let (mut peers, now) = peers();
    for port in 1..=4 {
        assert!(peers.add(now, PeerSource::Incoming, addr(port)));
    }
    assert!(!peers.add(now, PeerSource::Incoming, addr(5)));
    assert!(peers.add(now, PeerSource::Tracker, addr(6)));
    assert!(peers.add(now, PeerSource::User, addr(7)));
    assert_eq!(peers.len(), 4);
    for port in 8..=9 {
        assert!(peers.add(now, PeerSource::Tracker, addr(port)));
    }
    assert!(
        !peers.add(now, PeerSource::Tracker, addr(10)),
        "all are known from as good a source"
    );
    assert!(peers.known.contains_key(&addr(7)));
}

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn peers() -> (Peers, Instant) {
    (
        Peers::new(4, Duration::from_secs(5)),
        crate::testing::epoch(),
    )
}

#[test]
fn each_source_is_counted_once_for_a_peer_whenever_it_names_it() {
    let (mut peers, now) = peers();
    let figures = |peers: &Peers, source| {
        let count = peers.counts().of(source);
        (count.named, count.connected)
    };
    assert!(peers.add(now, PeerSource::Pex, addr(1)));
    assert!(peers.add(now, PeerSource::Pex, addr(2)));
    for _ in 0..2 {
        assert!(!peers.add(now, PeerSource::Tracker, addr(1)));
    }
    assert_eq!(figures(&peers, PeerSource::Pex), (2, 0));
    assert_eq!(figures(&peers, PeerSource::Tracker), (1, 0));
    let names = |addr| peers.sources(addr).iter().map(PeerSource::name);
    assert_eq!(names(addr(1)).collect::<Vec<_>>(), ["tracker", "pex"]);
    assert_eq!(names(addr(9)).count(), 0, "it is not known");

    peers.set_connected(addr(1));
    peers.disconnected(now, addr(1), Outcome::Good, 0.0);
    peers.set_connected(addr(1));
    assert_eq!(figures(&peers, PeerSource::Pex), (2, 1));
    assert_eq!(figures(&peers, PeerSource::Tracker), (1, 1));
    // It was right, if late.
    peers.add(now, PeerSource::Dht, addr(1));
    assert_eq!(figures(&peers, PeerSource::Dht), (1, 1));
    peers.clear();
    assert_eq!(figures(&peers, PeerSource::Pex), (2, 1), "of this run");
}
