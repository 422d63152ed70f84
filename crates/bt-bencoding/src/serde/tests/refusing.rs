use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

use serde::{Deserialize, de::IgnoredAny};

use super::*;

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only its reading is tested")]
struct File {
    length: u64,
    path: Vec<String>,
}

#[test]
fn errors_say_where_and_what() {
    let expected = "invalid type: list, expected u64";
    refused::<File>("d6:lengthle4:pathlee", 9, expected);
    let expected = "invalid value: integer `-3`, expected u64";
    refused::<File>("d6:lengthi-3e4:pathlee", 9, expected);
    refused::<Vec<File>>("ld6:lengthi3eee", 1, "missing field `path`");
    let error = from_bytes::<Lenient, File>(b"d6:lengthi3e6:lengthi3ee", Limits::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "at byte 12: duplicate field `length`"
    );
}

#[test]
fn other_kinds_are_named() {
    refused::<u8>("4:spam", 0, "invalid type: string \"spam\", expected u8");
    let long = format!("41:{}", "x".repeat(41));
    refused::<u8>(long, 0, "invalid type: string, expected u8");
    refused::<u8>(b"1:\xff", 0, "invalid type: string, expected u8");
    refused::<u8>("de", 0, "invalid type: dictionary, expected u8");
    refused::<String>("i3e", 0, "invalid type: integer `3`, expected a string");
    refused::<Vec<u8>>(
        "2:ab",
        0,
        "invalid type: string \"ab\", expected a sequence",
    );
    refused::<bool>("i2e", 0, "invalid value: integer `2`, expected 0 or 1");
    refused::<u8>("i256e", 0, "invalid value: integer `256`, expected u8");
    refused::<String>(b"l2:\xff\xfee", 0, "invalid type: list, expected a string");
    refused::<Vec<String>>(b"l1:a2:\xff\xfee", 4, "string is not UTF-8");
    refused::<BTreeMap<String, u8>>(b"d1:\xffi1ee", 1, "string is not UTF-8");
    refused::<f64>("i1e", 0, "bencode has no floats");
    refused::<()>("i1e", 0, "bencode has no units");
}

#[test]
fn mistakes_in_the_encoding_are_those_of_documents() {
    refused::<u8>("", 0, "the input ends inside a value");
    refused::<u8>("x", 0, "byte 0x78 begins no value");
    refused::<u8>("i-0e", 0, "malformed integer");
    refused::<u8>(
        "i9223372036854775808e",
        0,
        "integer does not fit into 64 bits with sign",
    );
    refused::<Vec<u8>>("li1e", 4, "the input ends inside a value");
    refused::<BTreeMap<String, u8>>("d1:ae", 4, "dictionary key has no value");
    refused::<BTreeMap<String, u8>>("di1ei1ee", 1, "dictionary key is not a string");
    refused::<u8>("i1ee", 3, "1 bytes follow the value");
    refused::<(u8,)>("li1ei2ee", 4, "more items than expected");
}

/// As any parser does, of what it is not asked for.
#[test]
fn what_is_stepped_over_is_checked() {
    for input in [
        "", "l", "d1:a", "d1:ae", "di1ei1ee", "li01", "l3:abe", "ld1:aeee", "lxe", "e",
    ] {
        let limits = Limits::default();
        let document = crate::Document::<Lenient>::parse(input.as_bytes(), limits).unwrap_err();
        refused::<IgnoredAny>(input, document.offset, &document.kind.to_string());
    }
}

#[test]
fn strict_holds_for_all_of_it() {
    let strict = |input: &'static str| {
        let unread = from_bytes::<Strict, IgnoredAny>(input.as_bytes(), Limits::default());
        let raw = from_bytes::<Strict, Raw<'_>>(input.as_bytes(), Limits::default());
        assert_eq!(unread.err(), raw.err());
        let read = from_bytes::<Strict, BTreeMap<String, u8>>(input.as_bytes(), Limits::default());
        assert!(from_bytes::<Lenient, IgnoredAny>(input.as_bytes(), Limits::default()).is_ok());
        read.map(drop)
            .map_err(|error| (error.offset(), error.kind().to_string()))
    };
    assert_eq!(strict("d1:ai1e1:bi1ee"), Ok(()));
    let unsorted = "dictionary keys are not sorted".to_string();
    assert_eq!(strict("d1:bi1e1:ai1ee"), Err((7, unsorted)));
    let repeated = "dictionary key is repeated".to_string();
    assert_eq!(strict("d1:ai1e1:ai1ee"), Err((7, repeated)));
    let zero = "number has a leading zero".to_string();
    assert_eq!(strict("d1:ai01ee"), Err((4, zero.clone())));
    assert_eq!(strict("d01:ai1ee"), Err((1, zero)));
    let inside = b"ld1:ald1:bi1eei1eeed1:bi1e1:ai1eee";
    let error = from_bytes::<Strict, IgnoredAny>(inside, Limits::default()).unwrap_err();
    assert_eq!(
        (error.offset(), error.kind().to_string()),
        (26, "dictionary keys are not sorted".into())
    );
}

#[test]
fn depth_is_bounded_at_the_limit_where_serde_recurses() {
    assert_eq!(nested(3).len(), 6);
    let parse = |depth, limit| {
        let input = nested(depth);
        let result = from_bytes::<Strict, Nested>(&input, Limits::new(limit, u32::MAX));
        result
            .map(drop)
            .map_err(|error| (error.offset(), error.kind().to_string()))
    };
    let deep = |limit| format!("nested more than {limit} deep");
    assert_eq!(parse(100, 100), Ok(()));
    assert_eq!(parse(101, 100), Err((100, deep(100))));
    // Whatever the limits allow, the stack suffices.
    assert_eq!(parse(128, u32::MAX), Ok(()));
    assert_eq!(parse(129, u32::MAX), Err((128, deep(MAX_DEPTH))));
    assert_eq!(parse(1_000_000, u32::MAX), Err((128, deep(MAX_DEPTH))));
}

#[test]
fn what_is_stepped_over_needs_no_stack() {
    let deep = Limits::new(u32::MAX, u32::MAX);
    let input = nested(1_000_000);
    assert!(from_bytes::<Strict, IgnoredAny>(&input, deep).is_ok());
    assert_eq!(
        from_bytes::<Lenient, Raw<'_>>(&input, deep)
            .unwrap()
            .as_bytes(),
        input
    );
    let error = from_bytes::<Lenient, IgnoredAny>(&input, Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "at byte 100: nested more than 100 deep");
    // Depth is that of the input, wherever in it stepping over begins.
    let error = from_bytes::<Lenient, Vec<IgnoredAny>>(&nested(101), Limits::default());
    assert_eq!(error.unwrap_err().offset(), 100);
    assert!(from_bytes::<Lenient, Vec<IgnoredAny>>(&nested(100), Limits::default()).is_ok());
}

#[test]
fn values_are_counted_read_or_not() {
    fn parse<'de, T: Deserialize<'de>>(input: &'de str) -> bool {
        let result = from_bytes::<Lenient, T>(input.as_bytes(), Limits::new(100, 3));
        result
            .map_err(|error| assert_eq!(error.kind().to_string(), "more than 3 values"))
            .is_ok()
    }
    assert!(parse::<Vec<u8>>("li1ei2ee") && parse::<IgnoredAny>("li1ei2ee"));
    assert!(!parse::<Vec<u8>>("li1ei2ei3ee") && !parse::<IgnoredAny>("li1ei2ei3ee"));
    assert!(parse::<BTreeMap<&str, u8>>("d1:ai1ee") && parse::<IgnoredAny>("d1:ai1ee"));
    assert!(!parse::<BTreeMap<&str, u8>>("d1:ai1e1:bi1ee") && !parse::<IgnoredAny>("llelelee"));
}

#[test]
fn variants_must_have_their_content() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its reading is tested")]
    enum Event {
        A,
        B(u8),
        C(u8, u8),
        D { a: u8 },
    }
    refused::<Event>(
        "1:B",
        0,
        "invalid type: unit variant, expected a variant with a value",
    );
    refused::<Event>(
        "1:C",
        0,
        "invalid type: unit variant, expected a variant with values",
    );
    refused::<Event>(
        "1:D",
        0,
        "invalid type: unit variant, expected a variant with fields",
    );
    refused::<Event>(
        "d1:Ai1ee",
        4,
        "invalid type: integer `1`, expected a variant without content",
    );
    refused::<Event>("d1:Bi1e1:Ci1ee", 7, "more items than expected");
    refused::<Event>("d1:Be", 4, "dictionary key has no value");
    refused::<Event>(
        "1:X",
        0,
        "unknown variant `X`, expected one of `A`, `B`, `C`, `D`",
    );
    refused::<Event>("i1e", 0, "invalid type: integer `1`, expected enum Event");
}

#[test]
fn other_formats_refuse_raw_and_spanned() {
    use serde::de::{IntoDeserializer, value::Error};
    let number: serde::de::value::U8Deserializer<Error> = 1_u8.into_deserializer();
    assert!(Raw::deserialize(number).is_err());
    assert!(Spanned::<u8>::deserialize(number).is_err());
}
