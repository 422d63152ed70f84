//! Who asks when: a bounded number at a time, of all servers together and of each.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};

use bt_tracker::Family;
use bt_tracker_http::HttpUrl;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::HttpError;
use crate::shared::lock;

/// The lines of those who want to ask.
///
/// A server that is down costs each who asks it seconds. It holds up nobody but those who want to ask
/// the same, and they need not find out one after the other: all who wait for it are told.
pub(super) struct Queue {
    slots: Arc<Semaphore>,
    servers: Mutex<HashMap<Name, Weak<Server>>>,
}

/// A host may be down by one family of addresses and not by the other.
type Name = (Option<Family>, String);

struct Server {
    slots: Arc<Semaphore>,
    /// What those saw who asked it last and found it down.
    down: watch::Sender<Arc<str>>,
}

/// The right to ask one server, until it is dropped.
pub(super) struct Turn {
    server: Arc<Server>,
    _of_server: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(MAX_AT_ONCE)),
            servers: Mutex::default(),
        }
    }

    /// A turn, if there is one to be had at once.
    pub(super) fn turn_at_once(&self, url: &HttpUrl, family: Option<Family>) -> Option<Turn> {
        let server = self.server(url, family);
        Some(Turn {
            _of_server: Arc::clone(&server.slots).try_acquire_owned().ok()?,
            _of_all: Arc::clone(&self.slots).try_acquire_owned().ok()?,
            server,
        })
    }

    /// Waits for a turn, or until somebody finds the server down.
    pub(super) async fn turn(
        &self,
        url: &HttpUrl,
        family: Option<Family>,
    ) -> Result<Turn, HttpError> {
        let server = self.server(url, family);
        let mut down = server.down.subscribe();
        tokio::select! {
            biased;
            // Who has found it down makes room, too. The sender is in `server`, so there is something.
            _ = down.changed() => Err(HttpError::FoundDown(Arc::clone(&down.borrow()))),
            turn = self.turn_at(&server) => turn,
        }
    }

    async fn turn_at(&self, server: &Arc<Server>) -> Result<Turn, HttpError> {
        // Neither is ever closed.
        let closed = |_| HttpError::NoReachableAddress;
        let of_server = Arc::clone(&server.slots).acquire_owned().await;
        let of_all = Arc::clone(&self.slots).acquire_owned().await;
        Ok(Turn {
            server: Arc::clone(server),
            _of_server: of_server.map_err(closed)?,
            _of_all: of_all.map_err(closed)?,
        })
    }

    fn server(&self, url: &HttpUrl, family: Option<Family>) -> Arc<Server> {
        let name = (family, url.authority());
        let servers = &mut *lock(&self.servers);
        if let Some(server) = servers.get(&name).and_then(Weak::upgrade) {
            return server;
        }
        servers.retain(|_, server| server.strong_count() > 0);
        let server = Arc::new(Server {
            slots: Arc::new(Semaphore::new(MAX_AT_ONCE_OF_ONE)),
            down: watch::Sender::new("".into()),
        });
        servers.insert(name, Arc::downgrade(&server));
        server
    }
}

impl Turn {
    /// Nobody who waits for this server has to find out the same.
    pub(super) fn found_down(&self, error: &HttpError) {
        self.server.down.send_replace(error.in_full().into());
    }
}

/// As libtorrent: what hundreds of torrents want of trackers at once must not take all sockets.
const MAX_AT_ONCE: usize = 50;
/// Twice what browsers ask of one server. Of a tracker that takes a third of a second, as over TLS, it
/// is 30 announces a second; of one that is down, a fifth of what there is.
const MAX_AT_ONCE_OF_ONE: usize = 10;

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    const V4: Option<Family> = Some(Family::V4);

    fn server(number: usize) -> HttpUrl {
        format!("http://t{number}.example/announce")
            .parse()
            .unwrap()
    }

    fn turns(queue: &Queue, url: &HttpUrl) -> Vec<Turn> {
        std::iter::from_fn(|| queue.turn_at_once(url, V4)).collect()
    }

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_server_has_a_few_and_all_together_fifty() {
        let queue = Queue::new();
        let mut held: Vec<_> = (0..5).map(|n| turns(&queue, &server(n))).collect();
        assert!(held.iter().all(|turns| turns.len() == MAX_AT_ONCE_OF_ONE));
        assert!(turns(&queue, &server(5)).is_empty(), "all are taken");

        let other = server(5);
        let mut waiting = pin!(queue.turn(&other, V4));
        assert!(poll(waiting.as_mut()).is_none());
        held[0].pop();
        assert!(poll(waiting.as_mut()).is_some_and(|turn| turn.is_ok()));
        drop(held);
        assert_eq!(turns(&queue, &server(6)).len(), MAX_AT_ONCE_OF_ONE);
    }

    #[test]
    fn who_waits_for_a_server_is_told_that_it_is_down() {
        let queue = Queue::new();
        let (down, up) = (server(1), server(2));
        let held = turns(&queue, &down);
        let _others = turns(&queue, &up);
        let mut waiting = pin!(queue.turn(&down, V4));
        let mut by_other_family = pin!(queue.turn(&down, Some(Family::V6)));
        let mut elsewhere = pin!(queue.turn(&up, V4));
        assert!(poll(waiting.as_mut()).is_none());
        assert!(poll(elsewhere.as_mut()).is_none());
        held[0].found_down(&HttpError::LookUp {
            host: "t1.example".to_owned(),
            source: std::io::Error::other("nobody knows it"),
        });
        let told = poll(waiting.as_mut()).and_then(Result::err);
        let expected = "cannot look up t1.example: nobody knows it";
        assert_eq!(told.unwrap().to_string(), expected);
        assert!(poll(elsewhere.as_mut()).is_none());
        assert!(poll(by_other_family.as_mut()).is_some_and(|turn| turn.is_ok()));

        // Who comes later tries it again.
        drop(held);
        let mut later = pin!(queue.turn(&down, V4));
        assert!(poll(later.as_mut()).is_some_and(|turn| turn.is_ok()));
    }

    #[test]
    fn who_has_been_asked_is_forgotten() {
        let queue = Queue::new();
        for number in 0..1000 {
            drop(queue.turn_at_once(&server(number), V4));
        }
        assert_eq!(lock(&queue.servers).len(), 1);
    }
}
