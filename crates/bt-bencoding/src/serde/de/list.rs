use serde_core::de::{DeserializeSeed, SeqAccess};

use super::{DeserializeError, Deserializer};
use crate::Mode;

/// The items of a list.
pub(super) struct List<'d, 'de, M: Mode> {
    de: &'d mut Deserializer<'de, M>,
    start: usize,
    taken: usize,
}

impl<'d, 'de, M: Mode> List<'d, 'de, M> {
    #[inline]
    pub(super) fn new(de: &'d mut Deserializer<'de, M>) -> Self {
        Self {
            start: de.pos - 1,
            de,
            taken: 0,
        }
    }
}

impl<'de, M: Mode> SeqAccess<'de> for List<'_, 'de, M> {
    type Error = DeserializeError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Self::Error> {
        if self.de.peek() == Some(b'e') {
            self.de.last_list = self.taken;
            self.de.at = self.start;
            return Ok(None);
        }
        self.taken += 1;
        seed.deserialize(&mut *self.de).map(Some)
    }

    /// As many as a `Vec` reserves for the first item; fewer if the list before had fewer, since
    /// paths are much alike. It is no more than a guess, and costs little where it is wrong.
    #[inline]
    fn size_hint(&self) -> Option<usize> {
        match (self.de.peek(), self.de.last_list) {
            (Some(b'e'), _) => Some(0),
            (_, before @ 2..FIRST_ITEMS) => Some(before),
            _ => Some(FIRST_ITEMS),
        }
    }
}

/// The capacity with which a `Vec` of most types begins.
const FIRST_ITEMS: usize = 4;
