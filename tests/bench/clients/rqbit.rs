use bt_tests::harness::{Outcome, Program};

use super::version_of;
use crate::{
    client::{Client, Task, Work},
    measure::{Done, Job},
};

pub(super) const RQBIT: Client = Client {
    name: "rqbit",
    settings: "defaults; no DHT, LSD, UPnP. It has no options for encryption and PEX",
    is_optional: true,
    works: &[Work::Download, Work::Verify],
    version: |_| version_of(RQBIT_PROGRAM, "--version"),
    job,
};

fn job<'a>(task: &'a Task<'a>) -> Outcome<Job<'a>> {
    let mut command = RQBIT_PROGRAM.command()?;
    command.args([
        "--disable-dht",
        "--disable-lsd",
        "--disable-upnp-port-forward",
    ]);
    command.args(["--listen-port", &task.address.port().to_string()]);
    command.args(["download", "--exit-on-finish", "--disable-http-api", "-o"]);
    command.arg(task.folder);
    if task.work == Work::Verify {
        command.arg("--overwrite");
    }
    command.arg(task.torrent).env("HOME", task.scratch);
    Ok(Job {
        command,
        done: Done::Exit,
    })
}

const RQBIT_PROGRAM: Program = Program {
    name: "rqbit",
    install: "cargo install rqbit --root target/tools",
};
