//! Symbolic links (BEP 47): `bt` makes none, and an empty file where one leads nowhere.

use super::{Sample, draft::Draft};

pub(super) const SAMPLES: &[Sample] = &[
    Sample::fetched(
        "links/to-a-file",
        "To a file beside it",
        "files         1",
        || Draft::folder().file("a", 10).link("b", &["a"]).torrent(),
    ),
    Sample::fetched(
        "links/to-a-folder",
        "To a folder with a file",
        "files         1",
        || Draft::folder().file("d/a", 10).link("b", &["d"]).torrent(),
    ),
    Sample::fetched(
        "links/out-of-the-torrent",
        "To `..` and beyond",
        "t/b",
        || {
            let target = ["..", "..", "escaped"];
            Draft::folder()
                .file("a", 10)
                .bad_link("b", &target, "b")
                .torrent()
        },
    ),
    Sample::fetched("links/absolute", "To the root", "t/b", || {
        Draft::folder()
            .file("a", 10)
            .bad_link("b", &["/", "tmp", "escaped"], "b")
            .torrent()
    }),
    Sample::fetched("links/around", "To each other", "t/c", || {
        let folder = Draft::folder().file("a", 10).bad_link("b", &["c"], "b");
        folder.bad_link("c", &["b"], "c").torrent()
    }),
    Sample::fetched(
        "links/to-its-own-folder",
        "To the folder in which it lies",
        "t/d/b",
        || {
            Draft::folder()
                .file("d/a", 10)
                .bad_link("d/b", &["d"], "d/b")
                .torrent()
        },
    ),
    Sample::fetched(
        "links/then-a-file-behind",
        "A link out, and a file that would go through it",
        "t/b/escaped",
        || {
            // The name is a folder's, so what is left of the link is numbered.
            let target = ["..", "..", "tmp"];
            let folder = Draft::folder().file("a", 10).bad_link("b", &target, "b.1");
            folder.file("b/escaped", 20).torrent()
        },
    ),
];
