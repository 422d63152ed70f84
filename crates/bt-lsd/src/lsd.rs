use std::{
    fmt::Write,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bt_types::SwarmId;

use crate::{Group, Malformed, Search, group::is_local, search::write};

/// One client in the groups: writes searches and judges those of others. Performs no I/O.
#[derive(Debug)]
pub struct Lsd {
    port: u16,
    cookie: String,
    /// The present second, and the searches that were heard in it.
    heard: (Instant, u32),
}

/// A peer that searches for others. Anybody can claim to be one: connect with care.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Found<'a> {
    /// Where it takes connections. An IPv6 address keeps its scope, without which one that is
    /// link-local leads nowhere.
    pub peer: SocketAddr,
    search: Search<'a>,
}

impl<'a> Found<'a> {
    /// The swarms that it says it is in, of which some may be ours; 26 at most.
    pub fn swarms(&self) -> impl Iterator<Item = SwarmId> + use<'a> {
        self.search.swarms()
    }
}

/// Why a datagram was ignored. Count it, log it, carry on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Ignored {
    /// It comes from an address that is not of our own network: nobody there can have heard us.
    #[error("search from outside of our network")]
    NotLocal,
    /// More searches came in a second than a network of honest hosts has.
    #[error("more than {MAX_SEARCHES_PER_SEC} searches a second")]
    Flood,
    /// It is no search.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// We have sent it ourselves.
    #[error("our own search")]
    Ourselves,
}

impl Lsd {
    /// A client that takes peers on `port`, of TCP and uTP. The seed tells it apart from others,
    /// and need not be secret.
    #[must_use]
    pub fn new(now: Instant, port: u16, seed: [u8; 8]) -> Self {
        let cookie = seed.iter().fold(String::new(), |mut cookie, byte| {
            // A string takes everything.
            let _ = write!(cookie, "{byte:02x}");
            cookie
        });
        Self {
            port,
            cookie,
            heard: (now, 0),
        }
    }

    /// The datagrams to send to a group, to tell it of these swarms: mostly one, as 24 have room in
    /// it. None on port 0.
    pub fn searches<'a>(
        &'a self,
        group: Group,
        swarms: &'a [SwarmId],
    ) -> impl Iterator<Item = Vec<u8>> + use<'a> {
        let mut rest = if self.port == 0 { &[] } else { swarms };
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let mut datagram = Vec::new();
            let count = write(group, self.port, &self.cookie, rest, &mut datagram);
            rest = &rest[count..];
            Some(datagram)
        })
    }

    /// Takes what came to one of the groups, of any content.
    ///
    /// # Errors
    /// If it is not to be heeded.
    pub fn handle_datagram<'a>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &'a [u8],
    ) -> Result<Found<'a>, Ignored> {
        if !is_local(from.ip()) {
            return Err(Ignored::NotLocal);
        }
        if now.saturating_duration_since(self.heard.0) >= Duration::from_secs(1) {
            self.heard = (now, 0);
        }
        if self.heard.1 >= MAX_SEARCHES_PER_SEC {
            return Err(Ignored::Flood);
        }
        let search = Search::parse(datagram)?;
        if search.cookie == Some(self.cookie.as_bytes()) {
            return Err(Ignored::Ourselves);
        }
        self.heard.1 += 1;
        let mut peer = from;
        peer.set_port(search.port);
        Ok(Found { peer, search })
    }
}

/// Ten times what transmission hears, as some clients search for each torrent apart, all at once.
pub const MAX_SEARCHES_PER_SEC: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary epoch; only offsets from it matter"
    )]
    fn epoch() -> Instant {
        Instant::now()
    }

    fn from(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn swarms(count: u8) -> Vec<SwarmId> {
        (0..count).map(|n| SwarmId([n; 20])).collect()
    }

    #[test]
    fn many_swarms_take_a_few_datagrams() {
        let (now, swarms) = (epoch(), swarms(60));
        let (theirs, mut ours) = (Lsd::new(now, 1, [1; 8]), Lsd::new(now, 2, [2; 8]));
        for group in Group::ALL {
            let searches: Vec<_> = theirs.searches(group, &swarms).collect();
            assert_eq!(searches.len(), 3);
            let heard = searches.iter().flat_map(|search| {
                let found = ours.handle_datagram(now, from("10.0.0.1:6771"), search);
                found.unwrap().swarms().collect::<Vec<_>>()
            });
            assert_eq!(heard.collect::<Vec<_>>(), swarms);
        }
        assert_eq!(theirs.searches(Group::V4, &[]).count(), 0);
        let nobody = Lsd::new(now, 0, [3; 8]);
        assert_eq!(nobody.searches(Group::V4, &swarms).count(), 0);
    }

    #[test]
    fn only_our_own_network_is_believed() {
        let (now, swarms) = (epoch(), swarms(1));
        let mut ours = Lsd::new(now, 2, [2; 8]);
        let theirs = Lsd::new(now, 1, [1; 8]);
        let search = theirs.searches(Group::V4, &swarms).next().unwrap();
        for outside in ["198.51.100.1:6771", "[2001:db8::1]:6771"] {
            let heard = ours.handle_datagram(now, from(outside), &search);
            assert_eq!(heard.err(), Some(Ignored::NotLocal));
        }
        let scoped = from("[fe80::7%3]:6771");
        let found = ours.handle_datagram(now, scoped, &search).unwrap();
        assert_eq!(found.peer, from("[fe80::7%3]:1"));
    }

    #[test]
    fn a_flood_is_heard_for_no_longer_than_it_lasts() {
        let (now, swarms) = (epoch(), swarms(1));
        let mut ours = Lsd::new(now, 2, [2; 8]);
        let theirs = Lsd::new(now, 1, [1; 8]);
        let search = theirs.searches(Group::V4, &swarms).next().unwrap();
        let mut heard = |millis: u64| {
            let now = now + Duration::from_millis(millis);
            ours.handle_datagram(now, from("10.0.0.1:6771"), &search)
                .is_ok()
        };
        let count = (0..1000).filter(|n| heard(n % 999)).count();
        assert_eq!(count, MAX_SEARCHES_PER_SEC as usize);
        assert!(heard(1000));
    }
}
