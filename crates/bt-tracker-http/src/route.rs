use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{HttpUrl, Scheme, UrlError};

/// The way of one request through redirects: says which addresses may be asked, and where a
/// `Location` leads. Whoever carries the request out asks it before every connection.
///
/// What a torrent names must not make us ask machines of our own network for what its maker
/// likes: there, only paths that begin with `/announce` or `/scrape` are asked for, and no query
/// but ours. Nor may any redirect lead from the internet into our network, from TLS into the clear,
/// or on for ever. What the user has typed may be anywhere.
///
/// ```
/// use bt_tracker_http::{HttpUrl, Origin, Route};
/// let tracker: HttpUrl = "http://t.example/announce".parse()?;
/// let mut route = Route::new(Origin::Torrent, &tracker, tracker.clone());
/// let public = [203, 0, 114, 7].into();
/// assert!(route.check(public).is_ok());
/// route.follow(public, "http://router.lan/reboot")?;
/// assert!(route.check([192, 168, 1, 1].into()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    origin: Origin,
    url: HttpUrl,
    /// That of a tracker, as far as it is not made of our own parameters.
    foreign_query: bool,
    redirects: usize,
    /// An address of the internet has answered.
    was_public: bool,
}

/// Who has named a URL.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Origin {
    /// A torrent or a magnet link: whoever made it.
    Torrent,
    /// The user, who knows what is in the own network.
    User,
}

/// Why an address is not asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Forbidden {
    /// BEP 3 does not think of it: see [`Route`].
    #[error("{0} is a local address, where a torrent may ask for /announce without a query only")]
    LocalPath(IpAddr),
    /// The redirect would lead from the internet into our network.
    #[error("redirected from the internet to the local address {0}")]
    IntoLocal(IpAddr),
}

/// Why a redirect is not followed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// There were [`MAX_REDIRECTS`] before.
    #[error("more than {MAX_REDIRECTS} redirects")]
    TooMany,
    /// Passkeys would travel in the clear.
    #[error("redirected from https to http")]
    Downgrade,
    /// It leads to no `http` or `https` URL.
    #[error("redirected to where nothing can be asked: {0}")]
    Url(UrlError),
}

impl Route {
    /// A request for `request`, which was made of `named`, the URL that somebody gave: the two are
    /// the same, or differ by our own parameters.
    #[must_use]
    pub fn new(origin: Origin, named: &HttpUrl, request: HttpUrl) -> Self {
        Self {
            origin,
            url: request,
            foreign_query: named.query().is_some(),
            redirects: 0,
            was_public: false,
        }
    }

    /// What to ask for now.
    #[must_use]
    pub fn url(&self) -> &HttpUrl {
        &self.url
    }

    /// Whether this address, one of the URL's host, may be asked.
    ///
    /// # Errors
    /// If it may not.
    pub fn check(&self, ip: IpAddr) -> Result<(), Forbidden> {
        if !is_local(ip) {
            return Ok(());
        }
        if self.was_public {
            return Err(Forbidden::IntoLocal(ip));
        }
        let is_plain = is_announce_path(self.url.path()) && !self.foreign_query;
        match self.origin {
            Origin::Torrent if !is_plain => Err(Forbidden::LocalPath(ip)),
            _ => Ok(()),
        }
    }

    /// Goes where the answer from `answered_by` points to: its `Location` header.
    ///
    /// # Errors
    /// If that is not to be followed.
    pub fn follow(&mut self, answered_by: IpAddr, location: &str) -> Result<(), RedirectError> {
        if self.redirects == MAX_REDIRECTS {
            return Err(RedirectError::TooMany);
        }
        let next = self.url.join(location).map_err(RedirectError::Url)?;
        if (self.url.scheme(), next.scheme()) == (Scheme::Https, Scheme::Http) {
            return Err(RedirectError::Downgrade);
        }
        self.redirects += 1;
        self.was_public |= !is_local(answered_by);
        self.url = next;
        Ok(())
    }
}

/// Whether an address belongs to this machine, to its networks or to nobody: what no stranger on
/// the internet can mean honestly.
#[must_use]
pub fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_local_v4(ip),
        IpAddr::V6(ip) => is_local_v6(ip),
    }
}

fn is_local_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        // "This network", shared by carriers (RFC 6598), IETF protocols, benchmarks, reserved.
        || a == 0
        || (a == 100 && (b & 0xc0) == 64)
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (b & 0xfe) == 18)
        || a >= 240
}

fn is_local_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let [a, b, c, d, e, f, g, h] = segments;
    let embedded = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        is_local_v4(Ipv4Addr::new(a, b, c, d))
    };
    // An IPv4 address inside: NAT64 (RFC 6052), 6to4 (RFC 3056), and the old compatible form.
    match (a, b) {
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => return embedded(g, h),
        (0x2002, _) => return embedded(b, c),
        _ if segments[..6] == [0; 6] => return true,
        _ => {}
    }
    ip.is_multicast()
        || (a & 0xfe00) == 0xfc00
        // Link-local, and the site-local that is no more.
        || (a & 0xff80) == 0xfe80
        // NAT64 for local use (RFC 8215).
        || (a, b, c) == (0x64, 0xff9b, 1)
}

/// No escapes either, since a server may resolve them to something else.
fn is_announce_path(path: &str) -> bool {
    let begins = path.starts_with("/announce") || path.starts_with("/scrape");
    begins && !path.contains('%')
}

/// As many as libtorrent follows.
pub const MAX_REDIRECTS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: [u8; 4] = [198, 51, 100, 7];

    fn route(origin: Origin, url: &str) -> Route {
        let url: HttpUrl = url.parse().unwrap();
        Route::new(origin, &url, url.clone())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_that_no_stranger_can_mean() {
        for local in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "198.19.9.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:192.168.1.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
        ] {
            assert!(is_local(ip(local)), "{local}");
        }
        for public in [
            "1.1.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::",
        ] {
            assert!(!is_local(ip(public)), "{public}");
        }
    }

    #[test]
    fn a_torrent_asks_local_addresses_for_announces_only() {
        for (url, allowed) in [
            ("http://x/announce", true),
            ("http://x/announce.php", true),
            ("http://x/scrape", true),
            ("http://x/", false),
            ("http://x/reboot", false),
            ("http://x/a/announce", false),
            ("http://x/announce?cmd=reboot", false),
            ("http://x/announce/../reboot", false),
            ("http://x/announce/%2e%2e/reboot", false),
            ("http://x/announce/..%2freboot", false),
        ] {
            let of_torrent = route(Origin::Torrent, url);
            assert_eq!(of_torrent.check(ip("127.0.0.1")).is_ok(), allowed, "{url}");
            assert_eq!(
                of_torrent.check(ip("::ffff:10.0.0.1")).is_ok(),
                allowed,
                "{url}"
            );
            assert_eq!(of_torrent.check(PUBLIC.into()), Ok(()), "{url}");
            assert_eq!(route(Origin::User, url).check(ip("::1")), Ok(()), "{url}");
        }
    }

    #[test]
    fn our_own_query_is_no_foreign_one() {
        let tracker: HttpUrl = "http://127.0.0.1/announce".parse().unwrap();
        let request = tracker.with_query("info_hash=x").unwrap();
        let route = Route::new(Origin::Torrent, &tracker, request);
        assert_eq!(route.check(ip("127.0.0.1")), Ok(()));
    }

    #[test]
    fn nobody_is_led_from_the_internet_into_the_local_network() {
        for origin in [Origin::Torrent, Origin::User] {
            let mut route = route(origin, "http://t.example/announce");
            route
                .follow(PUBLIC.into(), "http://10.0.0.1/announce")
                .unwrap();
            let error = Forbidden::IntoLocal(ip("10.0.0.1"));
            assert_eq!(route.check(ip("10.0.0.1")), Err(error));
            assert_eq!(route.check(PUBLIC.into()), Ok(()));
            // Nor by way of a name that now has another address.
            route.follow(PUBLIC.into(), "/announce").unwrap();
            assert!(route.check(ip("127.0.0.1")).is_err());
        }
    }

    #[test]
    fn within_the_local_network_redirects_are_followed() {
        let mut route = route(Origin::Torrent, "http://127.0.0.1:1/announce");
        route
            .follow(ip("127.0.0.1"), "/announce2?info_hash=x")
            .unwrap();
        assert_eq!(route.check(ip("127.0.0.1")), Ok(()));
        route.follow(ip("127.0.0.1"), "/reboot").unwrap();
        assert!(route.check(ip("127.0.0.1")).is_err());
    }

    #[test]
    fn redirects_are_counted() {
        let mut route = route(Origin::User, "http://t.example/announce");
        for _ in 0..MAX_REDIRECTS {
            route.follow(PUBLIC.into(), "/announce").unwrap();
        }
        let once_more = route.follow(PUBLIC.into(), "/announce");
        assert_eq!(once_more, Err(RedirectError::TooMany));
    }

    #[test]
    fn other_schemes_and_the_way_back_into_the_clear_are_refused() {
        let mut route = route(Origin::User, "http://t.example/announce");
        for location in [
            "file:///etc/passwd",
            "ftp://t/",
            "gopher://t/",
            "udp://t:1/",
        ] {
            let refused = route.follow(PUBLIC.into(), location);
            assert_eq!(
                refused,
                Err(RedirectError::Url(UrlError::Scheme)),
                "{location}"
            );
        }
        assert_eq!(route.url().to_string(), "http://t.example/announce");
        route
            .follow(PUBLIC.into(), "https://t.example/announce")
            .unwrap();
        let back = route.follow(PUBLIC.into(), "http://t.example/announce");
        assert_eq!(back, Err(RedirectError::Downgrade));
    }
}
