use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
};

use bt_tests::{
    foreign::transmission::Rpc,
    harness::{Context, Outcome, Program, ports::free_port},
};
use serde_json::json;

use super::version_of;
use crate::{
    client::{Client, Task, Work},
    measure::{Done, Job},
};

pub(super) const TRANSMISSION: Client = Client {
    name: "transmission",
    settings: "daemon, defaults; encryption 0; no uTP, DHT, LPD, PEX, port forwarding",
    is_optional: false,
    works: &[Work::Download, Work::Verify, Work::Leech, Work::Seed],
    version: |_| version_of(DAEMON, "--version"),
    job,
};

fn job<'a>(task: &'a Task<'a>) -> Outcome<Job<'a>> {
    let rpc = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port()?);
    let settings = json!({
        "bind-address-ipv4": task.address.ip(),
        "bind-address-ipv6": "::1",
        "peer-port": task.address.port(),
        "rpc-bind-address": rpc.ip(),
        "rpc-port": rpc.port(),
        "download-dir": task.folder,
        "dht-enabled": false,
        "lpd-enabled": false,
        "pex-enabled": false,
        "utp-enabled": false,
        "port-forwarding-enabled": false,
        "encryption": 0,
        "message-level": 1,
    });
    fs::write(task.scratch.join("settings.json"), settings.to_string())
        .context("writing transmission's settings")?;
    let mut command = DAEMON.command()?;
    command
        .args(["--foreground", "--config-dir"])
        .arg(task.scratch);
    let mut rpc = Rpc::at(rpc);
    let mut is_added = false;
    let done = move || {
        if !is_added {
            is_added = add(&mut rpc, task)?;
            return Ok(false);
        }
        is_complete(&mut rpc)
    };
    Ok(Job {
        command,
        done: Done::Answer(Box::new(done)),
    })
}

/// False if it does not listen yet.
fn add(rpc: &mut Rpc, task: &Task<'_>) -> Outcome<bool> {
    let request = json!({ "method": "torrent-add", "arguments": { "filename": task.torrent } });
    Ok(rpc.ask(&request)?.is_some())
}

fn is_complete(rpc: &mut Rpc) -> Outcome<bool> {
    let torrent = rpc.torrent(&["leftUntilDone", "status", "percentDone"])?;
    let torrent = torrent.context("transmission went silent")?;
    Ok(torrent["percentDone"] == 1.0 && torrent["status"] == SEEDING)
}

/// `TR_STATUS_SEED`
const SEEDING: u64 = 6;
const DAEMON: Program = Program {
    name: "transmission-daemon",
    install: "apt-get install transmission-daemon",
};
