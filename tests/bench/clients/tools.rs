//! Programs that only make torrents.

use bt_tests::harness::{Outcome, Program};

use super::version_of;
use crate::{
    client::{Client, Task, Work},
    measure::{Done, Job},
};

pub(super) const MKTORRENT: Client = Client {
    name: "mktorrent",
    settings: "defaults",
    is_optional: false,
    works: &[Work::Create],
    version: |_| version_of(MKTORRENT_PROGRAM, "-h"),
    job: mktorrent,
};

pub(super) const TRANSMISSION_CREATE: Client = Client {
    name: "transmission-create",
    settings: "defaults",
    is_optional: false,
    works: &[Work::Create],
    version: |_| version_of(TRANSMISSION_PROGRAM, "--version"),
    job: transmission,
};

fn mktorrent<'a>(task: &'a Task<'a>) -> Outcome<Job<'a>> {
    let mut command = MKTORRENT_PROGRAM.command()?;
    command.args(["-l", &task.piece_length.ilog2().to_string()]);
    command.args(["-a", &format!("udp://{}/announce", task.tracker), "-o"]);
    command.arg(task.torrent).arg(task.content);
    Ok(Job {
        command,
        done: Done::Exit,
    })
}

fn transmission<'a>(task: &'a Task<'a>) -> Outcome<Job<'a>> {
    let mut command = TRANSMISSION_PROGRAM.command()?;
    command.args(["-s", &(task.piece_length >> 10).to_string()]);
    command.args(["-t", &format!("udp://{}/announce", task.tracker), "-o"]);
    command.arg(task.torrent).arg(task.content);
    Ok(Job {
        command,
        done: Done::Exit,
    })
}

const MKTORRENT_PROGRAM: Program = Program {
    name: "mktorrent",
    install: "apt-get install mktorrent",
};
const TRANSMISSION_PROGRAM: Program = Program {
    name: "transmission-create",
    install: "apt-get install transmission-cli",
};
