use alloc::vec::Vec;
use core::marker::PhantomData;

use crate::{
    DecodeError,
    DecodeErrorKind::{
        InputTooLong, KeyNotString, MissingValue, RepeatedKey, TooDeep, TooManyTokens,
        UnexpectedByte, UnexpectedEnd, UnsortedKeys,
    },
    Limits, Mode,
    read::{self, fail},
};

/// An input and its tokens in the order of the input, containers before their content.
#[derive(Clone, Debug)]
pub(crate) struct Tape<'a> {
    pub(crate) input: &'a [u8],
    /// Never empty: the first is the root.
    pub(crate) tokens: Vec<Token>,
}

/// One value, or one key of a dictionary. Its kind is told by the input's byte at `start`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    /// Offset of the first byte.
    pub(crate) start: u32,
    /// Offset behind the last byte. While a dictionary is open: the token of its last key.
    pub(crate) end: u32,
    /// Of a string: the offset of its content. Of a list or dictionary: the token behind its last
    /// one; while it is open: the token of the container around it. Of an integer: unused.
    pub(crate) link: u32,
}

/// Finds the tokens of the value with which `input` begins, in memory that the caller gives.
pub(crate) fn scan<M: Mode>(
    input: &[u8],
    limits: Limits,
    mut tokens: Vec<Token>,
) -> Result<Tape<'_>, DecodeError> {
    if u32::try_from(input.len()).is_err() {
        return fail(0, InputTooLong);
    }
    tokens.clear();
    // Enough for most messages; for others the growth pays for itself.
    tokens.reserve(input.len().min(FIRST_TOKENS));
    Scanner::<M> {
        input,
        limits,
        mode: PhantomData,
        pos: 0,
        tokens,
        open: NONE,
        depth: 0,
        in_dict: false,
        key_waits: false,
    }
    .run()
}

/// The stack of open containers lives in their own tokens, so nesting costs no further memory.
struct Scanner<'a, M> {
    input: &'a [u8],
    limits: Limits,
    mode: PhantomData<M>,
    pos: usize,
    tokens: Vec<Token>,
    /// The innermost open container, or `NONE`.
    open: u32,
    /// How many are open.
    depth: u32,
    /// Whether `open` is a dictionary.
    in_dict: bool,
    /// Whether the last token is a key whose value is still to come.
    key_waits: bool,
}

impl<'a, M: Mode> Scanner<'a, M> {
    fn run(mut self) -> Result<Tape<'a>, DecodeError> {
        loop {
            match self.input.get(self.pos) {
                None => return fail(self.pos, UnexpectedEnd),
                Some(b'0'..=b'9') if self.in_dict && !self.key_waits => {
                    self.key()?;
                    continue;
                }
                Some(b'e') if self.open != NONE && !self.key_waits => self.close(),
                Some(_) if self.in_dict && !self.key_waits => return fail(self.pos, KeyNotString),
                Some(b'0'..=b'9') => {
                    self.string()?;
                }
                Some(b'i') => {
                    let (_, end) = read::integer(self.input, self.pos, M::STRICT)?;
                    self.push(end, 0)?;
                    self.pos = end;
                }
                Some(&opening @ (b'l' | b'd')) => {
                    self.open(opening == b'd')?;
                    continue;
                }
                Some(b'e') if self.key_waits => return fail(self.pos, MissingValue),
                Some(&byte) => return fail(self.pos, UnexpectedByte(byte)),
            }
            self.key_waits = false;
            if self.open == NONE {
                return Ok(Tape {
                    input: self.input,
                    tokens: self.tokens,
                });
            }
        }
    }

    fn key(&mut self) -> Result<(), DecodeError> {
        let start = self.pos;
        let key = self.string()?;
        if M::STRICT {
            let last = self.tokens[self.open as usize].end;
            if last != NONE {
                let last = self.content(last);
                match last.cmp(self.content(key)) {
                    core::cmp::Ordering::Less => {}
                    core::cmp::Ordering::Equal => return fail(start, RepeatedKey),
                    core::cmp::Ordering::Greater => return fail(start, UnsortedKeys),
                }
            }
            self.tokens[self.open as usize].end = key;
        }
        self.key_waits = true;
        Ok(())
    }

    fn content(&self, string: u32) -> &'a [u8] {
        let token = self.tokens[string as usize];
        &self.input[token.link as usize..token.end as usize]
    }

    /// Returns the token.
    fn string(&mut self) -> Result<u32, DecodeError> {
        let start = self.pos;
        let (content, end) = read::string(self.input, start, M::STRICT)?;
        let token = self.push(end, (end - content.len()) as u32)?;
        self.pos = end;
        Ok(token)
    }

    fn open(&mut self, is_dict: bool) -> Result<(), DecodeError> {
        if self.depth == self.limits.depth {
            return fail(self.pos, TooDeep(self.limits.depth));
        }
        self.open = self.push(NONE as usize, self.open)?;
        self.depth += 1;
        self.in_dict = is_dict;
        self.key_waits = false;
        self.pos += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.pos += 1;
        let behind = self.tokens.len() as u32;
        let token = &mut self.tokens[self.open as usize];
        self.open = token.link;
        token.link = behind;
        token.end = self.pos as u32;
        self.depth -= 1;
        self.in_dict =
            self.open != NONE && self.input[self.tokens[self.open as usize].start as usize] == b'd';
    }

    /// Adds a token that starts at `pos`; returns it.
    fn push(&mut self, end: usize, link: u32) -> Result<u32, DecodeError> {
        let index = self.tokens.len() as u32;
        if index >= self.limits.tokens {
            return fail(self.pos, TooManyTokens(self.limits.tokens));
        }
        self.tokens.push(Token {
            start: self.pos as u32,
            end: end as u32,
            link,
        });
        Ok(index)
    }
}

/// No token. Never one's number, since an input has fewer tokens than bytes.
const NONE: u32 = u32::MAX;
/// 384 bytes: a DHT message has about 15 tokens, an extension handshake about 30.
const FIRST_TOKENS: usize = 32;
