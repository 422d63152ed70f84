use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Reads compact peer addresses: 6 bytes each for IPv4 (BEP 23), 18 for IPv6 (BEP 7), address then
/// port, both in network order.
///
/// Lazy: nothing is allocated, whatever the length of the input.
///
/// ```
/// use bt_types::CompactAddrs;
/// let addrs: Vec<_> = CompactAddrs::v4(b"\xc0\x00\x02\x01\x1a\xe1")?.collect();
/// assert_eq!(addrs, ["192.0.2.1:6881".parse().unwrap()]);
/// # Ok::<(), bt_types::CompactError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CompactAddrs<'a> {
    rest: &'a [u8],
    stride: usize,
}

/// The input is not a whole number of addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("compact addresses of {length} bytes are no multiple of {stride}")]
pub struct CompactError {
    /// Bytes found.
    pub length: usize,
    /// Bytes of one address: 6 or 18.
    pub stride: usize,
}

impl<'a> CompactAddrs<'a> {
    /// Reads IPv4 addresses.
    ///
    /// # Errors
    /// If the length is no multiple of 6. [`lossy_v4`](Self::lossy_v4) reads the whole ones.
    pub fn v4(bytes: &'a [u8]) -> Result<Self, CompactError> {
        Self::strict(bytes, V4_LENGTH)
    }

    /// Reads IPv6 addresses.
    ///
    /// # Errors
    /// If the length is no multiple of 18. [`lossy_v6`](Self::lossy_v6) reads the whole ones.
    pub fn v6(bytes: &'a [u8]) -> Result<Self, CompactError> {
        Self::strict(bytes, V6_LENGTH)
    }

    /// Reads IPv4 addresses and ignores a partial one at the end.
    #[must_use]
    pub fn lossy_v4(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            stride: V4_LENGTH,
        }
    }

    /// Reads IPv6 addresses and ignores a partial one at the end.
    #[must_use]
    pub fn lossy_v6(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            stride: V6_LENGTH,
        }
    }

    fn strict(bytes: &'a [u8], stride: usize) -> Result<Self, CompactError> {
        if bytes.len() % stride == 0 {
            Ok(Self {
                rest: bytes,
                stride,
            })
        } else {
            Err(CompactError {
                length: bytes.len(),
                stride,
            })
        }
    }
}

impl Iterator for CompactAddrs<'_> {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        let (addr, rest) = self.rest.split_at_checked(self.stride)?;
        self.rest = rest;
        let (ip, port) = addr.split_at(self.stride - 2);
        let ip = match <[u8; 4]>::try_from(ip) {
            Ok(v4) => IpAddr::V4(Ipv4Addr::from(v4)),
            Err(_) => IpAddr::V6(Ipv6Addr::from(
                <[u8; 16]>::try_from(ip).expect("holds because a stride is 6 or 18"),
            )),
        };
        Some(SocketAddr::new(ip, u16::from_be_bytes([port[0], port[1]])))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let whole = self.rest.len() / self.stride;
        (whole, Some(whole))
    }
}

impl ExactSizeIterator for CompactAddrs<'_> {}

/// Appends the compact form of `addr`: 6 bytes for IPv4, 18 for IPv6.
pub fn push_compact(out: &mut Vec<u8>, addr: SocketAddr) {
    match addr.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&addr.port().to_be_bytes());
}

/// BEP 23: 4 bytes of address, 2 of port.
const V4_LENGTH: usize = 6;
/// BEP 7: 16 bytes of address, 2 of port.
const V6_LENGTH: usize = 18;
