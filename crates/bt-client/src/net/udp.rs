use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use bt_tracker::Family;
use tokio::{io::ReadBuf, net::UdpSocket};

/// One UDP socket for each local address, used as if they were one.
#[derive(Default)]
pub(crate) struct UdpSockets {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
}

impl UdpSockets {
    /// One socket on one address, for whoever needs nothing else.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let mut sockets = Self::default();
        sockets.add(UdpSocket::from_std(socket)?, address.is_ipv6());
        Ok((sockets, address))
    }

    pub(super) fn add(&mut self, socket: UdpSocket, is_v6: bool) {
        let slot = if is_v6 { &mut self.v6 } else { &mut self.v4 };
        *slot = Some(socket);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.v4.is_none() && self.v6.is_none()
    }

    /// Of which families there is a socket.
    pub(crate) fn families(&self) -> Vec<Family> {
        let v4 = self.v4.is_some().then_some(Family::V4);
        let v6 = self.v6.is_some().then_some(Family::V6);
        v4.into_iter().chain(v6).collect()
    }

    /// Whether datagrams can be sent to such an address at all.
    pub(crate) fn reaches(&self, peer: SocketAddr) -> bool {
        self.for_peer(peer).is_some()
    }

    /// Sends one datagram.
    pub(crate) async fn send_to(&self, datagram: &[u8], peer: SocketAddr) -> io::Result<()> {
        let socket = self.for_peer(peer).ok_or(io::ErrorKind::AddrNotAvailable)?;
        socket.send_to(datagram, peer).await.map(|_| ())
    }

    /// Waits for a datagram of one family, for ever if there is no socket; one that is longer than
    /// `buffer` is cut.
    pub(super) async fn recv(
        &self,
        family: Family,
        buffer: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        let socket = match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        };
        match socket {
            Some(socket) => socket.recv_from(buffer).await,
            None => std::future::pending().await,
        }
    }

    /// Waits for a datagram; one that is longer than `buffer` is cut.
    pub(crate) async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buffer = ReadBuf::new(buffer);
        let from = poll_fn(|cx| self.poll_recv_from(cx, &mut buffer)).await?;
        Ok((buffer.filled().len(), from))
    }

    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        for socket in self.v4.iter().chain(&self.v6) {
            if let ready @ Poll::Ready(_) = socket.poll_recv_from(cx, buffer) {
                return ready;
            }
        }
        Poll::Pending
    }

    fn for_peer(&self, peer: SocketAddr) -> Option<&UdpSocket> {
        match peer {
            SocketAddr::V4(_) => self.v4.as_ref(),
            SocketAddr::V6(_) => self.v6.as_ref(),
        }
    }

    #[cfg(test)]
    pub(super) fn local_addrs(&self) -> Vec<SocketAddr> {
        let sockets = self.v4.iter().chain(&self.v6);
        sockets.map(|socket| socket.local_addr().unwrap()).collect()
    }
}
