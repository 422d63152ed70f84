//! Bytes that are no bencode, or bencode as some write it.

use super::{
    Sample,
    content::{Torrent, raw, text},
    draft::Draft,
};

pub(super) const SAMPLES: &[Sample] = &[
    Sample::refused("bencode/empty", "No byte at all", "it is empty", || {
        Torrent::raw("")
    }),
    Sample::refused(
        "bencode/html",
        "The page that a server gave instead",
        "begins no value",
        || Torrent::raw("<!DOCTYPE html>\n<title>404 Not Found</title>\n"),
    ),
    Sample::refused(
        "bencode/gzip",
        "Compressed, as some servers send it",
        "begins no value",
        || Torrent::raw(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x31"),
    ),
    Sample::refused(
        "bencode/byte-order-mark",
        "A text editor was here",
        "begins no value",
        || good().map(|bytes| [b"\xef\xbb\xbf", &bytes[..]].concat()),
    ),
    Sample::refused(
        "bencode/blank-before",
        "A blank before everything",
        "begins no value",
        || good().map(|bytes| [b" ", &bytes[..]].concat()),
    ),
    Sample::refused(
        "bencode/integer",
        "An integer alone",
        "is not a dictionary",
        || Torrent::raw("i1e"),
    ),
    Sample::refused(
        "bencode/string",
        "A string alone",
        "is not a dictionary",
        || Torrent::raw("7:torrent"),
    ),
    Sample::refused("bencode/list", "A list", "is not a dictionary", || {
        Torrent::raw("le")
    }),
    Sample::refused(
        "bencode/empty-dictionary",
        "Nothing in it",
        "info is missing",
        || Torrent::raw("de"),
    ),
    Sample::refused("bencode/half", "Cut in the middle", "bytes, but", || {
        good().map(|bytes| bytes[..bytes.len() / 2].to_vec())
    }),
    Sample::refused(
        "bencode/last-byte-missing",
        "Cut one byte early",
        "ends inside a value",
        || good().map(|bytes| bytes[..bytes.len() - 1].to_vec()),
    ),
    Sample::refused(
        "bencode/string-of-ten-gigabytes",
        "A string that claims more than there is",
        "string of 9999999999 bytes, but",
        || Torrent::raw("d4:info9999999999:xe"),
    ),
    Sample::refused(
        "bencode/string-length-of-30-digits",
        "A length beyond every number",
        "is not bencoded correctly",
        || Torrent::raw("d4:info999999999999999999999999999999:xe"),
    ),
    Sample::refused(
        "bencode/string-length-negative",
        "A string of minus one byte",
        "is not bencoded correctly",
        || Torrent::raw("d4:info-1:xe"),
    ),
    Sample::refused(
        "bencode/string-without-colon",
        "A length that nothing ends",
        "malformed string length",
        || Torrent::raw("d4infoe"),
    ),
    Sample::refused(
        "bencode/deep-lists",
        "100,000 lists in one another",
        "nested more than",
        || Torrent::raw([b'l'; 100_000]),
    ),
    Sample::refused(
        "bencode/deep-dictionaries",
        "100,000 dictionaries in one another",
        "nested more than",
        || Torrent::raw(b"d1:a".repeat(100_000)),
    ),
    Sample::refused(
        "bencode/deep-unknown-key",
        "A good torrent with 200 lists under a key that nobody knows",
        "nested more than",
        || {
            let deep = [[b'l'; 200], [b'e'; 200]].concat();
            Draft::single(10).root("x-deep", raw(deep)).torrent()
        },
    ),
    Sample::refused(
        "bencode/many-values",
        "Three million and more integers",
        "more than 3000000 values",
        || Torrent::raw([&b"d1:al"[..], &b"i0e".repeat(3_000_001), b"ee"].concat()),
    ),
    Sample::refused("bencode/integer-empty", "`ie`", "malformed integer", || {
        Draft::single(10).root("x", raw("ie")).torrent()
    }),
    Sample::refused(
        "bencode/integer-minus-zero",
        "`i-0e`",
        "malformed integer",
        || Draft::single(10).root("x", raw("i-0e")).torrent(),
    ),
    Sample::refused(
        "bencode/integer-plus",
        "`i+5e`",
        "malformed integer",
        || Draft::single(10).root("x", raw("i+5e")).torrent(),
    ),
    Sample::refused(
        "bencode/integer-fraction",
        "`i1.5e`",
        "malformed integer",
        || Draft::single(10).root("x", raw("i1.5e")).torrent(),
    ),
    Sample::refused(
        "bencode/integer-of-65-bits",
        "2^63, under a key that nobody needs",
        "does not fit into 64 bits",
        || {
            Draft::single(10)
                .root("x", raw("i9223372036854775808e"))
                .torrent()
        },
    ),
    Sample::fetched(
        "bencode/integer-leading-zeros",
        "`i00010e` for the length: needless, but plain",
        "10 B",
        || Draft::single(10).info("length", raw("i00010e")).torrent(),
    ),
    Sample::fetched(
        "bencode/string-leading-zeros",
        "`0004:name`: needless, but plain",
        "name          t",
        || {
            let torrent = Draft::single(10).torrent();
            let info = replaced(&torrent.info, b"4:name", b"0004:name");
            Draft::single(10).root("info", raw(info)).torrent()
        },
    ),
    Sample::refused(
        "bencode/key-is-integer",
        "A key that is no string",
        "key is not a string",
        || Torrent::raw("di1e4:infoe"),
    ),
    Sample::refused(
        "bencode/value-missing",
        "A key without a value",
        "key has no value",
        || Torrent::raw("d4:infoe"),
    ),
    Sample::fetched(
        "bencode/bytes-behind",
        "Something follows the torrent",
        "name          t",
        || good().map(|bytes| [&bytes[..], b"i1elost and found"].concat()),
    ),
    Sample::fetched(
        "bencode/newline-behind",
        "Written by `echo`",
        "name          t",
        || good().map(|bytes| [&bytes[..], b"\n"].concat()),
    ),
    Sample::fetched(
        "bencode/keys-unsorted",
        "All keys in the wrong order: the info hash is that of the bytes as they are",
        "t/second",
        || {
            let folder = Draft::folder().file("first", 10).file("second", 20);
            folder.reversed().torrent()
        },
    ),
    Sample::fetched(
        "bencode/info-twice",
        "Two info dictionaries: the first counts",
        "name          t",
        || {
            let torrent = Draft::single(10).torrent();
            let other = Draft::single(10).named("other", "other").encode_info();
            torrent.map(|bytes| {
                let end = bytes.len() - 1;
                [&bytes[..end], b"4:info", &other[..], b"e"].concat()
            })
        },
    ),
    Sample::fetched(
        "bencode/key-twice",
        "Two names in the info dictionary: the first counts",
        "name          t",
        || {
            let info = Draft::single(10).encode_info();
            let info = replaced(&info, b"4:name1:t", b"4:name1:t4:name5:other");
            Draft::single(10).root("info", raw(info)).torrent()
        },
    ),
    Sample::fetched(
        "bencode/key-of-any-bytes",
        "A key that is no text, and an empty one",
        "name          t",
        || {
            let odd = Draft::single(10).info(b"\xff\0\x1b[2J", text("x"));
            odd.info("", text("empty")).torrent()
        },
    ),
];

fn good() -> Torrent {
    Draft::single(10).torrent()
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from);
    let at = at.expect("it stands there");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}
