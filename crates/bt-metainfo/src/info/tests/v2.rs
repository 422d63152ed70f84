use super::*;

/// BEP 52 roots of files of zeros: 100,000 and 65,536 bytes.
const ZEROS_100K: &str = "e92dc22e05df5bb6a89aecc0c58f10d0d270d676a648b1ea47258121fd79a9d3";
const ZEROS_64K: &str = "60aae9c7b428f87e0713e88229e18f0adf12cd7b22a0dd8a92bb2485eb7af242";
const ZEROS_100K_LAST_PIECE: &str =
    "e14ecada6c4fd3a2b3e7b3e060083d4bd0772ff499eeb7c8e55be4afeaf54822";

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
