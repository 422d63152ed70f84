//! Which addresses are talked to and passed on, and which count as one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The two networks that a node may be part of; BEP 32 keeps them apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, in the order of their arrays.
    pub(crate) const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// That of an address; of IPv4 in IPv6 clothes it is the former.
    #[must_use]
    pub fn of(addr: SocketAddr) -> Self {
        match addr.ip().to_canonical() {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// What tells two hosts apart: flow label and scope of an IPv6 address do not, and a socket for
/// both families reports IPv4 senders in IPv6 clothes.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// Whether an address could be a host's at all.
pub(crate) fn is_usable(addr: SocketAddr) -> bool {
    let ip_is_usable = match addr.ip() {
        IpAddr::V4(ip) => {
            let first = ip.octets()[0];
            first != 0 && first < FIRST_MULTICAST
        }
        IpAddr::V6(ip) => {
            let is_v4 = ip.to_ipv4_mapped().is_some();
            !ip.is_multicast() && !ip.is_unspecified() && !is_v4
        }
    };
    ip_is_usable && addr.port() != 0
}

/// Whether an address that `source` speaks of is to be believed: on the internet, nobody knows
/// hosts of our own network or machine, and who names some wants us to talk to them.
pub(crate) fn may_be_mentioned(addr: SocketAddr, source: IpAddr) -> bool {
    is_usable(addr) && (!is_local(addr.ip()) || is_local(source))
}

/// Whether an address means something only in our own network, or on our own machine.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Hosts that one party can easily have many of: one /24 of IPv4, one /64 of IPv6.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Subnet(u64);

impl Subnet {
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip {
            // Beyond every /64: those have no such bits in use, since 0::/8 is reserved.
            IpAddr::V4(ip) => Self(u64::from(ip.to_bits() >> 8)),
            IpAddr::V6(ip) => Self((ip.to_bits() >> 64) as u64),
        }
    }
}

/// Who is one and the same when sources are counted: an IPv4 address, or an IPv6 /64, of which a
/// single host has all.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Source(u64);

impl Source {
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self(u64::from(ip.to_bits())),
            IpAddr::V6(ip) => Self((ip.to_bits() >> 64) as u64),
        }
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }
}

/// Voters that count as one when it comes to our own address: a /16 of IPv4, a /32 of IPv6.
pub(crate) fn voter(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & 0xffff_0000).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !(u128::MAX >> 32)).into(),
    }
}

/// 224.0.0.0/4 is multicast, and what is above is reserved.
const FIRST_MULTICAST: u8 = 224;

#[cfg(test)]
mod tests {
    use super::*;

    fn mentioned(addr: &str, source: &str) -> bool {
        may_be_mentioned(addr.parse().unwrap(), source.parse().unwrap())
    }

    #[test]
    fn local_addresses_are_believed_locally() {
        for addr in [
            "127.0.0.1:1",
            "10.0.0.1:1",
            "192.168.3.4:5",
            "[::1]:6",
            "[fd00::1]:6",
        ] {
            assert!(!mentioned(addr, "203.0.113.7"), "{addr}");
            assert!(mentioned(addr, "10.9.9.9"), "{addr}");
        }
        assert!(mentioned("198.51.100.1:1", "203.0.113.7"));
        assert!(mentioned("198.51.100.1:1", "127.0.0.1"));
    }

    #[test]
    fn what_is_no_host_is_never_believed() {
        for addr in [
            "198.51.100.1:0",
            "0.0.0.0:1",
            "224.0.0.1:1",
            "255.255.255.255:1",
            "[::]:1",
            "[ff02::1]:1",
            "[::ffff:198.51.100.1]:1",
        ] {
            assert!(!mentioned(addr, "127.0.0.1"), "{addr}");
        }
    }

    #[test]
    fn clothes_do_not_count() {
        let dressed = "[::ffff:198.51.100.1]:7".parse().unwrap();
        assert_eq!(canonical(dressed), "198.51.100.1:7".parse().unwrap());
        assert_eq!(Family::of(dressed), Family::V4);
    }
}
