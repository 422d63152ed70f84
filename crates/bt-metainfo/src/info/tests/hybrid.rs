use super::*;

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
    let unaligned =
        "info.files[1] begins at byte 20000 of the torrent, which is not where the next piece does";
    refused(&hybrid([a(), b()], 2), unaligned);
}

/// Else a piece would have one number for v1 peers and another for v2 peers.
#[test]
fn padding_that_makes_pieces_of_its_own_is_refused() {
    let a = || file(20_000, &["a"]);
    let b = || file(10, &["b"]);
    refused(
        &hybrid([a(), pad(12_768 + 16_384), b()], 3),
        "info.files[2] begins at byte 49152 of the torrent, which is not where the next piece does",
    );
    refused(
        &hybrid([pad(16_384), a(), pad(12_768), b()], 3),
        "info.files[1] begins at byte 16384 of the torrent, which is not where the next piece does",
    );
    refused(
        &hybrid([a(), pad(12_768), b(), pad(16_374 + 16_384)], 3),
        "info.files ends at byte 65536 of the torrent, beyond its last piece with data",
    );
    assert!(Info::from_bytes(&hybrid([a(), pad(12_768), b(), pad(16_374)], 3)).is_ok());
}
