//! What a word on the command line may be; the error says what it should have been.

use std::{net::SocketAddr, num::NonZeroU64};

use bt_tracker_http::HttpUrl;

use crate::format::parse_size;

/// Whether bt can announce to this URL, by its scheme.
pub(crate) fn is_served(url: &str) -> bool {
    has_scheme(url, UDP) || is_web(url)
}

/// Whether this is an http or https URL.
pub(crate) fn is_web(url: &str) -> bool {
    has_scheme(url, "http://") || has_scheme(url, "https://")
}

fn has_scheme(url: &str, scheme: &str) -> bool {
    url.get(..scheme.len())
        .is_some_and(|found| found.eq_ignore_ascii_case(scheme))
}

pub(super) fn parse_tracker(url: &str) -> Result<String, String> {
    let url = url.trim();
    if is_web(url) {
        let parsed = url.parse::<HttpUrl>().map_err(|error| error.to_string());
        return parsed.map(|_| url.to_owned());
    }
    if !is_served(url) {
        return Err("only udp://, http:// and https:// trackers are supported so far".to_owned());
    }
    let rest = &url[UDP.len()..];
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let port = authority
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty() && (!host.contains(':') || host.ends_with(']')))
        .and_then(|(_, port)| port.parse().ok());
    match port {
        None | Some(0_u16) => Err("a tracker is udp://host:port, http://… or https://…".to_owned()),
        Some(_) => Ok(url.to_owned()),
    }
}

pub(super) fn parse_peer(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(peer) if peer.port() != 0 => Ok(peer),
        _ => Err("a peer is address:port, as in 192.0.2.7:6881 or [2001:db8::7]:6881".to_owned()),
    }
}

pub(super) fn parse_host(text: &str) -> Result<String, String> {
    let split = text.rsplit_once(':').filter(|(host, _)| {
        let is_bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        !host.is_empty() && !is_bare_v6 && !host.contains(char::is_whitespace)
    });
    match split.map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(port)) if port != 0 => Ok(text.to_owned()),
        _ => {
            Err("a host is host:port, as in dht.example.org:6881 or [2001:db8::7]:6881".to_owned())
        }
    }
}

/// Seconds, or as many minutes, hours or days.
pub(super) fn parse_seconds(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 60 * 60),
        Some((at, 'd')) => (&text[..at], 24 * 60 * 60),
        _ => (text, 1),
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let count = digits.parse::<u64>().ok().filter(|_| is_number);
    let seconds = count.and_then(|count| count.checked_mul(unit));
    seconds
        .filter(|&seconds| seconds >= 1)
        .ok_or_else(|| "a time of at least 1 second, like 90, 90s, 15m, 2h or 7d".to_owned())
}

pub(super) fn parse_memory(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        size if size < MIN_MEMORY => Err("at least 1M is needed".to_owned()),
        size => Ok(size),
    }
}

pub(super) fn parse_rate(text: &str) -> Result<NonZeroU64, String> {
    NonZeroU64::new(parse_size(text)?).ok_or_else(|| {
        "a limit of 0 would stop everything; leave the option out for no limit".to_owned()
    })
}

pub(super) fn parse_ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if ratio.is_finite() && ratio > 0.0 => Ok(ratio),
        _ => Err("a ratio is a number above 0, as in 1 or 2.5".to_owned()),
    }
}

pub(super) fn parse_demo_size(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        0 => Err("an empty file makes no torrent".to_owned()),
        size if size > MAX_DEMO_SIZE => Err("at most 64G".to_owned()),
        size => Ok(size),
    }
}

const UDP: &str = "udp://";
/// 64 blocks: less would keep a fast peer waiting.
const MIN_MEMORY: u64 = 1 << 20;
/// It takes twice that on disk.
const MAX_DEMO_SIZE: u64 = 64 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trackers_of_every_form() {
        for url in [
            "udp://t:1",
            "UDP://t:1/announce?key=v#x",
            "udp://[2001:db8::1]:80/announce",
            "http://t/announce?key=v",
            "HTTPS://[2001:db8::1]:8443/announce",
        ] {
            assert_eq!(parse_tracker(url).as_deref(), Ok(url));
        }
    }

    #[test]
    fn hosts() {
        for host in [
            "a:1",
            "dht.example.org:25401",
            "192.0.2.1:6881",
            "[2001:db8::1]:1",
        ] {
            assert_eq!(parse_host(host).as_deref(), Ok(host));
        }
        for host in [
            "",
            "a",
            "a:",
            ":1",
            "a:0",
            "a:65536",
            "2001:db8::1",
            "a b:1",
        ] {
            assert!(parse_host(host).is_err(), "{host}");
        }
    }

    #[test]
    fn what_is_no_tracker() {
        for url in [
            "wss://a/announce",
            "http://",
            "http://me:secret@t/announce",
            "https://t:0/announce",
            "tracker.example:80",
            "udp://tracker.example",
            "udp://:80/announce",
            "udp://t:0",
            "udp://::1:80",
            "ü",
        ] {
            assert!(parse_tracker(url).is_err(), "{url}");
        }
    }
}
