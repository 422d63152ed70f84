use bt_types::SwarmId;

use crate::Group;

/// A search as it is on the wire: `BT-SEARCH`, in the form of an HTTP request without a body.
///
/// ```
/// use bt_lsd::Search;
/// let search = Search::parse(
///     b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\n\
///       Infohash: 0707070707070707070707070707070707070707\r\ncookie: x\r\n\r\n\r\n",
/// )?;
/// assert_eq!((search.port, search.cookie), (6881, Some(&b"x"[..])));
/// assert_eq!(search.swarms().next(), Some(bt_types::SwarmId([7; 20])));
/// # Ok::<(), bt_lsd::Malformed>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Search<'a> {
    /// On which port of its own the sender takes peers; not 0.
    pub port: u16,
    /// By which a client knows its own searches; opaque.
    pub cookie: Option<&'a [u8]>,
    headers: &'a [u8],
}

/// Why a datagram is no search.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// It is longer than BEP 14 allows.
    #[error("datagram of {0} bytes, at most {MAX_DATAGRAM} allowed")]
    TooLong(usize),
    /// It is something else: an answer of another protocol, another version.
    #[error("no BT-SEARCH request")]
    NotASearch,
    /// There is no port, or none that a peer could have.
    #[error("no valid port")]
    Port,
    /// There is no swarm, or none that can be read.
    #[error("no valid info hash")]
    NoSwarm,
}

impl<'a> Search<'a> {
    /// Reads a datagram. Names of headers may have any case, headers that nobody knows are passed
    /// over, of repeated ones but `Infohash` the first counts, and lines may end without CR.
    ///
    /// # Errors
    /// If it is no search for any swarm.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        if datagram.len() > MAX_DATAGRAM {
            return Err(Malformed::TooLong(datagram.len()));
        }
        let rest = datagram
            .strip_prefix(REQUEST)
            .ok_or(Malformed::NotASearch)?;
        let headers = rest
            .strip_prefix(b"\r\n")
            .or_else(|| rest.strip_prefix(b"\n"))
            .ok_or(Malformed::NotASearch)?;
        let first = |name| header_values(headers, name).next();
        let port = first("port").and_then(parse_port).ok_or(Malformed::Port)?;
        let search = Self {
            port,
            cookie: first("cookie"),
            headers,
        };
        match search.swarms().next() {
            Some(_) => Ok(search),
            None => Err(Malformed::NoSwarm),
        }
    }

    /// The swarms that the sender is in, of a v2 torrent by the first 20 bytes of its hash; those
    /// that cannot be read are left out.
    pub fn swarms(&self) -> impl Iterator<Item = SwarmId> + use<'a> {
        let values = header_values(self.headers, "infohash");
        values.filter_map(|value| std::str::from_utf8(value).ok()?.parse().ok())
    }
}

/// Writes a search for as many of the swarms as it has room for; at least one. Returns how many.
pub(crate) fn write(
    group: Group,
    port: u16,
    cookie: &str,
    swarms: &[SwarmId],
    out: &mut Vec<u8>,
) -> usize {
    let begin = format!("{REQUEST_LINE}\r\nHost: {group}\r\nPort: {port}\r\n");
    // Two empty lines, says the BEP.
    let end = format!("cookie: {cookie}\r\n\r\n\r\n");
    let room = MAX_DATAGRAM.saturating_sub(begin.len() + end.len());
    let count = (room / SWARM_LENGTH).min(swarms.len());
    out.extend_from_slice(begin.as_bytes());
    for swarm in &swarms[..count] {
        out.extend_from_slice(format!("Infohash: {swarm}\r\n").as_bytes());
    }
    out.extend_from_slice(end.as_bytes());
    count
}

/// The values of all headers of a name, up to the first empty line.
fn header_values<'a>(
    headers: &'a [u8],
    name: &'static str,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    headers
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .take_while(|line| !line.is_empty())
        .filter_map(move |line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let is_it = line[..colon].eq_ignore_ascii_case(name.as_bytes());
            is_it.then(|| line[colon + 1..].trim_ascii())
        })
}

fn parse_port(value: &[u8]) -> Option<u16> {
    let is_number = value.iter().all(u8::is_ascii_digit);
    let port = std::str::from_utf8(value).ok()?.parse().ok()?;
    (is_number && port != 0).then_some(port)
}

/// BEP 14: that much reaches everybody in one piece.
pub const MAX_DATAGRAM: usize = 1400;
const REQUEST_LINE: &str = "BT-SEARCH * HTTP/1.1";
const REQUEST: &[u8] = REQUEST_LINE.as_bytes();
/// `Infohash: `, 40 digits, CR, LF.
const SWARM_LENGTH: usize = 10 + 40 + 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(headers: &str) -> Result<Search<'_>, Malformed> {
        let datagram = format!("BT-SEARCH * HTTP/1.1\r\n{headers}\r\n\r\n");
        Search::parse(datagram.leak().as_bytes())
    }

    const HASH: &str = "0707070707070707070707070707070707070707";

    /// In the forms of libtorrent and transmission: cookies of any kind, one swarm or many.
    #[test]
    fn searches_of_others() {
        let libtorrent = "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\n\
             Infohash: 0707070707070707070707070707070707070707\r\ncookie: 5dbf2f6e\r\n\r\n\r\n";
        let search = Search::parse(libtorrent.as_bytes()).unwrap();
        assert_eq!(search.port, 6881);
        assert_eq!(search.cookie, Some(&b"5dbf2f6e"[..]));
        assert_eq!(search.swarms().collect::<Vec<_>>(), [SwarmId([7; 20])]);
        let transmission = "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 51413\r\n\
             Infohash: 0707070707070707070707070707070707070707\r\n\
             Infohash: 0808080808080808080808080808080808080808\r\n\
             cookie: q3iYMzCa8Jq9jL8t\r\n\r\n\r\n";
        let search = Search::parse(transmission.as_bytes()).unwrap();
        assert_eq!((search.port, search.swarms().count()), (51413, 2));
    }

    #[test]
    fn what_differs_in_form_only_is_read() {
        for headers in [
            format!("port:6881\r\nINFOHASH:{HASH}"),
            format!("Port:  6881 \r\nInfohash: \t{}\r\n", HASH.to_uppercase()),
            format!("Port: 6881\nInfohash: {HASH}\n"),
            format!(
                "X: y\r\nno header\r\nInfohash: zz\r\nInfohash: {HASH}\r\nPort: 6881\r\nPort: 1"
            ),
        ] {
            let search = parse(&headers).unwrap();
            assert_eq!((search.port, search.cookie), (6881, None), "{headers:?}");
            assert!(search.swarms().eq([SwarmId([7; 20])]), "{headers:?}");
        }
    }

    #[test]
    fn what_is_no_search() {
        let swarm = format!("Infohash: {HASH}\r\n");
        for port in [
            "",
            "Port: 0\r\n",
            "Port: 65536\r\n",
            "Port: +1\r\n",
            "Port: a\r\n",
        ] {
            assert_eq!(parse(&format!("{port}{swarm}")), Err(Malformed::Port));
        }
        for swarms in [
            "",
            "Infohash: 07\r\n",
            "\r\nInfohash: ",
            "Infohash: \u{e9}\r\n",
        ] {
            let headers = format!("Port: 1\r\n{swarms}");
            assert_eq!(parse(&headers), Err(Malformed::NoSwarm), "{headers:?}");
        }
        for datagram in [
            "",
            "BT-SEARCH * HTTP/1.0\r\n",
            "M-SEARCH * HTTP/1.1\r\n",
            "d1:q4:pinge",
        ] {
            let parsed = Search::parse(datagram.as_bytes());
            assert_eq!(parsed, Err(Malformed::NotASearch), "{datagram}");
        }
        let long = format!("Port: 1\r\n{}", swarm.repeat(27));
        assert!(matches!(parse(&long), Err(Malformed::TooLong(_))));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_fits(
            swarms in prop::collection::vec(any::<[u8; 20]>(), 1..40),
            port in 1_u16..,
            v6: bool,
            cookie in "[0-9a-f]{0,16}",
        ) {
            let swarms: Vec<_> = swarms.into_iter().map(SwarmId).collect();
            let group = if v6 { Group::V6 } else { Group::V4 };
            let mut out = Vec::new();
            let count = write(group, port, &cookie, &swarms, &mut out);
            prop_assert!(count == swarms.len() || count >= 24);
            let search = Search::parse(&out).unwrap();
            prop_assert_eq!(search.port, port);
            prop_assert_eq!(search.cookie, Some(cookie.as_bytes()));
            prop_assert!(search.swarms().eq(swarms[..count].iter().copied()));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..1500), headers in any::<bool>()) {
            let mut datagram = if headers { b"BT-SEARCH * HTTP/1.1\r\nPort: 1\r\n".to_vec() } else { Vec::new() };
            datagram.extend(bytes);
            if let Ok(search) = Search::parse(&datagram) {
                prop_assert!(search.port != 0 && (1..=26).contains(&search.swarms().count()));
            }
        }
    }
}
