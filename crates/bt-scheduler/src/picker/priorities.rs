//! What is wanted, and what of it comes first.

use std::time::Instant;

use bt_types::{PieceIndex, Priority};

use super::Picker;
use crate::availability::Stage;

impl Picker {
    /// Changes how much each piece is wanted, one priority a piece; at first all are
    /// [`Normal`](Priority::Normal). The higher come first, and among them the rarest.
    ///
    /// Requests for what is not wanted any more are cancelled, and what has come of such pieces is
    /// of no use: returns them. A piece of which all has come still awaits its verdict. What is
    /// verified stays so.
    ///
    /// # Panics
    /// If there are not as many as pieces.
    pub fn set_priorities(&mut self, now: Instant, priorities: &[Priority]) -> Vec<PieceIndex> {
        let piece_count = self.layout.piece_count() as usize;
        assert_eq!(priorities.len(), piece_count, "pieces of another torrent");
        let mut abandoned = Vec::new();
        let mut is_changed = false;
        for (piece, &priority) in self.layout.pieces().zip(priorities) {
            if self.availability.priority(piece) == priority {
                continue;
            }
            is_changed = true;
            let stage = self.availability.stage(piece);
            if priority == Priority::Skip && self.may_abandon(stage) {
                self.close(stage);
                self.availability.finish(piece);
                abandoned.extend(matches!(stage, Stage::Partial(_)).then_some(piece));
            }
            self.availability.set_priority(piece, priority);
            let is_needed = stage == Stage::Done && !self.have.get(piece);
            if is_needed && priority != Priority::Skip && self.layout.data_length_of(piece) > 0 {
                self.availability.relist(piece);
            }
        }
        if is_changed {
            (0..self.peers.len()).for_each(|at| self.recount(at));
            self.blocks_are_free(now);
        }
        abandoned
    }

    /// How much `piece` is wanted.
    #[must_use]
    pub fn priority(&self, piece: PieceIndex) -> Priority {
        self.availability.priority(piece)
    }

    /// Whether pieces of one priority are begun in their order, instead of the rarest first: for
    /// who uses a file while it comes. Several peers are at work on several pieces all the same.
    pub fn set_in_order(&mut self, is_in_order: bool) {
        self.is_in_order = is_in_order;
    }

    /// Counts anew what a peer has of what we want.
    pub(super) fn recount(&mut self, at: usize) {
        let pieces = &self.peers[at].pieces;
        let listed = self.availability.count_listed(pieces);
        let begun = self.partials.iter();
        let begun = begun.filter(|(_, partial)| pieces.get(partial.piece()));
        let wanted = listed + begun.count() as u32;
        let peer = &mut self.peers[at];
        (peer.listed, peer.wanted) = (listed, wanted);
    }

    /// Whether work at a piece in this stage can end without a verdict.
    fn may_abandon(&self, stage: Stage) -> bool {
        match stage {
            Stage::Partial(id) => self.partials.get(id).missing() > 0,
            Stage::Listed => true,
            Stage::Done => false,
        }
    }
}
