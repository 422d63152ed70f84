//! The DHT.

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
