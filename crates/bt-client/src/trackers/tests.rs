use bt_tracker::Identity;
use bt_tracker_udp::ServerConfig;
use bt_types::{AnnounceResponse, PeerId, SwarmId};
use tokio::sync::mpsc;

use super::*;
use crate::{
    AnnounceError, LocalTracker,
    net::{HttpClient, UdpSockets},
    random::Seeds,
};

const SWARM: SwarmId = SwarmId([1; 20]);

/// Of a torrent with these trackers, each a tier of its own.
fn trackers(urls: &[&str]) -> Trackers {
    trackers_and_mail(urls).0
}

fn trackers_and_mail(urls: &[&str]) -> (Trackers, mpsc::UnboundedReceiver<Mail>) {
    let (sockets, _) = UdpSockets::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let mut config = Config::new(Identity {
        swarm_id: SWARM,
        peer_id: PeerId([2; 20]),
        key: 3,
        port: 4,
    });
    config.schemes = SCHEMES;
    let plan = Plan {
        tiers: urls.iter().map(|url| vec![(*url).to_owned()]).collect(),
        of_user: vec![" http://mine ".to_owned()],
        config,
        families: vec![Family::V4],
        seed: [5; 32],
    };
    let clients = Clients {
        udp: UdpTrackers::alone(sockets, Seeds::from_system().unwrap()),
        http: HttpClient::new(None),
    };
    let (mailbox, mail) = mpsc::unbounded_channel();
    (Trackers::new(plan, clients, mailbox), mail)
}

#[tokio::test]
async fn who_has_named_a_tracker_decides_where_it_may_be() {
    let trackers = trackers(&["http://mine", "http://other"]);
    let origins = ["http://mine", "http://other"].map(|url| trackers.plan.origin(url));
    assert_eq!(origins, [Origin::User, Origin::Torrent]);
}

#[tokio::test]
async fn the_schedule_is_left_alone_while_it_has_nothing_to_do() {
    let mut trackers = trackers(&["udp://127.0.0.1:9"]);
    let now = Instant::now();
    let mut asked = 0;
    let mut drain = |trackers: &mut Trackers, now| {
        trackers.drain(now, || {
            asked += 1;
            Progress::UNKNOWN
        });
        asked
    };
    trackers.start(now, Progress::UNKNOWN);
    assert_eq!(drain(&mut trackers, now), 1);
    assert_eq!(trackers.under_way.len(), 1);
    assert_eq!(drain(&mut trackers, now), 1, "an announce is under way");
    let deadline = trackers
        .poll_timeout()
        .expect("an announce may take so long");
    trackers.handle_timeout(deadline);
    assert_eq!(drain(&mut trackers, deadline), 2);
    assert!(trackers.under_way.is_empty(), "it is given up");
}

#[tokio::test]
async fn trackers_are_counted_by_how_they_do() {
    let mut trackers = trackers(&["udp://127.0.0.1:9", "udp://127.0.0.1:10", "wss://a"]);
    let now = Instant::now();
    let counts = |trackers: &Trackers| {
        let counts = trackers.counts();
        (counts.working, counts.failing, counts.asked)
    };
    assert_eq!(counts(&trackers), (0, 0, 0));
    trackers.start(now, Progress::UNKNOWN);
    trackers.drain(now, || Progress::UNKNOWN);
    assert_eq!(counts(&trackers), (0, 0, 2));
    let mut ids: Vec<_> = trackers.under_way.keys().copied().collect();
    ids.sort_unstable();
    trackers.handle_outcome(now, 0, ids[0], Ok(AnnounceResponse::default()));
    trackers.handle_outcome(
        now,
        0,
        ids[1],
        Err(failure(&AnnounceError::NoReachableAddress)),
    );
    assert_eq!(counts(&trackers), (1, 1, 0));
    // It is asked again, and fails until it answers.
    let later = now + Duration::from_secs(60);
    trackers.handle_timeout(later);
    trackers.drain(later, || Progress::UNKNOWN);
    assert_eq!(trackers.under_way.len(), 1);
    assert_eq!(counts(&trackers), (1, 1, 0));
}

#[test]
fn an_announce_has_three_sends_and_longer_if_there_is_nobody_else() {
    let tier = |count| vec!["udp://t:1".to_owned(); count];
    let third_send = Duration::from_secs(15 + 30);
    assert!(announce_timeout(&[tier(1), tier(3)]) > third_send);
    let all_waits = third_send + Duration::from_secs(60);
    assert!(announce_timeout(&[tier(1), tier(1)]) >= all_waits);
}

#[tokio::test]
async fn a_torrent_that_turns_out_to_be_private_asks_one_tracker_at_a_time() {
    let mut trackers = trackers(&["udp://127.0.0.1:9", "udp://127.0.0.1:10"]);
    let now = Instant::now();
    trackers.start(now, Progress::UNKNOWN);
    trackers.drain(now, || Progress::UNKNOWN);
    assert_eq!(trackers.under_way.len(), 2);
    let late: Vec<_> = trackers.under_way.keys().copied().collect();
    assert!(trackers.make_private(now), "both may have named peers");
    trackers.drain(now, || Progress::UNKNOWN);
    assert_eq!(trackers.under_way.len(), 1);
    assert!(trackers.leaving.is_some() && !trackers.has_stopped());
    for id in late {
        trackers.handle_outcome(now, 0, id, Ok(AnnounceResponse::default()));
    }
    let events = trackers.drain(now, || Progress::UNKNOWN);
    assert!(
        events.is_empty(),
        "those that were asked before: {events:?}"
    );
    assert!(!trackers.make_private(now), "it is already");
}

#[tokio::test]
async fn a_torrent_that_turns_out_to_be_private_leaves_the_other_trackers() {
    let start = |_| LocalTracker::start(([127, 0, 0, 1], 0).into(), ServerConfig::default());
    let servers = [0, 1].map(start).map(Result::unwrap);
    let urls = servers.each_ref().map(LocalTracker::url);
    let known = || servers.each_ref().map(|it| it.stats(SWARM).leechers);
    let (mut trackers, mut mail) = trackers_and_mail(&urls.each_ref().map(String::as_str));
    trackers.start(Instant::now(), Progress::UNKNOWN);
    for _ in 0..2 {
        answered(&mut trackers, &mut mail).await;
    }
    assert_eq!(known(), [1, 1]);
    trackers.make_private(Instant::now());
    // The one that it goes on with answers, and the other.
    for _ in 0..2 {
        assert!(trackers.leaving.is_some());
        answered(&mut trackers, &mut mail).await;
    }
    assert_eq!(known(), [1, 0]);
    assert!(trackers.leaving.is_none());
    // Nor is it told again, at the end.
    trackers.stop(Instant::now());
    answered(&mut trackers, &mut mail).await;
    assert!(trackers.has_stopped());
    assert_eq!(known(), [0, 0]);
}

/// Goes on until one announce more has been answered.
async fn answered(trackers: &mut Trackers, mail: &mut mpsc::UnboundedReceiver<Mail>) {
    trackers.drain(Instant::now(), || Progress::UNKNOWN);
    let answer = tokio::time::timeout(Duration::from_secs(20), mail.recv()).await;
    let Ok(Some(Mail::Announced(generation, id, outcome))) = answer else {
        panic!("no answer");
    };
    assert!(outcome.is_ok(), "{outcome:?}");
    trackers.handle_outcome(Instant::now(), generation, id, outcome);
    trackers.drain(Instant::now(), || Progress::UNKNOWN);
}
