use std::{fs, net::SocketAddrV4, path::Path, process::Command};

use serde_json::Value;

use crate::harness::{Case, Context, Outcome, Process, wait};

/// Nodes of libtorrent's DHT, in one process.
#[derive(Debug)]
pub struct Nodes {
    process: Process,
    addresses: Vec<SocketAddrV4>,
}

impl Nodes {
    /// Starts one at each address, that find each other by way of the first, and waits until they
    /// have. `python` has libtorrent.
    pub fn among_themselves(
        case: &Case<'_>,
        python: &Path,
        addresses: Vec<SocketAddrV4>,
    ) -> Outcome<Self> {
        let count = addresses.len();
        let bootstrap = *addresses.first().context("a node to begin with")?;
        let nodes = Self::by_way_of(case, python, addresses, bootstrap)?;
        wait::until("the nodes know each other", wait::TRANSFER, || {
            Ok((nodes.least_known() >= (count - 1).min(4)).then_some(()))
        })?;
        Ok(nodes)
    }

    /// Starts one at each address, that find in by way of `bootstrap`.
    pub fn by_way_of(
        case: &Case<'_>,
        python: &Path,
        addresses: Vec<SocketAddrV4>,
        bootstrap: SocketAddrV4,
    ) -> Outcome<Self> {
        let path = case.path().join("libtorrent_dht.py");
        fs::write(&path, include_str!("libtorrent_dht.py")).context("writing the script")?;
        let mut command = Command::new(python);
        command.arg(path);
        command.args(addresses.iter().map(SocketAddrV4::to_string));
        command.args(["--bootstrap", &bootstrap.to_string()]);
        let mut process = case.spawn("libtorrent-dht", command)?;
        process.wait_event("is ready", wait::SOON, |event| {
            (event["event"] == "ready").then_some(())
        })?;
        Ok(Self { process, addresses })
    }

    pub fn address(&self, node: usize) -> SocketAddrV4 {
        self.addresses[node]
    }

    /// How many others the node knows that knows fewest.
    pub fn least_known(&self) -> usize {
        let counts = self.process.latest_event("nodes");
        let counts = counts.as_ref().and_then(|event| event["counts"].as_array());
        let counts = counts.map(|counts| counts.iter().filter_map(Value::as_u64).min());
        counts.flatten().unwrap_or(0) as usize
    }

    pub fn command(&mut self, command: &str) -> Outcome {
        self.process.tell(command)
    }

    /// Whether there was an event that is `it`.
    pub fn has_said(&self, it: impl Fn(&Value) -> bool) -> bool {
        self.process.count_events(it) > 0
    }

    /// The first event, past or future, that is `it`.
    pub fn wait(&mut self, what: &str, it: impl Fn(&Value) -> bool) -> Outcome<Value> {
        self.process.wait_event(what, wait::TRANSFER, |event| {
            it(event).then(|| event.clone())
        })
    }
}
