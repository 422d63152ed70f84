//! Names that lead elsewhere, that some file systems refuse or take for others, and files of one
//! name.

use super::{Sample, draft::Draft};

pub(super) const SAMPLES: &[Sample] = &[
    Sample::fetched(
        "names/parent-folder",
        "`..` as a folder",
        "t/_/_/escaped",
        || file(&["..", "..", "escaped"], "_/_/escaped"),
    ),
    Sample::fetched(
        "names/parent-folder-as-file",
        "`..` as a file",
        "t/_",
        || file(&[".."], "_"),
    ),
    Sample::fetched(
        "names/this-folder",
        "`.` as a folder and as a file",
        "t/_/_",
        || file(&[".", "."], "_/_"),
    ),
    Sample::fetched(
        "names/absolute",
        "A path from the root, in one name",
        "t/tmpescaped",
        || file(&["/tmp/escaped"], "tmpescaped"),
    ),
    Sample::fetched(
        "names/absolute-by-empty-name",
        "A path that begins with an empty name",
        "t/_/tmp/escaped",
        || file(&["", "tmp", "escaped"], "_/tmp/escaped"),
    ),
    Sample::fetched(
        "names/slashes-within",
        "`../../escaped` in one name",
        "t/....escaped",
        || file(&["../../escaped"], "....escaped"),
    ),
    Sample::fetched(
        "names/backslashes",
        "The same for Windows",
        "t/....escaped",
        || file(&["..\\..\\escaped"], "....escaped"),
    ),
    Sample::fetched("names/drive", "A drive of Windows", "t/C_/escaped", || {
        file(&["C:", "escaped"], "C_/escaped")
    }),
    Sample::fetched(
        "names/stream",
        "An alternate stream of NTFS",
        "t/a.txt__$DATA",
        || file(&["a.txt::$DATA"], "a.txt__$DATA"),
    ),
    Sample::fetched(
        "names/torrent-is-parent-folder",
        "`..` is the name of the torrent",
        "name          _",
        || {
            Draft::folder()
                .named("..", "_")
                .file("escaped", 10)
                .torrent()
        },
    ),
    Sample::fetched(
        "names/single-is-parent-folder",
        "`../escaped` is the name of the only file",
        "..escaped",
        || Draft::single(10).named("../escaped", "..escaped").torrent(),
    ),
    Sample::fetched(
        "names/torrent-is-absolute",
        "`/tmp/escaped` is the name of the torrent",
        "name          tmpescaped",
        || {
            Draft::folder()
                .named("/tmp/escaped", "tmpescaped")
                .file("a", 10)
                .torrent()
        },
    ),
    Sample::fetched(
        "names/torrent-is-empty",
        "The torrent's name is empty",
        "name          _",
        || Draft::folder().named("", "_").file("a", 10).torrent(),
    ),
    Sample::fetched(
        "names/torrent-is-blank",
        "The torrent's name is a blank",
        "name          _",
        || Draft::single(10).named(" ", "_").torrent(),
    ),
    Sample::fetched(
        "names/nul-byte",
        "A name that ends early for C",
        "t/harmless.txt_.exe",
        || file(&["harmless.txt\0.exe"], "harmless.txt_.exe"),
    ),
    Sample::fetched(
        "names/control-characters",
        "Names that would paint on the terminal",
        "t/_[31mred_",
        || file(&["\u{1b}[31mred\u{7f}"], "_[31mred_"),
    ),
    Sample::fetched(
        "names/newline",
        "A name of two lines",
        "t/two_lines",
        || file(&["two\nlines"], "two_lines"),
    ),
    Sample::fetched(
        "names/right-to-left",
        "Turns round what the name ends with",
        "t/photo_exe.jpg",
        || file(&["photo_\u{202e}exe.jpg"], "photo_exe.jpg"),
    ),
    Sample::fetched(
        "names/invisible",
        "Characters that cannot be seen",
        "t/plain.txt",
        || file(&["\u{feff}pl\u{200b}ain\u{2060}.txt"], "plain.txt"),
    ),
    Sample::fetched(
        "names/devices",
        "Names that are devices on Windows",
        "t/_nul.txt",
        || {
            let folder = Draft::folder().odd_file(&["CON"], "_CON", 10);
            let folder = folder.odd_file(&["aux", "x"], "_aux/x", 10);
            folder.odd_file(&["nul.txt"], "_nul.txt", 10).torrent()
        },
    ),
    Sample::fetched(
        "names/dots-and-blanks-at-the-end",
        "Windows would cut them off",
        "t/a/b",
        || file(&["a. .", "b "], "a/b"),
    ),
    Sample::fetched(
        "names/forbidden-on-windows",
        "`? < > \" | *`",
        "t/_______",
        || file(&["?<>\"|*:"], "_______"),
    ),
    Sample::fetched(
        "names/for-a-shell",
        "Names that do harm when pasted",
        "t/$(touch escaped)",
        || {
            let folder = Draft::folder().file("-rf", 10).file("$(touch escaped)", 10);
            folder
                .file("~", 5)
                .file("%s%n", 5)
                .file("`id`; ls", 5)
                .torrent()
        },
    ),
    Sample::fetched(
        "names/hidden",
        "Names that begin with dots are kept",
        "t/..a",
        || {
            Draft::folder()
                .file(".a", 10)
                .file("..a", 10)
                .file("...a/b", 10)
                .torrent()
        },
    ),
    Sample::fetched(
        "names/300-bytes",
        "Longer than file systems take: cut, the extension kept",
        ".flac",
        || {
            let name = format!("{}.flac", "n".repeat(300));
            file(&[&name], &format!("{}.flac", "n".repeat(235)))
        },
    ),
    Sample::fetched(
        "names/300-bytes-of-letters-of-3",
        "No letter is cut in the middle",
        ".txt",
        || {
            let name = format!("{}.txt", "語".repeat(100));
            file(&[&name], &format!("{}.txt", "語".repeat(78)))
        },
    ),
    Sample::fetched(
        "names/a-kilobyte-for-the-torrent",
        "A long name for the torrent",
        "name          nnnn",
        || {
            let written = "n".repeat(240);
            Draft::folder()
                .named("n".repeat(1000), &written)
                .file("a", 10)
                .torrent()
        },
    ),
    Sample::fetched(
        "names/twice",
        "Two files of one name: the later one is numbered",
        "t/a.1.txt",
        || {
            let folder = Draft::folder()
                .file("a.txt", 10)
                .odd_file(&["a.txt"], "a.1.txt", 20);
            folder.odd_file(&["a.txt"], "a.2.txt", 30).torrent()
        },
    ),
    Sample::fetched(
        "names/five-hundred-times",
        "500 files of one name",
        "t/a.499",
        || {
            let path = |n: usize| {
                if n == 0 {
                    "a".to_owned()
                } else {
                    format!("a.{n}")
                }
            };
            let all = (0..500).fold(Draft::folder(), |all, n| {
                all.odd_file(&["a"], &path(n), n % 7)
            });
            all.torrent()
        },
    ),
    Sample::fetched(
        "names/upper-and-lower-case",
        "Windows and macOS would take the two for one",
        "t/readme.1",
        || {
            let folder = Draft::folder()
                .file("README", 10)
                .odd_file(&["readme"], "readme.1", 20);
            folder.file("É", 5).odd_file(&["é"], "é.1", 5).torrent()
        },
    ),
    Sample::fetched(
        "names/composed-and-decomposed",
        "macOS would take the two for one",
        "t/caf\u{e9}",
        || {
            let folder = Draft::folder().file("caf\u{e9}", 10);
            folder
                .odd_file(&["cafe\u{301}"], "cafe\u{301}.1", 20)
                .torrent()
        },
    ),
    Sample::fetched(
        "names/same-once-safe",
        "Two names that only the rule makes one",
        "t/a_b.1",
        || {
            let folder = Draft::folder().odd_file(&["a?b"], "a_b", 10);
            folder.odd_file(&["a*b"], "a_b.1", 20).torrent()
        },
    ),
    Sample::fetched(
        "names/file-and-folder",
        "`a` is a file, and a folder with `b` in it",
        "t/a.1",
        || {
            let folder = Draft::folder().odd_file(&["a"], "a.1", 10);
            folder.file("a/b", 20).torrent()
        },
    ),
    Sample::fetched(
        "names/like-the-torrent",
        "A file and a folder named as the torrent is",
        "t/t/t",
        || Draft::folder().file("t/t", 10).file("a", 20).torrent(),
    ),
    Sample::fetched(
        "names/beyond-ascii",
        "Names of many writings",
        "t/漢字/имя – עברית 🦀.txt",
        || {
            Draft::folder()
                .file("漢字/имя – עברית 🦀.txt", 10)
                .torrent()
        },
    ),
];

/// A folder of one file.
fn file(names: &[&str], written: &str) -> super::Torrent {
    Draft::folder().odd_file(names, written, 20).torrent()
}
