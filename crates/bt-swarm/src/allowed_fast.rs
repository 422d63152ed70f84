//! Pieces that a peer may have although we choke it (BEP 6, "Allowed Fast").

use std::net::IpAddr;

use bt_hash::sha1;
use bt_types::{Block, PieceIndex, PieceLayout, SwarmId};

/// What one peer is allowed, and how much of it is left.
#[derive(Debug)]
pub(crate) struct AllowedFast {
    /// Each piece with the bytes for which it may still ask while it is choked.
    pieces: Vec<(PieceIndex, u64)>,
}

impl AllowedFast {
    /// The set of a peer at `ip`; empty in a small torrent.
    pub(crate) fn draw(ip: IpAddr, swarm_id: SwarmId, layout: &PieceLayout) -> Self {
        let count = layout.piece_count();
        let size = MAX_ALLOWED.min(count / TORRENT_SHARE) as usize;
        let set = allowed_fast_set(&identity(ip), swarm_id, count, size);
        let budget = |piece| u64::from(layout.piece_length(piece)) * SERVINGS;
        Self {
            pieces: set
                .into_iter()
                .map(|piece| (piece, budget(piece)))
                .collect(),
        }
    }

    pub(crate) fn pieces(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.pieces.iter().map(|&(piece, _)| piece)
    }

    /// Whether a peer with so many pieces still needs help. BEP 6: who has more than the set may be
    /// refused.
    pub(crate) fn is_for(&self, peer_pieces: u32) -> bool {
        (peer_pieces as usize) < self.pieces.len()
    }

    /// Takes `block` off what is left; returns whether there was so much.
    pub(crate) fn spend(&mut self, block: Block) -> bool {
        let mut pieces = self.pieces.iter_mut();
        let found = pieces.find(|(piece, _)| *piece == block.piece);
        let left = found.map(|(_, left)| left);
        left.is_some_and(|left| {
            let enough = left.checked_sub(u64::from(block.length));
            *left = enough.unwrap_or(*left);
            enough.is_some()
        })
    }
}

/// By what a peer's set is drawn: the address under which we see it, also within a private network,
/// where the BEP would have the public one (nobody computes the set of another, it is told).
///
/// Of IPv4 all 32 bits count, as with libtorrent. BEP 6 masks the last eight, so that one network
/// has one set; but then a first seed gives all leechers of a network the same few pieces first,
/// which they have no use for among themselves. Of IPv6 the first 48 bits count, what one site has:
/// its hosts take as many addresses as they like.
fn identity(ip: IpAddr) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => [&v6.octets()[..6], &[0; 10]].concat(),
    }
}

/// The set of BEP 6: `size` pieces of `piece_count` (all of them if there are no more) that follow
/// from who the peer is and from the torrent, so that nobody gets others by connecting again.
fn allowed_fast_set(
    identity: &[u8],
    swarm_id: SwarmId,
    piece_count: u32,
    size: usize,
) -> Vec<PieceIndex> {
    let mut hash = sha1(&[identity, &swarm_id.0].concat());
    let size = size.min(piece_count as usize);
    let mut set = Vec::with_capacity(size);
    while set.len() < size {
        for word in hash.chunks_exact(4) {
            let word = [word[0], word[1], word[2], word[3]];
            let piece = PieceIndex::new(u32::from_be_bytes(word) % piece_count);
            if set.len() < size && !set.contains(&piece) {
                set.push(piece);
            }
        }
        hash = sha1(&hash);
    }
    set
}

/// libtorrent's size of the set; BEP 6 says ten.
const MAX_ALLOWED: u32 = 5;
/// No more of a torrent than one part in so many: nobody shall get half of a small one for nothing.
const TORRENT_SHARE: u32 = 20;
/// A piece that fails its hash may be fetched again.
const SERVINGS: u64 = 2;

#[cfg(test)]
mod tests {
    use bt_types::FileExtent;

    use super::*;

    const VECTOR: [u32; 10] = [1059, 431, 808, 1217, 287, 376, 1188, 353, 508, 1246];

    /// BEP 6's own vectors, of seven and nine, for 80.4.4.200 after its mask.
    #[test]
    fn the_set_is_that_of_the_bep() {
        for size in [7, 9, 10] {
            assert_eq!(set("80.4.4.0", 1313, size), VECTOR[..size]);
        }
        assert_eq!(set("::ffff:80.4.4.0", 1313, 9), VECTOR[..9]);
    }

    #[test]
    fn neighbours_have_different_sets() {
        assert_ne!(set("80.4.4.200", 1313, 5), set("80.4.4.201", 1313, 5));
    }

    #[test]
    fn a_set_is_never_larger_than_the_torrent() {
        assert_eq!(set("80.4.4.0", 2, 4), [1, 0]);
        assert_eq!(set("80.4.4.200", 1, 10), [0]);
        assert_eq!(set("80.4.4.200", 0, 10), [0; 0]);
        let mut all = set("10.0.0.1", 50, 60);
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn one_site_has_one_set_with_ipv6_too() {
        let here = set("2001:db8:1:2::3", 1000, 5);
        assert_eq!(here, set("2001:db8:1:ffff::1", 1000, 5));
        assert_ne!(here, set("2001:db8:2:2::3", 1000, 5));
    }

    #[test]
    fn what_is_allowed_ends() {
        let layout = PieceLayout::packed(65_536, [FileExtent::data(65_536 * 100)]).unwrap();
        let id = SwarmId([0xaa; 20]);
        let mut allowed = AllowedFast::draw([80, 4, 4, 200].into(), id, &layout);
        assert_eq!(allowed.pieces().count(), 5);
        assert!(allowed.is_for(4) && !allowed.is_for(5));
        let piece = allowed.pieces().next().unwrap();
        let block = layout.block(piece, 0).unwrap();
        assert_eq!((0..100).filter(|_| allowed.spend(block)).count(), 8);
        let other = layout
            .pieces()
            .find(|&piece| allowed.pieces().all(|known| known != piece));
        assert!(!allowed.spend(layout.block(other.unwrap(), 0).unwrap()));
        let small = PieceLayout::packed(65_536, [FileExtent::data(65_536 * 19)]).unwrap();
        let none = AllowedFast::draw([80, 4, 4, 200].into(), id, &small);
        assert_eq!(none.pieces().count(), 0);
        assert!(!none.is_for(0));
    }

    fn set(ip: &str, piece_count: u32, size: usize) -> Vec<u32> {
        let id = SwarmId([0xaa; 20]);
        let set = allowed_fast_set(&identity(ip.parse().unwrap()), id, piece_count, size);
        set.into_iter().map(PieceIndex::get).collect()
    }
}
