//! Who asks when: a bounded number at a time, of all servers together and of each.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use bt_tracker::Family;
use bt_tracker_http::{HttpUrl, Scheme};
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

/// A host may be down by one family of addresses and not by the other, or at one of its ports.
type Name = (Line, Option<Family>, Scheme, String, u16);

/// What a server is asked for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Line {
    Ordinary,
    /// To tell it that we go. Whoever waits for long does not tell it, so these wait for nobody else.
    Goodbye,
}

struct Server {
    slots: Arc<Semaphore>,
    /// How often it has answered, whatever it said.
    answers: AtomicU64,
    /// What those saw who asked it last and found it down.
    down: watch::Sender<Arc<str>>,
}

/// The right to ask one server, until it is dropped.
pub(super) struct Turn {
    server: Arc<Server>,
    /// How often it had answered when this began.
    answers_before: u64,
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
    pub(super) fn turn_at_once(
        &self,
        url: &HttpUrl,
        family: Option<Family>,
        line: Line,
    ) -> Option<Turn> {
        let server = self.server(url, family, line);
        let of_server = Arc::clone(&server.slots).try_acquire_owned().ok()?;
        let of_all = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(Turn::new(server, of_server, of_all))
    }

    /// Waits for a turn, or until somebody finds the server down.
    pub(super) async fn turn(
        &self,
        url: &HttpUrl,
        family: Option<Family>,
        line: Line,
    ) -> Result<Turn, HttpError> {
        let server = self.server(url, family, line);
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
        let of_server = of_server.map_err(closed)?;
        let of_all = Arc::clone(&self.slots).acquire_owned().await;
        let of_all = of_all.map_err(closed)?;
        Ok(Turn::new(Arc::clone(server), of_server, of_all))
    }

    fn server(&self, url: &HttpUrl, family: Option<Family>, line: Line) -> Arc<Server> {
        let host = url.host().to_owned();
        let name = (line, family, url.scheme(), host, url.port());
        let servers = &mut *lock(&self.servers);
        if let Some(server) = servers.get(&name).and_then(Weak::upgrade) {
            return server;
        }
        servers.retain(|_, server| server.strong_count() > 0);
        let at_first = match line {
            Line::Ordinary => AT_ONCE_OF_STRANGER,
            Line::Goodbye => MAX_AT_ONCE,
        };
        let server = Arc::new(Server {
            slots: Arc::new(Semaphore::new(at_first)),
            answers: AtomicU64::new(0),
            down: watch::Sender::new("".into()),
        });
        servers.insert(name, Arc::downgrade(&server));
        server
    }
}

impl Turn {
    fn new(
        server: Arc<Server>,
        of_server: OwnedSemaphorePermit,
        of_all: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            answers_before: server.answers.load(Ordering::Relaxed),
            server,
            _of_server: of_server,
            _of_all: of_all,
        }
    }

    /// The server has answered, whatever it said: it may be asked for more at a time.
    pub(super) fn answered(&self) {
        if self.server.answers.fetch_add(1, Ordering::Relaxed) == 0 {
            let more = MAX_AT_ONCE_OF_ONE - AT_ONCE_OF_STRANGER;
            self.server.slots.add_permits(more);
        }
    }

    /// Nobody who waits for this server has to find out the same; unless it has answered since this
    /// turn began, and so is not down.
    pub(super) fn found_down(&self, error: &HttpError) {
        if self.server.answers.load(Ordering::Relaxed) == self.answers_before {
            self.server.down.send_replace(error.in_full().into());
        }
    }
}

/// As libtorrent: what hundreds of torrents want of trackers at once must not take all sockets.
const MAX_AT_ONCE: usize = 50;
/// Twice what browsers ask of one server. Of a tracker that takes a third of a second, as over TLS, it
/// is 30 announces a second.
const MAX_AT_ONCE_OF_ONE: usize = 10;
/// Of one that has not answered yet, nor been found down: 25 dead trackers leave room for others.
const AT_ONCE_OF_STRANGER: usize = 2;

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::{Pin, pin},
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
        std::iter::from_fn(|| queue.turn_at_once(url, V4, Line::Ordinary)).collect()
    }

    /// Those of a server that has answered.
    fn all_turns(queue: &Queue, url: &HttpUrl) -> Vec<Turn> {
        let mut held = turns(queue, url);
        assert_eq!(held.len(), AT_ONCE_OF_STRANGER);
        held[0].answered();
        held[1].answered();
        held.extend(turns(queue, url));
        held
    }

    fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_server_has_a_few_and_all_together_fifty() {
        let queue = Queue::new();
        let mut held: Vec<_> = (0..5).map(|n| all_turns(&queue, &server(n))).collect();
        assert!(held.iter().all(|turns| turns.len() == MAX_AT_ONCE_OF_ONE));
        assert!(turns(&queue, &server(5)).is_empty(), "all are taken");

        let other = server(5);
        let mut waiting = pin!(queue.turn(&other, V4, Line::Ordinary));
        assert!(poll(waiting.as_mut()).is_none());
        held[0].pop();
        assert!(poll(waiting.as_mut()).is_some_and(|turn| turn.is_ok()));
        drop(held);
        assert_eq!(turns(&queue, &server(6)).len(), AT_ONCE_OF_STRANGER);
    }

    #[test]
    fn who_waits_for_a_server_is_told_that_it_is_down() {
        let queue = Queue::new();
        let (down, up) = (server(1), server(2));
        let secure: HttpUrl = "https://t1.example/announce".parse().unwrap();
        let held = turns(&queue, &down);
        let _others = turns(&queue, &up);
        let turn = |url, family| Box::pin(queue.turn(url, family, Line::Ordinary));
        let (mut waiting, mut elsewhere) = (turn(&down, V4), turn(&up, V4));
        let (mut by_other_family, mut by_other_port) = (turn(&down, None), turn(&secure, V4));
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
        for mut other in [by_other_family.as_mut(), by_other_port.as_mut()] {
            assert!(poll(other.as_mut()).is_some_and(|turn| turn.is_ok()));
        }

        // Who comes later tries it again.
        drop(held);
        assert!(poll(turn(&down, V4).as_mut()).is_some_and(|turn| turn.is_ok()));
    }

    #[test]
    fn one_that_answers_others_is_not_down() {
        let queue = Queue::new();
        let url = server(1);
        let held = all_turns(&queue, &url);
        let mut waiting = pin!(queue.turn(&url, V4, Line::Ordinary));
        assert!(poll(waiting.as_mut()).is_none());
        // One that hangs, while the others are answered.
        held[0].found_down(&HttpError::Unaskable);
        assert!(poll(waiting.as_mut()).is_none());
        held[9].found_down(&HttpError::Unaskable);
        assert!(poll(waiting.as_mut()).is_some_and(|turn| turn.is_err()));
    }

    #[test]
    fn goodbyes_do_not_wait_behind_others() {
        let queue = Queue::new();
        let url = server(1);
        let _held = all_turns(&queue, &url);
        let goodbyes = std::iter::from_fn(|| queue.turn_at_once(&url, V4, Line::Goodbye));
        let goodbyes: Vec<_> = goodbyes.collect();
        assert_eq!(goodbyes.len(), MAX_AT_ONCE - MAX_AT_ONCE_OF_ONE);
    }

    #[test]
    fn who_has_been_asked_is_forgotten() {
        let queue = Queue::new();
        for number in 0..1000 {
            drop(queue.turn_at_once(&server(number), V4, Line::Ordinary));
        }
        assert_eq!(lock(&queue.servers).len(), 1);
    }
}
