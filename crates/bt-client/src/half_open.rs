//! Strangers that have connected and have not yet said which torrent they want.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::tasks::AbortOnDrop;

/// The handshakes under way of those who have connected to us: so many at most, and yet always
/// room for one more, since otherwise a few who say nothing would keep out everybody. Cheap to
/// clone; its tasks end with their session.
#[derive(Clone)]
pub(crate) struct HalfOpen {
    places: Arc<Mutex<Places<AbortOnDrop>>>,
    waiting_for_torrents: Arc<Semaphore>,
}

/// Who is here, in the order of their coming.
struct Places<T> {
    taken: VecDeque<Place<T>>,
    next_id: u64,
}

struct Place<T> {
    id: u64,
    network: IpAddr,
    holder: T,
}

impl HalfOpen {
    pub(crate) fn new() -> Self {
        Self {
            places: Arc::new(Mutex::new(Places::new())),
            waiting_for_torrents: Arc::new(Semaphore::new(MAX_WAITING_FOR_TORRENTS)),
        }
    }

    /// Runs the handshake with a peer at `ip`; another one is given up if there are too many.
    pub(crate) fn spawn(&self, ip: IpAddr, handshake: impl Future<Output = ()> + Send + 'static) {
        let places = Arc::downgrade(&self.places);
        // Locked until the task has its place, so that it cannot end before.
        let mut taken = self.lock();
        let id = taken.next_id();
        let task = AbortOnDrop::spawn(async move {
            handshake.await;
            if let Some(places) = places.upgrade() {
                lock(&places).release(id);
            }
        });
        let given_up = taken.take(id, network(ip), task);
        drop(taken);
        drop(given_up);
    }

    /// Waits until the torrents have taken over most of the connections that were handed to them.
    /// To be kept until this one is, too.
    pub(crate) async fn wait_for_torrent(&self) -> Option<OwnedSemaphorePermit> {
        let semaphore = Arc::clone(&self.waiting_for_torrents);
        // It is never closed.
        semaphore.acquire_owned().await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, Places<AbortOnDrop>> {
        lock(&self.places)
    }
}

impl<T> Places<T> {
    fn new() -> Self {
        Self {
            taken: VecDeque::new(),
            next_id: 0,
        }
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Gives a place to `holder`; and, if there was none, returns who had to leave: of the network
    /// that held most places, the one that held its place for longest.
    fn take(&mut self, id: u64, network: IpAddr, holder: T) -> Option<T> {
        let given_up = if self.taken.len() < MAX_PLACES {
            None
        } else {
            self.most_dispensable().and_then(|at| self.taken.remove(at))
        };
        self.taken.push_back(Place {
            id,
            network,
            holder,
        });
        given_up.map(|place| place.holder)
    }

    fn release(&mut self, id: u64) -> Option<T> {
        let at = self.taken.iter().position(|place| place.id == id)?;
        self.taken.remove(at).map(|place| place.holder)
    }

    fn most_dispensable(&self) -> Option<usize> {
        let held_by = |network| self.taken.iter().filter(|p| p.network == network).count();
        // Of equal ones the last is the maximum, hence from the youngest to the oldest.
        let places = self.taken.iter().enumerate().rev();
        let (at, _) = places.max_by_key(|(_, place)| held_by(place.network))?;
        Some(at)
    }
}

/// Who has one IPv6 address has the 2^64 of its subnet.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn lock<T>(places: &Mutex<Places<T>>) -> MutexGuard<'_, Places<T>> {
    // No step on the places can panic half-way.
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Honest peers need one for a round trip or two.
const MAX_PLACES: usize = 64;
/// Connections in the mailboxes of torrents, which have nothing to do but to take them.
const MAX_WAITING_FOR_TORRENTS: usize = 64;

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn who_holds_most_places_leaves_first_and_among_its_own_the_oldest() {
        let mut places = Places::new();
        let mut take = |from| {
            let id = places.next_id();
            places.take(id, ip(from), (from, id))
        };
        assert_eq!(take(1), None);
        for _ in 1..MAX_PLACES {
            assert_eq!(take(2), None);
        }
        // It came second, but its network holds nearly all.
        assert_eq!(take(2), Some((2, 2)));
        assert_eq!(take(3), Some((2, 3)));
        assert_eq!(take(2), Some((2, 4)), "a flood drives out nobody else");
    }

    #[test]
    fn among_equals_the_oldest_leaves() {
        let mut places = Places::new();
        for from in 0..MAX_PLACES as u8 {
            let id = places.next_id();
            assert_eq!(places.take(id, ip(from), from), None);
        }
        let id = places.next_id();
        assert_eq!(places.take(id, ip(200), 200), Some(0));
        assert_eq!(places.release(id), Some(200));
        assert_eq!(places.release(id), None);
        assert_eq!(places.take(0, ip(201), 201), None, "there is a place again");
    }

    #[test]
    fn a_subnet_is_one_stranger() {
        let network = |ip: &str| network(ip.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1:2:3"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
    }

    #[tokio::test]
    async fn places_are_given_back_and_who_must_leave_is_aborted() {
        let half_open = HalfOpen::new();
        half_open.spawn(ip(1), async {});
        while !half_open.lock().taken.is_empty() {
            tokio::task::yield_now().await;
        }
        let (held, dropped) = oneshot::channel::<()>();
        half_open.spawn(ip(1), async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        for _ in 0..MAX_PLACES {
            half_open.spawn(ip(1), std::future::pending());
        }
        assert!(dropped.await.is_err(), "the oldest has gone");
        assert_eq!(half_open.lock().taken.len(), MAX_PLACES);
    }
}
