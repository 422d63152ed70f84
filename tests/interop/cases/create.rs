//! `bt create`: what libtorrent makes of the same files, and what others do with it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use bt_metainfo::Metainfo;
use serde_json::{Value, json};

use super::{Entry, MIB};
use crate::{
    bt::{self, exit},
    foreign::{
        CLIENTS, Torrent,
        libtorrent::{self, Build},
    },
    harness::{Case, Context, Exit, Outcome, Payload, ensure, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "create/as-libtorrent",
        run: |case| as_libtorrent(case, Build::Newest),
    },
    Entry {
        name: "create/as-libtorrent-debian",
        run: |case| as_libtorrent(case, Build::Debian),
    },
    Entry {
        name: "create/accepted-by-all",
        run: accepted_by_all,
    },
    Entry {
        name: "create/reproducible",
        run: reproducible,
    },
    Entry {
        name: "create/json",
        run: machine_readable,
    },
];

/// Content as paths and lengths; a single file is one whose path is empty.
struct Shape {
    name: &'static str,
    files: &'static [(&'static str, usize)],
}

const PIECE: usize = 16 * 1024;

const SHAPES: &[Shape] = &[
    Shape {
        name: "single",
        files: &[("", 100_000)],
    },
    Shape {
        name: "single-byte",
        files: &[("", 1)],
    },
    Shape {
        name: "single-multiple",
        files: &[("", 4 * PIECE)],
    },
    Shape {
        name: "one-in-folder",
        files: &[("only", 20_000)],
    },
    Shape {
        name: "nested",
        files: &[
            ("a/z", 30_000),
            ("a/sub/deeper/x", 17),
            ("a.txt", 5),
            ("a-b/c", PIECE),
            ("B", 1),
            ("b", 2),
            ("0", 40_000),
        ],
    },
    Shape {
        name: "multiples",
        files: &[("a", PIECE), ("b", 3 * PIECE), ("c/d", PIECE)],
    },
    Shape {
        name: "empty-files",
        files: &[
            ("0-first", 0),
            ("a", PIECE),
            ("b-middle", 0),
            ("c", 100),
            ("z/last", 0),
        ],
    },
    Shape {
        name: "ünïcode 漢字",
        files: &[
            ("é composed", 10),
            ("e\u{301} decomposed", 20),
            ("имя/名前", 30_000),
            ("🙂", 1),
        ],
    },
    Shape {
        name: "odd names",
        files: &[
            ("col:on?", 10),
            ("back\\slash", 20),
            ("new\nline", 30),
            (" blank ", 40),
            ("dot.", 50),
            ("con", 60),
            (".hidden/.file", 70),
        ],
    },
    // libtorrent's own choice of a piece length: see `bt_metainfo::suggest_piece_length`.
    Shape {
        name: "automatic",
        files: &[("a", 2_000_000), ("b", 1_000_000)],
    },
];

fn as_libtorrent(case: &Case<'_>, build: Build) -> Outcome {
    for shape in SHAPES {
        let content = shape.write_to(&case.folder("content")?)?;
        let piece_length = if shape.name == "automatic" { 0 } else { PIECE };
        for source in [None, Some("A tracker")] {
            let theirs = libtorrent::info(case, build, &content, piece_length as u64, source)
                .context(shape.name)?;
            let mut words = vec!["--hidden".to_owned()];
            if piece_length > 0 {
                words.extend(["-l".to_owned(), piece_length.to_string()]);
            }
            if let Some(source) = source {
                words.extend(["-p".to_owned(), "-s".to_owned(), source.to_owned()]);
            }
            let ours = create(case, "as-libtorrent", &content, &words).context(shape.name)?;
            let ours: String = ours
                .raw()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            ensure!(
                ours == theirs.info,
                "{}: bt made {ours}, libtorrent {}",
                shape.name,
                theirs.info
            );
            // Newer ones compare whole paths, slashes and all.
            ensure!(
                theirs.is_canonical || !matches!(build, Build::Debian),
                "{}: the order is not libtorrent's canonical one",
                shape.name
            );
        }
    }
    Ok(())
}

impl Shape {
    /// The path of the content; one of its files is a program.
    fn write_to(&self, folder: &Path) -> Outcome<PathBuf> {
        let content = folder.join(self.name);
        for (number, (path, length)) in self.files.iter().enumerate() {
            let path = match *path {
                "" => content.clone(),
                path => content.join(path),
            };
            let doing = format!("writing {}", path.display());
            fs::create_dir_all(path.parent().context(&doing)?).context(&doing)?;
            let bytes: Vec<u8> = (0..*length)
                .map(|at| (at / 251 + at + number) as u8)
                .collect();
            fs::write(&path, bytes).context(&doing)?;
            if number == 0 {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).context(&doing)?;
            }
        }
        Ok(content)
    }
}

/// What `bt create` makes of `content`, read back.
fn create(
    case: &Case<'_>,
    name: &str,
    content: &Path,
    words: &[String],
) -> Outcome<std::sync::Arc<bt_metainfo::Info>> {
    let path = case.path().join(format!("{name}.torrent"));
    let mut all = vec!["create".into(), content.as_os_str().to_owned()];
    all.extend(["-f".into(), "-o".into(), path.clone().into_os_string()]);
    all.extend(words.iter().map(Into::into));
    bt::run(case, all, wait::TRANSFER)?.ensure_exit(exit::DONE)?;
    let bytes = fs::read(&path).context("reading the torrent")?;
    let metainfo = Metainfo::from_bytes(&bytes).context("reading the torrent")?;
    Ok(metainfo.info().clone())
}

/// Everybody who can be had finds everything in its place, and downloads it from `bt seed`.
fn accepted_by_all(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(8 * MIB);
    let folder = case.folder("seed")?;
    payload.write_to(&folder)?;
    let content = bt::content(&folder, &payload.name);
    let words = ["-l".to_owned(), "64K".to_owned()];
    let info = create(case, "made", &content, &words)?;
    let torrent = Torrent {
        path: case.path().join("made.torrent"),
        info_hash: info.ids().v1().map(|hash| hash.to_string()),
        info_hash_v2: None,
    };
    let words = [
        "verify".as_ref(),
        torrent.path.as_os_str(),
        content.as_os_str(),
    ];
    bt::run(case, words, wait::SOON)?.ensure_exit(exit::DONE)?;

    for client in CLIENTS.iter().filter(|client| !client.is_optional()) {
        let seeder = client.seed(case, &torrent, &folder, None);
        seeder.context(client.name())?.stop()?;
        let leecher = client.leech(case, &torrent)?;
        let mut seed = bt::seed(case, "bt-seed", &torrent, &content)?
            .peer(leecher.address())
            .start()?;
        seed.wait_listening()?;
        leecher.finish(&payload)?;
        seed.interrupt()?;
        seed.wait_exit(exit::DONE, wait::SOON)?;
    }
    // They have left nothing behind that would change it.
    payload.compare(&folder)
}

/// The same bytes on every machine and at every time, also through stdout.
fn reproducible(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(MIB);
    let mut made = Vec::new();
    for (folder, date, output) in [
        ("one", Some("1700000000"), "file.torrent"),
        ("two", Some("1700000000"), "-"),
        ("two", None, "-"),
    ] {
        let folder = case.folder(folder)?;
        payload.write_to(&folder)?;
        // What it writes to stdout is no text.
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec \"$0\" \"$@\" > stdout"])
            .arg(case.bt()?);
        command.args(["create", &payload.name, "-f", "-o", output]);
        command.args([
            "-t",
            "udp://127.0.0.1:9,http://127.0.0.1/a",
            "-t",
            "udp://127.0.0.2:9",
        ]);
        command.current_dir(&folder).env_remove("SOURCE_DATE_EPOCH");
        if let Some(date) = date {
            command.env("SOURCE_DATE_EPOCH", date);
        }
        let exit = case
            .spawn("bt-create", command)?
            .wait_exit(wait::TRANSFER)?;
        ensure!(exit == Exit::Code(exit::DONE), "bt ended with {exit}");
        let file = if output == "-" { "stdout" } else { output };
        made.push(fs::read(folder.join(file)).context("reading the torrent")?);
    }
    ensure!(made[0] == made[1], "the same content made two torrents");
    let dates: Vec<_> = made
        .iter()
        .map(|torrent| Metainfo::from_bytes(torrent).map(|torrent| torrent.creation_date()))
        .collect::<Result<_, _>>()
        .context("reading the torrents")?;
    ensure!(
        dates[0] == Some(1_700_000_000) && dates[2] > dates[0],
        "dates are {dates:?}"
    );
    Ok(())
}

fn machine_readable(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(MIB);
    let folder = case.folder("seed")?;
    payload.write_to(&folder)?;
    fs::write(folder.join(&payload.name).join("skipped.nfo"), "x").context("writing")?;
    let path = case.path().join("made.torrent");
    let mut command = Command::new(case.bt()?);
    command.arg("create").arg(folder.join(&payload.name));
    command
        .args(["--json", "-l", "64K", "-x", "*.nfo", "-o"])
        .arg(&path);
    let mut bt = case.spawn("bt-create", command)?;
    let exit = bt.wait_exit(wait::TRANSFER)?;
    ensure!(exit == Exit::Code(exit::DONE), "bt ended with {exit}");
    for line in bt.log().stdout() {
        let event: Value = serde_json::from_str(&line).context(format_args!("stdout: {line}"))?;
        ensure!(
            event["event"].is_string(),
            "a line without its kind: {line}"
        );
    }
    let created = bt.latest_event("created").context("no `created`")?;
    let torrent = Metainfo::from_bytes(&fs::read(&path).context("reading")?).context("reading")?;
    let hash = torrent.info().ids().v1().context("no v1 hash")?.to_string();
    for (key, expected) in [
        ("path", json!(path)),
        ("name", json!(payload.name)),
        ("info_hash", json!(hash)),
        ("bytes_total", json!(payload.length())),
        ("file_count", json!(payload.files().count())),
        ("piece_length", json!(64 * 1024)),
        ("piece_count", json!(payload.length().div_ceil(64 * 1024))),
    ] {
        ensure!(created[key] == expected, "{key} is {}", created[key]);
    }
    ensure!(
        created["left_out"]["excluded"] == 1,
        "left out: {}",
        created["left_out"]
    );
    Ok(())
}
