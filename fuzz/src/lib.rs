//! The bodies of the fuzz targets.
//!
//! A body takes any bytes and panics only if the code under test broke a promise. The shims in
//! `fuzz_targets/` hand it libFuzzer's inputs; `tests/replay.rs` hands it the seeds in
//! `corpus/<target>/`, on stable, so that an input that once crashed is a unit test for ever.
//!
//! A new target `foo_ops` needs: `src/foo_ops.rs` with `pub fn run(data: &[u8])`, two lines in
//! this file, `fuzz_targets/foo_ops.rs`, a `[[bin]]` in `Cargo.toml`, and seeds that are named for
//! what they are. `types_bytes` shows a parser's target, `types_layout` one that decodes its input
//! with `arbitrary`. `cargo xtask tidy` and the replay say what is missing.

pub mod bencoding_decode;
pub mod bencoding_serde;
pub mod cli_arguments;
pub mod client_inbox;
pub mod dht_ops;
pub mod dht_wire;
pub mod hash_lanes;
pub mod lsd_datagram;
pub mod metainfo_magnet;
pub mod metainfo_parse;
pub mod scheduler_arbiter;
pub mod scheduler_ops;
pub mod sim_network;
pub mod storage_ops;
pub mod storage_resume;
pub mod swarm_magnet;
pub mod swarm_ops;
pub mod tracker_http_answers;
pub mod tracker_schedule_ops;
pub mod tracker_udp_client;
pub mod tracker_udp_server;
pub mod types_bytes;
pub mod types_layout;
pub mod wire_decode;
pub mod wire_extended;

/// A target's name and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, by the name that its shim, its `[[bin]]` and its corpus folder have.
pub const TARGETS: &[Target] = &[
    ("bencoding_decode", bencoding_decode::run),
    ("bencoding_serde", bencoding_serde::run),
    ("cli_arguments", cli_arguments::run),
    ("client_inbox", client_inbox::run),
    ("dht_ops", dht_ops::run),
    ("dht_wire", dht_wire::run),
    ("hash_lanes", hash_lanes::run),
    ("lsd_datagram", lsd_datagram::run),
    ("metainfo_magnet", metainfo_magnet::run),
    ("metainfo_parse", metainfo_parse::run),
    ("scheduler_arbiter", scheduler_arbiter::run),
    ("scheduler_ops", scheduler_ops::run),
    ("sim_network", sim_network::run),
    ("storage_ops", storage_ops::run),
    ("storage_resume", storage_resume::run),
    ("swarm_magnet", swarm_magnet::run),
    ("swarm_ops", swarm_ops::run),
    ("tracker_http_answers", tracker_http_answers::run),
    ("tracker_schedule_ops", tracker_schedule_ops::run),
    ("tracker_udp_client", tracker_udp_client::run),
    ("tracker_udp_server", tracker_udp_server::run),
    ("types_bytes", types_bytes::run),
    ("types_layout", types_layout::run),
    ("wire_decode", wire_decode::run),
    ("wire_extended", wire_extended::run),
];

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary epoch; only offsets from it matter"
)]
pub(crate) fn epoch() -> std::time::Instant {
    std::time::Instant::now()
}
