use std::time::Duration;

use bt_types::{AnnounceEvent, PeerId, SwarmId};
use proptest::prelude::*;

use super::*;
use crate::Identity;

use AnnounceEvent::{Completed, None as Regular, Started, Stopped};

const BOTH: [Family; 2] = [Family::V4, Family::V6];

fn config() -> Config {
    Config::new(Identity {
        swarm_id: SwarmId([1; 20]),
        peer_id: PeerId([2; 20]),
        key: 3,
        port: 6881,
    })
}

fn dual(urls: &[&str]) -> DualStack {
    let tiers: Vec<_> = urls.iter().map(|url| vec![(*url).to_owned()]).collect();
    DualStack::new(&tiers, &config(), &BOTH, [7; 32])
}

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary epoch; only offsets from it matter"
)]
fn epoch() -> Instant {
    Instant::now()
}

fn answer(interval: u64) -> Result<AnnounceResponse, AnnounceFailure> {
    Ok(AnnounceResponse {
        interval: Duration::from_secs(interval),
        ..AnnounceResponse::default()
    })
}

fn failure(retry: Retry) -> Result<AnnounceResponse, AnnounceFailure> {
    Err(AnnounceFailure {
        message: "no".into(),
        retry,
    })
}

/// All that is due, by family and event.
fn due(announces: &mut DualStack, now: Instant) -> Vec<Announce> {
    std::iter::from_fn(|| announces.poll_announce(now)).collect()
}

fn said(announces: &[Announce]) -> Vec<(Option<Family>, AnnounceEvent)> {
    let said = announces.iter();
    said.map(|it| (it.family, it.request.event)).collect()
}

fn events(announces: &mut DualStack) -> Vec<Event> {
    std::iter::from_fn(|| announces.poll_event()).collect()
}

#[test]
fn each_family_has_its_own_interval_and_tracker_id() {
    let mut announces = dual(&["http://a"]);
    let mut now = epoch();
    announces.start(now);
    let first = due(&mut announces, now);
    let (v4, v6) = (Some(Family::V4), Some(Family::V6));
    assert_eq!(said(&first), [(v4, Started), (v6, Started)]);
    for (announce, (interval, id)) in first.iter().zip([(600, b"four"), (6000, b"six!")]) {
        let mut answer = answer(interval).unwrap();
        answer.tracker_id = Some(id.to_vec());
        announces.handle_outcome(now, announce.id, Ok(answer));
    }
    assert_eq!(events(&mut announces).len(), 2);
    now += Duration::from_secs(700);
    let second = due(&mut announces, now);
    assert_eq!(said(&second), [(v4, Regular)]);
    assert_eq!(second[0].tracker_id.as_deref(), Some(&b"four"[..]));
    // A completion is told over both, as soon as each can hear it.
    announces.completed(now);
    let third = due(&mut announces, now);
    assert_eq!(said(&third), [(v6, Completed)]);
    assert_eq!(third[0].tracker_id.as_deref(), Some(&b"six!"[..]));
    announces.handle_outcome(now, second[0].id, answer(600));
    assert_eq!(said(&due(&mut announces, now)), [(v4, Completed)]);
}

#[test]
fn one_family_fails_without_the_other() {
    let mut announces = dual(&["http://a"]);
    let now = epoch();
    announces.start(now);
    let first = due(&mut announces, now);
    announces.handle_outcome(now, first[0].id, answer(1800));
    announces.handle_outcome(now, first[1].id, failure(Retry::Unspecified));
    assert!(matches!(
        events(&mut announces)[..],
        [Event::Answered { .. }, Event::Failed { .. }]
    ));
    let status = &announces.trackers()[0];
    assert_eq!((status.state, status.failures), (TrackerState::Working, 0));
    // Only what failed is tried again soon.
    let soon = announces.poll_timeout().unwrap();
    assert!(soon < now + Duration::from_secs(60));
    let again = due(&mut announces, soon);
    assert_eq!(said(&again), [(Some(Family::V6), Started)]);
}

#[test]
fn a_tracker_without_ipv6_is_no_failure() {
    let mut announces = dual(&["http://a"]);
    let now = epoch();
    announces.start(now);
    let first = due(&mut announces, now);
    announces.handle_outcome(now, first[1].id, failure(Retry::NoAddress));
    assert_eq!(events(&mut announces), []);
    announces.handle_outcome(now, first[0].id, answer(10_000));
    let next = announces.poll_timeout().unwrap();
    assert!(
        next >= now + Duration::from_secs(60 * 60),
        "looked up again in an hour"
    );
    // Who was never told of us hears no goodbye.
    announces.stop(now);
    let goodbye = due(&mut announces, now);
    assert_eq!(said(&goodbye), [(Some(Family::V4), Stopped)]);
    events(&mut announces);
    announces.handle_outcome(now, goodbye[0].id, answer(1));
    let last = events(&mut announces);
    assert_eq!(last.last(), Some(&Event::Stopped));
}

#[test]
fn stopped_is_told_once_and_at_the_end() {
    let mut announces = dual(&["http://a", "udp://b"]);
    let now = epoch();
    announces.start(now);
    for announce in due(&mut announces, now) {
        announces.handle_outcome(now, announce.id, answer(1800));
    }
    events(&mut announces);
    announces.stop(now);
    let goodbyes = due(&mut announces, now);
    assert_eq!(goodbyes.len(), 4);
    for (position, goodbye) in goodbyes.iter().enumerate() {
        announces.handle_outcome(now, goodbye.id, answer(1));
        let stopped = events(&mut announces).contains(&Event::Stopped);
        assert_eq!(stopped, position == 3);
    }
    assert_eq!(announces.poll_timeout(), None);
    // And again, in another run.
    announces.stop(now);
    assert_eq!(events(&mut announces), [Event::Stopped]);
}

#[test]
fn a_stop_that_is_taken_back_when_one_family_is_done_begins_anew_for_both() {
    let mut announces = dual(&["http://a"]);
    let now = epoch();
    announces.start(now);
    for announce in due(&mut announces, now) {
        announces.handle_outcome(now, announce.id, answer(1800));
    }
    announces.stop(now);
    let goodbyes = due(&mut announces, now);
    announces.handle_outcome(now, goodbyes[0].id, answer(1));
    announces.start(now);
    for announce in due(&mut announces, now) {
        announces.handle_outcome(now, announce.id, answer(1800));
    }
    announces.stop(now);
    events(&mut announces);
    announces.handle_outcome(now, goodbyes[1].id, answer(1));
    let mut open = due(&mut announces, now);
    assert!(!open.is_empty());
    while let Some(goodbye) = open.pop() {
        let told = events(&mut announces);
        assert!(!told.contains(&Event::Stopped), "{goodbye:?} is under way");
        announces.handle_outcome(now, goodbye.id, answer(1));
        open.extend(due(&mut announces, now));
    }
    assert!(events(&mut announces).contains(&Event::Stopped));
    assert_eq!(announces.poll_timeout(), None);
}

#[test]
fn one_family_or_a_private_torrent_leaves_the_family_open() {
    let tiers = vec![vec!["http://a".to_owned()]];
    let private = Config {
        is_private: true,
        ..config()
    };
    for (config, families) in [(config(), &BOTH[..1]), (private, &BOTH[..])] {
        let mut announces = DualStack::new(&tiers, &config, families, [7; 32]);
        let now = epoch();
        announces.start(now);
        assert_eq!(said(&due(&mut announces, now)), [(None, Started)]);
    }
}

#[test]
fn what_nobody_serves_is_reported_once() {
    let mut announces = dual(&["dht://a", "http://b"]);
    assert!(matches!(
        events(&mut announces)[..],
        [Event::Unsupported { .. }]
    ));
    let now = epoch();
    assert_eq!(announces.add_tracker(now, "file:///x"), Ok(()));
    assert!(matches!(
        events(&mut announces)[..],
        [Event::Unsupported { .. }]
    ));
    assert_eq!(announces.trackers().len(), 3);
}

proptest! {
    /// Each tracker hears of each family: started first, completed once, in any order of outcomes.
    #[test]
    fn families_do_not_mix(outcomes in proptest::collection::vec((any::<u8>(), 0_u8..4), 1..60)) {
        let mut announces = dual(&["http://a", "udp://b"]);
        let mut now = epoch();
        announces.start(now);
        let mut open = Vec::new();
        let mut started = std::collections::HashSet::new();
        for (position, (which, kind)) in outcomes.into_iter().enumerate() {
            if position == 20 {
                announces.completed(now);
            }
            open.extend(due(&mut announces, now));
            announces.check_invariants();
            if open.is_empty() {
                now = announces.poll_timeout().expect("something is always to be done");
                announces.handle_timeout(now);
                continue;
            }
            let announce: Announce = open.swap_remove(usize::from(which) % open.len());
            let key = (announce.url.clone(), announce.family);
            let is_first = !started.contains(&key);
            prop_assert_eq!(is_first, announce.request.event == Started);
            let outcome = match kind {
                0 => failure(Retry::Unspecified),
                1 => failure(Retry::NoAddress),
                _ => answer(120),
            };
            if outcome.is_ok() {
                started.insert(key);
            }
            announces.handle_outcome(now, announce.id, outcome);
            for event in events(&mut announces) {
                let is_end = matches!(event, Event::Stopped | Event::Abandoned { .. });
                prop_assert!(!is_end);
            }
        }
    }
}
