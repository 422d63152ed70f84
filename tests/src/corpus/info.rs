//! Keys that are missing, of the wrong type, or unknown.

use super::{
    Sample,
    content::{dict, int, list, raw, text, texts},
    draft::Draft,
};

pub(super) const SAMPLES: &[Sample] = &[
    Sample::refused("info/missing", "Only a tracker", "info is missing", || {
        super::Torrent::raw("d8:announce22:udp://127.0.0.1:9/annoe")
    }),
    Sample::refused(
        "info/a-string",
        "Encoded twice",
        "info is not a dictionary",
        || Draft::single(10).root("info", text("de")).torrent(),
    ),
    Sample::refused(
        "info/a-list",
        "Of dictionaries",
        "info is not a dictionary",
        || {
            let info = Draft::single(10).encode_info();
            Draft::single(10).root("info", list([raw(info)])).torrent()
        },
    ),
    Sample::refused("info/empty", "An empty one", "is missing", || {
        Draft::single(10).root("info", raw("de")).torrent()
    }),
    Sample::refused(
        "info/without-name",
        "No name",
        "info.name is missing",
        || Draft::single(10).without("name").torrent(),
    ),
    Sample::refused(
        "info/name-is-integer",
        "A number for a name",
        "info.name is not a string",
        || Draft::single(10).info("name", int(7)).torrent(),
    ),
    Sample::refused(
        "info/without-piece-length",
        "No piece length",
        "info.piece length is missing",
        || Draft::single(10).without("piece length").torrent(),
    ),
    Sample::refused(
        "info/piece-length-is-string",
        "A piece length in quotes",
        "info.piece length is not an integer",
        || {
            Draft::single(10)
                .info("piece length", text("16384"))
                .torrent()
        },
    ),
    Sample::refused(
        "info/without-pieces",
        "No hashes",
        "info.pieces is missing",
        || Draft::single(10).without("pieces").torrent(),
    ),
    Sample::refused(
        "info/pieces-is-list",
        "A list of hashes",
        "info.pieces is not a string",
        || {
            Draft::single(10)
                .info("pieces", texts(["01234567890123456789"]))
                .torrent()
        },
    ),
    Sample::refused(
        "info/pieces-cut-off",
        "Hashes that end in the middle of one",
        "is 19 bytes long, which is no multiple of 20",
        || Draft::single(10).info("pieces", text([7; 19])).torrent(),
    ),
    Sample::refused(
        "info/pieces-too-few",
        "One hash for two pieces",
        "holds 1 hashes, but the files make 2 pieces",
        || {
            Draft::single(20_000)
                .info("pieces", text([7; 20]))
                .torrent()
        },
    ),
    Sample::refused(
        "info/pieces-too-many",
        "Two hashes for one piece",
        "holds 2 hashes, but the files make 1 pieces",
        || Draft::single(10).info("pieces", text([7; 40])).torrent(),
    ),
    Sample::refused(
        "info/pieces-empty",
        "No hash for one piece",
        "holds 0 hashes, but the files make 1 pieces",
        || Draft::single(10).info("pieces", text("")).torrent(),
    ),
    Sample::refused(
        "info/without-length",
        "Neither `length` nor `files`",
        "info.length is missing",
        || Draft::single(10).without("length").torrent(),
    ),
    Sample::fetched(
        "info/length-and-files",
        "Both, which BEP 3 forbids: `files` counts, as in libtorrent",
        "t/a",
        || {
            Draft::folder()
                .file("a", 10)
                .info("length", int(99))
                .torrent()
        },
    ),
    Sample::refused(
        "info/files-is-dictionary",
        "Files by name",
        "info.files is not a list",
        || {
            Draft::folder()
                .info("files", dict([("a", int(1))]))
                .torrent()
        },
    ),
    Sample::refused("info/files-empty", "No file", "info.files is empty", || {
        Draft::folder().info("files", list([])).torrent()
    }),
    Sample::refused(
        "info/file-is-string",
        "A file that is only a name",
        "info.files[0] is not a dictionary",
        || Draft::folder().info("files", texts(["a"])).torrent(),
    ),
    Sample::refused(
        "info/file-without-length",
        "A file of unknown length",
        "info.files[1].length is missing",
        || {
            Draft::folder()
                .file("a", 10)
                .file("b", 10)
                .without_key("length")
                .torrent()
        },
    ),
    Sample::refused(
        "info/file-without-path",
        "A file without a name",
        "info.files[0].path is missing",
        || Draft::folder().file("a", 10).without_key("path").torrent(),
    ),
    Sample::refused(
        "info/path-empty",
        "A path of no names",
        "info.files[0].path is empty",
        || {
            Draft::folder()
                .file("a", 10)
                .key("path", list([]))
                .torrent()
        },
    ),
    Sample::refused(
        "info/path-is-string",
        "A path as a file system writes it",
        "info.files[0].path is not a list",
        || {
            Draft::folder()
                .file("a", 10)
                .key("path", text("a/b"))
                .torrent()
        },
    ),
    Sample::refused(
        "info/path-holds-integer",
        "A path with a number in it",
        "info.files[0].path[1] is not a string",
        || {
            let path = list([text("a"), int(1)]);
            Draft::folder().file("a", 10).key("path", path).torrent()
        },
    ),
    Sample::fetched(
        "info/unknown-keys",
        "Keys of other programs, one with a dictionary: they count for the info hash",
        "t/a",
        || {
            let folder = Draft::folder().file("a", 10).key("sha1", text([1; 20]));
            let folder = folder
                .key("mtime", int(1))
                .info("x-unknown", dict([("b", list([]))]));
            folder.info("publisher", text("nobody")).torrent()
        },
    ),
    Sample::fetched(
        "info/private",
        "Only its trackers may give peers",
        "private       yes",
        || Draft::single(10).info("private", int(1)).torrent(),
    ),
    Sample::fetched(
        "info/private-is-string",
        "`private` in quotes, which no client takes for a yes",
        "name          t",
        || Draft::single(10).info("private", text("1")).torrent(),
    ),
    Sample::fetched(
        "info/meta-version-1",
        "A version that says v1",
        "info hash",
        || Draft::single(10).info("meta version", int(1)).torrent(),
    ),
    Sample::refused(
        "info/meta-version-3",
        "A version of the future",
        "info.meta version is 3, but only versions 1 and 2 are known",
        || Draft::single(10).info("meta version", int(3)).torrent(),
    ),
    Sample::fetched(
        "info/comment-is-integer",
        "Of what only people read, what is malformed is passed over",
        "name          t",
        || {
            let odd = Draft::single(10)
                .root("comment", int(1))
                .root("created by", list([]));
            odd.root("creation date", text("yesterday"))
                .root("encoding", int(8))
                .torrent()
        },
    ),
    Sample::fetched(
        "info/creation-date-absurd",
        "The first moment that 64 bits can name",
        "created       -",
        || {
            Draft::single(10)
                .root("creation date", int(i64::MIN))
                .torrent()
        },
    ),
    Sample::fetched(
        "info/comment-moves-the-cursor",
        "A comment that would paint on the terminal",
        "\\u{1b}[2J",
        || {
            Draft::single(10)
                .root("comment", text("\u{1b}[2J\u{1b}[H\u{7} boo"))
                .torrent()
        },
    ),
];
