use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{Answer, Extras, HttpUrl, announce_url, parse_announce, parse_scrape, scrape_url};

fn event() -> impl Strategy<Value = AnnounceEvent> {
    prop_oneof![
        Just(AnnounceEvent::None),
        Just(AnnounceEvent::Started),
        Just(AnnounceEvent::Completed),
        Just(AnnounceEvent::Stopped),
    ]
}

prop_compose! {
    fn request()(
        ids: ([u8; 20], [u8; 20]), counts: (u64, u64, u64), event in event(), key: u32,
        num_want in proptest::option::of(any::<u32>()), port: u16,
    ) -> AnnounceRequest {
        AnnounceRequest {
            swarm_id: SwarmId(ids.0), peer_id: PeerId(ids.1), uploaded: counts.0,
            downloaded: counts.1, left: counts.2, event, key, num_want, port,
        }
    }
}

fn peer() -> impl Strategy<Value = SocketAddr> {
    let ip = prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        // Global unicast, so that it is no IPv4 address in other clothes.
        any::<[u8; 15]>().prop_map(|rest| {
            let mut ip = [0x20; 16];
            ip[1..].copy_from_slice(&rest);
            IpAddr::from(ip)
        }),
    ];
    (ip, 1_u16..).prop_map(SocketAddr::from)
}

prop_compose! {
    fn response()(
        interval: u32, min_interval in proptest::option::of(any::<u32>()),
        counts in proptest::option::of(any::<(u32, u32)>()),
        peers in proptest::collection::vec(peer(), 0..20),
        tracker_id in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..30)),
        warning in proptest::option::of("[a-z ]{0,20}"),
        external in proptest::option::of(peer()),
    ) -> AnnounceResponse {
        let seconds = |secs: u32| Duration::from_secs(secs.into());
        AnnounceResponse {
            interval: seconds(interval), min_interval: min_interval.map(seconds),
            seeders: counts.map(|it| it.0), leechers: counts.map(|it| it.1), peers, tracker_id,
            warning, external_ip: external.map(|peer| peer.ip()),
        }
    }
}

proptest! {
    #[test]
    fn a_tracker_reads_what_a_client_asks(
        request in request(), id in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..30)),
    ) {
        let tracker: HttpUrl = "http://t/announce".parse().unwrap();
        let extras = Extras {
            tracker_id: id.as_deref(), ipv6: Some("2001:db8::1".parse().unwrap()), ..Extras::default()
        };
        let url = announce_url(&tracker, &request, &extras).unwrap();
        let expected = Announce {
            request, compact: true, tracker_id: id.clone(),
            claimed: vec!["2001:db8::1".parse().unwrap()],
        };
        prop_assert_eq!(Request::parse(url.target()), Ok(Request::Announce(expected)));
    }

    #[test]
    fn a_client_reads_what_a_tracker_answers(response in response(), compact: bool) {
        let body = encode_announce(&response, compact);
        let Ok(Answer::Granted(mut read)) = parse_announce(&body) else { panic!() };
        // The families travel apart when compact.
        let mut expected = response;
        expected.peers.sort_unstable();
        read.peers.sort_unstable();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn scrapes_arrive_both_ways(ids: [[u8; 20]; 3], seeders: u32) {
        let ids = ids.map(SwarmId);
        let tracker: HttpUrl = "http://t/announce".parse().unwrap();
        let url = scrape_url(&tracker, &ids).unwrap();
        prop_assert_eq!(Request::parse(url.target()), Ok(Request::Scrape(ids.to_vec())));
        let entry = ScrapeEntry { seeders: Some(seeders), ..ScrapeEntry::default() };
        let body = encode_scrape(&[(ids[0], entry), (ids[2], entry), (ids[0], entry)]);
        let Ok(Answer::Granted(scrape)) = parse_scrape(&body, &ids[..1]) else { panic!() };
        prop_assert_eq!(scrape.swarms, [Some(entry)]);
    }

    #[test]
    fn any_target_is_read_or_refused(target in ".{0,80}") {
        let _ = Request::parse(&target);
        let _ = Request::parse(&format!("/announce?{target}"));
    }
}

#[test]
fn refusals_arrive() {
    for retry in [
        RetryIn::Unspecified,
        RetryIn::After(Duration::from_secs(300)),
        RetryIn::Never,
    ] {
        let Ok(Answer::Refused(refusal)) = parse_announce(&encode_refusal("full", retry)) else {
            panic!()
        };
        assert_eq!((refusal.reason.as_str(), refusal.retry), ("full", retry));
    }
}

#[test]
fn what_is_no_request_is_named() {
    let hash = "a".repeat(20);
    let all = format!("info_hash={hash}&peer_id={hash}&port=1&left=0");
    let announce = |query: &str| Request::parse(&format!("/announce?{query}"));
    assert!(announce(&all).is_ok());
    for (query, error) in [
        (String::new(), BadRequest::Missing("info_hash")),
        (
            all.replace("info_hash", "infohash"),
            BadRequest::Missing("info_hash"),
        ),
        (
            all.replacen(&hash, "short", 1),
            BadRequest::Invalid("info_hash"),
        ),
        (all.replace("port", "pot"), BadRequest::Missing("port")),
        (
            all.replace("port=1", "port=65536"),
            BadRequest::Invalid("port"),
        ),
        (
            all.replace("left=0", "left=-1"),
            BadRequest::Invalid("left"),
        ),
        (all.clone() + "&event=gone", BadRequest::Invalid("event")),
        (
            all.clone() + "&numwant=many",
            BadRequest::Invalid("numwant"),
        ),
    ] {
        assert_eq!(announce(&query), Err(error), "{query}");
    }
    assert_eq!(Request::parse("/"), Err(BadRequest::Path));
    assert_eq!(Request::parse("/scrape"), Ok(Request::Scrape(vec![])));
    let many = format!("/scrape?{}", format!("info_hash={hash}&").repeat(65));
    assert_eq!(Request::parse(&many), Err(BadRequest::TooMany));
}

/// Clients send -1 for "as you like", and keys of any form.
#[test]
fn odd_clients_are_understood() {
    let hash = "a".repeat(20);
    let query = format!(
        "/announce?info_hash={hash}&peer_id={hash}&port=1&left=5&numwant=-1&key=zzz&compact=0&event="
    );
    let Ok(Request::Announce(announce)) = Request::parse(&query) else {
        panic!()
    };
    assert_eq!((announce.request.num_want, announce.request.key), (None, 0));
    assert_eq!(
        (announce.compact, announce.request.event),
        (false, AnnounceEvent::None)
    );
}
