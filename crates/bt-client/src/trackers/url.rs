use crate::AnnounceError;

/// The parts of a `udp://` tracker URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct UdpUrl<'a> {
    /// A name or an address; an IPv6 address still in brackets.
    pub(super) host: &'a str,
    pub(super) port: u16,
    /// Path and query, which some trackers want to see (BEP 41).
    pub(super) data: &'a str,
}

impl<'a> UdpUrl<'a> {
    pub(super) fn parse(url: &'a str) -> Result<Self, AnnounceError> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or(AnnounceError::UnsupportedScheme)?;
        if !scheme.eq_ignore_ascii_case("udp") {
            return Err(AnnounceError::UnsupportedScheme);
        }
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, data) = rest.split_at(authority_end);
        let data = data.split('#').next().unwrap_or_default();
        let (host, port) = authority
            .rsplit_once(':')
            .ok_or(AnnounceError::NoHostAndPort)?;
        let is_bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        match port.parse() {
            Ok(port) if port != 0 && !host.is_empty() && !is_bare_v6 => {
                Ok(Self { host, port, data })
            }
            _ => Err(AnnounceError::NoHostAndPort),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_url() {
        for (url, host, port, data) in [
            ("udp://tracker.example:80", "tracker.example", 80, ""),
            (
                "UDP://192.0.2.1:6969/announce",
                "192.0.2.1",
                6969,
                "/announce",
            ),
            (
                "udp://[2001:db8::1]:1/a?key=v#x",
                "[2001:db8::1]",
                1,
                "/a?key=v",
            ),
            ("udp://t:1?passkey=1", "t", 1, "?passkey=1"),
        ] {
            let parsed = UdpUrl::parse(url).unwrap();
            assert_eq!(parsed, UdpUrl { host, port, data }, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_announced_to() {
        for url in ["http://t:80/announce", "wss://t", "udp", ""] {
            let refused = UdpUrl::parse(url);
            assert!(
                matches!(refused, Err(AnnounceError::UnsupportedScheme)),
                "{url}"
            );
        }
        for url in [
            "udp://t",
            "udp://:80",
            "udp://t:0",
            "udp://t:x",
            "udp://::1:80",
            "udp://t:65536",
        ] {
            let refused = UdpUrl::parse(url);
            assert!(
                matches!(refused, Err(AnnounceError::NoHostAndPort)),
                "{url}"
            );
        }
    }
}
