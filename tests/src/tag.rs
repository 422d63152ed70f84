use bt_types::{Block, Payload};

/// A block without bytes: its length, and in their place whether they would be the right ones, or
/// whose they are. Different bytes have different digests, so that a liar can be told by a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tag {
    length: u32,
    lie: Option<Lie>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Lie {
    liar: usize,
    number: u32,
}

impl Tag {
    /// What an honest peer sends.
    #[must_use]
    pub fn good(block: Block) -> Self {
        Self {
            length: block.length,
            lie: None,
        }
    }

    /// What the node `liar` sends if it lies; other bytes for another `number`.
    #[must_use]
    pub fn corrupt(block: Block, liar: usize, number: u32) -> Self {
        Self {
            length: block.length,
            lie: Some(Lie { liar, number }),
        }
    }

    /// Whether a piece with this block passes its hash.
    #[must_use]
    pub fn is_good(self) -> bool {
        self.lie.is_none()
    }

    /// Whose fault it is if a piece with this block does not pass.
    #[must_use]
    pub fn liar(self) -> Option<usize> {
        self.lie.map(|lie| lie.liar)
    }

    /// What the SHA-1 of the bytes would tell: whether two are the same.
    #[must_use]
    pub fn digest(self) -> [u8; 20] {
        let mut digest = [0; 20];
        if let Some(lie) = self.lie {
            digest[..8].copy_from_slice(&(lie.liar as u64 + 1).to_be_bytes());
            digest[8..12].copy_from_slice(&lie.number.to_be_bytes());
        }
        digest
    }
}

impl Payload for Tag {
    fn len(&self) -> usize {
        self.length as usize
    }
}
