use std::{
    net::{Ipv4Addr, SocketAddrV4},
    process::Command,
};

use bt_tests::harness::{Outcome, Program, ensure, http::JsonApi, ports::free_port};

use super::version_of;
use crate::{
    client::{Client, Task, Work},
    measure::{Done, Job},
};

pub(super) const RQBIT: Client = Client {
    name: "rqbit",
    settings: "defaults, in magnet; in the others: no DHT, LSD, UPnP. It has no options for encryption and PEX",
    is_optional: true,
    works: &[
        Work::Download,
        Work::Verify,
        Work::Leech,
        Work::Seed,
        Work::Magnet,
    ],
    version: |_| version_of(RQBIT_PROGRAM, "--version"),
    job,
};

fn job<'a>(task: &'a Task<'a>) -> Outcome<Job<'a>> {
    match task.work {
        Work::Leech | Work::Seed => stay(task),
        Work::Magnet => by_magnet(task),
        _ => exit_on_finish(task),
    }
}

fn exit_on_finish<'a>(task: &'a Task<'a>) -> Outcome<Job<'a>> {
    let mut command = rqbit(task)?;
    command.args(["download", "--exit-on-finish", "--disable-http-api"]);
    what_and_where(&mut command, task);
    Ok(Job {
        command,
        done: Done::Exit,
    })
}

fn stay<'a>(task: &'a Task<'a>) -> Outcome<Job<'a>> {
    let api = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port()?);
    let mut command = rqbit(task)?;
    command.args(["--http-api-listen-addr", &api.to_string(), "download"]);
    what_and_where(&mut command, task);
    Ok(Job {
        command,
        done: Done::Answer(Box::new(move || is_complete(JsonApi(api)))),
    })
}

fn by_magnet<'a>(task: &'a Task<'a>) -> Outcome<Job<'a>> {
    let mut command = RQBIT_PROGRAM.command()?;
    // What it remembers of the DHT lies there.
    command.env("HOME", task.scratch);
    command.args(["--dht-bootstrap-addrs", &task.dht_node()?]);
    command.args(["download", "--disable-http-api"]);
    what_and_where(&mut command, task);
    Ok(Job {
        command,
        done: Done::Unasked,
    })
}

fn rqbit(task: &Task<'_>) -> Outcome<Command> {
    let mut command = RQBIT_PROGRAM.command()?;
    command.args([
        "--disable-dht",
        "--disable-lsd",
        "--disable-upnp-port-forward",
    ]);
    command.args(["--listen-port", &task.address.port().to_string()]);
    command.env("HOME", task.scratch);
    Ok(command)
}

fn what_and_where(command: &mut Command, task: &Task<'_>) {
    command.arg("-o").arg(task.folder);
    if [Work::Verify, Work::Seed].contains(&task.work) {
        command.arg("--overwrite");
    }
    command.arg(task.torrent);
}

/// Not while it does not listen yet.
fn is_complete(api: JsonApi) -> Outcome<bool> {
    let Ok(stats) = api.get("/torrents/0/stats/v1") else {
        return Ok(false);
    };
    ensure!(stats["error"].is_null(), "rqbit failed: {stats}");
    Ok(stats["state"] == "live" && stats["finished"] == true)
}

const RQBIT_PROGRAM: Program = Program {
    name: "rqbit",
    install: "cargo install rqbit --root target/tools",
};
