//! The Merkle trees of v2 torrents (BEP 52).
//!
//! A leaf is the SHA-256 of a 16 KiB block, the last block of a file being as short as it is. A
//! leaf that the file does not reach is 32 zero bytes, which is *not* the hash of a block of zeros.
//! A node is the SHA-256 of its two children.
//!
//! ```
//! use bt_hash::merkle;
//!
//! // A file of three blocks, in a tree of four leaves.
//! let leaves = [&[1; 16_384][..], &[2; 16_384], &[3; 100]].map(merkle::block_hash);
//! let left = merkle::node_hash(&leaves[0], &leaves[1]);
//! let right = merkle::node_hash(&leaves[2], &[0; 32]);
//! assert_eq!(merkle::root_of(&leaves, 4), merkle::node_hash(&left, &right));
//! ```

use sha2::{Digest as _, Sha256};

/// The leaf of one block: at most 16 KiB, not padded.
#[must_use]
pub fn block_hash(block: &[u8]) -> [u8; 32] {
    crate::sha256(block)
}

/// The node above two others.
#[must_use]
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new_with_prefix(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The root of a tree of `padded_to` leaves, the first of which are `leaves` and the others zero.
///
/// For a piece, `padded_to` is its nominal length in blocks; for a file of one piece at most, the
/// next power of two of its own number of blocks.
///
/// # Panics
/// If `padded_to` is not a power of two, or smaller than the number of leaves.
#[must_use]
pub fn root_of(leaves: &[[u8; 32]], padded_to: usize) -> [u8; 32] {
    root_of_layer(leaves, 0, padded_to)
}

/// The root above a layer of `padded_to` nodes, the first of which are `nodes` and the others
/// stand over zero leaves only. `height` is that of the layer: 0 for leaves.
///
/// A file's `piece layers` are such a layer, at the height log2(piece length / 16 KiB).
///
/// # Panics
/// If `padded_to` is not a power of two, or smaller than the number of nodes.
#[must_use]
pub fn root_of_layer(nodes: &[[u8; 32]], height: u32, padded_to: usize) -> [u8; 32] {
    assert!(
        padded_to.is_power_of_two() && nodes.len() <= padded_to,
        "{} nodes padded to {padded_to}",
        nodes.len()
    );
    // Only the nodes that the file reaches are computed; what lies beyond is `absent`.
    let mut absent = zero_subtree(height);
    let mut layer = nodes.to_vec();
    for _ in 0..padded_to.ilog2() {
        for parent in 0..layer.len().div_ceil(2) {
            let right = layer.get(2 * parent + 1).unwrap_or(&absent);
            layer[parent] = node_hash(&layer[2 * parent], right);
        }
        layer.truncate(layer.len().div_ceil(2));
        absent = node_hash(&absent, &absent);
    }
    layer.first().copied().unwrap_or(absent)
}

/// The root of a tree of 2^`height` zero leaves: what stands for everything beyond a file's end.
#[must_use]
pub fn zero_subtree(height: u32) -> [u8; 32] {
    (0..height).fold([0; 32], |node, _| node_hash(&node, &node))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zero_subtrees() {
        for (height, expected) in ZERO_SUBTREES {
            assert_eq!(hex(&zero_subtree(height)), expected, "height {height}");
        }
    }

    /// Files of zeros: the data is zero, the leaves are not.
    #[test]
    fn roots_of_files() {
        for (length, piece_length, root) in ZERO_FILES {
            let (found, layer) = root_and_layer(&vec![0; length], piece_length);
            assert_eq!(
                hex(&found),
                root,
                "{length} bytes in pieces of {piece_length}"
            );
            // Both ways lead to the same root (a file of one piece has no layer).
            if length > piece_length {
                let height = (piece_length / BLOCK).ilog2();
                let padded = layer.len().next_power_of_two();
                assert_eq!(hex(&root_of_layer(&layer, height, padded)), root);
            }
        }
    }

    #[test]
    fn layers_of_files() {
        let layer_digest = |length, piece_length| {
            let (_, layer) = root_and_layer(&vec![0; length], piece_length);
            (layer.len(), hex(&crate::sha256(&layer.concat())))
        };
        assert_eq!(
            layer_digest(49_152, 16_384),
            (
                3,
                "58d612233c650044d6ebdbe77af2a6b826445f15d628f00af6f7083d6d35daaa".to_owned()
            )
        );
        assert_eq!(
            layer_digest(196_613, 65_536),
            (
                4,
                "eadca8030aa46f3556162b1bf8225396b4bbbaa5adf30802e702bf3f3c172b3d".to_owned()
            )
        );
    }

    /// Six blocks of the bytes 1 to 6, the last one of 1000 bytes only.
    #[test]
    fn six_blocks() {
        let leaves: Vec<_> = (1..=6)
            .map(|byte| block_hash(&vec![byte; if byte == 6 { 1000 } else { BLOCK }]))
            .collect();
        assert_eq!(
            hex(&leaves[0]),
            "111ce3c2a38d83a2e4706bde4abddd509d7f8248116c6832b06745bdc349e09f"
        );
        assert_eq!(
            hex(&leaves[5]),
            "fc59cd0fabe99365f01451373e3c0f31af020aace9543284ef6314f8e0538874"
        );
        assert_eq!(
            hex(&root_of(&leaves[4..], 4)),
            "6fa6a4f212e9d18377632febd899024a0fcab69bb0c121dd629b75575620bd3b"
        );
        assert_eq!(
            hex(&root_of(&leaves, 8)),
            "1a49a45d2844ff35d2f294368922a43fb4cee2322fe4a1a87187c89eff4423d3"
        );
    }

    #[test]
    #[should_panic(expected = "3 nodes padded to 2")]
    fn more_nodes_than_places() {
        let _ = root_of(&[[0; 32]; 3], 2);
    }

    proptest! {
        /// Against the definition: pad with zero leaves, then hash level by level.
        #[test]
        fn absent_leaves_are_zero_leaves(
            mut leaves in prop::collection::vec(any::<[u8; 32]>(), 0..40),
            extra in 0_u32..3,
        ) {
            let padded_to = leaves.len().next_power_of_two() << extra;
            let found = root_of(&leaves, padded_to);
            leaves.resize(padded_to, [0; 32]);
            while leaves.len() > 1 {
                leaves = leaves.chunks(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
            }
            prop_assert_eq!(found, leaves[0]);
        }
    }

    fn root_and_layer(file: &[u8], piece_length: usize) -> ([u8; 32], Vec<[u8; 32]>) {
        let leaves: Vec<_> = file.chunks(BLOCK).map(block_hash).collect();
        let per_piece = piece_length / BLOCK;
        let layer = leaves
            .chunks(per_piece)
            .map(|piece| root_of(piece, per_piece));
        (
            root_of(&leaves, leaves.len().next_power_of_two()),
            layer.collect(),
        )
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    const BLOCK: usize = 16 * 1024;

    const ZERO_SUBTREES: [(u32, &str); 6] = [
        (
            0,
            "0000000000000000000000000000000000000000000000000000000000000000",
        ),
        (
            1,
            "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b",
        ),
        (
            2,
            "db56114e00fdd4c1f85c892bf35ac9a89289aaecb1ebd0a96cde606a748b5d71",
        ),
        (
            5,
            "9efde052aa15429fae05bad4d0b1d7c64da64d03d7a1854a588c2cb8430c0d30",
        ),
        (
            8,
            "26846476fd5fc54a5d43385167c95144f2643f533cc85bb9d16b782f8d7db193",
        ),
        (
            10,
            "ffff0ad7e659772f9534c195c815efc4014ef1e1daed4404c06385d11192e92b",
        ),
    ];

    /// Length, piece length, root.
    const ZERO_FILES: [(usize, usize, &str); 9] = [
        (
            1,
            16_384,
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        ),
        (
            16_384,
            16_384,
            "4fe7b59af6de3b665b67788cc2f99892ab827efae3a467342b3bb4e3bc8e5bfe",
        ),
        (
            16_385,
            16_384,
            "477e14ff3453ec4ec3855f8753cb07288aade5618a473ccc2ab1208886e460ec",
        ),
        (
            16_385,
            32_768,
            "477e14ff3453ec4ec3855f8753cb07288aade5618a473ccc2ab1208886e460ec",
        ),
        (
            32_768,
            32_768,
            "c36d0dd6a886e1fce758b6b5c531b703a1f21e8f6453785c390931cf8fa8a76d",
        ),
        (
            49_152,
            16_384,
            "1cb5a249f6e721060aae623d21d3eca23056bda8c19e4e89f9a086151553713d",
        ),
        (
            65_536,
            65_536,
            "60aae9c7b428f87e0713e88229e18f0adf12cd7b22a0dd8a92bb2485eb7af242",
        ),
        (
            100_000,
            65_536,
            "e92dc22e05df5bb6a89aecc0c58f10d0d270d676a648b1ea47258121fd79a9d3",
        ),
        (
            196_613,
            65_536,
            "26cc40504ea708a09cab78db74747844d7f1d85a4a5facb64f9792e246b25ec9",
        ),
    ];
}
