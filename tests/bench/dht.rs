//! A DHT and a seeder in it, on other hosts than the client: each run has its own, so that no node
//! tells of those who came before.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    path::Path,
};

use bt_tests::{
    foreign::{Torrent, libtorrent_dht::Nodes},
    harness::{Context, Namespace, Outcome, Process, configure, ports::free_port, wait},
};

use crate::{client::Bench, clients::libtorrent};

/// Beside those of the seeder and of the client.
pub(crate) const NODES: usize = 10;

/// Where the client is found, and from where it sends.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 2);

/// Nodes of libtorrent 2.1 that know each other, and a libtorrent 2.0 seeder that all of them
/// find. Gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Dht {
    nodes: Nodes,
    seeder: Process,
    // The last, so that nobody is left when it goes.
    _hosts: Hosts,
}

impl Dht {
    /// Waits until the seeder can be found.
    pub(crate) fn start(bench: &Bench<'_>, torrent: &Torrent, folder: &Path) -> Outcome<Self> {
        let hosts = Hosts::join()?;
        let addresses = (1..=NODES).map(|n| Ok(SocketAddrV4::new(host(n), free_port()?)));
        let addresses = addresses.collect::<Outcome<Vec<_>>>()?;
        let address = SocketAddrV4::new(host(0), free_port()?);
        let python = libtorrent::newest();
        let (mut nodes, mut seeder) = hosts.inside(|| {
            let nodes = Nodes::among_themselves(bench.case, &python, addresses)?;
            let way_in = nodes.address(0);
            let command = libtorrent::seeder_in_dht(bench, &torrent.path, folder, address, way_in)?;
            Ok((nodes, bench.case.spawn("seeder", command)?))
        })?;
        seeder.wait_event("seeds", wait::TRANSFER, |event| {
            (event["event"] == "seeding").then_some(())
        })?;
        wait_known(&mut nodes, torrent, address)?;
        Ok(Self {
            nodes,
            seeder,
            _hosts: hosts,
        })
    }

    /// The node that leads in. Not that of the seeder.
    pub(crate) fn way_in(&self) -> SocketAddrV4 {
        self.nodes.address(0)
    }

    pub(crate) fn seeder(&mut self) -> &mut Process {
        &mut self.seeder
    }
}

/// Waits until every node finds the seeder, so that whoever may store it does.
fn wait_known(nodes: &mut Nodes, torrent: &Torrent, seeder: SocketAddrV4) -> Outcome {
    let info_hash = torrent.info_hash.as_deref().context("no v1 hash")?;
    let seeder = seeder.to_string();
    for node in 0..NODES {
        let mut looks = 0_u32;
        wait::until("a node finds the seeder", wait::TRANSFER, || {
            if looks.is_multiple_of(LOOKS_PER_QUESTION) {
                nodes.command(&format!("get-peers {node} {info_hash}"))?;
            }
            looks += 1;
            let is_it = |event: &serde_json::Value| {
                let peers = event["peers"].as_array();
                let peers = peers.is_some_and(|peers| peers.iter().any(|peer| *peer == seeder));
                event["event"] == "peers" && event["node"] == node && peers
            };
            Ok(nodes.has_said(is_it).then_some(()))
        })?;
    }
    Ok(())
}

/// A network namespace with the addresses of many hosts, and a cable to ours.
#[derive(Debug)]
struct Hosts(Namespace);

impl Hosts {
    fn join() -> Outcome<Self> {
        let hosts = Self(Namespace::new()?);
        let pid = hosts.0.id().to_string();
        ip(&[
            "link", "add", CABLE, "type", "veth", "peer", "name", CABLE, "netns", &pid,
        ])?;
        connect(&[CLIENT])?;
        let addresses: Vec<_> = (0..=NODES).map(host).collect();
        hosts.inside(|| {
            ip(&["link", "set", "lo", "up"])?;
            connect(&addresses)
        })?;
        Ok(hosts)
    }

    fn inside<T>(&self, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        self.0.inside(work)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        // The kernel takes its time to notice that a namespace is empty; the name must be free at once.
        let _ = ip(&["link", "delete", CABLE]);
    }
}

fn connect(addresses: &[Ipv4Addr]) -> Outcome {
    for address in addresses {
        ip(&["address", "add", &format!("{address}/16"), "dev", CABLE])?;
    }
    ip(&["link", "set", CABLE, "up"])
}

/// The seeder is the first. Each is in a neighbourhood of its own: clients ask few nodes of one, and
/// here nobody is to be left out.
fn host(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 79, 1 + number as u8, 1)
}

fn ip(arguments: &[&str]) -> Outcome {
    configure("ip", arguments)
}

/// Every half a second: nodes do not answer who asks all the time.
const LOOKS_PER_QUESTION: u32 = 25;
/// Both ends.
const CABLE: &str = "cable";
