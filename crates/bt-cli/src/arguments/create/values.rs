//! What a word of `bt create` may be; the error says what it should have been.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use crate::format::parse_size;

/// Trackers that clients choose among as they like.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Tier(pub(crate) Vec<String>);

/// Matches paths below the content's folder.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// As the user wrote it.
    pub(crate) text: String,
    glob: GlobMatcher,
}

impl Pattern {
    pub(crate) fn is_match(&self, path: impl AsRef<Path>) -> bool {
        self.glob.is_match(path)
    }
}

/// A comma may be part of a URL: only one before the next scheme is between two.
pub(super) fn parse_tier(text: &str) -> Result<Tier, String> {
    let mut urls: Vec<String> = Vec::new();
    for part in text.split(',') {
        match urls.last_mut() {
            Some(url) if !part.contains("://") => {
                url.push(',');
                url.push_str(part);
            }
            _ => urls.push(part.to_owned()),
        }
    }
    let urls = urls.iter().map(|url| parse_tracker(url));
    urls.collect::<Result<_, _>>().map(Tier)
}

fn parse_tracker(url: &str) -> Result<String, String> {
    let url = url.trim();
    let port = |authority: &str| {
        let (_, port) = authority.rsplit_once(':')?;
        port.parse::<u16>().ok().filter(|port| *port != 0)
    };
    match split_url(url) {
        Some(("udp", authority)) if port(authority).is_some() => Ok(url.to_owned()),
        Some(("http" | "https" | "ws" | "wss", _)) => Ok(url.to_owned()),
        _ => Err("a tracker is udp://host:port, or http(s):// or ws(s):// and so on".to_owned()),
    }
}

pub(super) fn parse_web_seed(url: &str) -> Result<String, String> {
    let url = url.trim();
    match split_url(url) {
        Some(("http" | "https", _)) => Ok(url.to_owned()),
        _ => Err("a web seed is an http:// or https:// URL".to_owned()),
    }
}

/// The scheme of a URL, in lower case if that is one of those that we know, and its authority.
fn split_url(url: &str) -> Option<(&'static str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let known = ["udp", "http", "https", "ws", "wss"].into_iter();
    let scheme = known
        .into_iter()
        .find(|it| it.eq_ignore_ascii_case(scheme))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let is_plain = !url.contains(|letter: char| letter.is_control() || letter == ' ');
    let is_host = !host.is_empty() && (!host.contains(':') || host.ends_with(']'));
    (is_plain && is_host).then_some((scheme, authority))
}

pub(super) fn parse_piece_length(text: &str) -> Result<u32, String> {
    let length = parse_size(text)?;
    match u32::try_from(length) {
        Ok(length) if length.is_power_of_two() && PIECE_LENGTHS.contains(&length) => Ok(length),
        // mktorrent takes the power.
        Ok(power @ 14..=27) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            let size = as_size(1 << power);
            Err(format!(
                "{power} bytes are too few; 2^{power} bytes are {size}"
            ))
        }
        _ => Err("it must be a power of two from 16K to 128M".to_owned()),
    }
}

/// A length of pieces as one would write it on the command line: `256K`.
pub(crate) fn as_size(piece_length: u32) -> String {
    match piece_length >> 10 {
        kib if kib < 1024 => format!("{kib}K"),
        kib => format!("{}M", kib >> 10),
    }
}

pub(super) fn parse_name(text: &str) -> Result<String, String> {
    if matches!(text, "" | "." | "..") {
        return Err(format!("{text:?} is no name for a file"));
    }
    if text.contains(['/', '\\', '\0']) {
        return Err("a name has no slash or backslash in it".to_owned());
    }
    Ok(text.to_owned())
}

pub(in crate::arguments) fn parse_pattern(text: &str) -> Result<Pattern, String> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let anywhere = !path.contains('/');
    let path = path.trim_start_matches("./");
    let path = path.strip_prefix('/').unwrap_or(path);
    if matches!(path, "" | ".") {
        return Err("it matches nothing".to_owned());
    }
    let glob = if anywhere {
        format!("**/{path}")
    } else {
        path.to_owned()
    };
    let glob = GlobBuilder::new(&glob).literal_separator(true).build();
    let glob = glob.map_err(|error| format!("{}, see --help", error.kind()))?;
    Ok(Pattern {
        text: text.to_owned(),
        glob: glob.compile_matcher(),
    })
}

/// Seconds since 1970, or a date and perhaps a time of UTC.
pub(super) fn parse_date(text: &str) -> Result<i64, String> {
    let seconds = match text.strip_prefix('@') {
        Some(seconds) => seconds.parse().ok(),
        // Less would be a year, or a date without its hyphens.
        None if text.trim_start_matches('-').len() >= 9 => text.parse().ok(),
        None => None,
    };
    let date = seconds.or_else(|| seconds_of(text));
    date.filter(|seconds| is_date(*seconds)).ok_or_else(|| {
        "a date is like 2026-11-22 or 2026-11-22T12:00:00, or @ and the seconds since 1970"
            .to_owned()
    })
}

/// Whether a time is in one of the years that have four digits.
pub(crate) fn is_date(seconds: i64) -> bool {
    let begin_of = |year| days_since_1970(year, 1, 1) * 86_400;
    (begin_of(0)..begin_of(10_000)).contains(&seconds)
}

fn seconds_of(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time.strip_suffix('Z').unwrap_or(time)),
        None => (text, "0:00"),
    };
    let [year, month, day] = numbers(date, '-')?[..] else {
        return None;
    };
    let (hour, minute, second) = match numbers(time, ':')?[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let is_day = (1..=days).contains(&day) && year <= 9999;
    let is_time = hour < 24 && minute < 60 && second < 60;
    let time = hour * 3600 + minute * 60 + second;
    (is_day && is_time).then(|| days_since_1970(year, month, day) * 86_400 + time)
}

fn numbers(text: &str, separator: char) -> Option<Vec<i64>> {
    let number = |part: &str| part.parse::<u16>().ok().map(i64::from);
    text.split(separator).map(number).collect()
}

/// Howard Hinnant's days_from_civil: years begin in March, so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Below a block a piece makes no sense; libtorrent takes none that is longer.
const PIECE_LENGTHS: std::ops::RangeInclusive<u32> = 16 << 10..=128 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_between_urls_and_in_them() {
        for (text, urls) in [
            ("udp://a:1", &["udp://a:1"][..]),
            ("udp://a:1,HTTPS://b/c", &["udp://a:1", "HTTPS://b/c"]),
            (
                "http://a/?x=1,2,udp://[2001:db8::1]:5",
                &["http://a/?x=1,2", "udp://[2001:db8::1]:5"],
            ),
        ] {
            assert_eq!(parse_tier(text).unwrap().0, urls, "{text}");
        }
        for text in [
            "",
            "a",
            "udp://",
            "udp://a",
            "udp://a:0",
            "http:///x",
            "http://:80/",
            "http://a b/",
            "ftp://a/",
            ",udp://a:1",
            "udp://::1:80",
        ] {
            assert!(parse_tier(text).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_with_and_without_a_slash() {
        for (pattern, matches, others) in [
            ("*.nfo", &["a.nfo", "b/c.nfo"][..], &["a.nfo/b", "nfo"][..]),
            ("/*.nfo", &["a.nfo"], &["b/c.nfo"]),
            ("b/*", &["b/c"], &["a/b/c", "b/c/d"]),
            ("b/**", &["b/c", "b/c/d"], &["a/b/c"]),
            ("extras/", &["extras", "a/extras"], &["extra"]),
            ("./*.nfo", &["a.nfo"], &["b/c.nfo"]),
            ("./b/*", &["b/c"], &["a/b/c"]),
            ("[[]a]*", &["[a]b"], &["a"]),
            ("*.{jpg,png}", &["a.jpg", "a/b.png"], &["a.gif"]),
        ] {
            let pattern = parse_pattern(pattern).unwrap();
            for path in matches {
                assert!(pattern.is_match(path), "{pattern:?} {path}");
            }
            for path in others {
                assert!(!pattern.is_match(path), "{pattern:?} {path}");
            }
        }
        for pattern in ["", "/", "./", "[a", "{a"] {
            assert!(parse_pattern(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn dates_of_every_form() {
        for (text, seconds) in [
            ("@0", 0),
            ("@-1", -1),
            ("100000000", 100_000_000),
            ("1795348800", 1_795_348_800),
            ("0000-01-01", -62_167_219_200),
            ("@253402300799", 253_402_300_799),
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
            ("2026-11-22T12:00:00", 1_795_348_800),
            ("2026-11-22T12:00:00Z", 1_795_348_800),
            ("2026-11-22 12:00", 1_795_348_800),
            ("1969-12-31T23:59:59Z", -1),
        ] {
            assert_eq!(parse_date(text), Ok(seconds), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2026-11",
            "2026-13-01",
            "2026-02-29",
            "2026-11-22T24:00",
            "2026-11-22T12",
            "2026-11-22T",
            "+2026-11-22x",
            "0",
            "2026",
            "20261122",
            "-1",
            "@",
            "@253402300800",
            "99999999999999999",
            "-99999999999999999",
        ] {
            assert!(parse_date(text).is_err(), "{text}");
        }
    }
}
