//! How many files, and of which sizes.

use super::{Fate, Sample, draft::Draft};

pub(super) const SAMPLES: &[Sample] = &[
    Sample::fetched("files/only-one", "A folder of one file", "t/a", || {
        Draft::folder().file("a", 20_000).torrent()
    }),
    Sample::fetched(
        "files/empty-first",
        "An empty file before all others",
        "t/0",
        || {
            Draft::folder()
                .file("0", 0)
                .file("a", 20_000)
                .file("b", 5)
                .torrent()
        },
    ),
    Sample::fetched(
        "files/empty-between",
        "An empty file between two pieces",
        "t/b/empty",
        || {
            Draft::folder()
                .file("a", 16_384)
                .file("b/empty", 0)
                .file("c", 16_384)
                .torrent()
        },
    ),
    Sample::fetched(
        "files/empty-within",
        "An empty file in the middle of a piece",
        "t/empty",
        || {
            Draft::folder()
                .file("a", 10)
                .file("empty", 0)
                .file("c", 20_000)
                .torrent()
        },
    ),
    Sample::fetched(
        "files/empty-last",
        "An empty file behind all others",
        "t/z",
        || Draft::folder().file("a", 16_384).file("z", 0).torrent(),
    ),
    Sample::refused(
        "files/only-empty",
        "Two files and no byte",
        "the files hold no data",
        || Draft::folder().file("a", 0).file("b", 0).torrent(),
    ),
    Sample::fetched(
        "files/a-thousand-empty",
        "One byte and a thousand empty files",
        "files         1001",
        || {
            let folder = Draft::folder().file("byte", 1);
            let all = (0..1000).fold(folder, |all, n| all.file(&format!("{}/{n}", n % 10), 0));
            all.torrent()
        },
    ),
    Sample::fetched(
        "files/smaller-than-a-piece",
        "Files of which several share each piece",
        "t/6",
        || {
            let sizes = [9_000, 3, 12_000, 1, 16_383, 7_777, 2]
                .into_iter()
                .enumerate();
            let all = sizes.fold(Draft::folder(), |all, (n, size)| {
                all.file(&n.to_string(), size)
            });
            all.torrent()
        },
    ),
    Sample::fetched(
        "files/hundreds-in-a-piece",
        "400 files in one piece",
        "1 of 256.0 KiB",
        || {
            let folder = Draft::folder().piece_length(256 << 10);
            let all = (0..400).fold(folder, |all, n| all.file(&format!("{n:03}"), n % 60));
            all.torrent()
        },
    ),
    Sample::fetched(
        "files/border-on-border",
        "Files that end where pieces do",
        "t/c",
        || {
            Draft::folder()
                .file("a", 16_384)
                .file("b", 32_768)
                .file("c", 16_384)
                .torrent()
        },
    ),
    Sample::fetched(
        "files/executable-and-hidden",
        "Attributes of BEP 47",
        "t/run",
        || {
            let folder = Draft::folder()
                .file("run", 10)
                .attr("x")
                .file("dot", 5)
                .attr("h");
            folder.file("unknown", 5).attr("zq!").torrent()
        },
    ),
    Sample::fetched(
        "files/twenty-thousand",
        "20,000 small files in 200 folders",
        "files         20000",
        || {
            let folder = Draft::folder().piece_length(64 << 10);
            let path = |n: usize| format!("{:03}/{n:05}", n / 100);
            let all = (0..20_000).fold(folder, |all, n| all.file(&path(n), n * 7919 % 1000));
            all.torrent()
        },
    )
    .but(Fate::FetchedSlowly("files         20000")),
    Sample::fetched(
        "files/fifty-folders-deep",
        "A file in 50 folders",
        "/49/f",
        || {
            let path: Vec<_> = (0..50).map(|n| n.to_string()).collect();
            Draft::folder()
                .file(&format!("{}/f", path.join("/")), 10)
                .torrent()
        },
    ),
    Sample::fetched(
        "files/five-hundred-folders-deep",
        "Folders beyond 760 bytes of path are left out",
        "/f",
        || {
            let names = [vec!["d"; 500], vec!["f"]].concat();
            // `t` and 379 folders of two bytes are 759.
            let written = format!("{}f", "d/".repeat(379));
            Draft::folder().odd_file(&names, &written, 10).torrent()
        },
    ),
    Sample::refused(
        "files/a-million-folders",
        "Five thousand files of one byte, each in 300 folders of its own",
        "info makes more than 100000 folders",
        || {
            let file = |all: Draft, n: usize| all.file(&format!("{n}{}", "/d".repeat(300)), 1);
            (0..5_000).fold(Draft::folder(), file).torrent()
        },
    ),
];
