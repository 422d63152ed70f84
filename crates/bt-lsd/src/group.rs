use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// A multicast group in which peers search for each other; one a family of addresses.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Group {
    /// 239.192.152.143, of organization-local scope.
    V4,
    /// ff15::efc0:988f, of site-local scope.
    V6,
}

/// The port of both groups.
pub const PORT: u16 = 6771;

impl Group {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Its address.
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::new(239, 192, 152, 143)),
            Self::V6 => IpAddr::V6(Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f)),
        }
    }

    /// Where searches go to.
    #[must_use]
    pub const fn address(self) -> SocketAddr {
        SocketAddr::new(self.ip(), PORT)
    }
}

impl fmt::Display for Group {
    /// As the header `Host` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().fmt(f)
    }
}

/// Whether an address means something only in our own network, or on our own machine: nobody else
/// hears what is said there.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_of_bep_14() {
        assert_eq!(Group::V4.to_string(), "239.192.152.143:6771");
        assert_eq!(Group::V6.to_string(), "[ff15::efc0:988f]:6771");
        assert!(Group::ALL.iter().all(|group| group.ip().is_multicast()));
    }

    #[test]
    fn what_is_local() {
        let check = |ip: &str, expected| {
            assert_eq!(is_local(ip.parse().unwrap()), expected, "{ip}");
        };
        for ip in [
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.9",
            "169.254.7.7",
            "127.0.0.2",
            "::1",
            "fe80::7",
            "fd00::7",
            "::ffff:10.1.2.3",
        ] {
            check(ip, true);
        }
        for ip in [
            "198.51.100.1",
            "172.32.0.1",
            "239.192.152.143",
            "0.0.0.0",
            "2001:db8::1",
            "ff15::1",
            "::ffff:198.51.100.1",
        ] {
            check(ip, false);
        }
    }
}
