//! What the torrents and the listeners of a session have in common.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bt_scheduler::Grant;
use bt_types::{BLOCK_LENGTH, SwarmId, TorrentIds};
use bt_wire::Handshake;

use crate::{
    AddError,
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
    memory: usize,
    listens_on: Vec<SocketAddr>,
    /// By the primary id. Peers that want a hybrid torrent by its v2 id are not answered, as we
    /// do not speak v2 yet.
    routes: Mutex<HashMap<SwarmId, Route>>,
}

/// The way to one torrent. Reserved when it is added.
#[derive(Clone)]
struct Route {
    mailbox: Mailbox,
    /// What to say to peers; `None` until its data has been checked.
    handshake: Option<Handshake>,
}

impl Shared {
    pub(crate) fn new(
        bind: Option<IpAddr>,
        listens_on: Vec<SocketAddr>,
        memory: usize,
        buffers: BufferPool,
        disk: Disk,
        check_threads: usize,
    ) -> Self {
        Self {
            bind,
            buffers,
            disk,
            check_threads,
            memory,
            listens_on,
            routes: Mutex::default(),
        }
    }

    /// Makes a torrent known to peers.
    pub(crate) fn open_to_peers(&self, ids: TorrentIds, handshake: Handshake) {
        if let Some(route) = lock(&self.routes).get_mut(&ids.primary_swarm_id()) {
            route.handshake = Some(handshake);
        }
    }

    /// Where to bring a connection for `id`, and what to say on it.
    pub(crate) fn route(&self, id: SwarmId) -> Option<(Mailbox, Handshake)> {
        let routes = lock(&self.routes);
        let route = routes.get(&id)?;
        Some((route.mailbox.clone(), route.handshake?))
    }

    /// The torrent has ended, and can be added again.
    pub(crate) fn forget(&self, ids: TorrentIds) {
        lock(&self.routes).remove(&ids.primary_swarm_id());
        self.divide();
    }

    /// Addresses under which we could dial ourselves.
    pub(crate) fn own_addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.listens_on.iter().map(|address| match address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => (Ipv4Addr::LOCALHOST, address.port()).into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => (Ipv6Addr::LOCALHOST, address.port()).into(),
            _ => *address,
        })
    }

    /// A torrent has been added.
    pub(crate) fn reserve(&self, ids: TorrentIds, mailbox: &Mailbox) -> Result<(), AddError> {
        match lock(&self.routes).entry(ids.primary_swarm_id()) {
            Entry::Occupied(_) => Err(AddError::AlreadyAdded),
            Entry::Vacant(vacant) => {
                vacant.insert(Route {
                    mailbox: mailbox.clone(),
                    handshake: None,
                });
                Ok(())
            }
        }
    }

    /// Grants each torrent an equal share of the memory.
    pub(crate) fn divide(&self) {
        let routes = lock(&self.routes);
        let memory_bytes = share(self.memory, routes.len());
        for route in routes.values() {
            let grant = Grant {
                memory_bytes,
                ..Grant::default()
            };
            // One that is just ending needs none.
            let _ = route.mailbox.send(Mail::Grant(grant));
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No step under these locks can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What each of so many torrents may use of the memory.
fn share(memory: usize, torrents: usize) -> usize {
    (memory / torrents.max(1)).max(MIN_SHARE)
}

/// 64 blocks: a torrent that cannot have a few requests under way with each of a few peers does
/// not get ahead at all.
const MIN_SHARE: usize = 64 * BLOCK_LENGTH as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_divided_but_never_into_nothing() {
        assert_eq!(share(32 << 20, 0), 32 << 20);
        assert_eq!(share(32 << 20, 4), 8 << 20);
        assert_eq!(share(32 << 20, 1000), 1 << 20);
        assert_eq!(share(1, 1), 1 << 20);
    }
}
