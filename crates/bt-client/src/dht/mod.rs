//! The session's DHT node: a task that drives it, and those who give it something to do.

mod client;
mod driver;
mod entering;
mod state_file;

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use bt_dht::{Announce, Config, Dht, Event};
use bt_tracker::Family;
use bt_types::SwarmId;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

pub use self::client::{DhtClient, DhtEvents, DhtQuery};
use self::{driver::Driver, state_file::StateFile};
use crate::{
    mail::Mailbox,
    net::{Inbox, UdpSockets},
    random::Seeds,
    trackers::SeenAs,
};

/// How a session takes part in the DHT (BEP 5).
#[derive(Clone, Debug)]
pub struct DhtConfig {
    /// Who leads in when no node of an earlier run does, as `HOST:PORT`; an IPv6 address stands in
    /// brackets. Addresses are those of nodes like others. Names are those of hosts that do nothing
    /// but lead in, and are looked up only when they are needed.
    pub bootstrap: Vec<String>,
    /// Addresses of private networks, and of this machine, are like all others: for a DHT of one's
    /// own. On the internet it helps attackers.
    pub trusts_local_addresses: bool,
}

impl Default for DhtConfig {
    /// By way of the hosts that other clients enter by.
    fn default() -> Self {
        Self {
            bootstrap: WELL_KNOWN.map(str::to_owned).to_vec(),
            trusts_local_addresses: false,
        }
    }
}

/// The way to the node. Cheap to clone; when the last one is gone, the node saves its state and
/// ends.
#[derive(Clone)]
pub(crate) struct DhtHandle {
    commands: mpsc::Sender<Command>,
    node_count: Arc<AtomicUsize>,
}

enum Command {
    /// Look for peers of a torrent, and make it known; what comes of it goes to its mailbox.
    Announce(SwarmId, Announce, Mailbox),
    /// Do no more for a torrent, also of what it has asked for.
    Forget(SwarmId),
    /// A peer says that a node is there.
    Candidate(SocketAddr),
    /// A tracker says what our address is.
    SeenAs(SeenAs),
    /// The maker of a torrent says that nodes are there (BEP 5, torrent file extensions).
    Hosts(Vec<(String, u16)>),
    /// Somebody wants to know something; the events end with the operation.
    Ask(DhtQuery, mpsc::UnboundedSender<Event>),
    /// Tell when the state is on disk.
    Save(oneshot::Sender<()>),
}

impl DhtHandle {
    /// Starts a node on the session's sockets; with the folder in which its state is kept.
    pub(crate) fn start(
        config: &DhtConfig,
        (sockets, inbox): (Arc<UdpSockets>, Inbox),
        state: Option<&Path>,
        is_read_only: bool,
        mut seeds: Seeds,
    ) -> Self {
        let now = Instant::now();
        let families = sockets.families();
        let node = Config {
            v4: families.contains(&Family::V4),
            v6: families.contains(&Family::V6),
            is_read_only,
            trusts_local_addresses: config.trusts_local_addresses,
            version: Some(VERSION),
            ..Config::default()
        };
        let file = state.map(StateFile::in_folder);
        let saved = file.as_ref().map(StateFile::read).unwrap_or_default();
        let dht = Dht::restore(now, node, &saved, seeds.draw());
        let (commands, queue) = mpsc::channel(QUEUE);
        let node_count = Arc::new(AtomicUsize::new(0));
        let driver = Driver::new(now, dht, config, sockets, file, Arc::clone(&node_count));
        tokio::spawn(driver.run(queue, inbox));
        Self {
            commands,
            node_count,
        }
    }

    /// Whether the node could take it; if so, a [`Mail::DhtAnnounced`](crate::mail::Mail) comes,
    /// and before it what peers there are.
    pub(crate) fn announce(&self, swarm: SwarmId, announce: Announce, to: &Mailbox) -> bool {
        let command = Command::Announce(swarm, announce, to.clone());
        self.commands.try_send(command).is_ok()
    }

    /// What a torrent has asked for is given up, whether it waits or is under way.
    pub(crate) fn forget(&self, swarm: SwarmId) {
        let forget = self.commands.try_send(Command::Forget(swarm));
        if let Err(TrySendError::Full(forget)) = forget {
            // Unlike all else it must not get lost (BEP 27).
            let commands = self.commands.clone();
            tokio::spawn(async move { drop(commands.send(forget).await) });
        }
    }

    /// Nodes that were told of; forgotten if there is much to do.
    pub(crate) fn add_candidate(&self, node: SocketAddr) {
        let _ = self.commands.try_send(Command::Candidate(node));
    }

    /// What a tracker says of our address; forgotten if there is much to do.
    pub(crate) fn vote(&self, vote: SeenAs) {
        let _ = self.commands.try_send(Command::SeenAs(vote));
    }

    pub(crate) fn add_hosts(&self, hosts: Vec<(String, u16)>) {
        let _ = self.commands.try_send(Command::Hosts(hosts));
    }

    /// How many nodes it knows.
    pub(crate) fn node_count(&self) -> usize {
        self.node_count.load(Ordering::Relaxed)
    }

    /// Waits until its state is on disk, or cannot be brought there.
    pub(crate) async fn save(&self) {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(Command::Save(reply)).await.is_ok() {
            let _ = answer.await;
        }
    }
}

/// Commands that wait for the node's task. Torrents that find it full try again later.
const QUEUE: usize = 1024;
/// As messages of the DHT have it: two letters, and a number.
const VERSION: [u8; 4] = *b"bt01";
/// Of libtorrent, BitTorrent, transmission and µTorrent.
const WELL_KNOWN: [&str; 4] = [
    "dht.libtorrent.org:25401",
    "router.bittorrent.com:6881",
    "dht.transmissionbt.com:6881",
    "router.utorrent.com:6881",
];

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// What torrents wanted of a node.
    #[derive(Debug, Default)]
    pub(crate) struct Wishes {
        pub(crate) announced: Vec<SwarmId>,
        pub(crate) forgotten: Vec<SwarmId>,
    }

    /// The way to a node that somebody else pretends to be, and what it was asked for since the last
    /// look.
    pub(crate) fn handle() -> (DhtHandle, impl FnMut() -> Wishes) {
        let (commands, mut queue) = mpsc::channel(QUEUE);
        let node_count = Arc::new(AtomicUsize::new(3));
        let handle = DhtHandle {
            commands,
            node_count,
        };
        let asked = move || {
            let mut wishes = Wishes::default();
            while let Ok(command) = queue.try_recv() {
                match command {
                    Command::Announce(swarm, ..) => wishes.announced.push(swarm),
                    Command::Forget(swarm) => wishes.forgotten.push(swarm),
                    _ => {}
                }
            }
            wishes
        };
        (handle, asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Announces and candidates are dropped then, and made again.
    #[tokio::test]
    async fn what_is_to_be_forgotten_comes_through_a_full_queue() {
        let (commands, mut queue) = mpsc::channel(1);
        let handle = DhtHandle {
            commands,
            node_count: Arc::default(),
        };
        handle.add_candidate(([192, 0, 2, 1], 1).into());
        handle.forget(SwarmId([7; 20]));
        assert!(matches!(queue.recv().await, Some(Command::Candidate(_))));
        let next = queue.recv().await;
        assert!(matches!(next, Some(Command::Forget(swarm)) if swarm == SwarmId([7; 20])));
    }
}
