//! What runs on Node: a tracker, and TLS.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::Torrent;
use crate::{
    harness::{Case, Context, Outcome, Process, Program, ensure, wait, workspace_target},
    tracker_client::{Client, Scrape},
};

/// A bittorrent-tracker that takes part in one swarm, over UDP and HTTP, IPv4 and IPv6.
#[derive(Debug)]
pub(crate) struct NpmTracker {
    process: Process,
    address: SocketAddrV4,
}

impl NpmTracker {
    pub(crate) fn start(case: &Case<'_>, torrent: &Torrent) -> Outcome<Self> {
        let address = case.address()?;
        let hash = torrent.info_hash.as_deref().context("no v1 hash")?;
        let script = include_str!("../npm_tracker.mjs");
        let mut command = node(case, "npm_tracker.mjs", script)?;
        command.arg(modules("bittorrent-tracker")?);
        command.arg(address.ip().to_string());
        command.args([&address.port().to_string(), hash]);
        let mut process = case.spawn("npm-tracker", command)?;
        wait_listening(&mut process)?;
        Ok(Self { process, address })
    }

    pub(crate) fn v4(&self) -> SocketAddrV4 {
        self.address
    }

    pub(crate) fn v6(&self) -> SocketAddr {
        (Ipv6Addr::LOCALHOST, self.address.port()).into()
    }

    /// What it says over UDP, of peers of both families together.
    pub(crate) fn scrape(&self, torrent: &Torrent) -> Outcome<Scrape> {
        Client::connect(self.address, Ipv4Addr::LOCALHOST)?.scrape(&torrent.swarm_id()?)
    }

    /// Waits until so many seeders and leechers have announced themselves, and no others are left.
    pub(crate) fn wait_peers(&self, torrent: &Torrent, seeders: u32, leechers: u32) -> Outcome {
        let what = format!("the tracker knows {seeders} seeders and {leechers} leechers");
        wait::until(&what, wait::SOON, || {
            let scrape = self.scrape(torrent)?;
            let is_so = (scrape.seeders, scrape.leechers) == (seeders, leechers);
            Ok(is_so.then_some(()))
        })
    }

    /// How many announces that began something came over `udp` or `http`, and from such addresses.
    pub(crate) fn started(&self, by: &str, is_one: impl Fn(SocketAddr) -> bool) -> usize {
        self.process.count_events(|event| {
            event["event"] == "announce"
                && event["kind"] == "start"
                && event["by"] == by
                && peer(event).is_some_and(&is_one)
        })
    }
}

/// It puts no brackets around an IPv6 address over UDP.
fn peer(event: &Value) -> Option<SocketAddr> {
    let (ip, port) = event["peer"].as_str()?.rsplit_once(':')?;
    let ip = ip.trim_matches(['[', ']']).parse().ok()?;
    Some(SocketAddr::new(ip, port.parse().ok()?))
}

/// TLS in front of a server that has none: what speaks it is OpenSSL, and no relative of ours.
#[derive(Debug)]
pub(crate) struct TlsFront {
    _process: Process,
    address: SocketAddrV4,
}

impl TlsFront {
    /// Listens on `address`, for which `certificate` should be.
    pub(crate) fn start(
        case: &Case<'_>,
        address: SocketAddrV4,
        [key, certificate]: [&Path; 2],
        server: SocketAddrV4,
    ) -> Outcome<Self> {
        let mut command = node(case, "tls_front.mjs", include_str!("../tls_front.mjs"))?;
        command.args([key, certificate]);
        for end in [address, server] {
            command.args([end.ip().to_string(), end.port().to_string()]);
        }
        let mut process = case.spawn("tls-front", command)?;
        wait_listening(&mut process)?;
        Ok(Self {
            _process: process,
            address,
        })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }
}

fn wait_listening(process: &mut Process) -> Outcome {
    process.wait_event("listens", wait::SOON, |event| {
        (event["event"] == "listening").then_some(())
    })
}

/// The script lies in the case's folder, so that this binary can be run from anywhere.
fn node(case: &Case<'_>, name: &str, script: &str) -> Outcome<Command> {
    let path = case.path().join(name);
    fs::write(&path, script).context("writing a script")?;
    let mut command = NODE.command()?;
    command.arg(path);
    Ok(command)
}

/// Where npm has put its packages, this one among them.
fn modules(package: &str) -> Outcome<PathBuf> {
    let modules = workspace_target().join("tools/npm/node_modules");
    ensure!(
        modules.join(package).is_dir(),
        "{package} of npm is not installed: cargo xtask install-tools"
    );
    std::path::absolute(modules).context("looking for what npm has installed")
}

const NODE: Program = Program {
    name: "node",
    install: "apt-get install nodejs",
};
