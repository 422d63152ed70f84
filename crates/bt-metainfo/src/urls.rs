use std::collections::HashSet;

/// Sorts out URLs that cannot be used, or are there already, or too many.
pub(crate) struct Urls {
    schemes: &'static [&'static str],
    left: usize,
    seen: HashSet<String>,
}

impl Urls {
    /// Of trackers, of every kind.
    pub(crate) fn of_trackers() -> Self {
        Self::new(&["http", "https", "udp", "ws", "wss"], MAX_TRACKERS)
    }

    /// Of web seeds (BEP 19).
    pub(crate) fn of_web_seeds() -> Self {
        Self::new(&["http", "https"], MAX_WEB_SEEDS)
    }

    fn new(schemes: &'static [&'static str], max: usize) -> Self {
        Self {
            schemes,
            left: max,
            seen: HashSet::new(),
        }
    }

    pub(crate) fn take<'a>(&mut self, urls: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut taken = Vec::new();
        for url in urls {
            // Some write paths with spaces.
            let url = url.trim().replace(' ', "%20");
            if self.left > 0 && self.is_usable(&url) && self.seen.insert(url.clone()) {
                self.left -= 1;
                taken.push(url);
            }
        }
        taken
    }

    fn is_usable(&self, url: &str) -> bool {
        let is_known = |scheme: &str| {
            let mut schemes = self.schemes.iter();
            schemes.any(|known| scheme.eq_ignore_ascii_case(known))
        };
        let is_plain = || !url.contains(char::is_control);
        let parts = url.split_once("://");
        url.len() <= MAX_URL_LENGTH
            && parts.is_some_and(|(scheme, rest)| {
                is_known(scheme) && !rest.is_empty() && !rest.starts_with(['/', '%']) && is_plain()
            })
    }
}

/// Whether a node or peer may be called so; looking it up is another matter.
pub(crate) fn is_host(host: &str) -> bool {
    let is_plain = !host.contains(|letter: char| letter.is_control() || letter.is_whitespace());
    is_plain && (1..=MAX_HOST_LENGTH).contains(&host.len())
}

/// More are spam: each costs a socket and a name look-up every half hour.
const MAX_TRACKERS: usize = 100;
/// More are spam, or an attack on a third party.
const MAX_WEB_SEEDS: usize = 50;
/// RFC 1035, section 2.3.4: 255 octets with what DNS adds.
const MAX_HOST_LENGTH: usize = 253;
/// The longest that servers and browsers commonly take.
pub(crate) const MAX_URL_LENGTH: usize = 2048;
