use alloc::vec::Vec;
use core::{fmt, marker::PhantomData};

use crate::{
    DecodeError, DecodeErrorKind, Value,
    scan::{Tape, Token, scan},
};

/// A parsed input: one value and everything within it, borrowed.
///
/// `M` is [`Strict`] or [`Lenient`], so that code which relies on canonical form can ask for it
/// in its signature.
#[derive(Clone)]
pub struct Document<'a, M: Mode> {
    tape: Tape<'a>,
    mode: PhantomData<M>,
}

impl<'a, M: Mode> Document<'a, M> {
    /// Parses an input that is exactly one value.
    ///
    /// # Errors
    /// If it is not, or in [`Strict`] mode not canonical, or exceeds `limits`.
    pub fn parse(input: &'a [u8], limits: Limits) -> Result<Self, DecodeError> {
        Self::parse_in(input, limits, TokenMemory::default())
    }

    /// Like [`parse`](Self::parse), in the memory of an earlier document: who parses message after
    /// message allocates nothing. If it fails, the memory is given up.
    ///
    /// ```
    /// use bt_bencoding::{Document, Lenient, Limits, TokenMemory};
    /// let mut memory = TokenMemory::default();
    /// for message in [&b"d1:y1:qe"[..], b"d1:y1:re"] {
    ///     let document = Document::<Lenient>::parse_in(message, Limits::default(), memory)?;
    ///     assert!(document.root().get("y").is_some());
    ///     memory = document.into_memory();
    /// }
    /// # Ok::<(), bt_bencoding::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`parse`](Self::parse).
    pub fn parse_in(
        input: &'a [u8],
        limits: Limits,
        memory: TokenMemory,
    ) -> Result<Self, DecodeError> {
        let (document, consumed) = Self::parse_prefix_in(input, limits, memory)?;
        match input.len() - consumed {
            0 => Ok(document),
            trailing => Err(DecodeError {
                offset: consumed,
                kind: DecodeErrorKind::TrailingBytes(trailing),
            }),
        }
    }

    /// The memory of this document, for the next one.
    #[must_use]
    pub fn into_memory(self) -> TokenMemory {
        TokenMemory(self.tape.tokens)
    }

    /// Parses the value with which an input begins; also returns how many bytes it has. What
    /// follows it is not looked at (BEP 9 puts the data of a metadata piece there).
    ///
    /// # Errors
    /// As for [`parse`](Self::parse), except that bytes may follow.
    pub fn parse_prefix(input: &'a [u8], limits: Limits) -> Result<(Self, usize), DecodeError> {
        Self::parse_prefix_in(input, limits, TokenMemory::default())
    }

    fn parse_prefix_in(
        input: &'a [u8],
        limits: Limits,
        memory: TokenMemory,
    ) -> Result<(Self, usize), DecodeError> {
        let tape = scan::<M>(input, limits, memory.0)?;
        let document = Self {
            tape,
            mode: PhantomData,
        };
        let consumed = document.root().raw().len();
        Ok((document, consumed))
    }

    /// The value.
    #[must_use]
    pub fn root(&self) -> Value<'_, 'a> {
        Value::root(&self.tape)
    }
}

/// What remains of a document whose content is no longer needed: see [`Document::parse_in`]. None
/// by default.
#[derive(Clone, Debug, Default)]
pub struct TokenMemory(Vec<Token>);

/// That of its value.
impl<M: Mode> fmt::Debug for Document<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Document").field(&self.root()).finish()
    }
}

/// How much is accepted; sealed. See [`Strict`] and [`Lenient`].
pub trait Mode: sealed::Sealed {
    /// Whether only canonical form is accepted.
    const STRICT: bool;
}

/// Canonical form only: keys sorted by their bytes and unique, numbers without leading zeros.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Strict {}

/// Canonical form, and what is common in the wild: unsorted and repeated keys, leading zeros.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lenient {}

impl Mode for Strict {
    const STRICT: bool = true;
}

impl Mode for Lenient {
    const STRICT: bool = false;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Strict {}
    impl Sealed for super::Lenient {}
}

/// How much work and memory an input may cause.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Lists and dictionaries inside one another. 100 by default, as in libtorrent: deeper than
    /// any honest file tree.
    pub depth: u32,
    /// Values, keys included; 12 bytes of memory each. 3,000,000 by default, as libtorrent allows
    /// for a .torrent: about a million files.
    pub tokens: u32,
}

impl Limits {
    /// Limits of one's own: small ones for datagrams and peer messages.
    #[must_use]
    pub const fn new(depth: u32, tokens: u32) -> Self {
        Self { depth, tokens }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(100, 3_000_000)
    }
}

#[cfg(test)]
mod tests;
