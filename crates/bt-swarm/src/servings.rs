//! How much a peer has been sent of each piece: who takes one again and again does harm.

use std::collections::BTreeMap;

use bt_types::{Block, PieceIndex};

/// Bytes sent to one peer of pieces that it has not said to have. The pieces of which it has taken
/// most are remembered.
#[derive(Debug, Default)]
pub(crate) struct Servings {
    sent: BTreeMap<PieceIndex, u64>,
}

impl Servings {
    /// `block` has been sent; returns how many bytes of its piece have been in all.
    pub(crate) fn add(&mut self, block: Block) -> u64 {
        if self.sent.len() >= MAX_REMEMBERED && !self.sent.contains_key(&block.piece) {
            let least = self.sent.iter().min_by_key(|&(_, sent)| *sent);
            if let Some((&piece, _)) = least {
                self.sent.remove(&piece);
            }
        }
        let sent = self.sent.entry(block.piece).or_default();
        *sent += u64::from(block.length);
        *sent
    }

    /// The peer has the piece: what it cost no longer matters.
    pub(crate) fn forget(&mut self, piece: PieceIndex) {
        self.sent.remove(&piece);
    }
}

/// More than anybody has incomplete at a time; some clients say nothing of pieces that we have,
/// and these remain.
const MAX_REMEMBERED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_repeats_itself_is_not_forgotten_for_others() {
        let mut servings = Servings::default();
        let block = |piece| Block {
            piece: PieceIndex::new(piece),
            begin: 0,
            length: 16_384,
        };
        let repeated = (0..10_000).fold(0, |_, piece| {
            servings.add(block(piece + 1));
            servings.add(block(0))
        });
        assert_eq!(repeated, 10_000 * 16_384);
        assert_eq!(servings.sent.len(), MAX_REMEMBERED);
        servings.forget(PieceIndex::new(0));
        assert_eq!(servings.add(block(0)), 16_384);
    }
}
