use std::{net::SocketAddrV4, path::Path, time::Duration};

use serde_json::{Value, json};

use super::{Client, Peer, Torrent};
use crate::harness::{Case, Context, Outcome, Process, Program, http::JsonApi, wait};

/// aria2c, driven by JSON-RPC.
#[derive(Debug)]
pub(crate) struct Aria2;

impl Client for Aria2 {
    fn name(&self) -> &'static str {
        "aria2"
    }

    fn start(
        &self,
        case: &Case<'_>,
        torrent: &Torrent,
        folder: &Path,
        upload_limit: Option<u64>,
    ) -> Outcome<Box<dyn Peer>> {
        let address = case.address()?;
        // It answers on 127.0.0.1 or on everything, nowhere else.
        let rpc_port = case.wildcard_port()?;
        let dht_file = case.path().join(format!("aria2-{rpc_port}.dht"));
        let mut command = ARIA2C.command()?;
        command.arg("--no-conf").arg("--dir").arg(folder);
        command.arg(format!("--interface={}", address.ip()));
        command.arg(format!("--listen-port={}", address.port()));
        // It speaks to UDP trackers only beside a DHT; this one knows nobody to begin with.
        command.arg("--enable-dht=true");
        command.arg(format!("--dht-listen-port={}", address.port()));
        command.arg(format!("--dht-file-path={}", dht_file.display()));
        command.args(["--enable-dht6=false", "--disable-ipv6=true"]);
        command.args(["--bt-enable-lpd=false", "--enable-peer-exchange=false"]);
        command.args(["--check-integrity=true", "--bt-hash-check-seed=true"]);
        // Seeds for ever, and holds nothing back that is not on disk.
        command.args(["--seed-ratio=0", "--disk-cache=0", "--file-allocation=none"]);
        let limit = upload_limit.unwrap_or(0);
        command.arg(format!("--max-overall-upload-limit={limit}"));
        command.args(["--summary-interval=0", "--console-log-level=notice"]);
        command.arg("--enable-rpc=true");
        command.arg(format!("--rpc-listen-port={rpc_port}"));
        command.arg(&torrent.path);
        let mut aria2 = Running {
            process: case.spawn(self.name(), command)?,
            address,
            rpc: JsonApi(SocketAddrV4::new([127, 0, 0, 1].into(), rpc_port)),
        };
        wait::until("aria2 answers", wait::SOON, || {
            aria2.process.ensure_running()?;
            Ok(aria2.download().ok())
        })?;
        Ok(Box::new(aria2))
    }
}

struct Running {
    process: Process,
    address: SocketAddrV4,
    rpc: JsonApi,
}

impl Running {
    /// What it says of its only download.
    fn download(&self) -> Outcome<Value> {
        let keys = ["seeder", "verifiedLength", "uploadLength"];
        let request =
            json!({"jsonrpc": "2.0", "id": "", "method": "aria2.tellActive", "params": [keys]});
        let answer = self.rpc.post("/jsonrpc", request.to_string().as_bytes())?;
        let download = answer["result"].get(0);
        download.cloned().context("it has no download")
    }
}

impl Peer for Running {
    fn address(&self) -> SocketAddrV4 {
        self.address
    }

    fn wait_complete(&mut self, patience: Duration) -> Outcome {
        wait::until("aria2 has everything", patience, || {
            self.process.ensure_running()?;
            let download = self.download()?;
            let is_checking = !download["verifiedLength"].is_null();
            Ok((download["seeder"] == "true" && !is_checking).then_some(()))
        })
    }

    fn has_uploaded(&mut self) -> Outcome<bool> {
        let download = self.download()?;
        let uploaded = download["uploadLength"].as_str();
        Ok(uploaded.context("no count of uploads")? != "0")
    }

    fn stop(mut self: Box<Self>) -> Outcome {
        self.process.terminate()
    }
}

const ARIA2C: Program = Program {
    name: "aria2c",
    install: "apt-get install aria2",
};
