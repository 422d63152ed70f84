//! Trackers and web seeds in every shape. All are on this machine, where none listens.

use super::{
    Sample,
    content::{dict, int, list, text, texts},
    draft::Draft,
};

pub(super) const SAMPLES: &[Sample] = &[
    Sample::fetched(
        "trackers/blanks-around",
        "An announce URL with blanks and a newline",
        "tracker 1     udp://127.0.0.1:9/announce",
        || with("announce", text(" udp://127.0.0.1:9/announce \n")),
    ),
    Sample::fetched(
        "trackers/blank-within",
        "A blank within is written `%20`",
        "http://127.0.0.1:9/an%20nounce",
        || with("announce", text("http://127.0.0.1:9/an nounce")),
    ),
    Sample::fetched(
        "trackers/empty",
        "An empty announce URL",
        "files         1",
        || with("announce", text("")),
    ),
    Sample::fetched(
        "trackers/announce-is-list",
        "`announce` as a list",
        "files         1",
        || with("announce", texts(["udp://127.0.0.1:9"])),
    ),
    Sample::fetched(
        "trackers/list-is-flat",
        "`announce-list` without tiers: each is one",
        "tracker 2     udp://127.0.0.1:10",
        || {
            with(
                "announce-list",
                texts(["udp://127.0.0.1:9", "udp://127.0.0.1:10"]),
            )
        },
    ),
    Sample::fetched(
        "trackers/list-is-string",
        "`announce-list` as a string: `announce` counts",
        "tracker 1     udp://127.0.0.1:9",
        || {
            let single = Draft::single(10).root("announce", text("udp://127.0.0.1:9"));
            single
                .root("announce-list", text("udp://127.0.0.1:10"))
                .torrent()
        },
    ),
    Sample::fetched(
        "trackers/list-of-empty-tiers",
        "Empty tiers between others",
        "tracker 1     udp://127.0.0.1:9",
        || {
            let tiers = list([
                list([]),
                texts([""]),
                texts(["udp://127.0.0.1:9"]),
                list([]),
            ]);
            with("announce-list", tiers)
        },
    ),
    Sample::fetched(
        "trackers/list-of-anything",
        "Numbers, dictionaries and lists among the URLs",
        "tracker 1     udp://127.0.0.1:9",
        || {
            let tier = list([
                int(7),
                list([text("x")]),
                text("udp://127.0.0.1:9"),
                dict([("a", int(1))]),
            ]);
            with("announce-list", list([int(5), dict([("a", int(1))]), tier]))
        },
    ),
    Sample::fetched(
        "trackers/same-again",
        "One tracker in three tiers",
        "tracker 1     udp://127.0.0.1:9",
        || {
            with(
                "announce-list",
                list((0..3).map(|_| texts(["udp://127.0.0.1:9", "udp://127.0.0.1:9"]))),
            )
        },
    ),
    Sample::fetched(
        "trackers/a-thousand",
        "A thousand trackers: a hundred are kept",
        "tracker 100   udp://127.0.0.1:100",
        || {
            with(
                "announce-list",
                list((1..1001).map(|n| texts([format!("udp://127.0.0.1:{n}")]))),
            )
        },
    ),
    Sample::fetched(
        "trackers/no-trackers",
        "URLs that are none, and one that is",
        "tracker 1     udp://127.0.0.1:9",
        || {
            let urls = [
                "file:///etc/passwd",
                "javascript:alert(1)",
                "//127.0.0.1/announce",
                "udp://",
                "dht://0123456789abcdef",
                "gopher://127.0.0.1/",
                "udp://127.0.0.1:9",
            ];
            with("announce-list", list([texts(urls)]))
        },
    ),
    Sample::fetched(
        "trackers/ports-that-are-none",
        "Trackers that cannot be asked are no reason to fail",
        "udp://127.0.0.1:99999",
        || {
            let urls = [
                "udp://127.0.0.1",
                "udp://127.0.0.1:0",
                "udp://127.0.0.1:99999",
                "udp://[::1:9",
                "udp://:9",
            ];
            with("announce-list", list([texts(urls)]))
        },
    ),
    Sample::fetched(
        "trackers/not-utf-8",
        "An announce URL of any bytes is passed over",
        "files         1",
        || with("announce", text(b"udp://\xff\xfe:9")),
    ),
    Sample::fetched(
        "trackers/control-characters",
        "A URL with a second line for the log is passed over",
        "files         1",
        || {
            with(
                "announce",
                text("http://127.0.0.1:9/\r\nHost: evil\u{1b}[2J"),
            )
        },
    ),
    Sample::fetched(
        "trackers/a-megabyte",
        "A URL of a megabyte is passed over",
        "files         1",
        || {
            with(
                "announce",
                text(format!("udp://127.0.0.1:9/{}", "a".repeat(1 << 20))),
            )
        },
    ),
    Sample::fetched(
        "trackers/nodes",
        "DHT nodes instead of a tracker (BEP 5)",
        "files         1",
        || {
            with(
                "nodes",
                list([list([text("127.0.0.1"), int(9)]), list([int(1), text("x")])]),
            )
        },
    ),
    Sample::fetched(
        "trackers/web-seed-is-string",
        "`url-list` as a string",
        "web seed      http://127.0.0.1:9/a%20b",
        || with("url-list", text("http://127.0.0.1:9/a b")),
    ),
    Sample::fetched(
        "trackers/web-seed-empty",
        "`url-list` as an empty string, as many write it",
        "files         1",
        || with("url-list", text("")),
    ),
    Sample::fetched(
        "trackers/web-seeds-of-anything",
        "Schemes that nobody should follow",
        "web seed      https://127.0.0.1:9/",
        || {
            let urls = [
                "ftp://127.0.0.1/",
                "file:///etc/passwd",
                "https://127.0.0.1:9/",
            ];
            with("url-list", texts(urls))
        },
    ),
];

/// A good torrent with one entry beside its info dictionary.
fn with(key: &str, value: super::content::Ben) -> super::Torrent {
    Draft::single(10).root(key, value).torrent()
}
