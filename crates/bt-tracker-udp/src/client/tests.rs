use bt_types::PeerId;
use proptest::prelude::*;

use super::*;
use crate::wire::Request;

/// BEP 15's own examples: what is sent at which second.
#[test]
fn timelines_of_bep_15() {
    use Kind::{Announce, Connect};
    let lost_connect = [(0, Connect), (15, Connect), (45, Connect), (105, Connect)];
    assert_eq!(timeline(None)[..4], lost_connect);
    // Connected at 2 here, so that the announce goes out at 2 as in the example.
    let lost_announce = [
        (2, Announce),
        (17, Announce),
        (47, Announce),
        (107, Connect),
        (227, Connect),
    ];
    assert_eq!(timeline(Some(2))[1..6], lost_announce);
}

#[test]
fn a_dead_tracker_is_given_up_after_the_last_attempt() {
    let (mut tracker, epoch) = tracker();
    let id = tracker.announce(epoch, request(1)).unwrap();
    let mut last = epoch;
    while let Some(now) = tracker.poll_timeout() {
        assert_eq!(tracker.poll_event(), None);
        tracker.handle_timeout(now);
        tracker.check_invariants();
        last = now;
    }
    assert_eq!(
        last,
        epoch + secs(15 * (1 + 2 + 4 + 8 + 16 + 32 + 64 + 128 + 256))
    );
    assert_eq!(tracker.poll_event(), Some(ended(id, Outcome::TimedOut)));
    assert_eq!(tracker.poll_event(), None);
    assert_eq!(transmits(&mut tracker).len(), BEP_15_ATTEMPTS as usize);
}

#[test]
fn a_tracker_that_connects_but_never_answers_is_given_up_too() {
    let (mut tracker, epoch) = tracker();
    let id = tracker.announce(epoch, request(1)).unwrap();
    let mut now = epoch;
    for _ in 0..1000 {
        for transmit in transmits(&mut tracker) {
            if kind(&transmit) == Kind::Connect {
                tracker
                    .handle_datagram(now, TRACKER, &connected(&transmit))
                    .unwrap();
            }
        }
        let Some(next) = tracker.poll_timeout() else {
            break;
        };
        now = next;
        tracker.handle_timeout(now);
        tracker.check_invariants();
    }
    assert_eq!(tracker.poll_event(), Some(ended(id, Outcome::TimedOut)));
}

#[test]
fn stopping_is_attempted_once() {
    let (mut tracker, epoch) = tracker();
    let stopped = AnnounceRequest {
        event: AnnounceEvent::Stopped,
        ..request(1)
    };
    let id = tracker.announce(epoch, stopped).unwrap();
    assert_eq!(tracker.poll_timeout(), Some(epoch + secs(15)));
    tracker.handle_timeout(epoch + secs(15));
    assert_eq!(tracker.poll_event(), Some(ended(id, Outcome::TimedOut)));
    assert_eq!(transmits(&mut tracker).len(), 1);
}

#[test]
fn many_requests_share_one_connect() {
    let (mut tracker, epoch) = tracker();
    for second in 0..10 {
        tracker
            .announce(epoch + secs(second), request(second as u8))
            .unwrap();
    }
    let first = transmits(&mut tracker);
    assert_eq!(first.len(), 1);
    // Nor does each of them retransmit it for itself.
    for second in 15..25 {
        tracker.handle_timeout(epoch + secs(second));
    }
    let again = transmits(&mut tracker);
    assert_eq!(again, first);
    tracker
        .handle_datagram(epoch + secs(25), TRACKER, &connected(&first[0]))
        .unwrap();
    let announces = transmits(&mut tracker);
    assert_eq!(announces.len(), 10);
    assert!(
        announces
            .iter()
            .all(|transmit| kind(transmit) == Kind::Announce)
    );
    tracker.check_invariants();
}

#[test]
fn answers_find_their_requests_in_any_order() {
    let (mut tracker, epoch) = connected_tracker();
    let ids = [1, 2, 3].map(|n| tracker.announce(epoch, request(n)).unwrap());
    let asked = transmits(&mut tracker);
    for index in [2, 0, 1] {
        tracker
            .handle_datagram(epoch, TRACKER, &announced(&asked[index]))
            .unwrap();
        assert_eq!(tracker.poll_event().unwrap().id, ids[index]);
        let twice = tracker.handle_datagram(epoch, TRACKER, &announced(&asked[index]));
        assert_eq!(twice, Err(DatagramError::Unsolicited));
    }
    assert_eq!(tracker.poll_timeout(), None);
}

/// BEP 15: "can be used for multiple requests", for one minute.
#[test]
fn a_connection_id_is_used_for_a_minute_and_no_longer() {
    for (second, expected) in [(59, Kind::Announce), (60, Kind::Connect)] {
        let (mut tracker, epoch) = connected_tracker();
        tracker.announce(epoch + secs(second), request(2)).unwrap();
        let [transmit] = &transmits(&mut tracker)[..] else {
            panic!("one datagram");
        };
        assert_eq!(kind(transmit), expected, "at {second} s");
    }
}

#[test]
fn a_late_answer_to_the_first_copy_counts() {
    let (mut tracker, epoch) = connected_tracker();
    let id = tracker.announce(epoch, request(1)).unwrap();
    let first = transmits(&mut tracker).remove(0);
    for second in [15, 45, 105] {
        tracker.handle_timeout(epoch + secs(second));
    }
    assert_eq!(kind(transmits(&mut tracker).last().unwrap()), Kind::Connect);
    tracker
        .handle_datagram(epoch + secs(106), TRACKER, &announced(&first))
        .unwrap();
    assert_eq!(tracker.poll_event().unwrap().id, id);
    assert_eq!(tracker.poll_timeout(), None);
    tracker.check_invariants();
}

#[test]
fn a_disowned_connection_is_renewed_once() {
    let (mut tracker, epoch) = connected_tracker();
    let ids = [1, 2].map(|n| tracker.announce(epoch, request(n)).unwrap());
    let text = "Connection ID missmatch.\0";
    for asked in transmits(&mut tracker) {
        tracker
            .handle_datagram(epoch, TRACKER, &error(&asked, text))
            .unwrap();
    }
    let connect = transmits(&mut tracker);
    assert_eq!(connect.len(), 1, "both wait for one connect");
    tracker
        .handle_datagram(epoch, TRACKER, &connected(&connect[0]))
        .unwrap();
    let again = transmits(&mut tracker);
    assert_eq!(again.len(), 2);
    tracker
        .handle_datagram(epoch, TRACKER, &error(&again[0], text))
        .unwrap();
    let refused = Outcome::Refused("Connection ID missmatch.".into());
    assert_eq!(tracker.poll_event(), Some(ended(ids[0], refused)));
    tracker
        .handle_datagram(epoch, TRACKER, &announced(&again[1]))
        .unwrap();
    assert_eq!(tracker.poll_event().unwrap().id, ids[1]);
}

#[test]
fn refusals_of_every_kind() {
    let (mut tracker, epoch) = connected_tracker();
    let id = tracker.announce(epoch, request(1)).unwrap();
    let asked = transmits(&mut tracker).remove(0);
    tracker
        .handle_datagram(epoch, TRACKER, &error(&asked, "not\nhere"))
        .unwrap();
    let refused = Outcome::Refused(r"not\u{a}here".into());
    assert_eq!(tracker.poll_event(), Some(ended(id, refused)));

    let id = tracker.announce(epoch, request(1)).unwrap();
    let asked = transmits(&mut tracker).remove(0);
    tracker
        .handle_datagram(epoch, TRACKER, &announced(&asked)[..8])
        .unwrap();
    let refused = Outcome::Refused(EMPTY_ANNOUNCE.into());
    assert_eq!(tracker.poll_event(), Some(ended(id, refused)));

    // A refused connect ends whatever waits for it.
    let later = epoch + secs(3600);
    let ids = [1, 2].map(|n| tracker.announce(later, request(n)).unwrap());
    let connect = transmits(&mut tracker).remove(0);
    tracker
        .handle_datagram(later, TRACKER, &error(&connect, "go away"))
        .unwrap();
    for id in ids {
        let refused = Outcome::Refused("go away".into());
        assert_eq!(tracker.poll_event(), Some(ended(id, refused)));
    }
    tracker.check_invariants();
}

#[test]
fn scrapes_are_matched_by_position_and_cut_to_what_was_asked() {
    let (mut tracker, epoch) = connected_tracker();
    let swarms = [SwarmId([1; 20]), SwarmId([2; 20])];
    for (entries, expected) in [(1, 1), (2, 2), (3, 2)] {
        let id = tracker.scrape(epoch, &swarms).unwrap();
        let asked = transmits(&mut tracker).remove(0);
        let entries = vec![ScrapeEntry::default(); entries];
        let answer = respond(&asked, Response::Scrape(entries));
        tracker.handle_datagram(epoch, TRACKER, &answer).unwrap();
        let scraped = Outcome::Scraped(vec![ScrapeEntry::default(); expected]);
        assert_eq!(tracker.poll_event(), Some(ended(id, scraped)));
    }
    assert_eq!(tracker.scrape(epoch, &[]), Err(ScrapeError::Count(0)));
    let many = [SwarmId([0; 20]); MAX_SCRAPE + 1];
    assert_eq!(tracker.scrape(epoch, &many), Err(ScrapeError::Count(75)));
}

#[test]
fn only_the_tracker_is_listened_to() {
    let (mut tracker, epoch) = connected_tracker();
    tracker.announce(epoch, request(1)).unwrap();
    let asked = transmits(&mut tracker).remove(0);
    let answer = announced(&asked);
    for from in ["127.0.0.1:6970", "127.0.0.2:6969", "[::1]:6969"] {
        let from = from.parse().unwrap();
        let wrong = DatagramError::WrongSource {
            from,
            expected: TRACKER,
        };
        assert_eq!(tracker.handle_datagram(epoch, from, &answer), Err(wrong));
    }
    // The action must fit as well.
    let scraped = respond(&asked, Response::Scrape(vec![]));
    let unsolicited = Err(DatagramError::Unsolicited);
    assert_eq!(
        tracker.handle_datagram(epoch, TRACKER, &scraped),
        unsolicited
    );
    assert_eq!(
        tracker.handle_datagram(epoch, TRACKER, &connected(&asked)),
        unsolicited
    );
    // A socket for both families reports the same host so.
    let mapped = "[::ffff:127.0.0.1]:6969".parse().unwrap();
    assert_eq!(tracker.handle_datagram(epoch, mapped, &answer), Ok(()));
}

#[test]
fn a_cancelled_request_ends_without_an_event() {
    let (mut tracker, epoch) = tracker();
    let id = tracker.announce(epoch, request(1)).unwrap();
    let connect = transmits(&mut tracker).remove(0);
    tracker.cancel(epoch, id);
    tracker.check_invariants();
    assert_eq!(tracker.poll_timeout(), None);
    let late = tracker.handle_datagram(epoch, TRACKER, &connected(&connect));
    assert_eq!(late, Err(DatagramError::Unsolicited));
    assert_eq!(tracker.poll_event(), None);
}

#[test]
fn no_more_than_the_tracker_can_take_are_asked_at_a_time() {
    let (mut tracker, epoch) = tracker();
    let count = 2 * MAX_UNANSWERED + 10;
    let ask = |tracker: &mut UdpTracker| tracker.announce(epoch, request(1)).unwrap();
    let ids: Vec<_> = (0..count).map(|_| ask(&mut tracker)).collect();
    let connect = transmits(&mut tracker).remove(0);
    let connected = connected(&connect);
    tracker.handle_datagram(epoch, TRACKER, &connected).unwrap();
    let mut asked = transmits(&mut tracker);
    assert_eq!(asked.len(), MAX_UNANSWERED);

    // One that is answered, and one that nobody wants any more, make room for the next ones.
    let answer = announced(&asked[0]);
    tracker.handle_datagram(epoch, TRACKER, &answer).unwrap();
    assert_eq!(tracker.poll_event().unwrap().id, ids[0]);
    tracker.cancel(epoch, ids[1]);
    tracker.check_invariants();
    asked.extend(transmits(&mut tracker));
    assert_eq!(asked.len(), MAX_UNANSWERED + 2);

    let mut ended = Vec::new();
    let mut asked = asked.split_off(2);
    while !asked.is_empty() {
        assert!(asked.len() <= MAX_UNANSWERED);
        for asked in &asked {
            let answer = announced(asked);
            tracker.handle_datagram(epoch, TRACKER, &answer).unwrap();
            ended.push(tracker.poll_event().unwrap().id);
        }
        asked = transmits(&mut tracker);
    }
    assert_eq!(ended, ids[2..], "each in its turn");
    tracker.check_invariants();
}

#[test]
fn goodbyes_do_not_wait_and_nothing_is_sent_that_is_forgotten_at_once() {
    let (mut tracker, epoch) = connected_tracker();
    let ids: Vec<_> = (0..2 * MAX_UNANSWERED)
        .map(|_| tracker.announce(epoch, request(1)).unwrap())
        .collect();
    assert_eq!(transmits(&mut tracker).len(), MAX_UNANSWERED);
    let stopped = AnnounceRequest {
        event: AnnounceEvent::Stopped,
        ..request(2)
    };
    let goodbye = tracker.announce(epoch, stopped).unwrap();
    assert_eq!(transmits(&mut tracker).len(), 1);
    tracker.check_invariants();
    tracker.retain(epoch, |id| id == goodbye || id == ids[MAX_UNANSWERED + 9]);
    tracker.check_invariants();
    assert_eq!(transmits(&mut tracker).len(), 1, "the one that is left");
    assert_eq!(tracker.pending_count(), 2);
}

#[test]
fn waiting_for_a_turn_counts() {
    let (mut tracker, epoch) = connected_tracker();
    for _ in 0..MAX_UNANSWERED {
        tracker.announce(epoch, request(1)).unwrap();
    }
    let late = tracker.announce_with_attempts(epoch, request(2), 1);
    let late = late.unwrap();
    assert_eq!(transmits(&mut tracker).len(), MAX_UNANSWERED);
    tracker.handle_timeout(epoch + secs(15));
    assert_eq!(tracker.poll_event(), Some(ended(late, Outcome::NoTurn)));
    assert_eq!(transmits(&mut tracker).len(), MAX_UNANSWERED);
}

#[test]
fn pending_requests_are_bounded() {
    let (mut tracker, epoch) = tracker();
    for n in 0..MAX_PENDING_REQUESTS {
        tracker.announce(epoch, request(n as u8)).unwrap();
    }
    assert_eq!(tracker.announce(epoch, request(0)), Err(Busy));
    assert_eq!(
        tracker.scrape(epoch, &[SwarmId([0; 20])]),
        Err(ScrapeError::Busy(Busy))
    );
    assert_eq!(tracker.pending_count(), MAX_PENDING_REQUESTS);
}

#[test]
fn early_wake_ups_are_harmless() {
    let (mut tracker, epoch) = tracker();
    tracker.announce(epoch, request(1)).unwrap();
    let _connect = tracker.poll_transmit();
    tracker.handle_timeout(epoch + secs(14));
    assert_eq!(tracker.poll_transmit(), None);
}

#[test]
fn ipv6_peers_come_from_ipv6_trackers() {
    let v6: SocketAddr = "[2001:db8::1]:6969".parse().unwrap();
    let mut tracker = UdpTracker::new(v6, "", [7; 32]);
    let epoch = epoch();
    tracker.announce(epoch, request(1)).unwrap();
    let connect = transmits(&mut tracker).remove(0);
    tracker
        .handle_datagram(epoch, v6, &connected(&connect))
        .unwrap();
    let asked = transmits(&mut tracker).remove(0);
    let mut answer = announced(&asked)[..20].to_vec();
    answer.extend([0x20; 17]);
    answer.push(0x21);
    tracker.handle_datagram(epoch, v6, &answer).unwrap();
    let Some(Outcome::Announced(response)) = tracker.poll_event().map(|event| event.outcome) else {
        panic!("an answer");
    };
    let peer = "[2020:2020:2020:2020:2020:2020:2020:2020]:8225"
        .parse()
        .unwrap();
    assert_eq!(response.peers, [peer]);
}

#[test]
fn url_data_travels_with_announces_only() {
    let mut tracker = UdpTracker::new(TRACKER, "/announce?key=1", [7; 32]);
    let epoch = epoch();
    tracker.announce(epoch, request(1)).unwrap();
    tracker.scrape(epoch, &[SwarmId([1; 20])]).unwrap();
    let connect = transmits(&mut tracker).remove(0);
    tracker
        .handle_datagram(epoch, TRACKER, &connected(&connect))
        .unwrap();
    let [announce, scrape] = &transmits(&mut tracker)[..] else {
        panic!("two datagrams");
    };
    let (_, announce) = Request::decode(&announce.payload).unwrap();
    assert!(
        matches!(announce, Request::Announce { url_data, .. } if url_data == b"/announce?key=1")
    );
    assert_eq!(scrape.payload.len(), 36);
}

proptest! {
    #[test]
    fn ignored_datagrams_change_nothing(bytes: Vec<u8>, tid_of in 0usize..4, action in 0u8..5) {
        let (mut tracker, epoch) = connected_tracker();
        tracker.announce(epoch, request(1)).unwrap();
        tracker.scrape(epoch, &[SwarmId([1; 20])]).unwrap();
        // Beyond the life of the id, so that one waits for a connect while two await answers.
        tracker.announce(epoch + secs(61), request(2)).unwrap();
        let sent = transmits(&mut tracker);
        let tid = sent.get(tid_of).map_or([0; 4], |t| t.payload[12..16].try_into().unwrap());
        let datagram = [&[0, 0, 0, action], &tid[..], &bytes[..]].concat();
        for datagram in [&bytes[..], &datagram] {
            let before = format!("{tracker:?}");
            if tracker.handle_datagram(epoch, TRACKER, datagram).is_err() {
                prop_assert_eq!(before, format!("{:?}", tracker));
            }
            tracker.check_invariants();
        }
    }

    /// Whatever the network does, each request ends exactly once.
    #[test]
    fn every_request_ends_exactly_once(fates in prop::collection::vec(0u8..6, 1..200)) {
        let (mut tracker, mut now) = tracker();
        let mut open = std::collections::BTreeSet::new();
        let mut unanswered = Vec::new();
        for (step, fate) in fates.into_iter().enumerate() {
            match fate {
                0 => { open.insert(tracker.announce(now, request(step as u8)).unwrap()); }
                1 => { open.insert(tracker.scrape(now, &[SwarmId([3; 20])]).unwrap()); }
                2 => now += secs(step as u64 % 20),
                3 => {
                    now = tracker.poll_timeout().map_or(now, |at| at.max(now));
                    tracker.handle_timeout(now);
                }
                _ => if let Some(transmit) = unanswered.pop() {
                    let answer = match kind(&transmit) {
                        Kind::Connect => connected(&transmit),
                        Kind::Announce if fate == 4 => announced(&transmit),
                        Kind::Scrape if fate == 4 => respond(&transmit, Response::Scrape(vec![])),
                        _ => error(&transmit, "bad connection id"),
                    };
                    let _ = tracker.handle_datagram(now, TRACKER, &answer);
                },
            }
            tracker.check_invariants();
            unanswered.extend(transmits(&mut tracker));
            while let Some(event) = tracker.poll_event() {
                prop_assert!(open.remove(&event.id), "{:?} ended twice", event.id);
            }
        }
        while let Some(now) = tracker.poll_timeout() {
            tracker.handle_timeout(now);
        }
        while let Some(event) = tracker.poll_event() {
            prop_assert!(open.remove(&event.id), "{:?} ended twice", event.id);
        }
        prop_assert!(open.is_empty(), "never ended: {:?}", open);
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Connect,
    Announce,
    Scrape,
}

/// What is sent, and at which second, if connects are answered at the given second or never.
fn timeline(connected_at: Option<u64>) -> Vec<(u64, Kind)> {
    let (mut tracker, epoch) = tracker();
    tracker.announce(epoch, request(1)).unwrap();
    let mut sent = transmits(&mut tracker);
    let mut timeline = vec![(0, Kind::Connect)];
    if let Some(second) = connected_at {
        let answer = connected(&sent.remove(0));
        tracker
            .handle_datagram(epoch + secs(second), TRACKER, &answer)
            .unwrap();
        timeline.extend(transmits(&mut tracker).iter().map(|t| (second, kind(t))));
    }
    while let Some(now) = tracker.poll_timeout() {
        tracker.handle_timeout(now);
        let second = (now - epoch).as_secs();
        timeline.extend(transmits(&mut tracker).iter().map(|t| (second, kind(t))));
    }
    timeline
}

fn kind(transmit: &Transmit) -> Kind {
    match Request::decode(&transmit.payload).unwrap().1 {
        Request::Connect => Kind::Connect,
        Request::Announce { .. } => Kind::Announce,
        Request::Scrape { .. } => Kind::Scrape,
    }
}

fn respond(to: &Transmit, response: Response) -> Vec<u8> {
    let mut out = Vec::new();
    let transaction_id = Request::transaction_id_of(&to.payload).unwrap();
    response.encode(transaction_id, Family::V4, &mut out);
    out
}

fn connected(to: &Transmit) -> Vec<u8> {
    respond(to, Response::Connect(ConnectionId(0xabab)))
}

fn announced(to: &Transmit) -> Vec<u8> {
    respond(to, Response::Announce(AnnounceResponse::default()))
}

fn error(to: &Transmit, text: &str) -> Vec<u8> {
    respond(to, Response::Error(text.into()))
}

fn ended(id: RequestId, outcome: Outcome) -> Event {
    Event { id, outcome }
}

fn transmits(tracker: &mut UdpTracker) -> Vec<Transmit> {
    std::iter::from_fn(|| tracker.poll_transmit()).collect()
}

fn request(n: u8) -> AnnounceRequest {
    AnnounceRequest {
        swarm_id: SwarmId([n; 20]),
        peer_id: PeerId([n; 20]),
        uploaded: 0,
        downloaded: 0,
        left: 1,
        event: AnnounceEvent::None,
        key: 0,
        num_want: None,
        port: 6881,
    }
}

fn tracker() -> (UdpTracker, Instant) {
    (UdpTracker::new(TRACKER, "", [7; 32]), epoch())
}

/// One that holds a connection id, received at the returned instant.
fn connected_tracker() -> (UdpTracker, Instant) {
    let (mut tracker, epoch) = tracker();
    let id = tracker.announce(epoch, request(0)).unwrap();
    let connect = transmits(&mut tracker).remove(0);
    tracker
        .handle_datagram(epoch, TRACKER, &connected(&connect))
        .unwrap();
    let announce = transmits(&mut tracker).remove(0);
    tracker
        .handle_datagram(epoch, TRACKER, &announced(&announce))
        .unwrap();
    assert_eq!(tracker.poll_event().unwrap().id, id);
    (tracker, epoch)
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

const TRACKER: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 6969);
