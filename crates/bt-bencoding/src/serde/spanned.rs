use core::{fmt, marker::PhantomData, ops::Range};

use serde_core::{
    Deserialize, Serialize, Serializer,
    de::{
        self, DeserializeSeed, Error as _, IntoDeserializer, SeqAccess, Visitor,
        value::UsizeDeserializer,
    },
};

use super::{DeserializeError, de::Deserializer};
use crate::Mode;

/// A value, and where its bytes are in the input: they are what a hash is made of.
///
/// Written, it is the value. It cannot be read from what serde buffers: in untagged enums, and
/// flattened.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Offsets of its first byte and behind its last one.
    pub span: Range<usize>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, SpannedVisitor(PhantomData))
    }
}

impl<T: Serialize> Serialize for Spanned<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

struct SpannedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SpannedVisitor<T> {
    type Value = Spanned<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with its span, from a deserializer of bt-bencoding")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let missing = || A::Error::invalid_length(0, &"a value with its span");
        let value = parts.next_element()?.ok_or_else(missing)?;
        let start = parts.next_element()?.ok_or_else(missing)?;
        let end = parts.next_element()?.ok_or_else(missing)?;
        Ok(Spanned {
            value,
            span: start..end,
        })
    }
}

/// What the visitor takes, one after the other: the value, its start, its end.
pub(super) struct Parts<'d, 'de, M: Mode> {
    de: &'d mut Deserializer<'de, M>,
    start: usize,
    given: u8,
}

impl<'d, 'de, M: Mode> Parts<'d, 'de, M> {
    pub(super) fn new(de: &'d mut Deserializer<'de, M>) -> Self {
        let start = de.pos;
        Self {
            de,
            start,
            given: 0,
        }
    }
}

impl<'de, M: Mode> SeqAccess<'de> for Parts<'_, 'de, M> {
    type Error = DeserializeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Self::Error> {
        self.given += 1;
        let part = match self.given {
            1 => seed.deserialize(&mut *self.de)?,
            2 => seed.deserialize(offset(self.start))?,
            3 => seed.deserialize(offset(self.de.pos))?,
            _ => return Ok(None),
        };
        Ok(Some(part))
    }
}

fn offset(value: usize) -> UsizeDeserializer<DeserializeError> {
    value.into_deserializer()
}

/// By which our deserializer knows it.
pub(super) const NAME: &str = "$bt_bencoding::serde::Spanned";
