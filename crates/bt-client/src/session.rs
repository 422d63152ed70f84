use std::{
    net::IpAddr,
    num::NonZero,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use bt_scheduler::{Grant, RateLimits};
use bt_storage::FilePool;
use bt_swarm::Swarm;
use bt_tracker::{Family, Identity};
use bt_types::{PeerId, TorrentIds};
use tokio::{sync::mpsc, task::JoinSet};
use tracing::{Instrument, error_span, info};

use crate::{
    AddError, DhtConfig, OnDiskError, SessionError, Snapshot,
    buffers::{Buffer, BufferPool},
    dht::DhtHandle,
    disk::Disk,
    half_open::HalfOpen,
    inbound,
    lsd::LsdHandle,
    mail::Mailbox,
    net::{self, HttpClient, Sockets, Udp},
    random::Seeds,
    shared::{Place, Shared, keep_dividing, lock},
    tasks::AbortOnDrop,
    torrent::{self, AddTorrent, Discovery, Mode, Parts, Subject, TorrentHandle, publisher},
    trackers::{Clients, Plan, SCHEMES, Trackers, UdpTrackers, announce_timeout},
};

/// What all torrents of one process share: the port, the disk threads, memory, open files.
///
/// Made and used within a tokio runtime. Dropping it ends its torrents without telling their
/// trackers; [`TorrentHandle::stop`] does that.
pub struct Session {
    shared: Arc<Shared>,
    port: u16,
    peer_id: PeerId,
    min_announce_interval: Duration,
    pex: bool,
    files: Arc<FilePool>,
    clients: Clients,
    dht: Option<DhtHandle>,
    lsd: Option<LsdHandle>,
    /// Those of which it has a socket.
    families: Vec<Family>,
    seeds: Mutex<Seeds>,
    torrents: Mutex<JoinSet<()>>,
    _background: Vec<AbortOnDrop>,
}

/// How a [`Session`] is set up.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The port for peers, TCP and UDP; the next free one if it is taken, any if 0.
    pub listen_port: u16,
    /// The local address of every socket; all addresses of both families if `None`.
    pub bind: Option<IpAddr>,
    /// Payload in memory, of all torrents together, in bytes.
    pub memory: usize,
    /// Connections to peers, of all torrents together.
    pub max_peers: usize,
    /// How fast all torrents together may be.
    pub limits: RateLimits,
    /// Files kept open at once.
    pub max_open_files: usize,
    /// Threads that hash, write and read.
    pub disk_threads: usize,
    /// What to do about a disk that fails.
    pub on_disk_error: OnDiskError,
    /// The folder in which is remembered, from one session to the next, what of each torrent is on
    /// disk, so that it need not be hashed again, and which keeps two processes from using the same
    /// data. `None` to remember nothing.
    pub state: Option<PathBuf>,
    /// How it takes part in the DHT; not at all if `None`. Private torrents never do (BEP 27).
    pub dht: Option<DhtConfig>,
    /// To find peers of the local network, and be found by them (BEP 14); but for private torrents.
    pub lsd: bool,
    /// No regular announce to a tracker follows another sooner than this, whatever it asks for.
    pub min_announce_interval: Duration,
    /// Whether peers are told of each other, and asked for others (BEP 11). Never in a private
    /// torrent.
    pub pex: bool,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            listen_port: DEFAULT_PORT,
            bind: None,
            memory: DEFAULT_MEMORY,
            max_peers: Grant::default().max_peers,
            limits: RateLimits::NONE,
            max_open_files: DEFAULT_OPEN_FILES,
            disk_threads: cores(),
            on_disk_error: OnDiskError::Wait,
            state: None,
            dht: None,
            lsd: false,
            min_announce_interval: MIN_ANNOUNCE_INTERVAL,
            pex: true,
        }
    }
}

impl Session {
    /// Opens the port and starts the threads.
    ///
    /// # Errors
    /// If no port can be opened, or the system has no randomness to give.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or if the system cannot start a single thread.
    pub fn start(config: SessionConfig) -> Result<Self, SessionError> {
        let files = FilePool::new(config.max_open_files);
        Self::with_files(config, files)
    }

    /// With files that may fail: for tests.
    #[doc(hidden)]
    pub fn with_files(config: SessionConfig, files: FilePool) -> Result<Self, SessionError> {
        let mut seeds = Seeds::from_system().map_err(SessionError::Random)?;
        let Sockets {
            port,
            listeners,
            udp,
        } = net::listen(config.bind, config.listen_port)?;
        info!(port, "listening");
        let buffers = BufferPool::new(config.memory as u64 / 2);
        let listens_on = listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok());
        let disk = Disk::new(config.disk_threads, buffers.clone());
        let mut shared = Shared::new(
            config.bind,
            listens_on.collect(),
            Grant {
                max_peers: config.max_peers,
                memory_bytes: config.memory,
                rates: config.limits,
                ..Grant::default()
            },
            buffers,
            disk,
            cores(),
            config.state.clone(),
        );
        shared.on_disk_error = config.on_disk_error;
        let shared = Arc::new(shared);
        let half_open = HalfOpen::new();
        let listen = |listener| {
            let accepting = inbound::accept(listener, Arc::clone(&shared), half_open.clone());
            AbortOnDrop::spawn(accepting)
        };
        let mut background: Vec<_> = listeners.into_iter().map(listen).collect();
        background.push(AbortOnDrop::spawn(keep_dividing(Arc::clone(&shared))));
        let families = udp.families();
        let udp = Udp::start(udp);
        let node = config.dht.map(|dht| {
            let udp = (Arc::clone(&udp.sockets), udp.dht);
            DhtHandle::start(&dht, udp, config.state.as_deref(), false, seeds.fork())
        });
        let lsd = config
            .lsd
            .then(|| LsdHandle::start(Arc::clone(&shared), config.bind, port, seeds.draw()));
        Ok(Self {
            _background: background,
            shared,
            port,
            peer_id: new_peer_id(&mut seeds),
            min_announce_interval: config.min_announce_interval,
            pex: config.pex,
            files: Arc::new(files),
            dht: node,
            lsd,
            families,
            clients: Clients {
                udp: UdpTrackers::start(udp.sockets, udp.trackers, seeds.fork()),
                http: HttpClient::new(config.bind),
            },
            seeds: Mutex::new(seeds),
            torrents: Mutex::default(),
        })
    }

    /// The port on which peers can connect.
    #[must_use]
    pub fn listen_port(&self) -> u16 {
        self.port
    }

    /// Changes how fast all torrents together may be, at once.
    ///
    /// What counts are the messages that carry blocks, as they are sent over TCP, and of what we
    /// send all other messages, too; the headers of TCP and IP come on top. What is on its way when
    /// a limit is lowered is counted in. A [torrent](TorrentHandle::set_limits) may have lower
    /// limits of its own.
    pub fn set_limits(&self, limits: RateLimits) {
        self.shared.set_limits(limits);
    }

    /// Starts a torrent: finds out what it consists of if that is not known, checks what is on disk,
    /// then transfers.
    ///
    /// # Errors
    /// If it cannot be transferred, or is here already.
    pub fn add(&self, mut torrent: AddTorrent) -> Result<TorrentHandle, AddError> {
        let (mode, name) = match &mut torrent.subject {
            Subject::Info {
                info,
                mode,
                selection,
            } => {
                if *mode != Mode::Get {
                    *selection = Arc::default();
                }
                (*mode, Some(info.name()))
            }
            Subject::Link { .. } => (Mode::Get, None),
        };
        let path = name.map(|name| torrent.root.join(name));
        let (ids, is_private) = (torrent.ids(), torrent.is_private());
        if ids.v1().is_none() {
            return Err(AddError::V2Only);
        }
        let (mailbox, mail) = mpsc::unbounded_channel();
        let place = self.shared.reserve(ids, path, torrent.limits, &mailbox)?;
        let (publisher, handle) = publisher(mailbox.clone(), Snapshot::at_first(&torrent));
        // At every level: whatever is logged, it is of this torrent.
        let span =
            error_span!("torrent", name = torrent.name(), info_hash = %ids.primary_swarm_id());
        let parts = Parts {
            shared: Arc::clone(&self.shared),
            files: Arc::clone(&self.files),
            swarm: self.new_swarm(ids, &place, mode, is_private),
            place,
            trackers: self.new_trackers(&torrent, mailbox.clone()),
            discovery: self.new_discovery(ids, is_private, mailbox.clone()),
            torrent,
            next_selection: None,
            publisher,
            mailbox,
            mail,
        };
        let mut torrents = lock(&self.torrents);
        while torrents.try_join_next().is_some() {}
        torrents.spawn(torrent::run(parts).instrument(span));
        Ok(handle)
    }

    /// Writes down what the next session wants to know, beside what torrents remember when they are
    /// stopped: the nodes of the DHT. To be called at the end.
    pub async fn close(&self) {
        if let Some(dht) = &self.dht {
            dht.save().await;
        }
    }

    fn new_swarm(
        &self,
        ids: TorrentIds,
        place: &Place,
        mode: Mode,
        is_private: bool,
    ) -> Swarm<Buffer> {
        let mut config = bt_swarm::Config::new(self.peer_id, self.port);
        // One socket serves all UDP, on the same port as TCP.
        config.dht_port = (self.dht.is_some() && !is_private).then_some(self.port);
        config.grant = place.first_grant;
        config.super_seed = mode == Mode::SuperSeed;
        config.only_serves = mode != Mode::Get;
        config.pex = self.pex;
        let mut swarm = Swarm::new(ids, config, lock(&self.seeds).draw());
        swarm.set_bans(Instant::now(), Arc::clone(&place.first_bans));
        swarm
    }

    fn new_discovery(&self, ids: TorrentIds, is_private: bool, mailbox: Mailbox) -> Discovery {
        let is_public = !is_private;
        Discovery::new(
            ids.primary_swarm_id(),
            self.port,
            self.dht.clone().filter(|_| is_public),
            self.lsd.clone().filter(|_| is_public),
            &mut lock(&self.seeds),
            mailbox,
        )
    }

    fn new_trackers(&self, torrent: &AddTorrent, mailbox: Mailbox) -> Trackers {
        let mut seeds = lock(&self.seeds);
        let mut config = bt_tracker::Config::new(Identity {
            swarm_id: torrent.ids().primary_swarm_id(),
            peer_id: self.peer_id,
            key: u32::from_ne_bytes(seeds.draw()),
            port: self.port,
        });
        config.is_private = torrent.is_private();
        config.schemes = SCHEMES;
        config.min_interval = self.min_announce_interval;
        let tiers = torrent.tiers();
        config.announce_timeout = announce_timeout(&tiers);
        config.stop_timeout = STOP_TIMEOUT;
        let plan = Plan {
            tiers,
            of_user: torrent.user_trackers.clone(),
            config,
            families: self.families.clone(),
            seed: seeds.draw(),
        };
        Trackers::new(plan, self.clients.clone(), mailbox)
    }
}

/// What we call ourselves, until we are started again.
pub(crate) fn new_peer_id(seeds: &mut Seeds) -> PeerId {
    PeerId::azureus(CLIENT, VERSION, seeds.draw())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// What BitTorrent has always used.
const DEFAULT_PORT: u16 = 6881;
/// 32 MiB: a second of a gigabit a quarter of it, and hundreds of slow peers.
const DEFAULT_MEMORY: usize = 32 << 20;
/// Well below the 1024 descriptors that a process usually gets; sockets need the rest.
const DEFAULT_OPEN_FILES: usize = 256;
/// Trackers of fast swarms ask for two minutes, hardly any for less than one.
const MIN_ANNOUNCE_INTERVAL: Duration = Duration::from_secs(60);
/// Who stops a download waits for the trackers, but not for long: they notice by themselves.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// Our letters in peer ids (BEP 20).
const CLIENT: [u8; 2] = *b"bt";
/// The version of this crate, as peer ids have it.
const VERSION: [u8; 4] = *b"0100";

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bt_types::InfoHash;

    use super::*;
    use crate::lsd;

    /// BEP 27: only the trackers know of a private torrent.
    #[tokio::test]
    async fn private_torrents_are_kept_out_of_the_dht_and_the_local_network() {
        let mut session = Session::start(SessionConfig {
            bind: Some(Ipv4Addr::LOCALHOST.into()),
            listen_port: 0,
            dht: Some(DhtConfig {
                bootstrap: Vec::new(),
                ..DhtConfig::default()
            }),
            ..SessionConfig::default()
        })
        .unwrap();
        let (lan, mut told) = lsd::testing::handle();
        session.lsd = Some(lan);
        let ids = TorrentIds::v1_only(InfoHash([7; 20]));
        let (mailbox, _mail) = mpsc::unbounded_channel();
        let place = session
            .shared
            .reserve(ids, Some("x".into()), RateLimits::NONE, &mailbox)
            .unwrap();
        for is_private in [false, true] {
            let swarm = session.new_swarm(ids, &place, Mode::Get, is_private);
            assert_eq!(swarm.handshake().reserved.supports_dht(), !is_private);
            let mut discovery = session.new_discovery(ids, is_private, mailbox.clone());
            let now = Instant::now();
            discovery.start(now, vec![("127.0.0.1".to_owned(), 9)]);
            discovery.drain(now, false);
            assert_eq!(discovery.dht_nodes().is_some(), !is_private);
            assert_eq!(told().is_empty(), is_private);
            assert_eq!(discovery.poll_timeout().is_some(), !is_private);
        }
    }
}
