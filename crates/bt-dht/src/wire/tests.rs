use proptest::prelude::*;

use super::*;
use crate::Family;

#[track_caller]
fn reencoded(datagram: &[u8]) -> String {
    let message = decode(datagram).unwrap();
    let mut out = Vec::new();
    encode(&message, &mut out);
    out.escape_ascii().to_string()
}

/// Every example of BEP 5, and one with `want` and `ro` (BEP 32, 43).
const CANONICAL: &[&str] = &[
    "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
    "d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
    "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
    "d1:rd2:id20:0123456789abcdefghij5:nodes9:def456...e1:t2:aa1:y1:re",
    "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
    "d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
    "d1:rd2:id20:abcdefghij01234567895:nodes9:def456...5:token8:aoeusnthe1:t2:aa1:y1:re",
    "d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
    "d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
    "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:wantl2:n42:n6ee1:q9:get_peers2:roi1e1:t2:aa1:y1:qe",
    "d2:ip6:abcdef1:rd2:id20:mnopqrstuvwxyz123456e1:t0:1:v4:LT\x02\x011:y1:re",
];

#[test]
fn examples_come_out_as_they_went_in() {
    for example in CANONICAL {
        let expected = example.as_bytes().escape_ascii().to_string();
        assert_eq!(reencoded(example.as_bytes()), expected);
    }
}

#[test]
fn values_are_peers() {
    let message = decode(CANONICAL[5].as_bytes()).unwrap();
    let Body::Response(response) = message.body else {
        panic!("a response")
    };
    let expected = ["97.120.106.101:11893", "105.100.104.116:28269"].map(|a| a.parse().unwrap());
    assert_eq!(response.peers[..], expected);
    assert_eq!(response.token, Some(&b"aoeusnth"[..]));
}

#[test]
fn nodes_of_odd_length_are_read_as_far_as_they_are_whole() {
    let datagram = CANONICAL[3].as_bytes();
    let Body::Response(response) = decode(datagram).unwrap().body else {
        panic!("a response")
    };
    assert_eq!(response.nodes.unwrap().iter().count(), 0);
    let bytes = [7; 26 + 25];
    assert_eq!(Contacts::new(&bytes, Family::V4).iter().count(), 1);
    assert_eq!(Contacts::new(&bytes, Family::V6).iter().count(), 1);
}

#[test]
fn mixed_and_odd_values_are_sorted_out() {
    let odd = b"d1:rd2:id20:abcdefghij01234567896:valuesl6:axje.u18:aaaaaaaaaaaaaaaabb5:shorti7el6:axje.ue0:ee1:t2:aa1:y1:re";
    let Body::Response(response) = decode(odd).unwrap().body else {
        panic!("a response")
    };
    let families: Vec<_> = response
        .peers
        .iter()
        .map(|peer| Family::of(*peer))
        .collect();
    assert_eq!(families, [Family::V4, Family::V6]);
}

#[test]
fn what_is_read_may_be_untidy() {
    for (untidy, tidy) in [
        // Keys in any order, keys that nobody knows, the first of a repeated key.
        (
            "d1:y1:q1:t2:aa1:q4:ping1:ad2:id20:abcdefghij0123456789ee",
            CANONICAL[0],
        ),
        (
            "d1:ad1:xle2:id20:abcdefghij01234567892:zzdee1:q4:ping2:q2i0e1:t2:aa1:y1:qe",
            CANONICAL[0],
        ),
        (
            "d1:ad2:id20:abcdefghij01234567892:id20:mnopqrstuvwxyz123456e1:q4:ping1:t2:aa1:y1:qe",
            CANONICAL[0],
        ),
        // Fields of another type than they should be.
        (
            "d1:ad2:id20:abcdefghij01234567894:wanti7ee1:q4:ping2:ro2:no1:t2:aa1:vi0e1:y1:qe",
            CANONICAL[0],
        ),
        (
            "d1:rd2:id20:mnopqrstuvwxyz1234565:nodesi1e6:valuesdee1:t2:aa1:y1:re",
            CANONICAL[1],
        ),
        ("d1:e23:A Generic Error Ocurred1:t2:aa1:y1:ee", CANONICAL[8]),
    ] {
        let expected = tidy.as_bytes().escape_ascii().to_string();
        assert_eq!(reencoded(untidy.as_bytes()), expected, "{untidy}");
    }
}

#[track_caller]
fn refused(query: &str, expected_code: i64) {
    let datagram = format!("d1:ad2:id20:abcdefghij0123456789{query}1:t2:aa1:y1:qe");
    match decode(datagram.as_bytes()) {
        Err(DecodeError::Query {
            transaction_id: b"aa",
            code,
            ..
        }) => assert_eq!(code, expected_code, "{query}"),
        other => panic!("{query}: {other:?}"),
    }
}

#[test]
fn wrong_arguments_are_named() {
    refused("e1:q9:find_node", 203);
    refused("6:target19:mnopqrstuvwxyz12345e1:q9:find_node", 203);
    refused("9:info_hashi7ee1:q9:get_peers", 203);
    refused(
        "9:info_hash20:mnopqrstuvwxyz1234565:token1:xe1:q13:announce_peer",
        203,
    );
    refused(
        "9:info_hash20:mnopqrstuvwxyz1234564:porti0e5:token1:xe1:q13:announce_peer",
        203,
    );
    refused(
        "9:info_hash20:mnopqrstuvwxyz1234564:porti65536e5:token1:xe1:q13:announce_peer",
        203,
    );
    refused(
        "9:info_hash20:mnopqrstuvwxyz1234564:porti-1e5:token1:xe1:q13:announce_peer",
        203,
    );
    refused(
        "9:info_hash20:mnopqrstuvwxyz1234564:porti80ee1:q13:announce_peer",
        203,
    );
    refused("5:token1:xe1:q3:put", 203);
    refused(
        "1:k32:abcdefghijabcdefghijabcdefghijab5:token1:x1:vi1ee1:q3:put",
        203,
    );
    refused("1:k3:abc3:seqi1e3:sig3:abc5:token1:x1:vi1ee1:q3:put", 203);
    refused("e1:q8:whatever", 204);
}

#[test]
fn unknown_queries_with_a_target_are_understood() {
    let datagram = "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q4:vote1:t2:aa1:y1:qe";
    let Body::Query(query) = decode(datagram.as_bytes()).unwrap().body else {
        panic!("a query")
    };
    let target = NodeId(*b"mnopqrstuvwxyz123456");
    assert_eq!(query.method, Method::Unknown { target });
}

#[test]
fn what_is_no_message_is_dropped() {
    let long_id = format!(
        "d1:rd2:id20:mnopqrstuvwxyz123456e1:t1000:{}1:y1:re",
        "x".repeat(1000)
    );
    let deep = format!(
        "d1:rd2:id20:mnopqrstuvwxyz1234561:v{}{}e1:t2:aa1:y1:re",
        "l".repeat(500),
        "e".repeat(500)
    );
    let huge = format!(
        "d1:rd2:id20:mnopqrstuvwxyz1234566:valuesl{}ee1:t2:aa1:y1:re",
        "6:axje.u".repeat(1 << 17)
    );
    let many = format!(
        "d1:rd2:id20:mnopqrstuvwxyz1234566:valuesl{}ee1:t2:aa1:y1:re",
        "0:".repeat(3000)
    );
    for datagram in [
        "",
        "d",
        "de",
        "le",
        "i1e",
        "\0\0\0\x01",
        "d1:rd2:id20:mnopqrstuvwxyz123456e1:y1:re",
        "d1:rd2:id20:mnopqrstuvwxyz123456e1:ti1e1:y1:re",
        "d1:rd2:id19:mnopqrstuvwxyz12345e1:t2:aa1:y1:re",
        "d1:rde1:t2:aa1:y1:re",
        "d1:t2:aa1:y1:re",
        "d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:xe",
        "d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aae",
        "d1:ad2:id20:abcdefghij0123456789e1:t2:aa1:y1:qe",
        "d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re and more",
        &long_id,
        &deep,
        &huge,
        &many,
    ] {
        let error = decode(datagram.as_bytes()).unwrap_err();
        assert!(!matches!(error, DecodeError::Query { .. }), "{datagram}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    /// What was understood once comes out in canonical form, and is understood as the same.
    #[test]
    fn what_is_written_reads_the_same(which in 0..CANONICAL.len(), at in 0_usize..200, to: u8) {
        let mut bytes = CANONICAL[which].as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(message) = decode(&bytes) {
            let mut out = Vec::new();
            encode(&message, &mut out);
            let again = decode(&out).unwrap();
            if !matches!(&message.body, Body::Query(Query { method: Method::Unknown { .. }, .. })) {
                prop_assert_eq!(&again, &message);
            }
            let mut twice = Vec::new();
            encode(&again, &mut twice);
            prop_assert_eq!(out, twice);
        }
    }
}
