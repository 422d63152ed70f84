use std::fmt;

use crate::PieceIndex;

/// A set of pieces of one torrent, in the form in which it is sent: the first piece is the highest
/// bit of the first byte, spare bits at the end are zero (BEP 3).
///
/// Knows how many pieces it counts and how many are set, both in constant time.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Bitfield {
    /// Always `len.div_ceil(8)` bytes; bits beyond `len` are always zero.
    bytes: Box<[u8]>,
    len: u32,
    /// Always the number of ones in `bytes`.
    ones: u32,
}

/// Why received bytes are no bitfield of this torrent: the peer broke the protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BitfieldError {
    /// It has the wrong size.
    #[error("bitfield of {found} bytes, {expected} expected for {pieces} pieces")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes that the torrent's number of pieces asks for.
        expected: usize,
        /// The torrent's number of pieces.
        pieces: u32,
    },
    /// A bit beyond the last piece is set (BEP 3: "spare bits are set to zero").
    #[error("bitfield sets bits beyond the last of {pieces} pieces")]
    SpareBits {
        /// The torrent's number of pieces.
        pieces: u32,
    },
}

impl Bitfield {
    /// The empty set over `len` pieces.
    #[must_use]
    pub fn new(len: u32) -> Self {
        Self {
            bytes: vec![0; bytes_for(len)].into(),
            len,
            ones: 0,
        }
    }

    /// The set of all of `len` pieces.
    #[must_use]
    pub fn full(len: u32) -> Self {
        let mut bytes = vec![0xff; bytes_for(len)];
        if let (Some(last), spare @ 1..) = (bytes.last_mut(), spare_bits(len)) {
            *last <<= spare;
        }
        Self {
            bytes: bytes.into(),
            len,
            ones: len,
        }
    }

    /// Takes the payload of a `bitfield` message.
    ///
    /// # Errors
    /// If it has not exactly the size for `len` pieces, or sets a bit beyond the last.
    pub fn from_wire(bytes: &[u8], len: u32) -> Result<Self, BitfieldError> {
        let expected = bytes_for(len);
        if bytes.len() != expected {
            return Err(BitfieldError::Length {
                found: bytes.len(),
                expected,
                pieces: len,
            });
        }
        if let Some(last) = bytes.last() {
            if last & !(0xff << spare_bits(len)) != 0 {
                return Err(BitfieldError::SpareBits { pieces: len });
            }
        }
        let ones = bytes.iter().map(|byte| byte.count_ones()).sum();
        Ok(Self {
            bytes: bytes.into(),
            len,
            ones,
        })
    }

    /// The payload of a `bitfield` message.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many pieces it speaks about.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether it speaks about no pieces at all; see [`count_ones`](Self::count_ones) for how
    /// many are set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many pieces are in the set.
    #[must_use]
    pub fn count_ones(&self) -> u32 {
        self.ones
    }

    /// Whether every piece is in the set.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.ones == self.len
    }

    /// Whether `piece` is in the set; `false` for one beyond the end.
    #[must_use]
    pub fn get(&self, piece: PieceIndex) -> bool {
        let (byte, mask) = position(piece);
        self.bytes.get(byte).is_some_and(|byte| byte & mask != 0)
    }

    /// Adds `piece`; returns whether it was missing.
    ///
    /// # Panics
    /// If `piece` is not one of the [`len`](Self::len) pieces.
    pub fn insert(&mut self, piece: PieceIndex) -> bool {
        self.assert_contains(piece);
        let (byte, mask) = position(piece);
        let added = self.bytes[byte] & mask == 0;
        self.bytes[byte] |= mask;
        self.ones += u32::from(added);
        added
    }

    /// Removes `piece`; returns whether it was there.
    ///
    /// # Panics
    /// If `piece` is not one of the [`len`](Self::len) pieces.
    pub fn remove(&mut self, piece: PieceIndex) -> bool {
        self.assert_contains(piece);
        let (byte, mask) = position(piece);
        let removed = self.bytes[byte] & mask != 0;
        self.bytes[byte] &= !mask;
        self.ones -= u32::from(removed);
        removed
    }

    /// The pieces in the set, in order.
    pub fn iter_ones(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        bits_of(self.bytes.iter().copied())
    }

    /// The pieces not in the set, in order.
    pub fn iter_zeros(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        let len = self.len;
        bits_of(self.bytes.iter().map(|byte| !byte)).take_while(move |piece| piece.get() < len)
    }

    /// The pieces that `self` holds and `other` lacks, in order.
    ///
    /// # Panics
    /// If the two speak about different numbers of pieces.
    pub fn iter_not_in<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = PieceIndex> + 'a {
        assert_eq!(self.len, other.len, "bitfields of different torrents");
        let bytes = self.bytes.iter().zip(&other.bytes);
        bits_of(bytes.map(|(ours, theirs)| ours & !theirs))
    }

    /// Whether `self` holds a piece that `other` lacks. Stops at the first.
    ///
    /// # Panics
    /// If the two speak about different numbers of pieces.
    #[must_use]
    pub fn has_any_not_in(&self, other: &Self) -> bool {
        assert_eq!(self.len, other.len, "bitfields of different torrents");
        self.bytes
            .iter()
            .zip(&other.bytes)
            .any(|(ours, theirs)| ours & !theirs != 0)
    }

    fn assert_contains(&self, piece: PieceIndex) {
        assert!(
            piece.get() < self.len,
            "piece {piece} in a bitfield of {}",
            self.len
        );
    }
}

/// Counts instead of listing a million bits.
impl fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitfield({} of {})", self.ones, self.len)
    }
}

/// The set bits of the bytes of a bitfield, spare ones too.
fn bits_of(bytes: impl Iterator<Item = u8>) -> impl Iterator<Item = PieceIndex> {
    bytes.enumerate().flat_map(|(index, byte)| BitsOf {
        byte,
        base: index as u32 * 8,
    })
}

/// The set bits of one byte, highest first.
struct BitsOf {
    byte: u8,
    base: u32,
}

impl Iterator for BitsOf {
    type Item = PieceIndex;

    fn next(&mut self) -> Option<PieceIndex> {
        if self.byte == 0 {
            return None;
        }
        let bit = self.byte.leading_zeros();
        self.byte &= !(0x80 >> bit);
        Some(PieceIndex::new(self.base + bit))
    }
}

fn position(piece: PieceIndex) -> (usize, u8) {
    (piece.as_usize() / 8, 0x80 >> (piece.get() % 8))
}

fn bytes_for(len: u32) -> usize {
    len.div_ceil(8) as usize
}

fn spare_bits(len: u32) -> u32 {
    len.wrapping_neg() % 8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_pieces_with_the_first_and_the_last() {
        let mut bits = Bitfield::new(10);
        assert!(bits.insert(PieceIndex::new(0)) && bits.insert(PieceIndex::new(9)));
        assert!(!bits.insert(PieceIndex::new(9)));
        assert_eq!(bits.as_bytes(), [0x80, 0x40]);
        assert_eq!(bits.count_ones(), 2);
    }

    #[test]
    fn spare_bits_and_sizes_are_checked() {
        assert_eq!(Bitfield::full(10).as_bytes(), [0xff, 0xc0]);
        assert!(Bitfield::from_wire(&[0xff, 0xc0], 10).unwrap().is_full());
        assert_eq!(
            Bitfield::from_wire(&[0xff, 0xe0], 10),
            Err(BitfieldError::SpareBits { pieces: 10 })
        );
        let wrong = BitfieldError::Length {
            found: 1,
            expected: 2,
            pieces: 10,
        };
        assert_eq!(Bitfield::from_wire(&[0xff], 10), Err(wrong));
        assert_eq!(Bitfield::full(0), Bitfield::new(0));
    }

    proptest! {
        /// Against the obvious model, through the wire form and back.
        #[test]
        fn behaves_like_a_vector_of_bools(model in prop::collection::vec(any::<bool>(), 0..200)) {
            let len = model.len() as u32;
            let mut bits = Bitfield::new(len);
            for (index, _) in model.iter().enumerate().filter(|(_, set)| **set) {
                bits.insert(PieceIndex::new(index as u32));
            }
            let back = Bitfield::from_wire(bits.as_bytes(), len).unwrap();
            prop_assert_eq!(&back, &bits);
            let pick = |wanted| {
                let chosen = model.iter().enumerate().filter(move |(_, set)| **set == wanted);
                chosen.map(|(index, _)| index as u32).collect::<Vec<_>>()
            };
            prop_assert_eq!(bits.iter_ones().map(PieceIndex::get).collect::<Vec<_>>(), pick(true));
            prop_assert_eq!(bits.iter_zeros().map(PieceIndex::get).collect::<Vec<_>>(), pick(false));
            prop_assert_eq!(bits.count_ones() as usize, pick(true).len());
            for piece in pick(true) {
                prop_assert!(bits.remove(PieceIndex::new(piece)));
            }
            prop_assert_eq!(bits, Bitfield::new(len));
        }

        #[test]
        fn the_difference_agrees_with_the_definition(a: [u8; 3], b: [u8; 3]) {
            let (a, b) = (Bitfield::from_wire(&a, 24).unwrap(), Bitfield::from_wire(&b, 24).unwrap());
            let difference: Vec<_> = a.iter_ones().filter(|&piece| !b.get(piece)).collect();
            prop_assert_eq!(a.has_any_not_in(&b), !difference.is_empty());
            prop_assert_eq!(a.iter_not_in(&b).collect::<Vec<_>>(), difference);
        }
    }
}
