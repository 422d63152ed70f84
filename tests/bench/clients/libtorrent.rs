use std::{
    fs,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    process::Command,
};

use bt_tests::harness::{Context, Outcome, ensure, workspace_target};
use serde_json::Value;

use crate::{
    client::{Bench, Client, Task, Work},
    measure::{Done, Job},
};

pub(super) const LIBTORRENT_2_0: Client = Client {
    name: "libtorrent-2.0",
    settings: SETTINGS,
    is_optional: false,
    works: WORKS,
    version: |bench| version(bench, "2.0."),
    job: |task| job(task, "2.0."),
};

pub(super) const LIBTORRENT_2_1: Client = Client {
    name: "libtorrent-2.1",
    settings: SETTINGS,
    is_optional: false,
    works: WORKS,
    version: |bench| version(bench, "2.1."),
    job: |task| job(task, "2.1."),
};

/// A libtorrent 2.0 that serves what lies in `folder`.
pub(crate) fn seeder(
    bench: &Bench<'_>,
    torrent: &Path,
    folder: &Path,
    address: SocketAddrV4,
) -> Outcome<Command> {
    let mut command = script(bench, "2.0.")?;
    command.arg("seed").arg(torrent).arg(folder);
    command.arg(address.to_string());
    command.arg(bench.case.path().join("seeder.resume"));
    Ok(command)
}

/// A libtorrent 2.0 that serves what lies in `folder`, to whom it is known by the DHT.
pub(crate) fn seeder_in_dht(
    bench: &Bench<'_>,
    torrent: &Path,
    folder: &Path,
    address: SocketAddrV4,
    node: SocketAddrV4,
) -> Outcome<Command> {
    let mut command = script(bench, "2.0.")?;
    command.arg("seed_dht").arg(torrent).arg(folder);
    command.arg(address.to_string());
    command.arg(bench.case.path().join("seeder.resume"));
    command.arg(node.to_string());
    Ok(command)
}

/// A Python with the newest libtorrent, which nodes of a DHT are made of.
pub(crate) fn newest() -> PathBuf {
    python("2.1.")
}

/// A libtorrent 2.0 that makes a torrent.
pub(crate) fn creator(
    bench: &Bench<'_>,
    content: &Path,
    torrent: &Path,
    piece_length: u64,
    tracker: Option<&str>,
) -> Outcome<Command> {
    let mut command = script(bench, "2.0.")?;
    command.arg("create").arg(content).arg(torrent);
    command.arg(piece_length.to_string()).args(tracker);
    Ok(command)
}

fn job<'a>(task: &'a Task<'a>, series: &str) -> Outcome<Job<'a>> {
    let mut command = script(task.bench, series)?;
    match task.work {
        Work::Magnet => {
            command.arg("fetch").arg(task.torrent).arg(task.folder);
            command.arg(task.address.to_string());
            command.arg(task.dht_node()?);
            let done = Done::Unasked;
            return Ok(Job { command, done });
        }
        Work::Download | Work::Verify | Work::Leech | Work::Seed => {
            let verb = match task.work {
                Work::Download => "get",
                Work::Verify => "verify",
                _ => "share",
            };
            command.arg(verb).arg(task.torrent).arg(task.folder);
            command.arg(task.address.to_string());
        }
        Work::Create => {
            command.arg("create").arg(task.content).arg(task.torrent);
            command.arg(task.piece_length.to_string());
            command.arg(format!("udp://{}/announce", task.tracker));
        }
    }
    Ok(Job {
        command,
        done: Done::Event("complete"),
    })
}

fn version(bench: &Bench<'_>, series: &str) -> Outcome<String> {
    let python = python(series);
    let output = script(bench, series)?
        .arg("version")
        .output()
        .context(format_args!("running {}", python.display()))?;
    let answer: Value = serde_json::from_slice(&output.stdout).context(format_args!(
        "{} has no libtorrent: cargo xtask install-tools",
        python.display()
    ))?;
    let version = answer["version"].as_str().unwrap_or_default();
    ensure!(
        version.starts_with(series),
        "{} has libtorrent {version}, not {series}x: cargo xtask install-tools",
        python.display()
    );
    Ok(version.trim_end_matches(".0").to_owned())
}

fn script(bench: &Bench<'_>, series: &str) -> Outcome<Command> {
    let path = bench.case.path().join("libtorrent_client.py");
    if !path.exists() {
        fs::write(&path, include_str!("../libtorrent_client.py")).context("writing the script")?;
    }
    let mut command = Command::new(python(series));
    command.arg(path);
    Ok(command)
}

fn python(series: &str) -> PathBuf {
    workspace_target().join(match series {
        "2.0." => "tools/libtorrent-2.0/bin/python",
        _ => "tools/venv/bin/python",
    })
}

const WORKS: &[Work] = &[
    Work::Download,
    Work::Verify,
    Work::Create,
    Work::Leech,
    Work::Seed,
    Work::Magnet,
];
const SETTINGS: &str = "defaults of the library (PyPI); no encryption, uTP, DHT, LSD, UPnP but in magnet, \
                        where it is told to ask the DHT once it is in. \
                        The cost of starting Python is taken away";
