//! Worlds of real swarms on virtual time, and a [`corpus`] of odd torrents.
//!
//! A [`World`] joins [`bt_swarm::Swarm`]s by lines, disks and a tracker from `bt-sim`: the code that
//! decides is the code that users run, only sockets, files and the clock are made up. A block's
//! payload is a tag of a few bytes, so that thousands of peers fit into memory, and one seed gives
//! one run, to the last bit. [`SCENARIOS`] are worlds of which something must hold. So are
//! [`DHT_SCENARIOS`], networks of [`bt_dht::Dht`]s.
//!
//! Beside that, what the programs share that start real clients: a [`harness`] of processes, folders
//! and payloads, and a few [`foreign`] programs.

#[expect(
    missing_docs,
    reason = "what our test programs share is no interface for others"
)]
pub mod foreign;
#[expect(
    clippy::disallowed_methods,
    missing_docs,
    reason = "test programs read the clock and open sockets beside the product's"
)]
pub mod harness;
#[expect(
    clippy::disallowed_methods,
    missing_docs,
    reason = "test programs read the clock and open sockets beside the product's"
)]
pub mod tracker_client;

mod ablation;
mod bound;
pub mod corpus;
mod dht;
mod node;
mod report;
mod scenario;
mod tag;
mod timeline;
mod tracker;
mod world;

pub use ablation::{ABLATIONS, Ablation, ablation_table};
pub use bound::fluid_lower_bound;
pub use dht::{DHT_SCENARIOS, DhtRun, DhtScenario};
pub use node::{Absence, Behaviour, FullDisk, MetadataLie, NodeSpec, Sight};
pub use report::{Group, NodeReport, Report};
pub use scenario::{Run, SCENARIOS, Scenario, Setting, Verdict};
pub use tag::Tag;
pub use timeline::Timeline;
pub use world::{Partition, SessionUse, World, WorldConfig};
