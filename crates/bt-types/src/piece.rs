use std::{fmt, num::NonZeroU32};

/// What is requested at once: 16 KiB. Peers drop who asks for more (BEP 3; all clients).
pub const BLOCK_LENGTH: u32 = 16 * 1024;

/// The number of a piece: the unit that has a hash.
///
/// Numbers from outside become one by [`PieceLayout::piece_index`](crate::PieceLayout::piece_index),
/// which checks them, so that code inside may trust a `PieceIndex` of its own torrent.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PieceIndex(u32);

impl PieceIndex {
    /// A piece that is known to exist; nothing is checked here.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The number, counted from 0.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number as an index into an array with one entry a piece.
    #[must_use]
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A range of bytes within one piece: what is requested, sent, written.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Block {
    /// The piece in which it lies.
    pub piece: PieceIndex,
    /// Its first byte, counted from the start of the piece.
    pub begin: u32,
    /// Its bytes; at most [`BLOCK_LENGTH`] for those that we ask for.
    pub length: u32,
}

impl Block {
    /// The number of this block within its piece, for a block on the 16 KiB grid.
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.begin / BLOCK_LENGTH
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?}+{}..{}",
            self.piece,
            self.begin,
            u64::from(self.begin) + u64::from(self.length)
        )
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes at {} of piece {}",
            self.length, self.begin, self.piece
        )
    }
}

/// A run of neighbouring blocks asked for at once: one block from a wire peer, up to 16 MiB (which
/// may cross pieces) from a web seed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Span {
    /// The first block.
    pub first: Block,
    /// How many blocks, the first included.
    pub count: NonZeroU32,
}

impl From<Block> for Span {
    fn from(first: Block) -> Self {
        Self {
            first,
            count: NonZeroU32::MIN,
        }
    }
}
