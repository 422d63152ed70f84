use crate::{Bitfield, FileIndex, PieceIndex, PieceLayout};

/// How much a file or a piece is wanted: the greater, the sooner.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Priority {
    /// Not at all: it is not asked for.
    Skip,
    /// When nothing else is to be had.
    Low,
    /// As everything of which nobody says otherwise.
    #[default]
    Normal,
    /// Before the others.
    High,
    /// Before everything: what a player or a person looks at first.
    First,
}

/// Which files of a torrent are wanted, and what of them comes first.
///
/// A value, which says nothing of what is there already. The default is everything, in any order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Selection {
    /// Of each file, by its place in the torrent. Files beyond the end are `Normal`.
    files: Vec<Priority>,
    /// Whether pieces of one priority come in their order, rather than the rarest first.
    pub in_order: bool,
    /// Whether the first and the last pieces of each wanted file come before everything else:
    /// what a player needs to show it.
    pub ends_first: bool,
}

impl Selection {
    /// Everything, in any order.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// These priorities, one for each file in the order of the torrent, pad files counted; what
    /// they say of pad files means nothing. Files for which there is none are
    /// [`Normal`](Priority::Normal).
    #[must_use]
    pub fn of_files(files: impl IntoIterator<Item = Priority>) -> Self {
        Self {
            files: files.into_iter().collect(),
            ..Self::default()
        }
    }

    /// How much `file` is wanted.
    #[must_use]
    pub fn priority_of(&self, file: FileIndex) -> Priority {
        let known = self.files.get(file.0 as usize);
        known.copied().unwrap_or_default()
    }

    /// Whether `file` is wanted at all.
    #[must_use]
    pub fn wants(&self, file: FileIndex) -> bool {
        self.priority_of(file) != Priority::Skip
    }

    /// Whether no file is left out.
    #[must_use]
    pub fn wants_all(&self) -> bool {
        !self.files.contains(&Priority::Skip)
    }

    /// How much each piece of a torrent is wanted: as much as the file in it that is wanted most.
    /// Pieces that hold nothing but padding are not.
    #[must_use]
    pub fn pieces(&self, layout: &PieceLayout) -> Vec<Priority> {
        let mut pieces = vec![Priority::Skip; layout.piece_count() as usize];
        let mut raise = |piece: PieceIndex, priority: Priority| {
            let known = &mut pieces[piece.as_usize()];
            *known = priority.max(*known);
        };
        for file in (0..layout.file_count()).map(FileIndex) {
            let priority = self.priority_of(file);
            if layout.is_pad(file) || priority == Priority::Skip {
                continue;
            }
            let of_file = layout.pieces_of(file);
            let end = of_file.len().div_ceil(ENDS);
            let inner = end..of_file.len().saturating_sub(end);
            for (place, piece) in of_file.enumerate() {
                let is_end = self.ends_first && !inner.contains(&place);
                raise(piece, if is_end { Priority::First } else { priority });
            }
        }
        pieces
    }

    /// Bytes of wanted files in `piece`, padding not counted.
    #[must_use]
    pub fn bytes_in(&self, layout: &PieceLayout, piece: PieceIndex) -> u64 {
        if self.wants_all() {
            return layout.data_length_of(piece).into();
        }
        let slices = layout.slices(piece, 0, layout.piece_length(piece));
        slices
            .filter(|slice| !slice.is_pad && self.wants(slice.file))
            .map(|slice| u64::from(slice.length))
            .sum()
    }

    /// Bytes of wanted files in the pieces of `have`, and in all.
    #[must_use]
    pub fn bytes(&self, layout: &PieceLayout, have: &Bitfield) -> (u64, u64) {
        let had = have.iter_ones().map(|piece| self.bytes_in(layout, piece));
        let files = (0..layout.file_count()).map(FileIndex);
        let wanted = files.filter(|&file| !layout.is_pad(file) && self.wants(file));
        let all = wanted.map(|file| layout.file_length(file));
        (had.sum(), all.sum())
    }
}

/// The ends of a file are a hundredth of its pieces each, and at least one (qBittorrent): an index
/// at the end of a film is as long as the film.
const ENDS: usize = 100;

#[cfg(test)]
mod tests;
