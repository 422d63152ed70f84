use core::fmt;

use serde_core::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

use crate::Value;

/// A value that is left encoded: its exact bytes.
///
/// Read, it is the bytes of whatever stands there, which are checked like all others. Written, it
/// stands as it is. It cannot be read from what serde buffers: in untagged enums, and flattened.
///
/// ```
/// use bt_bencoding::{Lenient, Limits, serde::{Raw, from_bytes, to_bytes}};
/// use std::collections::BTreeMap;
///
/// let input = b"d4:infod6:lengthi425ee4:name1:xe";
/// let entries: BTreeMap<&str, Raw<'_>> = from_bytes::<Lenient, _>(input, Limits::default())?;
/// assert_eq!(entries["info"].as_bytes(), b"d6:lengthi425ee");
/// assert_eq!(to_bytes(&entries)?, input);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Raw<'a>(&'a [u8]);

impl<'a> Raw<'a> {
    /// The bytes: those of one value.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl<'a> From<Value<'_, 'a>> for Raw<'a> {
    fn from(value: Value<'_, 'a>) -> Self {
        Self(value.raw())
    }
}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw(\"{}\")", self.0.escape_ascii())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, RawVisitor)
    }
}

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(NAME, &Verbatim(self.0))
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bencode, from a deserializer of bt-bencoding")
    }

    fn visit_borrowed_bytes<E: Error>(self, value: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Raw(value))
    }
}

struct Verbatim<'a>(&'a [u8]);

impl Serialize for Verbatim<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// By which our deserializer and serializer know it.
pub(super) const NAME: &str = "$bt_bencoding::serde::Raw";
