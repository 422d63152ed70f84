//! Whom we do not talk to again, and why.

use std::{
    collections::{BTreeSet, VecDeque},
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use bt_types::{Block, PieceIndex};

/// Peers that have sent bad data. Bounded: if there ever are more, the oldest bans are lifted.
///
/// Public addresses are banned whatever the port: who is banned comes back from another. Of IPv6
/// the network (/64) is banned, in which a host can have any address. In
/// private networks and on this machine one address may stand for many peers, so there the port
/// counts, too.
///
/// Each torrent has its own, of those that it has found out itself; what several torrents have
/// found out together is given to each by [`Swarm::set_bans`](crate::Swarm::set_bans).
#[derive(Clone, Debug, Default)]
pub struct BanList {
    banned: BTreeSet<Ban>,
    /// The same in the order in which they came.
    order: VecDeque<Ban>,
}

/// How a peer was found to have sent bad data: for the log, and for the user.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BanReason {
    /// It alone sent a piece that failed its hash.
    #[error("alone sent piece {0}, which failed its hash")]
    WholePiece(PieceIndex),
    /// It had sent this block of a piece that failed its hash; the one of the piece that passed
    /// was another.
    #[error("sent {0} wrong")]
    WrongBlock(Block),
    /// It sent this block twice, each time with other bytes.
    #[error("sent {0} in two versions")]
    TwoVersions(Block),
    /// It sent something else for the metadata than what the info hash stands for (BEP 9).
    #[error("sent wrong metadata")]
    Metadata,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Ban {
    Host(IpAddr),
    Peer(SocketAddr),
}

impl BanList {
    /// A list of nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bans a peer; returns whether that is news.
    pub fn ban(&mut self, addr: SocketAddr) -> bool {
        let ban = Ban::of(addr);
        if !self.banned.insert(ban) {
            return false;
        }
        if self.order.len() == MAX_BANS {
            if let Some(oldest) = self.order.pop_front() {
                self.banned.remove(&oldest);
            }
        }
        self.order.push_back(ban);
        true
    }

    /// Whether a peer is banned.
    #[must_use]
    pub fn contains(&self, addr: SocketAddr) -> bool {
        !self.banned.is_empty() && self.banned.contains(&Ban::of(addr))
    }

    /// How many bans there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.banned.len()
    }

    /// Whether nobody is banned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.banned.is_empty()
    }
}

impl BanReason {
    /// The piece that gave the peer away, if one did.
    #[must_use]
    pub fn piece(self) -> Option<PieceIndex> {
        match self {
            Self::WholePiece(piece) => Some(piece),
            Self::WrongBlock(block) | Self::TwoVersions(block) => Some(block.piece),
            Self::Metadata => None,
        }
    }

    /// The block that gave the peer away, if it was not the whole piece.
    #[must_use]
    pub fn block(self) -> Option<Block> {
        match self {
            Self::WholePiece(_) | Self::Metadata => None,
            Self::WrongBlock(block) | Self::TwoVersions(block) => Some(block),
        }
    }
}

/// Whether two addresses are one and the same to a [`BanList`]: a ban of one is a ban of both.
pub(crate) fn is_same_culprit(a: SocketAddr, b: SocketAddr) -> bool {
    Ban::of(a) == Ban::of(b)
}

/// Whether an address means something else in every network.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// What stands for one host: of IPv6 the network, of which a host has the last half to itself and
/// changes its address in it at will (RFC 8981).
pub(crate) fn host_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) if !is_local(ip) => {
            let network = v6.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        other => other,
    }
}

impl Ban {
    fn of(addr: SocketAddr) -> Self {
        let ip = addr.ip().to_canonical();
        if is_local(ip) {
            Self::Peer(SocketAddr::new(ip, addr.port()))
        } else {
            Self::Host(host_of(ip))
        }
    }
}

/// Far more than a session meets; what is kept is looked up for each address that we hear of.
const MAX_BANS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_host_is_banned_whole_a_local_one_by_port() {
        let mut bans = BanList::new();
        assert!(bans.ban(addr("9.9.9.9:1")));
        assert!(!bans.ban(addr("9.9.9.9:2")), "no news");
        assert!(bans.ban(addr("[::ffff:8.8.8.8]:1")));
        assert!(bans.ban(addr("192.168.1.1:1")));
        assert!(bans.ban(addr("[2001:db8:7::1]:1")));
        let same_network = "[2001:db8:7::2:3:4:5]:9";
        for banned in ["9.9.9.9:7", "8.8.8.8:5", "192.168.1.1:1", same_network] {
            assert!(bans.contains(addr(banned)), "{banned}");
        }
        for other in [
            "9.9.9.8:1",
            "192.168.1.1:2",
            "127.0.0.1:1",
            "[2001:db8::1]:1",
        ] {
            assert!(!bans.contains(addr(other)), "{other}");
        }
        assert_eq!(bans.len(), 4);
    }

    #[test]
    fn the_oldest_ban_is_lifted_for_one_too_many() {
        let mut bans = BanList::new();
        let host = |n: u32| SocketAddr::from(((0x0800_0000 + n).to_be_bytes(), 1));
        for n in 0..=MAX_BANS as u32 {
            assert!(bans.ban(host(n)));
        }
        assert_eq!(bans.len(), MAX_BANS);
        assert!(!bans.contains(host(0)));
        assert!(bans.contains(host(1)) && bans.contains(host(MAX_BANS as u32)));
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }
}
