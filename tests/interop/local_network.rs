//! A network of hosts that hear each other, each with a namespace and an address of its own: what a
//! loopback cannot be for those who call nobody on it, or take one address for one peer.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
};

use crate::harness::{Context, Namespace, Outcome, configure, wait};

/// Some hosts at a switch, which is a host, too. All of it lives in namespaces: nothing is left of it
/// when it is dropped, and several can be there at a time. If this process is killed instead, a host
/// goes with the last client on it.
#[derive(Debug)]
pub(crate) struct LocalNetwork {
    /// Dropped before the switch to which they are joined.
    hosts: Vec<Namespace>,
    switch: Namespace,
}

impl LocalNetwork {
    pub(crate) fn join(hosts: usize) -> Outcome<Self> {
        let mut network = Self {
            hosts: Vec::new(),
            switch: Namespace::new()?,
        };
        let hosts = network.at_switch(|| {
            ip("link set lo up")?;
            // It tells everybody everything at once, as long as it does not look who is in a group.
            ip(&format!("link add {DEVICE} type bridge mcast_snooping 0"))?;
            move_in(SWITCH)?;
            (0..hosts).map(join_one).collect()
        })?;
        network.hosts = hosts;
        Ok(network)
    }

    /// Some hosts that hear nobody but the machine where the switch would be, each at an interface of
    /// its own; what is not told by which it is to go leaves by that of the first.
    pub(crate) fn apart(hosts: usize) -> Outcome<Self> {
        let mut network = Self {
            hosts: Vec::new(),
            switch: Namespace::new()?,
        };
        let hosts = network.at_switch(|| {
            ip("link set lo up")?;
            (0..hosts).map(join_apart).collect()
        })?;
        network.hosts = hosts;
        Ok(network)
    }

    /// Some hosts at a switch that have addresses of IPv6 only.
    pub(crate) fn over_ipv6(hosts: usize) -> Outcome<Self> {
        let network = Self::join(hosts)?;
        network.at_switch(|| {
            (0..hosts).try_for_each(|host| {
                network.on(host, || {
                    ip(&format!("-4 address flush dev {DEVICE}"))?;
                    ip(&format!(
                        "-6 address add fd79::1:{host}/64 dev {DEVICE} nodad"
                    ))
                })
            })
        })?;
        Ok(network)
    }

    /// Where the case itself should be, which reaches every host from there.
    pub(crate) fn at_switch<T>(&self, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        self.switch.inside(work)
    }

    /// Does something on a host, and comes back to the switch: processes that it starts and sockets
    /// that it opens stay on the host.
    pub(crate) fn on<T>(&self, host: usize, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        self.hosts[host].inside(work)
    }

    pub(crate) fn ip(host: usize) -> Ipv4Addr {
        let [a, b, c, d] = SWITCH.octets();
        Ipv4Addr::new(a, b, c, d + 1 + host as u8)
    }

    /// The two ends of the line to a host that is apart: the machine's, and its own.
    pub(crate) fn line(host: usize) -> [Ipv4Addr; 2] {
        let [a, b, c, _] = SWITCH.octets();
        [1, 2].map(|last| Ipv4Addr::new(a, b, c + 1 + host as u8, last))
    }
}

/// Hears at the switch how hosts call for peers (BEP 14).
#[derive(Debug)]
pub(crate) struct Ear(UdpSocket);

impl Ear {
    pub(crate) fn open() -> Outcome<Self> {
        Self::at(SWITCH)
    }

    /// At one of the addresses of whoever listens.
    pub(crate) fn at(ip: Ipv4Addr) -> Outcome<Self> {
        let doing = "listening to a multicast group";
        let socket = UdpSocket::bind(CALLS).context(doing)?;
        socket.join_multicast_v4(&CALLS.0, &ip).context(doing)?;
        socket.set_nonblocking(true).context(doing)?;
        Ok(Self(socket))
    }

    /// Waits until a host has called so often.
    pub(crate) fn wait_calls(&self, host: usize, count: usize) -> Outcome {
        self.wait_calls_from(LocalNetwork::ip(host), count)
    }

    pub(crate) fn wait_calls_from(&self, ip: Ipv4Addr, count: usize) -> Outcome {
        let mut heard = 0;
        let what = format!("{ip} has called {count} times");
        wait::until(&what, wait::TRANSFER, || {
            match self.0.recv_from(&mut [0; 2048]) {
                Ok((_, from)) if from.ip() == ip => heard += 1,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Err(error).context("listening to calls");
                }
                _ => {}
            }
            Ok((heard >= count).then_some(()))
        })
    }
}

/// Called at the switch, to which whoever leaves the host comes back.
fn join_one(host: usize) -> Outcome<Namespace> {
    let namespace = Namespace::new()?;
    let pid = namespace.id();
    ip(&format!(
        "link add host{host} type veth peer name {DEVICE} netns {pid}"
    ))?;
    ip(&format!("link set host{host} master {DEVICE} up"))?;
    namespace.inside(|| {
        ip("link set lo up")?;
        move_in(LocalNetwork::ip(host))
    })?;
    Ok(namespace)
}

/// Called where the line begins.
fn join_apart(host: usize) -> Outcome<Namespace> {
    let namespace = Namespace::new()?;
    let pid = namespace.id();
    let [here, there] = LocalNetwork::line(host);
    ip(&format!(
        "link add host{host} type veth peer name {DEVICE} netns {pid}"
    ))?;
    ip(&format!("address add {here}/24 dev host{host}"))?;
    ip(&format!("link set host{host} up"))?;
    if host == 0 {
        ip(&format!("route add {MULTICAST} dev host{host}"))?;
    }
    namespace.inside(|| {
        ip("link set lo up")?;
        move_in(there)
    })?;
    Ok(namespace)
}

fn move_in(address: Ipv4Addr) -> Outcome {
    ip(&format!("address add {address}/24 dev {DEVICE}"))?;
    ip(&format!("link set {DEVICE} up"))?;
    ip(&format!("route add {MULTICAST} dev {DEVICE}"))
}

fn ip(words: &str) -> Outcome {
    let words: Vec<_> = words.split(' ').collect();
    configure("ip", &words)
}

/// Not 127.x, which transmission takes for nobody's.
const SWITCH: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);
/// A host's end of its line, and the switch.
const DEVICE: &str = "eth0";
const MULTICAST: &str = "239.0.0.0/8";
/// Where BEP 14 has everybody call.
const CALLS: (Ipv4Addr, u16) = (Ipv4Addr::new(239, 192, 152, 143), 6771);
