mod errors;
mod pending;
mod sending;

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use bt_types::{AnnounceEvent, AnnounceRequest, AnnounceResponse, SwarmId};
use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng};

pub use self::errors::{Busy, DatagramError, ScrapeError};
use self::pending::{Ask, Awaited, Pending};
use crate::wire::{
    ConnectionId, Family, MAX_SCRAPE, MAX_URL_DATA, Response, ScrapeEntry, TransactionId,
};

/// One address of a UDP tracker: connects, announces and scrapes for any number of torrents,
/// retransmits (BEP 15). Performs no I/O.
///
/// At most [`MAX_UNANSWERED`] requests are with the tracker at a time, so that a thousand torrents that
/// start together do not overrun it. The others wait for their turn, and a time-out that they spend so
/// counts as an attempt. Goodbyes ([`AnnounceEvent::Stopped`]) do not wait: they are sent once, and
/// answered in a few bytes.
///
/// Call a command ([`announce`](Self::announce), [`scrape`](Self::scrape),
/// [`cancel`](Self::cancel)) or a `handle_*` method, then drain
/// [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event), then arm one timer
/// from [`poll_timeout`](Self::poll_timeout). `now` must not run backwards.
#[derive(Debug)]
pub struct UdpTracker {
    tracker: SocketAddr,
    family: Family,
    url_data: Box<[u8]>,
    rng: ChaCha12Rng,
    connection: Connection,
    /// In the order in which they were asked; at most [`MAX_PENDING_REQUESTS`].
    pending: Vec<Pending>,
    next_id: u64,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

/// A datagram for the caller to send.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Transmit {
    /// Where to send it: always the address given to [`UdpTracker::new`].
    pub destination: SocketAddr,
    /// The whole datagram. Below 100 bytes for an announce without URL data, 1496 at most for a
    /// scrape.
    pub payload: Vec<u8>,
}

/// Names an accepted request of one [`UdpTracker`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(u64);

/// What became of a request. There is exactly one for each that was accepted and not cancelled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Which request.
    pub id: RequestId,
    /// What became of it.
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The tracker answered an announce. Do not announce again before `interval` has passed.
    Announced(AnnounceResponse),
    /// The tracker answered a scrape: one entry a swarm, in the order of the request. If there are
    /// fewer, the tracker did not say the last ones; there are never more.
    Scraped(Vec<ScrapeEntry>),
    /// The tracker refused, in its own words: untrusted text, bounded and fit to be shown, see
    /// [`Response::Error`].
    Refused(String),
    /// No valid answer to any of the attempts.
    TimedOut,
    /// Others were with the tracker all the time, so that it was never asked: that says nothing of
    /// whether it answers.
    NoTurn,
}

#[derive(Debug)]
enum Connection {
    None,
    /// At least one request waits for the answer.
    Connecting {
        transaction_id: TransactionId,
        sent_at: Instant,
    },
    Connected {
        id: ConnectionId,
        /// From here on it must not be used.
        expires: Instant,
    },
}

impl UdpTracker {
    /// A client for one address of a tracker, an IPv4 or an IPv6 one: a tracker that has both is
    /// two of these, told the same key.
    ///
    /// `url_data` is the path and query of the tracker's URL (BEP 41: some trackers expect a
    /// passkey there); an empty one is not sent, nor one beyond [`MAX_URL_DATA`] bytes.
    /// `rng_seed` must be unpredictable in production: BEP 15's only defence against forged
    /// answers is the transaction id.
    #[must_use]
    pub fn new(tracker: SocketAddr, url_data: &str, rng_seed: [u8; 32]) -> Self {
        let url_data = match url_data {
            sendable if sendable.len() <= MAX_URL_DATA => sendable.as_bytes(),
            _ => b"",
        };
        Self {
            tracker,
            family: Family::of(tracker),
            url_data: url_data.into(),
            rng: ChaCha12Rng::from_seed(rng_seed),
            connection: Connection::None,
            pending: Vec::new(),
            next_id: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Starts an announce, connecting first if we hold no usable connection id.
    ///
    /// It is attempted as often as BEP 15 says ([`BEP_15_ATTEMPTS`], over two hours), except
    /// [`AnnounceEvent::Stopped`], which is attempted once: who leaves does not wait.
    ///
    /// # Errors
    /// If too many requests are pending.
    pub fn announce(&mut self, now: Instant, request: AnnounceRequest) -> Result<RequestId, Busy> {
        let attempts = match request.event {
            AnnounceEvent::Stopped => 1,
            _ => BEP_15_ATTEMPTS,
        };
        self.announce_with_attempts(now, request, attempts)
    }

    /// Like [`announce`](Self::announce), attempted at most `attempts` times: 1 takes up to 15 s,
    /// 2 up to 45 s, 3 up to 105 s. 0 counts as 1, more than [`BEP_15_ATTEMPTS`] as that.
    ///
    /// # Errors
    /// If too many requests are pending.
    pub fn announce_with_attempts(
        &mut self,
        now: Instant,
        request: AnnounceRequest,
        attempts: u32,
    ) -> Result<RequestId, Busy> {
        self.ask(now, Ask::Announce(request), attempts)
    }

    /// Asks how many peers the given swarms have, at most [`MAX_SCRAPE`] at a time.
    ///
    /// # Errors
    /// If these are too many swarms or none, or too many requests are pending.
    pub fn scrape(
        &mut self,
        now: Instant,
        swarm_ids: &[SwarmId],
    ) -> Result<RequestId, ScrapeError> {
        if !(1..=MAX_SCRAPE).contains(&swarm_ids.len()) {
            return Err(ScrapeError::Count(swarm_ids.len()));
        }
        Ok(self.ask(now, Ask::Scrape(swarm_ids.into()), BEP_15_ATTEMPTS)?)
    }

    /// Forgets a request: no event will come. Harmless if it has ended already.
    pub fn cancel(&mut self, now: Instant, id: RequestId) {
        self.retain(now, |other| other != id);
    }

    /// Forgets all requests that are not to be kept; none of those is sent in place of another.
    pub fn retain(&mut self, now: Instant, mut keep: impl FnMut(RequestId) -> bool) {
        self.pending.retain(|pending| keep(pending.id));
        self.send_waiting(now, Awaited::Turn);
        self.stop_connecting_if_nobody_waits();
    }

    /// Takes a received UDP payload of any content. `Err` means ignored, with no state changed.
    ///
    /// # Errors
    /// If it does not come from the tracker, is no response, or answers nothing that we asked.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), DatagramError> {
        if endpoint(from) != endpoint(self.tracker) {
            return Err(DatagramError::WrongSource {
                from,
                expected: self.tracker,
            });
        }
        let (transaction_id, response) = Response::decode(datagram, self.family)?;
        match self.connection {
            Connection::Connecting {
                transaction_id: expected,
                ..
            } if expected == transaction_id => self.handle_connect_response(now, response),
            _ => self.handle_response(now, transaction_id, response),
        }
    }

    /// Retransmits what has waited long enough, or gives it up; harmless when called early.
    pub fn handle_timeout(&mut self, now: Instant) {
        let events = &mut self.events;
        self.pending.retain_mut(|pending| {
            let gives_up = pending.deadline <= now && pending.attempt + 1 == pending.attempts;
            if gives_up {
                events.push_back(Event {
                    id: pending.id,
                    outcome: match pending.awaits {
                        Some(Awaited::Turn) => Outcome::NoTurn,
                        _ => Outcome::TimedOut,
                    },
                });
            }
            !gives_up
        });
        // Whoever has waited longest is first.
        self.send_waiting(now, Awaited::Turn);
        let mut room = self.room();
        for index in 0..self.pending.len() {
            if self.pending[index].deadline <= now {
                self.pending[index].attempt += 1;
                self.send(now, index, &mut room);
            }
        }
        self.stop_connecting_if_nobody_waits();
    }

    /// The next datagram to send. Drain after every call that takes `&mut self`.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next request that has ended.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` while idle.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pending.iter().map(|pending| pending.deadline).min()
    }

    /// The address that this talks to.
    #[must_use]
    pub fn tracker(&self) -> SocketAddr {
        self.tracker
    }

    /// How many requests have not ended yet.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// For tests and fuzzing: checks what must hold between any two calls.
    ///
    /// # Panics
    /// If it does not hold, which is a fault of this crate.
    pub fn check_invariants(&self) {
        assert!(self.pending.len() <= MAX_PENDING_REQUESTS);
        let connecting = matches!(self.connection, Connection::Connecting { .. });
        assert_eq!(
            connecting,
            self.is_awaited(Awaited::Connection),
            "connecting exactly while somebody waits"
        );
        let with_tracker = self.pending.iter().filter(|p| p.takes_room());
        assert!(with_tracker.count() <= MAX_UNANSWERED);
        assert!(self.room() == 0 || !self.is_awaited(Awaited::Turn));
        assert!(self.pending.is_sorted_by_key(|pending| pending.id));
        for pending in &self.pending {
            assert!(pending.attempt < pending.attempts && pending.attempts <= BEP_15_ATTEMPTS);
            assert!(pending.awaits.is_some() || pending.sent_with.is_some());
            let same_id = |p: &&Pending| p.transaction_id == pending.transaction_id;
            assert_eq!(self.pending.iter().filter(same_id).count(), 1);
        }
    }

    fn ask(&mut self, now: Instant, ask: Ask, attempts: u32) -> Result<RequestId, Busy> {
        if self.pending.len() == MAX_PENDING_REQUESTS {
            return Err(Busy);
        }
        let id = RequestId(self.next_id);
        self.next_id += 1;
        let transaction_id = self.fresh_transaction_id();
        self.pending.push(Pending {
            id,
            ask,
            transaction_id,
            sent_with: None,
            awaits: None,
            reconnected: false,
            attempt: 0,
            attempts: attempts.clamp(1, BEP_15_ATTEMPTS),
            deadline: now,
        });
        let mut room = self.room();
        self.send(now, self.pending.len() - 1, &mut room);
        Ok(id)
    }

    fn handle_connect_response(
        &mut self,
        now: Instant,
        response: Response,
    ) -> Result<(), DatagramError> {
        match response {
            Response::Connect(id) => {
                self.connection = Connection::Connected {
                    id,
                    expires: now + CONNECTION_ID_LIFETIME,
                };
                self.send_waiting(now, Awaited::Connection);
                Ok(())
            }
            Response::Error(text) => {
                self.connection = Connection::None;
                let events = &mut self.events;
                self.pending.retain(|pending| {
                    let is_refused = pending.awaits == Some(Awaited::Connection);
                    if is_refused {
                        events.push_back(Event {
                            id: pending.id,
                            outcome: Outcome::Refused(text.clone()),
                        });
                    }
                    !is_refused
                });
                self.send_waiting(now, Awaited::Turn);
                Ok(())
            }
            _ => Err(DatagramError::Unsolicited),
        }
    }

    fn handle_response(
        &mut self,
        now: Instant,
        transaction_id: TransactionId,
        response: Response,
    ) -> Result<(), DatagramError> {
        let Some(index) = self.pending.iter().position(|pending| {
            pending.transaction_id == transaction_id
                && pending.sent_with.is_some()
                && pending.ask.is_answered_by(&response)
        }) else {
            return Err(DatagramError::Unsolicited);
        };
        let pending = &mut self.pending[index];
        let outcome = match response {
            Response::Error(text) if disowns_connection(&text) && !pending.reconnected => {
                pending.reconnected = true;
                let refused = pending.sent_with;
                // Unless somebody else has reconnected meanwhile.
                match self.connection {
                    Connection::Connected { id, .. } if Some(id) == refused => {
                        self.connection = Connection::None;
                    }
                    _ => {}
                }
                let mut room = self.room();
                self.send(now, index, &mut room);
                return Ok(());
            }
            Response::Error(text) => Outcome::Refused(text),
            Response::EmptyAnnounce => Outcome::Refused(EMPTY_ANNOUNCE.into()),
            Response::Announce(response) => Outcome::Announced(response),
            Response::Scrape(mut entries) => {
                entries.truncate(pending.ask.swarm_count());
                Outcome::Scraped(entries)
            }
            Response::Connect(_) => return Err(DatagramError::Unsolicited),
        };
        let id = pending.id;
        self.pending.remove(index);
        self.events.push_back(Event { id, outcome });
        self.send_waiting(now, Awaited::Turn);
        self.stop_connecting_if_nobody_waits();
        Ok(())
    }
}

/// What tells two hosts apart. The flow label and scope of an IPv6 address do not, and a socket
/// for both families reports IPv4 senders in IPv6 clothes.
fn endpoint(addr: SocketAddr) -> (IpAddr, u16) {
    (addr.ip().to_canonical(), addr.port())
}

/// Trackers have no code for "unknown connection id", and spell it in many ways.
fn disowns_connection(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["connection id", "connection_id", "connectionid"]
        .iter()
        .any(|spelling| text.contains(spelling))
}

/// Attempts of one request by BEP 15, "Time outs": one for each n from 0 to 8.
pub const BEP_15_ATTEMPTS: u32 = 9;
/// Enough for a session of some thousand torrents that all start at once; bounds memory and the
/// time of the linear searches here (microseconds).
pub const MAX_PENDING_REQUESTS: usize = 4096;
/// Answers of 200 peers each fill what sockets hold for us at about as many.
pub const MAX_UNANSWERED: usize = 64;
/// BEP 15, "Time outs": wait 15 * 2^n seconds.
const FIRST_TIMEOUT: Duration = Duration::from_secs(15);
/// BEP 15, "UDP connections": a client may use an id until one minute after receiving it.
const CONNECTION_ID_LIFETIME: Duration = Duration::from_secs(60);
const EMPTY_ANNOUNCE: &str = "the tracker sent an empty answer (8 bytes, no reason given)";

#[cfg(test)]
mod tests;
