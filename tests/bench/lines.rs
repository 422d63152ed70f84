//! Hosts with slow lines: each has a network namespace of its own, joined to a switch in ours.
//!
//! A line is slow by a token bucket at either end, as a line of a household is: up where the host
//! sends, down where the switch sends to it.

use std::{fs, fs::File, net::Ipv4Addr, os::fd::AsFd, path::PathBuf, process::Command};

use bt_tests::harness::{Context, Outcome, Process, wait};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::network::configure;

pub(crate) const UP_BITS_PER_SEC: u64 = 10_000_000;
pub(crate) const DOWN_BITS_PER_SEC: u64 = 100_000_000;

/// Our own address at the switch, which no slow line leads to.
pub(crate) const SWITCH: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);

/// Some hosts and what joins them, gone when it is dropped. If this process is killed instead, a host
/// goes with the last client on it.
#[derive(Debug)]
pub(crate) struct Lines {
    hosts: Vec<Host>,
    home: File,
}

/// A namespace lives as long as somebody in it.
#[derive(Debug)]
struct Host {
    namespace: File,
    _inhabitant: Process,
}

impl Lines {
    pub(crate) fn join(hosts: usize) -> Outcome<Self> {
        let home = File::open(OURS).context("opening our network namespace")?;
        let mut lines = Self {
            hosts: Vec::new(),
            home,
        };
        ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        ip(&["address", "add", &format!("{SWITCH}/24"), "dev", BRIDGE])?;
        ip(&["link", "set", BRIDGE, "up"])?;
        for _ in 0..hosts {
            lines.join_one()?;
        }
        Ok(lines)
    }

    pub(crate) fn address(host: usize) -> Ipv4Addr {
        let [a, b, c, d] = SWITCH.octets();
        Ipv4Addr::new(a, b, c, d + 1 + host as u8)
    }

    /// Does something there: processes that it starts and sockets that it opens stay there.
    pub(crate) fn inside<T>(&self, host: usize, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        enter(&self.hosts[host].namespace)?;
        let done = work();
        enter(&self.home)?;
        done
    }

    fn join_one(&mut self) -> Outcome {
        let (host, port) = (self.hosts.len(), port(self.hosts.len()));
        let (inhabitant, namespace) = new_namespace()?;
        let pid = inhabitant.id().to_string();
        self.hosts.push(Host {
            namespace,
            _inhabitant: inhabitant,
        });
        ip(&[
            "link", "add", &port, "type", "veth", "peer", "name", DEVICE, "netns", &pid,
        ])?;
        ip(&["link", "set", &port, "master", BRIDGE, "up"])?;
        slow_down(&port, DOWN_BITS_PER_SEC)?;
        self.inside(host, || {
            let address = format!("{}/24", Self::address(host));
            ip(&["link", "set", "lo", "up"])?;
            ip(&["address", "add", &address, "dev", DEVICE])?;
            ip(&["link", "set", DEVICE, "up"])?;
            slow_down(DEVICE, UP_BITS_PER_SEC)
        })
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // The kernel takes its time to notice that a namespace is empty; names must be free at once.
        for host in 0..self.hosts.len() {
            let _ = ip(&["link", "delete", &port(host)]);
        }
        let _ = ip(&["link", "delete", BRIDGE]);
    }
}

/// One with nothing in it but somebody who ends with us, even if we are killed.
fn new_namespace() -> Outcome<(Process, File)> {
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "cat"]);
    let mut inhabitant = Process::spawn("namespace", command)?;
    let path = PathBuf::from(format!("/proc/{}/ns/net", inhabitant.id()));
    let ours = fs::read_link(OURS).context("looking at our network namespace")?;
    wait::until("there is a network namespace", wait::SOON, || {
        inhabitant.ensure_running()?;
        let theirs = fs::read_link(&path).context("looking for the namespace")?;
        Ok((theirs != ours).then_some(()))
    })?;
    let namespace = File::open(&path).context("opening the namespace")?;
    Ok((inhabitant, namespace))
}

/// Of this thread only.
fn enter(namespace: &File) -> Outcome {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .context("entering a network namespace")
}

fn slow_down(device: &str, bits_per_sec: u64) -> Outcome {
    let rate = format!("{bits_per_sec}bit");
    let shape = ["burst", BURST, "latency", QUEUE];
    let add = ["qdisc", "add", "dev", device, "root", "tbf", "rate", &rate];
    configure("tc", &[&add[..], &shape].concat())
}

fn ip(arguments: &[&str]) -> Outcome {
    configure("ip", arguments)
}

/// The switch's end of a host's line.
fn port(host: usize) -> String {
    format!("host{host}")
}

const BRIDGE: &str = "switch";
/// The host's end.
const DEVICE: &str = "eth0";
const OURS: &str = "/proc/thread-self/ns/net";
/// A few ms at 100 Mbit/s: more than passes between two ticks of the kernel's clock.
const BURST: &str = "32kb";
/// What routers hold back at most, about: longer than a round trip, not so long that requests drown.
const QUEUE: &str = "100ms";
