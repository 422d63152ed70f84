use crate::{Bitfield, PieceIndex, TorrentIds};

/// What is worth knowing of a torrent when its download goes on later, perhaps in another process
/// or after the machine has been started again.
///
/// Two levels are told apart, since they survive different things: what is [`written`](Self::written)
/// has been handed to the operating system and outlives a killed process; what is
/// [`synced`](Self::synced) is on the medium and outlives a power failure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResumeState {
    /// Which torrent.
    pub ids: TorrentIds,
    /// The pieces that were verified and written.
    pub written: Bitfield,
    /// Those of them that are known to be on the medium.
    pub synced: Bitfield,
    /// Pieces of which some blocks are written, unverified; ascending, each once, and none that is
    /// in `written`.
    pub partial: Vec<PartialPiece>,
    /// Payload sent and received, all runs together.
    pub totals: Totals,
}

/// A piece of which some blocks are on disk, unverified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PartialPiece {
    /// Which one.
    pub piece: PieceIndex,
    /// Which of its blocks, by their places on the 16 KiB grid
    /// ([`PieceLayout::block`](crate::PieceLayout::block)); ascending, each once.
    pub slots: Vec<u32>,
}

/// Payload of a torrent, in bytes, over as long a time as is wished.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Received, whether useful or not.
    pub downloaded: u64,
    /// Sent.
    pub uploaded: u64,
}

impl ResumeState {
    /// Nothing of the torrent is here.
    #[must_use]
    pub fn nothing(ids: TorrentIds, piece_count: u32) -> Self {
        Self {
            ids,
            written: Bitfield::new(piece_count),
            synced: Bitfield::new(piece_count),
            partial: Vec::new(),
            totals: Totals::default(),
        }
    }
}

impl std::ops::Add for Totals {
    type Output = Self;

    /// As much as fits, should a record claim more than anybody can have moved.
    fn add(self, more: Self) -> Self {
        Self {
            downloaded: self.downloaded.saturating_add(more.downloaded),
            uploaded: self.uploaded.saturating_add(more.uploaded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InfoHash;

    #[test]
    fn nothing_is_nothing() {
        let ids = TorrentIds::v1_only(InfoHash([1; 20]));
        let nothing = ResumeState::nothing(ids, 9);
        assert_eq!((nothing.written.len(), nothing.synced.count_ones()), (9, 0));
        assert!(nothing.partial.is_empty());
    }

    #[test]
    fn totals_do_not_overflow() {
        let most = Totals {
            downloaded: u64::MAX,
            uploaded: 1,
        };
        let sum = most + most;
        assert_eq!((sum.downloaded, sum.uploaded), (u64::MAX, 2));
    }
}
