//! Virtual time, seeded links, NATs, disks and churn: what worlds of sans-io machines are made of.
//!
//! A *world* is a test that owns many machines and lets them talk without sockets, threads or
//! waiting. This crate brings the parts that have nothing to do with any protocol: it imports
//! none of ours and knows nothing of torrents. Everything draws from one seed, so that a run can
//! be repeated to the last event.
//!
//! ```text
//! while let Some((now, event)) = queue.pop() {
//!     hand the event to its machine: handle_*(epoch + now, …)
//!     for each thing that the machine sends:
//!         queue.schedule_at(network.transfer(now, from, to, bytes), …)
//!     queue.schedule_at(the machine's poll_timeout() - epoch, …)
//! }
//! ```
//!
//! Two nodes that throw a ball of 1 MB, the first over a line of 1 MB/s:
//!
//! ```
//! use std::time::Duration;
//! use bt_sim::{Access, EventQueue, Network, Rate, SimRng};
//!
//! let mut network = Network::new(SimRng::new(7));
//! let slow = network.add(Access { up: Rate::bytes_per_sec(1_000_000), ..Access::lan() });
//! let fast = network.add(Access::lan());
//!
//! let mut queue = EventQueue::new();
//! let mut log = Vec::new();
//! queue.schedule_at(network.transfer(queue.now(), slow, fast, 1_000_000), fast);
//! while let Some((now, thrower)) = queue.pop() {
//!     log.push((thrower, now.as_millis()));
//!     let catcher = if thrower == slow { fast } else { slow };
//!     if log.len() < 3 {
//!         queue.schedule_at(network.transfer(now, thrower, catcher, 1_000_000), catcher);
//!     }
//! }
//! assert_eq!(log, [(fast, 1001), (slow, 1010), (fast, 2011)]);
//! ```
//!
//! # Lines
//!
//! A [`Network`] is nodes with lines to a middle that never is the bottleneck. Over them go
//! datagrams, and [`Stream`]s, which are TCP connections with their headers, losses and order; an
//! [`Outbox`] lets the streams of a node take turns. A [`Link`] is a single line, packet by packet,
//! for who studies queues. A [`Nat`] says who gets through.
//!
//! # Time
//!
//! Virtual time is a [`Duration`](std::time::Duration) since the start of the world. Machines
//! want an `Instant`: give them [`epoch`]` + now`.
//!
//! # What is deliberately outside
//!
//! The worlds, and everything that they measure. Packets' contents: only their sizes travel.

mod churn;
mod disk;
mod events;
mod link;
mod nat;
mod network;
mod outbox;
mod rate;
mod rng;
mod stream;

pub use churn::{Arrivals, Churn, ChurnEvent};
pub use disk::{Completed, Disk, DiskConfig, DiskFault};
pub use events::EventQueue;
pub use link::{Link, LinkConfig};
pub use nat::{Nat, NatKind};
pub use network::{Access, Network, NodeId};
pub use outbox::Outbox;
pub use rate::Rate;
pub use rng::SimRng;
pub use stream::{Stream, Transit};

/// Some `Instant` from which a world counts. Only differences to it mean anything.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary epoch; only offsets from it matter"
)]
pub fn epoch() -> std::time::Instant {
    std::time::Instant::now()
}
