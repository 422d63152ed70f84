//! Layouts of any files: pieces, blocks and file slices must tile exactly.

use arbitrary::{Arbitrary, Unstructured};
use bt_types::{BLOCK_LENGTH, FileExtent, FileIndex, PieceIndex, PieceLayout};

/// Decodes a torrent's shape and some ranges that a peer asks for.
pub fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let files = input.files.iter().map(File::extent);
    let layout = if input.is_aligned {
        PieceLayout::aligned(u64::from(input.piece_length), files)
    } else {
        PieceLayout::packed(u64::from(input.piece_length), files)
    };
    let Ok(layout) = layout else {
        return;
    };
    if layout.piece_count() <= PIECES_CHECKED_ONE_BY_ONE {
        check_tiling(&layout);
    }
    for piece in [0, layout.piece_count() / 2, layout.piece_count() - 1] {
        check_piece(&layout, PieceIndex::new(piece));
    }
    for range in &input.ranges {
        check_range(&layout, range);
    }
}

#[derive(Arbitrary)]
struct Input {
    is_aligned: bool,
    piece_length: u32,
    files: Vec<File>,
    ranges: Vec<Range>,
}

#[derive(Arbitrary)]
struct File {
    is_pad: bool,
    /// Shifts `length`, so that small and huge files are equally likely.
    magnitude: u8,
    length: u16,
}

impl File {
    fn extent(&self) -> FileExtent {
        let length = u64::from(self.length) << (self.magnitude % 40);
        if self.is_pad {
            FileExtent::pad(length)
        } else {
            FileExtent::data(length)
        }
    }
}

#[derive(Arbitrary)]
struct Range {
    piece: u32,
    begin: u32,
    length: u32,
}

/// All pieces one after the other cover each file's bytes once and in order.
fn check_tiling(layout: &PieceLayout) {
    let mut seen = vec![0; layout.file_count() as usize];
    for piece in layout.pieces() {
        for slice in layout.slices(piece, 0, layout.piece_length(piece)) {
            let offset = &mut seen[slice.file.0 as usize];
            assert_eq!(slice.offset, *offset, "piece {piece}");
            *offset += u64::from(slice.length);
            assert!(layout.pieces_of(slice.file).any(|p| p == piece));
        }
    }
    for (file, seen) in seen.into_iter().enumerate() {
        assert_eq!(seen, layout.file_length(FileIndex(file as u32)));
    }
}

/// A piece's slices are its length, and its blocks hold all of its data and no byte twice.
fn check_piece(layout: &PieceLayout, piece: PieceIndex) {
    let length = layout.piece_length(piece);
    assert!((1..=layout.nominal_piece_length()).contains(&length));
    let slices = layout.slices(piece, 0, length);
    assert_eq!(slices.map(|slice| slice.length).sum::<u32>(), length);

    let mut data = 0;
    for (expected, slot) in (0..length).step_by(BLOCK_LENGTH as usize).zip(0..) {
        let Some(block) = layout.block(piece, slot) else {
            continue;
        };
        assert_eq!((block.begin, block.slot()), (expected, slot));
        assert!(block.length <= BLOCK_LENGTH);
        let checked = layout.check_range(piece.get(), block.begin, block.length);
        assert_eq!(checked, Ok(block));
        let slices = layout.slices(piece, block.begin, block.length);
        let in_files = slices.filter(|slice| !slice.is_pad);
        data += in_files.map(|slice| slice.length).sum::<u32>();
    }
    assert_eq!(data, layout.data_length_of(piece));
    assert_eq!(layout.block(piece, layout.slot_count(piece)), None);
}

/// A range is taken exactly if it lies within its piece, and then its slices are its length.
fn check_range(layout: &PieceLayout, range: &Range) {
    let Range {
        piece,
        begin,
        length,
    } = *range;
    let is_within = layout.piece_index(piece).is_ok_and(|piece| {
        let end = u64::from(begin) + u64::from(length);
        length > 0 && end <= u64::from(layout.piece_length(piece))
    });
    let checked = layout.check_range(piece, begin, length);
    assert_eq!(checked.is_ok(), is_within, "{piece} {begin} {length}");
    if let Ok(block) = checked {
        let slices = layout.slices(block.piece, begin, length);
        let covered: u64 = slices
            .inspect(|slice| {
                let end = slice.offset + u64::from(slice.length);
                assert!(slice.length > 0 && end <= layout.file_length(slice.file));
            })
            .map(|slice| u64::from(slice.length))
            .sum();
        assert_eq!(covered, u64::from(length));
    }
}

/// Bounds the time of one input; libFuzzer finds few-piece torrents by itself.
const PIECES_CHECKED_ONE_BY_ONE: u32 = 512;
