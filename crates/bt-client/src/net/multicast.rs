use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;
use tracing::debug;

use super::interfaces::{Interface, multicast_interfaces};

/// A socket in a multicast group, beside others of other programs on the same port.
pub(crate) struct GroupSocket {
    udp: UdpSocket,
    group: SocketAddr,
    bind: Option<IpAddr>,
    /// Where it is in the group.
    joined: Vec<Interface>,
}

impl GroupSocket {
    /// Joins a group: on every interface that does multicast, or that of the local address `bind`
    /// alone; on the one that the system chooses where they cannot be told. That there is none yet is
    /// no failure.
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
        match group.ip() {
            IpAddr::V4(_) => {
                socket.set_multicast_ttl_v4(HOPS)?;
                socket.set_multicast_loop_v4(true)?;
            }
            IpAddr::V6(_) => {
                socket.set_multicast_hops_v6(HOPS)?;
                socket.set_multicast_loop_v6(true)?;
            }
        }
        let mut this = Self {
            udp: UdpSocket::from_std(socket.into())?,
            group,
            bind,
            joined: Vec::new(),
        };
        this.look_again();
        if this.joined.is_empty()
            && let Err(error) = this.join_somewhere()
        {
            // One may come.
            debug!(%group, %error, "group not joined");
        }
        Ok(this)
    }

    /// Joins where an interface has come, and forgets those that have gone.
    pub(crate) fn look_again(&mut self) {
        let found = multicast_interfaces(self.group.is_ipv4(), self.bind);
        match found {
            Ok(found) => self.joined = found.into_iter().filter(|it| self.join_on(it)).collect(),
            Err(error) => debug!(%error, "interfaces are not told"),
        }
    }

    /// Waits for a datagram; one that is longer than `buffer` is cut.
    pub(crate) async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.udp.recv_from(buffer).await
    }

    /// Sends to the group by every interface; or the one that the system, or the local address,
    /// chooses.
    ///
    /// # Errors
    /// If no interface takes it.
    pub(crate) async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        if self.joined.is_empty() {
            return self.send_by(self.anywhere(), datagram).await;
        }
        let mut sent = Err(io::ErrorKind::AddrNotAvailable.into());
        for interface in &self.joined {
            let result = self.send_by(*interface, datagram).await;
            sent = sent.or(result);
        }
        sent
    }

    async fn send_by(&self, interface: Interface, datagram: &[u8]) -> io::Result<()> {
        let socket = SockRef::from(&self.udp);
        match interface.address {
            IpAddr::V4(ip) => socket.set_multicast_if_v4(&ip)?,
            IpAddr::V6(_) => socket.set_multicast_if_v6(interface.index)?,
        }
        self.udp.send_to(datagram, self.group).await.map(|_| ())
    }

    /// Whether it is in the group there.
    fn join_on(&self, interface: &Interface) -> bool {
        let is_known = |known: &Interface| known.index == interface.index;
        if self.joined.iter().any(is_known) {
            return true;
        }
        let socket = SockRef::from(&self.udp);
        let joined = match (self.group.ip(), interface.address) {
            (IpAddr::V4(group), IpAddr::V4(own)) => socket.join_multicast_v4(&group, &own),
            (IpAddr::V6(group), _) => socket.join_multicast_v6(&group, interface.index),
            (IpAddr::V4(_), IpAddr::V6(_)) => return false,
        };
        match joined {
            Ok(()) => true,
            // One that was away and has come back is still joined.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => true,
            Err(error) => {
                debug!(group = %self.group, ?interface, %error, "group not joined");
                false
            }
        }
    }

    fn join_somewhere(&self) -> io::Result<()> {
        let socket = SockRef::from(&self.udp);
        match (self.group.ip(), self.anywhere().address) {
            (IpAddr::V4(group), IpAddr::V4(ip)) => socket.join_multicast_v4(&group, &ip),
            (IpAddr::V6(group), _) => socket.join_multicast_v6(&group, 0),
            (IpAddr::V4(_), IpAddr::V6(_)) => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }

    /// What stands for the system's choice, or for what it knows the local address by.
    fn anywhere(&self) -> Interface {
        let any = match self.group {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Interface {
            index: 0,
            address: self.bind.unwrap_or(any),
        }
    }
}

/// As in libtorrent: an organization's network.
const HOPS: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_group_of_another_family_than_ours_is_not_joined() {
        let group = SocketAddr::new("ff15::1".parse().unwrap(), 1);
        let joined = GroupSocket::join(group, Some(Ipv4Addr::LOCALHOST.into()));
        let error = joined.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }
}
