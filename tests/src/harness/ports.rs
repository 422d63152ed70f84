use std::{
    cell::Cell,
    fs,
    net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket},
    ops::Range,
    process,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{Context, Outcome};

/// Hands out loopback addresses of one case: 127.x.y.2 and up, where x comes from this process
/// and y from the case, so that neither cases nor two runs at a time meet.
#[derive(Debug)]
pub(super) struct Addresses {
    x: u8,
    y: u8,
    next: Cell<u8>,
}

impl Addresses {
    pub(super) fn new(case_number: usize) -> Self {
        // 127.0.y.z is where people's own services listen: stay clear of it.
        let x = 1 + (process::id() % 254) as u8;
        Self {
            x,
            y: (case_number % 256) as u8,
            next: Cell::new(2),
        }
    }

    pub(super) fn ip(&self) -> Ipv4Addr {
        let z = self.next.get();
        self.next
            .set(z.checked_add(1).expect("no case has 250 peers"));
        Ipv4Addr::new(127, self.x, self.y, z)
    }

    /// A new address with a port that nobody uses.
    pub(super) fn socket(&self) -> Outcome<SocketAddrV4> {
        Ok(SocketAddrV4::new(self.ip(), free_port()?))
    }
}

/// A port that is free for TCP and UDP on every address at this moment, and that no other case of
/// this run is given.
///
/// Who gets it binds it later. In between neither another case can take it, nor the kernel for a
/// connection that somebody makes: it lies below the ports of which the kernel chooses.
pub fn free_port() -> Outcome<u16> {
    // A stride that is prime to the count: runs that were started one after the other begin far
    // from each other.
    static NEXT: LazyLock<AtomicUsize> =
        LazyLock::new(|| AtomicUsize::new(process::id() as usize * 7_919));
    for _ in PORTS {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (n % PORTS.len()) as u16;
        let everywhere = (Ipv4Addr::UNSPECIFIED, port);
        if TcpListener::bind(everywhere).is_ok() && UdpSocket::bind(everywhere).is_ok() {
            return Ok(port);
        }
    }
    None.context(format_args!("no port of {PORTS:?} is free"))
}

/// Whether somebody listens there, for TCP. To ask by connecting would be noticed: transmission
/// takes no second handshake from an address for some seconds.
pub fn is_listening(address: SocketAddrV4) -> Outcome<bool> {
    let ip = u32::from_le_bytes(address.ip().octets());
    let port = address.port();
    // Of this thread's network, which need not be that of the process.
    for table in ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"] {
        let table = fs::read_to_string(table).context(table)?;
        let mut sockets = table.lines().filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            Some((fields.next()?, fields.nth(1)?))
        });
        // An IPv4 address among IPv6 ones is the end of ::ffff:a.b.c.d, and zeros are everybody.
        let is_there = |local: &str| {
            local.ends_with(&format!("{ip:08X}:{port:04X}"))
                || local.ends_with(&format!("00000000:{port:04X}"))
        };
        if sockets.any(|(local, state)| state == LISTEN && is_there(local)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `TCP_LISTEN` of the kernel, as the tables show it.
const LISTEN: &str = "0A";

/// Above what services have by tradition, below Linux's `ip_local_port_range`.
const PORTS: Range<u16> = 10_240..32_768;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_seen_and_who_does_not_is_not() {
        for ip in [Ipv4Addr::new(127, 1, 2, 3), Ipv4Addr::UNSPECIFIED] {
            let listener = TcpListener::bind((ip, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let address = SocketAddrV4::new(Ipv4Addr::new(127, 1, 2, 3), port);
            assert!(is_listening(address).unwrap());
            drop(listener);
            assert!(!is_listening(address).unwrap());
        }
    }
}
