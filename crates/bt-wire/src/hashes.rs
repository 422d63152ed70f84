use std::fmt;

/// Names hashes of one file's Merkle tree in a v2 torrent: what a `hash request` asks for, and
/// what the answers repeat (BEP 52).
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct HashRequest {
    /// The root of the file's tree.
    pub pieces_root: [u8; 32],
    /// How far above the leaves the wanted layer is; 0 are the hashes of blocks.
    pub base_layer: u32,
    /// The first hash in that layer; a multiple of `length`.
    pub index: u32,
    /// How many hashes; a power of two, at least 2, and not above 512 if it is to be answered.
    pub length: u32,
    /// How many layers above the base one to prove.
    pub proof_layers: u32,
}

/// The answer to a [`HashRequest`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hashes {
    /// The request, repeated.
    pub request: HashRequest,
    /// The wanted hashes, then the uncles that lead towards the root, lowest first.
    pub hashes: Box<[[u8; 32]]>,
}

impl HashRequest {
    /// How many hashes a right answer holds: `length`, and one uncle for each proof layer that
    /// the wanted hashes themselves do not cover. `None` if `length` or `index` break the rules.
    #[must_use]
    pub fn hash_count(&self) -> Option<u32> {
        let well_formed =
            self.length >= 2 && self.length.is_power_of_two() && self.index % self.length == 0;
        let covered = self.length.checked_ilog2()?.saturating_sub(1);
        let uncles = self.proof_layers.saturating_sub(covered);
        self.length.checked_add(uncles).filter(|_| well_formed)
    }

    pub(crate) fn to_be_bytes(self) -> [u8; 48] {
        let mut bytes = [0; 48];
        let (root, numbers) = bytes.split_at_mut(32);
        root.copy_from_slice(&self.pieces_root);
        let values = [self.base_layer, self.index, self.length, self.proof_layers];
        for (place, value) in numbers.chunks_exact_mut(4).zip(values) {
            place.copy_from_slice(&value.to_be_bytes());
        }
        bytes
    }
}

impl fmt::Debug for HashRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = u32::from_be_bytes([0, 1, 2, 3].map(|i| self.pieces_root[i]));
        f.debug_struct("HashRequest")
            .field("pieces_root", &format_args!("{root:08x}…"))
            .field("base_layer", &self.base_layer)
            .field("index", &self.index)
            .field("length", &self.length)
            .field("proof_layers", &self.proof_layers)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uncles_that_the_hashes_cover_are_left_out() {
        let table = [
            (2, 0, 0),
            (2, 1, 1),
            (2, 2, 2),
            (4, 1, 0),
            (4, 2, 1),
            (8, 2, 0),
            (8, 5, 3),
            (512, 8, 0),
            (512, 10, 2),
        ];
        for (length, proof_layers, uncles) in table {
            let request = request(0, length, proof_layers);
            assert_eq!(
                request.hash_count(),
                Some(length + uncles),
                "length {length}, {proof_layers} layers"
            );
        }
    }

    #[test]
    fn ill_formed_requests_have_no_answer() {
        for (index, length) in [(0, 0), (0, 1), (0, 3), (1, 2)] {
            assert_eq!(request(index, length, 0).hash_count(), None);
        }
        assert_eq!(request(0, 1 << 31, u32::MAX).hash_count(), None);
    }

    fn request(index: u32, length: u32, proof_layers: u32) -> HashRequest {
        HashRequest {
            pieces_root: [0; 32],
            base_layer: 0,
            index,
            length,
            proof_layers,
        }
    }
}
