use std::{fs, net::SocketAddrV4, path::Path, time::Duration};

use serde_json::Value;

use super::{Client, Peer, Torrent};
use crate::harness::{Case, Context, Outcome, Process, Program, ensure, http::JsonApi, wait};

/// rqbit, driven by its HTTP interface.
///
/// No distribution has it and building it takes minutes: so it may be absent.
#[derive(Debug)]
pub(crate) struct Rqbit;

impl Client for Rqbit {
    fn name(&self) -> &'static str {
        "rqbit"
    }

    fn is_optional(&self) -> bool {
        true
    }

    fn missing(&self) -> Option<String> {
        let is_missing = RQBIT.find().is_none();
        is_missing.then(|| RQBIT.what_is_missing())
    }

    fn start(
        &self,
        case: &Case<'_>,
        torrent: &Torrent,
        folder: &Path,
        upload_limit: Option<u64>,
    ) -> Outcome<Box<dyn Peer>> {
        // It announces itself from an address of the system's choice: so it listens on all.
        let port = case.wildcard_port()?;
        let api = case.address()?;
        let mut command = RQBIT.command()?;
        command.env("HOME", case.path());
        command.args(["--http-api-listen-addr", &api.to_string()]);
        command.args(["--listen-ip", "0.0.0.0", "--ipv4-only"]);
        command.args(["--listen-port", &port.to_string()]);
        command.args(["--disable-dht", "--disable-lsd"]);
        command.arg("--disable-upnp-port-forward");
        if let Some(limit) = upload_limit {
            command.args(["--ratelimit-upload", &limit.to_string()]);
        }
        command.args(["server", "start", "--disable-persistence"]);
        command.arg(folder);
        let mut rqbit = Running {
            process: case.spawn(self.name(), command)?,
            address: SocketAddrV4::new([127, 0, 0, 1].into(), port),
            api: JsonApi(api),
        };
        wait::until("rqbit answers", wait::SOON, || {
            rqbit.process.ensure_running()?;
            Ok(rqbit.api.get("/torrents").ok())
        })?;
        let torrent = match torrent.link() {
            Some(link) => link.into(),
            None => fs::read(&torrent.path).context("reading the torrent")?,
        };
        // It looks at files that are there only if it may write to them.
        rqbit.api.post("/torrents?overwrite=true", &torrent)?;
        wait::until("rqbit has checked its files", wait::TRANSFER, || {
            Ok((rqbit.stats()?["state"] == "live").then_some(()))
        })?;
        Ok(Box::new(rqbit))
    }
}

struct Running {
    process: Process,
    address: SocketAddrV4,
    api: JsonApi,
}

impl Running {
    /// What it says of its only torrent.
    fn stats(&self) -> Outcome<Value> {
        let stats = self.api.get("/torrents/0/stats/v1")?;
        ensure!(stats["error"].is_null(), "rqbit says: {}", stats["error"]);
        Ok(stats)
    }
}

impl Peer for Running {
    fn address(&self) -> SocketAddrV4 {
        self.address
    }

    fn wait_complete(&mut self, patience: Duration) -> Outcome {
        wait::until("rqbit has everything", patience, || {
            self.process.ensure_running()?;
            let stats = self.stats()?;
            Ok((stats["state"] == "live" && stats["finished"] == true).then_some(()))
        })
    }

    fn has_uploaded(&mut self) -> Outcome<bool> {
        let stats = self.stats()?;
        let uploaded = stats["uploaded_bytes"].as_u64();
        Ok(uploaded.context("no count of uploads")? > 0)
    }

    fn stop(mut self: Box<Self>) -> Outcome {
        self.process.terminate()
    }
}

const RQBIT: Program = Program {
    name: "rqbit",
    install: "cargo install rqbit --root target/tools",
};
