use bt_types::PieceIndex;

use crate::Storage;

/// A part of a piece that is hashed where it lies.
pub(super) enum Part<B> {
    Block {
        begin: u32,
        bytes: B,
    },
    /// Padding: so many zeros.
    Zeros(usize),
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Part<B> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Block { bytes, .. } => bytes.as_ref(),
            Self::Zeros(length) => &ZEROS[..*length],
        }
    }
}

/// Whether nothing but padding is missing between and behind `blocks`, which are in order.
pub(super) fn is_in_memory<B>(storage: &Storage, piece: PieceIndex, blocks: &[(u32, B)]) -> bool
where
    B: AsRef<[u8]>,
{
    let is_padding = |(begin, length)| {
        let mut slices = storage.layout().slices(piece, begin, length);
        slices.all(|slice| slice.is_pad)
    };
    gaps(storage, piece, blocks).all(is_padding)
}

/// The whole piece, if [`is_in_memory`] said so.
pub(super) fn parts_of<B>(
    storage: &Storage,
    piece: PieceIndex,
    blocks: Vec<(u32, B)>,
) -> Vec<Part<B>>
where
    B: AsRef<[u8]>,
{
    let gaps: Vec<_> = gaps(storage, piece, &blocks).collect();
    let mut gaps = gaps.into_iter().peekable();
    let mut parts = Vec::with_capacity(blocks.len());
    for (begin, bytes) in blocks {
        while let Some((_, length)) = gaps.next_if(|gap| gap.0 < begin) {
            push_zeros(&mut parts, length as usize);
        }
        parts.push(Part::Block { begin, bytes });
    }
    for (_, length) in gaps {
        push_zeros(&mut parts, length as usize);
    }
    parts
}

/// The ranges (begin, length) of `piece` that `blocks`, which are in order, leave out.
pub(super) fn gaps<'a, B>(
    storage: &Storage,
    piece: PieceIndex,
    blocks: &'a [(u32, B)],
) -> impl Iterator<Item = (u32, u32)> + use<'a, B>
where
    B: AsRef<[u8]>,
{
    let end = storage.layout().piece_length(piece);
    let ranges = blocks
        .iter()
        .map(|(begin, bytes)| (*begin, begin + bytes.as_ref().len() as u32));
    let mut position = 0;
    ranges.chain([(end, end)]).filter_map(move |(begin, end)| {
        let gap = (position, begin - position);
        position = end;
        (gap.1 > 0).then_some(gap)
    })
}

fn push_zeros<B>(parts: &mut Vec<Part<B>>, mut length: usize) {
    while length > 0 {
        let part = length.min(ZEROS.len());
        parts.push(Part::Zeros(part));
        length -= part;
    }
}

static ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];
