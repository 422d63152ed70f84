//! v2 and hybrid torrents (BEP 52).

use super::{
    Fate, Sample,
    content::{Ben, dict, int, list, raw, text, texts},
    draft::Draft,
    v2::leaf,
};

pub(super) const SAMPLES: &[Sample] = &[
    v2("v2/single", "One file of one piece", "info hash v2", || {
        Draft::single(10_000).v2().torrent()
    }),
    v2(
        "v2/folder",
        "Files of all sizes, with piece layers",
        "t/sub/c",
        || {
            let folder = Draft::folder()
                .file("a", 50_000)
                .file("b", 16_384)
                .file("empty", 0);
            folder.file("sub/c", 100_000).v2().torrent()
        },
    ),
    v2(
        "v2/parent-folder",
        "`..` in the file tree",
        "t/_/escaped",
        || {
            Draft::folder()
                .odd_file(&["..", "escaped"], "_/escaped", 10)
                .v2()
                .torrent()
        },
    ),
    v2(
        "v2/upper-and-lower-case",
        "Two names that are one elsewhere",
        "t/a.1",
        || {
            Draft::folder()
                .file("A", 10)
                .odd_file(&["a"], "a.1", 20)
                .v2()
                .torrent()
        },
    ),
    v2(
        "v2/fifty-folders-deep",
        "A file in 50 folders",
        "/49/f",
        || {
            let path: Vec<_> = (0..50).map(|n| n.to_string()).collect();
            Draft::folder()
                .file(&format!("{}/f", path.join("/")), 10)
                .v2()
                .torrent()
        },
    ),
    Sample::refused(
        "v2/a-hundred-folders-deep",
        "As deep as bencode is allowed to be",
        "nested more than",
        || {
            Draft::folder()
                .file(&format!("{}f", "d/".repeat(100)), 10)
                .v2()
                .torrent()
        },
    ),
    v2(
        "v2/without-layers",
        "The hashes of pieces are missing",
        "info hash v2",
        || {
            Draft::single(50_000)
                .v2()
                .without_root("piece layers")
                .torrent()
        },
    )
    .but(Fate::V2WithoutHashes("info hash v2")),
    Sample::refused(
        "v2/layer-of-nobody",
        "A layer that belongs to no file",
        "belongs to no file",
        || {
            let layers = dict([([9; 32], text([7; 64]))]);
            Draft::single(10_000)
                .v2()
                .root("piece layers", layers)
                .torrent()
        },
    ),
    Sample::refused(
        "v2/layer-is-wrong",
        "A layer that does not hash to its root",
        "does not hash to the root",
        || {
            let torrent = Draft::single(50_000).v2().torrent();
            torrent.map(|mut bytes| {
                let at = bytes.len() - 10;
                bytes[at] ^= 1;
                bytes
            })
        },
    ),
    Sample::refused(
        "v2/layer-cut-off",
        "A layer that is too short",
        "but its file needs",
        || {
            let torrent = Draft::single(50_000).v2().torrent();
            torrent.map(|bytes| {
                let layer = bytes
                    .windows(4)
                    .rposition(|window| window == b"128:")
                    .expect("4 hashes");
                [
                    &bytes[..layer],
                    b"96:",
                    &bytes[layer + 4..layer + 100],
                    b"ee",
                ]
                .concat()
            })
        },
    ),
    Sample::refused(
        "v2/without-file-tree",
        "A version without what belongs to it",
        "info.file tree is missing",
        || Draft::single(10).v2().without("file tree").torrent(),
    ),
    Sample::refused(
        "v2/empty-file-tree",
        "No file",
        "info.file tree is empty",
        || with_tree(raw("de")),
    ),
    Sample::refused(
        "v2/file-tree-is-list",
        "Files as in v1",
        "info.file tree is not a dictionary",
        || with_tree(list([])),
    ),
    Sample::refused(
        "v2/folder-without-files",
        "An empty folder, and nothing else",
        "info.file tree is empty",
        || with_tree(dict([("d", raw("de"))])),
    ),
    Sample::refused(
        "v2/keys-unsorted",
        "A file tree in the wrong order",
        "keys are not sorted",
        || {
            with_tree(dict([
                ("b", leaf(1, Some([1; 32]))),
                ("a", leaf(1, Some([2; 32]))),
            ]))
        },
    ),
    Sample::refused(
        "v2/key-twice",
        "Two files of exactly one name",
        "key is repeated",
        || {
            with_tree(dict([
                ("a", leaf(1, Some([1; 32]))),
                ("a", leaf(1, Some([2; 32]))),
            ]))
        },
    ),
    Sample::refused(
        "v2/file-and-folder",
        "A file with a file in it",
        "is both a file and a folder",
        || {
            let file = dict([("length", int(1)), ("pieces root", text([1; 32]))]);
            with_tree(dict([(
                "a",
                dict([("", file), ("b", leaf(1, Some([2; 32])))]),
            )]))
        },
    ),
    Sample::refused(
        "v2/nameless-file",
        "A file at the very top",
        "is both a file and a folder",
        || with_tree(leaf(1, Some([1; 32]))),
    ),
    Sample::refused(
        "v2/pad-file",
        "Padding, which a file tree has no need of",
        "is a pad file",
        || {
            let pad = [
                ("attr", text("p")),
                ("length", int(1)),
                ("pieces root", text([1; 32])),
            ];
            with_tree(dict([("a", dict([("", dict(pad))]))]))
        },
    ),
    Sample::refused(
        "v2/without-length",
        "A file of unknown length",
        "length is missing",
        || {
            with_tree(dict([(
                "a",
                dict([("", dict([("pieces root", text([1; 32]))]))]),
            )]))
        },
    ),
    Sample::refused(
        "v2/without-root",
        "A file without a hash",
        "pieces root is missing",
        || with_tree(dict([("a", leaf(1, None))])),
    ),
    Sample::refused(
        "v2/root-cut-off",
        "A hash of 31 bytes",
        "is 31 bytes long instead of 32",
        || {
            let file = dict([("length", int(1)), ("pieces root", text([1; 31]))]);
            with_tree(dict([("a", dict([("", file)]))]))
        },
    ),
    Sample::refused(
        "v2/root-of-zeros",
        "A hash that nothing has",
        "is all zeros",
        || with_tree(dict([("a", leaf(1, Some([0; 32])))])),
    ),
    Sample::refused(
        "v2/piece-length-small",
        "Pieces smaller than a block",
        "not a power of two of at least 16384",
        || {
            Draft::single(10_000)
                .v2()
                .info("piece length", int(8192))
                .torrent()
        },
    ),
    Sample::refused(
        "v2/piece-length-odd",
        "No power of two",
        "not a power of two of at least 16384",
        || {
            Draft::single(10_000)
                .v2()
                .info("piece length", int(20_000))
                .torrent()
        },
    ),
    Sample::refused(
        "v2/length-negative",
        "Less than nothing",
        "length is negative (-1)",
        || with_tree(dict([("a", leaf(-1, Some([1; 32])))])),
    ),
    Sample::refused(
        "v2/too-long",
        "A file of 2^63 bytes",
        "more than 281474976710656 bytes together",
        || with_tree(dict([("a", leaf(i64::MAX, Some([1; 32])))])),
    ),
    Sample::fetched(
        "hybrid/single",
        "One file, v1 and v2",
        "info hash v2",
        || Draft::single(50_000).hybrid().torrent(),
    ),
    Sample::fetched(
        "hybrid/folder",
        "Files with padding between them",
        "info hash v2",
        || {
            let folder = Draft::folder().file("a", 20_000).pad(12_768).file("b", 10);
            folder.pad(16_374).file("c/d", 16_384).hybrid().torrent()
        },
    ),
    Sample::fetched(
        "hybrid/empty-file",
        "An empty file, which needs no padding",
        "t/b",
        || {
            Draft::folder()
                .file("a", 16_384)
                .file("b", 0)
                .file("c", 10)
                .hybrid()
                .torrent()
        },
    ),
    Sample::refused(
        "hybrid/without-padding",
        "Files that do not begin pieces",
        "which is not where the next piece does",
        || {
            Draft::folder()
                .file("a", 20_000)
                .file("b", 10)
                .hybrid()
                .torrent()
        },
    ),
    Sample::refused(
        "hybrid/other-name",
        "v1 and v2 differ in a name",
        "differs from the file tree",
        || {
            let folder = Draft::folder().file("a", 10).hybrid();
            folder.key("path", texts(["b"])).torrent()
        },
    ),
    Sample::refused(
        "hybrid/other-length",
        "v1 and v2 differ in a length",
        "differs from the file tree",
        || {
            let folder = Draft::folder().file("a", 10).hybrid();
            folder.key("length", int(11)).torrent()
        },
    ),
    Sample::refused(
        "hybrid/file-more",
        "v1 has a file that v2 has not",
        "differs from the file tree",
        || {
            let folder = Draft::folder().file("a", 16_384).hybrid();
            folder.file("b", 10).torrent()
        },
    ),
    Sample::refused(
        "hybrid/file-less",
        "v2 has a file that v1 has not",
        "differs from the file tree",
        || {
            let more = dict([
                ("t", leaf(10, Some([1; 32]))),
                ("u", leaf(10, Some([2; 32]))),
            ]);
            Draft::folder()
                .file("t", 10)
                .hybrid()
                .info("file tree", more)
                .torrent()
        },
    ),
];

const fn v2(
    name: &'static str,
    purpose: &'static str,
    shows: &'static str,
    make: fn() -> super::Torrent,
) -> Sample {
    Sample::fetched(name, purpose, shows, make).but(Fate::V2Only(shows))
}

/// A v2 torrent with this file tree.
fn with_tree(tree: Ben) -> super::Torrent {
    Draft::single(10).v2().info("file tree", tree).torrent()
}
