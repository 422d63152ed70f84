use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

fn granted(body: &[u8]) -> AnnounceResponse {
    match parse_announce(body) {
        Ok(Answer::Granted(response)) => response,
        other => panic!("{other:?}"),
    }
}

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// BEP 7's example.
#[test]
fn compact_peers_of_both_families() {
    let response = granted(b"d8:intervali1800e5:peers6:iiiipp6:peers618:iiiiiiiiiiiiiiiippe");
    assert_eq!(response.interval, Duration::from_secs(1800));
    let expected = [
        "105.105.105.105:28784",
        "[6969:6969:6969:6969:6969:6969:6969:6969]:28784",
    ];
    assert_eq!(response.peers, addresses(&expected));
}

#[test]
fn listed_peers_of_both_families() {
    let response = granted(
        b"d8:intervali60e5:peersl\
        d2:ip9:127.0.0.14:porti6881eed7:peer id20:aaaaaaaaaaaaaaaaaaaa2:ip3:::14:port1:1e\
        d2:ip11:peer.exampl4:porti1eed2:ip9:127.0.0.24:porti0eed2:ip9:127.0.0.34:porti-1ee\
        d2:ip9:127.0.0.44:porti65536eed4:porti1eei7e0:ee",
    );
    assert_eq!(response.peers, addresses(&["127.0.0.1:6881", "[::1]:1"]));
}

#[test]
fn everything_that_a_tracker_may_say() {
    let response = granted(
        b"d8:completei5e10:downloadedi9e11:external ip4:\xc0\0\x02\x0110:incompletei3e\
        8:intervali1800e12:min intervali60e5:peers0:10:tracker id4:a\0&b15:warning message\
        9:care\x1b[2Jfe",
    );
    let expected = AnnounceResponse {
        interval: Duration::from_secs(1800),
        min_interval: Some(Duration::from_secs(60)),
        seeders: Some(5),
        leechers: Some(3),
        peers: vec![],
        external_ip: Some([192, 0, 2, 1].into()),
        tracker_id: Some(b"a\0&b".to_vec()),
        warning: Some(r"care\u{1b}[2Jf".to_owned()),
    };
    assert_eq!(response, expected);
}

#[test]
fn what_can_be_done_without_is_taken_leniently() {
    // Negative, text for numbers, and nonsense.
    let response = granted(
        b"d8:completei-1e11:external ip5:12.3.10:incomplete1:78:intervali-5e12:min intervalle\
        5:peers0:10:tracker idi7e15:warning messagelee",
    );
    let expected = AnnounceResponse {
        leechers: Some(7),
        ..AnnounceResponse::default()
    };
    assert_eq!(response, expected);
    // Numbers beyond any sense are cut.
    let response = granted(b"d8:completei9223372036854775807e8:intervali9223372036854775807ee");
    assert_eq!(response.seeders, Some(u32::MAX));
    assert_eq!(response.interval.as_secs(), u32::MAX.into());
    // Unsorted keys, bytes behind the dictionary, a list of odd length, port 0.
    let response = granted(b"d5:peers14:iiiippiiii\0\0ii8:intervali9ee\r\n");
    assert_eq!(response.peers, addresses(&["105.105.105.105:28784"]));
    // No interval, or no peers.
    assert_eq!(granted(b"d5:peers0:e").interval, Duration::ZERO);
    assert!(granted(b"d8:intervali9ee").peers.is_empty());
    // Addresses in text, or mapped.
    for (body, ip) in [
        (&b"d11:external ip9:192.0.2.75:peers0:e"[..], "192.0.2.7"),
        (
            b"d11:external ip16:\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x075:peers0:e",
            "192.0.2.7",
        ),
    ] {
        assert_eq!(granted(body).external_ip, Some(ip.parse().unwrap()));
    }
    // A tracker id that no URL should carry.
    let long = [
        b"d5:peers0:10:tracker id300:".as_slice(),
        &[b'a'; 300],
        b"e",
    ]
    .concat();
    assert_eq!(granted(&long).tracker_id, None);
}

#[test]
fn peers_are_bounded_and_neither_family_crowds_out_the_other() {
    let body = |v4: usize, v6: usize| {
        let mut body = format!("d5:peers{}:", v4 * 6).into_bytes();
        body.extend(b"iiiipp".repeat(v4));
        body.extend(format!("6:peers6{}:", v6 * 18).into_bytes());
        body.extend(b"iiiiiiiiiiiiiiiipp".repeat(v6));
        body.push(b'e');
        body
    };
    for (v4, v6, kept_v4, kept_v6) in [
        (2000, 0, 1000, 0),
        (0, 2000, 0, 1000),
        (2000, 2000, 500, 500),
        (2000, 10, 990, 10),
        (10, 2000, 10, 990),
        (3, 4, 3, 4),
    ] {
        let peers = granted(&body(v4, v6)).peers;
        let found_v4 = peers.iter().filter(|peer| peer.is_ipv4()).count();
        assert_eq!((found_v4, peers.len() - found_v4), (kept_v4, kept_v6));
    }
}

/// BEP 31: the first two are its examples, corrected.
#[test]
fn refusals_say_when_to_try_again() {
    let minutes = |minutes: u64| RetryIn::After(Duration::from_secs(60 * minutes));
    for (body, reason, retry) in [
        (
            "d14:failure reason10:Overloaded8:retry in1:5e",
            "Overloaded",
            minutes(5),
        ),
        (
            "d14:failure reason13:Not a tracker8:retry in5:nevere",
            "Not a tracker",
            RetryIn::Never,
        ),
        ("d14:failure reason1:x8:retry ini7ee", "x", minutes(7)),
        (
            "d14:failure reason1:x8:retry ini0ee",
            "x",
            RetryIn::Unspecified,
        ),
        (
            "d14:failure reason1:x8:retry ini-7ee",
            "x",
            RetryIn::Unspecified,
        ),
        (
            "d14:failure reason1:x8:retry in4:soone",
            "x",
            RetryIn::Unspecified,
        ),
        // Whatever else it says, it refuses.
        (
            "d14:failure reason0:5:peers0:e",
            "no reason given",
            RetryIn::Unspecified,
        ),
        (
            "d14:failure reasoni5ee",
            "no reason given",
            RetryIn::Unspecified,
        ),
    ] {
        let expected = Answer::Refused(Refusal {
            reason: reason.to_owned(),
            retry,
        });
        assert_eq!(parse_announce(body.as_bytes()), Ok(expected), "{body}");
    }
    let forever = parse_announce(b"d14:failure reason1:x8:retry ini9223372036854775807ee");
    assert!(matches!(forever, Ok(Answer::Refused(_))), "{forever:?}");
    let long = [b"d14:failure reason2000:".as_slice(), &[b'a'; 2000], b"e"].concat();
    let Ok(Answer::Refused(refusal)) = parse_announce(&long) else {
        panic!()
    };
    assert_eq!(refusal.reason.len(), MAX_TEXT);
}

#[test]
fn what_is_no_answer_is_named() {
    let error = |body: &[u8]| parse_announce(body).unwrap_err();
    for body in [&b""[..], b"<html>", b"d", b"d5:peers99:e", b"d5:peersl"] {
        assert!(matches!(error(body), ResponseError::Bencoding(_)));
    }
    assert_eq!(error(b"le"), ResponseError::NotADictionary);
    assert_eq!(error(b"i1e"), ResponseError::NotADictionary);
    assert_eq!(error(b"de"), ResponseError::Missing("peers"));
    assert_eq!(error(b"d5:filesdee"), ResponseError::Missing("peers"));
    assert_eq!(error(b"d5:peersi1ee"), ResponseError::WrongKind("peers"));
    assert_eq!(error(b"d6:peers6dee"), ResponseError::WrongKind("peers6"));
    let deep = [b"d1:x".as_slice(), &[b'l'; 50], &[b'e'; 51]].concat();
    assert!(matches!(error(&deep), ResponseError::Bencoding(_)));
}

/// BEP 48's example, with the ends that it lacks.
#[test]
fn a_scrape_is_put_into_the_order_of_the_question() {
    let body = b"d5:filesd20:xxxxxxxxxxxxxxxxxxxxd8:completei11e10:downloadedi13772e\
        10:incompletei19ee20:yyyyyyyyyyyyyyyyyyyyd8:completei21e10:downloadedi206e\
        10:incompletei20eee5:flagsd20:min_request_intervali300eee";
    let [x, y, z] = [b'x', b'y', b'z'].map(|byte| SwarmId([byte; 20]));
    let Ok(Answer::Granted(scrape)) = parse_scrape(body, &[y, z, x, y]) else {
        panic!()
    };
    let entry = |seeders, completed, leechers| {
        Some(ScrapeEntry {
            seeders: Some(seeders),
            completed: Some(completed),
            leechers: Some(leechers),
            downloaders: None,
        })
    };
    let (of_x, of_y) = (entry(11, 13_772, 19), entry(21, 206, 20));
    assert_eq!(scrape.swarms, [of_y, None, of_x, of_y]);
    assert_eq!(scrape.min_interval, Some(Duration::from_secs(300)));
}

#[test]
fn scrapes_are_taken_leniently_where_they_can_be() {
    let id = SwarmId([b'x'; 20]);
    let scrape = |body: &[u8]| parse_scrape(body, &[id]);
    let of = |body: &[u8]| match scrape(body) {
        Ok(Answer::Granted(scrape)) => scrape.swarms[0],
        other => panic!("{other:?}"),
    };
    let entry = of(b"d5:filesd20:xxxxxxxxxxxxxxxxxxxxd8:completei-1e11:downloadersi2eeee");
    assert_eq!(entry.unwrap().seeders, None);
    assert_eq!(entry.unwrap().downloaders, Some(2));
    assert_eq!(of(b"d5:filesdee"), None);
    assert_eq!(of(b"d5:filesd20:xxxxxxxxxxxxxxxxxxxxi1eee"), None);
    let refused = scrape(b"d14:failure reason2:noe");
    assert!(matches!(refused, Ok(Answer::Refused(_))));
    assert_eq!(scrape(b"de"), Err(ResponseError::Missing("files")));
    assert_eq!(
        scrape(b"d5:filesi1ee"),
        Err(ResponseError::WrongKind("files"))
    );
    assert!(matches!(scrape(b"gone"), Err(ResponseError::Bencoding(_))));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_announce(&body);
        let _ = parse_scrape(&body, &[SwarmId([1; 20])]);
    }
}
