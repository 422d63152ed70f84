//! Hosts with slow lines: each has a network namespace of its own, joined to a switch in ours.
//!
//! A line is slow by a token bucket at either end, as a line of a household is: up where the host
//! sends, down where the switch sends to it.

use std::net::Ipv4Addr;

use bt_tests::harness::{Namespace, Outcome, configure};

pub(crate) const UP_BITS_PER_SEC: u64 = 10_000_000;
pub(crate) const DOWN_BITS_PER_SEC: u64 = 100_000_000;

/// Our own address at the switch, which no slow line leads to.
pub(crate) const SWITCH: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);

/// Some hosts and what joins them, gone when it is dropped. If this process is killed instead, a host
/// goes with the last client on it.
#[derive(Debug)]
pub(crate) struct Lines {
    hosts: Vec<Namespace>,
}

impl Lines {
    pub(crate) fn join(hosts: usize) -> Outcome<Self> {
        let mut lines = Self { hosts: Vec::new() };
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
        self.hosts[host].inside(work)
    }

    fn join_one(&mut self) -> Outcome {
        let (host, port) = (self.hosts.len(), port(self.hosts.len()));
        let namespace = Namespace::new()?;
        let pid = namespace.id().to_string();
        self.hosts.push(namespace);
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
/// A few ms at 100 Mbit/s: more than passes between two ticks of the kernel's clock.
const BURST: &str = "32kb";
/// What routers hold back at most, about: longer than a round trip, not so long that requests drown.
const QUEUE: &str = "100ms";
