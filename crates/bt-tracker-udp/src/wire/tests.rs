use std::{net::SocketAddr, time::Duration};

use bt_types::{AnnounceEvent, AnnounceRequest, AnnounceResponse, PeerId, SwarmId};
use proptest::prelude::*;

use super::*;

/// One set of values for all vectors: the layouts are those of BEP 15 and BEP 41.
#[test]
fn requests_of_bep_15() {
    check_request(
        CONNECT_TID,
        Request::Connect,
        "00000417271019800000000012345678",
    );
    check_request(TID, announce(b""), ANNOUNCE_98);
    let scrape = Request::Scrape {
        connection_id: CONNECTION_ID,
        swarm_ids: vec![swarm_id()],
    };
    check_request(
        TID,
        scrape,
        "010203040506070800000002deadbeef000102030405060708090a0b0c0d0e0f10111213",
    );
}

#[test]
fn responses_of_bep_15() {
    check_response(
        CONNECT_TID,
        Response::Connect(CONNECTION_ID),
        "00000000123456780102030405060708",
    );
    let mut announced = AnnounceResponse {
        interval: Duration::from_secs(1800),
        leechers: Some(3),
        seeders: Some(5),
        peers: addrs(&["192.0.2.1:6881", "198.51.100.7:51413"]),
        ..AnnounceResponse::default()
    };
    check_response(
        TID,
        Response::Announce(announced.clone()),
        "00000001deadbeef000007080000000300000005c00002011ae1c6336407c8d5",
    );
    let scraped = ScrapeEntry {
        seeders: 11,
        completed: 13_772,
        leechers: 19,
    };
    check_response(
        TID,
        Response::Scrape(vec![scraped]),
        "00000002deadbeef0000000b000035cc00000013",
    );
    check_response(TID, Response::EmptyAnnounce, "00000001deadbeef");

    // The stride is 18 where the datagram travels over IPv6.
    announced.peers = addrs(&["[2001:db8::1]:6881"]);
    let bytes = hex("00000001deadbeef00000708000000030000000520010db80000000000000000000000011ae1");
    let announced = Response::Announce(announced);
    assert_eq!(Response::decode(&bytes, Family::V6), Ok((TID, announced)));
}

/// A text seen from a live tracker, misspelling and NUL included.
#[test]
fn an_error_loses_its_nul() {
    let bytes = hex("00000003deadbeef436f6e6e656374696f6e204944206d6973736d617463682e00");
    let error = Response::Error("Connection ID missmatch.".into());
    assert_eq!(Response::decode(&bytes, Family::V4), Ok((TID, error)));
}

#[test]
fn options_of_bep_41() {
    let (path, dir) = ("/dir?a=b&c=d", "020c2f6469723f613d6226633d64");
    check_request(TID, announce(path.as_bytes()), &[ANNOUNCE_98, dir].concat());
    for (options, url_data) in [
        (dir.to_owned() + "010100", path),
        (dir.to_owned() + "000203616263", path),
        ("0200".into(), ""),
        ("01".to_owned() + dir, path),
        ("7f03aabbcc".to_owned() + dir, path),
        ("02022f64020a69723f613d6226633d64".into(), path),
        (dir.to_owned() + "02", path),
        (dir.to_owned() + "02ff61", path),
    ] {
        let bytes = hex(&[ANNOUNCE_98, &options].concat());
        let expected = (TID, announce(url_data.as_bytes()));
        assert_eq!(Request::decode(&bytes), Ok(expected), "{options}");
    }
}

#[test]
fn long_url_data_takes_several_options_and_is_bounded() {
    let long = vec![b'x'; 700];
    let mut bytes = Vec::new();
    announce(&long).encode(TID, &mut bytes);
    assert_eq!(bytes.len(), 98 + 700 + 3 * 2);
    assert_eq!(Request::decode(&bytes), Ok((TID, announce(&long))));

    let mut bytes = hex(ANNOUNCE_98);
    for _ in 0..9 {
        bytes.extend_from_slice(&[2, 0xff]);
        bytes.resize(bytes.len() + 0xff, b'x');
    }
    assert_eq!(Request::decode(&bytes), Err(DecodeError::UrlDataTooLong));
}

#[test]
fn every_datagram_cut_short_is_refused() {
    for (text, needed) in [
        ("00000417271019800000000012345678", 16),
        (ANNOUNCE_98, 98),
        (
            "010203040506070800000002deadbeef000102030405060708090a0b0c0d0e0f10111213",
            36,
        ),
    ] {
        let bytes = hex(text);
        for length in 0..needed {
            let error = Request::decode(&bytes[..length]).unwrap_err();
            assert!(matches!(error, DecodeError::TooShort { length: l, .. } if l == length));
        }
    }
    let connect = hex("00000000123456780102030405060708");
    let announce = hex("00000001deadbeef000007080000000300000005");
    for length in 0..16 {
        assert!(Response::decode(&connect[..length], Family::V4).is_err());
    }
    for length in (0..8).chain(9..20) {
        assert!(Response::decode(&announce[..length], Family::V4).is_err());
    }
}

#[test]
fn what_is_no_request_says_why() {
    let decode = |text: &str| Request::decode(&hex(text)).unwrap_err().to_string();
    assert_eq!(
        decode("00000417271019810000000012345678"),
        "protocol id 0x0000041727101981, 0x0000041727101980 expected"
    );
    assert_eq!(
        decode("00000417271019800000000912345678"),
        "unknown action 9"
    );
    assert_eq!(decode("0000"), "datagram of 2 bytes, at least 16 needed");
    let mut odd = hex(ANNOUNCE_98);
    odd[83] = 5;
    assert_eq!(Request::decode(&odd), Err(DecodeError::UnknownEvent(5)));
    let mut many = hex("010203040506070800000002deadbeef");
    many.resize(16 + 20 * 75, 0);
    let error = DecodeError::TooManySwarms { found: 75 };
    assert_eq!(Request::decode(&many), Err(error));
}

#[test]
fn an_unofficial_pause_counts_as_a_regular_announce() {
    let mut bytes = hex(ANNOUNCE_98);
    bytes[83] = 4;
    let Ok((_, Request::Announce { request, .. })) = Request::decode(&bytes) else {
        panic!("an announce");
    };
    assert_eq!(request.event, AnnounceEvent::None);
}

#[test]
fn numbers_below_zero_are_unknown() {
    let bytes = hex("00000001deadbeefffffffffffffffffffffffff");
    let unknown = Response::Announce(AnnounceResponse::default());
    assert_eq!(Response::decode(&bytes, Family::V4), Ok((TID, unknown)));
}

#[test]
fn half_a_peer_is_ignored_and_peers_are_bounded() {
    let mut bytes = hex("00000001deadbeef000007080000000300000005c00002011ae1c63364");
    assert_eq!(peers_in(&bytes), 1);
    bytes.resize(60_000, 1);
    assert_eq!(peers_in(&bytes), MAX_PEERS);

    fn peers_in(bytes: &[u8]) -> usize {
        match Response::decode(bytes, Family::V4) {
            Ok((_, Response::Announce(response))) => response.peers.len(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn error_texts_cannot_move_the_cursor_and_are_bounded() {
    let text = |body: &[u8]| {
        let bytes = [&hex("00000003deadbeef"), body].concat();
        match Response::decode(&bytes, Family::V4) {
            Ok((_, Response::Error(text))) => text,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(text(b""), "");
    assert_eq!(text(b"\x1b[2Jgo\0away\0\0"), r"\u{1b}[2Jgo\u{0}away");
    assert_eq!(text("a\u{202e}b".as_bytes()), r"a\u{202e}b");
    assert_eq!(text("für \u{fffd}".as_bytes()), "für \u{fffd}");
    assert_eq!(text(b"\xff"), "\u{fffd}");
    assert_eq!(text(&[b'x'; 60_000]).len(), MAX_ERROR_TEXT);
    assert!(text(&[1; 60_000]).len() <= MAX_ERROR_TEXT);
}

proptest! {
    #[test]
    fn decoding_undoes_encoding_of_requests(tid: u32, request in any_request()) {
        let mut bytes = Vec::new();
        request.encode(TransactionId(tid), &mut bytes);
        prop_assert_eq!(Request::transaction_id_of(&bytes), Some(TransactionId(tid)));
        prop_assert_eq!(Request::decode(&bytes), Ok((TransactionId(tid), request)));
    }

    #[test]
    fn decoding_undoes_encoding_of_responses(tid: u32, (family, response) in any_response()) {
        let mut bytes = Vec::new();
        response.encode(TransactionId(tid), family, &mut bytes);
        prop_assert_eq!(Response::decode(&bytes, family), Ok((TransactionId(tid), response)));
    }

    /// And what was read is written so that it reads the same: one canonical form a value.
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, action in 0u8..4) {
        let request = [&[0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, action], &bytes[..]].concat();
        if let Ok((tid, request)) = Request::decode(&request) {
            let mut again = Vec::new();
            request.encode(tid, &mut again);
            prop_assert_eq!(Request::decode(&again), Ok((tid, request)));
        }
        let response = [&[0, 0, 0, action], &bytes[..]].concat();
        for family in [Family::V4, Family::V6] {
            if let Ok((tid, response)) = Response::decode(&response, family) {
                let mut again = Vec::new();
                response.encode(tid, family, &mut again);
                // A V6 response may hold IPv4 addresses in disguise; these are not sent again.
                if family == Family::V4 {
                    prop_assert_eq!(Response::decode(&again, family), Ok((tid, response)));
                }
            }
        }
    }
}

#[track_caller]
fn check_request(tid: TransactionId, request: Request, text: &str) {
    let mut bytes = Vec::new();
    request.encode(tid, &mut bytes);
    assert_eq!(bytes, hex(text));
    assert_eq!(Request::decode(&bytes), Ok((tid, request)));
}

#[track_caller]
fn check_response(tid: TransactionId, response: Response, text: &str) {
    let mut bytes = Vec::new();
    response.encode(tid, Family::V4, &mut bytes);
    assert_eq!(bytes, hex(text));
    assert_eq!(Response::decode(&bytes, Family::V4), Ok((tid, response)));
}

fn announce(url_data: &[u8]) -> Request {
    Request::Announce {
        connection_id: CONNECTION_ID,
        request: AnnounceRequest {
            swarm_id: swarm_id(),
            peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
            uploaded: 3000,
            downloaded: 1000,
            left: 2000,
            event: AnnounceEvent::Started,
            key: 0xcafe_babe,
            num_want: None,
            port: 6881,
        },
        url_data: url_data.into(),
    }
}

fn any_request() -> impl Strategy<Value = Request> {
    let swarm = any::<[u8; 20]>().prop_map(SwarmId);
    let event = prop::sample::select(vec![
        AnnounceEvent::None,
        AnnounceEvent::Completed,
        AnnounceEvent::Started,
        AnnounceEvent::Stopped,
    ]);
    let num_want = prop::option::of(0..=i32::MAX as u32);
    let url_data = prop::collection::vec(any::<u8>(), 0..600);
    let numbers = any::<([u8; 20], u64, u64, u64, u32, u16)>();
    let announce = (
        any::<u64>(),
        swarm.clone(),
        event,
        num_want,
        url_data,
        numbers,
    )
        .prop_map(
            |(connection_id, swarm_id, event, num_want, url_data, numbers)| {
                let (peer_id, uploaded, downloaded, left, key, port) = numbers;
                Request::Announce {
                    connection_id: ConnectionId(connection_id),
                    request: AnnounceRequest {
                        swarm_id,
                        peer_id: PeerId(peer_id),
                        uploaded,
                        downloaded,
                        left,
                        event,
                        key,
                        num_want,
                        port,
                    },
                    url_data,
                }
            },
        );
    let scrape = (any::<u64>(), prop::collection::vec(swarm, 1..=MAX_SCRAPE)).prop_map(
        |(connection_id, swarm_ids)| Request::Scrape {
            connection_id: ConnectionId(connection_id),
            swarm_ids,
        },
    );
    prop_oneof![Just(Request::Connect), announce, scrape]
}

fn any_response() -> impl Strategy<Value = (Family, Response)> {
    let number = 0..=i32::MAX as u32;
    let v4 = prop::collection::vec(any::<([u8; 4], u16)>(), 0..100).prop_map(|addrs| {
        (
            Family::V4,
            addrs.into_iter().map(SocketAddr::from).collect(),
        )
    });
    let v6 = prop::collection::vec(any::<(u64, u16)>(), 0..100).prop_map(|addrs| {
        let ip = |low: u64| (0x2001_0db8_u128 << 96 | u128::from(low)).to_be_bytes();
        let addrs = addrs.into_iter().map(|(low, port)| (ip(low), port).into());
        (Family::V6, addrs.collect::<Vec<SocketAddr>>())
    });
    let announce = (number.clone(), number.clone(), number, prop_oneof![v4, v6]).prop_map(
        |(interval, seeders, leechers, (family, peers))| {
            let response = AnnounceResponse {
                interval: Duration::from_secs(interval.into()),
                seeders: Some(seeders),
                leechers: Some(leechers),
                peers,
                ..AnnounceResponse::default()
            };
            (family, Response::Announce(response))
        },
    );
    let entry = any::<(u32, u32, u32)>().prop_map(|(seeders, completed, leechers)| ScrapeEntry {
        seeders,
        completed,
        leechers,
    });
    let others = prop_oneof![
        any::<u64>().prop_map(|id| Response::Connect(ConnectionId(id))),
        Just(Response::EmptyAnnounce),
        prop::collection::vec(entry, 0..MAX_SCRAPE).prop_map(Response::Scrape),
        "[ -~äöü]{0,300}".prop_map(Response::Error),
    ];
    prop_oneof![announce, others.prop_map(|response| (Family::V4, response))]
}

fn addrs(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn swarm_id() -> SwarmId {
    SwarmId(std::array::from_fn(|i| i as u8))
}

fn hex(text: &str) -> Vec<u8> {
    let digits = (0..text.len()).step_by(2).map(|at| &text[at..at + 2]);
    digits
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

const CONNECT_TID: TransactionId = TransactionId(0x1234_5678);
const TID: TransactionId = TransactionId(0xdead_beef);
const CONNECTION_ID: ConnectionId = ConnectionId(0x0102_0304_0506_0708);
const ANNOUNCE_98: &str = "010203040506070800000001deadbeef\
    000102030405060708090a0b0c0d0e0f101112132d5858303030312d6162636465666768696a6b6c\
    00000000000003e800000000000007d00000000000000bb80000000200000000cafebabeffffffff1ae1";
