use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

use bt_dht::{Announce, Event, Item, NodeId, Wanted};
use bt_types::SwarmId;
use tokio::sync::mpsc;

use super::{Command, DhtConfig, DhtHandle, entering::split};
use crate::{
    SessionError,
    net::{self, Udp, UdpSockets},
    random::Seeds,
};

/// Asks the DHT without having a torrent: a node that asks and does not answer (BEP 43), as it is
/// gone soon.
///
/// ```
/// use bt_client::{DhtClient, DhtConfig, DhtQuery};
/// use bt_dht::{Event, Outcome};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let nobody = DhtConfig { bootstrap: Vec::new(), ..DhtConfig::default() };
/// let client = DhtClient::start(&nobody, Some([127, 0, 0, 1].into()), None)?;
/// let mut events = client.ask(DhtQuery::GetPeers(bt_types::SwarmId([7; 20])));
/// let Some(Event::Finished { outcome, .. }) = events.next().await else { panic!() };
/// assert_eq!(outcome, Outcome::PeersFound { peers: 0 });
/// assert_eq!(events.next().await, None);
/// # Ok(()) }
/// ```
pub struct DhtClient {
    node: DhtHandle,
    sockets: Arc<UdpSockets>,
}

/// What the DHT can be asked, or told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DhtQuery {
    /// Who is in a swarm.
    GetPeers(SwarmId),
    /// The same, and to remember that we are (BEP 27: never for a private torrent).
    Announce(SwarmId, Announce),
    /// How many are in a swarm (BEP 33).
    Scrape(SwarmId),
    /// One node whether it is there. It is asked without knowing others.
    Ping(SocketAddr),
    /// For an item (BEP 44).
    Get(Wanted),
    /// To store an item; with a number, only in the place of the mutable item with that `seq`.
    Put(Item, Option<i64>),
    /// For samples of the swarms that nodes near this id know (BEP 51).
    Sample(NodeId),
}

/// What comes of one query, as it comes.
#[derive(Debug)]
pub struct DhtEvents(mpsc::UnboundedReceiver<Event>);

impl DhtEvents {
    /// The next thing that became known; the last is [`Event::Finished`], and then `None`. Dropping
    /// it gives the query up.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

impl DhtClient {
    /// Opens a UDP socket for each family of addresses, or one on `bind`; on ports that the system
    /// chooses. With a `state` folder it knows the nodes that sessions have known which had the same,
    /// and leaves what it knows to them.
    ///
    /// # Errors
    /// If there is no such socket, or the system has no randomness to give.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(
        config: &DhtConfig,
        bind: Option<IpAddr>,
        state: Option<&Path>,
    ) -> Result<Self, SessionError> {
        let seeds = Seeds::from_system().map_err(SessionError::Random)?;
        let sockets = UdpSockets::on_any_port(bind).map_err(SessionError::Dht)?;
        let udp = Udp::start(sockets);
        let sockets = Arc::clone(&udp.sockets);
        let node = DhtHandle::start(config, (udp.sockets, udp.dht), state, true, seeds);
        Ok(Self { node, sockets })
    }

    /// The first address of a host, `HOST:PORT`, that can be reached from here.
    ///
    /// # Errors
    /// If there is none, or the system does not find the host.
    pub async fn look_up(&self, host: &str) -> io::Result<SocketAddr> {
        let (name, port) = split(host).ok_or(io::ErrorKind::InvalidInput)?;
        let found = net::resolve(&name, port).await?;
        let mut reachable = found.into_iter().filter(|&addr| self.sockets.reaches(addr));
        let first = reachable.next();
        first.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    /// Asks. It waits until the node has found into the DHT, or could not; how long in all is for
    /// the caller to say.
    #[must_use]
    pub fn ask(&self, query: DhtQuery) -> DhtEvents {
        let (events, receiver) = mpsc::unbounded_channel();
        // Were there too much to do, the events would end at once.
        let _ = self.node.commands.try_send(Command::Ask(query, events));
        DhtEvents(receiver)
    }

    /// How many nodes it knows.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.node.node_count()
    }

    /// Writes down the nodes that it knows.
    pub async fn close(self) {
        self.node.save().await;
    }
}
