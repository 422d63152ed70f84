use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::net::{TcpSocket, TcpStream};

use super::Stream;

/// Connects to a peer, from the local address `source` if one is given; a peer of the other
/// family cannot be reached then.
pub(crate) async fn dial(peer: SocketAddr, source: Option<IpAddr>) -> io::Result<Arc<dyn Stream>> {
    Ok(Arc::new(connect(peer, source).await?))
}

/// As [`dial`], for what is no peer.
pub(super) async fn connect(peer: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = match peer {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(source) = source {
        if source.is_ipv4() != peer.is_ipv4() {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        socket.bind(SocketAddr::new(source, 0))?;
    }
    // Messages are gathered before they are written, so nothing is gained by waiting for more.
    socket.set_nodelay(true)?;
    socket.connect(peer).await
}
