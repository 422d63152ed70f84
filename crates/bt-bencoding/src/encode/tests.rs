use alloc::{string::ToString, vec::Vec};

use super::*;

fn check(write: impl FnOnce(Encoder<'_>), expected: &[u8]) {
    let mut out = b"before".to_vec();
    write(Encoder::new(&mut out));
    let written = &out[b"before".len()..];
    assert_eq!(
        written.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
}

#[test]
fn integers_and_strings() {
    check(|e| e.int(0), b"i0e");
    check(|e| e.int(-1), b"i-1e");
    check(|e| e.int(4_294_967_295_u32), b"i4294967295e");
    check(|e| e.int(i64::MAX), b"i9223372036854775807e");
    check(|e| e.int(i64::MIN), b"i-9223372036854775808e");
    check(|e| e.bytes(""), b"0:");
    check(|e| e.bytes(b"\x00\xff"), b"2:\x00\xff");
    check(
        |e| e.bytes([b'x'; 100]),
        &[b"100:".to_vec(), [b'x'; 100].to_vec()].concat(),
    );
    check(|e| e.raw(b"li1ee"), b"li1ee");
}

#[test]
fn keys_come_out_sorted_by_their_bytes() {
    let fill = |dict: &mut DictEncoder<'_>| {
        dict.int("b", 1)
            .raw("\u{ff}", b"0:")
            .bytes("", "empty key")
            .dict("aa", |inner| {
                inner.int("z", 1).int("y", 2);
            })
            .list("a", |list| {
                list.int(3).bytes("x").list(|_| {}).dict(|_| {}).raw(b"de");
            });
    };
    check(
        |e| e.dict(fill),
        b"d0:9:empty key1:ali3e1:xlededee2:aad1:yi2e1:zi1ee1:bi1e2:\xc3\xbf0:e",
    );
}

#[test]
fn empty_containers() {
    check(|e| e.list(|_| {}), b"le");
    check(|e| e.dict(|_| {}), b"de");
}

#[test]
#[should_panic(expected = "key \"a\" twice")]
fn a_key_added_twice_is_a_mistake_of_the_program() {
    Encoder::new(&mut Vec::new()).dict(|dict| {
        dict.int("a", 1).int("b", 2).int("a", 3);
    });
}

#[test]
#[should_panic(expected = "not one value")]
#[cfg(debug_assertions)]
fn raw_bytes_must_be_one_value() {
    Encoder::new(&mut Vec::new()).raw(b"i1ei2e");
}
