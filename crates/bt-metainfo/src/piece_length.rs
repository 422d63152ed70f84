/// The piece length in bytes that suits a new torrent of `length` bytes: a power of two from
/// 16 KiB to 16 MiB.
///
/// It grows with the square root of the content, as the list of hashes does, so that neither the
/// `.torrent` nor what a failed piece costs gets out of hand: 16 KiB up to 2.5 MiB, 512 KiB at
/// 1 GiB, 4 MiB at 100 GiB. libtorrent's automatic choice is the same. Only content of more than
/// 32 TiB gets longer pieces, since clients take no more than 2^21 of them.
///
/// ```
/// assert_eq!(bt_metainfo::suggest_piece_length(700 << 20), 512 << 10);
/// ```
#[must_use]
pub fn suggest_piece_length(length: u64) -> u32 {
    let suits = |piece_length: u64| {
        let is_balanced = length <= (piece_length * piece_length + 50) / 100;
        let is_long = piece_length >= LONGEST && length.div_ceil(piece_length) <= MOST_PIECES;
        is_balanced || is_long
    };
    let mut piece_length = SHORTEST;
    while !suits(piece_length) && piece_length < LONGEST_AT_ALL {
        piece_length *= 2;
    }
    piece_length as u32
}

/// A block: less could not be asked for at once anyway.
const SHORTEST: u64 = 16 << 10;
/// More is long to wait for before anything can be shared.
const LONGEST: u64 = 16 << 20;
/// See [`bt_types::LayoutError::TooManyPieces`].
const MOST_PIECES: u64 = 1 << 21;
/// The longest that libtorrent takes. With [`MOST_PIECES`] of them it is 256 TiB, the most that a
/// torrent may hold.
const LONGEST_AT_ALL: u64 = 128 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The table in libtorrent's `create_torrent.cpp`: content up to this long has pieces of
    /// 16 KiB, and so on.
    #[test]
    fn as_libtorrent_chooses() {
        let table = [
            2_684_355,
            10_737_418,
            42_949_673,
            171_798_692,
            687_194_767,
            2_748_779_069,
            10_995_116_278,
            43_980_465_111,
            175_921_860_444,
            703_687_441_777,
        ];
        for (row, length) in table.into_iter().enumerate() {
            assert_eq!(suggest_piece_length(length), 16_384 << row, "{length}");
            assert_eq!(suggest_piece_length(length + 1), 32_768 << row, "{length}");
        }
        assert_eq!(suggest_piece_length(0), 16_384);
        assert_eq!(suggest_piece_length(32 << 40), 16 << 20);
        assert_eq!(suggest_piece_length((32 << 40) + 1), 32 << 20);
        assert_eq!(suggest_piece_length(u64::MAX), 128 << 20);
    }

    proptest! {
        #[test]
        fn any_content_that_can_be_a_torrent_becomes_one(length in 1..=1_u64 << 48) {
            let piece_length = suggest_piece_length(length);
            let files = [bt_types::FileExtent::data(length)];
            prop_assert!(piece_length.is_power_of_two());
            prop_assert!(bt_types::PieceLayout::packed(piece_length.into(), files).is_ok());
        }
    }
}
