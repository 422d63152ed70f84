use bt_tests::harness::{Outcome, Program};

use super::version_of;
use crate::{
    client::{Client, Task, Work},
    measure::{Done, Job},
};

pub(super) const ARIA2: Client = Client {
    name: "aria2",
    settings: "defaults, in magnet; in the others: --file-allocation=none --bt-max-peers=0 --seed-time=0; no DHT, LPD, PEX. It cannot \
               be told never to encrypt. Finds the tracker by HTTP",
    is_optional: false,
    works: &[Work::Download, Work::Verify, Work::Magnet],
    version: |_| version_of(ARIA2C, "--version"),
    job,
};

fn job<'a>(task: &'a Task<'a>) -> Outcome<Job<'a>> {
    match task.work {
        Work::Magnet => by_magnet(task),
        _ => of_torrent(task),
    }
}

fn by_magnet<'a>(task: &'a Task<'a>) -> Outcome<Job<'a>> {
    let mut command = ARIA2C.command()?;
    command.arg("--no-conf");
    command.arg(format!("--dht-entry-point={}", task.dht_node()?));
    command.arg("-d").arg(task.folder).arg(task.torrent);
    // What it remembers of the DHT lies there.
    command.env("HOME", task.scratch);
    Ok(Job {
        command,
        done: Done::Unasked,
    })
}

fn of_torrent<'a>(task: &'a Task<'a>) -> Outcome<Job<'a>> {
    let mut command = ARIA2C.command()?;
    command.args([
        "--no-conf",
        "--enable-dht=false",
        "--enable-dht6=false",
        "--bt-enable-lpd=false",
        "--enable-peer-exchange=false",
        "--disable-ipv6=true",
        "--file-allocation=none",
        "--bt-max-peers=0",
        "--seed-time=0",
        "--summary-interval=0",
        "--console-log-level=warn",
        "--bt-exclude-tracker=*",
    ]);
    command.arg(format!("--bt-tracker=http://{}/announce", task.tracker));
    command.arg(format!("--interface={}", task.address.ip()));
    command.arg(format!("--listen-port={}", task.address.port()));
    if task.work == Work::Verify {
        command.args(["--check-integrity=true", "--hash-check-only=true"]);
    }
    command.arg("-d").arg(task.folder).arg(task.torrent);
    command.env("HOME", task.scratch);
    Ok(Job {
        command,
        done: Done::Exit,
    })
}

const ARIA2C: Program = Program {
    name: "aria2c",
    install: "apt-get install aria2",
};
