//! Bytes, rates, durations and strangers' texts, for people.
//!
//! ```
//! use std::time::Duration;
//!
//! use bt_cli::format::{bytes, duration, parse_size, printable};
//!
//! assert_eq!(bytes(1536), "1.5 KiB");
//! assert_eq!(parse_size("32M"), Ok(32 << 20));
//! assert_eq!(duration(Duration::from_secs(200)), "3m20s");
//! assert_eq!(printable("clear\u{1b}[2J"), "clear\\u{1b}[2J");
//! ```

use std::{error::Error, fmt::Write, time::Duration};

/// `123 B`, `1.5 KiB`, `4.0 GiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"");
    // What would be shown as 1024.0 is 1.0 of the next.
    while value >= 1023.95 {
        let Some(next) = units.next() else { break };
        (value, unit) = (value / 1024.0, next);
    }
    format!("{value:.1} {unit}")
}

/// Bytes per second: `1.5 KiB/s`.
#[must_use]
pub fn rate(bytes_per_sec: u64) -> String {
    format!("{}/s", bytes(bytes_per_sec))
}

/// `7s`, `3m20s`, `2h05m`, `3d04h`: the two units that matter.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// Whole percent, and 100 only when all is done.
#[must_use]
pub fn percent(done: u64, total: u64) -> u64 {
    match total {
        0 => 100,
        total => (u128::from(done.min(total)) * 100 / u128::from(total)) as u64,
    }
}

/// A text from a torrent, a peer or a tracker, with everything escaped that would make a terminal
/// do something other than show a letter, or show letters in another order than they are.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || is_invisible(letter) {
            // Writing to a string does not fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(letter));
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Line separators, and what turns or hides text.
fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// An error with its causes in one line, as far as the line does not name them anyway.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut line = plain(&error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = lower_first(&plain(&error.to_string()));
        if !line.to_lowercase().contains(&reason.to_lowercase()) {
            line = format!("{line}: {reason}");
        }
        cause = error.source();
    }
    line
}

/// Why the system refused, in words and in lower case.
pub(crate) fn reason(error: &std::io::Error) -> String {
    lower_first(&plain(&error.to_string()))
}

/// The standard library adds the system's number, which means nothing to a user.
fn plain(message: &str) -> String {
    let mut message = message.to_owned();
    while let Some(start) = message.find(" (os error ") {
        let length = message[start..].find(')').map_or(0, |at| at + 1);
        if length == 0 {
            break;
        }
        message.replace_range(start..start + length, "");
    }
    message
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        // Not the first of an abbreviation.
        Some(first)
            if !letters
                .as_str()
                .starts_with(|next: char| next.is_uppercase()) =>
        {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// Reads a size: `1000`, `512K`, `2M`, `1G`, in powers of 1024; `KiB` and the like are the same.
///
/// # Errors
/// If it is none, or more than 64 bits hold; the text says what a size is.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = text[digits.len()..].to_ascii_lowercase();
    let unit = unit.trim_end_matches("ib").trim_end_matches('b');
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(SIZE_HELP.to_owned()),
    };
    let count: u64 = digits.parse().map_err(|_| SIZE_HELP.to_owned())?;
    count
        .checked_mul(1 << shift)
        .ok_or_else(|| "that is more than any machine has".to_owned())
}

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const SIZE_HELP: &str = "a size is a number like 500000, 512K, 32M or 2G";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_have_a_unit_that_fits() {
        for (count, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(count), shown);
        }
        assert_eq!(rate(2048), "2.0 KiB/s");
    }

    #[test]
    fn durations_have_two_units() {
        for (seconds, shown) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m00s"),
            (3599, "59m59s"),
            (7500, "2h05m"),
            (90_000, "1d01h"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), shown);
        }
    }

    #[test]
    fn percent_is_100_only_at_the_end() {
        assert_eq!((percent(999, 1000), percent(1000, 1000)), (99, 100));
        assert_eq!((percent(0, 0), percent(u64::MAX, u64::MAX)), (100, 100));
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, size) in [
            ("0", 0),
            ("1000", 1000),
            ("512K", 512 << 10),
            ("512k", 512 << 10),
            ("2M", 2 << 20),
            ("2MiB", 2 << 20),
            ("2MB", 2 << 20),
            ("1G", 1 << 30),
            ("3T", 3 << 40),
        ] {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
        for text in [
            "",
            "K",
            "-1",
            "1.5M",
            "1X",
            "1 M",
            "99999999999999999999",
            "99999999999T",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{says}")]
    struct Outer {
        says: &'static str,
        source: std::io::Error,
    }

    #[test]
    fn causes_are_told_once() {
        let refused = || std::io::Error::from_raw_os_error(13);
        let said = reason(&refused());
        assert_eq!(said, "permission denied");
        let outer = |says| Outer {
            says,
            source: refused(),
        };
        assert_eq!(
            in_full(&outer("cannot listen")),
            "cannot listen: permission denied"
        );
        let named = "cannot read x: Permission denied (os error 13); sorry";
        assert_eq!(
            in_full(&outer(named)),
            "cannot read x: Permission denied; sorry"
        );
        assert_eq!(in_full(&refused()), "Permission denied");
        assert_eq!(plain("odd (os error "), "odd (os error ");
    }

    #[test]
    fn strangers_cannot_move_the_cursor() {
        assert_eq!(printable("plain ä 名前"), "plain ä 名前");
        assert_eq!(printable("a\x1b[2Jb\r\n"), "a\\u{1b}[2Jb\\u{d}\\u{a}");
        assert_eq!(printable("gpj.\u{202e}exe"), "gpj.\\u{202e}exe");
    }

    proptest! {
        /// Whatever a torrent, a peer or a tracker says: one line, nothing that a terminal obeys.
        #[test]
        fn any_text_is_fit_to_be_shown(text: String) {
            let shown = printable(&text);
            prop_assert!(shown.chars().all(|letter| !letter.is_control() && !is_invisible(letter)));
            prop_assert_eq!(printable(&shown), shown, "and stays as it is");
        }

        #[test]
        fn a_percentage_is_never_ahead(done: u64, total: u64) {
            let (done, total) = (done.min(total), total.max(1));
            let shown = percent(done, total);
            prop_assert!(shown <= 100);
            prop_assert_eq!(shown == 100, done == total);
        }

        #[test]
        fn any_size_is_right_or_refused(text: String, count in 0_u64..1 << 30) {
            let _ = parse_size(&text);
            prop_assert_eq!(parse_size(&format!("{count}K")), Ok(count << 10));
            prop_assert_eq!(parse_size(&format!("{count}")), Ok(count));
        }
    }
}
