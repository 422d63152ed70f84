use core::marker::PhantomData;

use serde_core::de::{self, Expected, Unexpected, Visitor};

use self::{
    dict::Dict,
    list::List,
    variant::{UnitVariant, Variant},
};
use super::{
    DeserializeError,
    DeserializeErrorKind::{self, NotUtf8, TooManyItems, Unsupported},
    raw, spanned,
};
use crate::{
    DecodeErrorKind::{
        self, MissingValue, TooDeep, TooManyTokens, TrailingBytes, UnexpectedByte, UnexpectedEnd,
    },
    Limits, Mode, read,
};

mod dict;
mod key;
mod list;
mod skip;
mod variant;

/// Reads an input that is exactly one value.
///
/// The type may borrow from the input. [`Limits::tokens`] counts what is stepped over too.
///
/// # Errors
/// If the input is not one value, in [`Strict`](crate::Strict) mode not canonical, exceeds
/// `limits`, or is not of the type.
pub fn from_bytes<'de, M: Mode, T: de::Deserialize<'de>>(
    input: &'de [u8],
    limits: Limits,
) -> Result<T, DeserializeError> {
    let mut deserializer = Deserializer::<M>::new(input, limits);
    let mut result = T::deserialize(&mut deserializer);
    let consumed = deserializer.pos;
    match &mut result {
        Ok(_) if consumed < input.len() => {
            result = fail(consumed, TrailingBytes(input.len() - consumed));
        }
        Ok(_) => {}
        Err(error) => error.place(deserializer.at),
    }
    result
}

/// Reads the value with which an input begins; also returns how many bytes it has. What follows
/// it is not looked at (BEP 9 puts the data of a metadata piece there).
///
/// # Errors
/// As for [`from_bytes`], except that bytes may follow.
pub fn from_prefix<'de, M: Mode, T: de::Deserialize<'de>>(
    input: &'de [u8],
    limits: Limits,
) -> Result<(T, usize), DeserializeError> {
    let mut deserializer = Deserializer::<M>::new(input, limits);
    match T::deserialize(&mut deserializer) {
        Ok(value) => Ok((value, deserializer.pos)),
        Err(mut error) => {
            error.place(deserializer.at);
            Err(error)
        }
    }
}

/// A place in an input.
///
/// Results of visitors, which may be large, are handed on as they are: neither taken apart nor
/// put together again, so that they need not be moved. Therefore it is not they that are given
/// the place of a mistake, but we that remember it.
#[derive(Debug)]
pub(super) struct Deserializer<'de, M: Mode> {
    input: &'de [u8],
    pub(super) pos: usize,
    /// Where the value or key begins that was read last: a container's start, once it is read.
    at: usize,
    limits: Limits,
    /// Of lists and dictionaries that types take.
    max_recursion: u32,
    /// Lists and dictionaries that are open.
    depth: u32,
    /// False if the input is too short to have too many.
    is_counted: bool,
    tokens_left: u32,
    /// How many items the list had that ended last.
    last_list: usize,
    mode: PhantomData<M>,
}

impl<'de, M: Mode> Deserializer<'de, M> {
    fn new(input: &'de [u8], limits: Limits) -> Self {
        Self {
            input,
            pos: 0,
            at: 0,
            limits,
            max_recursion: limits.depth.min(MAX_DEPTH),
            depth: 0,
            is_counted: input.len() > limits.tokens as usize,
            tokens_left: limits.tokens,
            last_list: 0,
            mode: PhantomData,
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.input.get(self.pos).copied()
    }

    /// Reads a string; what else begins here is not what `expected` says.
    #[inline]
    fn string(&mut self, expected: &dyn Expected) -> Result<&'de [u8], DeserializeError> {
        match self.short_string() {
            Some(content) => Ok(content),
            None => self.any_string(expected),
        }
    }

    /// A small function: that it is one, and called, has been measured.
    #[inline(never)]
    fn short_string(&mut self) -> Option<&'de [u8]> {
        self.at = self.pos;
        let (content, end) = read::short_string(self.input, self.pos)?;
        self.count().ok()?;
        self.pos = end;
        Some(content)
    }

    #[cold]
    fn any_string(&mut self, expected: &dyn Expected) -> Result<&'de [u8], DeserializeError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.unexpected(expected));
        }
        self.count()?;
        let (content, end) = read::any_string(self.input, self.pos, M::STRICT)?;
        self.pos = end;
        Ok(content)
    }

    /// Reads an integer; what else begins here is not what `expected` says.
    #[inline]
    fn integer(&mut self, expected: &dyn Expected) -> Result<i64, DeserializeError> {
        match self.short_integer() {
            Some(value) => Ok(value),
            None => self.any_integer(expected),
        }
    }

    #[inline(never)]
    fn short_integer(&mut self) -> Option<i64> {
        self.at = self.pos;
        let (value, end) = read::short_integer(self.input, self.pos, M::STRICT)?;
        self.count().ok()?;
        self.pos = end;
        Some(value)
    }

    #[cold]
    fn any_integer(&mut self, expected: &dyn Expected) -> Result<i64, DeserializeError> {
        if self.peek() != Some(b'i') {
            return Err(self.unexpected(expected));
        }
        self.count()?;
        let (value, end) = read::any_integer(self.input, self.pos, M::STRICT)?;
        self.pos = end;
        Ok(value)
    }

    /// Steps into the list or dictionary that begins here.
    #[inline]
    fn enter(&mut self, max_depth: u32) -> Result<(), DeserializeError> {
        if self.depth >= max_depth {
            return fail(self.pos, TooDeep(max_depth));
        }
        self.count()?;
        self.depth += 1;
        self.pos += 1;
        Ok(())
    }

    /// Steps into what begins here, reads it with `read`, and steps out.
    #[inline]
    fn within<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DeserializeError>,
    ) -> Result<T, DeserializeError> {
        self.enter(self.max_recursion)?;
        let mut result = read(self);
        if self.peek() == Some(b'e') {
            self.depth -= 1;
            self.pos += 1;
        } else if result.is_ok() {
            result = self.does_not_end();
        }
        result
    }

    #[cold]
    fn does_not_end<T>(&self) -> Result<T, DeserializeError> {
        match self.peek() {
            Some(_) => fail(self.pos, TooManyItems),
            None => fail(self.pos, UnexpectedEnd),
        }
    }

    #[inline]
    fn count(&mut self) -> Result<(), DeserializeError> {
        if !self.is_counted {
            return Ok(());
        }
        match self.tokens_left.checked_sub(1) {
            Some(left) => {
                self.tokens_left = left;
                Ok(())
            }
            None => fail(self.pos, TooManyTokens(self.limits.tokens)),
        }
    }

    #[inline]
    fn visit_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, DeserializeError> {
        let content = self.string(&visitor)?;
        visitor.visit_borrowed_bytes(content)
    }

    #[inline]
    fn visit_integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, DeserializeError> {
        let value = self.integer(&visitor)?;
        visitor.visit_i64(value)
    }

    #[inline]
    fn visit_list<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, DeserializeError> {
        self.within(|de| visitor.visit_seq(List::new(de)))
    }

    #[inline]
    fn visit_dict<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, DeserializeError> {
        self.within(|de| visitor.visit_map(Dict::new(de)))
    }

    /// Why `byte`, with which no value begins, stands here. Lists look for their end themselves.
    fn no_value(&self, byte: u8) -> DecodeErrorKind {
        match byte {
            b'e' if self.depth > 0 => MissingValue,
            _ => UnexpectedByte(byte),
        }
    }

    /// What stands here instead of what `expected` says.
    #[cold]
    fn unexpected(&mut self, expected: &dyn Expected) -> DeserializeError {
        let start = self.pos;
        let found = match self.peek() {
            None => return DeserializeError::new(start, UnexpectedEnd.into()),
            Some(b'i') => match self.integer(expected) {
                Ok(value) => Unexpected::Signed(value),
                Err(error) => return error,
            },
            Some(b'0'..=b'9') => match self.string(expected) {
                Ok(content) => match core::str::from_utf8(content) {
                    Ok(text) if text.len() <= SHOWN => Unexpected::Str(text),
                    _ => Unexpected::Other("string"),
                },
                Err(error) => return error,
            },
            Some(b'l') => Unexpected::Other("list"),
            Some(b'd') => Unexpected::Other("dictionary"),
            Some(byte) => return DeserializeError::new(start, self.no_value(byte).into()),
        };
        self.at = start;
        de::Error::invalid_type(found, expected)
    }
}

/// The range is checked by the types.
macro_rules! forward_to_deserialize_i64 {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            self.deserialize_i64(visitor)
        }
    )*};
}

impl<'de, M: Mode> de::Deserializer<'de> for &mut Deserializer<'de, M> {
    type Error = DeserializeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.peek() {
            Some(b'0'..=b'9') => self.visit_string(visitor),
            Some(b'i') => self.visit_integer(visitor),
            Some(b'l') => self.visit_list(visitor),
            Some(b'd') => self.visit_dict(visitor),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    #[inline]
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.visit_integer(visitor)
    }

    forward_to_deserialize_i64! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.integer(&visitor)? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            other => Err(de::Error::invalid_value(
                Unexpected::Signed(other),
                &"0 or 1",
            )),
        }
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.visit_string(visitor)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visit_text(self.string(&visitor)?, visitor)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.peek() {
            Some(b'l') => self.visit_list(visitor),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.peek() {
            Some(b'd') => self.visit_dict(visitor),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self.peek() {
            Some(b'0'..=b'9') => {
                let name = self.string(&visitor)?;
                visitor.visit_enum(UnitVariant(name))
            }
            Some(b'd') => self.within(|de| visitor.visit_enum(Variant(de))),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match name {
            raw::NAME => {
                let start = self.pos;
                self.skip()?;
                visitor.visit_borrowed_bytes(&self.input[start..self.pos])
            }
            spanned::NAME => visitor.visit_seq(spanned::Parts::new(self)),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.skip()?;
        visitor.visit_unit()
    }

    fn deserialize_f32<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        fail(self.pos, Unsupported("floats"))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        fail(self.pos, Unsupported("floats"))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        fail(self.pos, Unsupported("units"))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _: V,
    ) -> Result<V::Value, Self::Error> {
        fail(self.pos, Unsupported("units"))
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_bytes(visitor)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

#[inline]
fn visit_text<'de, V: Visitor<'de>>(
    content: &'de [u8],
    visitor: V,
) -> Result<V::Value, DeserializeError> {
    match core::str::from_utf8(content) {
        Ok(text) => visitor.visit_borrowed_str(text),
        Err(_) => Err(DeserializeError::unplaced(NotUtf8)),
    }
}

#[cold]
fn fail<T>(offset: usize, kind: impl Into<DeserializeErrorKind>) -> Result<T, DeserializeError> {
    Err(DeserializeError::new(offset, kind.into()))
}

/// How deep lists and dictionaries may be nested that a type takes, whatever the limits say:
/// fewer than would fill the stack of a thread.
pub const MAX_DEPTH: u32 = 128;

/// A longer string is not repeated in an error.
const SHOWN: usize = 40;
