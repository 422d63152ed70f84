//! One copy of the dictionary that is under way.

use std::{collections::BTreeMap, net::SocketAddr};

use bt_types::BLOCK_LENGTH;

/// Blocks of a dictionary of a certain size, with their senders. Takes as much memory as has come,
/// whatever the size.
#[derive(Debug)]
pub(super) struct Draft {
    size: u32,
    blocks: BTreeMap<u32, (SocketAddr, Box<[u8]>)>,
    bytes: usize,
}

/// A block of which it is known who sent it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) from: SocketAddr,
    pub(super) bytes: Box<[u8]>,
}

impl Draft {
    pub(super) fn new(size: u32) -> Self {
        Self {
            size,
            blocks: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Bytes that have come.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a block of the right length. The first of two is kept, so that nobody can take the
    /// blame from another.
    pub(super) fn insert(&mut self, block: u32, from: SocketAddr, bytes: Box<[u8]>) {
        debug_assert_eq!(length_of(self.size, block), Some(bytes.len()));
        self.blocks.entry(block).or_insert_with(|| {
            self.bytes += bytes.len();
            (from, bytes)
        });
    }

    pub(super) fn is_complete(&self) -> bool {
        self.bytes == self.size as usize
    }

    pub(super) fn missing(&self) -> impl Iterator<Item = u32> + '_ {
        (0..block_count(self.size)).filter(|block| !self.blocks.contains_key(block))
    }

    /// All blocks in order.
    pub(super) fn into_parts(self) -> impl Iterator<Item = Part> {
        let blocks = self.blocks.into_values();
        blocks.map(|(from, bytes)| Part { from, bytes })
    }

    /// Who has sent any of it.
    pub(super) fn senders(&self) -> Vec<SocketAddr> {
        let mut senders: Vec<_> = self.blocks.values().map(|(from, _)| *from).collect();
        senders.sort_unstable();
        senders.dedup();
        senders
    }
}

/// How many blocks a dictionary of `size` bytes has.
pub(super) fn block_count(size: u32) -> u32 {
    size.div_ceil(BLOCK_LENGTH)
}

/// How many bytes a block of it has; `None` if there is no such block.
pub(super) fn length_of(size: u32, block: u32) -> Option<usize> {
    let begin = block.checked_mul(BLOCK_LENGTH)?;
    let rest = size.checked_sub(begin).filter(|rest| *rest > 0)?;
    Some(rest.min(BLOCK_LENGTH) as usize)
}
