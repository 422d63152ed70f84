use core::cmp::Ordering;

use serde_core::de::{DeserializeSeed, MapAccess};

use super::{DeserializeError, Deserializer, fail, key::Key};
use crate::{
    DecodeErrorKind::{KeyNotString, RepeatedKey, UnsortedKeys},
    Mode,
};

/// The entries of a dictionary.
pub(super) struct Dict<'d, 'de, M: Mode> {
    de: &'d mut Deserializer<'de, M>,
    start: usize,
    last_key: Option<&'de [u8]>,
}

impl<'d, 'de, M: Mode> Dict<'d, 'de, M> {
    pub(super) fn new(de: &'d mut Deserializer<'de, M>) -> Self {
        Self {
            start: de.pos - 1,
            de,
            last_key: None,
        }
    }
}

impl<'de, M: Mode> Deserializer<'de, M> {
    /// Reads the key that begins here, if there is one more; `last` is the one before it.
    #[inline(always)]
    pub(super) fn key(
        &mut self,
        last: &mut Option<&'de [u8]>,
    ) -> Result<Option<&'de [u8]>, DeserializeError> {
        let start = self.pos;
        let key = match self.short_string() {
            Some(key) => key,
            None if self.peek() == Some(b'e') => return Ok(None),
            None => self.any_key()?,
        };
        if M::STRICT {
            match last.replace(key).map(|last| compare(last, key)) {
                None | Some(Ordering::Less) => {}
                Some(Ordering::Equal) => return fail(start, RepeatedKey),
                Some(Ordering::Greater) => return fail(start, UnsortedKeys),
            }
        }
        Ok(Some(key))
    }

    #[cold]
    fn any_key(&mut self) -> Result<&'de [u8], DeserializeError> {
        match self.peek() {
            Some(b'0'..=b'9') | None => self.any_string(&"a key"),
            Some(_) => fail(self.pos, KeyNotString),
        }
    }
}

impl<'de, M: Mode> MapAccess<'de> for Dict<'_, 'de, M> {
    type Error = DeserializeError;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Self::Error> {
        match self.de.key(&mut self.last_key)? {
            Some(key) => seed.deserialize(Key(key)).map(Some),
            None => {
                self.de.at = self.start;
                Ok(None)
            }
        }
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, Self::Error> {
        seed.deserialize(&mut *self.de)
    }
}

/// Most keys differ in their first byte.
#[inline]
fn compare(left: &[u8], right: &[u8]) -> Ordering {
    match left.first().cmp(&right.first()) {
        Ordering::Equal => left.cmp(right),
        different => different,
    }
}
