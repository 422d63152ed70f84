use proptest::prelude::*;

use super::*;

#[test]
fn the_last_piece_is_short() {
    let layout = packed(16_384, &[data(40_000)]);
    assert_eq!(lengths(&layout), [16_384, 16_384, 7_232]);
    assert_eq!(layout.data_length(), 40_000);
}

#[test]
fn aligned_files_start_pieces_and_end_them() {
    let files = [data(20_000), data(0), data(5), data(16_384)];
    let layout = PieceLayout::aligned(16_384, files).unwrap();
    assert_eq!(lengths(&layout), [16_384, 3_616, 5, 16_384]);
    assert_eq!(slices(&layout, 2), [(2, 0, 5)]);
    assert_eq!(
        layout.pieces_of(FileIndex(3)).collect::<Vec<_>>(),
        [PieceIndex::new(3)]
    );
    assert_eq!(layout.pieces_of(FileIndex(1)).len(), 0);
}

#[test]
fn padding_is_never_requested() {
    // 16 KiB + 100 bytes of data, padded to 64 KiB, then 10 bytes more.
    let layout = packed(65_536, &[data(16_484), FileExtent::pad(49_052), data(10)]);
    let blocks: Vec<_> = layout
        .blocks(PieceIndex::new(0))
        .map(|b| (b.begin, b.length))
        .collect();
    assert_eq!(blocks, [(0, 16_384), (16_384, 100)]);
    assert_eq!(layout.data_length_of(PieceIndex::new(0)), 16_484);
    assert_eq!(layout.piece_length(PieceIndex::new(0)), 65_536);
    assert_eq!(layout.data_length(), 16_494);
}

#[test]
fn padding_between_data_in_one_block_is_part_of_it() {
    let layout = packed(
        16_384,
        &[data(10), FileExtent::pad(10), data(10), FileExtent::pad(5)],
    );
    let blocks: Vec<_> = layout
        .blocks(PieceIndex::new(0))
        .map(|b| b.length)
        .collect();
    assert_eq!(blocks, [30]);
}

#[test]
fn ranges_from_outside_are_checked() {
    let layout = packed(16_384, &[data(20_000)]);
    assert!(layout.check_range(1, 0, 3_616).is_ok());
    for (piece, begin, length) in [
        (2, 0, 1),
        (1, 0, 3_617),
        (0, 0, 0),
        (0, u32::MAX, 2),
        (0, 16_384, 1),
        (u32::MAX, 0, 1),
    ] {
        assert!(
            layout.check_range(piece, begin, length).is_err(),
            "{piece} {begin} {length}"
        );
    }
}

#[test]
fn absurd_torrents_are_refused() {
    let check = |piece_length, length, error| {
        assert_eq!(
            PieceLayout::packed(piece_length, [data(length)]),
            Err(error)
        );
    };
    check(0, 1, LayoutError::PieceLength(0));
    check(1 << 60, 1, LayoutError::PieceLength(1 << 60));
    check(16_384, 0, LayoutError::Empty);
    check(16_384, u64::MAX, LayoutError::TooLong);
    check(1, 0x20_0001, LayoutError::TooManyPieces(0x20_0001));
    let two = [data(1 << 47), data((1 << 47) + 1)];
    assert_eq!(PieceLayout::packed(1 << 28, two), Err(LayoutError::TooLong));
    assert_eq!(
        PieceLayout::packed(16_384, [FileExtent::pad(5)]),
        Err(LayoutError::Empty)
    );
}

proptest! {
    /// Pieces tile the files exactly, blocks tile the data of each piece, in both layouts.
    #[test]
    fn everything_is_covered_once(
        piece_length in 1_u64..70_000,
        files in prop::collection::vec((0_u64..100_000, any::<bool>()), 1..12),
        aligned: bool,
    ) {
        let extents = files.iter().map(|&(length, is_pad)| FileExtent { length, is_pad });
        let build = if aligned { PieceLayout::aligned } else { PieceLayout::packed };
        let Ok(layout) = build_with(build, piece_length, extents.collect()) else { return Ok(()) };
        let mut next = vec![0; files.len()];
        for piece in layout.pieces() {
            let length = layout.piece_length(piece);
            prop_assert!(length > 0 && u64::from(length) <= piece_length);
            let mut covered = 0;
            for slice in layout.slices(piece, 0, length) {
                let file = slice.file.0 as usize;
                prop_assert_eq!(slice.offset, next[file]);
                prop_assert!(layout.pieces_of(slice.file).any(|other| other == piece));
                next[file] += u64::from(slice.length);
                covered += slice.length;
            }
            prop_assert_eq!(covered, length);
            let data: u32 = layout.blocks(piece)
                .flat_map(|block| layout.slices(piece, block.begin, block.length))
                .filter(|slice| !slice.is_pad)
                .map(|slice| slice.length)
                .sum();
            prop_assert_eq!(data, layout.data_length_of(piece));
        }
        let lengths: Vec<_> = files.iter().map(|&(length, _)| length).collect();
        prop_assert_eq!(next, lengths);
    }
}

fn build_with(
    build: fn(u64, Vec<FileExtent>) -> Result<PieceLayout, LayoutError>,
    piece_length: u64,
    files: Vec<FileExtent>,
) -> Result<PieceLayout, LayoutError> {
    build(piece_length, files)
}

fn packed(piece_length: u64, files: &[FileExtent]) -> PieceLayout {
    PieceLayout::packed(piece_length, files.iter().copied()).unwrap()
}

fn data(length: u64) -> FileExtent {
    FileExtent::data(length)
}

fn lengths(layout: &PieceLayout) -> Vec<u32> {
    layout
        .pieces()
        .map(|piece| layout.piece_length(piece))
        .collect()
}

fn slices(layout: &PieceLayout, piece: u32) -> Vec<(u32, u64, u32)> {
    let piece = PieceIndex::new(piece);
    let slices = layout.slices(piece, 0, layout.piece_length(piece));
    slices
        .map(|slice| (slice.file.0, slice.offset, slice.length))
        .collect()
}
