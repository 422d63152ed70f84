use bt_types::{Block, Payload};

/// A block without bytes: its length, and whether they would be the right ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tag {
    length: u32,
    is_good: bool,
}

impl Tag {
    /// What an honest peer sends.
    #[must_use]
    pub fn good(block: Block) -> Self {
        Self {
            length: block.length,
            is_good: true,
        }
    }

    /// What a liar sends.
    #[must_use]
    pub fn corrupt(block: Block) -> Self {
        Self {
            length: block.length,
            is_good: false,
        }
    }

    /// Whether a piece with this block passes its hash.
    #[must_use]
    pub fn is_good(self) -> bool {
        self.is_good
    }
}

impl Payload for Tag {
    fn len(&self) -> usize {
        self.length as usize
    }
}
