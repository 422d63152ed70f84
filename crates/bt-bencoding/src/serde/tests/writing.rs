use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::*;
use crate::{Document, Encoder};

#[track_caller]
fn check<T: Serialize>(value: T, expected: impl AsRef<[u8]>) {
    let written = to_bytes(&value).unwrap();
    let shown = written.escape_ascii().to_string();
    assert_eq!(shown, expected.as_ref().escape_ascii().to_string());
    let canonical = Document::<Strict>::parse(&written, Limits::default());
    assert!(canonical.is_ok(), "{canonical:?}");
}

#[track_caller]
fn fails<T: Serialize>(value: T, expected: &str) {
    let mut out = b"before".to_vec();
    let error = append_to(&mut out, &value).unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert_eq!(out, b"before");
}

/// Entries in the order in which they are given, whatever their keys.
struct Entries<K, V>(Vec<(K, V)>);

impl<K: Serialize, V: Serialize> Serialize for Entries<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[test]
fn scalars() {
    check(i64::MIN, "i-9223372036854775808e");
    check(i64::MAX as u64, "i9223372036854775807e");
    check(
        (1_u8, -2_i8, 3_u16, -4_i16, 5_u32, -6_i32),
        "li1ei-2ei3ei-4ei5ei-6ee",
    );
    check((7_i128, 8_u128), "li7ei8ee");
    check([true, false], "li1ei0ee");
    check(('ä', "spam", String::new()), "l2:ä4:spam0:e");
    check(serde_bytes::Bytes::new(b"\xff"), b"1:\xff");
    check(Some(1), "i1e");
}

#[test]
fn keys_come_out_sorted_whatever_the_order_of_fields_and_entries() {
    #[derive(Serialize)]
    struct Outer {
        z: u8,
        #[serde(rename = "")]
        empty: u8,
        inner: Inner,
        aa: Vec<Inner>,
        a: &'static str,
    }
    #[derive(Clone, Copy, Serialize)]
    struct Inner {
        y: u8,
        x: u8,
    }
    let inner = Inner { y: 1, x: 2 };
    let outer = Outer {
        z: 1,
        empty: 2,
        inner,
        aa: [inner, inner].into(),
        a: ".",
    };
    let inner = "d1:xi2e1:yi1ee";
    check(
        outer,
        format!("d0:i2e1:a1:.2:aal{inner}{inner}e5:inner{inner}1:zi1ee"),
    );

    check(
        Entries([("b", 1), ("\u{ff}", 2), ("a", 3)].into()),
        "d1:ai3e1:bi1e2:\u{ff}i2ee",
    );
    // By their bytes, not with their lengths.
    check(Entries([("b", 1), ("aa", 2)].into()), "d2:aai2e1:bi1ee");
    let bytes = serde_bytes::Bytes::new;
    check(
        Entries([(bytes(b"\xff"), 1), (bytes(b"\x80"), 2)].into()),
        b"d1:\x80i2e1:\xffi1ee",
    );
    check(Entries([('b', 1), ('a', 2)].into()), "d1:ai2e1:bi1ee");
}

#[test]
fn absent_values_leave_their_keys_out() {
    #[derive(Serialize)]
    struct Info {
        private: Option<bool>,
        name: Option<&'static str>,
        length: Option<Option<u8>>,
    }
    let info = Info {
        private: None,
        name: Some("x"),
        length: Some(None),
    };
    check(info, "d4:name1:xe");
    check(BTreeMap::from([("a", None), ("b", Some(1))]), "d1:bi1ee");
    check(BTreeMap::from([("a", None::<u8>)]), "de");
}

#[test]
fn enums() {
    #[derive(Serialize)]
    enum Event {
        Unit,
        New(u8),
        Tuple(u8, u8),
        Fields { b: u8, a: u8 },
    }
    check(Event::Unit, "4:Unit");
    check(Event::New(1), "d3:Newi1ee");
    check(Event::Tuple(1, 2), "d5:Tupleli1ei2eee");
    check([Event::Fields { b: 1, a: 2 }], "ld6:Fieldsd1:ai2e1:bi1eeee");
    check(Entries([(Event::Unit, 1)].into()), "d4:Uniti1ee");
}

#[test]
fn raw_values_stand_as_they_are_and_spans_are_left_out() {
    let raw: Raw<'_> = read("d1:bi1e1:ai2ee");
    assert_eq!(to_bytes(&[raw]).unwrap(), b"ld1:bi1e1:ai2eee");
    check(
        Spanned {
            value: "x",
            span: 3..5,
        },
        "1:x",
    );
    let mut out = Vec::new();
    Encoder::new(&mut out).bytes("x");
    append_to(&mut out, &BTreeMap::from([("info", raw)])).unwrap();
    assert_eq!(out, b"1:xd4:infod1:bi1e1:ai2eee");
}

#[test]
fn what_bencode_has_nothing_for_is_refused() {
    fails(1.5, "bencode has no floats");
    fails([1_f32], "bencode has no floats");
    fails((), "bencode has no units");
    fails(None::<u8>, "bencode has no `None` outside of dictionaries");
    fails(
        [Some(1), None],
        "bencode has no `None` outside of dictionaries",
    );
    let overflow = "integer does not fit into 64 bits with sign";
    fails(u64::MAX, overflow);
    fails(i128::MIN, overflow);
    fails(u128::MAX, overflow);
    fails(BTreeMap::from([(1, 2)]), "dictionary key is not a string");
    fails(
        Entries([(Some("a"), ()), (None, ())].into()),
        "bencode has no units",
    );
    fails(
        Entries([(["a"], 1)].into()),
        "dictionary key is not a string",
    );
    fails(
        Entries([("b", 1), ("a", 2), ("b", 3)].into()),
        "dictionary key \"b\" twice",
    );
}
