use super::*;

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
