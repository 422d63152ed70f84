//! The announce schedule of one torrent over trackers of any kind, without I/O: which tracker to
//! announce to, when, and what to say.
//!
//! A [`Schedule`] knows trackers by their URLs only. It hands out announces, and you carry them out
//! by whatever protocol the URL's scheme names, and report what became of them:
//!
//! ```text
//! loop {
//!     while let Some(event) = schedule.poll_event() { /* peers; what to show; what to drop */ }
//!     while let Some(announce) = schedule.poll_announce(now) { /* carry it out */ }
//!     /* wait for one of these */
//!     an announce has ended:      schedule.handle_outcome(now, id, outcome)
//!     schedule.poll_timeout():    schedule.handle_timeout(now)
//!     the application:            schedule.start(now), completed(now), stop(now), ..
//! }
//! ```
//!
//! Here the first tracker fails and the second takes its place:
//!
//! ```
//! use bt_tracker::{AnnounceFailure, Config, Event, Identity, Retry, Schedule};
//! use bt_types::{AnnounceEvent, AnnounceResponse, PeerId, SwarmId};
//!
//! # #[expect(clippy::disallowed_methods)]
//! let now = std::time::Instant::now(); // in a program: whenever something happens
//! let tier = vec!["udp://one.example".to_owned(), "http://two.example".to_owned()];
//! let config = Config::new(Identity {
//!     swarm_id: SwarmId([7; 20]),
//!     peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
//!     key: 0xcafe_babe,
//!     port: 6881,
//! });
//! let mut schedule = Schedule::new(vec![tier], config, [7; 32]);
//!
//! schedule.start(now);
//! let first = schedule.poll_announce(now).ok_or("due at once")?;
//! assert_eq!(schedule.poll_announce(now), None); // one at a time within a tier
//! let refused = AnnounceFailure { message: "overloaded".into(), retry: Retry::Unspecified };
//! schedule.handle_outcome(now, first.id, Err(refused));
//!
//! let second = schedule.poll_announce(now).ok_or("the next in line")?;
//! assert_ne!(second.url, first.url);
//! assert_eq!(second.request.event, AnnounceEvent::Started);
//! schedule.handle_outcome(now, second.id, Ok(AnnounceResponse::default()));
//! assert_eq!(schedule.poll_announce(now), None); // not before its interval has passed
//!
//! schedule.stop(now);
//! let last = schedule.poll_announce(now).ok_or("it knows us, so it is told")?;
//! assert_eq!((&last.url, last.request.event), (&second.url, AnnounceEvent::Stopped));
//! schedule.handle_outcome(now, last.id, Ok(AnnounceResponse::default()));
//! let events: Vec<_> = std::iter::from_fn(|| schedule.poll_event()).collect();
//! assert_eq!(events.last(), Some(&Event::Stopped));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The rules
//!
//! - **Tiers** (BEP 12): shuffled once, walked in order; a tracker that answers moves to the front
//!   of its tier and is used until it fails. By default one tracker of each tier is in use
//!   ([`Reach`]); for a private torrent one in all, and a change of tracker is an event (BEP 27).
//! - **Events**: `Started` first, `Completed` once if the torrent was incomplete at the start,
//!   `Stopped` at the end, to each tracker that knows us. One that was not acknowledged is said
//!   again. A tracker that comes into use after the completion hears `Started`, then `Completed`,
//!   as with libtorrent.
//! - **Intervals**: the tracker's, at least its minimum interval and [`Config::min_interval`], at
//!   most a day; half an hour if it names none. Who wants more peers asks sooner, but not before
//!   [`Config::eager_interval`] has passed. Events do not wait for any of them.
//! - **Failures**: libtorrent's back-off of 5 + 12.5 n² seconds after the n-th in a row, at most an
//!   hour; longer, up to a day or for ever, if the tracker says so (BEP 31).
//! - **Jitter**: every wait is up to a tenth longer, by the seed, so that torrents which started
//!   together do not announce together for ever.
//!
//! # Two families of addresses
//!
//! A tracker learns one address of ours from each announce, and so hears of us over IPv4 and over
//! IPv6 (BEP 7). [`DualStack`] is the schedule for a machine that has both: each family has its
//! own events, intervals, failures and tracker ids, and a tracker that has addresses of one family
//! only is not failing for that. A private torrent keeps to one announce at a time.
//!
//! # Without trackers
//!
//! [`Periodic`] is the schedule of a torrent's announces in the DHT and on the local network, where
//! nobody tells an interval.
//!
//! # What is deliberately outside
//!
//! Protocols, sockets and names. A hybrid torrent has a schedule for each of its
//! two swarms. Which answered peers are worth a connection is for the swarm to decide.
//!
//! # BEPs
//!
//! 3 (events, intervals), 7 (an announce for each family), 12 (tiers), 27 (private torrents), 31 (retry hints). Not covered: 21
//! (the event "paused"), 34 (tracker preferences in DNS).

mod announce;
mod config;
mod dual_stack;
mod periodic;
mod schedule;
mod tiers;
mod tracker;

pub use announce::{
    Announce, AnnounceFailure, AnnounceId, Event, Family, Progress, Retry, TrackerState,
    TrackerStatus,
};
pub use config::{Config, Identity, Reach};
pub use dual_stack::DualStack;
pub use periodic::{Pace, Periodic};
pub use schedule::{Schedule, TooManyTrackers};
pub use tiers::MAX_TRACKERS;
