use std::collections::{BTreeMap, BTreeSet};

use bt_types::{PeerId, SwarmId};
use proptest::prelude::*;

use super::*;
use crate::{Identity, Reach, TrackerState};

use AnnounceEvent::{Completed, None as Regular, Started, Stopped};

#[test]
fn a_tier_is_walked_until_one_answers_and_that_one_stays_in_front() {
    let mut world = World::new(&[&["udp://a", "http://b/announce", "https://c/announce"]]);
    let [first, second, third] = world.order();
    world.refuse(&first);
    world.start();
    world.run_for(mins(90));
    // The one that answered is alone in use, however often the first might be retried.
    assert_eq!(
        world.heard(),
        [
            (first.clone(), Started),
            (second.clone(), Started),
            (second.clone(), Regular),
            (second.clone(), Regular),
        ]
    );
    assert_eq!(
        world.order(),
        [second.clone(), first.clone(), third.clone()]
    );

    // When it fails, the walk begins again.
    world.refuse(&second);
    world.run_for(mins(30));
    assert_eq!(
        world.heard()[4..7],
        [
            (second.clone(), Regular),
            (first.clone(), Started),
            (third.clone(), Started)
        ]
    );
    assert_eq!(world.order(), [third, second, first]);
}

#[test]
fn one_tracker_of_each_tier_is_used() {
    let mut world = World::new(&[&["udp://a"], &["udp://b"], &["udp://a", "udp://c"]]);
    world.refuse("udp://b");
    world.start();
    world.run_for(secs(1));
    assert_eq!(
        world.heard(),
        [
            ("udp://a", Started),
            ("udp://b", Started),
            ("udp://c", Started)
        ]
        .map(own)
    );
}

#[test]
fn reach_says_how_many_trackers_are_used() {
    let tiers: &[&[&str]] = &[&["udp://a", "udp://b"], &["udp://c"]];
    for (reach, is_private, count) in [
        (Reach::OneTracker, false, 1),
        (Reach::OneOfEachTier, false, 2),
        (Reach::EveryTracker, false, 3),
        (Reach::EveryTracker, true, 1),
    ] {
        let mut world = World::with(tiers, |config| {
            config.reach = reach;
            config.is_private = is_private;
        });
        world.start();
        world.run_for(secs(1));
        assert_eq!(world.heard().len(), count, "{reach:?}");
    }
}

#[test]
fn a_private_torrent_switches_trackers_and_says_so() {
    let tiers: &[&[&str]] = &[&["udp://a"], &["udp://b"]];
    let mut world = World::with(tiers, |config| config.is_private = true);
    world.start();
    world.run_for(mins(40));
    world.refuse("udp://a");
    world.run_for(mins(40));
    let expected = [
        ("udp://a", Started),
        ("udp://a", Regular),
        ("udp://a", Regular),
        ("udp://b", Started),
    ];
    assert_eq!(world.heard()[..4], expected.map(own));
    let switches = |world: &World| {
        let events = world.events.iter();
        let urls = events.filter_map(|event| match event {
            Event::Switched { url } => Some(url.to_string()),
            _ => None,
        });
        urls.collect::<Vec<_>>()
    };
    assert_eq!(switches(&world), ["udp://b"]);
    // The better tier is tried again and takes over when it is back (BEP 12).
    world.answer("udp://a");
    world.run_for(mins(60));
    assert_eq!(switches(&world), ["udp://b", "udp://a"]);
    // Leaving both is no switch.
    world.stop();
    world.run_for(secs(1));
    assert_eq!(switches(&world).len(), 2);
    assert!(world.has_stopped());
}

#[test]
fn failures_are_retried_ever_more_slowly() {
    let mut world = World::new(&[&["udp://a"]]);
    world.refuse("udp://a");
    world.start();
    world.run_for(mins(10));
    let mut at = 0.0;
    for ((time, _, event), wait) in world.log.iter().zip([0.0, 17.5, 55.0, 117.5, 205.0]) {
        let waited = time.as_secs_f64() - at;
        at += waited;
        assert!(
            (wait..=wait * 1.1 + 0.001).contains(&waited),
            "{waited} of {wait} s"
        );
        assert_eq!(*event, Started, "what was not acknowledged is said again");
    }
    assert!(world.log.len() >= 5);
}

#[test]
fn hints_for_trying_again_are_honoured() {
    for (retry, count) in [
        (Retry::Unspecified, 4),
        (Retry::After(secs(10)), 4),
        (Retry::After(mins(3)), 2),
        (Retry::After(Duration::MAX), 1),
        (Retry::Never, 1),
    ] {
        let mut world = World::new(&[&["udp://a"]]);
        world.reply("udp://a", Reply::Refuse(retry));
        world.start();
        world.run_for(secs(5 * 60 - 30));
        assert_eq!(world.log.len(), count, "{retry:?}");
    }
}

#[test]
fn never_is_for_that_tracker_only_and_the_user_can_override_it() {
    let mut world = World::new(&[&["udp://a"], &["udp://b"]]);
    world.reply("udp://a", Reply::Refuse(Retry::Never));
    world.start();
    world.run_for(mins(24 * 60));
    let count = |world: &World, url| world.log.iter().filter(|(_, u, _)| u == url).count();
    assert_eq!(count(&world, "udp://a"), 1);
    assert!(count(&world, "udp://b") > 40);
    assert_eq!(world.schedule.trackers()[0].state, TrackerState::GivenUp);

    world.answer("udp://a");
    let now = world.now;
    world.schedule.add_tracker(now, "udp://a").unwrap();
    world.run_for(secs(1));
    assert_eq!(count(&world, "udp://a"), 2);
    assert_eq!(world.schedule.trackers().len(), 2);
}

/// What a tracker names, and when it is announced to next; 60 s is our floor, a day our patience.
#[test]
fn intervals_are_clamped() {
    let (day, none) = (24 * 3600, None);
    for (interval, min_interval, expected) in [
        (1800, none, 1800),
        (0, none, 1800),
        (2, none, 60),
        (120, Some(300), 300),
        (600, Some(300), 600),
        (600, Some(u64::MAX), day),
        (u64::MAX, none, day),
    ] {
        let mut world = World::new(&[&["udp://a"]]);
        world.reply(
            "udp://a",
            Reply::Answer(AnnounceResponse {
                interval: secs(interval),
                min_interval: min_interval.map(secs),
                ..AnnounceResponse::default()
            }),
        );
        world.start();
        world.run_for(secs(1));
        let next = world.schedule.poll_timeout().unwrap() - world.epoch;
        let range = secs(expected)..=secs(expected) + secs(expected) / 10;
        assert!(
            range.contains(&next),
            "{next:?} for {interval} s, {min_interval:?}"
        );
    }
}

#[test]
fn a_tracker_for_tests_may_have_two_seconds() {
    let mut world = World::with(&[&["udp://a"]], |config| config.min_interval = secs(1));
    world.reply("udp://a", answer(2));
    world.start();
    world.run_for(secs(21));
    assert!(
        (10..=11).contains(&world.log.len()),
        "{} announces",
        world.log.len()
    );
}

#[test]
fn wanting_peers_asks_sooner_but_not_before_the_minimum() {
    let mut world = World::new(&[&["udp://a"], &["udp://b"]]);
    let response = AnnounceResponse {
        interval: mins(30),
        min_interval: Some(mins(5)),
        ..AnnounceResponse::default()
    };
    world.reply("udp://a", Reply::Answer(response));
    world.refuse("udp://b");
    world.start();
    world.run_for(secs(1));
    let failing = world.schedule.trackers()[1].next_announce;
    world.schedule.want_peers(world.now);
    assert_eq!(world.schedule.trackers()[1].next_announce, failing);
    world.run_for(mins(10));
    let times = world.log.iter().filter(|(_, url, _)| url == "udp://a");
    assert_eq!(
        times.map(|(time, ..)| time.as_secs()).collect::<Vec<_>>(),
        [0, 300]
    );
}

/// What a tracker names, and when it is announced to although peers are wanted all the time.
#[test]
fn wanting_peers_all_the_time_shortens_long_intervals_only() {
    let minutes = |n: u64| 60 * n;
    for (interval, min_interval, expected) in [
        (1800, None, minutes(5)),
        (0, None, minutes(5)),
        (u64::MAX, None, minutes(5)),
        (120, None, 120),
        (2, None, 60),
        (1800, Some(60), minutes(5)),
        (1800, Some(900), 900),
        (120, Some(900), 900),
        (1800, Some(1800), 1800),
    ] {
        let mut world = World::new(&[&["udp://a"]]);
        let response = AnnounceResponse {
            interval: secs(interval),
            min_interval: min_interval.map(secs),
            ..AnnounceResponse::default()
        };
        world.reply("udp://a", Reply::Answer(response));
        world.start();
        while world.log.len() < 4 {
            world.run_for(secs(1));
            world.schedule.want_peers(world.now);
        }
        let times = world.log.windows(2).map(|pair| pair[1].0 - pair[0].0);
        for waited in times {
            let range = secs(expected)..=secs(expected + 1);
            assert!(
                range.contains(&waited),
                "{waited:?} for {interval} s, {min_interval:?}"
            );
        }
    }
}

#[test]
fn how_eager_it_is_can_be_chosen_down_to_the_floor() {
    for (eager, expected) in [(mins(10), 600), (secs(90), 90), (secs(1), 60)] {
        let mut world = World::with(&[&["udp://a"]], |config| config.eager_interval = eager);
        world.start();
        world.run_for(secs(1));
        world.schedule.want_peers(world.now);
        let next = world.schedule.trackers()[0].next_announce;
        assert_eq!(next, Some(world.epoch + secs(expected)), "{eager:?}");
    }
}

#[test]
fn completion_is_told_at_once_and_once() {
    let mut world = World::new(&[&["udp://a", "udp://b"], &["udp://c"]]);
    let [first, second] = world.order_of_tier(0);
    world.start();
    world.run_for(mins(1));
    world.schedule.set_progress(Progress {
        uploaded: 5,
        downloaded: 100,
        left: 0,
    });
    for _ in 0..2 {
        world.schedule.completed(world.now);
        world.run_for(secs(1));
    }
    let completed = [(first.clone(), Completed), own(("udp://c", Completed))];
    assert_eq!(world.heard()[2..], completed);
    // A tracker that comes into use later hears both events: the download did complete here.
    world.refuse(&first);
    world.run_for(mins(40));
    let later: Vec<_> = world
        .heard()
        .into_iter()
        .filter(|(url, _)| *url == second)
        .collect();
    assert_eq!(later, [(second.clone(), Started), (second, Completed)]);
}

#[test]
fn who_started_complete_does_not_complete() {
    let mut world = World::new(&[&["udp://a"]]);
    world.schedule.set_progress(SEEDING);
    world.start();
    world.schedule.completed(world.now);
    world.run_for(mins(40));
    assert_eq!(
        world.heard(),
        [("udp://a", Started), ("udp://a", Regular)].map(own)
    );
}

#[test]
fn completion_during_an_announce_waits_for_its_end() {
    let mut world = World::new(&[&["udp://a"]]);
    world.reply("udp://a", Reply::Silence);
    world.start();
    world.run_for(secs(1));
    world.schedule.completed(world.now);
    world.run_for(secs(1));
    assert_eq!(world.heard(), [("udp://a", Started)].map(own));
    let id = world.open[0].id;
    world.answer("udp://a");
    world
        .schedule
        .handle_outcome(world.now, id, Ok(AnnounceResponse::default()));
    world.run_for(mins(10));
    assert_eq!(world.heard()[1..], [("udp://a", Completed)].map(own));
}

#[test]
fn a_refused_event_is_said_again() {
    let mut world = World::new(&[&["udp://a"]]);
    world.start();
    world.run_for(secs(1));
    world.refuse("udp://a");
    world.schedule.completed(world.now);
    world.run_for(secs(1));
    world.answer("udp://a");
    world.run_for(mins(50));
    let expected = [Started, Completed, Completed, Regular];
    assert_eq!(world.heard(), expected.map(|event| own(("udp://a", event))));
}

#[test]
fn stopping_tells_who_knows_us_in_one_try_each() {
    let mut world = World::new(&[&["udp://a"], &["udp://b"], &["udp://c"], &["udp://d"]]);
    world.refuse("udp://b");
    world.reply("udp://d", Reply::Silence);
    world.start();
    world.run_for(secs(3));
    let started = world.log.len();
    // It knew us, but is dead now; `d` may know us, as its first announce is under way.
    world.refuse("udp://c");
    world.reply("udp://d", answer(1800));
    world.stop();
    world.run_for(mins(10));
    let expected = [
        ("udp://a", Stopped),
        ("udp://c", Stopped),
        ("udp://d", Stopped),
    ];
    assert_eq!(world.heard()[started..], expected.map(own));
    assert!(world.has_stopped());
    assert_eq!(world.schedule.poll_timeout(), None);
    let stops = world
        .requests
        .iter()
        .filter(|request| request.event == Stopped);
    assert!(stops.clone().all(|request| request.num_want == Some(0)));
    assert_eq!(stops.count(), 3);
}

#[test]
fn stopping_takes_no_longer_than_it_may() {
    let mut world = World::new(&[&["udp://a"], &["udp://b"]]);
    world.start();
    world.run_for(secs(3));
    world.reply("udp://a", Reply::Silence);
    world.stop();
    world.run_for(secs(4));
    assert!(!world.has_stopped());
    let [open] = &world.open[..] else {
        panic!("one announce");
    };
    assert_eq!(open.deadline, world.epoch + secs(8));
    world.run_for(secs(1));
    assert!(world.has_stopped());
    assert!(world.open.is_empty(), "abandoned");
}

#[test]
fn who_waits_in_line_is_not_late() {
    let mut world = World::with(&[&["udp://a"]], |config| {
        config.announce_timeout = secs(50);
    });
    world.reply("udp://a", Reply::Silence);
    world.start();
    world.run_for(secs(1));
    let id = world.open[0].id;
    world.schedule.handle_waiting(id);
    world.run_for(mins(30));
    assert_eq!(world.schedule.poll_timeout(), None);
    world.schedule.handle_begun(world.now, id);
    world.run_for(secs(49));
    assert_eq!(world.open.len(), 1);
    world.run_for(secs(1));
    assert!(world.open.is_empty(), "abandoned");

    // Who stops does not wait for anybody's turn, however often that is said.
    world.run_for(mins(1));
    let again = world.open[0].id;
    assert_ne!(again, id);
    world.schedule.handle_begun(world.now, id);
    world.schedule.handle_waiting(again);
    world.schedule.completed(world.now);
    world.stop();
    world.schedule.handle_waiting(again);
    world.run_for(secs(10));
    assert!(world.has_stopped());
}

#[test]
fn a_completion_just_before_the_stop_is_not_lost() {
    for completes_first in [false, true] {
        let mut world = World::new(&[&["udp://a"]]);
        world.start();
        world.run_for(secs(1));
        world.schedule.completed(world.now);
        if completes_first {
            world.reply("udp://a", Reply::Silence);
            world.run_for(secs(1));
        }
        world.stop();
        world.answer("udp://a");
        if let Some(open) = world.open.pop() {
            world
                .schedule
                .handle_outcome(world.now, open.id, Ok(AnnounceResponse::default()));
        }
        world.run_for(secs(1));
        assert_eq!(
            world.heard(),
            [
                ("udp://a", Started),
                ("udp://a", Completed),
                ("udp://a", Stopped)
            ]
            .map(own)
        );
        assert!(world.has_stopped());
    }
}

#[test]
fn a_stop_without_anybody_to_tell_is_done_at_once() {
    let mut idle = World::new(&[&["udp://a"]]);
    idle.stop();
    assert!(idle.has_stopped());
    let mut lonely = World::new(&[]);
    lonely.start();
    lonely.stop();
    assert!(lonely.has_stopped());
}

#[test]
fn a_torrent_can_be_started_again() {
    let mut world = World::new(&[&["udp://a"]]);
    world.start();
    world.run_for(secs(1));
    world.stop();
    world.run_for(secs(1));
    world.start();
    world.run_for(secs(1));
    // Taken back before it was said.
    world.schedule.stop(world.now);
    world.start();
    world.run_for(secs(1));
    let expected = [Started, Stopped, Started, Started];
    assert_eq!(world.heard(), expected.map(|event| own(("udp://a", event))));
}

#[test]
fn an_announce_without_outcome_is_given_up() {
    let mut world = World::new(&[&["udp://a", "udp://b"]]);
    let [first, second] = world.order();
    world.reply(&first, Reply::Silence);
    world.start();
    world.run_for(secs(31));
    assert_eq!(world.heard(), [(first, Started), (second, Started)]);
    assert_eq!(world.log[1].0, secs(30));
    assert!(world.open.is_empty(), "abandoned");
    assert_eq!(
        world.schedule.trackers()[1].message.as_deref(),
        Some("no answer in time")
    );
}

#[test]
fn outcomes_that_nobody_awaits_change_nothing() {
    let mut world = World::new(&[&["udp://a"]]);
    world.start();
    world.run_for(secs(1));
    let before = format!("{:?}", world.schedule);
    for id in [0, 1, 77] {
        let response = Ok(AnnounceResponse::default());
        world
            .schedule
            .handle_outcome(world.now, AnnounceId(id), response);
    }
    assert_eq!(format!("{:?}", world.schedule), before);
}

#[test]
fn schemes_that_nobody_serves_are_reported_once() {
    let tiers: &[&[&str]] = &[&["gopher://a", "UDP://b"], &["nonsense"]];
    let mut world = World::with(tiers, |config| config.schemes = &["udp"]);
    world.start();
    world.run_for(mins(60));
    let now = world.now;
    world.schedule.add_tracker(now, "http://c").unwrap();
    world.schedule.add_tracker(now, "http://c").unwrap();
    world.run_for(secs(1));
    assert_eq!(world.heard()[..1], [("UDP://b", Started)].map(own));
    assert!(world.log.iter().all(|(_, url, _)| url == "UDP://b"));
    let mut reported = Vec::new();
    for event in &world.events {
        if let Event::Unsupported { url } = event {
            reported.push(url.to_string());
        }
    }
    reported.sort();
    assert_eq!(reported, ["gopher://a", "http://c", "nonsense"]);
}

#[test]
fn added_trackers_come_first_each_in_a_tier_of_its_own() {
    let mut world = World::new(&[&["udp://a"]]);
    world.start();
    world.run_for(secs(1));
    for url in [" udp://b ", "udp://c", "udp://a"] {
        world.schedule.add_tracker(world.now, url).unwrap();
    }
    world.run_for(secs(1));
    let expected = [
        ("udp://a", Started),
        ("udp://c", Started),
        ("udp://b", Started),
    ];
    assert_eq!(world.heard(), expected.map(own));
    let tiers = world.schedule.trackers();
    let tiers: Vec<_> = tiers.iter().map(|t| (&*t.url, t.tier)).collect();
    assert_eq!(tiers, [("udp://c", 0), ("udp://b", 1), ("udp://a", 2)]);
}

#[test]
fn trackers_are_bounded() {
    let tier = (0..600).map(|n| format!("udp://{n}")).collect();
    let mut schedule = Schedule::new(vec![tier], config(), [7; 32]);
    assert_eq!(schedule.trackers().len(), MAX_TRACKERS);
    let added = schedule.add_tracker(epoch(), "udp://more");
    assert_eq!(added, Err(TooManyTrackers));
}

#[test]
fn what_a_tracker_said_is_shown_and_its_id_sent_back() {
    let mut world = World::new(&[&["udp://a"]]);
    world.reply("udp://a", Reply::Silence);
    world.start();
    world.run_for(secs(1));
    assert_eq!(world.schedule.trackers()[0].state, TrackerState::Announcing);
    let response = AnnounceResponse {
        interval: mins(30),
        seeders: Some(3),
        leechers: Some(4),
        peers: vec![([192, 0, 2, 1], 1).into(); 2000],
        tracker_id: Some(b"id".to_vec()),
        warning: Some("old client".into()),
        ..AnnounceResponse::default()
    };
    let id = world.open.pop().unwrap().id;
    world.schedule.handle_outcome(world.now, id, Ok(response));
    let [status] = &world.schedule.trackers()[..] else {
        panic!("one tracker");
    };
    assert_eq!(status.state, TrackerState::Working);
    assert_eq!(
        (status.seeders, status.leechers, status.peers),
        (Some(3), Some(4), MAX_PEERS)
    );
    assert_eq!(status.message.as_deref(), Some("old client"));
    assert!(status.next_announce >= Some(world.now + mins(30)));
    world.now = world.schedule.poll_timeout().unwrap();
    let next = world.schedule.poll_announce(world.now).unwrap();
    assert_eq!(next.tracker_id.as_deref(), Some(&b"id"[..]));
}

/// A hundred torrents of one tracker, started together, spread over a tenth of the interval.
#[test]
fn torrents_do_not_stampede() {
    let mut times = BTreeSet::new();
    for seed in 0..100 {
        let mut world = World::new(&[&["udp://a"]]);
        world.schedule = Schedule::new(vec![vec!["udp://a".into()]], config(), [seed; 32]);
        world.start();
        world.run_for(secs(1));
        times.insert(world.schedule.poll_timeout().unwrap() - world.epoch);
    }
    assert!(times.len() > 90);
    let spread = *times.last().unwrap() - *times.first().unwrap();
    assert!(spread > secs(150), "{spread:?}");
}

#[test]
fn the_seed_decides_the_order_within_a_tier() {
    let urls: Vec<String> = (0..8).map(|n| format!("udp://{n}")).collect();
    let order = |seed| {
        let schedule = Schedule::new(vec![urls.clone()], config(), [seed; 32]);
        let status = schedule.trackers();
        status
            .into_iter()
            .map(|t| t.url.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(order(1), order(1));
    assert!((2..10).any(|seed| order(seed) != order(1)));
    for position in 0..8 {
        let fronts: BTreeSet<_> = (0..200)
            .map(|seed| order(seed).swap_remove(position))
            .collect();
        assert_eq!(fronts.len(), 8, "each can be at place {position}");
    }
    let mut sorted = order(1);
    sorted.sort();
    assert_eq!(sorted, urls);
}

proptest! {
    /// Whatever trackers answer and the user does: each tracker hears its events in order and
    /// those that it acknowledged only once, nobody is asked sooner than allowed, and a tracker
    /// that can be used is used in the end.
    #[test]
    fn events_are_told_once_and_intervals_kept(
        reach in prop::sample::select(vec![Reach::OneTracker, Reach::OneOfEachTier, Reach::EveryTracker]),
        is_private: bool,
        steps in prop::collection::vec(any_step(), 0..120),
    ) {
        let tiers: &[&[&str]] = &[&["udp://a", "udp://b"], &["udp://c", "no://d"], &["udp://e"]];
        let mut world = World::with(tiers, |config| {
            config.reach = reach;
            config.is_private = is_private;
        });
        let mut judge = Judge::default();
        world.start();
        for step in steps {
            world.step(step, &mut judge)?;
        }
        // In the end everything answers.
        world.replies.clear();
        if matches!(world.schedule.phase, Phase::Running { .. }) {
            let usable = world.schedule.trackers().into_iter().any(|tracker| {
                !matches!(tracker.state, TrackerState::Unsupported | TrackerState::GivenUp)
            });
            while !world.open.is_empty() {
                world.step(Step::Outcome { open: 0, refuses: false, interval: 9 }, &mut judge)?;
            }
            let before = world.log.len();
            for _ in 0..3 {
                let Some(at) = world.schedule.poll_timeout() else { break };
                world.now = at.max(world.now);
                world.schedule.handle_timeout(world.now);
                world.drain(&mut judge)?;
            }
            prop_assert!(!usable || world.log.len() > before, "nobody is announced to any more");
        }
        world.stop();
        world.drain(&mut judge)?;
        if let Some(at) = world.schedule.poll_timeout() {
            world.now = at.max(world.now);
            world.schedule.handle_timeout(world.now);
            world.drain(&mut judge)?;
        }
        prop_assert!(world.has_stopped());
        prop_assert!(world.open.is_empty());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Outcome {
        open: usize,
        refuses: bool,
        interval: u64,
    },
    Give(usize, Retry),
    Completed,
    WantPeers,
    Stop,
    Start,
}

fn any_step() -> impl Strategy<Value = Step> {
    let retry = prop_oneof![
        Just(Retry::Unspecified),
        (0u64..200).prop_map(|n| Retry::After(secs(n))),
        Just(Retry::Never),
    ];
    prop_oneof![
        8 => (0u64..2000).prop_map(Step::Advance),
        12 => (0usize..4, any::<bool>(), 0u64..4000)
            .prop_map(|(open, refuses, interval)| Step::Outcome { open, refuses, interval }),
        2 => (0usize..4, retry).prop_map(|(open, retry)| Step::Give(open, retry)),
        1 => Just(Step::Completed),
        1 => Just(Step::WantPeers),
        1 => Just(Step::Stop),
        1 => Just(Step::Start),
    ]
}

/// Knows what each tracker may be told, by rules that look only at what was said and answered.
#[derive(Default)]
struct Judge {
    heard: BTreeMap<String, Heard>,
}

#[derive(Clone, Default)]
struct Heard {
    acknowledged: Vec<AnnounceEvent>,
    open: Option<AnnounceEvent>,
    not_before: Option<Instant>,
}

impl Judge {
    fn announced(&mut self, now: Instant, announce: &Announce) -> Result<(), TestCaseError> {
        let heard = self.heard.entry(announce.url.to_string()).or_default();
        let event = announce.request.event;
        prop_assert_eq!(
            heard.open.replace(event),
            None,
            "two at once to {}",
            announce.url
        );
        prop_assert!(
            event == Regular || !heard.acknowledged.contains(&event),
            "{:?} twice",
            event
        );
        let started = heard.acknowledged.contains(&Started);
        match event {
            Started => prop_assert!(!started),
            // A first `Started` may have been under way when we stopped.
            Stopped => {}
            Completed | Regular => prop_assert!(started, "{:?} before the start", event),
        }
        if let (Regular, Some(at)) = (event, heard.not_before) {
            prop_assert!(now >= at, "{:?} too early", at - now);
        }
        Ok(())
    }

    fn ended(&mut self, announce: &Announce, ok: bool, not_before: Instant) {
        if let Some(heard) = self.heard.get_mut(&*announce.url) {
            let event = heard.open.take();
            // A newer answer replaces what an older one asked for; a failure does not.
            let asked = heard.not_before.filter(|_| !ok);
            heard.not_before = asked.max(Some(not_before));
            if announce.request.event == Stopped {
                heard.acknowledged.clear();
            } else if ok {
                heard
                    .acknowledged
                    .extend(event.filter(|event| *event != Regular));
            }
        }
    }

    fn restarted(&mut self) {
        for heard in self.heard.values_mut() {
            heard.acknowledged.clear();
        }
    }
}

impl World {
    fn step(&mut self, step: Step, judge: &mut Judge) -> Result<(), TestCaseError> {
        match step {
            Step::Advance(seconds) => {
                self.now += secs(seconds);
                self.schedule.handle_timeout(self.now);
            }
            Step::Outcome {
                open,
                refuses,
                interval,
            } if open < self.open.len() => {
                let announce = self.open.remove(open);
                let outcome = match refuses {
                    true => Err(failure(Retry::Unspecified)),
                    false => Ok(AnnounceResponse {
                        interval: secs(interval),
                        min_interval: Some(secs(interval / 2)),
                        ..AnnounceResponse::default()
                    }),
                };
                let wait = if refuses {
                    secs(17)
                } else {
                    let shortened = if interval == 0 {
                        300
                    } else {
                        interval.min(300)
                    };
                    secs(shortened.max(interval / 2).max(60))
                };
                judge.ended(&announce, !refuses, self.now + wait);
                self.schedule.handle_outcome(self.now, announce.id, outcome);
            }
            Step::Give(open, retry) if open < self.open.len() => {
                let announce = self.open.remove(open);
                let wait = match retry {
                    Retry::After(hint) => hint.max(secs(17)),
                    Retry::Unspecified => secs(17),
                    Retry::NoAddress => mins(60),
                    Retry::Never => secs(1_000_000_000),
                };
                judge.ended(&announce, false, self.now + wait);
                self.schedule
                    .handle_outcome(self.now, announce.id, Err(failure(retry)));
            }
            Step::Outcome { .. } | Step::Give(..) => {}
            Step::Completed => self.schedule.completed(self.now),
            Step::WantPeers => self.schedule.want_peers(self.now),
            Step::Stop => self.schedule.stop(self.now),
            Step::Start => {
                if !matches!(self.schedule.phase, Phase::Running { .. }) {
                    judge.restarted();
                }
                self.schedule.set_progress(Progress::UNKNOWN);
                self.schedule.start(self.now);
            }
        }
        self.drain(judge)
    }

    /// Takes events before announces, as an abandoned announce makes room for the next.
    fn drain(&mut self, judge: &mut Judge) -> Result<(), TestCaseError> {
        self.schedule.check_invariants();
        while let Some(event) = self.schedule.poll_event() {
            if let Event::Abandoned { id } = event {
                if let Some(at) = self.open.iter().position(|open| open.id == id) {
                    judge.ended(&self.open.remove(at), false, self.now);
                }
            }
            self.events.push(event);
        }
        while let Some(announce) = self.schedule.poll_announce(self.now) {
            self.schedule.check_invariants();
            judge.announced(self.now, &announce)?;
            self.note(&announce);
            self.open.push(announce);
        }
        let timeout = self.schedule.poll_timeout();
        prop_assert!(timeout.is_none_or(|at| at > self.now), "would spin");
        Ok(())
    }
}

/// A schedule, the time, and trackers that reply at once.
struct World {
    schedule: Schedule,
    epoch: Instant,
    now: Instant,
    replies: BTreeMap<String, Reply>,
    /// When, whom, what; from the first announce on.
    log: Vec<(Duration, String, AnnounceEvent)>,
    requests: Vec<AnnounceRequest>,
    /// Announces without an outcome.
    open: Vec<Announce>,
    events: Vec<Event>,
}

/// What a tracker does; [`answer`] by default.
#[derive(Clone)]
enum Reply {
    Answer(AnnounceResponse),
    Refuse(Retry),
    Silence,
}

impl World {
    fn new(tiers: &[&[&str]]) -> Self {
        Self::with(tiers, |_| {})
    }

    fn with(tiers: &[&[&str]], adjust: impl FnOnce(&mut Config)) -> Self {
        let owned = |tier: &&[&str]| tier.iter().map(|url| (*url).to_owned()).collect();
        let mut config = config();
        adjust(&mut config);
        let epoch = epoch();
        Self {
            schedule: Schedule::new(tiers.iter().map(owned).collect(), config, [7; 32]),
            epoch,
            now: epoch,
            replies: BTreeMap::new(),
            log: Vec::new(),
            requests: Vec::new(),
            open: Vec::new(),
            events: Vec::new(),
        }
    }

    fn reply(&mut self, url: &str, reply: Reply) {
        self.replies.insert(url.into(), reply);
    }

    fn refuse(&mut self, url: &str) {
        self.reply(url, Reply::Refuse(Retry::Unspecified));
    }

    fn answer(&mut self, url: &str) {
        self.reply(url, answer(1800));
    }

    fn start(&mut self) {
        self.schedule.start(self.now);
    }

    fn stop(&mut self) {
        self.schedule.stop(self.now);
        self.settle();
    }

    fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.settle();
        while let Some(at) = self.schedule.poll_timeout().filter(|at| *at <= end) {
            assert!(at > self.now, "would spin");
            self.now = at;
            self.schedule.handle_timeout(at);
            self.settle();
        }
        self.now = end;
    }

    /// Carries out whatever is due now.
    fn settle(&mut self) {
        self.take_events();
        while let Some(announce) = self.schedule.poll_announce(self.now) {
            self.schedule.check_invariants();
            self.note(&announce);
            let reply = self
                .replies
                .get(&*announce.url)
                .cloned()
                .unwrap_or(answer(1800));
            let outcome = match reply {
                Reply::Answer(response) => Ok(response),
                Reply::Refuse(retry) => Err(failure(retry)),
                Reply::Silence => {
                    self.open.push(announce);
                    continue;
                }
            };
            self.schedule.handle_outcome(self.now, announce.id, outcome);
            self.take_events();
        }
    }

    fn take_events(&mut self) {
        self.schedule.check_invariants();
        while let Some(event) = self.schedule.poll_event() {
            if let Event::Abandoned { id } = event {
                self.open.retain(|open| open.id != id);
            }
            self.events.push(event);
        }
    }

    fn note(&mut self, announce: &Announce) {
        let (url, event) = (announce.url.to_string(), announce.request.event);
        self.log.push((self.now - self.epoch, url, event));
        self.requests.push(announce.request);
    }

    fn heard(&self) -> Vec<(String, AnnounceEvent)> {
        let log = self.log.iter();
        log.map(|(_, url, event)| (url.clone(), *event)).collect()
    }

    fn has_stopped(&self) -> bool {
        self.events.last() == Some(&Event::Stopped)
    }

    fn order<const N: usize>(&self) -> [String; N] {
        let trackers = self.schedule.trackers().into_iter();
        let urls: Vec<_> = trackers.map(|tracker| tracker.url.to_string()).collect();
        urls.try_into().unwrap()
    }

    fn order_of_tier<const N: usize>(&self, tier: u32) -> [String; N] {
        let trackers = self.schedule.trackers().into_iter();
        let trackers = trackers.filter(|tracker| tracker.tier == tier);
        let urls: Vec<_> = trackers.map(|tracker| tracker.url.to_string()).collect();
        urls.try_into().unwrap()
    }
}

fn answer(interval: u64) -> Reply {
    Reply::Answer(AnnounceResponse {
        interval: secs(interval),
        ..AnnounceResponse::default()
    })
}

fn failure(retry: Retry) -> AnnounceFailure {
    AnnounceFailure {
        message: "no".into(),
        retry,
    }
}

fn own((url, event): (&str, AnnounceEvent)) -> (String, AnnounceEvent) {
    (url.into(), event)
}

fn config() -> Config {
    Config::new(Identity {
        swarm_id: SwarmId([1; 20]),
        peer_id: PeerId([2; 20]),
        key: 3,
        port: 6881,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary epoch; only offsets from it matter"
)]
fn epoch() -> Instant {
    Instant::now()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn mins(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

const SEEDING: Progress = Progress {
    uploaded: 0,
    downloaded: 0,
    left: 0,
};
