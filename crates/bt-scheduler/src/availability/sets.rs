//! Two sets of pieces met word by word.

use bt_types::{Bitfield, PieceIndex};

/// How many pieces are in both sets.
pub(crate) fn count_common(a: &Bitfield, b: &Bitfield) -> u32 {
    if a.is_full() || b.is_full() {
        return a.count_ones().min(b.count_ones());
    }
    let words = 0..a.as_bytes().len().div_ceil(8);
    words
        .map(|index| (word(a.as_bytes(), index) & word(b.as_bytes(), index)).count_ones())
        .sum()
}

/// Whether any piece is in both sets.
pub(super) fn have_common(a: &Bitfield, b: &Bitfield) -> bool {
    match (a.is_full(), b.is_full()) {
        (true, _) => b.count_ones() > 0,
        (_, true) => a.count_ones() > 0,
        _ => common_from(a, b, 0).next().is_some(),
    }
}

/// The pieces in both sets, in order, from word `start` on.
pub(super) fn common_from<'a>(
    a: &'a Bitfield,
    b: &'a Bitfield,
    start: usize,
) -> impl Iterator<Item = PieceIndex> + 'a {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    (start..b.len().div_ceil(8)).flat_map(move |index| {
        let bits = word(a, index) & word(b, index);
        OnesOf(bits).map(move |bit| PieceIndex::new(index as u32 * 64 + bit))
    })
}

/// The set bits of a word, highest first.
struct OnesOf(u64);

impl Iterator for OnesOf {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let bit = self.0.leading_zeros();
        if bit == 64 {
            return None;
        }
        self.0 &= !(1 << (63 - bit));
        Some(bit)
    }
}

/// Bits `64 * index..` in the order of the wire, zeros behind the end.
pub(super) fn word(bytes: &[u8], index: usize) -> u64 {
    let rest = bytes.get(index * 8..).unwrap_or_default();
    match rest.first_chunk() {
        Some(&chunk) => u64::from_be_bytes(chunk),
        None => {
            let mut chunk = [0; 8];
            chunk[..rest.len()].copy_from_slice(rest);
            u64::from_be_bytes(chunk)
        }
    }
}
