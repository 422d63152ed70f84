use std::ops::Range;

use crate::{BLOCK_LENGTH, Block, PieceIndex};

/// Where pieces, blocks and files lie: the only place that knows piece lengths.
///
/// In a v1 torrent the files stand one behind the other and pieces run across their borders
/// ([`packed`](Self::packed)); in a v2 torrent every file starts a piece of its own, and its last
/// piece is as short as it needs to be ([`aligned`](Self::aligned)). Pad files (BEP 47) are zeros
/// that are part of their pieces, but neither requested nor written.
///
/// Look-ups are binary searches over the files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PieceLayout {
    piece_length: u32,
    piece_count: u32,
    /// In the order of the torrent; `end`s never fall.
    files: Box<[Placed]>,
    /// The numbers of those that are not empty: what look-ups search.
    filled: Box<[u32]>,
    data_length: u64,
    has_pads: bool,
}

/// One file as the layout needs it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FileExtent {
    length: u64,
    is_pad: bool,
}

/// The position of a file in the torrent's list, pad files counted.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FileIndex(pub u32);

/// A range of bytes within one file.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FileSlice {
    /// Which file.
    pub file: FileIndex,
    /// The first byte, counted from the start of the file.
    pub offset: u64,
    /// Never 0, and at most a piece.
    pub length: u32,
    /// The bytes are zeros, and there is no file to write them to.
    pub is_pad: bool,
}

/// Why a list of files is no torrent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The piece length is 0, or too large to be a number of bytes in a message.
    #[error("piece length {0} is not between 1 and {MAX_PIECE_LENGTH}")]
    PieceLength(u64),
    /// All files together are larger than any disk.
    #[error("the files are more than {MAX_TOTAL_LENGTH} bytes together")]
    TooLong,
    /// There is nothing to transfer.
    #[error("the files hold no data")]
    Empty,
    /// More pieces than any client accepts.
    #[error("{0} pieces, at most {MAX_PIECES} are supported")]
    TooManyPieces(u64),
    /// More files than can be numbered.
    #[error("more than {MAX_FILES} files")]
    TooManyFiles,
}

/// A piece that the torrent does not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("piece {index} of {count}")]
pub struct PieceOutOfRange {
    /// The number asked for, counted from 0.
    pub index: u32,
    /// How many there are.
    pub count: u32,
}

/// A range that no piece of the torrent has.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// There is no such piece.
    #[error(transparent)]
    Piece(#[from] PieceOutOfRange),
    /// The range is empty or reaches beyond the end of the piece.
    #[error("{length} bytes at {begin} of a piece of {piece_length}")]
    Range {
        /// First byte asked for.
        begin: u32,
        /// Bytes asked for.
        length: u32,
        /// Bytes that the piece has.
        piece_length: u32,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Placed {
    /// Position of the first byte on the line on which piece `i` starts at `i * piece_length`.
    start: u64,
    length: u64,
    is_pad: bool,
}

impl Placed {
    fn end(&self) -> u64 {
        self.start + self.length
    }
}

impl FileExtent {
    /// A file with content.
    #[must_use]
    pub const fn data(length: u64) -> Self {
        Self {
            length,
            is_pad: false,
        }
    }

    /// A pad file: `length` zeros (BEP 47).
    #[must_use]
    pub const fn pad(length: u64) -> Self {
        Self {
            length,
            is_pad: true,
        }
    }
}

impl PieceLayout {
    /// The layout of v1: file after file, pieces across their borders (BEP 3).
    ///
    /// # Errors
    /// If the piece length or the number of pieces is out of bounds, or there is no data.
    pub fn packed(
        piece_length: u64,
        files: impl IntoIterator<Item = FileExtent>,
    ) -> Result<Self, LayoutError> {
        Self::place(piece_length, files, |end| end)
    }

    /// The layout of v2: every file starts a piece (BEP 52, "pieces").
    ///
    /// # Errors
    /// If the piece length or the number of pieces is out of bounds, or there is no data.
    pub fn aligned(
        piece_length: u64,
        files: impl IntoIterator<Item = FileExtent>,
    ) -> Result<Self, LayoutError> {
        Self::place(piece_length, files, |end| {
            end.next_multiple_of(piece_length)
        })
    }

    fn place(
        piece_length: u64,
        files: impl IntoIterator<Item = FileExtent>,
        next_start: impl Fn(u64) -> u64,
    ) -> Result<Self, LayoutError> {
        if piece_length == 0 || piece_length > MAX_PIECE_LENGTH {
            return Err(LayoutError::PieceLength(piece_length));
        }
        let mut placed: Vec<Placed> = Vec::new();
        let (mut end, mut data_length, mut has_pads) = (0, 0, false);
        for FileExtent { length, is_pad } in files {
            if placed.len() == MAX_FILES {
                return Err(LayoutError::TooManyFiles);
            }
            let start = if length == 0 { end } else { next_start(end) };
            if length > MAX_TOTAL_LENGTH || start + length > MAX_TOTAL_LENGTH {
                return Err(LayoutError::TooLong);
            }
            end = start + length;
            data_length += if is_pad { 0 } else { length };
            has_pads |= is_pad && length > 0;
            placed.push(Placed {
                start,
                length,
                is_pad,
            });
        }
        if data_length == 0 {
            return Err(LayoutError::Empty);
        }
        let piece_count = end.div_ceil(piece_length);
        if piece_count > u64::from(MAX_PIECES) {
            return Err(LayoutError::TooManyPieces(piece_count));
        }
        let numbered = (0_u32..).zip(&placed);
        let filled = numbered.filter(|(_, file)| file.length > 0);
        let filled = filled.map(|(index, _)| index).collect();
        Ok(Self {
            filled,
            piece_length: piece_length as u32,
            piece_count: piece_count as u32,
            files: placed.into(),
            data_length,
            has_pads,
        })
    }

    /// How many pieces there are; at least one.
    #[must_use]
    pub fn piece_count(&self) -> u32 {
        self.piece_count
    }

    /// The nominal piece length: that of every piece that is not the last, or the last of a file.
    #[must_use]
    pub fn nominal_piece_length(&self) -> u32 {
        self.piece_length
    }

    /// The bytes of all files, pad files not counted: what a user calls the size.
    #[must_use]
    pub fn data_length(&self) -> u64 {
        self.data_length
    }

    /// How many files there are, pad files counted.
    #[must_use]
    pub fn file_count(&self) -> u32 {
        self.files.len() as u32
    }

    /// The bytes of one file.
    ///
    /// # Panics
    /// If there is no such file.
    #[must_use]
    pub fn file_length(&self, file: FileIndex) -> u64 {
        self.files[file.0 as usize].length
    }

    /// Whether `file` is padding (BEP 47).
    ///
    /// # Panics
    /// If there is no such file.
    #[must_use]
    pub fn is_pad(&self, file: FileIndex) -> bool {
        self.files[file.0 as usize].is_pad
    }

    /// Takes a piece number that somebody sent.
    ///
    /// # Errors
    /// If the torrent has no such piece.
    pub fn piece_index(&self, index: u32) -> Result<PieceIndex, PieceOutOfRange> {
        if index < self.piece_count {
            Ok(PieceIndex::new(index))
        } else {
            Err(PieceOutOfRange {
                index,
                count: self.piece_count,
            })
        }
    }

    /// All pieces, in order.
    pub fn pieces(&self) -> impl ExactSizeIterator<Item = PieceIndex> + use<> {
        (0..self.piece_count).map(PieceIndex::new)
    }

    /// The bytes of `piece`, padding included: what its hash covers.
    #[must_use]
    pub fn piece_length(&self, piece: PieceIndex) -> u32 {
        let start = self.start_of(piece);
        let nominal_end = start + u64::from(self.piece_length);
        // In the packed layout the last file that begins before the piece's end reaches furthest;
        // in the aligned one no second file begins inside a piece.
        let last = self
            .filled
            .partition_point(|&file| self.placed(file).start < nominal_end);
        let last = self.filled[..last].last();
        let end = last.map_or(start, |&file| self.placed(file).end());
        (end.min(nominal_end) - start) as u32
    }

    /// Bytes of `piece` that belong to files, padding not counted.
    #[must_use]
    pub fn data_length_of(&self, piece: PieceIndex) -> u32 {
        let length = self.piece_length(piece);
        if !self.has_pads {
            return length;
        }
        self.slices(piece, 0, length)
            .filter(|slice| !slice.is_pad)
            .map(|slice| slice.length)
            .sum()
    }

    /// How many places of the 16 KiB grid `piece` has; those wholly in padding are counted.
    #[must_use]
    pub fn slot_count(&self, piece: PieceIndex) -> u32 {
        self.piece_length(piece).div_ceil(BLOCK_LENGTH)
    }

    /// The block to request at place `slot` of `piece`'s 16 KiB grid.
    ///
    /// Padding at its end is left off, and where there is nothing but padding there is `None`:
    /// pad files are never requested (BEP 47).
    #[must_use]
    pub fn block(&self, piece: PieceIndex, slot: u32) -> Option<Block> {
        let begin = slot.checked_mul(BLOCK_LENGTH)?;
        let length = self
            .piece_length(piece)
            .checked_sub(begin)?
            .min(BLOCK_LENGTH);
        let length = if self.has_pads {
            self.trim(piece, begin, length)
        } else {
            length
        };
        (length > 0).then_some(Block {
            piece,
            begin,
            length,
        })
    }

    /// The blocks of `piece` that are worth requesting, in order.
    pub fn blocks(&self, piece: PieceIndex) -> impl Iterator<Item = Block> + '_ {
        (0..self.slot_count(piece)).filter_map(move |slot| self.block(piece, slot))
    }

    /// Takes a range that a peer asked for. Any range within one piece is allowed, also padding;
    /// how long it may be is the caller's rule.
    ///
    /// # Errors
    /// If it is empty, or not within a piece of this torrent.
    pub fn check_range(&self, piece: u32, begin: u32, length: u32) -> Result<Block, BlockError> {
        let piece = self.piece_index(piece)?;
        let piece_length = self.piece_length(piece);
        if length == 0
            || begin
                .checked_add(length)
                .is_none_or(|end| end > piece_length)
        {
            return Err(BlockError::Range {
                begin,
                length,
                piece_length,
            });
        }
        Ok(Block {
            piece,
            begin,
            length,
        })
    }

    /// The file ranges that `length` bytes at `begin` of `piece` cover, in order. Together they
    /// are exactly `length` bytes, as long as the range lies within the piece.
    pub fn slices(
        &self,
        piece: PieceIndex,
        begin: u32,
        length: u32,
    ) -> impl Iterator<Item = FileSlice> + Clone + '_ {
        let start = self.start_of(piece) + u64::from(begin);
        let end = start + u64::from(length);
        let first = self
            .filled
            .partition_point(|&file| self.placed(file).end() <= start);
        let touched = self.filled[first..].iter();
        touched
            .map(|&index| (index, self.placed(index)))
            .take_while(move |(_, file)| file.start < end)
            .map(move |(index, file)| {
                let from = file.start.max(start);
                FileSlice {
                    file: FileIndex(index),
                    offset: from - file.start,
                    length: (file.end().min(end) - from) as u32,
                    is_pad: file.is_pad,
                }
            })
    }

    /// The pieces that hold bytes of `file`; empty for an empty file.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn pieces_of(&self, file: FileIndex) -> impl ExactSizeIterator<Item = PieceIndex> + use<> {
        let file = &self.files[file.0 as usize];
        let length = u64::from(self.piece_length);
        let pieces: Range<u32> = if file.length == 0 {
            0..0
        } else {
            (file.start / length) as u32..file.end().div_ceil(length) as u32
        };
        pieces.map(PieceIndex::new)
    }

    fn trim(&self, piece: PieceIndex, begin: u32, length: u32) -> u32 {
        let mut position = 0;
        let mut trimmed = 0;
        for slice in self.slices(piece, begin, length) {
            position += slice.length;
            if !slice.is_pad {
                trimmed = position;
            }
        }
        trimmed
    }

    fn placed(&self, file: u32) -> &Placed {
        &self.files[file as usize]
    }

    fn start_of(&self, piece: PieceIndex) -> u64 {
        debug_assert!(
            piece.get() < self.piece_count,
            "piece {piece} of {}",
            self.piece_count
        );
        u64::from(piece.get()) * u64::from(self.piece_length)
    }
}

/// libtorrent's bound: (2^15 - 1) blocks of 16 KiB, just under 512 MiB.
const MAX_PIECE_LENGTH: u64 = 0x7fff * BLOCK_LENGTH as u64;
/// libtorrent's and Transmission's bound on pieces.
const MAX_PIECES: u32 = 0x20_0000;
/// libtorrent's bound on file sizes and offsets.
const MAX_TOTAL_LENGTH: u64 = 1 << 48;
/// Ten times the largest torrents seen; keeps file numbers small and memory bounded.
const MAX_FILES: usize = 10_000_000;

#[cfg(test)]
mod tests;
