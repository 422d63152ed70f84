use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};

use proptest::prelude::*;

use super::*;
use crate::{
    DecodeErrorKind::{
        self, IntegerOverflow, KeyNotString, LeadingZero, MalformedInteger, MalformedLength,
        MissingValue, RepeatedKey, StringTooLong, TooDeep, TooManyTokens, TrailingBytes,
        UnexpectedByte, UnexpectedEnd, UnsortedKeys,
    },
    Encoder, Kind,
};

/// How both modes take `input`: where and why they refuse it, or nothing.
type Refusal = Option<(usize, DecodeErrorKind)>;

fn check(input: impl AsRef<[u8]>, strict: Refusal, lenient: Refusal) {
    let input = input.as_ref();
    let shown = input[..input.len().min(60)].escape_ascii();
    let refusal = |error: DecodeError| (error.offset, error.kind);
    let result = Document::<Strict>::parse(input, Limits::default());
    assert_eq!(result.err().map(refusal), strict, "strict: {shown}");
    let result = Document::<Lenient>::parse(input, Limits::default());
    assert_eq!(result.err().map(refusal), lenient, "lenient: {shown}");
}

fn refused(input: impl AsRef<[u8]>, offset: usize, kind: DecodeErrorKind) {
    check(input, Some((offset, kind)), Some((offset, kind)));
}

fn lenient(input: &[u8]) -> Document<'_, Lenient> {
    Document::parse(input, Limits::default()).unwrap()
}

#[test]
fn canonical_inputs_are_accepted() {
    for input in [
        "i12453e",
        "i-3e",
        "i0e",
        "i9223372036854775807e",
        "i-9223372036854775807e",
        "i-9223372036854775808e",
        "0:",
        "26:abcdefghijklmnopqrstuvwxyz",
        "li12453e3:aaae",
        "le",
        "de",
        "d3:a\0bi1ee",
        "d3:cow3:moo4:spam4:eggse",
        "d4:spaml1:a1:bee",
        "d1:ai1e1:b3:foo1:cli1ei2ee1:dd1:xi1eee",
        "d1:ai1e2:aai2ee",
        "d2:aai1e1:bi2ee",
        "d0:i1e1:ai2ee",
    ] {
        check(input, None, None);
    }
}

#[test]
fn only_lenient_accepts_what_is_merely_not_canonical() {
    for (input, offset, kind) in [
        ("i01e", 0, LeadingZero),
        ("i-03e", 0, LeadingZero),
        ("i00e", 0, LeadingZero),
        ("06:foobar", 0, LeadingZero),
        ("00:", 0, LeadingZero),
        ("d2:bai1e2:aai2ee", 8, UnsortedKeys),
        ("d2:aai1e1:ai2ee", 8, UnsortedKeys),
        ("d2:abi1e2:aai2ee", 8, UnsortedKeys),
        ("d2:aai1e2:aai2ee", 8, RepeatedKey),
        (
            "d1:ai12453e1:b3:aaa1:c3:bbb1:X10:0123456789e",
            27,
            UnsortedKeys,
        ),
    ] {
        check(input, Some((offset, kind)), None);
    }
}

#[test]
fn malformed_inputs_are_refused_by_both() {
    let too_long = |length, left| StringTooLong { length, left };
    for (input, offset, kind) in [
        ("", 0, UnexpectedEnd),
        ("e", 0, UnexpectedByte(b'e')),
        ("x", 0, UnexpectedByte(b'x')),
        ("i", 1, UnexpectedEnd),
        ("i10", 3, UnexpectedEnd),
        ("ie", 1, MalformedInteger),
        ("i-e", 2, MalformedInteger),
        ("i-", 2, UnexpectedEnd),
        ("i+1e", 1, MalformedInteger),
        ("i 1e", 1, MalformedInteger),
        ("i--1e", 2, MalformedInteger),
        ("i-0e", 0, MalformedInteger),
        ("i-00e", 0, MalformedInteger),
        ("i35412-5633e", 6, MalformedInteger),
        ("i92337203t854775807e", 9, MalformedInteger),
        ("i184467440737095516154e", 0, IntegerOverflow),
        ("i18446744073709551615e", 0, IntegerOverflow),
        ("i9223372036854775808e", 0, IntegerOverflow),
        ("i-9223372036854775809e", 0, IntegerOverflow),
        ("-10:foobar", 0, UnexpectedByte(b'-')),
        ("18446744073709551615:foobar", 0, too_long(u64::MAX, 6)),
        ("99999999999999999999999:foobar", 0, too_long(u64::MAX, 6)),
        ("9223372036854775808:", 0, too_long(1 << 63, 0)),
        ("99999999:foobar", 0, too_long(99_999_999, 6)),
        ("199999999:foobar", 0, too_long(199_999_999, 6)),
        ("100:..", 0, too_long(100, 2)),
        ("928", 3, UnexpectedEnd),
        ("1234567890e", 10, MalformedLength),
        ("0o", 1, MalformedLength),
        ("55", 2, UnexpectedEnd),
        ("l2:..", 5, UnexpectedEnd),
        ("l2:..0", 6, UnexpectedEnd),
        ("d1:ai1e1:be", 10, MissingValue),
        ("d1:a", 4, UnexpectedEnd),
        ("di5e1:ae", 1, KeyNotString),
        ("di2ei0ee", 1, KeyNotString),
        ("dlei0ee", 1, KeyNotString),
        ("d1000", 5, UnexpectedEnd),
        ("d1000:", 1, too_long(1000, 0)),
        ("d1000:..e", 1, too_long(1000, 3)),
        ("df00:", 1, KeyNotString),
        (
            "d1:ai1e1:b3:foo1:cli1e-i2ee1:dd1:xi1eee",
            22,
            UnexpectedByte(b'-'),
        ),
        ("l3:fooex", 7, TrailingBytes(1)),
    ] {
        refused(input, offset, kind);
    }
}

#[test]
fn errors_say_where_and_what() {
    let error = Document::<Strict>::parse(b"d1:a100:..e", Limits::default()).unwrap_err();
    let text = "at byte 4: string of 100 bytes, but 3 are left";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_prefix_ends_where_its_value_ends() {
    for tail in ["", "e", "l3:fooe", "\0\0"] {
        let input = ["l3:fooe", tail].concat();
        let (document, consumed) =
            Document::<Strict>::parse_prefix(input.as_bytes(), Limits::default()).unwrap();
        assert_eq!(consumed, 7);
        assert_eq!(document.root().raw(), b"l3:fooe");
    }
}

#[test]
fn nesting_bombs_end_at_the_limit_without_recursion() {
    let nested = |depth: usize| [vec![b'l'; depth], vec![b'e'; depth]].concat();
    check(nested(100), None, None);
    refused(nested(101), 100, TooDeep(100));
    refused(vec![b'l'; 1_000_000], 100, TooDeep(100));
    refused(b"d1:a".repeat(1_000_000), 400, TooDeep(100));
    // With a limit that allows it, a million levels still need no stack.
    let input = nested(1_000_000);
    let deep = Limits::new(u32::MAX, u32::MAX);
    let document = Document::<Strict>::parse(&input, deep).unwrap();
    assert_eq!(document.root().as_list().unwrap().count(), 1);
}

#[test]
fn values_are_counted_keys_too() {
    let three = Limits::new(100, 3);
    let parse = |input| Document::<Strict>::parse(input, three).map_err(|error| error.kind);
    assert!(parse(b"li1ei2ee").is_ok());
    assert_eq!(parse(b"li1ei2ei3ee").unwrap_err(), TooManyTokens(3));
    assert!(parse(b"d1:ai1ee").is_ok());
    assert_eq!(parse(b"d1:ai1e1:bi2ee").unwrap_err(), TooManyTokens(3));
}

#[test]
fn a_token_is_twelve_bytes_as_promised() {
    assert_eq!(size_of::<crate::scan::Token>(), 12);
}

#[test]
fn of_a_repeated_key_the_first_is_found_and_all_are_listed() {
    let document = lenient(b"d1:ai1e1:bi2e1:ai3ee");
    assert_eq!(document.root().get("a").unwrap().as_int(), Some(1));
    let entries = document.root().as_dict().unwrap();
    let entries: Vec<_> = entries.map(|(key, value)| (key, value.as_int())).collect();
    let expected: [(&[u8], _); 3] = [(b"a", Some(1)), (b"b", Some(2)), (b"a", Some(3))];
    assert_eq!(entries, expected);
}

#[test]
fn accessors_answer_only_for_their_kind() {
    let document = lenient(b"li-3e2:\xff\xfelede3:foo04:barsi007ee");
    let items: Vec<_> = document.root().as_list().unwrap().collect();
    let kinds: Vec<_> = items.iter().map(|item| item.kind()).collect();
    use Kind::{Bytes, Dict, Int, List};
    assert_eq!(kinds, [Int, Bytes, List, Dict, Bytes, Bytes, Int]);
    assert_eq!((items[0].as_int(), items[0].as_u64()), (Some(-3), None));
    assert_eq!((items[6].as_int(), items[6].as_u64()), (Some(7), Some(7)));
    assert_eq!(items[1].as_bytes(), Some(&b"\xff\xfe"[..]));
    assert_eq!(items[1].as_str(), None);
    assert_eq!(items[4].as_str(), Some("foo"));
    assert_eq!(items[5].as_str(), Some("bars"));
    assert_eq!((items[5].raw(), items[5].offset()), (&b"04:bars"[..], 18));
    assert_eq!(items[1].as_int(), None);
    assert!(items[0].as_bytes().is_none() && items[0].as_list().is_none());
    assert!(items[2].as_dict().is_none() && items[2].get("a").is_none());
    assert_eq!(items[2].as_list().unwrap().count(), 0);
    assert_eq!(items[3].as_dict().unwrap().count(), 0);
    let shown = alloc::format!("{:?} {:?} {:?}", items[0], items[1], items[2]);
    assert_eq!(shown, r#"Int(-3) Bytes("\xff\xfe") List(2 bytes)"#);
}

#[test]
fn iteration_steps_over_nested_containers() {
    let document = lenient(b"d1:al1:xd1:yleee1:bi1ee");
    assert_eq!(document.root().get("b").unwrap().as_int(), Some(1));
    assert_eq!(
        document.root().get("y"),
        None,
        "only one level is looked at"
    );
    let y = document.root().get("a").unwrap().as_list().unwrap().nth(1);
    assert_eq!(y.unwrap().get("y").unwrap().raw(), b"le");
}

#[test]
fn what_is_returned_outlives_the_document() {
    fn name(input: &[u8]) -> Option<&str> {
        let document = Document::<Lenient>::parse(input, Limits::default()).ok()?;
        document.root().get("name")?.as_str()
    }
    assert_eq!(name(b"d4:name4:teste"), Some("test"));
}

/// The same value, so that comparisons in tests are short.
impl PartialEq for Value<'_, '_> {
    fn eq(&self, other: &Self) -> bool {
        (self.offset(), self.raw()) == (other.offset(), other.raw())
    }
}

/// What the other implementation, the oracle, makes of bytes and back.
type Oracle = serde_bencode::value::Value;

fn oracle_values() -> impl Strategy<Value = Oracle> {
    let bytes = prop::collection::vec(any::<u8>(), 0..12);
    let leaf = prop_oneof![
        any::<i64>().prop_map(Oracle::Int),
        bytes.clone().prop_map(Oracle::Bytes),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Oracle::List),
            prop::collection::hash_map(bytes.clone(), inner, 0..6).prop_map(Oracle::Dict),
        ]
    })
}

fn to_oracle(value: Value<'_, '_>) -> Oracle {
    match value.kind() {
        Kind::Int => Oracle::Int(value.as_int().unwrap()),
        Kind::Bytes => Oracle::Bytes(value.as_bytes().unwrap().to_vec()),
        Kind::List => Oracle::List(value.as_list().unwrap().map(to_oracle).collect()),
        Kind::Dict => {
            let entries = value.as_dict().unwrap();
            Oracle::Dict(
                entries
                    .map(|(key, value)| (key.to_vec(), to_oracle(value)))
                    .collect(),
            )
        }
    }
}

fn encode(value: &Oracle, encoder: Encoder<'_>) {
    match value {
        Oracle::Int(value) => encoder.int(*value),
        Oracle::Bytes(value) => encoder.bytes(value),
        Oracle::List(values) => {
            encoder.list(|list| values.iter().for_each(|value| encode(value, list.value())));
        }
        // In the order of the hash map, so that sorting is tested with it.
        Oracle::Dict(entries) => encoder.dict(|dict| {
            for (key, value) in entries {
                let mut encoded = Vec::new();
                encode(value, Encoder::new(&mut encoded));
                dict.raw(key, &encoded);
            }
        }),
    }
}

fn nearly_bencode() -> impl Strategy<Value = String> {
    "([0-3]:)|([ilde]|[0-9]|:|-|1:a|i1e|2:bb|i[+]1e|i-0e|i007e|02:cc){0,14}".prop_map(String::from)
}

proptest! {
    /// `decode(encode(x)) == x`, and we write what the oracle writes.
    #[test]
    fn what_is_encoded_decodes_to_the_same(value in oracle_values()) {
        let mut encoded = Vec::new();
        encode(&value, Encoder::new(&mut encoded));
        prop_assert_eq!(&encoded, &serde_bencode::to_bytes(&value).unwrap());
        let document = Document::<Strict>::parse(&encoded, Limits::default()).unwrap();
        prop_assert_eq!(to_oracle(document.root()), value);
    }

    /// Of anything: strict accepts what lenient and the oracle accept alike, and only if encoding
    /// it again gives the same bytes. The input is a valid one with some bytes changed, or a heap
    /// of fragments.
    #[test]
    fn strict_is_exactly_the_canonical_part_of_lenient(
        value in oracle_values(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        fragments in nearly_bencode(),
        from_fragments: bool,
    ) {
        let mut input = serde_bencode::to_bytes(&value).unwrap();
        for (at, byte) in changes {
            let at = at.index(input.len());
            input[at] = byte;
        }
        if from_fragments {
            input = fragments.into_bytes();
        }
        let strict = Document::<Strict>::parse(&input, Limits::default());
        let lenient = Document::<Lenient>::parse(&input, Limits::default());
        if let Ok(strict) = &strict {
            let lenient = lenient.as_ref().expect("lenient accepts whatever strict does");
            prop_assert_eq!(to_oracle(strict.root()), to_oracle(lenient.root()));
            prop_assert_eq!(
                serde_bencode::from_bytes::<Oracle>(&input).unwrap(),
                to_oracle(strict.root())
            );
        }
        if let Ok(lenient) = lenient {
            let mut again = Vec::new();
            encode(&to_oracle(lenient.root()), Encoder::new(&mut again));
            prop_assert_eq!(strict.is_ok(), again == input);
        }
    }

    /// Of anything: what lenient accepts the oracle takes for the same; and the oracle accepts
    /// nothing beyond it but `i+1e`, `i-0e`, and what is nested too deep.
    #[test]
    fn where_we_differ_from_the_oracle_we_are_stricter(
        value in oracle_values(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[0-9a-z:+-]"), 0..3),
        fragments in nearly_bencode(),
        from_fragments: bool,
    ) {
        let mut input = serde_bencode::to_bytes(&value).unwrap();
        for (at, byte) in changes {
            let at = at.index(input.len());
            input[at] = byte.as_bytes()[0];
        }
        if from_fragments {
            input = fragments.into_bytes();
        }
        let theirs = || serde_bencode::from_bytes::<Oracle>(&input);
        // The oracle ignores what follows the value.
        match Document::<Lenient>::parse_prefix(&input, Limits::default()) {
            Ok((ours, _)) => prop_assert_eq!(to_oracle(ours.root()), theirs().unwrap()),
            Err(_) if claims_much(&input) => {}
            Err(error) => prop_assert!(
                theirs().is_err() || matches!(error.kind, MalformedInteger | TooDeep(_)),
                "{} is accepted: {}", error, input.escape_ascii(),
            ),
        }
    }
}

/// Whether something may be read as the length of a string that no memory has room for: the oracle
/// believes it, and ends the process.
fn claims_much(input: &[u8]) -> bool {
    let numbers = input.split(|&byte| byte == b':').map(|before| {
        let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit());
        digits.count()
    });
    numbers.max().unwrap_or(0) > 6
}

#[test]
fn what_the_oracle_would_believe_is_seen() {
    for input in ["d1:ai427408731546:", "1234567:a", "li1e0000009:"] {
        assert!(claims_much(input.as_bytes()), "{input}");
    }
    for input in ["", "123456:a", "i1234567e3:abc"] {
        assert!(!claims_much(input.as_bytes()), "{input}");
    }
}
