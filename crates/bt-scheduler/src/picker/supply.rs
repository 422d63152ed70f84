//! What there is to be had of the peers, as figures.

use bt_types::{BLOCK_LENGTH, Priority};

use super::Picker;
use crate::Copies;

/// What the peers have for us, and give: all of them together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Supply {
    /// Peers that have a piece that we want.
    pub interesting: usize,
    /// Of these, those that do not choke us.
    pub serving: usize,
    /// Of those that serve, the ones that were asked and have not answered in time.
    pub snubbed: usize,
    /// Requests that may still be answered.
    pub outstanding: usize,
    /// Pieces that are wanted, and of which blocks are lacking.
    pub pieces_missing: u32,
    /// Of these, those that no peer has.
    pub pieces_nowhere: u32,
    /// Of these, those that one peer alone has.
    pub pieces_sole: u32,
}

impl Picker {
    /// What the peers have for us. Costs a look at each of them and at each piece in progress.
    #[must_use]
    pub fn supply(&self) -> Supply {
        let mut supply = Supply {
            outstanding: self.outstanding,
            pieces_missing: self.availability.listed_count() as u32,
            pieces_nowhere: self.availability.listed_with(0),
            pieces_sole: self.availability.listed_with(1),
            ..Supply::default()
        };
        for peer in self.peers.iter().filter(|peer| peer.wanted > 0) {
            supply.interesting += 1;
            supply.serving += usize::from(!peer.is_choking);
            supply.snubbed += usize::from(!peer.is_choking && peer.is_snubbed());
        }
        let begun = self.partials.iter().map(|(_, partial)| partial);
        for partial in begun.filter(|partial| !partial.is_received()) {
            let availability = self.availability.of(partial.piece());
            supply.pieces_missing += 1;
            supply.pieces_nowhere += u32::from(availability == 0);
            supply.pieces_sole += u32::from(availability == 1);
        }
        supply
    }

    /// How often what is wanted of the torrent is there, among the peers and us. Costs a look at each
    /// piece.
    #[must_use]
    pub fn copies(&self) -> Copies {
        self.availability.copies(&self.have)
    }

    /// Bytes of files that have not been received, in pieces that are wanted; what awaits its verdict
    /// has. Costs a look at each piece.
    #[must_use]
    pub fn bytes_missing(&self) -> u64 {
        let is_wanted = |piece| self.availability.priority(piece) != Priority::Skip;
        let begun = self.partials.iter().map(|(_, partial)| partial);
        let received = begun.filter(|partial| is_wanted(partial.piece()));
        let received = received.map(|partial| {
            let bytes = partial.received() as u64 * u64::from(BLOCK_LENGTH);
            bytes.min(u64::from(self.layout.data_length_of(partial.piece())))
        });
        let unwanted = self.layout.pieces();
        let unwanted = unwanted.filter(|&piece| !is_wanted(piece) && !self.have.get(piece));
        let unwanted = unwanted.map(|piece| u64::from(self.layout.data_length_of(piece)));
        let wanted = self.bytes_left.saturating_sub(unwanted.sum());
        wanted.saturating_sub(received.sum())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bt_types::{Bitfield, ConnId, FileExtent, PieceIndex, PieceLayout};

    use super::*;
    use crate::{PickerConfig, Received};

    /// Four pieces of four blocks; the last piece is half as long.
    #[test]
    fn figures_follow_what_happens() {
        let extent = [FileExtent::data(14 * u64::from(BLOCK_LENGTH))];
        let layout = Arc::new(PieceLayout::packed(u64::from(4 * BLOCK_LENGTH), extent).unwrap());
        let config = PickerConfig::default();
        let mut picker = Picker::new(layout, Bitfield::new(4), config, [7; 32]);
        let now = epoch();
        let figures = |picker: &Picker| {
            let supply = picker.supply();
            assert_eq!(supply.outstanding, picker.outstanding_total());
            (
                (supply.interesting, supply.serving, supply.snubbed),
                (
                    supply.pieces_missing,
                    supply.pieces_nowhere,
                    supply.pieces_sole,
                ),
            )
        };
        assert_eq!(figures(&picker), ((0, 0, 0), (4, 4, 0)));
        assert_eq!(picker.copies().to_string(), "0.000");

        let [one, two] = [ConnId(1), ConnId(2)];
        for (conn, pieces) in [(one, &[0, 1, 2, 3][..]), (two, &[0])] {
            picker.add_peer(now, conn, 250);
            let mut has = Bitfield::new(4);
            for &piece in pieces {
                has.insert(PieceIndex::new(piece));
            }
            picker.set_peer_pieces(conn, has);
        }
        assert_eq!(figures(&picker), ((2, 0, 0), (4, 0, 3)));
        assert_eq!(picker.copies().to_string(), "1.250");

        picker.unchoked(now, two);
        let mut asked = Vec::new();
        picker.pick(now, two, 100, &mut asked);
        assert_eq!(asked.len(), 4);
        assert_eq!(figures(&picker), ((2, 1, 0), (4, 0, 3)));
        for (received, &block) in (1..).zip(&asked) {
            let answer = picker.handle_block(now, two, block);
            assert!(matches!(answer, Received::Accepted { .. }));
            let missing = (14 - received) * u64::from(BLOCK_LENGTH);
            assert_eq!(picker.bytes_missing(), missing);
        }
        // Nothing of it is lacking, and who has it is interesting until the verdict.
        assert_eq!(figures(&picker), ((2, 1, 0), (3, 0, 3)));
        let piece = asked[0].piece;
        picker.piece_failed(piece);
        assert_eq!(picker.bytes_missing(), picker.bytes_left());
        assert_eq!(figures(&picker), ((2, 1, 0), (4, 0, 3)));

        asked.clear();
        picker.pick(now, two, 100, &mut asked);
        let later = picker.poll_timeout().unwrap();
        picker.handle_timeout(later);
        assert_eq!(figures(&picker).0, (2, 1, 1), "it does not answer");

        picker.piece_verified(piece);
        assert_eq!(figures(&picker), ((1, 0, 0), (3, 0, 3)));
        assert_eq!(picker.copies().to_string(), "1.250", "with ours");
        picker.remove_peer(later, one);
        assert_eq!(figures(&picker), ((0, 0, 0), (3, 3, 0)));
        assert_eq!(picker.copies().to_string(), "0.250");
    }

    /// Six pieces of two blocks, of which the last three are not wanted; one of these is at hand.
    #[test]
    fn what_is_not_wanted_limits_nothing() {
        let extent = [FileExtent::data(12 * u64::from(BLOCK_LENGTH))];
        let layout = Arc::new(PieceLayout::packed(u64::from(2 * BLOCK_LENGTH), extent).unwrap());
        let mut have = Bitfield::new(6);
        have.insert(PieceIndex::new(5));
        let mut picker = Picker::new(layout, have, PickerConfig::default(), [7; 32]);
        let now = epoch();
        let conn = ConnId(1);
        picker.add_peer(now, conn, 250);
        picker.set_peer_pieces(
            conn,
            [0, 1]
                .map(PieceIndex::new)
                .into_iter()
                .fold(Bitfield::new(6), |mut has, piece| {
                    has.insert(piece);
                    has
                }),
        );
        let pieces = |picker: &Picker| {
            let supply = picker.supply();
            (
                supply.pieces_missing,
                supply.pieces_nowhere,
                supply.pieces_sole,
            )
        };
        assert_eq!(pieces(&picker), (5, 3, 2));
        assert_eq!(picker.bytes_missing(), 10 * u64::from(BLOCK_LENGTH));
        assert_eq!(picker.copies().to_string(), "0.500");

        let some = [Priority::Normal; 3].into_iter();
        let some: Vec<_> = some.chain([Priority::Skip; 3]).collect();
        assert_eq!(picker.set_priorities(now, &some), []);
        assert_eq!(pieces(&picker), (3, 1, 2));
        assert_eq!(picker.bytes_missing(), 6 * u64::from(BLOCK_LENGTH));
        assert_eq!(picker.copies().to_string(), "0.666");

        picker.set_priorities(now, &[Priority::Skip; 6]);
        assert_eq!(pieces(&picker), (0, 0, 0));
        assert_eq!(picker.bytes_missing(), 0);
        assert_eq!(picker.supply().interesting, 0);
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary epoch; only offsets from it matter"
    )]
    fn epoch() -> std::time::Instant {
        std::time::Instant::now()
    }
}
