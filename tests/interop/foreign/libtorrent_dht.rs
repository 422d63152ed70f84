use std::{fs, net::SocketAddrV4, process::Command};

use serde_json::Value;

use super::libtorrent::Build;
use crate::harness::{Case, Context, Outcome, Process, wait};

/// Nodes of libtorrent's DHT, in one process.
#[derive(Debug)]
pub(crate) struct Nodes {
    process: Process,
    addresses: Vec<SocketAddrV4>,
}

impl Nodes {
    /// Starts so many, each on an address of its own, that find each other by way of the first, and
    /// waits until they have.
    pub(crate) fn among_themselves(case: &Case<'_>, count: usize) -> Outcome<Self> {
        let nodes = Self::start(case, count, None)?;
        wait::until("the nodes know each other", wait::TRANSFER, || {
            Ok((nodes.least_known() >= (count - 1).min(4)).then_some(()))
        })?;
        Ok(nodes)
    }

    /// Starts so many that find in by way of `bootstrap`.
    pub(crate) fn by_way_of(
        case: &Case<'_>,
        count: usize,
        bootstrap: SocketAddrV4,
    ) -> Outcome<Self> {
        Self::start(case, count, Some(bootstrap))
    }

    fn start(case: &Case<'_>, count: usize, bootstrap: Option<SocketAddrV4>) -> Outcome<Self> {
        let path = case.path().join("libtorrent_dht.py");
        fs::write(&path, include_str!("../libtorrent_dht.py")).context("writing the script")?;
        let addresses: Vec<_> = (0..count).map(|_| case.address()).collect::<Outcome<_>>()?;
        let mut command = Command::new(Build::Newest.python()?);
        command.arg(path);
        command.args(addresses.iter().map(SocketAddrV4::to_string));
        let bootstrap = bootstrap.or(addresses.first().copied());
        let bootstrap = bootstrap.context("a node to begin with")?;
        command.args(["--bootstrap", &bootstrap.to_string()]);
        let mut process = case.spawn("libtorrent-dht", command)?;
        process.wait_event("is ready", wait::SOON, |event| {
            (event["event"] == "ready").then_some(())
        })?;
        Ok(Self { process, addresses })
    }

    pub(crate) fn address(&self, node: usize) -> SocketAddrV4 {
        self.addresses[node]
    }

    /// How many others the node knows that knows fewest.
    pub(crate) fn least_known(&self) -> usize {
        let counts = self.process.latest_event("nodes");
        let counts = counts.as_ref().and_then(|event| event["counts"].as_array());
        let counts = counts.map(|counts| counts.iter().filter_map(Value::as_u64).min());
        counts.flatten().unwrap_or(0) as usize
    }

    pub(crate) fn command(&mut self, command: &str) -> Outcome {
        self.process.tell(command)
    }

    /// The first event, past or future, that is `it`.
    pub(crate) fn wait(&mut self, what: &str, it: impl Fn(&Value) -> bool) -> Outcome<Value> {
        self.process.wait_event(what, wait::TRANSFER, |event| {
            it(event).then(|| event.clone())
        })
    }
}
