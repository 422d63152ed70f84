//! What a peer says it has while we do not know the torrent yet: kept raw, and bounded.

use bt_types::{Bitfield, BitfieldError, PieceLayout, PieceOutOfRange};

/// The pieces of a peer as it told them before the metadata was known (magnet links).
#[derive(Debug, Default)]
pub(crate) struct EarlyPieces {
    whole: Option<Whole>,
    /// Each piece that it got or lost, in order.
    changes: Vec<(u32, Change)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Change {
    Have,
    DontHave,
}

#[derive(Debug)]
enum Whole {
    Raw(Box<[u8]>),
    All,
}

/// Why the early messages turn out to be no description of this torrent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum EarlyError {
    Bitfield(BitfieldError),
    Have(PieceOutOfRange),
}

impl EarlyPieces {
    /// Another bitfield only adds; one of another length is wrong now or was before, and the
    /// later one will tell.
    pub(crate) fn set_raw(&mut self, bitfield: Box<[u8]>) {
        match &mut self.whole {
            Some(Whole::All) => {}
            Some(Whole::Raw(known)) if known.len() == bitfield.len() => {
                known
                    .iter_mut()
                    .zip(bitfield)
                    .for_each(|(known, new)| *known |= new);
            }
            whole => *whole = Some(Whole::Raw(bitfield)),
        }
    }

    pub(crate) fn set_all(&mut self) {
        self.whole = Some(Whole::All);
    }

    /// Returns `false`, and keeps nothing, once a peer has said more than a sane torrent allows.
    pub(crate) fn push_have(&mut self, piece: u32) -> bool {
        self.push(piece, Change::Have)
    }

    /// The peer no longer has a piece (BEP 54). Returns as [`push_have`](Self::push_have).
    pub(crate) fn take_back(&mut self, piece: u32) -> bool {
        self.push(piece, Change::DontHave)
    }

    pub(crate) fn have_count(&self) -> usize {
        self.changes.len()
    }

    fn push(&mut self, piece: u32, change: Change) -> bool {
        let has_room = self.changes.len() < MAX_EARLY_HAVES;
        if has_room {
            self.changes.push((piece, change));
        }
        has_room
    }

    /// What it meant, now that the torrent is known.
    pub(crate) fn resolve(self, layout: &PieceLayout) -> Result<Bitfield, EarlyError> {
        let count = layout.piece_count();
        let mut pieces = match self.whole {
            Some(Whole::Raw(bytes)) => {
                Bitfield::from_wire(&bytes, count).map_err(EarlyError::Bitfield)?
            }
            Some(Whole::All) => Bitfield::full(count),
            None => Bitfield::new(count),
        };
        for (piece, change) in self.changes {
            let piece = layout.piece_index(piece).map_err(EarlyError::Have)?;
            match change {
                Change::Have => pieces.insert(piece),
                Change::DontHave => pieces.remove(piece),
            };
        }
        Ok(pieces)
    }
}

/// 128 KiB a peer. A peer that gains more pieces than this while we still look for the metadata
/// can be met again.
const MAX_EARLY_HAVES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use bt_types::{FileExtent, PieceIndex};

    use super::*;

    #[test]
    fn what_is_said_again_only_adds() {
        let layout = PieceLayout::packed(16_384, [FileExtent::data(16_384 * 10)]).unwrap();
        let mut early = EarlyPieces::default();
        early.set_raw([0x80, 0x40].into());
        early.set_raw([0x01, 0x00].into());
        assert_eq!(early.resolve(&layout).unwrap().as_bytes(), [0x81, 0x40]);
        let mut early = EarlyPieces::default();
        early.set_all();
        early.set_raw([0, 0].into());
        assert!(early.resolve(&layout).unwrap().is_full());
    }

    #[test]
    fn what_came_early_counts_later() {
        let layout = PieceLayout::packed(16_384, [FileExtent::data(16_384 * 10)]).unwrap();
        let mut early = EarlyPieces::default();
        early.set_raw([0x80, 0x40].into());
        assert!(early.push_have(3) && early.push_have(4));
        assert!(early.take_back(4) && early.take_back(5));
        let pieces = early.resolve(&layout).unwrap();
        assert_eq!(
            pieces.iter_ones().map(PieceIndex::get).collect::<Vec<_>>(),
            [0, 3, 9]
        );
    }

    #[test]
    fn liars_are_found_out_and_floods_end() {
        let layout = PieceLayout::packed(16_384, [FileExtent::data(16_384 * 10)]).unwrap();
        let mut early = EarlyPieces::default();
        early.push_have(10);
        assert!(matches!(early.resolve(&layout), Err(EarlyError::Have(_))));
        let mut early = EarlyPieces::default();
        early.set_raw([0xff; 5].into());
        assert!(matches!(
            early.resolve(&layout),
            Err(EarlyError::Bitfield(_))
        ));
        let mut early = EarlyPieces::default();
        assert_eq!(
            (0..100_000).filter(|&n| early.push_have(n)).count(),
            MAX_EARLY_HAVES
        );
    }
}
