use alloc::{
    boxed::Box,
    string::{String, ToString},
};
use core::fmt;

use serde_core::{de, ser};

use crate::{DecodeError, DecodeErrorKind};

/// Why bytes are not a value of the type asked for.
// Boxed, since every value that is read returns one or a value, and the latter are small.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeserializeError(Box<Inner>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Inner {
    /// Not known to those who implement `Deserialize`; filled in on the way out.
    offset: Option<usize>,
    kind: DeserializeErrorKind,
}

/// What is wrong with an input, or with what it holds.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DeserializeErrorKind {
    /// The bytes are no bencode, not of the form asked for, or exceed the limits.
    #[error(transparent)]
    Decode(#[from] DecodeErrorKind),
    /// A string that is to be text is not.
    #[error("string is not UTF-8")]
    NotUtf8,
    /// A list or dictionary has more in it than the type takes.
    #[error("more items than expected")]
    TooManyItems,
    /// Bencode has nothing for such a type.
    #[error("bencode has no {0}")]
    Unsupported(&'static str),
    /// What the type says: another kind of value, a number out of range, a missing field.
    #[error("{0}")]
    Type(Box<str>),
}

impl DeserializeError {
    #[cold]
    pub(super) fn new(offset: usize, kind: DeserializeErrorKind) -> Self {
        Self(Box::new(Inner {
            offset: Some(offset),
            kind,
        }))
    }

    /// To be placed by whoever knows where the value began.
    #[cold]
    pub(super) fn unplaced(kind: DeserializeErrorKind) -> Self {
        Self(Box::new(Inner { offset: None, kind }))
    }

    /// Where the value begins that is at fault, or the byte within it, counted from the start of
    /// the input.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.0.offset.unwrap_or(0)
    }

    /// What is wrong there.
    #[must_use]
    pub fn kind(&self) -> &DeserializeErrorKind {
        &self.0.kind
    }

    /// Of the values around a mistake, the innermost says where it is.
    #[cold]
    pub(super) fn place(&mut self, offset: usize) {
        self.0.offset.get_or_insert(offset);
    }
}

impl fmt::Display for DeserializeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.offset(), self.kind())
    }
}

impl core::error::Error for DeserializeError {}

impl From<DecodeError> for DeserializeError {
    #[cold]
    fn from(error: DecodeError) -> Self {
        Self::new(error.offset, error.kind.into())
    }
}

impl de::Error for DeserializeError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::unplaced(DeserializeErrorKind::Type(message.to_string().into()))
    }
}

/// Why a value cannot be written as bencode. The program is to blame.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SerializeError {
    /// An integer of more than 64 bits with sign.
    #[error("integer does not fit into 64 bits with sign")]
    IntegerOverflow,
    /// Bencode has nothing for such a value.
    #[error("bencode has no {0}")]
    Unsupported(&'static str),
    /// The key of a map is something other than a string.
    #[error("dictionary key is not a string")]
    KeyNotString,
    /// Two entries of a map, or fields of structs that are flattened into one, have this key.
    #[error("dictionary key \"{0}\" twice")]
    RepeatedKey(Box<str>),
    /// What the implementation of `Serialize` says.
    #[error("{0}")]
    Custom(String),
}

impl ser::Error for SerializeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }
}
