use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
};

use bt_tests::harness::{Context, Outcome, Program, ensure, http::JsonApi, ports::free_port};
use serde_json::{Value, json};

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
    let mut remote = Remote {
        rpc: JsonApi(rpc),
        session: None,
    };
    let mut is_added = false;
    let done = move || {
        if !is_added {
            is_added = remote.add(task)?;
            return Ok(false);
        }
        remote.is_complete()
    };
    Ok(Job {
        command,
        done: Done::Answer(Box::new(done)),
    })
}

struct Remote {
    rpc: JsonApi,
    /// Every request must repeat what the first answer said.
    session: Option<String>,
}

impl Remote {
    /// False if it does not listen yet.
    fn add(&mut self, task: &Task<'_>) -> Outcome<bool> {
        let request = json!({ "method": "torrent-add", "arguments": { "filename": task.torrent } });
        let answer = self.ask(&request)?;
        Ok(answer.is_some())
    }

    fn is_complete(&mut self) -> Outcome<bool> {
        let fields = ["leftUntilDone", "status", "percentDone"];
        let request = json!({ "method": "torrent-get", "arguments": { "fields": fields } });
        let answer = self.ask(&request)?.context("transmission went silent")?;
        let torrent = &answer["arguments"]["torrents"][0];
        Ok(torrent["percentDone"] == 1.0 && torrent["status"] == SEEDING)
    }

    fn ask(&mut self, request: &Value) -> Outcome<Option<Value>> {
        for _ in 0..2 {
            let session = self.session.as_deref().unwrap_or_default();
            let headers = [("X-Transmission-Session-Id", session)];
            let body = request.to_string();
            let asked = self
                .rpc
                .ask("POST", "/transmission/rpc", &headers, body.as_bytes());
            let Ok(answer) = asked else {
                return Ok(None);
            };
            if answer.status == 409 {
                let session = answer.header("X-Transmission-Session-Id");
                self.session = session.map(str::to_owned);
                continue;
            }
            let answer = answer.json()?;
            ensure!(
                answer["result"] == "success",
                "transmission refused: {answer}"
            );
            return Ok(Some(answer));
        }
        Ok(None)
    }
}

/// `TR_STATUS_SEED`
const SEEDING: u64 = 6;
const DAEMON: Program = Program {
    name: "transmission-daemon",
    install: "apt-get install transmission-daemon",
};
