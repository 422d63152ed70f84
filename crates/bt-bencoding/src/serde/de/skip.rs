use alloc::vec::Vec;

use super::{DeserializeError, Deserializer, fail};
use crate::{DecodeErrorKind::UnexpectedEnd, Mode};

/// A list or dictionary that is being stepped over.
struct Frame<'de> {
    is_dict: bool,
    last_key: Option<&'de [u8]>,
}

impl<'de, M: Mode> Deserializer<'de, M> {
    /// Steps over the value that begins here, which is checked like any other, without recursion.
    #[inline]
    pub(super) fn skip(&mut self) -> Result<(), DeserializeError> {
        match self.short_string() {
            Some(_) => Ok(()),
            None => self.skip_any(),
        }
    }

    fn skip_any(&mut self) -> Result<(), DeserializeError> {
        let mut open: Vec<Frame<'de>> = Vec::new();
        loop {
            match self.peek() {
                Some(b'0'..=b'9') => {
                    self.string(&"a value")?;
                }
                Some(b'i') => {
                    self.integer(&"a value")?;
                }
                Some(opening @ (b'l' | b'd')) => {
                    self.enter(self.limits.depth)?;
                    open.push(Frame {
                        is_dict: opening == b'd',
                        last_key: None,
                    });
                }
                Some(byte) => return fail(self.pos, self.no_value(byte)),
                None => return fail(self.pos, UnexpectedEnd),
            }
            if !self.step_to_value(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Steps out of the containers that end here, and over the key of the next value. Whether
    /// there is one.
    #[inline]
    fn step_to_value(&mut self, open: &mut Vec<Frame<'de>>) -> Result<bool, DeserializeError> {
        while let Some(innermost) = open.last_mut() {
            if self.peek() != Some(b'e') {
                if innermost.is_dict {
                    self.key(&mut innermost.last_key)?;
                }
                return Ok(true);
            }
            self.pos += 1;
            self.depth -= 1;
            open.pop();
        }
        Ok(false)
    }
}
