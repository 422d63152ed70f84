//! What there is to be had of the peers, as figures.

use bt_types::BLOCK_LENGTH;

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
    /// Pieces of which blocks are lacking.
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
            pieces_missing: self.availability.listed().count_ones(),
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

    /// How often the torrent is there, among the peers and us. Costs a look at each piece.
    #[must_use]
    pub fn copies(&self) -> Copies {
        self.availability.copies(&self.have)
    }

    /// Bytes of files that have not been received; what awaits its verdict has.
    #[must_use]
    pub fn bytes_missing(&self) -> u64 {
        let received = self.partials.iter().map(|(_, partial)| {
            let bytes = partial.received() as u64 * u64::from(BLOCK_LENGTH);
            bytes.min(u64::from(self.layout.data_length_of(partial.piece())))
        });
        self.bytes_left.saturating_sub(received.sum())
    }
}
