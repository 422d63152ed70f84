//! UDP trackers without I/O: the codec in both directions, a client that serves any number of
//! torrents, and a small server.
//!
//! [`UdpTracker`] talks to one address of one tracker. It connects, sends, retransmits and matches
//! answers; you own the socket and the clock:
//!
//! ```text
//! loop {
//!     while let Some(transmit) = tracker.poll_transmit() { /* send it */ }
//!     while let Some(event) = tracker.poll_event() { /* a request has ended */ }
//!     /* wait for one of these */
//!     a datagram:                tracker.handle_datagram(now, from, datagram)
//!     tracker.poll_timeout():    tracker.handle_timeout(now)
//!     the application:           tracker.announce(now, request)
//! }
//! ```
//!
//! Here it announces to a [`TrackerServer`], with a vector in place of the network:
//!
//! ```
//! use bt_tracker_udp::{Outcome, ServerConfig, TrackerServer, UdpTracker};
//! use bt_types::{AnnounceEvent, AnnounceRequest, PeerId, SwarmId};
//!
//! # #[expect(clippy::disallowed_methods)]
//! let now = std::time::Instant::now(); // in a program: whenever something happens
//! let (ours, theirs) = ("192.0.2.1:6881".parse()?, "192.0.2.9:6969".parse()?);
//! let mut server = TrackerServer::new(ServerConfig::default(), [1; 32]);
//! let mut tracker = UdpTracker::new(theirs, "/announce", [2; 32]);
//!
//! let id = tracker.announce(now, AnnounceRequest {
//!     swarm_id: SwarmId([7; 20]),
//!     peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
//!     uploaded: 0,
//!     downloaded: 0,
//!     left: 1_000_000,
//!     event: AnnounceEvent::Started,
//!     key: 0xcafe_babe,
//!     num_want: None,
//!     port: 6881,
//! })?;
//!
//! let mut answer = Vec::new();
//! while let Some(transmit) = tracker.poll_transmit() { // first a connect, then the announce
//!     if server.handle_datagram(now, ours, &transmit.payload, &mut answer) {
//!         tracker.handle_datagram(now, theirs, &answer)?;
//!     }
//! }
//!
//! let event = tracker.poll_event().ok_or("one event a request")?;
//! assert_eq!(event.id, id);
//! let Outcome::Announced(response) = event.outcome else { panic!("{event:?}") };
//! assert_eq!((response.leechers, response.interval.as_secs()), (Some(1), 1800));
//! assert!(response.peers.is_empty()); // we are the first, and are not told of ourselves
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is deliberately outside
//!
//! Sockets, names and the choice between a tracker's addresses. When to announce, and to which of
//! a torrent's trackers: that is `bt-tracker`, for trackers of any kind. The server keeps nothing
//! on disk, has no access lists and answers on one thread: it is for demonstrations, local
//! networks and tests.
//!
//! # What a stranger can do
//!
//! Datagrams are believed only if they come from the tracker's address, carry the transaction id
//! of a pending request (32 unpredictable bits) and answer its kind; all others change nothing.
//! Error texts come bounded and without control characters. The server hands its peers only to
//! who has shown that he receives at his address, sends strangers no more bytes than they sent,
//! and keeps bounded numbers of swarms and peers.
//!
//! # BEPs
//!
//! 15 (UDP tracker protocol, retransmission included), 41 (extensions: URL data; credentials are
//! not used by anybody), 7 (IPv6 peers, 18 bytes each), 48 (scrape, in the form of BEP 15), 21 (the
//! server reads the unofficial event "paused" as a regular announce). Not covered: hosts other
//! than the sender's in the announce's address field, which are ignored.

mod client;
mod server;
pub mod wire;

pub use client::{
    BEP_15_ATTEMPTS, Busy, DatagramError, Event, MAX_PENDING_REQUESTS, MAX_UNANSWERED, Outcome,
    RequestId, ScrapeError, Transmit, UdpTracker,
};
pub use server::{AnnounceCounts, Config as ServerConfig, SwarmStats, TrackerServer};
