use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::timeout};
use tracing::debug;

use crate::net;

/// The hosts that lead in, and the look-ups of their names, which go on beside everything else. Who
/// is given as an address is a node like others; names are those of well-known hosts, which do
/// nothing but lead in.
pub(super) struct Entering {
    /// What need not be looked up.
    addresses: Vec<SocketAddr>,
    names: Vec<(String, u16)>,
    look_ups: JoinSet<Looked>,
    /// When names may be looked up again.
    not_before: Option<Instant>,
    /// How many of the look-ups under way are of our own names.
    of_names: usize,
}

struct Looked {
    of: Of,
    found: Vec<SocketAddr>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Of {
    /// Hosts that lead in.
    Bootstrap,
    /// Nodes that a torrent names.
    Torrent,
}

impl Entering {
    /// Entries that make no sense are passed over.
    pub(super) fn new(hosts: &[String]) -> Self {
        let (mut addresses, mut names) = (Vec::new(), Vec::new());
        for host in hosts {
            match (host.parse::<SocketAddr>(), split(host)) {
                (Ok(address), _) => addresses.push(address),
                (Err(_), Some(name)) => names.push(name),
                (Err(_), None) => debug!(host, "no HOST:PORT"),
            }
        }
        Self {
            addresses,
            names,
            look_ups: JoinSet::new(),
            not_before: None,
            of_names: 0,
        }
    }

    /// The hosts that were given as addresses.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Begins to look up the names, if there are any and it is time to. Returns whether that goes
    /// on now.
    pub(super) fn look_up(&mut self, now: Instant) -> bool {
        let may = self.of_names == 0 && self.not_before.is_none_or(|at| at <= now);
        if may && !self.names.is_empty() {
            self.not_before = Some(now + LOOK_UP_AGAIN);
            for (host, port) in self.names.clone() {
                self.of_names += 1;
                self.look_ups.spawn(resolve(Of::Bootstrap, host, port));
            }
        }
        self.is_looking_up()
    }

    /// Looks up what a torrent names, a few of it.
    pub(super) fn look_up_hosts(&mut self, hosts: Vec<(String, u16)>) {
        for (host, port) in hosts.into_iter().take(MAX_HOSTS) {
            if self.look_ups.len() < MAX_LOOK_UPS {
                self.look_ups.spawn(resolve(Of::Torrent, host, port));
            }
        }
    }

    /// Whether names of hosts that lead in are being looked up.
    pub(super) fn is_looking_up(&self) -> bool {
        self.of_names > 0
    }

    /// The next look-up that has ended; for ever while there is none.
    pub(super) async fn next(&mut self) -> (Of, Vec<SocketAddr>) {
        loop {
            match self.look_ups.join_next().await {
                Some(Ok(Looked { of, found })) => {
                    self.of_names -= usize::from(of == Of::Bootstrap);
                    return (of, found);
                }
                // A look-up neither panics nor is it aborted.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

async fn resolve(of: Of, host: String, port: u16) -> Looked {
    let found = match timeout(PATIENCE, net::resolve(&host, port)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            debug!(host, %error, "DHT node not looked up");
            Vec::new()
        }
        Err(_) => Vec::new(),
    };
    Looked { of, found }
}

/// `HOST:PORT`.
pub(super) fn split(host: &str) -> Option<(String, u16)> {
    let (name, port) = host.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!name.is_empty()).then(|| (name.to_owned(), port))
}

/// After a minute, as bt-dht asks them again while it knows nobody.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(60);
/// A name server that is silent for longer has nothing to tell.
const PATIENCE: Duration = Duration::from_secs(20);
/// Makers of torrents name a handful.
const MAX_HOSTS: usize = 16;
/// Whoever adds a thousand torrents at once does without the nodes of most.
const MAX_LOOK_UPS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(hosts: &[&str]) -> Entering {
        Entering::new(
            &hosts
                .iter()
                .map(|&host| host.to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn addresses_are_told_from_names() {
        let entering = hosts(&[
            "127.0.0.1:1",
            "[::1]:2",
            "a.example:3",
            "b",
            ":4",
            "c:0",
            "d:x",
        ]);
        let expected: [SocketAddr; 2] =
            ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()];
        assert_eq!(entering.addresses(), expected);
        assert_eq!(entering.names, [("a.example".to_owned(), 3)]);
    }

    #[tokio::test]
    async fn names_are_not_looked_up_again_and_again() {
        // The system's own name needs no name server.
        let mut entering = hosts(&["localhost:1"]);
        let now = Instant::now();
        assert!(entering.look_up(now));
        assert!(entering.look_up(now), "still");
        let (of, found) = entering.next().await;
        assert_eq!(of, Of::Bootstrap);
        assert!(found.iter().all(|addr| addr.ip().is_loopback()));
        assert!(!entering.look_up(now));
        assert!(entering.look_up(now + LOOK_UP_AGAIN));
    }

    #[tokio::test]
    async fn nothing_is_waited_for_where_there_is_nothing() {
        let mut entering = hosts(&["192.0.2.1:1"]);
        assert!(!entering.look_up(Instant::now()));
        entering.look_up_hosts(vec![("127.0.0.1".to_owned(), 9); 100]);
        assert!(!entering.is_looking_up());
        for _ in 0..MAX_HOSTS {
            let (of, found) = entering.next().await;
            assert_eq!((of, found.len()), (Of::Torrent, 1));
        }
        assert!(entering.look_ups.is_empty());
    }
}
