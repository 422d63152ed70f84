use alloc::{borrow::Cow, boxed::Box, collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, de::IgnoredAny};
use serde_bytes::{ByteArray, ByteBuf};

use super::*;

#[test]
fn scalars() {
    assert_eq!(read::<i64>("i-9223372036854775808e"), i64::MIN);
    assert_eq!(read::<u64>("i9223372036854775807e"), i64::MAX as u64);
    assert_eq!(read::<u8>("i255e"), 255);
    assert_eq!(read::<i128>("i-1e"), -1);
    assert_eq!((read::<bool>("i0e"), read::<bool>("i1e")), (false, true));
    assert_eq!(read::<char>("2:ä"), 'ä');
    assert_eq!(read::<String>("4:spam"), "spam");
    assert_eq!(read::<Option<u8>>("i7e"), Some(7));
    assert_eq!(read::<(u8, String)>("li1e1:xe"), (1, "x".into()));
    assert_eq!(read::<[u8; 2]>("li1ei2ee"), [1, 2]);
}

#[test]
fn what_can_borrow_does() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Borrowed<'a> {
        bytes: &'a [u8],
        #[serde(borrow)]
        cow: Cow<'a, [u8]>,
        #[serde(borrow)]
        list: Vec<&'a [u8]>,
        #[serde(borrow)]
        map: BTreeMap<&'a str, &'a serde_bytes::Bytes>,
        text: &'a str,
    }
    let input = b"d5:bytes2:\xff\xfe3:cow1:\xfd4:listl1:\xfce3:mapd1:k1:\xfbe4:text2:oke";
    let value: Borrowed<'_> = read(input);
    assert_eq!(value.bytes, b"\xff\xfe");
    assert!(matches!(value.cow, Cow::Borrowed(b"\xfd")));
    assert_eq!(value.list, [b"\xfc"]);
    assert_eq!(&**value.map["k"], b"\xfb");
    assert_eq!(value.text, "ok");
    assert!(input.as_ptr_range().contains(&value.text.as_ptr()));
}

#[test]
fn byte_strings_are_owned_by_serde_bytes() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Owned {
        #[serde(with = "serde_bytes")]
        pieces: Vec<u8>,
        #[serde(with = "serde_bytes")]
        boxed: Option<Box<[u8]>>,
        id: ByteArray<4>,
        path: Vec<ByteBuf>,
    }
    let owned: Owned = read(b"d5:boxed1:\xff2:id4:abcd4:pathl1:a1:be6:pieces3:\x00\x01\x02e");
    assert_eq!(owned.pieces, [0, 1, 2]);
    assert_eq!(owned.boxed.as_deref(), Some(&b"\xff"[..]));
    assert_eq!(*owned.id, *b"abcd");
    assert_eq!(owned.path, [ByteBuf::from("a"), ByteBuf::from("b")]);
}

#[test]
fn keys_may_come_in_any_order_and_be_unknown() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Info {
        length: Option<u64>,
        name: String,
        private: Option<bool>,
    }
    let expected = Info {
        length: Some(3),
        name: "x".into(),
        private: None,
    };
    let input = "d2:\u{ff}i1e4:name1:x5:otherld1:ad1:bleeei-5e3:abce6:lengthi3ee";
    assert_eq!(read::<Info>(input), expected);
    assert_eq!(
        read::<Info>(b"d4:name1:x6:lengthi3e\x32:\xff\xfe1:xe"),
        expected
    );
}

#[test]
fn enums_are_names_or_dictionaries_of_one_entry() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Event {
        Started,
        Code(u8),
        Pair(u8, u8),
        Fields { a: u8 },
    }
    assert_eq!(read::<Event>("7:started"), Event::Started);
    assert_eq!(read::<Event>("d4:codei3ee"), Event::Code(3));
    assert_eq!(read::<Event>("d4:pairli1ei2eee"), Event::Pair(1, 2));
    assert_eq!(read::<Event>("d6:fieldsd1:ai1eee"), Event::Fields { a: 1 });
    let keyed: BTreeMap<u8, u8> = BTreeMap::new();
    assert_eq!(read::<BTreeMap<u8, u8>>("de"), keyed);
}

#[test]
fn what_serde_buffers_is_read_too() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(tag = "y")]
    enum Message {
        #[serde(rename = "q")]
        Query { q: String },
        #[serde(rename = "e")]
        Error { e: (u16, String) },
    }
    let query = Message::Query { q: "ping".into() };
    assert_eq!(read::<Message>("d1:q4:ping1:y1:qe"), query);
    let error = Message::Error {
        e: (203, "bad".into()),
    };
    assert_eq!(read::<Message>("d1:eli203e3:bade1:y1:ee"), error);

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Peers<'a> {
        Compact(&'a [u8]),
        #[serde(borrow)]
        List(Vec<BTreeMap<&'a str, Peers<'a>>>),
        Port(u16),
    }
    assert_eq!(
        read::<Peers<'_>>(b"2:\xff\xfe"),
        Peers::Compact(b"\xff\xfe")
    );
    let port = BTreeMap::from([("port", Peers::Port(6881))]);
    assert_eq!(
        read::<Peers<'_>>(b"ld4:porti6881eee"),
        Peers::List([port].into())
    );

    #[derive(Debug, Deserialize, PartialEq)]
    struct Flat {
        #[serde(flatten)]
        inner: Inner,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        a: u8,
    }
    let flat = Flat {
        inner: Inner { a: 1 },
        rest: BTreeMap::from([("b".into(), 2)]),
    };
    assert_eq!(read::<Flat>("d1:ai1e1:bi2ee"), flat);
}

#[test]
fn spans_and_raw_values_are_the_source() {
    #[derive(Deserialize)]
    struct Torrent<'a> {
        #[serde(borrow)]
        announce: Spanned<&'a str>,
        info: Spanned<BTreeMap<String, IgnoredAny>>,
        #[serde(borrow)]
        nodes: Option<Raw<'a>>,
    }
    let input = b"d8:announce1:x4:infod4:name3:foo6:pieces0:e5:nodesld1:ai01eeee";
    let torrent: Torrent<'_> = read(input);
    assert_eq!(torrent.announce.value, "x");
    assert_eq!(input[torrent.announce.span], *b"1:x");
    assert_eq!(input[torrent.info.span], *b"d4:name3:foo6:pieces0:e");
    assert_eq!(torrent.info.value.len(), 2);
    assert_eq!(torrent.nodes.unwrap().as_bytes(), b"ld1:ai01eee");

    let document = crate::Document::<Lenient>::parse(input, Limits::default()).unwrap();
    let info = document.root().get("info").unwrap();
    assert_eq!(Raw::from(info).as_bytes(), info.raw());
}

#[test]
fn a_prefix_ends_where_its_value_ends() {
    let input = b"d8:msg_typei1e5:piecei0eethe data";
    let limits = Limits::default();
    let (message, consumed) = from_prefix::<Lenient, BTreeMap<&str, u8>>(input, limits).unwrap();
    assert_eq!(message["msg_type"], 1);
    assert_eq!(&input[consumed..], b"the data");
}
