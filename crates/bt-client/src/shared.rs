//! What the torrents and the listeners of a session have in common.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bt_scheduler::{Arbiter, Demand, Grant, RateLimits};
use bt_storage::resume::BootId;
use bt_swarm::BanList;
use bt_types::{SwarmId, TorrentIds};
use bt_wire::Handshake;
use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::sleep,
};

use crate::{
    AddError, OnDiskError,
    buffers::BufferPool,
    disk::Disk,
    mail::{Mail, Mailbox},
};

/// What the session's torrents and listeners use of it.
pub(crate) struct Shared {
    pub(crate) bind: Option<IpAddr>,
    pub(crate) buffers: BufferPool,
    pub(crate) disk: Disk,
    pub(crate) check_threads: usize,
    pub(crate) on_disk_error: OnDiskError,
    /// Where it is remembered what torrents have on disk.
    pub(crate) state: Option<PathBuf>,
    /// The present run of the machine.
    pub(crate) boot: Option<BootId>,
    listens_on: Vec<SocketAddr>,
    torrents: Mutex<Torrents>,
    demand_changed: Notify,
    /// Data is checked one torrent after the other: each alone keeps disk and cores busy.
    checks: Semaphore,
}

struct Torrents {
    /// By the primary id. Peers that want a hybrid torrent by its v2 id are not answered, as we
    /// do not speak v2 yet.
    routes: HashMap<SwarmId, Route>,
    arbiter: Arbiter<SwarmId>,
    /// Whoever has lied to one of them is banned by all. Replaced, never changed, so that all can
    /// look at the same.
    bans: Arc<BanList>,
}

/// The way to one torrent. Reserved when it is added.
#[derive(Clone)]
struct Route {
    mailbox: Mailbox,
    /// Its file or top folder, which is nobody else's; `None` until that is known.
    path: Option<PathBuf>,
    /// What to say to peers; `None` while its data is being checked before anybody may come.
    handshake: Option<Handshake>,
}

impl Shared {
    pub(crate) fn new(
        bind: Option<IpAddr>,
        listens_on: Vec<SocketAddr>,
        capacity: Grant,
        buffers: BufferPool,
        disk: Disk,
        check_threads: usize,
        state: Option<PathBuf>,
    ) -> Self {
        Self {
            bind,
            buffers,
            disk,
            check_threads,
            on_disk_error: OnDiskError::default(),
            state,
            boot: BootId::current(),
            listens_on,
            torrents: Mutex::new(Torrents {
                routes: HashMap::new(),
                arbiter: Arbiter::new(capacity),
                bans: Arc::default(),
            }),
            demand_changed: Notify::new(),
            checks: Semaphore::new(1),
        }
    }

    /// Makes a torrent known to peers.
    pub(crate) fn open_to_peers(&self, ids: TorrentIds, handshake: Handshake) {
        let torrents = &mut lock(&self.torrents);
        if let Some(route) = torrents.routes.get_mut(&ids.primary_swarm_id()) {
            route.handshake = Some(handshake);
        }
    }

    /// Where to bring a connection for `id`, and what to say on it.
    pub(crate) fn route(&self, id: SwarmId) -> Option<(Mailbox, Handshake)> {
        let torrents = lock(&self.torrents);
        let route = torrents.routes.get(&id)?;
        Some((route.mailbox.clone(), route.handshake?))
    }

    /// Addresses under which we could dial ourselves.
    pub(crate) fn own_addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.listens_on.iter().map(|address| match address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => (Ipv4Addr::LOCALHOST, address.port()).into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => (Ipv6Addr::LOCALHOST, address.port()).into(),
            _ => *address,
        })
    }

    /// A torrent is being added, whose file or top folder is at `path`, if that is known. It is here
    /// as long as the place is kept.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        ids: TorrentIds,
        path: Option<PathBuf>,
        limits: RateLimits,
        mailbox: &Mailbox,
    ) -> Result<Place, AddError> {
        let id = ids.primary_swarm_id();
        let torrents = &mut *lock(&self.torrents);
        if torrents.routes.contains_key(&id) {
            return Err(AddError::AlreadyAdded);
        }
        if let Some(path) = path.as_ref().filter(|path| torrents.is_taken(path)) {
            return Err(AddError::PathTaken(path.clone()));
        }
        let route = Route {
            mailbox: mailbox.clone(),
            path,
            handshake: None,
        };
        torrents.routes.insert(id, route);
        torrents.arbiter.add(id);
        torrents.arbiter.set_torrent_limits(&id, limits);
        torrents.divide();
        let first_grant = torrents.arbiter.granted(&id).unwrap_or_default();
        let first_bans = Arc::clone(&torrents.bans);
        let shared = Arc::clone(self);
        Ok(Place {
            shared,
            id,
            first_grant,
            first_bans,
        })
    }

    /// A torrent tells what it could use.
    pub(crate) fn set_demand(&self, ids: TorrentIds, demand: Demand) {
        let torrents = &mut *lock(&self.torrents);
        if torrents.arbiter.set_demand(&ids.primary_swarm_id(), demand) {
            self.demand_changed.notify_one();
        }
    }

    /// A torrent has found out that a peer lies: all of them are told.
    pub(crate) fn ban(&self, peer: SocketAddr) {
        let torrents = &mut *lock(&self.torrents);
        if Arc::make_mut(&mut torrents.bans).ban(peer) {
            for route in torrents.routes.values() {
                // One that is just ending talks to nobody.
                let _ = route.mailbox.send(Mail::Bans(Arc::clone(&torrents.bans)));
            }
        }
    }

    /// Whether a peer has lied to any torrent.
    pub(crate) fn is_banned(&self, peer: SocketAddr) -> bool {
        lock(&self.torrents).bans.contains(peer)
    }

    /// Changes how fast all torrents together may be.
    pub(crate) fn set_limits(&self, limits: RateLimits) {
        let torrents = &mut *lock(&self.torrents);
        torrents.arbiter.set_limits(limits);
        torrents.divide();
    }

    /// Changes how fast one torrent may be.
    pub(crate) fn set_torrent_limits(&self, ids: TorrentIds, limits: RateLimits) {
        let torrents = &mut *lock(&self.torrents);
        let id = ids.primary_swarm_id();
        torrents.arbiter.set_torrent_limits(&id, limits);
        torrents.divide();
    }

    /// Waits until no other torrent's data is being checked.
    pub(crate) async fn turn_to_check(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.checks.acquire().await.ok()
    }
}

/// One torrent's place in a session. When it is dropped, however the torrent has ended, what it
/// held is free for others, and it can be added again.
pub(crate) struct Place {
    shared: Arc<Shared>,
    id: SwarmId,
    /// What it may use until it is told otherwise.
    pub(crate) first_grant: Grant,
    /// Whom it is not to talk to, until it is told of more.
    pub(crate) first_bans: Arc<BanList>,
}

impl Place {
    /// The torrent's file or top folder turns out to be at `path`; returns whether that is nobody
    /// else's, and it may have it.
    pub(crate) fn claim(&self, path: PathBuf) -> bool {
        let torrents = &mut *lock(&self.shared.torrents);
        let has_it = |route: &Route| route.path.as_ref() == Some(&path);
        if torrents.routes.get(&self.id).is_some_and(has_it) {
            return true;
        }
        if torrents.is_taken(&path) {
            return false;
        }
        if let Some(route) = torrents.routes.get_mut(&self.id) {
            route.path = Some(path);
        }
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let torrents = &mut *lock(&self.shared.torrents);
        torrents.routes.remove(&self.id);
        torrents.arbiter.remove(&self.id);
        torrents.divide();
    }
}

/// Divides anew whenever demand has changed, but not for every change.
pub(crate) async fn keep_dividing(shared: Arc<Shared>) {
    loop {
        shared.demand_changed.notified().await;
        lock(&shared.torrents).divide();
        sleep(DIVISION_INTERVAL).await;
    }
}

impl Torrents {
    /// Whether some torrent's file or top folder is there.
    fn is_taken(&self, path: &Path) -> bool {
        let mut taken = self
            .routes
            .values()
            .filter_map(|route| route.path.as_deref());
        taken.any(|taken| taken == path)
    }

    fn divide(&mut self) {
        for (id, grant) in self.arbiter.divide() {
            if let Some(route) = self.routes.get(id) {
                // One that is just ending needs none.
                let _ = route.mailbox.send(Mail::Grant(grant));
            }
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No step under these locks can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As often as torrents tell their demand.
const DIVISION_INTERVAL: Duration = Duration::from_millis(250);
