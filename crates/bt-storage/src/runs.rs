use std::iter::Peekable;

use bt_types::{FileIndex, FileSlice};

/// Neighbouring bytes of one file: what one system call can read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Run {
    pub(crate) file: FileIndex,
    pub(crate) offset: u64,
    /// May be longer than a piece.
    pub(crate) length: usize,
    pub(crate) is_pad: bool,
}

/// Joins slices that follow each other in one file.
pub(crate) fn runs(slices: impl Iterator<Item = FileSlice>) -> impl Iterator<Item = Run> {
    Runs(slices.peekable())
}

struct Runs<I: Iterator<Item = FileSlice>>(Peekable<I>);

impl<I: Iterator<Item = FileSlice>> Iterator for Runs<I> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let first = self.0.next()?;
        let mut run = Run {
            file: first.file,
            offset: first.offset,
            length: first.length as usize,
            is_pad: first.is_pad,
        };
        let mut end = first.offset + u64::from(first.length);
        while let Some(next) = self
            .0
            .next_if(|next| (next.file, next.offset) == (run.file, end))
        {
            run.length += next.length as usize;
            end += u64::from(next.length);
        }
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use bt_types::{FileExtent, PieceLayout};

    use super::*;

    #[test]
    fn pieces_of_one_file_are_one_run() {
        let files = [
            FileExtent::data(70),
            FileExtent::pad(10),
            FileExtent::data(45),
        ];
        let layout = PieceLayout::packed(20, files).unwrap();
        let slices = layout
            .pieces()
            .flat_map(|piece| layout.slices(piece, 0, layout.piece_length(piece)));
        let found: Vec<_> = runs(slices)
            .map(|run| (run.file.0, run.offset, run.length, run.is_pad))
            .collect();
        assert_eq!(
            found,
            [(0, 0, 70, false), (1, 0, 10, true), (2, 0, 45, false)]
        );
    }

    #[test]
    fn a_gap_ends_a_run() {
        let layout = PieceLayout::packed(20, [FileExtent::data(80)]).unwrap();
        let pieces = [0, 1, 3].map(bt_types::PieceIndex::new);
        let slices = pieces.iter().flat_map(|&piece| layout.slices(piece, 0, 20));
        let found: Vec<_> = runs(slices).map(|run| (run.offset, run.length)).collect();
        assert_eq!(found, [(0, 40), (60, 20)]);
    }
}
