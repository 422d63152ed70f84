//! The DHT of BitTorrent without I/O: a Kademlia node that finds peers and nodes, stores for others,
//! and answers them.
//!
//! [`Dht`] is one node, in the network of IPv4, in that of IPv6, or in both. You own the socket and
//! the clock:
//!
//! ```text
//! loop {
//!     while let Some(to) = dht.poll_transmit(&mut datagram) { /* send it */ }
//!     while let Some(event) = dht.poll_event() { /* peers were found, an operation has ended */ }
//!     /* wait for one of these */
//!     a datagram:            dht.handle_datagram(now, from, datagram)
//!     dht.poll_timeout():    dht.handle_timeout(now)
//!     the application:       dht.get_peers(now, swarm)
//! }
//! ```
//!
//! Here a node announces a peer to another, which then knows it:
//!
//! ```
//! use std::net::SocketAddr;
//! use bt_dht::{Announce, Config, Dht, Event, Family, Outcome};
//! use bt_types::SwarmId;
//!
//! # #[expect(clippy::disallowed_methods)]
//! let now = std::time::Instant::now(); // in a program: whenever something happens
//! let (a, b): (SocketAddr, SocketAddr) = ("40.1.0.1:6881".parse()?, "50.1.0.1:6881".parse()?);
//! let mut ours = Dht::new(now, Config::default(), [1; 32]);
//! let mut theirs = Dht::new(now, Config::default(), [2; 32]);
//!
//! // In place of the network.
//! let talk = |ours: &mut Dht, theirs: &mut Dht| {
//!     let mut datagram = Vec::new();
//!     loop {
//!         if ours.poll_transmit(&mut datagram) == Some(b) {
//!             let _ = theirs.handle_datagram(now, a, &datagram);
//!         } else if theirs.poll_transmit(&mut datagram) == Some(a) {
//!             let _ = ours.handle_datagram(now, b, &datagram);
//!         } else {
//!             return;
//!         }
//!     }
//! };
//!
//! ours.bootstrap(now, &[b])?;
//! talk(&mut ours, &mut theirs);
//! assert_eq!((ours.node_count(Family::V4), theirs.node_count(Family::V4)), (1, 1));
//!
//! let swarm = SwarmId([7; 20]);
//! ours.announce(now, swarm, Announce { port: 7777, implied_port: false, is_seed: false })?;
//! talk(&mut ours, &mut theirs);
//! assert_eq!(theirs.stored(), (1, 1, 0)); // swarms, peers, items
//!
//! let events: Vec<_> = std::iter::from_fn(|| ours.poll_event()).collect();
//! let Some(Event::Finished { outcome, figures, .. }) = events.last() else { panic!("{events:?}") };
//! assert_eq!(*outcome, Outcome::Announced { nodes: 1 });
//! assert_eq!((figures.queries, figures.replies, figures.depth), (2, 2, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Operations
//!
//! A command ([`get_peers`](Dht::get_peers), [`announce`](Dht::announce),
//! [`scrape`](Dht::scrape), [`get`](Dht::get), [`put`](Dht::put), [`sample`](Dht::sample),
//! [`ping`](Dht::ping), [`bootstrap`](Dht::bootstrap)) returns the id of an operation. What it finds
//! comes as [`Event`]s while it goes on, its end as [`Event::Finished`], with what it took. Sixteen
//! go on at a time; the others wait for their turn.
//!
//! # What is deliberately outside
//!
//! Sockets, names and files: [`State`] is a value to be kept. When to announce again, and which
//! torrents are private and must not be. One id for each of several addresses of a family (BEP 45):
//! make a [`Dht`] for each socket.
//!
//! # What a stranger can do
//!
//! An answer is believed only from the address that was asked, with the transaction id of the query
//! (32 unpredictable bits), as the node that was expected, and once. A node enters the routing table
//! when it has answered, never because somebody named it; one for each address, and two of a /24 or
//! /64 in a bucket and in a look-up, so that who has many addresses in one place does not answer for
//! everybody. Answers have 1,024 bytes at most, with an item or a scrape 1,400; they are bounded for
//! each source and altogether. All that is stored for others is bounded, and over after a while.
//! Messages that answer nothing that we asked are dropped; no address of our own network is believed
//! from outside.
//!
//! # Cost
//!
//! Answering a query allocates nothing but what is stored, for an announce or a `put`. Instructions
//! from datagram to datagram, in a node that knows some sixty others, a hundred peers of the swarm and
//! an item of 1,000 bytes, by `cargo xtask bench bt-dht`:
//!
//! | query | instructions | bytes of the answer |
//! |---|---|---|
//! | ping | 5,600 | 59 |
//! | find_node | 9,700 | 278 |
//! | get_peers | 31,600 | 879 |
//! | announce_peer | 8,800 | 59 |
//! | get | 12,400 | 1,088 |
//! | sample_infohashes | 10,600 | 331 |
//!
//! # Features
//!
//! `mutable` (default): mutable items of BEP 44, signed with ed25519. Without it, nothing of it is
//! built, and the node stores and finds immutable ones only.
//!
//! # BEPs
//!
//! 5 (the DHT), 32 (IPv6), 33 (scrape), 42 (ids bound to addresses), 43 (read-only nodes), 44 (items),
//! 51 (samples of info hashes). Not covered: 45 (several addresses, see above), 46 (torrents that are
//! updated by items: whoever wants it has all it takes), 50 (subscriptions; nobody has them).

mod address;
mod bloom;
mod config;
mod dht;
mod event;
mod external;
mod id;
mod item;
mod limits;
mod lookup;
mod operations;
mod outbox;
mod state;
mod store;
mod table;
mod tokens;
mod transactions;
pub mod wire;

pub use address::Family;
pub use bloom::{BLOOM_LENGTH, Bloom};
pub use config::{Config, IdRule};
pub use dht::{Busy, Counts, DatagramError, Dht};
pub use event::{Event, Outcome};
pub use id::{Distance, NodeId};
pub use item::{ImmutableItem, Item, ItemError, ItemName, MAX_SALT, MAX_VALUE, MutableItem};
pub use lookup::Figures;
pub use operations::{Announce, OperationId, Wanted};
pub use state::State;

/// Nodes of a bucket, and nodes with which something is stored (k of BEP 5).
pub const K: usize = 8;

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary epoch; only offsets from it matter"
)]
fn test_epoch() -> std::time::Instant {
    std::time::Instant::now()
}
