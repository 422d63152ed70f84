//! `bt show`, `bt verify`, `bt demo`.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    process::Command,
};

use bt_metainfo::{InfoBuilder, MetainfoBuilder};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Entry, MIB, PIECE_LENGTH, get::made_by_libtorrent};
use crate::{
    bt::{self, exit},
    foreign::{
        Torrent,
        libtorrent::{self, Format},
    },
    harness::{Case, Context, Exit, Outcome, Payload, ensure, wait},
    tracker_client,
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "show/v1",
        run: |case| show(case, Format::V1),
    },
    Entry {
        name: "show/hybrid",
        run: |case| show(case, Format::Hybrid),
    },
    Entry {
        name: "show/v2",
        run: |case| show(case, Format::V2),
    },
    Entry {
        name: "show/single-without-trackers",
        run: show_single,
    },
    Entry {
        name: "magnet/hybrid",
        run: magnet,
    },
    Entry {
        name: "verify/single",
        run: |case| verify(case, &Payload::single(4 * MIB)),
    },
    Entry {
        name: "verify/multi",
        run: |case| verify(case, &Payload::multi(4 * MIB)),
    },
    Entry {
        name: "verify/interrupted",
        run: verify_interrupted,
    },
    Entry {
        name: "demo/all",
        run: demo,
    },
    Entry {
        name: "demo/interrupted",
        run: demo_interrupted,
    },
];

/// The link that `bt` makes says what libtorrent says of the torrent that it made.
fn magnet(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::Hybrid, Some(case.address()?))?;
    let words = ["magnet".as_ref(), torrent.path.as_os_str()];
    let said = bt::run(case, words, wait::SOON)?.ensure_exit(exit::DONE)?;
    ensure!(said.stdout.len() == 1, "{:?}", said.stdout);
    let link = &said.stdout[0];
    let words = ["show", "--offline", link, "--json"];
    let shown = bt::run(case, words, wait::SOON)?
        .ensure_exit(exit::DONE)?
        .json()?;
    for (key, expected) in [
        ("name", json!(payload.name)),
        ("format", json!("hybrid")),
        ("info_hash", json!(torrent.info_hash)),
        ("info_hash_v2", json!(torrent.info_hash_v2)),
        ("magnet", json!(link)),
    ] {
        ensure!(
            shown[key] == expected,
            "{key} is {}, not {expected}",
            shown[key]
        );
    }
    ensure!(
        shown["trackers"].as_array().is_some_and(|it| it.len() == 1),
        "{shown}"
    );
    let bad = bt::run(case, ["show", "magnet:?xt=urn:btih:cd"], wait::SOON)?;
    bad.ensure_exit(exit::BAD_TORRENT)?.one_line()?;
    let verify = bt::run(case, ["verify", link, "."], wait::SOON)?;
    verify.ensure_exit(exit::USAGE)?.one_line()?;
    Ok(())
}

/// Every documented key, with what libtorrent says of the torrent that it made.
fn show(case: &Case<'_>, format: Format) -> Outcome {
    let payload = Payload::multi(2 * MIB);
    let folder = case.folder("seed")?;
    payload.write_to(&folder)?;
    let trackers = [
        tracker_client::url(case.address()?),
        tracker_client::url(case.address()?),
    ];
    let urls = [trackers[0].as_str(), trackers[1].as_str()];
    let content = folder.join(&payload.name);
    let torrent = libtorrent::create(case, "payload", &content, format, PIECE_LENGTH, &urls)?;

    let shown = shown(case, &torrent)?;
    for (key, expected) in [
        ("name", json!(payload.name)),
        ("info_hash", json!(torrent.info_hash)),
        ("info_hash_v2", json!(torrent.info_hash_v2)),
        ("piece_length", json!(PIECE_LENGTH)),
        ("trackers", json!([[urls[0]], [urls[1]]])),
        ("comment", json!("for the interop tests")),
    ] {
        ensure!(
            shown[key] == expected,
            "{key} is {}, not {expected}",
            shown[key]
        );
    }
    ensure!(
        shown["created_by"]
            .as_str()
            .is_some_and(|by| by.starts_with("libtorrent")),
        "created_by is {}",
        shown["created_by"]
    );
    ensure!(
        shown["creation_date"].is_i64(),
        "creation_date is {}",
        shown["creation_date"]
    );
    ensure!(shown["private"] != true, "private is {}", shown["private"]);
    ensure!(
        is_absent(&shown["web_seeds"]),
        "web_seeds is {}",
        shown["web_seeds"]
    );
    ensure_files(&shown, &payload)?;
    if let Format::V1 = format {
        ensure!(
            shown["total_size"] == payload.length(),
            "total_size is {}",
            shown["total_size"]
        );
        let pieces = payload.length().div_ceil(PIECE_LENGTH);
        ensure!(
            shown["piece_count"] == pieces,
            "piece_count is {}",
            shown["piece_count"]
        );
    }
    Ok(())
}

/// What is absent is null or empty, and the key is there.
fn show_single(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(MIB + 1);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let shown = shown(case, &torrent)?;
    ensure!(shown["name"] == payload.name, "name is {}", shown["name"]);
    ensure!(
        shown["info_hash_v2"].is_null(),
        "info_hash_v2 is {}",
        shown["info_hash_v2"]
    );
    ensure!(
        is_absent(&shown["trackers"]),
        "trackers is {}",
        shown["trackers"]
    );
    ensure!(
        shown["piece_count"] == 17,
        "piece_count is {}",
        shown["piece_count"]
    );
    ensure_files(&shown, &payload)
}

fn shown(case: &Case<'_>, torrent: &Torrent) -> Outcome<Value> {
    let words = ["show".as_ref(), torrent.path.as_os_str(), "--json".as_ref()];
    let shown = bt::run(case, words, wait::SOON)?
        .ensure_exit(exit::DONE)?
        .json()?;
    let keys = shown
        .as_object()
        .context("`bt show --json` printed no object")?
        .keys();
    let keys: BTreeSet<_> = keys.map(String::as_str).collect();
    let missing: Vec<_> = SHOWN_KEYS
        .iter()
        .filter(|key| !keys.contains(**key))
        .collect();
    ensure!(missing.is_empty(), "keys are missing: {missing:?}");
    Ok(shown)
}

fn is_absent(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// The files as they would be written: no pad files among them.
fn ensure_files(shown: &Value, payload: &Payload) -> Outcome {
    let files = shown["files"].as_array().context("files is no array")?;
    let listed: BTreeSet<_> = files
        .iter()
        .map(|file| Some((file["path"].as_str()?, file["length"].as_u64()?)))
        .collect::<Option<_>>()
        .context("a file without path or length")?;
    let expected: BTreeSet<_> = payload.files().collect();
    ensure!(listed == expected, "files are {listed:?}, not {expected:?}");
    Ok(())
}

/// Good data, then one wrong byte, then a file too short, then none at all.
fn verify(case: &Case<'_>, payload: &Payload) -> Outcome {
    let torrent = made_by_libtorrent(case, payload, Format::V1, None)?;
    let folder = case.folder("seed")?;
    let content = bt::content(&folder, &payload.name);
    let words = [
        "verify".as_ref(),
        torrent.path.as_os_str(),
        content.as_os_str(),
    ];
    bt::run(case, words, wait::SOON)?
        .ensure_exit(exit::DONE)
        .context("good data")?;
    let by_folder = [words[0], words[1], folder.as_os_str()];
    bt::run(case, by_folder, wait::SOON)?
        .ensure_exit(exit::DONE)
        .context("the folder above")?;

    let (victim, length) = payload
        .files()
        .max_by_key(|file| file.1)
        .context("no files")?;
    let path = folder.join(victim);
    let good = fs::read(&path).context("reading the victim")?;
    let mut bad = good.clone();
    bad[length as usize / 2] ^= 1;
    fs::write(&path, &bad).context("damaging a byte")?;
    let finished = bt::run(case, words, wait::SOON)?.ensure_exit(exit::VERIFICATION);
    let finished = finished.context("one wrong byte")?;
    let said = [finished.stdout, finished.stderr].concat().join("\n");
    let (_, file_name) = victim.rsplit_once('/').unwrap_or(("", victim));
    ensure!(
        said.contains(file_name),
        "the damaged file is not named: {said}"
    );

    fs::write(&path, &good[..good.len() - 1]).context("shortening a file")?;
    bt::run(case, words, wait::SOON)?
        .ensure_exit(exit::VERIFICATION)
        .context("a short file")?;
    fs::remove_file(&path).context("removing a file")?;
    bt::run(case, words, wait::SOON)?
        .ensure_exit(exit::VERIFICATION)
        .context("a missing file")?;
    fs::write(&path, &good).context("repairing a file")?;
    bt::run(case, words, wait::SOON)?
        .ensure_exit(exit::DONE)
        .context("repaired data")?;
    Ok(())
}

/// More zeros than can be checked in a moment; what they should be does not matter.
fn verify_interrupted(case: &Case<'_>) -> Outcome {
    const PIECES: usize = 2048;
    let length = PIECES as u64 * 4 * MIB;
    let info = InfoBuilder::new("zeros", 4 * MIB as u32).single_file(length);
    let torrent = MetainfoBuilder::new(info.pieces([[7; 20]; PIECES]).encode()).encode();
    let (path, data) = (case.path().join("zeros.torrent"), case.path().join("zeros"));
    fs::write(&path, torrent).context("writing a torrent")?;
    let file = File::create(&data).context("making a file")?;
    file.set_len(length).context("making a file of zeros")?;
    for signal in [Signal::INT, Signal::TERM] {
        let mut command = Command::new(case.bt()?);
        command.arg("verify").arg(&path).arg(&data);
        let mut bt = case.spawn("bt-verify", command)?;
        wait::until("the check has begun", wait::SOON, || {
            Ok(bt.has_open(&data).then_some(()))
        })?;
        bt.signal(signal)?;
        let exit = bt.wait_exit(wait::SOON)?;
        ensure!(exit == Exit::Code(exit::STOPPED), "bt ended with {exit}");
        let said = bt.log().stderr();
        ensure!(said.len() == 1, "expected one line, not {said:?}");
    }
    Ok(())
}

fn demo(case: &Case<'_>) -> Outcome {
    bt::run(case, ["demo"], wait::TRANSFER)?.ensure_exit(exit::DONE)?;
    Ok(())
}

/// While it makes its file, and while it transfers.
fn demo_interrupted(case: &Case<'_>) -> Outcome {
    for (size, moment, signal) in [
        ("2G", "making", Signal::INT),
        ("512M", "download", Signal::TERM),
    ] {
        let folder = case.folder("temporary")?;
        let mut command = Command::new(case.bt()?);
        command
            .args(["demo", "--size", size])
            .env("TMPDIR", &folder);
        let mut bt = case.spawn("bt-demo", command)?;
        wait::until("the demonstration has come so far", wait::TRANSFER, || {
            let said = bt.log().stderr();
            Ok(said
                .iter()
                .any(|line| line.starts_with(moment))
                .then_some(()))
        })?;
        bt.signal(signal)?;
        let exit = bt.wait_exit(wait::SOON)?;
        ensure!(exit == Exit::Code(exit::STOPPED), "bt ended with {exit}");
        let said = bt.log().stderr();
        let next = if moment == "making" {
            "tracker"
        } else {
            "the tracker"
        };
        ensure!(
            !said.iter().any(|line| line.starts_with(next)),
            "it went on: {said:?}"
        );
        let left_behind = fs::read_dir(&folder).context("listing")?.count();
        ensure!(left_behind == 0, "its folder was left behind ({moment})");
    }
    Ok(())
}

const SHOWN_KEYS: [&str; 13] = [
    "name",
    "info_hash",
    "info_hash_v2",
    "total_size",
    "piece_length",
    "piece_count",
    "private",
    "files",
    "trackers",
    "web_seeds",
    "comment",
    "created_by",
    "creation_date",
];
