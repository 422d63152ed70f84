use bt_bencoding::Encoder;
use bt_types::SwarmId;
use proptest::prelude::*;

use super::*;
use crate::{FileKind, InfoBuilder, Metainfo};

type Bytes = Vec<u8>;

fn int(value: i64) -> Bytes {
    format!("i{value}e").into()
}

fn string(value: impl AsRef<[u8]>) -> Bytes {
    let mut out = Vec::new();
    Encoder::new(&mut out).bytes(value);
    out
}

fn list(items: impl IntoIterator<Item = Bytes>) -> Bytes {
    let items: Bytes = items.into_iter().flatten().collect();
    [b"l", &items[..], b"e"].concat()
}

/// In the order given, right or wrong.
fn dict<'k>(entries: impl IntoIterator<Item = (&'k [u8], Bytes)>) -> Bytes {
    let entries = entries
        .into_iter()
        .flat_map(|(key, value)| [string(key), value].concat());
    [b"d", &entries.collect::<Bytes>()[..], b"e"].concat()
}

fn path(names: &[&str]) -> Bytes {
    list(names.iter().map(string))
}

fn file(length: i64, names: &[&str]) -> Bytes {
    dict([(&b"length"[..], int(length)), (b"path", path(names))])
}

fn file_with_attr(attr: &str, length: i64, names: &[&str]) -> Bytes {
    let attr = string(attr);
    dict([
        (&b"attr"[..], attr),
        (b"length", int(length)),
        (b"path", path(names)),
    ])
}

fn link(names: &[&str], target: &[&str]) -> Bytes {
    dict([
        (&b"attr"[..], string("l")),
        (b"path", path(names)),
        (b"symlink path", path(target)),
    ])
}

/// A v1 dictionary named `t` of one piece.
fn v1(files: impl IntoIterator<Item = Bytes>) -> Bytes {
    dict([
        (&b"files"[..], list(files)),
        (b"name", string("t")),
        (b"piece length", int(1 << 20)),
        (b"pieces", string([7; 20])),
    ])
}

#[track_caller]
fn refused(info: &[u8], expected: &str) {
    let error = Info::from_bytes(info).expect_err(expected);
    assert_eq!(error.to_string(), expected);
    // The same words for the same dictionary within a torrent.
    let torrent = dict([(&b"info"[..], info.to_vec())]);
    if !expected.contains(" at byte ") {
        assert_eq!(
            Metainfo::from_bytes(&torrent).unwrap_err().to_string(),
            expected
        );
    }
}

#[track_caller]
fn paths(files: impl IntoIterator<Item = Bytes>, expected: &[&str]) {
    let info = Info::from_bytes(&v1(files)).unwrap();
    let found: Vec<_> = info.files().iter().map(|file| file.path.as_str()).collect();
    assert_eq!(found, expected);
}

fn hex<const N: usize>(text: &str) -> [u8; N] {
    let digit = |at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
    assert_eq!(text.len(), 2 * N);
    std::array::from_fn(digit)
}

// ---- v1

/// libtorrent's `base.torrent`, whole.
#[test]
fn base_torrent() {
    let pieces = hex::<20>("829ebc8c26bec74a579b7ddc4134752cb7bc9187");
    let torrent = [
        &b"d10:created by10:libtorrent13:creation datei1359599503e4:infod6:lengthi425e4:name4:temp\
           12:piece lengthi16384e6:pieces20:"[..],
        &pieces,
        b"ee",
    ]
    .concat();
    let metainfo = Metainfo::from_bytes(&torrent).unwrap();
    assert_eq!(metainfo.created_by(), Some("libtorrent"));
    assert_eq!(metainfo.creation_date(), Some(1_359_599_503));
    let info = metainfo.info();
    let id = "c0fda1edafdbdbb96443424e0b3899af7159d10e";
    assert_eq!(info.ids(), TorrentIds::v1_only(id.parse().unwrap()));
    assert!(info.is_single_file() && !info.is_private());
    assert_eq!((info.name(), info.source()), ("temp", None));
    assert_eq!(info.layout().piece_count(), 1);
    assert_eq!(info.layout().data_length(), 425);
    assert_eq!(
        info.piece_hash(PieceIndex::new(0)),
        Some(PieceHash::V1(pieces))
    );
    assert_eq!(info.piece_hash(PieceIndex::new(1)), None);
    assert_eq!(info.piece_hash(PieceIndex::new(u32::MAX)), None);
    let file = info.file(FileIndex(0));
    assert_eq!((file.path.as_str(), file.length), ("temp", 425));
    assert_eq!(
        (&file.kind, file.executable, file.hidden),
        (&FileKind::Data, false, false)
    );
    assert_eq!(info.pieces_root(FileIndex(0)), None);

    let from_dict = Info::from_bytes(info.raw()).unwrap();
    assert_eq!(from_dict.ids(), info.ids());
    let rebuilt = InfoBuilder::new("temp", 16_384)
        .single_file(425)
        .pieces([pieces]);
    assert_eq!(rebuilt.encode(), info.raw());
    let shown = format!("{info:?}");
    assert!(
        shown.starts_with("Info { ids: TorrentIds(V1(InfoHash(c0fda1ed"),
        "{shown}"
    );
}

#[test]
fn a_list_of_one_file_is_a_folder() {
    let info = Info::from_bytes(&v1([file(5, &["a"])])).unwrap();
    assert!(!info.is_single_file());
    assert_eq!(
        info.file(FileIndex(0))
            .path
            .components()
            .collect::<Vec<_>>(),
        ["t", "a"]
    );
    assert_eq!(info.file(FileIndex(0)).path.file_name(), "a");
}

#[test]
fn piece_hashes_are_cut_out_of_the_dictionary() {
    let hashes: Vec<[u8; 20]> = (0..30).map(|i| [i; 20]).collect();
    let builder = InfoBuilder::new("t", 16_384).file(["a"], 30 * 16_384 - 1);
    let info = builder
        .pieces(hashes.clone())
        .private()
        .source("XYZ")
        .build()
        .unwrap();
    for (piece, hash) in info.layout().pieces().zip(hashes) {
        assert_eq!(info.piece_hash(piece), Some(PieceHash::V1(hash)));
    }
    assert!(info.is_private());
    assert_eq!(info.source(), Some("XYZ"));
}

#[test]
fn private_is_any_integer_but_zero_and_only_within_info() {
    let private = |value: Bytes| {
        let entries = [
            (&b"length"[..], int(1)),
            (b"name", string("t")),
            (b"piece length", int(16_384)),
            (b"pieces", string([7; 20])),
            (b"private", value),
        ];
        let torrent = dict([(&b"info"[..], dict(entries)), (b"private", int(1))]);
        Metainfo::from_bytes(&torrent).unwrap().info().is_private()
    };
    assert!(private(int(1)) && private(int(-1)) && private(int(2)));
    assert!(!private(int(0)) && !private(string("1")));
}

/// The bytes are hashed as they are, sorted or not.
#[test]
fn an_unsorted_v1_dictionary_keeps_its_hash() {
    let entries = [
        (&b"pieces"[..], string([7; 20])),
        (b"name", string("t")),
        (b"length", int(3)),
        (b"piece length", b"i016384e".to_vec()),
        (b"length", int(5)),
    ];
    let raw = dict(entries);
    let info = Info::from_bytes(&raw).unwrap();
    assert_eq!(info.ids().v1(), Some(InfoHash(sha1(&raw))));
    assert_eq!(
        info.layout().data_length(),
        3,
        "the first of a repeated key"
    );
    assert_eq!(
        info.piece_hash(PieceIndex::new(0)),
        Some(PieceHash::V1([7; 20]))
    );
}

#[test]
fn malformed_v1_dictionaries_are_refused_with_the_place() {
    let replaced = |key: &[u8], value: Option<Bytes>| {
        let entries = [
            (&b"length"[..], int(425)),
            (b"name", string("temp")),
            (b"piece length", int(16_384)),
            (b"pieces", string([7; 20])),
        ];
        dict(entries.into_iter().filter_map(|(found, default)| {
            if found == key {
                Some((found, value.clone()?))
            } else {
                Some((found, default))
            }
        }))
    };
    let check =
        |key: &str, value, expected: &str| refused(&replaced(key.as_bytes(), value), expected);
    check("name", None, "info.name is missing");
    check("name", Some(int(1)), "info.name is not a string");
    check("length", None, "info.length is missing");
    check(
        "length",
        Some(string("425")),
        "info.length is not an integer",
    );
    check("length", Some(int(-1)), "info.length is negative (-1)");
    check(
        "length",
        Some(int(0)),
        "info cannot be laid out: the files hold no data",
    );
    let too_long =
        "info cannot be laid out: the files are more than 281474976710656 bytes together";
    check("length", Some(int(i64::MAX)), too_long);
    check("length", Some(int((1 << 48) + 1)), too_long);
    let many = "info cannot be laid out: 2097153 pieces, at most 2097152 are supported";
    check("length", Some(int((1 << 35) + 1)), many);
    check("piece length", None, "info.piece length is missing");
    check(
        "piece length",
        Some(string("x")),
        "info.piece length is not an integer",
    );
    check(
        "piece length",
        Some(int(-16_384)),
        "info.piece length is negative (-16384)",
    );
    for length in [0, 1 << 29, 1 << 60] {
        let expected = format!(
            "info.piece length cannot be laid out: piece length {length} is not between 1 and 536854528"
        );
        check("piece length", Some(int(length)), &expected);
    }
    check("pieces", None, "info.pieces is missing");
    check("pieces", Some(int(1)), "info.pieces is not a string");
    let cut_off = "info.pieces is 19 bytes long, which is no multiple of 20";
    check("pieces", Some(string([7; 19])), cut_off);
    let count = |found| format!("info.pieces holds {found} hashes, but the files make 1 pieces");
    check("pieces", Some(string("")), &count(0));
    check("pieces", Some(string([7; 40])), &count(2));
    refused(b"le", "info is not a dictionary");
    refused(
        &[replaced(b"", None), b"x".to_vec()].concat(),
        "info is not bencoded correctly: at byte 80: 1 bytes follow the value",
    );
    // A large, odd piece length is fine.
    Info::from_bytes(&replaced(b"piece length", Some(int(500_000_001)))).unwrap();
}

#[test]
fn malformed_files_are_refused_with_the_place() {
    let good = || file(1, &["a"]);
    let check = |bad: Bytes, expected: &str| refused(&v1([good(), bad]), expected);
    refused(&v1([]), "info.files is empty");
    check(int(1), "info.files[1] is not a dictionary");
    check(file(-1, &["b"]), "info.files[1].length is negative (-1)");
    check(file(1, &[]), "info.files[1].path is empty");
    check(
        dict([(&b"length"[..], int(1))]),
        "info.files[1].path is missing",
    );
    check(
        dict([(&b"path"[..], path(&["b"]))]),
        "info.files[1].length is missing",
    );
    let length = dict([(&b"length"[..], string("1")), (b"path", path(&["b"]))]);
    check(length, "info.files[1].length is not an integer");
    let no_list = dict([(&b"length"[..], int(1)), (b"path", string("b"))]);
    check(no_list, "info.files[1].path is not a list");
    let no_string = dict([
        (&b"length"[..], int(1)),
        (b"path", list([string("a"), int(1)])),
    ]);
    check(no_string, "info.files[1].path[1] is not a string");
    let no_list = [
        (&b"files"[..], int(1)),
        (b"name", string("t")),
        (b"piece length", int(1)),
    ];
    refused(&dict(no_list), "info.files is not a list");
    let too_long =
        "info cannot be laid out: the files are more than 281474976710656 bytes together";
    refused(
        &v1([file(1 << 48, &["a"]), file(1 << 48, &["b"])]),
        too_long,
    );
    refused(
        &v1([file(i64::MAX, &["a"]), file(i64::MAX, &["b"])]),
        too_long,
    );
    refused(
        &v1([file(0, &["a"])]),
        "info cannot be laid out: the files hold no data",
    );
}

// ---- names

#[test]
fn no_path_leaves_the_torrent() {
    paths(
        [
            file(1, &["..", "..", "etc", "passwd"]),
            file(1, &["/abs", "x"]),
            file(1, &["a\\..\\b"]),
            file(1, &["/", "/", "bar"]),
            file(1, &["abc/../def", "/", "bar"]),
            file(1, &["", "x"]),
            file(1, &["C:", "con"]),
            file(1, &["."]),
        ],
        &[
            "t/_/_/etc/passwd",
            "t/abs/x",
            "t/a..b",
            "t/_/_/bar",
            "t/abc..def/_/bar",
            "t/_/x",
            "t/C_/_con",
            "t/_.1", // since "_" is a folder
        ],
    );
}

#[test]
fn the_name_is_sanitised_for_one_file_and_for_many() {
    for (name, expected) in [("../../x", "....x"), ("", "_"), ("/", "_"), ("a\0", "a_")] {
        let single = InfoBuilder::new(name, 16_384)
            .single_file(1)
            .pieces([[7; 20]]);
        let single = single.build().unwrap();
        assert_eq!(
            (single.name(), single.file(FileIndex(0)).path.as_str()),
            (expected, expected)
        );
        let many = InfoBuilder::new(name, 16_384)
            .file(["f"], 1)
            .pieces([[7; 20]]);
        let path = format!("{expected}/f");
        assert_eq!(many.build().unwrap().file(FileIndex(0)).path.as_str(), path);
    }
}

#[test]
fn utf8_names_are_preferred() {
    let old = dict([
        (&b"length"[..], int(1)),
        (b"path", list([string(b"\xb2\xe2")])),
        (b"path.utf-8", path(&["测"])),
    ]);
    // One that is unusable is passed over.
    let empty = dict([
        (&b"length"[..], int(1)),
        (b"path", path(&["x"])),
        (b"path.utf-8", path(&[])),
    ]);
    let info = dict([
        (&b"files"[..], list([old, empty])),
        (b"name", string(b"\xca\xd4")),
        (b"name.utf-8", string("试")),
        (b"piece length", int(16_384)),
        (b"pieces", string([7; 20])),
    ]);
    let info = Info::from_bytes(&info).unwrap();
    assert_eq!(info.file(FileIndex(0)).path.to_string(), "试/测");
    assert_eq!(info.file(FileIndex(1)).path.to_string(), "试/x");
}

#[test]
fn files_of_one_name_are_told_apart() {
    paths(
        [
            file(1, &["foo", "bar.txt"]),
            file(1, &["foo", "bar.txt"]),
            file(1, &["Foo"]),
        ],
        &["t/foo/bar.txt", "t/foo/bar.1.txt", "t/Foo.1"],
    );
}

#[test]
fn deep_and_long_paths_are_shortened_and_stay_unique() {
    let deep: Vec<_> = (0..50_000).map(|_| "folder").collect();
    let info = Info::from_bytes(&v1([file(1, &deep), file(1, &deep)])).unwrap();
    for file in info.files() {
        assert!(file.path.as_str().len() <= 1001);
    }
    assert_ne!(info.files()[0].path, info.files()[1].path);
}

// ---- BEP 47

#[test]
fn attributes_in_any_order() {
    let files = [
        file_with_attr("hx", 1, &["a"]),
        file_with_attr("?x", 1, &["b"]),
        file_with_attr("ph", 1, &["c"]),
    ];
    let info = Info::from_bytes(&v1(files)).unwrap();
    let flags = info
        .files()
        .iter()
        .map(|file| (file.executable, file.hidden));
    assert_eq!(
        flags.collect::<Vec<_>>(),
        [(true, true), (true, false), (false, true)]
    );
    assert_eq!(info.files()[2].kind, FileKind::Pad);
}

#[test]
fn padding_has_many_faces() {
    let no_path = dict([(&b"attr"[..], string("p")), (b"length", int(3))]);
    let files = [
        file(1, &["a"]),
        file_with_attr("p", 2, &[".pad", "2"]),
        file(1, &["_____padding_file_0_if you see this, update BitComet"]),
        no_path.clone(),
        no_path,
        file_with_attr("p", 2, &["a"]),
        file_with_attr("p", 0, &[]),
        file(1, &["b"]),
    ];
    let info = Info::from_bytes(&v1(files)).unwrap();
    let kinds = info.files().iter().map(|file| file.kind == FileKind::Pad);
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [false, true, true, true, true, true, true, false]
    );
    assert_eq!(info.layout().data_length(), 2);
    assert_eq!(info.layout().file_count(), 8);
    let unique: std::collections::HashSet<_> = info.files().iter().map(|file| &file.path).collect();
    assert_eq!(unique.len(), 8);
    assert_eq!(info.files()[0].path.as_str(), "t/a");
    assert_eq!(info.files()[7].path.as_str(), "t/b");
    refused(
        &v1([file_with_attr("p", 5, &["x"])]),
        "info cannot be laid out: the files hold no data",
    );
}

/// The kinds of `files`, links by their targets.
fn links(files: impl IntoIterator<Item = Bytes>) -> Vec<Option<String>> {
    let info = Info::from_bytes(&v1(files)).unwrap();
    let kinds = info.files().iter().map(|file| match &file.kind {
        FileKind::Symlink { target } => {
            assert_eq!(file.length, 0);
            Some(target.to_string())
        }
        FileKind::Data | FileKind::Pad => None,
    });
    kinds.collect()
}

#[test]
fn links_to_what_is_in_the_torrent_are_kept() {
    let found = links([
        file(1, &["d", "a"]),
        link(&["to file"], &["d", "a"]),
        link(&["to folder"], &["d"]),
        link(&["d", "to folder beside"], &["e"]),
        link(&["e", "f"], &["d", "a"]),
    ]);
    let some = |target: &str| Some(target.to_owned());
    assert_eq!(
        found,
        [None, some("t/d/a"), some("t/d"), some("t/e"), some("t/d/a")]
    );
}

/// As in a macOS bundle: `Versions/Current` is a link, and others lead through it.
#[test]
fn links_through_links_point_at_what_they_come_down_to() {
    let found = links([
        link(&["Foo"], &["Versions", "Current", "Foo"]),
        link(&["Resources"], &["Versions", "Current", "Resources"]),
        link(&["Versions", "Current"], &["Versions", "A"]),
        file(1, &["Versions", "A", "Foo"]),
        file(1, &["Versions", "A", "Resources", "icon"]),
    ]);
    let some = |target: &str| Some(target.to_owned());
    let current = some("t/Versions/A");
    let (foo, resources) = (some("t/Versions/A/Foo"), some("t/Versions/A/Resources"));
    assert_eq!(found, [foo, resources, current, None, None]);
}

/// As the file system counts, where counting from the torrent's folder leads nowhere.
#[test]
fn a_target_may_be_named_from_the_links_folder() {
    let found = links([
        link(&["Headers"], &["Versions", "Current", "Headers"]),
        link(&["Versions", "Current"], &["A"]),
        link(&["Versions", "B"], &["Headers"]),
        file(1, &["Versions", "A", "Headers", "x.h"]),
    ]);
    let some = |target: &str| Some(target.to_owned());
    let headers = some("t/Versions/A/Headers");
    assert_eq!(
        found,
        [headers.clone(), some("t/Versions/A"), headers, None]
    );
}

#[test]
fn other_links_become_empty_files() {
    let found = links([
        file(1, &["d", "a"]),
        link(&["1"], &["..", "..", "etc", "passwd"]),
        link(&["2"], &["/etc/passwd"]),
        link(&["3"], &["nowhere"]),
        link(&["4"], &["4"]),
        link(&["5"], &["6"]),
        link(&["6"], &["5"]),
        link(&["7"], &["7", "x"]),
        link(&["d", "8"], &["d"]),
        link(&["9"], &[]),
        link(&["10"], &["d", "a", "x"]),
        file_with_attr("l", 5, &["11"]),
        file_with_attr("p", 5, &["pad"]),
        link(&["12"], &["pad"]),
    ]);
    assert_eq!(found, vec![None; 14]);
}

/// What would lie behind a link, if names were taken as they are.
#[test]
fn nothing_lies_behind_a_link() {
    let files = [
        link(&["a"], &["d"]),
        file(1, &["A", "passwd"]),
        file(1, &["d", "x"]),
    ];
    paths(files.clone(), &["t/a.1", "t/A/passwd", "t/d/x"]);
    assert_eq!(links(files), [Some("t/d".to_owned()), None, None]);
    // A target is what the torrent calls so, whatever it is renamed to.
    let renamed = [file(1, &["a"]), file(1, &["a", "b"]), link(&["l"], &["a"])];
    assert_eq!(links(renamed), [None, None, Some("t/a.1".to_owned())]);
}

#[test]
fn a_malformed_target_is_refused() {
    let bad = dict([
        (&b"attr"[..], string("l")),
        (b"path", path(&["b"])),
        (b"symlink path", list([int(1)])),
    ]);
    refused(&v1([bad]), "info.files[0].symlink path[0] is not a string");
}

#[test]
fn webs_of_links_cost_little() {
    let deep = vec!["x"; 300];
    let bad = (0..9_000).map(|i| link(&[&i.to_string()], &deep));
    let files = bad.chain([file(1, &["a"])]);
    assert_eq!(links(files).into_iter().flatten().count(), 0);
}

// ---- v2

/// BEP 52 roots of files of zeros: 100,000 and 65,536 bytes.
const ZEROS_100K: &str = "e92dc22e05df5bb6a89aecc0c58f10d0d270d676a648b1ea47258121fd79a9d3";
const ZEROS_64K: &str = "60aae9c7b428f87e0713e88229e18f0adf12cd7b22a0dd8a92bb2485eb7af242";
const ZEROS_100K_LAST_PIECE: &str =
    "e14ecada6c4fd3a2b3e7b3e060083d4bd0772ff499eeb7c8e55be4afeaf54822";

fn leaf(attr: &str, length: i64, root: Option<&str>) -> Bytes {
    let mut entries = vec![];
    if !attr.is_empty() {
        entries.push((&b"attr"[..], string(attr)));
    }
    entries.push((b"length", int(length)));
    if let Some(root) = root {
        entries.push((b"pieces root", string(hex::<32>(root))));
    }
    dict([(&b""[..], dict(entries))])
}

fn v2(tree: Bytes) -> Bytes {
    dict([
        (&b"file tree"[..], tree),
        (b"meta version", int(2)),
        (b"name", string("v2 test")),
        (b"piece length", int(65_536)),
    ])
}

fn v2_info() -> Bytes {
    let docs = dict([
        (&b"empty"[..], leaf("", 0, None)),
        (b"readme.txt", leaf("x", 65_536, Some(ZEROS_64K))),
    ]);
    v2(dict([
        (&b"docs"[..], docs),
        (b"zeros.bin", leaf("", 100_000, Some(ZEROS_100K))),
    ]))
}

fn layer() -> Bytes {
    [hex::<32>(ZEROS_64K), hex::<32>(ZEROS_100K_LAST_PIECE)].concat()
}

fn with_layers(info: Bytes, layers: Bytes) -> Bytes {
    dict([(&b"info"[..], info), (b"piece layers", layers)])
}

/// The id was computed with another program.
#[test]
fn a_v2_torrent() {
    let root = hex::<32>(ZEROS_100K);
    let torrent = with_layers(v2_info(), dict([(&root[..], string(layer()))]));
    let metainfo = Metainfo::from_bytes(&torrent).unwrap();
    let info = metainfo.info();
    let id: InfoHashV2 = "d993b33c380681205a38ad4ddced65be9236630c1bb1c046adc343435c60afa9"
        .parse()
        .unwrap();
    assert_eq!(info.ids(), TorrentIds::v2_only(id));
    assert_eq!(
        info.ids().primary_swarm_id(),
        SwarmId(*id.0.first_chunk().unwrap())
    );
    assert!(!info.is_single_file());
    let files: Vec<_> = info
        .files()
        .iter()
        .map(|f| (f.path.as_str(), f.length))
        .collect();
    let expected = [
        ("v2 test/docs/empty", 0),
        ("v2 test/docs/readme.txt", 65_536),
        ("v2 test/zeros.bin", 100_000),
    ];
    assert_eq!(files, expected);
    assert!(info.files()[1].executable);
    assert_eq!(info.layout().piece_count(), 3);
    let last = PieceIndex::new(2);
    assert_eq!(info.layout().piece_length(last), 34_464);
    let hashes: Vec<_> = info
        .layout()
        .pieces()
        .map(|piece| info.piece_hash(piece))
        .collect();
    let expected = [ZEROS_64K, ZEROS_64K, ZEROS_100K_LAST_PIECE];
    assert_eq!(hashes, expected.map(|hash| Some(PieceHash::V2(hex(hash)))));
    assert_eq!(info.piece_hash(PieceIndex::new(3)), None);
    assert_eq!(info.pieces_root(FileIndex(0)), None);
    assert_eq!(info.pieces_root(FileIndex(2)), Some(root));
}

/// As peers send it: only files of one piece are known.
#[test]
fn a_v2_dictionary_alone() {
    let info = Info::from_bytes(&v2_info()).unwrap();
    let known: Vec<_> = info
        .layout()
        .pieces()
        .map(|p| info.piece_hash(p).is_some())
        .collect();
    assert_eq!(known, [true, false, false]);
    // Missing and incomplete layers are no error; peers have them.
    let metainfo = Metainfo::from_bytes(&with_layers(v2_info(), dict([]))).unwrap();
    assert_eq!(metainfo.info().piece_hash(PieceIndex::new(1)), None);
}

#[test]
fn a_tree_of_one_file_with_the_torrents_name_is_a_single_file() {
    let tree = |name: &[u8]| dict([(name, leaf("", 65_536, Some(ZEROS_64K)))]);
    let info = Info::from_bytes(&v2(tree(b"v2 test"))).unwrap();
    assert!(info.is_single_file());
    assert_eq!(info.file(FileIndex(0)).path.as_str(), "v2 test");
    let info = Info::from_bytes(&v2(tree(b"other"))).unwrap();
    assert!(!info.is_single_file());
    assert_eq!(info.file(FileIndex(0)).path.as_str(), "v2 test/other");
    // A folder with that name.
    let info = Info::from_bytes(&v2(dict([(&b"v2 test"[..], tree(b"x"))]))).unwrap();
    assert_eq!(info.file(FileIndex(0)).path.as_str(), "v2 test/v2 test/x");
}

#[test]
fn names_in_a_tree_are_sanitised_and_links_are_kept() {
    let a = || leaf("", 65_536, Some(ZEROS_64K));
    let link_to = |target: &[&str]| {
        let link = [
            (&b"attr"[..], string("l")),
            (b"length", int(0)),
            (b"symlink path", path(target)),
        ];
        dict([(&b""[..], dict(link))])
    };
    let tree = dict([
        (&b".."[..], dict([(&b"a"[..], a())])),
        (b"/b", a()),
        (b"\xffb", a()),
        (b"l", link_to(&["/b"])),
    ]);
    // Sorted by bytes: ".." "/b" "l" "\xff".
    let tree = {
        let bad_order = Info::from_bytes(&v2(tree)).unwrap_err();
        assert!(bad_order.to_string().contains("not sorted"), "{bad_order}");
        dict([
            (&b".."[..], dict([(&b"a"[..], a())])),
            (b"/b", a()),
            (b"l", link_to(&["/b"])),
            (b"\xffb", a()),
        ])
    };
    let info = Info::from_bytes(&v2(tree)).unwrap();
    let found: Vec<_> = info.files().iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        found,
        ["v2 test/_/a", "v2 test/b", "v2 test/l", "v2 test/_b"]
    );
    let target = info.files()[1].path.clone();
    assert_eq!(info.files()[2].kind, FileKind::Symlink { target });
}

#[test]
fn malformed_trees_are_refused_with_the_place() {
    let check = |leaf: Bytes, expected: &str| {
        let tree = dict([(&b"d"[..], dict([(&b"f"[..], leaf)]))]);
        refused(&v2(tree), expected);
    };
    let root = || (&b"pieces root"[..], string([7; 32]));
    let under = |entries: Vec<(&[u8], Bytes)>| dict([(&b""[..], dict(entries))]);
    let at = "info.file tree[v2 test/d/f]";
    check(int(1), &format!("{at} is not a dictionary"));
    check(
        dict([(&b""[..], int(1))]),
        &format!("{at} is not a dictionary"),
    );
    check(under(vec![root()]), &format!("{at}.length is missing"));
    check(
        under(vec![(b"length", int(-5)), root()]),
        &format!("{at}.length is negative (-5)"),
    );
    check(leaf("", 5, None), &format!("{at}.pieces root is missing"));
    check(
        leaf("", 5, Some(&"00".repeat(32))),
        &format!("{at}.pieces root is all zeros"),
    );
    let short = under(vec![(b"length", int(5)), (b"pieces root", string([7; 31]))]);
    check(
        short,
        &format!("{at}.pieces root is 31 bytes long instead of 32"),
    );
    check(
        leaf("p", 5, Some(ZEROS_64K)),
        &format!("{at} is a pad file, which a file tree cannot have"),
    );
    let both = dict([
        (&b""[..], dict([(&b"length"[..], int(5)), root()])),
        (b"x", dict([])),
    ]);
    check(both, &format!("{at} is both a file and a folder"));
    let at_root = dict([(&b""[..], dict([])), (b"x", dict([]))]);
    refused(
        &v2(at_root),
        "info.file tree[v2 test] is both a file and a folder",
    );
    refused(&v2(dict([])), "info.file tree is empty");
    refused(
        &v2(dict([(&b"d"[..], dict([]))])),
        "info.file tree is empty",
    );
    refused(&v2(int(1)), "info.file tree is not a dictionary");
    let too_long =
        "info cannot be laid out: the files are more than 281474976710656 bytes together";
    check(leaf("", i64::MAX, Some(ZEROS_64K)), too_long);
}

#[test]
fn v2_is_strict_about_form_and_piece_length() {
    let changed = |length: Bytes, version: Bytes| {
        dict([
            (
                &b"file tree"[..],
                dict([(&b"f"[..], leaf("", 5, Some(ZEROS_64K)))]),
            ),
            (b"meta version", version),
            (b"name", string("t")),
            (b"piece length", length),
        ])
    };
    for length in [8192, 16_385, 1, 0, 3 << 14] {
        let expected =
            format!("info.piece length is {length}, which is not a power of two of at least 16384");
        refused(&changed(int(length), int(2)), &expected);
    }
    Info::from_bytes(&changed(int(16_384), int(2))).unwrap();
    refused(
        &changed(b"i016384e".to_vec(), int(2)),
        "info is not bencoded correctly: at byte 125: number has a leading zero",
    );
    refused(
        &changed(int(16_384), int(3)),
        "info.meta version is 3, but only versions 1 and 2 are known",
    );
    refused(
        &changed(int(16_384), string("2")),
        "info.meta version is not an integer",
    );
    refused(&changed(int(16_384), int(1)), "info.length is missing");
}

#[test]
fn bombs_of_folders_are_bounded() {
    let tree = |depth| {
        (0..depth).fold(leaf("", 5, Some(ZEROS_64K)), |inner, _| {
            dict([(&[b'x'; 300][..], inner)])
        })
    };
    let info = Info::from_bytes(&v2(tree(90))).unwrap();
    assert!(info.file(FileIndex(0)).path.as_str().len() <= 1001);
    let error = Info::from_bytes(&v2(tree(200))).unwrap_err();
    assert!(
        error.to_string().ends_with("nested more than 100 deep"),
        "{error}"
    );
}

#[test]
fn layers_that_do_not_fit_are_refused() {
    let root = hex::<32>(ZEROS_100K);
    let check = |layers: Bytes, expected: &str| {
        let torrent = with_layers(v2_info(), layers);
        assert_eq!(
            Metainfo::from_bytes(&torrent).unwrap_err().to_string(),
            expected
        );
    };
    let mut wrong = layer();
    wrong[40] ^= 1;
    let at = "piece layers[e92dc22e05df5bb6]";
    check(
        dict([(&root[..], string(wrong))]),
        &format!("{at} does not hash to the root of its file"),
    );
    let length = |found| format!("{at} is {found} bytes long, but its file needs 64");
    for found in [0, 32, 63, 65, 96] {
        check(dict([(&root[..], string(vec![1; found]))]), &length(found));
    }
    check(
        dict([(&root[..], int(1))]),
        &format!("{at} is not a string"),
    );
    check(int(1), "piece layers is not a dictionary");
    let short = dict([(&root[..31], string(layer()))]);
    check(short, &format!("{at} is 31 bytes long instead of 32"));
    let unknown = "piece layers[0707070707070707] belongs to no file";
    check(dict([(&[7; 32][..], string(layer()))]), unknown);
    // A file of one piece has none.
    let one_piece = hex::<32>(ZEROS_64K);
    let unknown = "piece layers[60aae9c7b428f87e] belongs to no file";
    check(dict([(&one_piece[..], string(one_piece))]), unknown);
    let twice = dict([(&root[..], string(layer())), (&root[..], string(layer()))]);
    check(twice, &format!("{at} belongs to no file"));
}

#[test]
fn files_of_the_same_content_share_a_layer() {
    let zeros = || leaf("", 100_000, Some(ZEROS_100K));
    let info = v2(dict([(&b"a"[..], zeros()), (b"b", zeros())]));
    let root = hex::<32>(ZEROS_100K);
    let torrent = with_layers(info, dict([(&root[..], string(layer()))]));
    let metainfo = Metainfo::from_bytes(&torrent).unwrap();
    let hashes = metainfo
        .info()
        .layout()
        .pieces()
        .map(|p| metainfo.info().piece_hash(p));
    let expected = [
        ZEROS_64K,
        ZEROS_100K_LAST_PIECE,
        ZEROS_64K,
        ZEROS_100K_LAST_PIECE,
    ];
    let expected = expected.map(|hash| Some(PieceHash::V2(hex(hash))));
    assert_eq!(hashes.collect::<Vec<_>>(), expected);
}

// ---- hybrids

const HYBRID_A: &str = "52544d4f437280f2e885416cba6a0261d7ad35b25c009b3545915950f56c8dca";
const HYBRID_B: &str = "4e5d54f50370b936533dfcb2f3540a242b5df12fc0631cde1c290492f7bd9bfe";
const HYBRID_PIECES: [&str; 3] = [
    "7db67baceeecb3a420bf37a7beca4a45185f8f3c",
    "b1ef6a96277ca8ba99a55369eaef5b8c73094b1a",
    "2b88ae576b03a7c136ecca94de57f500973fee76",
];

fn pad(length: i64) -> Bytes {
    file_with_attr("p", length, &[".pad", &length.to_string()])
}

fn hybrid(files: impl IntoIterator<Item = Bytes>, pieces: usize) -> Bytes {
    let tree = dict([
        (&b"a"[..], leaf("", 20_000, Some(HYBRID_A))),
        (b"b", leaf("", 10, Some(HYBRID_B))),
    ]);
    let hashes = HYBRID_PIECES.map(hex::<20>).concat();
    dict([
        (&b"file tree"[..], tree),
        (b"files", list(files)),
        (b"meta version", int(2)),
        (b"name", string("t")),
        (b"piece length", int(16_384)),
        (b"pieces", string(&hashes[..20 * pieces])),
    ])
}

#[test]
fn a_hybrid_is_laid_out_as_v1_and_known_by_both_ids() {
    let raw = hybrid([file(20_000, &["a"]), pad(12_768), file(10, &["b"])], 3);
    assert_eq!(raw.len(), 387);
    let layer = "1bd4db450abc8914c2fac721cace2704ff4c16028e6d07293154dad289835694\
                 875ea8c166415eaf120cdfd47265bc578a019b84e647a3340010031930cf27e2";
    let layers = dict([(&hex::<32>(HYBRID_A)[..], string(hex::<64>(layer)))]);
    let metainfo = Metainfo::from_bytes(&with_layers(raw, layers)).unwrap();
    let info = metainfo.info();
    let v1 = "e00c8caa57dfd084dd18f7a25978c89af214662e";
    let v2 = "4b6d2f9338848fc6a7a911c70163a6f050ca57421154dd7cf3002b9f3cf827f7";
    assert_eq!(
        info.ids(),
        TorrentIds::hybrid(v1.parse().unwrap(), v2.parse().unwrap())
    );
    assert_eq!(info.layout().piece_count(), 3);
    let hashes: Vec<_> = info
        .layout()
        .pieces()
        .map(|piece| info.piece_hash(piece))
        .collect();
    assert_eq!(
        hashes,
        HYBRID_PIECES.map(|hash| Some(PieceHash::V1(hex(hash))))
    );
    let roots: Vec<_> = (0..3)
        .map(|file| info.pieces_root(FileIndex(file)))
        .collect();
    assert_eq!(roots, [Some(hex(HYBRID_A)), None, Some(hex(HYBRID_B))]);
    assert_eq!(info.files()[1].kind, FileKind::Pad);
}

#[test]
fn padding_behind_the_last_file_may_be_there_or_not() {
    let files = [
        file(20_000, &["a"]),
        pad(12_768),
        file(10, &["b"]),
        pad(16_374),
    ];
    assert_eq!(
        Info::from_bytes(&hybrid(files, 3))
            .unwrap()
            .layout()
            .data_length(),
        20_010
    );
}

#[test]
fn a_single_file_hybrid() {
    let raw = dict([
        (
            &b"file tree"[..],
            dict([(&b"a"[..], leaf("", 20_000, Some(HYBRID_A)))]),
        ),
        (b"length", int(20_000)),
        (b"meta version", int(2)),
        (b"name", string("a")),
        (b"piece length", int(16_384)),
        (b"pieces", string([7; 40])),
    ]);
    let info = Info::from_bytes(&raw).unwrap();
    assert!(info.is_single_file());
    assert!(info.ids().v1().is_some() && info.ids().v2().is_some());
}

#[test]
fn hybrids_whose_lists_differ_are_refused() {
    let differs = |place: &str, v1: &str, v2: &str| {
        format!("{place} differs from the file tree: {v1} here, {v2} there")
    };
    let a = || file(20_000, &["a"]);
    let b = || file(10, &["b"]);
    let (a_text, b_text) = (r#""t/a" of 20000 bytes"#, r#""t/b" of 10 bytes"#);
    refused(
        &hybrid([b(), pad(16_374), a()], 3),
        &differs("info.files[0]", b_text, a_text),
    );
    let longer = [file(20_001, &["a"]), pad(12_767), b()];
    let expected = differs("info.files[0]", r#""t/a" of 20001 bytes"#, a_text);
    refused(&hybrid(longer, 3), &expected);
    let renamed = [a(), pad(12_768), file(10, &["c"])];
    let expected = differs("info.files[2]", r#""t/c" of 10 bytes"#, b_text);
    refused(&hybrid(renamed, 3), &expected);
    refused(
        &hybrid([a(), pad(12_768)], 2),
        &differs("info.files", "nothing", b_text),
    );
    let more = [a(), pad(12_768), b(), pad(16_374), file(1, &["c"])];
    let expected = differs("info.files[4]", r#""t/c" of 1 bytes"#, "nothing");
    refused(&hybrid(more, 3), &expected);
    let unaligned = "info.files[1] begins at byte 20000 of the torrent, within a piece";
    refused(&hybrid([a(), b()], 2), unaligned);
}

// ---- anything

fn any_bencode() -> impl Strategy<Value = Bytes> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(int),
        (0..100_000_i64).prop_map(int),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(string),
        "[a./]{0,3}".prop_map(string),
    ];
    let keys = [
        "attr",
        "file tree",
        "files",
        "length",
        "meta version",
        "name",
        "path",
        "piece length",
        "pieces",
        "pieces root",
        "symlink path",
        "",
    ];
    let keys = prop::sample::select(keys.to_vec());
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(list),
            prop::collection::btree_map(keys.clone(), inner, 0..5).prop_map(|entries| {
                dict(
                    entries
                        .iter()
                        .map(|(key, value)| (key.as_bytes(), value.clone())),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_panics(
        tree in any_bencode(),
        files in any_bencode(),
        piece_length in prop_oneof![Just(16_384), 0..100_000_i64],
        is_v2: bool,
    ) {
        let mut entries = vec![(&b"file tree"[..], tree), (b"files", files)];
        if is_v2 {
            entries.push((b"meta version", int(2)));
        }
        entries.push((b"name", string("n")));
        entries.push((b"piece length", int(piece_length)));
        let raw = dict(entries);
        if let Ok(info) = Info::from_bytes(&raw) {
            prop_assert_eq!(info.raw(), &raw[..]);
        }
    }

    /// Whatever is built is read again, with the same lengths.
    #[test]
    fn what_is_built_is_read(
        lengths in prop::collection::vec(0..200_000_u64, 1..10),
        piece_length in 1..100_000_u32,
        names in prop::collection::vec("\\PC{0,10}", 10),
    ) {
        let total: u64 = lengths.iter().sum();
        prop_assume!(total > 0);
        let mut builder = InfoBuilder::new("t", piece_length);
        for (length, name) in lengths.iter().zip(&names) {
            builder = builder.file([name], *length);
        }
        let pieces = total.div_ceil(u64::from(piece_length));
        let info = builder.pieces((0..pieces).map(|i| [i as u8; 20])).build().unwrap();
        let found: Vec<_> = info.files().iter().map(|file| file.length).collect();
        prop_assert_eq!(found, lengths);
    }
}
