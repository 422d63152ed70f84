//! Local service discovery (BEP 14) without I/O: peers of one network find each other by multicast.
//!
//! A client now and then tells a multicast group which swarms it is in, and on which port it takes
//! peers; whoever is in one of them connects. [`Lsd`] writes such searches, and judges those of
//! others. You own the sockets:
//!
//! ```text
//! a datagram came to the group:     lsd.handle_datagram(now, from, datagram), connect to who is found
//! swarms are to be announced:       lsd.searches(group, &swarms), send each to group.address()
//! ```
//!
//! Here one client hears of another:
//!
//! ```
//! use bt_lsd::{Group, Ignored, Lsd};
//! use bt_types::SwarmId;
//!
//! # #[expect(clippy::disallowed_methods)]
//! let now = std::time::Instant::now(); // in a program: whenever something happens
//! let mut ours = Lsd::new(now, 6881, [1; 8]);
//! let theirs = Lsd::new(now, 7000, [2; 8]);
//! let swarms = [SwarmId([7; 20]), SwarmId([8; 20])];
//!
//! let search = theirs.searches(Group::V4, &swarms).next().ok_or("one will do for two swarms")?;
//! let found = ours.handle_datagram(now, "192.168.1.9:6771".parse()?, &search)?;
//! assert_eq!(found.peer, "192.168.1.9:7000".parse()?);
//! assert!(found.swarms().eq(swarms));
//!
//! let echo = ours.searches(Group::V4, &swarms).next().ok_or("likewise")?;
//! let heard = ours.handle_datagram(now, "192.168.1.2:6771".parse()?, &echo);
//! assert_eq!(heard.err(), Some(Ignored::Ourselves));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is deliberately outside
//!
//! Sockets, and which interfaces they are on. When to search: at most once a minute and every five
//! minutes, says the BEP; `bt_tracker::Periodic` does. Which torrents are private and must not be
//! searched for (BEP 27).
//!
//! # What a stranger can do
//!
//! Anybody on the network can claim to be in any swarm, with any port of its own host; so can who
//! forges addresses of it. Hosts that are not on our network are not believed, nor is a datagram
//! longer than the BEP allows. No more than [`MAX_SEARCHES_PER_SEC`] searches a second are heard,
//! from whomever they come; a search names 26 swarms at most. Nothing is ever answered, so nobody
//! can have us send anything.
//!
//! # BEPs
//!
//! 14. Its cookie is sent and known again, but is not what tells clients apart otherwise.

mod group;
mod lsd;
mod search;

pub use group::{Group, PORT};
pub use lsd::{Found, Ignored, Lsd, MAX_SEARCHES_PER_SEC};
pub use search::{MAX_DATAGRAM, Malformed, Search};
