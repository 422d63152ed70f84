use alloc::vec::Vec;

use crate::{
    Document, Lenient, Limits,
    entries::{Entry, sort_entries},
};

/// The place of one value at the end of a buffer. Writing the value uses it up, so that what is
/// written is always whole.
///
/// ```
/// use bt_bencoding::Encoder;
/// let mut out = b"\x14\x00".to_vec();
/// Encoder::new(&mut out).dict(|dict| {
///     dict.dict("m", |m| {
///         m.int("ut_metadata", 3);
///     });
///     dict.list("l", |list| {
///         list.bytes("x").int(-1);
///     });
/// });
/// assert_eq!(out, b"\x14\x00d1:ll1:xi-1ee1:md11:ut_metadatai3eee");
/// ```
#[derive(Debug)]
#[must_use = "nothing is written until a method says which value"]
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Encoder<'o> {
    /// Will append to `out`.
    pub const fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Writes an integer.
    pub fn int(self, value: impl Into<i64>) {
        self.out.push(b'i');
        let value = value.into();
        if value < 0 {
            self.out.push(b'-');
        }
        push_decimal(self.out, value.unsigned_abs());
        self.out.push(b'e');
    }

    /// Writes a string of any bytes.
    pub fn bytes(self, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        push_decimal(self.out, value.len() as u64);
        self.out.push(b':');
        self.out.extend_from_slice(value);
    }

    /// Writes a list of what `fill` adds to it.
    pub fn list(self, fill: impl FnOnce(&mut ListEncoder<'_>)) {
        self.out.push(b'l');
        fill(&mut ListEncoder { out: self.out });
        self.out.push(b'e');
    }

    /// Writes a dictionary of what `fill` adds to it, in any order; the keys come out sorted.
    ///
    /// # Panics
    /// If a key is added twice. Keys taken from data must be made unique by the caller.
    pub fn dict(self, fill: impl FnOnce(&mut DictEncoder<'_>)) {
        self.out.push(b'd');
        let mut dict = DictEncoder {
            out: self.out,
            entries: Vec::new(),
        };
        fill(&mut dict);
        let DictEncoder { out, entries } = dict;
        if let Err(key) = sort_entries(out, &entries) {
            panic!("key \"{}\" twice", out[key].escape_ascii());
        }
        out.push(b'e');
    }

    /// Writes a value that is encoded already: that of [`Value::raw`](crate::Value::raw), or
    /// what an encoder wrote elsewhere.
    pub fn raw(self, value: &[u8]) {
        debug_assert!(
            Document::<Lenient>::parse(value, Limits::new(u32::MAX, u32::MAX)).is_ok(),
            "raw bytes are not one value"
        );
        self.out.extend_from_slice(value);
    }
}

/// Adds values to a list; see [`Encoder::list`].
#[derive(Debug)]
pub struct ListEncoder<'o> {
    out: &'o mut Vec<u8>,
}

impl ListEncoder<'_> {
    /// The place of the next value. To be used up: a value that is not written is not there.
    pub fn value(&mut self) -> Encoder<'_> {
        Encoder::new(self.out)
    }

    /// Adds an integer.
    pub fn int(&mut self, value: impl Into<i64>) -> &mut Self {
        self.value().int(value);
        self
    }

    /// Adds a string of any bytes.
    pub fn bytes(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        self.value().bytes(value);
        self
    }

    /// Adds a list.
    pub fn list(&mut self, fill: impl FnOnce(&mut ListEncoder<'_>)) -> &mut Self {
        self.value().list(fill);
        self
    }

    /// Adds a dictionary; see [`Encoder::dict`] for when it panics.
    pub fn dict(&mut self, fill: impl FnOnce(&mut DictEncoder<'_>)) -> &mut Self {
        self.value().dict(fill);
        self
    }

    /// Adds a value that is encoded already.
    pub fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.value().raw(value);
        self
    }
}

/// Adds entries to a dictionary; see [`Encoder::dict`].
#[derive(Debug)]
pub struct DictEncoder<'o> {
    out: &'o mut Vec<u8>,
    /// In the order in which they were added, which is that of `out`.
    entries: Vec<Entry>,
}

impl DictEncoder<'_> {
    /// Adds an integer.
    pub fn int(&mut self, key: impl AsRef<[u8]>, value: impl Into<i64>) -> &mut Self {
        self.entry(key).int(value);
        self
    }

    /// Adds a string of any bytes.
    pub fn bytes(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        self.entry(key).bytes(value);
        self
    }

    /// Adds a list.
    pub fn list(
        &mut self,
        key: impl AsRef<[u8]>,
        fill: impl FnOnce(&mut ListEncoder<'_>),
    ) -> &mut Self {
        self.entry(key).list(fill);
        self
    }

    /// Adds a dictionary; see [`Encoder::dict`] for when it panics.
    pub fn dict(
        &mut self,
        key: impl AsRef<[u8]>,
        fill: impl FnOnce(&mut DictEncoder<'_>),
    ) -> &mut Self {
        self.entry(key).dict(fill);
        self
    }

    /// Adds a value that is encoded already.
    pub fn raw(&mut self, key: impl AsRef<[u8]>, value: &[u8]) -> &mut Self {
        self.entry(key).raw(value);
        self
    }

    /// Private, since an entry whose value is not written would be half a dictionary.
    fn entry(&mut self, key: impl AsRef<[u8]>) -> Encoder<'_> {
        let start = self.out.len();
        Encoder::new(self.out).bytes(&key);
        let end = self.out.len();
        self.entries.push(Entry {
            start,
            key: end - key.as_ref().len()..end,
        });
        Encoder::new(self.out)
    }
}

fn push_decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; MAX_DECIMAL_DIGITS];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// Of 2^64 - 1.
const MAX_DECIMAL_DIGITS: usize = 20;

#[cfg(test)]
mod tests;
