use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};
use tracing::debug;

use super::{Stream, UdpSockets};

/// What a session receives on: TCP and UDP on the same port of each local address.
pub(crate) struct Sockets {
    pub(crate) port: u16,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) udp: UdpSockets,
}

/// Takes connections on one address.
pub(crate) struct Listener(TcpListener);

/// No port could be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on port {port}")]
pub struct ListenError {
    /// The port that was wanted; or, if that and those behind it are taken, the last one tried.
    pub port: u16,
    /// Why not, in the system's words.
    pub source: io::Error,
}

impl Listener {
    /// Waits for a connection.
    pub(crate) async fn accept(&self) -> io::Result<(Arc<dyn Stream>, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        // Messages are gathered before they are written, so nothing is gained by waiting for more.
        stream.set_nodelay(true)?;
        Ok((Arc::new(stream), peer))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Listens on `port`, or on the next free one; 0 lets the system choose. On all addresses of both
/// families, or on `bind` alone.
pub(crate) fn listen(bind: Option<IpAddr>, port: u16) -> Result<Sockets, ListenError> {
    let addresses = local_addresses(bind);
    let mut port = port;
    let mut tries_left = PORTS_TRIED;
    loop {
        let source = match open_all(&addresses, port) {
            Ok(sockets) => return Ok(sockets),
            Err(source) => source,
        };
        let next = match port {
            // What the system chose for one family was taken in the other.
            0 => Some(0),
            _ => port.checked_add(1),
        };
        match next {
            Some(next) if source.kind() == io::ErrorKind::AddrInUse && tries_left > 0 => {
                port = next;
                tries_left -= 1;
            }
            _ => return Err(ListenError { port, source }),
        }
    }
}

/// Fails if the port is taken on one address, or if no address works; a family that the machine
/// does not have is left out.
fn open_all(addresses: &[IpAddr], port: u16) -> io::Result<Sockets> {
    let mut sockets = Sockets {
        port,
        listeners: Vec::new(),
        udp: UdpSockets::default(),
    };
    let mut unavailable = None;
    for &ip in addresses {
        match open(SocketAddr::new(ip, sockets.port)) {
            Ok((listener, udp)) => {
                sockets.port = listener.local_addr()?.port();
                sockets.listeners.push(listener);
                sockets.udp.add(udp, ip.is_ipv6());
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(error) => {
                debug!(%ip, %error, "not listening on this address");
                unavailable = Some(error);
            }
        }
    }
    match unavailable {
        Some(error) if sockets.listeners.is_empty() => Err(error),
        _ => Ok(sockets),
    }
}

impl UdpSockets {
    /// One for each family, or one on `bind` alone, on ports that the system chooses; a family
    /// that the machine does not have is left out.
    pub(crate) fn on_any_port(bind: Option<IpAddr>) -> io::Result<Self> {
        let mut sockets = Self::default();
        let mut unavailable = None;
        for ip in local_addresses(bind) {
            match udp_socket(SocketAddr::new(ip, 0)) {
                Ok(socket) => sockets.add(socket, ip.is_ipv6()),
                Err(error) => unavailable = Some(error),
            }
        }
        match unavailable {
            Some(error) if sockets.is_empty() => Err(error),
            _ => Ok(sockets),
        }
    }
}

fn local_addresses(bind: Option<IpAddr>) -> Vec<IpAddr> {
    match bind {
        Some(address) => vec![address],
        None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
    }
}

fn open(address: SocketAddr) -> io::Result<(Listener, UdpSocket)> {
    let tcp = socket(address, Type::STREAM, Protocol::TCP)?;
    // A port whose connections linger from an earlier run is free; one with a listener is not.
    #[cfg(unix)]
    tcp.set_reuse_address(true)?;
    tcp.bind(&address.into())?;
    tcp.listen(BACKLOG)?;
    let listener = TcpListener::from_std(tcp.into())?;
    let udp = udp_socket(listener.local_addr()?)?;
    Ok((Listener(listener), udp))
}

fn udp_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let udp = socket(address, Type::DGRAM, Protocol::UDP)?;
    udp.bind(&address.into())?;
    UdpSocket::from_std(udp.into())
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // The families have sockets of their own, so that each tells the truth about its peers.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// How many ports after a taken one are tried.
const PORTS_TRIED: u16 = 100;
/// As many as Linux allows by default; a flash crowd's handshakes wait there.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use bt_tracker::Family;

    use super::*;

    const LOOPBACK: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));

    #[tokio::test]
    async fn a_taken_port_is_passed_over() {
        let first = listen(LOOPBACK, 0).unwrap();
        let second = listen(LOOPBACK, first.port).unwrap();
        assert_ne!(first.port, second.port);
        assert_ne!(second.port, 0);
    }

    #[tokio::test]
    async fn tcp_and_udp_share_the_port() {
        let sockets = listen(LOOPBACK, 0).unwrap();
        let tcp = sockets.listeners[0].local_addr().unwrap();
        assert_eq!(tcp.port(), sockets.port);
        assert_eq!(sockets.udp.local_addrs(), [tcp]);
    }

    /// A machine without IPv6 listens on the other alone.
    #[tokio::test]
    async fn both_families_are_listened_to_on_one_port() {
        let v6 = Socket::new(Domain::IPV6, Type::STREAM, None);
        let own = SocketAddr::from((Ipv6Addr::LOCALHOST, 0)).into();
        let has_v6 = v6.is_ok_and(|socket| socket.bind(&own).is_ok());
        let sockets = listen(None, 0).unwrap();
        let families: &[Family] = match has_v6 {
            true => &[Family::V4, Family::V6],
            false => &[Family::V4],
        };
        assert_eq!(sockets.listeners.len(), families.len());
        assert_eq!(sockets.udp.families(), families);
        let local: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        for (ip, listener) in local.into_iter().zip(&sockets.listeners) {
            let to = SocketAddr::new(ip, sockets.port);
            let dialled = super::super::dial::connect(to, None);
            let (dialled, accepted) = tokio::join!(dialled, listener.accept());
            let (_, peer) = accepted.unwrap();
            assert_eq!(peer.ip(), ip, "as itself, not as a v4 address within v6");
            assert_eq!(dialled.unwrap().peer_addr().unwrap(), to);
        }
    }

    #[tokio::test]
    async fn an_address_that_is_not_ours_is_an_error() {
        let nowhere = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
        let Err(error) = listen(nowhere, 6881) else {
            panic!("192.0.2.0/24 is for documentation")
        };
        assert_eq!(error.source.kind(), io::ErrorKind::AddrNotAvailable);
        assert_eq!(error.port, 6881, "no other port would do");
    }
}
