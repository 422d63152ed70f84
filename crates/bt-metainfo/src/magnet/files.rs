use std::{fmt, ops::RangeInclusive};

use super::MAX_RANGES;

/// Reads `0,2,4-8` (BEP 53): sorted, merged where ranges meet. Tokens that make no sense are passed
/// over, as libtorrent does.
pub(super) fn parse(text: &str, files: &mut Vec<RangeInclusive<u32>>) {
    files.extend(text.split(',').filter_map(range));
    files.sort_unstable_by_key(|range| *range.start());
    let mut merged: Vec<RangeInclusive<u32>> = Vec::new();
    for range in files.drain(..) {
        match merged.last_mut() {
            Some(last) if *range.start() <= last.end().saturating_add(1) => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => merged.push(range),
        }
    }
    merged.truncate(MAX_RANGES);
    *files = merged;
}

fn range(token: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = token.split_once('-').unwrap_or((token, token));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(first..=last)
}

/// Digits only: `parse` would take a sign.
fn number(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

pub(super) struct Shown<'a>(pub(super) &'a [RangeInclusive<u32>]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut glue = "";
        for range in self.0 {
            let (first, last) = (range.start(), range.end());
            if first == last {
                write!(f, "{glue}{first}")?;
            } else {
                write!(f, "{glue}{first}-{last}")?;
            }
            glue = ",";
        }
        Ok(())
    }
}
