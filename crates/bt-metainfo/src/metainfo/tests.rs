use super::*;
use crate::{InfoBuilder, MetainfoBuilder, MetainfoErrorKind, urls::MAX_URL_LENGTH};

fn info() -> Vec<u8> {
    InfoBuilder::new("temp", 16_384)
        .single_file(425)
        .pieces([[7; 20]])
        .encode()
}

/// A torrent of `info()` whose outer dictionary holds `before` (keys before `info`) and `after`.
fn torrent(before: &str, after: &str) -> Metainfo {
    let bytes = [
        b"d",
        before.as_bytes(),
        b"4:info",
        &info(),
        after.as_bytes(),
        b"e",
    ]
    .concat();
    Metainfo::from_bytes(&bytes).unwrap()
}

fn string(text: &str) -> String {
    format!("{}:{text}", text.len())
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("l{}e", items.into_iter().collect::<String>())
}

fn tiers(announce: Option<&str>, announce_list: &str) -> Vec<Vec<String>> {
    let announce = announce.map_or(String::new(), |url| format!("8:announce{}", string(url)));
    let announce_list = match announce_list {
        "" => String::new(),
        list => format!("13:announce-list{list}"),
    };
    torrent(&[announce, announce_list].concat(), "")
        .tiers()
        .to_vec()
}

#[test]
fn everything_that_a_builder_writes_is_read_again() {
    let bytes = MetainfoBuilder::new(info())
        .tier(["http://a.example/announce", "udp://b.example:80"])
        .tier(["wss://c.example"])
        .web_seed("https://d.example/files/")
        .comment("a comment")
        .created_by("bt 0.1")
        .creation_date(1_359_599_503)
        .encode();
    Document::<bt_bencoding::Strict>::parse(&bytes, Limits::default()).expect("canonical");
    let metainfo = Metainfo::from_bytes(&bytes).unwrap();
    let tiers = [
        vec!["http://a.example/announce", "udp://b.example:80"],
        vec!["wss://c.example"],
    ];
    assert_eq!(metainfo.tiers(), tiers);
    assert_eq!(metainfo.web_seeds(), ["https://d.example/files/"]);
    assert_eq!(metainfo.comment(), Some("a comment"));
    assert_eq!(metainfo.created_by(), Some("bt 0.1"));
    assert_eq!(metainfo.creation_date(), Some(1_359_599_503));
    assert_eq!(metainfo.encoding(), None);
    assert_eq!(metainfo.info().raw(), info());
}

#[test]
fn one_tracker_needs_no_announce_list() {
    let bytes = MetainfoBuilder::new(info())
        .tier(["http://a.example"])
        .encode();
    assert!(bytes.starts_with(b"d8:announce16:http://a.example4:info"));
    assert_eq!(
        Metainfo::from_bytes(&bytes).unwrap().tiers(),
        [["http://a.example"]]
    );
}

#[test]
fn announce_list_wins_unless_it_is_of_no_use() {
    let a = "http://a.example";
    let in_list = list([list([string("udp://b.example:1")])]);
    assert_eq!(tiers(Some(a), ""), [[a]]);
    assert_eq!(tiers(Some(a), &in_list), [["udp://b.example:1"]]);
    assert_eq!(tiers(None, &in_list), [["udp://b.example:1"]]);
    for useless in ["le", "llee", "i1e", "de", "ll4:dht:ee", "ll0:ee", "lli1eee"] {
        assert_eq!(tiers(Some(a), useless), [[a]], "{useless}");
    }
    let flat = list([string("udp://b.example:1"), string("udp://c.example:1")]);
    assert_eq!(
        tiers(Some(a), &flat),
        [["udp://b.example:1"], ["udp://c.example:1"]]
    );
}

#[test]
fn urls_are_trimmed_known_and_unique() {
    let urls = [
        " http://a.example \r\n",
        "http://a.example",
        "HTTPS://b.example/in folder",
        "ws://c.example",
        "wss://d.example",
        "udp://e.example:1",
        "ftp://f.example",
        "file:///etc/passwd",
        "http:///nohost",
        "http://",
        "g.example",
        "http://new\nline.example",
        "http:// host.example",
        "",
    ];
    let found = tiers(
        None,
        &list([list(urls.map(string)), list([string("ws://c.example")])]),
    );
    let expected = [
        "http://a.example",
        "HTTPS://b.example/in%20folder",
        "ws://c.example",
        "wss://d.example",
        "udp://e.example:1",
    ];
    assert_eq!(
        found,
        [expected.to_vec()],
        "the second tier repeats the first, and is dropped"
    );
    let long = format!("http://{}", "a".repeat(MAX_URL_LENGTH));
    assert_eq!(tiers(Some(&long), ""), [[""; 0]; 0]);
}

#[test]
fn trackers_and_web_seeds_are_capped() {
    let many =
        |start: u32| list((start..start + 60).map(|i| string(&format!("http://{i}.example"))));
    let found = tiers(None, &list([many(0), many(100), many(200)]));
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [60, 40]);
    let metainfo = torrent("", &format!("8:url-list{}", many(0)));
    assert_eq!(metainfo.web_seeds().len(), 50);
}

#[test]
fn web_seeds_are_a_string_or_a_list() {
    let seeds = |value: &str| {
        torrent("", &format!("8:url-list{value}"))
            .web_seeds()
            .to_vec()
    };
    assert_eq!(seeds("16:http://a.example"), ["http://a.example"]);
    assert_eq!(seeds("0:"), [""; 0]);
    assert_eq!(seeds("i3e"), [""; 0]);
    let mixed = [
        "http://a.example",
        "ftp://b.example",
        "udp://c.example",
        " http://a.example",
    ];
    assert_eq!(seeds(&list(mixed.map(string))), ["http://a.example"]);
}

#[test]
fn texts_are_read_leniently() {
    let metainfo = torrent("7:comment3:old13:comment.utf-83:new8:encoding3:GBK", "");
    assert_eq!(metainfo.comment(), Some("new"));
    assert_eq!(metainfo.encoding(), Some("GBK"));
    let bytes = [
        b"d7:comment2:\xffx13:creation date1:x4:info".to_vec(),
        info(),
        b"e".to_vec(),
    ];
    let metainfo = Metainfo::from_bytes(&bytes.concat()).unwrap();
    assert_eq!(metainfo.comment(), Some("\u{fffd}x"));
    assert_eq!(metainfo.creation_date(), None);
}

/// Unsorted and repeated keys around `info`, and bytes behind it all.
#[test]
fn the_outer_dictionary_may_be_sloppy() {
    let first = InfoBuilder::new("first", 16_384)
        .single_file(1)
        .pieces([[1; 20]])
        .encode();
    let bytes = [
        b"d4:info".to_vec(),
        first.clone(),
        b"4:info".to_vec(),
        info(),
    ];
    let bytes = [bytes.concat(), b"8:announce16:http://a.examplee\n".to_vec()].concat();
    let metainfo = Metainfo::from_bytes(&bytes).unwrap();
    assert_eq!(metainfo.info().name(), "first");
    assert_eq!(
        metainfo.info().raw(),
        first,
        "what is hashed is what is read"
    );
    assert_eq!(metainfo.tiers(), [["http://a.example"]]);
}

#[test]
fn what_is_no_torrent_is_refused_in_one_clear_line() {
    let refused = |bytes: &[u8], expected: &str| {
        assert_eq!(
            Metainfo::from_bytes(bytes).unwrap_err().to_string(),
            expected
        );
    };
    refused(
        b"",
        "torrent is not bencoded correctly: at byte 0: the input ends inside a value",
    );
    refused(
        b"<html>",
        "torrent is not bencoded correctly: at byte 0: byte 0x3c begins no value",
    );
    refused(b"8:announce", "torrent is not a dictionary");
    refused(b"le", "torrent is not a dictionary");
    refused(b"de", "info is missing");
    refused(b"d4:infoi1ee", "info is not a dictionary");
    refused(b"d4:infodee", "info.name is missing");
    let bomb = [&b"d4:info"[..], &[b'l'; 1_000_000]].concat();
    refused(
        &bomb,
        "torrent is not bencoded correctly: at byte 106: nested more than 100 deep",
    );
}

#[test]
fn errors_can_be_matched() {
    let error = Metainfo::from_bytes(b"de").unwrap_err();
    assert_eq!(
        (error.key.as_str(), error.kind),
        ("info", MetainfoErrorKind::Missing)
    );
}

#[test]
fn nodes_that_can_be_asked_are_kept() {
    let node = |host: &str, port: &str| list([string(host), port.to_owned()]);
    let bad = [
        string("no list"),
        list([string("no-port.example")]),
        list(["i80e".to_owned(), "i80e".to_owned()]),
        node("", "i80e"),
        node("a b.example", "i80e"),
        node("esc\u{1b}.example", "i80e"),
        node(&"x".repeat(254), "i80e"),
        node("port-0.example", "i0e"),
        node("port-65536.example", "i65536e"),
        node("port-negative.example", "i-1e"),
        node("port-text.example", "2:80"),
    ];
    let good = [
        node("dht.example", "i6881e"),
        node("192.0.2.1", "i1e"),
        node("2001:db8::1", "i65535e"),
    ];
    let nodes = string("nodes") + &list(bad.into_iter().chain(good));
    let expected = [
        ("dht.example".to_owned(), 6881),
        ("192.0.2.1".to_owned(), 1),
        ("2001:db8::1".to_owned(), 65535),
    ];
    assert_eq!(torrent("", &nodes).nodes(), expected);

    let many = (0..1000).map(|n| node(&format!("{n}.example"), "i80e"));
    let nodes = string("nodes") + &list(many);
    assert_eq!(torrent("", &nodes).nodes().len(), MAX_NODES);
    assert!(torrent("", "5:nodesi1e").nodes().is_empty());
}
