//! Integers and strings, the two tokens that have content. Their length is what parsing costs, so
//! each is read by a short path that knows only what is common and sound; whatever that refuses is
//! read again by a thorough one, which accepts a little more and says what is wrong with the rest.

use crate::{
    DecodeError,
    DecodeErrorKind::{
        self, IntegerOverflow, LeadingZero, MalformedInteger, MalformedLength, StringTooLong,
        UnexpectedEnd,
    },
};

/// Reads the `i…e` that begins at `pos`; returns the value and the offset behind it.
#[inline]
pub(crate) fn integer(input: &[u8], pos: usize, strict: bool) -> Result<(i64, usize), DecodeError> {
    match short_integer(input, pos, strict) {
        Some(read) => Ok(read),
        None => any_integer(input, pos, strict),
    }
}

/// Reads the string that begins at `pos`; returns its content and the offset behind it.
#[inline]
pub(crate) fn string(
    input: &[u8],
    pos: usize,
    strict: bool,
) -> Result<(&[u8], usize), DecodeError> {
    match short_string(input, pos) {
        Some(read) => Ok(read),
        None => any_string(input, pos, strict),
    }
}

/// An integer of up to eighteen digits, without sign; `None` also if something else begins at
/// `pos`.
#[inline(always)]
pub(crate) fn short_integer(input: &[u8], pos: usize, strict: bool) -> Option<(i64, usize)> {
    let [b'i', text @ ..] = input.get(pos..)? else {
        return None;
    };
    let (number, count) = digits(text);
    let is_common = 0 < count && count < DIGITS_THAT_FIT && *text.get(count)? == b'e';
    let is_canonical = count == 1 || text.first() != Some(&b'0');
    (is_common && (is_canonical || !strict)).then_some((number as i64, pos + count + 2))
}

/// A string of less than a hundred bytes whose length has no needless zero; `None` also if
/// something else begins at `pos`.
#[inline(always)]
pub(crate) fn short_string(input: &[u8], pos: usize) -> Option<(&[u8], usize)> {
    let rest = input.get(pos..)?;
    let [first, second, third] = *rest.first_chunk()?;
    let first = first.wrapping_sub(b'0');
    if first > 9 {
        return None;
    }
    let (length, header) = if second == b':' {
        (first, 2)
    } else {
        let second = second.wrapping_sub(b'0');
        if second > 9 || third != b':' || first == 0 {
            return None;
        }
        (first * 10 + second, 3)
    };
    let end = header + usize::from(length);
    Some((rest.get(header..end)?, pos + end))
}

/// Any integer, or why it is none.
pub(crate) fn any_integer(
    input: &[u8],
    pos: usize,
    strict: bool,
) -> Result<(i64, usize), DecodeError> {
    let is_negative = input.get(pos + 1) == Some(&b'-');
    let first = pos + 1 + usize::from(is_negative);
    let (magnitude, count) = all_digits(input.get(first..).unwrap_or_default());
    let end = first + count;
    match input.get(end) {
        None => return fail(end, UnexpectedEnd),
        Some(b'e') if count > 0 => {}
        Some(_) => return fail(end, MalformedInteger),
    }
    if is_negative && magnitude == 0 {
        return fail(pos, MalformedInteger);
    }
    if strict && input[first] == b'0' && count > 1 {
        return fail(pos, LeadingZero);
    }
    let value = if is_negative {
        0_i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    };
    match value {
        Some(value) => Ok((value, end + 1)),
        None => fail(pos, IntegerOverflow),
    }
}

/// Any string, or why it is none. There is a digit at `pos`.
pub(crate) fn any_string(
    input: &[u8],
    pos: usize,
    strict: bool,
) -> Result<(&[u8], usize), DecodeError> {
    let (length, count) = all_digits(&input[pos..]);
    let colon = pos + count;
    match input.get(colon) {
        None => return fail(colon, UnexpectedEnd),
        Some(b':') if strict && input[pos] == b'0' && count > 1 => {
            return fail(pos, LeadingZero);
        }
        Some(b':') => {}
        Some(_) => return fail(colon, MalformedLength),
    }
    let content = &input[colon + 1..];
    match usize::try_from(length)
        .ok()
        .and_then(|length| content.get(..length))
    {
        Some(content) => Ok((content, colon + 1 + content.len())),
        None => {
            let left = content.len();
            fail(pos, StringTooLong { length, left })
        }
    }
}

// By hand, since nom's `i64` and `u32` (benches/bencoding.rs has a scanner with them) take `i+1e`
// and `i-0e`, do not tell overflow from a malformed number, and are slower.

/// The number with which `text` begins, and of how many digits it is; it is only right if that is
/// no more than `DIGITS_THAT_FIT`.
#[inline(always)]
fn digits(text: &[u8]) -> (u64, usize) {
    // Eight at once, since a loop over them ends with a branch that is hard to predict.
    let (mut number, mut count) = match text.first_chunk() {
        Some(word) => leading_digits(u64::from_le_bytes(*word)),
        None => (0, 0),
    };
    if count == 0 || count == 8 {
        while let Some(digit @ ..10) = text.get(count).map(|byte| byte.wrapping_sub(b'0')) {
            number = number.wrapping_mul(10).wrapping_add(digit.into());
            count += 1;
        }
    }
    (number, count)
}

/// Of eight bytes of text, the first in the lowest bits: the number with which they begin, and of
/// how many digits it is.
#[inline(always)]
fn leading_digits(word: u64) -> (u64, usize) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // 0 to 9 for a digit. Adding 0x76 then leaves the highest bit of its byte clear, and carries
    // nothing into the next; the lowest byte of which either is not true is the first other one.
    let values = word ^ (ONES * u64::from(b'0'));
    let others = (values.wrapping_add(ONES * 0x76) | values) & (ONES * 0x80);
    let digits = others.trailing_zeros() / 8;
    if digits == 0 {
        return (0, 0);
    }
    // Zeros in front make eight digits of them; then neighbours are added up in pairs.
    let values = values << (64 - 8 * digits);
    let pairs = (values * 10 + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let eight = (fours * 10_000 + (fours >> 32)) & 0xffff_ffff;
    (eight, digits as usize)
}

/// The same for any number of digits; one beyond 64 bits is given as the largest.
fn all_digits(text: &[u8]) -> (u64, usize) {
    let (number, count) = digits(text);
    if count <= DIGITS_THAT_FIT {
        return (number, count);
    }
    let append = |number: u64, byte: &u8| {
        let digit = u64::from(byte.wrapping_sub(b'0'));
        number.saturating_mul(10).saturating_add(digit)
    };
    (text[..count].iter().fold(0, append), count)
}

pub(crate) fn fail<T>(offset: usize, kind: DecodeErrorKind) -> Result<T, DecodeError> {
    Err(DecodeError { offset, kind })
}

/// Any number of so many digits is one of 64 bits.
const DIGITS_THAT_FIT: usize = 19;

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    /// The short path is an optimisation and nothing else.
    #[track_caller]
    fn check(text: &str) {
        for tail in ["", "e", "12345678", "eeeeeeeee", "\u{ff}\u{ff}\u{ff}\u{ff}"] {
            let input = format!("{text}{tail}");
            let input = input.as_bytes();
            for strict in [false, true] {
                if let Some(read) = short_integer(input, 0, strict) {
                    assert_eq!(Ok(read), any_integer(input, 0, strict), "{text}{tail}");
                }
                if let Some(read) = short_string(input, 0) {
                    assert_eq!(Ok(read), any_string(input, 0, strict), "{text}{tail}");
                }
            }
        }
    }

    #[test]
    fn short_paths_agree_with_thorough_ones() {
        for number in 0..12_000 {
            check(&format!("i{number}e"));
            check(&format!("i-{number}e"));
        }
        for exponent in 4..19 {
            for number in [10_i64.pow(exponent) - 1, 10_i64.pow(exponent) + 7] {
                check(&format!("i{number}e"));
                check(&format!("i-{number}e"));
            }
        }
        for text in [
            "ie", "i-e", "i", "i-", "i00e", "i-0e", "i+1e", "i1", "i1:", "i/e", "i;e",
        ] {
            check(text);
        }
    }

    #[test]
    fn short_strings_agree_with_thorough_ones() {
        for length in 0..130 {
            check(&format!("{length}:{:length$}", ""));
            check(&format!("0{length}:{:length$}", ""));
            check(&format!("{length}:"));
            check(&format!("{length}"));
        }
        check("1;a");
        check("1/a");
        check("12;a");
    }

    #[test]
    fn the_short_path_is_taken() {
        assert_eq!(short_integer(b"i1234567e", 0, true), Some((1_234_567, 9)));
        assert_eq!(short_integer(b"i07e......", 0, false), Some((7, 4)));
        assert_eq!(short_string(b"4:spam", 0), Some((&b"spam"[..], 6)));
        assert_eq!(
            short_string(b"12:abcdefghijkl", 0),
            Some((&b"abcdefghijkl"[..], 15))
        );
    }
}
