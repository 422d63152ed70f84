//! Names and texts that are not UTF-8, and the keys that old programs wrote beside them.

use super::{
    Sample,
    content::{list, text, texts},
    draft::Draft,
};

pub(super) const SAMPLES: &[Sample] = &[
    Sample::fetched(
        "encoding/latin-1",
        "`café` in Latin-1: what is no UTF-8 becomes `_`",
        "t/caf_.txt",
        || {
            let folder = Draft::folder().root("encoding", text("ISO-8859-1"));
            folder.odd_file(&[b"caf\xe9.txt"], "caf_.txt", 10).torrent()
        },
    ),
    Sample::fetched(
        "encoding/gbk-with-utf-8-beside",
        "`path.utf-8` and `name.utf-8` win",
        "测试/歌曲.mp3",
        || {
            let folder = Draft::folder().named(b"\xb2\xe2\xca\xd4", "测试");
            let folder = folder
                .info("name.utf-8", text("测试"))
                .root("encoding", text("GBK"));
            let folder = folder.odd_file(&[b"\xb8\xe8\xc7\xfa.mp3"], "歌曲.mp3", 10);
            folder.key("path.utf-8", texts(["歌曲.mp3"])).torrent()
        },
    ),
    Sample::fetched(
        "encoding/utf-8-names-lead-out",
        "They are no safer than others",
        "t/_/escaped",
        || {
            let folder = Draft::folder().odd_file(&["good"], "_/escaped", 10);
            folder.key("path.utf-8", texts(["..", "escaped"])).torrent()
        },
    ),
    Sample::fetched(
        "encoding/path-utf-8-empty",
        "A list of nothing is passed over",
        "t/good",
        || {
            Draft::folder()
                .file("good", 10)
                .key("path.utf-8", list([]))
                .torrent()
        },
    ),
    Sample::fetched(
        "encoding/only-utf-8-names",
        "Without the plain keys",
        "n/a",
        || {
            let folder = Draft::folder()
                .named("", "n")
                .without("name")
                .info("name.utf-8", text("n"));
            let folder = folder.file("a", 10).without_key("path");
            folder.key("path.utf-8", texts(["a"])).torrent()
        },
    ),
    Sample::fetched(
        "encoding/overlong",
        "`..` in bytes that a careless decoder takes for it",
        "t/____/escaped",
        || {
            let folder = Draft::folder();
            folder
                .odd_file(&[&b"\xc0\xae\xc0\xae"[..], b"escaped"], "____/escaped", 10)
                .torrent()
        },
    ),
    Sample::fetched(
        "encoding/half-a-surrogate-pair",
        "As Windows lets names be",
        "t/___",
        || {
            Draft::folder()
                .odd_file(&[b"\xed\xa0\x80"], "___", 10)
                .torrent()
        },
    ),
    Sample::fetched(
        "encoding/comment-utf-8",
        "A comment in two encodings",
        "comment       grüß dich",
        || {
            let single = Draft::single(10).root("comment", text(b"gr\xfc\xdf dich"));
            single.root("comment.utf-8", text("grüß dich")).torrent()
        },
    ),
];
