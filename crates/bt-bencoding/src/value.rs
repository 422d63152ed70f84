use core::fmt;

use crate::{
    read,
    scan::{Tape, Token},
};

/// One value of a [`Document`](crate::Document): a place in it, free to copy.
///
/// Bytes that it returns live as long as the input (`'a`), not merely as long as the document
/// (`'t`).
#[derive(Clone, Copy)]
pub struct Value<'t, 'a> {
    tape: &'t Tape<'a>,
    index: u32,
}

/// What a value is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// `i…e`
    Int,
    /// `…:…`
    Bytes,
    /// `l…e`
    List,
    /// `d…e`
    Dict,
}

impl<'t, 'a> Value<'t, 'a> {
    pub(crate) fn root(tape: &'t Tape<'a>) -> Self {
        Self { tape, index: 0 }
    }

    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self.tape.input[self.token().start as usize] {
            b'i' => Kind::Int,
            b'l' => Kind::List,
            b'd' => Kind::Dict,
            _ => Kind::Bytes,
        }
    }

    /// The exact source bytes.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        let token = self.token();
        &self.tape.input[token.start as usize..token.end as usize]
    }

    /// Where the source bytes begin in the input.
    #[must_use]
    pub fn offset(self) -> usize {
        self.token().start as usize
    }

    /// The integer, if it is one.
    #[must_use]
    pub fn as_int(self) -> Option<i64> {
        if self.kind() != Kind::Int {
            return None;
        }
        let (value, _) = read::integer(self.tape.input, self.offset(), false).ok()?;
        Some(value)
    }

    /// The integer, if it is one and not negative.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        self.as_int()?.try_into().ok()
    }

    /// The string, if it is one: bytes of any content.
    #[must_use]
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        (self.kind() == Kind::Bytes).then(|| self.content())
    }

    /// The string, if it is one and valid UTF-8.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        core::str::from_utf8(self.as_bytes()?).ok()
    }

    /// The values of a list in order, if it is one.
    #[must_use]
    pub fn as_list(self) -> Option<List<'t, 'a>> {
        (self.kind() == Kind::List).then(|| List(self.items()))
    }

    /// The entries of a dictionary in order, if it is one.
    #[must_use]
    pub fn as_dict(self) -> Option<Dict<'t, 'a>> {
        (self.kind() == Kind::Dict).then(|| Dict(self.items()))
    }

    /// The first value under `key`, if it is a dictionary that has one. Looks through the entries
    /// one by one.
    #[must_use]
    pub fn get(self, key: impl AsRef<[u8]>) -> Option<Value<'t, 'a>> {
        let key = key.as_ref();
        let (_, value) = self.as_dict()?.find(|(found, _)| *found == key)?;
        Some(value)
    }

    fn token(self) -> Token {
        self.tape.tokens[self.index as usize]
    }

    /// Of a string.
    fn content(self) -> &'a [u8] {
        let token = self.token();
        &self.tape.input[token.link as usize..token.end as usize]
    }

    /// Of a list or dictionary.
    fn items(self) -> Items<'t, 'a> {
        Items {
            tape: self.tape,
            next: self.index + 1,
            end: self.token().link,
        }
    }
}

/// The kind and, of a string or integer, the value; containers are not descended into.
impl fmt::Debug for Value<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind(), self.as_int()) {
            (_, Some(value)) => write!(f, "Int({value})"),
            (Kind::Bytes, _) => write!(f, "Bytes(\"{}\")", self.content().escape_ascii()),
            (kind, _) => write!(f, "{kind:?}({} bytes)", self.raw().len()),
        }
    }
}

/// The values of a list, in order.
#[derive(Clone, Debug)]
pub struct List<'t, 'a>(Items<'t, 'a>);

impl<'t, 'a> Iterator for List<'t, 'a> {
    type Item = Value<'t, 'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// The keys and values of a dictionary, in the order of the input; repeated keys are all there.
#[derive(Clone, Debug)]
pub struct Dict<'t, 'a>(Items<'t, 'a>);

impl<'t, 'a> Iterator for Dict<'t, 'a> {
    type Item = (&'a [u8], Value<'t, 'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.0.next()?;
        let value = self.0.next()?;
        Some((key.content(), value))
    }
}

/// The tokens directly within a container.
#[derive(Clone)]
struct Items<'t, 'a> {
    tape: &'t Tape<'a>,
    next: u32,
    end: u32,
}

impl<'t, 'a> Iterator for Items<'t, 'a> {
    type Item = Value<'t, 'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.end {
            return None;
        }
        let value = Value {
            tape: self.tape,
            index: self.next,
        };
        self.next = match value.kind() {
            Kind::Int | Kind::Bytes => self.next + 1,
            Kind::List | Kind::Dict => value.token().link,
        };
        Some(value)
    }
}

impl fmt::Debug for Items<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
