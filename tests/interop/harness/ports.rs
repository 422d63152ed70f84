use std::{
    cell::Cell,
    net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket},
    process,
};

use super::{Context, Outcome};

/// Hands out loopback addresses of one case: 127.x.y.2 and up, where x comes from this process
/// and y from the case, so that neither cases nor two runs at a time meet.
#[derive(Debug)]
pub(crate) struct Addresses {
    x: u8,
    y: u8,
    next: Cell<u8>,
}

impl Addresses {
    pub(crate) fn new(case_number: usize) -> Self {
        // 127.0.y.z is where people's own services listen: stay clear of it.
        let x = 1 + (process::id() % 254) as u8;
        Self {
            x,
            y: (case_number % 256) as u8,
            next: Cell::new(2),
        }
    }

    pub(crate) fn ip(&self) -> Ipv4Addr {
        let z = self.next.get();
        self.next
            .set(z.checked_add(1).expect("no case has 250 peers"));
        Ipv4Addr::new(127, self.x, self.y, z)
    }

    /// A new address with a port that nobody uses.
    pub(crate) fn socket(&self) -> Outcome<SocketAddrV4> {
        let ip = self.ip();
        Ok(SocketAddrV4::new(ip, free_port(ip)?))
    }
}

/// A port that is free for both TCP and UDP on `ip` at this moment.
pub(crate) fn free_port(ip: Ipv4Addr) -> Outcome<u16> {
    for _ in 0..100 {
        let tcp = TcpListener::bind((ip, 0)).context(format_args!("binding {ip}"))?;
        let port = tcp
            .local_addr()
            .context("asking a socket for its port")?
            .port();
        if UdpSocket::bind((ip, port)).is_ok() {
            return Ok(port);
        }
    }
    None.context(format_args!("no port of {ip} is free for both TCP and UDP"))
}
