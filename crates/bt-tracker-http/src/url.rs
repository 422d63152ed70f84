use std::{fmt, net::Ipv6Addr, str::FromStr};

/// An `http` or `https` URL, taken apart and made fit to be sent: a host that can be looked up, a
/// port, and what the request line asks for. Without a fragment.
///
/// ```
/// use bt_tracker_http::{HttpUrl, Scheme};
/// let url: HttpUrl = "HTTP://Tracker.Example/a/../announce?passkey=x y#top".parse()?;
/// assert_eq!(url.to_string(), "http://tracker.example/announce?passkey=x%20y");
/// assert_eq!((url.scheme(), url.host(), url.port()), (Scheme::Http, "tracker.example", 80));
/// # Ok::<(), bt_tracker_http::UrlError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct HttpUrl {
    scheme: Scheme,
    /// A name in lower case, or an address; an IPv6 one without brackets.
    host: String,
    port: u16,
    /// Begins with a slash; printable ASCII.
    target: String,
}

/// How the bytes travel. The greater is the safer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// Why a text is no URL that can be asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is of another kind, as `file://` or `ftp://`, or of none.
    #[error("not an http or https url")]
    Scheme,
    /// It names no host, or one that cannot be looked up. Names in other scripts must be given in
    /// their ASCII form (`xn--…`), so that look-alikes are seen.
    #[error("no valid host in the url")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("no valid port in the url")]
    Port,
    /// It holds a user name or password, which would be sent to whoever answers.
    #[error("user names and passwords in urls are not supported")]
    Credentials,
    /// It is longer than [`MAX_URL_LENGTH`].
    #[error("url of more than {MAX_URL_LENGTH} bytes")]
    TooLong,
}

impl HttpUrl {
    /// How the bytes travel.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host: a name in lower case, or an address; an IPv6 one without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also if the URL does not name it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as a `Host` header wants them: brackets around an IPv6 address, no port that
    /// goes without saying.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == self.scheme.default_port() {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// What the request line asks for: path and query. Begins with a slash.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The target up to the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The target behind the first `?`, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// Where `location`, as in a `Location` header, leads from here (RFC 3986, 5.2).
    ///
    /// # Errors
    /// If that is no `http` or `https` URL.
    pub fn join(&self, location: &str) -> Result<Self, UrlError> {
        let location = location.trim();
        if has_scheme(location) {
            return location.parse();
        }
        if location.starts_with("//") {
            return format!("{}:{location}", self.scheme).parse();
        }
        let path = self.path();
        let target = match location.as_bytes().first() {
            Some(b'/') => location.to_owned(),
            Some(b'?') => format!("{path}{location}"),
            None | Some(b'#') => self.target.clone(),
            Some(_) => {
                let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
                format!("{folder}{location}")
            }
        };
        self.with_target(&target)
    }

    pub(crate) fn with_target(&self, target: &str) -> Result<Self, UrlError> {
        let target = clean_target(target);
        if target.len() > MAX_URL_LENGTH {
            return Err(UrlError::TooLong);
        }
        Ok(Self {
            target,
            ..self.clone()
        })
    }

    /// With something added to the query, which stays as it is.
    pub(crate) fn with_query(&self, addition: &str) -> Result<Self, UrlError> {
        let glue = match self.query() {
            None => "?",
            Some(query) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        self.with_target(&format!("{}{glue}{addition}", self.target))
    }
}

impl FromStr for HttpUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        if url.len() > MAX_URL_LENGTH {
            return Err(UrlError::TooLong);
        }
        let (scheme, rest) = url.trim().split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(UrlError::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        let (host, port) = split_authority(authority)?;
        let port = match port {
            // "http://host:/" is the same as "http://host/".
            None | Some("") => scheme.default_port(),
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                match digits.parse() {
                    Ok(port @ 1..) => port,
                    _ => return Err(UrlError::Port),
                }
            }
            Some(_) => return Err(UrlError::Port),
        };
        let url = Self {
            scheme,
            host,
            port,
            target: String::new(),
        };
        if target.starts_with('/') {
            url.with_target(target)
        } else {
            url.with_target(&format!("/{target}"))
        }
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority(), self.target)
    }
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Whether it begins as RFC 3986, 3.1, has it: a colon before any slash.
fn has_scheme(location: &str) -> bool {
    let scheme = match location.find([':', '/', '?', '#']) {
        Some(at) if location[at..].starts_with(':') => &location[..at],
        _ => return false,
    };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn split_authority(authority: &str) -> Result<(String, Option<&str>), UrlError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or(UrlError::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| UrlError::Host)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((address.to_string(), Some(port))),
            None if rest.is_empty() => Ok((address.to_string(), None)),
            None => Err(UrlError::Port),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if host.is_empty() || host.len() > MAX_HOST_LENGTH || !host.bytes().all(is_name) {
        return Err(UrlError::Host);
    }
    Ok((host.to_ascii_lowercase(), port))
}

/// Cuts off the fragment, escapes what no request line may hold, and resolves `.` and `..`.
fn clean_target(target: &str) -> String {
    let target = target.split('#').next().unwrap_or_default();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let mut clean = String::with_capacity(target.len());
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = parts.next() {
        let is_last = parts.peek().is_none();
        match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
            ".." => {
                segments.pop();
            }
            "." => {}
            _ => {
                segments.push(segment);
                continue;
            }
        }
        if is_last {
            segments.push("");
        }
    }
    for segment in &segments {
        clean.push('/');
        push_escaped(&mut clean, segment);
    }
    if segments.is_empty() {
        clean.push('/');
    }
    if let Some(query) = query {
        clean.push('?');
        push_escaped(&mut clean, query);
    }
    clean
}

/// Leaves what is escaped already, and what servers take as it is.
fn push_escaped(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            out.push(char::from(byte));
        } else {
            push_percent(out, byte);
        }
    }
}

pub(crate) fn push_percent(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// What servers commonly take; also holds after our parameters were added.
pub const MAX_URL_LENGTH: usize = 8192;
/// RFC 1035, 2.3.4.
const MAX_HOST_LENGTH: usize = 253;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(url: &str, expected: Result<&str, UrlError>) {
        let found = url.parse().map(|url: HttpUrl| url.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{url}");
    }

    #[test]
    fn urls_are_taken_apart_and_cleaned() {
        for (url, expected) in [
            ("http://t.example", "http://t.example/"),
            ("http://t.example?a=b", "http://t.example/?a=b"),
            ("https://t.example:443/x", "https://t.example/x"),
            ("https://t.example:80/x", "https://t.example:80/x"),
            ("http://t.example:/x#y", "http://t.example/x"),
            ("http://[2001:DB8::1]:81/a", "http://[2001:db8::1]:81/a"),
            ("http://192.0.2.1/ä b", "http://192.0.2.1/%C3%A4%20b"),
            ("http://t/a%20b?c=%zz", "http://t/a%20b?c=%zz"),
            ("http://t/announce/../admin", "http://t/admin"),
            ("http://t/a/%2e%2E/./b/.", "http://t/b/"),
            ("http://t/../../..", "http://t/"),
            ("http://t//a//b", "http://t//a//b"),
            ("http://t/a/..//x", "http://t//x"),
            (" http://t/x ", "http://t/x"),
            ("http://t/a\r\nb: c", "http://t/a%0D%0Ab:%20c"),
        ] {
            check(url, Ok(expected));
        }
    }

    #[test]
    fn what_cannot_be_asked_is_named() {
        for (url, error) in [
            ("", UrlError::Scheme),
            ("t.example/announce", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("udp://t:80", UrlError::Scheme),
            ("http:///announce", UrlError::Host),
            ("http://tr\u{430}cker.example/", UrlError::Host),
            ("http://::1/", UrlError::Host),
            ("http://[::1/", UrlError::Host),
            ("http://[fe80::1%25eth0]/", UrlError::Host),
            ("http://[::1]8080/", UrlError::Port),
            ("http://t:0/", UrlError::Port),
            ("http://t:65536/", UrlError::Port),
            ("http://t:+80/", UrlError::Port),
            ("http://me:secret@t/", UrlError::Credentials),
        ] {
            check(url, Err(error));
        }
        check(
            &format!("http://t/{}", "a".repeat(MAX_URL_LENGTH)),
            Err(UrlError::TooLong),
        );
        check(&format!("http://{}/", "a".repeat(254)), Err(UrlError::Host));
    }

    #[test]
    fn locations_are_resolved_as_rfc_3986_has_it() {
        let base: HttpUrl = "http://a.example:81/b/c/d?q".parse().unwrap();
        for (location, expected) in [
            ("https://x/y", Ok("https://x/y")),
            ("//x/y", Ok("http://x/y")),
            ("/y?z", Ok("http://a.example:81/y?z")),
            ("y", Ok("http://a.example:81/b/c/y")),
            ("./y", Ok("http://a.example:81/b/c/y")),
            ("../../y:z", Ok("http://a.example:81/y:z")),
            ("?y", Ok("http://a.example:81/b/c/d?y")),
            ("", Ok("http://a.example:81/b/c/d?q")),
            ("#top", Ok("http://a.example:81/b/c/d?q")),
            ("file:///etc/passwd", Err(UrlError::Scheme)),
            ("mailto:x", Err(UrlError::Scheme)),
        ] {
            let found = base.join(location).map(|url| url.to_string());
            assert_eq!(found, expected.map(str::to_owned), "{location}");
        }
    }

    proptest! {
        /// And never panics; what is sent is one line of printable ASCII.
        #[test]
        fn what_is_written_reads_as_the_same(
            host in "[a-z0-9.-]{1,9}", port in 0_u32..70_000, target in ".{0,40}",
        ) {
            if let Ok(url) = format!("http://{host}:{port}/{target}").parse::<HttpUrl>() {
                prop_assert!(url.to_string().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(url.to_string().parse(), Ok(url));
            }
        }

        #[test]
        fn any_location_leads_to_a_clean_url_or_nowhere(location in ".{0,40}") {
            let base: HttpUrl = "https://t/a/b".parse().unwrap();
            if let Ok(url) = base.join(&location) {
                prop_assert!(url.to_string().bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
