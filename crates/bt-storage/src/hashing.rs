use bt_hash::{Sha1Stream, merkle};
use bt_metainfo::Info;
use bt_types::{BLOCK_LENGTH, PieceHash, PieceIndex};

/// Hashes one piece whose bytes come one after the other, and need not be in memory together.
///
/// Pieces that are in memory anyway are better given to a [`bt_hash::Hasher`], several at a time.
pub(crate) enum PieceHasher {
    V1 {
        state: Box<Sha1Stream>,
        expected: [u8; 20],
    },
    V2 {
        leaves: Vec<[u8; 32]>,
        /// The start of a block whose end is still to come; shorter than a block.
        partial: Vec<u8>,
        padded_to: usize,
        expected: [u8; 32],
    },
}

impl PieceHasher {
    /// `None` if it is not known what the hash should be.
    pub(crate) fn new(info: &Info, piece: PieceIndex) -> Option<Self> {
        Some(match info.piece_hash(piece)? {
            PieceHash::V1(expected) => Self::V1 {
                state: Box::new(Sha1Stream::new()),
                expected,
            },
            PieceHash::V2(expected) => Self::V2 {
                leaves: Vec::new(),
                partial: Vec::new(),
                padded_to: leaf_count(info, piece),
                expected,
            },
        })
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        match self {
            Self::V1 { state, .. } => state.update(bytes),
            Self::V2 {
                leaves, partial, ..
            } => {
                while partial.len() + bytes.len() >= BLOCK {
                    let (head, rest) = bytes.split_at(BLOCK - partial.len());
                    bytes = rest;
                    if partial.is_empty() {
                        leaves.push(merkle::block_hash(head));
                    } else {
                        partial.extend_from_slice(head);
                        leaves.push(merkle::block_hash(partial));
                        partial.clear();
                    }
                }
                partial.extend_from_slice(bytes);
            }
        }
    }

    /// After the last byte: whether they were the right ones.
    pub(crate) fn finish(self) -> bool {
        match self {
            Self::V1 { state, expected } => state.finish() == expected,
            Self::V2 {
                mut leaves,
                partial,
                padded_to,
                expected,
            } => {
                if !partial.is_empty() {
                    leaves.push(merkle::block_hash(&partial));
                }
                merkle::root_of(&leaves, padded_to) == expected
            }
        }
    }
}

/// How many leaves stand below the hash of a v2 piece: those of a whole piece, or if the file has
/// no second piece, just enough for the file (BEP 52, "pieces root").
fn leaf_count(info: &Info, piece: PieceIndex) -> usize {
    let layout = info.layout();
    let nominal = u64::from(layout.nominal_piece_length());
    let file = layout.slices(piece, 0, 1).next().map(|slice| slice.file);
    let length = file.map_or(nominal, |file| layout.file_length(file).min(nominal));
    length.div_ceil(u64::from(BLOCK_LENGTH)).next_power_of_two() as usize
}

const BLOCK: usize = BLOCK_LENGTH as usize;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A v2 piece hashes the same however its bytes come, and any wrong bit shows.
        #[test]
        fn blocks_are_found_in_any_split(
            length in 1..100_000usize,
            splits in prop::collection::vec(1..40_000usize, 1..8),
            wrong in prop::option::of(any::<usize>()),
        ) {
            let mut bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let leaves: Vec<_> = bytes.chunks(BLOCK).map(merkle::block_hash).collect();
            let mut hasher = PieceHasher::V2 {
                leaves: Vec::new(),
                partial: Vec::new(),
                padded_to: 8,
                expected: merkle::root_of(&leaves, 8),
            };
            if let Some(position) = wrong {
                bytes[position % length] ^= 1;
            }
            let mut rest = bytes.as_slice();
            for split in splits.iter().cycle() {
                let (part, after) = rest.split_at(rest.len().min(*split));
                hasher.update(part);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(hasher.finish(), wrong.is_none());
        }
    }
}
