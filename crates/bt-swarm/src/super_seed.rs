//! Super-seeding (BEP 16): a seed that seems to have only what nobody else has yet.

use std::collections::BTreeMap;

use bt_types::{Bitfield, Block, ConnId, PieceIndex};

/// Which pieces each peer has been shown, and which of them have not been passed on yet.
///
/// A peer is shown two pieces; the next when one of these has been seen at somebody else, so that
/// each piece leaves us once before any leaves us twice. Who passes on is served as fast as it
/// passes on.
#[derive(Debug)]
pub(crate) struct SuperSeed {
    /// To how many connected peers each piece has been shown.
    shown_to: Vec<u16>,
    peers: BTreeMap<ConnId, Peer>,
    /// No piece below is missing elsewhere, as far as was seen.
    missing_from: u32,
}

#[derive(Debug)]
struct Peer {
    shown: Bitfield,
    /// Of these, those that it has not passed on; at most [`MAX_OPEN`].
    open: Vec<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    piece: PieceIndex,
    sent_bytes: u64,
    /// The peer has all of it.
    is_taken: bool,
}

/// What the choice needs to know of the swarm.
pub(crate) trait Others {
    /// How many connected peers have the piece, as they say.
    fn availability(&self, piece: PieceIndex) -> usize;
    /// Whether this one has, as it says.
    fn has(&self, conn: ConnId, piece: PieceIndex) -> bool;
}

impl SuperSeed {
    pub(crate) fn new(piece_count: u32) -> Self {
        Self {
            shown_to: vec![0; piece_count as usize],
            peers: BTreeMap::new(),
            missing_from: 0,
        }
    }

    pub(crate) fn add_peer(&mut self, conn: ConnId) {
        let peer = Peer {
            shown: Bitfield::new(self.shown_to.len() as u32),
            open: Vec::new(),
        };
        self.peers.insert(conn, peer);
    }

    pub(crate) fn remove_peer(&mut self, conn: ConnId) {
        if let Some(peer) = self.peers.remove(&conn) {
            for piece in peer.shown.iter_ones() {
                self.shown_to[piece.as_usize()] -= 1;
            }
        }
    }

    /// Whether the peer knows that we have the piece; a peer that was never added knows all.
    pub(crate) fn is_shown(&self, conn: ConnId, piece: PieceIndex) -> bool {
        let peer = self.peers.get(&conn);
        peer.is_none_or(|peer| peer.shown.get(piece))
    }

    /// A peer has been sent a block of what it was shown; returns whether it has been sent all of
    /// the piece, which has `length` bytes.
    pub(crate) fn block_sent(&mut self, conn: ConnId, block: Block, length: u64) -> bool {
        let peer = self.peers.get_mut(&conn);
        let mut open = peer.into_iter().flat_map(|peer| &mut peer.open);
        let Some(open) = open.find(|open| open.piece == block.piece) else {
            return false;
        };
        open.sent_bytes += u64::from(block.length);
        open.is_taken |= open.sent_bytes >= length;
        open.is_taken
    }

    /// Looks whose pieces have been passed on, and returns what is now shown to whom.
    pub(crate) fn show_more(&mut self, others: &impl Others) -> Vec<(ConnId, PieceIndex)> {
        let is_alone = self.peers.len() == 1;
        for (&conn, peer) in &mut self.peers {
            for open in &mut peer.open {
                open.is_taken |= others.has(conn, open.piece);
            }
            peer.open.retain(|open| {
                let own = usize::from(others.has(conn, open.piece));
                let is_passed_on = others.availability(open.piece) > own;
                // There is nobody to whom it could be passed on.
                !(is_passed_on || (is_alone && open.is_taken))
            });
        }
        self.fill(others)
    }

    /// Our line is idle: nobody is helped by waiting until those pass on what they have who do
    /// not, or who do not say so. Whoever has all that it was shown is shown one piece more.
    pub(crate) fn show_idle(&mut self, others: &impl Others) -> Vec<(ConnId, PieceIndex)> {
        for peer in self.peers.values_mut() {
            if peer.open.iter().all(|open| open.is_taken) {
                peer.open.drain(..1.min(peer.open.len()));
            }
        }
        self.fill(others)
    }

    /// Shows up to `count` pieces more to each peer, whatever it has passed on: that is over. An
    /// empty answer means that everybody has seen everything.
    pub(crate) fn show_rest(
        &mut self,
        others: &impl Others,
        count: usize,
    ) -> Vec<(ConnId, PieceIndex)> {
        let mut shown = Vec::new();
        for (&conn, peer) in &mut self.peers {
            let hidden = peer.shown.iter_zeros();
            let hidden: Vec<_> = hidden
                .filter(|&piece| !others.has(conn, piece))
                .take(count)
                .collect();
            for piece in hidden {
                peer.shown.insert(piece);
                self.shown_to[piece.as_usize()] += 1;
                shown.push((conn, piece));
            }
        }
        shown
    }

    /// Whether there is a whole copy without us.
    pub(crate) fn is_done(&mut self, others: &impl Others) -> bool {
        let count = self.shown_to.len() as u32;
        let missing = |range: std::ops::Range<u32>| {
            let mut pieces = range.map(PieceIndex::new);
            pieces.find(|&piece| others.availability(piece) == 0)
        };
        // Cheap as long as the same piece is missing; and peers go, so that others may be again.
        let found = missing(self.missing_from..count).or_else(|| missing(0..self.missing_from));
        self.missing_from = found.map_or(0, PieceIndex::get);
        found.is_none()
    }

    fn fill(&mut self, others: &impl Others) -> Vec<(ConnId, PieceIndex)> {
        let mut shown = Vec::new();
        // One each in turn, so that the rarest are spread.
        for _ in 0..MAX_OPEN {
            for (&conn, peer) in &mut self.peers {
                if peer.open.len() >= MAX_OPEN {
                    continue;
                }
                let hidden = peer.shown.iter_zeros();
                let useful = hidden.filter(|&piece| !others.has(conn, piece));
                let rarity = |piece: &PieceIndex| {
                    let shown_to = usize::from(self.shown_to[piece.as_usize()]);
                    shown_to.max(others.availability(*piece))
                };
                let Some(piece) = rarest(useful, rarity) else {
                    continue;
                };
                peer.shown.insert(piece);
                peer.open.push(Open {
                    piece,
                    sent_bytes: 0,
                    is_taken: false,
                });
                self.shown_to[piece.as_usize()] += 1;
                shown.push((conn, piece));
            }
        }
        shown
    }
}

/// The first of the rarest; none is rarer than one that nobody has or was shown.
fn rarest(
    pieces: impl Iterator<Item = PieceIndex>,
    rarity: impl Fn(&PieceIndex) -> usize,
) -> Option<PieceIndex> {
    let mut best = None;
    for piece in pieces {
        let rarity = rarity(&piece);
        if rarity == 0 {
            return Some(piece);
        }
        if best.is_none_or(|(_, least)| rarity < least) {
            best = Some((piece, rarity));
        }
    }
    best.map(|(piece, _)| piece)
}

/// As libtorrent: with one, a peer would wait for us between two pieces.
const MAX_OPEN: usize = 2;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const A: ConnId = ConnId(1);
    const B: ConnId = ConnId(2);
    const PIECE: u64 = 32_768;

    #[derive(Default)]
    struct Swarm(BTreeSet<(ConnId, u32)>);

    impl Others for Swarm {
        fn availability(&self, piece: PieceIndex) -> usize {
            self.0.iter().filter(|(_, had)| *had == piece.get()).count()
        }

        fn has(&self, conn: ConnId, piece: PieceIndex) -> bool {
            self.0.contains(&(conn, piece.get()))
        }
    }

    fn of(shown: &[(ConnId, PieceIndex)], conn: ConnId) -> Vec<u32> {
        let own = shown.iter().filter(|(to, _)| *to == conn);
        own.map(|(_, piece)| piece.get()).collect()
    }

    fn two() -> (SuperSeed, Swarm) {
        let mut seed = SuperSeed::new(10);
        seed.add_peer(A);
        seed.add_peer(B);
        (seed, Swarm::default())
    }

    #[test]
    fn each_is_shown_two_pieces_that_no_other_is_shown() {
        let (mut seed, swarm) = two();
        let shown = seed.show_more(&swarm);
        assert_eq!((of(&shown, A), of(&shown, B)), (vec![0, 2], vec![1, 3]));
        assert!(seed.is_shown(A, PieceIndex::new(2)) && !seed.is_shown(B, PieceIndex::new(2)));
        assert_eq!(seed.show_more(&swarm), []);
    }

    #[test]
    fn who_passes_on_is_shown_more_and_nobody_else() {
        let (mut seed, mut swarm) = two();
        seed.show_more(&swarm);
        swarm.0.insert((A, 0));
        assert_eq!(seed.show_more(&swarm), [], "having it is not enough");
        swarm.0.insert((B, 0));
        assert_eq!(seed.show_more(&swarm), [(A, PieceIndex::new(4))]);
        // What it got elsewhere need not be shown to it.
        swarm.0.insert((A, 5));
        swarm.0.insert((B, 2));
        assert_eq!(seed.show_more(&swarm), [(A, PieceIndex::new(6))]);
    }

    #[test]
    fn a_single_peer_is_shown_the_next_piece_when_it_has_the_last() {
        let mut seed = SuperSeed::new(10);
        let mut swarm = Swarm::default();
        seed.add_peer(A);
        assert_eq!(of(&seed.show_more(&swarm), A), [0, 1]);
        let block = |begin| Block {
            piece: PieceIndex::new(0),
            begin,
            length: 16_384,
        };
        assert!(!seed.block_sent(A, block(0), PIECE));
        assert_eq!(seed.show_more(&swarm), []);
        assert!(seed.block_sent(A, block(16_384), PIECE));
        assert_eq!(
            of(&seed.show_more(&swarm), A),
            [2],
            "though it says nothing"
        );
        swarm.0.insert((A, 1));
        assert_eq!(of(&seed.show_more(&swarm), A), [3]);
    }

    #[test]
    fn an_idle_line_serves_those_who_have_all_that_they_were_shown() {
        let (mut seed, mut swarm) = two();
        seed.show_more(&swarm);
        swarm.0.insert((A, 0));
        seed.show_more(&swarm);
        assert_eq!(
            seed.show_idle(&swarm),
            [],
            "it still has something to fetch"
        );
        swarm.0.insert((A, 2));
        seed.show_more(&swarm);
        assert_eq!(seed.show_idle(&swarm), [(A, PieceIndex::new(4))]);
        assert_eq!(seed.show_idle(&swarm), []);
    }

    #[test]
    fn it_is_done_when_all_is_elsewhere_and_not_before() {
        let (mut seed, mut swarm) = two();
        assert!(!seed.is_done(&swarm));
        swarm
            .0
            .extend((0..10).map(|piece| (if piece < 5 { A } else { B }, piece)));
        assert!(seed.is_done(&swarm));
        swarm.0.remove(&(A, 3));
        assert!(!seed.is_done(&swarm));
        let rest = seed.show_rest(&swarm, 3);
        assert_eq!((of(&rest, A), of(&rest, B)), (vec![3, 5, 6], vec![0, 1, 2]));
        while !seed.show_rest(&swarm, 3).is_empty() {}
        seed.remove_peer(A);
        seed.remove_peer(B);
        assert!(seed.shown_to.iter().all(|&count| count == 0));
    }
}
