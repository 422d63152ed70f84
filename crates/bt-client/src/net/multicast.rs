use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;
use tracing::debug;

/// A socket in a multicast group, beside others of other programs on the same port.
pub(crate) struct GroupSocket {
    udp: UdpSocket,
    group: SocketAddr,
    /// Interfaces of the group, where they are known.
    interfaces: Vec<NonZeroU32>,
}

impl GroupSocket {
    /// Joins a group: on every interface where they can be told apart (Linux), else on the one that
    /// the system chooses; or on that of the local address `bind` alone.
    pub(crate) fn join(group: SocketAddr, bind: Option<IpAddr>) -> io::Result<Self> {
        if bind.is_some_and(|ip| ip.is_ipv4() != group.is_ipv4()) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let kind = Type::DGRAM;
        let socket = Socket::new(Domain::for_address(group), kind, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
        socket.set_reuse_port(true)?;
        if group.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Bound to the group, a socket hears nothing but the group; not every system has that.
        let local = match group.ip() {
            ip if cfg!(unix) => ip,
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        socket.bind(&SocketAddr::new(local, group.port()).into())?;
        let interfaces = join_on_interfaces(&socket, group.ip(), bind)?;
        match group.ip() {
            IpAddr::V4(_) => {
                socket.set_multicast_ttl_v4(HOPS)?;
                socket.set_multicast_loop_v4(true)?;
                if let Some(IpAddr::V4(ip)) = bind {
                    socket.set_multicast_if_v4(&ip)?;
                }
            }
            IpAddr::V6(_) => {
                socket.set_multicast_hops_v6(HOPS)?;
                socket.set_multicast_loop_v6(true)?;
            }
        }
        Ok(Self {
            udp: UdpSocket::from_std(socket.into())?,
            group,
            interfaces,
        })
    }

    /// Waits for a datagram; one that is longer than `buffer` is cut.
    pub(crate) async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.udp.recv_from(buffer).await
    }

    /// Sends to the group: over IPv6 by every interface, over IPv4 by the one that the system, or
    /// the local address, chooses.
    ///
    /// # Errors
    /// If no interface takes it.
    pub(crate) async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        if self.group.is_ipv4() || self.interfaces.is_empty() {
            return self.udp.send_to(datagram, self.group).await.map(|_| ());
        }
        let mut sent = Err(io::ErrorKind::AddrNotAvailable.into());
        for index in &self.interfaces {
            SockRef::from(&self.udp).set_multicast_if_v6(index.get())?;
            let result = self.udp.send_to(datagram, self.group).await;
            sent = sent.or(result.map(|_| ()));
        }
        sent
    }
}

/// Returns the interfaces, if they are known one by one.
fn join_on_interfaces(
    socket: &Socket,
    group: IpAddr,
    bind: Option<IpAddr>,
) -> io::Result<Vec<NonZeroU32>> {
    let join_on = |index: u32| match group {
        IpAddr::V4(group) => {
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))
        }
        IpAddr::V6(group) => socket.join_multicast_v6(&group, index),
    };
    if let (IpAddr::V4(group), Some(IpAddr::V4(ip))) = (group, bind) {
        socket.join_multicast_v4(&group, &ip)?;
        return Ok(Vec::new());
    }
    let mut joined = Vec::new();
    let listed = fs::read_to_string(INTERFACES).unwrap_or_default();
    for index in interfaces(&listed) {
        match join_on(index.get()) {
            Ok(()) => joined.push(index),
            Err(error) => debug!(%group, index, %error, "group not joined"),
        }
    }
    if joined.is_empty() {
        join_on(0)?;
    }
    Ok(joined)
}

/// Numbers of the interfaces there are, a bounded many.
fn interfaces(listed: &str) -> Vec<NonZeroU32> {
    // An interface, behind its number, is followed by lines of its groups, which are indented.
    let heads = listed
        .lines()
        .filter(|line| !line.starts_with(char::is_whitespace));
    let indices = heads.filter_map(|line| line.split_whitespace().next()?.parse().ok());
    indices.take(MAX_INTERFACES).collect()
}

/// The interfaces of our network namespace (Linux), and their groups.
const INTERFACES: &str = "/proc/self/net/igmp";
/// A host of containers may have many, of which few matter.
const MAX_INTERFACES: usize = 32;
/// As in libtorrent: an organization's network.
const HOPS: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read_and_bounded() {
        let listed = "\
Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter
1\tlo        :     1      V3
\t\t\t\t010000E0     1 0:00000000\t\t0
17\teth0      :     2      V3
\t\t\t\t8F98C0EF     1 0:00000000\t\t1
\t\t\t\t010000E0     1 0:00000000\t\t0
";
        let found: Vec<_> = interfaces(listed).iter().map(|index| index.get()).collect();
        assert_eq!(found, [1, 17]);
        let many: String = (0..100).map(|n| format!("{n}\teth{n} :\n")).collect();
        assert_eq!(interfaces(&many).len(), MAX_INTERFACES);
        assert!(interfaces("").is_empty());
    }

    #[tokio::test]
    async fn a_group_of_another_family_than_ours_is_not_joined() {
        let group = SocketAddr::new("ff15::1".parse().unwrap(), 1);
        let joined = GroupSocket::join(group, Some(Ipv4Addr::LOCALHOST.into()));
        let error = joined.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }
}
