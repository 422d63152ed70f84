use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// The router of one node: which address others see, and what gets through to the node.
///
/// One for each node; a world asks the sender's on the way out and the receiver's on the way in.
///
/// ```
/// use std::time::Duration;
/// use bt_sim::{Nat, NatKind};
///
/// let now = Duration::ZERO;
/// let peer = "198.51.100.7:6881".parse().unwrap();
/// let mut nat = Nat::new(NatKind::PortRestricted, "203.0.113.1".parse().unwrap());
/// assert_eq!(nat.inbound(now, peer, 6881), None);
///
/// // Who has been written to can answer.
/// let seen_as = nat.outbound(now, 6881, peer);
/// assert_eq!(seen_as, "203.0.113.1:6881".parse().unwrap());
/// assert_eq!(nat.inbound(now, peer, 6881), Some(6881));
/// ```
#[derive(Clone, Debug)]
pub struct Nat {
    kind: NatKind,
    external_ip: IpAddr,
    /// For each external port and each remote address that has been written to.
    mappings: HashMap<(u16, SocketAddr), Mapping>,
    /// Symmetric only: the external port of an internal port and a remote address.
    ports: HashMap<(u16, SocketAddr), u16>,
    next_port: u16,
}

/// How a [`Nat`] treats what comes from outside.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum NatKind {
    /// There is none, or a port mapping: everything gets through.
    Open,
    /// One external port for each internal one; only who has been written to gets through, from
    /// the very address that has been written to. Two of these meet by hole punching.
    PortRestricted,
    /// Another external port for each remote address: who is told of the port that somebody else
    /// sees does not get through. Hole punching works only with an open side.
    Symmetric,
}

#[derive(Clone, Copy, Debug)]
struct Mapping {
    internal_port: u16,
    expires: Duration,
}

impl Nat {
    /// A router that has seen nothing yet.
    #[must_use]
    pub fn new(kind: NatKind, external_ip: IpAddr) -> Self {
        Self {
            kind,
            external_ip,
            mappings: HashMap::new(),
            ports: HashMap::new(),
            next_port: FIRST_PORT,
        }
    }

    /// How it treats what comes from outside.
    #[must_use]
    pub fn kind(&self) -> NatKind {
        self.kind
    }

    /// The node sends from `internal_port` to `to`; returns the address that `to` sees.
    pub fn outbound(&mut self, now: Duration, internal_port: u16, to: SocketAddr) -> SocketAddr {
        let external_port = match self.kind {
            NatKind::Open => return SocketAddr::new(self.external_ip, internal_port),
            NatKind::PortRestricted => internal_port,
            NatKind::Symmetric => self.symmetric_port(now, internal_port, to),
        };
        if self.mappings.len() >= PURGE_ABOVE {
            self.purge(now);
        }
        let mapping = Mapping {
            internal_port,
            expires: now + LIFETIME,
        };
        self.mappings.insert((external_port, to), mapping);
        SocketAddr::new(self.external_ip, external_port)
    }

    /// Something comes from `from` (as seen outside) to `external_port`; returns the node's port
    /// that it reaches, if it gets through. Does not prolong the mapping, as with most routers.
    #[must_use]
    pub fn inbound(&self, now: Duration, from: SocketAddr, external_port: u16) -> Option<u16> {
        if self.kind == NatKind::Open {
            return Some(external_port);
        }
        let mapping = self.mappings.get(&(external_port, from))?;
        (now < mapping.expires).then_some(mapping.internal_port)
    }

    /// Keeps the port while its mapping lives. Of the ports, as many as a node has peers are in
    /// use; they go round.
    fn symmetric_port(&mut self, now: Duration, internal_port: u16, to: SocketAddr) -> u16 {
        if let Some(port) = self.ports.get(&(internal_port, to)) {
            let mapping = self.mappings.get(&(*port, to));
            if mapping.is_some_and(|mapping| {
                mapping.internal_port == internal_port && now < mapping.expires
            }) {
                return *port;
            }
        }
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        self.ports.insert((internal_port, to), port);
        port
    }

    fn purge(&mut self, now: Duration) {
        self.mappings.retain(|_, mapping| now < mapping.expires);
        let mappings = &self.mappings;
        self.ports
            .retain(|(_, to), port| mappings.contains_key(&(*port, *to)));
    }
}

/// RFC 4787 asks for two minutes at least, for UDP.
const LIFETIME: Duration = Duration::from_secs(120);
/// The first of the ports that symmetric routers hand out.
const FIRST_PORT: u16 = 32_768;
/// From so many mappings on, the expired ones are looked for.
const PURGE_ABOVE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reaches_whom() {
        use NatKind::{Open, PortRestricted, Symmetric};
        for (a, b, expected) in [
            (Open, Open, true),
            (Open, PortRestricted, true),
            (Open, Symmetric, true),
            (PortRestricted, PortRestricted, true),
            (PortRestricted, Symmetric, false),
            (Symmetric, Symmetric, false),
        ] {
            assert_eq!(hole_punch(a, b), expected, "{a:?} and {b:?}");
            assert_eq!(hole_punch(b, a), expected, "{b:?} and {a:?}");
        }
    }

    #[test]
    fn nobody_gets_in_unasked() {
        for kind in [NatKind::PortRestricted, NatKind::Symmetric] {
            let mut nat = Nat::new(kind, IP);
            let seen_as = nat.outbound(START, 6881, RELAY);
            assert_eq!(nat.inbound(START, RELAY, seen_as.port()), Some(6881));
            // Another port of the same host is somebody else.
            let other = SocketAddr::new(RELAY.ip(), RELAY.port() + 1);
            assert_eq!(nat.inbound(START, other, seen_as.port()), None, "{kind:?}");
        }
    }

    #[test]
    fn mappings_expire_unless_used() {
        for kind in [NatKind::PortRestricted, NatKind::Symmetric] {
            let mut nat = Nat::new(kind, IP);
            let seen_as = nat.outbound(START, 6881, RELAY);
            let later = START + Duration::from_secs(100);
            assert_eq!(nat.outbound(later, 6881, RELAY), seen_as);
            let last = later + LIFETIME - Duration::from_nanos(1);
            assert_eq!(nat.inbound(last, RELAY, seen_as.port()), Some(6881));
            assert_eq!(nat.inbound(later + LIFETIME, RELAY, seen_as.port()), None);
        }
    }

    #[test]
    fn memory_is_bounded_by_what_lives() {
        let mut nat = Nat::new(NatKind::Symmetric, IP);
        let mut now = START;
        for port in 1..20_000 {
            nat.outbound(now, 6881, SocketAddr::new(RELAY.ip(), port));
            now += Duration::from_secs(1);
        }
        assert!(nat.mappings.len() <= PURGE_ABOVE && nat.ports.len() <= PURGE_ABOVE);
    }

    /// Both sides know what a relay sees of the other, and write to that at the same time.
    fn hole_punch(a: NatKind, b: NatKind) -> bool {
        let mut a = Nat::new(a, IP);
        let mut b = Nat::new(b, IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 2)));
        let a_known = a.outbound(START, 1000, RELAY);
        let b_known = b.outbound(START, 2000, RELAY);
        let mut a_target = b_known;
        let mut b_target = a_known;
        // Who gets a packet answers to where it came from.
        for _ in 0..2 {
            let a_source = a.outbound(START, 1000, a_target);
            let b_source = b.outbound(START, 2000, b_target);
            if b.inbound(START, a_source, a_target.port()).is_some() {
                b_target = a_source;
            }
            if a.inbound(START, b_source, b_target.port()).is_some() {
                a_target = b_source;
            }
        }
        let a_source = a.outbound(START, 1000, a_target);
        let b_source = b.outbound(START, 2000, b_target);
        b.inbound(START, a_source, a_target.port()).is_some()
            && a.inbound(START, b_source, b_target.port()).is_some()
    }

    const START: Duration = Duration::ZERO;
    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1));
    const RELAY: SocketAddr =
        SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7)), 6881);
}
