use proptest::prelude::*;

use super::*;
use crate::FileExtent;

use Priority::{First, High, Low, Normal, Skip};

fn layout(piece_length: u64, files: &[FileExtent]) -> PieceLayout {
    PieceLayout::packed(piece_length, files.iter().copied()).unwrap()
}

#[test]
fn everything_is_the_default() {
    let layout = layout(10, &[FileExtent::data(25), FileExtent::data(5)]);
    let all = Selection::everything();
    assert!(all.wants_all() && all.wants(FileIndex(7)));
    assert_eq!(all.pieces(&layout), [Normal; 3]);
    assert_eq!(all.bytes(&layout, &Bitfield::full(3)), (30, 30));
}

/// Pieces 0 and 1 are shared by two files each.
#[test]
fn a_piece_is_wanted_as_much_as_its_most_wanted_file() {
    let files = [12, 5, 3, 20].map(FileExtent::data);
    let layout = layout(10, &files);
    let selection = Selection::of_files([Low, Skip, High, Skip]);
    assert_eq!(selection.pieces(&layout), [Low, High, Skip, Skip]);
    assert!(!selection.wants_all() && !selection.wants(FileIndex(3)));
    let pieces = layout.pieces();
    let bytes: Vec<_> = pieces
        .map(|piece| selection.bytes_in(&layout, piece))
        .collect();
    assert_eq!(bytes, [10, 5, 0, 0]);
}

#[test]
fn padding_is_never_wanted() {
    let files = [
        FileExtent::data(5),
        FileExtent::pad(25),
        FileExtent::data(1),
    ];
    let layout = layout(10, &files);
    let all = Selection::everything();
    assert_eq!(all.pieces(&layout), [Normal, Skip, Skip, Normal]);
    assert_eq!(all.bytes(&layout, &Bitfield::full(4)), (6, 6));
}

#[test]
fn the_ends_of_each_wanted_file_come_first() {
    let files = [30, 0, 300, 40].map(FileExtent::data);
    let layout = layout(1, &files);
    let mut selection = Selection::of_files([Low, Normal, Normal, Skip]);
    selection.ends_first = true;
    let pieces = selection.pieces(&layout);
    let first: Vec<_> = (0..370).filter(|&piece| pieces[piece] == First).collect();
    assert_eq!(first, [0, 29, 30, 31, 32, 327, 328, 329]);
    assert_eq!((pieces[1], pieces[100], pieces[330]), (Low, Normal, Skip));
}

fn priority() -> impl Strategy<Value = Priority> {
    prop_oneof![Just(Skip), Just(Low), Just(Normal), Just(High)]
}

proptest! {
    /// Wanted bytes lie in wanted pieces, and a wanted piece has some.
    #[test]
    fn pieces_and_bytes_agree(
        files in prop::collection::vec((0..40u64, any::<bool>(), priority()), 1..12),
        piece_length in 1..30u64,
        is_aligned: bool,
    ) {
        let extents = files.iter().map(|&(length, is_pad, _)| match is_pad {
            true => FileExtent::pad(length),
            false => FileExtent::data(length),
        });
        let layout = match is_aligned {
            true => PieceLayout::aligned(piece_length, extents),
            false => PieceLayout::packed(piece_length, extents),
        };
        prop_assume!(layout.is_ok());
        let layout = layout.unwrap();
        let selection = Selection::of_files(files.iter().map(|file| file.2));
        let pieces = selection.pieces(&layout);
        let mut sum = 0;
        for piece in layout.pieces() {
            let bytes = selection.bytes_in(&layout, piece);
            sum += bytes;
            prop_assert_eq!(bytes > 0, pieces[piece.as_usize()] != Skip);
        }
        let all = Bitfield::full(layout.piece_count());
        prop_assert_eq!(selection.bytes(&layout, &all), (sum, sum));
        let none = Bitfield::new(layout.piece_count());
        prop_assert_eq!(selection.bytes(&layout, &none), (0, sum));
    }
}
