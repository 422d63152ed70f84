//! Pad files (BEP 47): zeros that are part of pieces and of no file.

use super::{
    Sample,
    content::{int, text},
    draft::Draft,
};

pub(super) const SAMPLES: &[Sample] = &[
    Sample::fetched(
        "pads/between",
        "As they are meant: the next file begins a piece",
        "files         2",
        || {
            Draft::folder()
                .file("a", 10_000)
                .pad(6_384)
                .file("b", 100)
                .torrent()
        },
    ),
    Sample::fetched(
        "pads/of-any-length",
        "Pads that align nothing",
        "files         3",
        || {
            let folder = Draft::folder()
                .file("a", 10)
                .pad(1)
                .file("b", 20_000)
                .pad(777);
            folder.file("c", 16_383).pad(3).torrent()
        },
    ),
    Sample::fetched(
        "pads/longer-than-pieces",
        "Whole pieces of nothing but padding",
        "5 of 16.0 KiB",
        || {
            Draft::folder()
                .file("a", 10)
                .pad(80_000)
                .file("b", 20)
                .torrent()
        },
    ),
    Sample::fetched(
        "pads/first",
        "Padding before anything else",
        "files         1",
        || Draft::folder().pad(16_384).file("a", 10).torrent(),
    ),
    Sample::fetched(
        "pads/last",
        "Padding up to the end of the last piece",
        "files         1",
        || Draft::folder().file("a", 10).pad(16_374).torrent(),
    ),
    Sample::fetched("pads/empty", "A pad of no bytes", "files         2", || {
        Draft::folder().file("a", 10).pad(0).file("b", 10).torrent()
    }),
    Sample::refused(
        "pads/only",
        "Nothing but padding",
        "the files hold no data",
        || Draft::folder().pad(16_384).torrent(),
    ),
    Sample::fetched(
        "pads/without-path",
        "What is not written needs no name",
        "files         2",
        || {
            let folder = Draft::folder()
                .file("a", 10)
                .pad(16_374)
                .without_key("path");
            folder.file("b", 10).torrent()
        },
    ),
    Sample::fetched(
        "pads/named-like-a-file",
        "A pad does not take a file's name",
        "t/a",
        || {
            let folder = Draft::folder().pad_named(&["a"], 100).attr("p");
            folder.file("a", 10).torrent()
        },
    ),
    Sample::fetched(
        "pads/of-bitcomet",
        "Padding by its name, from before there was an attribute",
        "files         2",
        || {
            let name = "_____padding_file_0_if you see this file, please update to BitComet 0.85 or above____";
            let folder = Draft::folder().file("a", 10).pad_named(&[name], 16_374);
            folder.file("b", 10).torrent()
        },
    ),
    Sample::refused(
        "pads/of-a-petabyte",
        "Padding that would take more pieces than there may be",
        "at most 2097152 are supported",
        || {
            let folder = Draft::folder()
                .file("a", 10)
                .pad(10)
                .key("length", int(1 << 47));
            folder.info("pieces", text([7; 20])).torrent()
        },
    ),
];
