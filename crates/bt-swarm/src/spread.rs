//! Pieces that nobody but us has, spread over those who ask.

use std::collections::BTreeMap;

use bt_types::{Block, ConnId, PieceIndex};

/// Which peer is to have which of the pieces that only we have, and what becomes of them there.
///
/// Peers that ask a lone seed cannot know what it is sending to others: they choose at random, and
/// what it then sends twice delays everybody. So each is told (BEP 6, "Suggest Piece") of a few
/// pieces that no other is told of. Nobody need follow: a piece that somebody asks for unbidden is
/// its own from then on.
///
/// And a piece that is then seen nowhere else has been given in vain. Who keeps several to itself
/// *hoards*, and is given more only when nobody else wants it: each piece that a lone seed sends
/// into a dead end is one that everybody waits for.
#[derive(Debug, Default)]
pub(crate) struct Spread {
    /// The pieces that have not been seen anywhere else since they were given to somebody.
    entries: BTreeMap<PieceIndex, Entry>,
    peers: BTreeMap<ConnId, Peer>,
    /// Where the search for the next one begins.
    cursor: u32,
    /// How many were looked at in vain since anything last became free: when it is all of them, a
    /// search would only cost time, and there is one for each block that is sent.
    in_vain: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    owner: ConnId,
    /// Bytes of it that have been sent to the owner.
    sent: u32,
    /// All of it.
    is_whole: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Peer {
    /// Pieces that it is asking for, and that it is to ask for next.
    ahead: u32,
    /// Pieces that it has got and that were seen nowhere else since.
    kept: u32,
}

impl Peer {
    fn is_hoarding(self) -> bool {
        self.kept >= MAX_KEPT
    }
}

impl Spread {
    /// `conn` has asked for a part of `piece`, which so many others have.
    pub(crate) fn asked(&mut self, conn: ConnId, piece: PieceIndex, availability: usize) {
        let is_its_own = self
            .entries
            .get(&piece)
            .is_some_and(|entry| entry.owner == conn);
        if !is_its_own && self.is_lost(piece, availability) {
            self.give(conn, piece);
        }
    }

    /// A block has been sent. Returns whether its receiver has begun to hoard.
    pub(crate) fn sent(&mut self, conn: ConnId, block: Block, piece_length: u32) -> bool {
        let Some(entry) = self.entries.get_mut(&block.piece) else {
            return false;
        };
        if entry.owner != conn || entry.is_whole {
            return false;
        }
        entry.sent += block.length;
        if entry.sent < piece_length {
            return false;
        }
        entry.is_whole = true;
        let peer = self.peers.entry(conn).or_default();
        peer.ahead = peer.ahead.saturating_sub(1);
        peer.kept += 1;
        let begins_to_hoard = peer.kept == MAX_KEPT;
        if begins_to_hoard {
            self.in_vain = 0;
        }
        begins_to_hoard
    }

    /// `conn` has `piece`. Returns whether somebody has ceased to hoard.
    pub(crate) fn seen(&mut self, conn: ConnId, piece: PieceIndex) -> bool {
        let Some(entry) = self.entries.get(&piece).copied() else {
            return false;
        };
        if entry.owner == conn {
            return false;
        }
        self.entries.remove(&piece);
        let Some(peer) = self.peers.get_mut(&entry.owner) else {
            return false;
        };
        if !entry.is_whole {
            peer.ahead = peer.ahead.saturating_sub(1);
            return false;
        }
        let was_hoarding = peer.is_hoarding();
        peer.kept = peer.kept.saturating_sub(1);
        was_hoarding && !peer.is_hoarding()
    }

    /// `conn` may not ask any more: what it has not got is free again.
    pub(crate) fn choked(&mut self, conn: ConnId) {
        self.entries
            .retain(|_, entry| entry.owner != conn || entry.is_whole);
        self.in_vain = 0;
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.ahead = 0;
        }
    }

    /// `conn` is gone, and so is what it had.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.in_vain = 0;
        if self.peers.remove(&conn).is_some() {
            self.entries.retain(|_, entry| entry.owner != conn);
        }
    }

    /// Whether `conn` keeps to itself what only we had.
    pub(crate) fn is_hoarding(&self, conn: ConnId) -> bool {
        self.peers.get(&conn).is_some_and(|peer| peer.is_hoarding())
    }

    /// Whether `piece` is as good as nowhere: `availability` tells how many peers have it.
    fn is_lost(&self, piece: PieceIndex, availability: usize) -> bool {
        match self.entries.get(&piece) {
            None => availability == 0,
            Some(entry) => availability <= 1 && entry.is_whole && self.is_hoarding(entry.owner),
        }
    }

    /// A piece to suggest to `conn`, if it has few before it and one is found soon. `availability`
    /// tells how many peers have a piece, if we have it.
    pub(crate) fn next(
        &mut self,
        conn: ConnId,
        piece_count: u32,
        availability: impl Fn(PieceIndex) -> Option<usize>,
    ) -> Option<PieceIndex> {
        let ahead = self.peers.get(&conn).map_or(0, |peer| peer.ahead);
        if ahead >= MAX_AHEAD || self.in_vain >= piece_count {
            return None;
        }
        for _ in 0..MAX_STEPS.min(piece_count) {
            let piece = PieceIndex::new(self.cursor % piece_count);
            self.cursor = (self.cursor + 1) % piece_count;
            if availability(piece).is_some_and(|others| self.is_lost(piece, others)) {
                self.in_vain = 0;
                self.give(conn, piece);
                return Some(piece);
            }
            self.in_vain += 1;
        }
        None
    }

    fn give(&mut self, conn: ConnId, piece: PieceIndex) {
        let entry = Entry {
            owner: conn,
            sent: 0,
            is_whole: false,
        };
        self.entries.insert(piece, entry);
        self.peers.entry(conn).or_default().ahead += 1;
    }
}

/// Enough that the way of a suggestion and of the request that follows it is covered.
const MAX_AHEAD: u32 = 4;
/// A peer with a full line gives a piece on before it has got the third one after it.
const MAX_KEPT: u32 = 4;
/// Bounds the search when most pieces are out.
const MAX_STEPS: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE_LENGTH: u32 = 32 * 1024;
    const A: ConnId = ConnId(1);
    const B: ConnId = ConnId(2);

    fn suggest(spread: &mut Spread, conn: ConnId) -> Vec<u32> {
        let all_ours = |_| Some(0);
        std::iter::from_fn(|| spread.next(conn, 100, all_ours))
            .map(PieceIndex::get)
            .collect()
    }

    /// Sends a piece whole; returns whether the peer has begun to hoard.
    fn send(spread: &mut Spread, conn: ConnId, piece: u32) -> bool {
        let blocks = [0, 16 * 1024].map(|begin| Block {
            piece: PieceIndex::new(piece),
            begin,
            length: 16 * 1024,
        });
        blocks.map(|block| spread.sent(conn, block, PIECE_LENGTH))[1]
    }

    #[test]
    fn everybody_is_told_of_other_pieces() {
        let mut spread = Spread::default();
        assert_eq!(suggest(&mut spread, A), [0, 1, 2, 3]);
        assert_eq!(suggest(&mut spread, B), [4, 5, 6, 7]);
        assert!(!send(&mut spread, A, 0));
        assert_eq!(suggest(&mut spread, A), [8]);
    }

    #[test]
    fn what_is_asked_for_unbidden_is_not_suggested_to_others() {
        let mut spread = Spread::default();
        spread.asked(B, PieceIndex::new(1), 0);
        assert_eq!(suggest(&mut spread, A), [0, 2, 3, 4]);
    }

    #[test]
    fn what_others_have_is_not_suggested() {
        let mut spread = Spread::default();
        let availability = |piece: PieceIndex| match piece.get() {
            7 => Some(0),
            8 => None,
            _ => Some(1),
        };
        assert_eq!(spread.next(A, 10, availability), Some(PieceIndex::new(7)));
        assert_eq!(spread.next(A, 10, availability), None);
        assert_eq!(spread.next(A, 0, availability), None);
    }

    #[test]
    fn a_search_in_vain_is_not_repeated_until_something_is_free() {
        let mut spread = Spread::default();
        let looks = std::cell::Cell::new(0);
        let search = |spread: &mut Spread, others| {
            looks.set(0);
            let found = spread.next(A, 100, |_| {
                looks.set(looks.get() + 1);
                Some(others)
            });
            (found.is_some(), looks.get())
        };
        assert_eq!(search(&mut spread, 1), (false, 64));
        assert_eq!(search(&mut spread, 1), (false, 64));
        assert_eq!(search(&mut spread, 1), (false, 0));
        spread.forget(B);
        assert_eq!(search(&mut spread, 0), (true, 1));
    }

    #[test]
    fn a_choke_and_a_departure_free_what_was_not_sent() {
        let mut spread = Spread::default();
        suggest(&mut spread, A);
        send(&mut spread, A, 2);
        spread.choked(A);
        let all: Vec<_> = (0..25)
            .flat_map(|n| suggest(&mut spread, ConnId(10 + n)))
            .collect();
        assert_eq!(all.len(), 99);
        assert!(!all.contains(&2));
        spread.forget(A);
        assert_eq!(suggest(&mut spread, B), [2]);
    }

    #[test]
    fn who_keeps_pieces_to_itself_hoards_until_they_are_seen_elsewhere() {
        let mut spread = Spread::default();
        suggest(&mut spread, A);
        let hoards: Vec<_> = (0..4).map(|piece| send(&mut spread, A, piece)).collect();
        assert_eq!(hoards, [false, false, false, true]);
        assert!(spread.is_hoarding(A) && !spread.is_hoarding(B));
        assert!(
            !spread.seen(A, PieceIndex::new(0)),
            "that it has it is no news"
        );
        assert!(spread.is_hoarding(A));
        assert!(spread.seen(B, PieceIndex::new(0)));
        assert!(!spread.is_hoarding(A));
    }

    #[test]
    fn what_is_hoarded_is_given_to_another_and_stays_held_against_the_first() {
        let mut spread = Spread::default();
        suggest(&mut spread, A);
        (0..4).for_each(|piece| {
            send(&mut spread, A, piece);
        });
        let hoarded = |piece: PieceIndex| (piece.get() < 4).then_some(1);
        assert_eq!(spread.next(B, 60, hoarded), Some(PieceIndex::new(0)));
        send(&mut spread, B, 0);
        spread.seen(ConnId(3), PieceIndex::new(0));
        assert!(spread.is_hoarding(A));
    }
}
