//! A BitTorrent client as a library, on tokio: sessions, torrents, snapshots and events.
//!
//! This is the crate where the family's machines meet sockets, clocks and threads. It decides
//! nothing: what to say to peers and trackers is decided by the crates below, which do no I/O.
//!
//! A [`Session`] owns what torrents share; [`Session::add`] gives a [`TorrentHandle`], which shows
//! a [`Snapshot`] a few times a second, tells [`Event`]s, and takes commands. Here two sessions on
//! one machine: the first serves a file, the second fetches it.
//!
//! ```
//! use std::{fs, net::{IpAddr, Ipv4Addr}, sync::Arc};
//!
//! use bt_client::{AddTorrent, Mode, Session, SessionConfig, State, Subject};
//! use bt_metainfo::InfoBuilder;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let (here, there) = (folder.path().join("here"), folder.path().join("there"));
//! fs::create_dir(&here)?;
//! fs::write(here.join("greeting"), b"hello")?;
//!
//! let info = InfoBuilder::new("greeting", 16_384)
//!     .single_file(5)
//!     .pieces([bt_hash::sha1(b"hello")])
//!     .build()?;
//! let info = Arc::new(info);
//! let torrent = |root, mode, peers| AddTorrent {
//!     peers,
//!     ..AddTorrent::new(Subject::whole(Arc::clone(&info), mode), root)
//! };
//! let start = || Session::start(SessionConfig {
//!     bind: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
//!     listen_port: 0,
//!     ..SessionConfig::default()
//! });
//!
//! let (seeder, leecher) = (start()?, start()?);
//! let seed = seeder.add(torrent(here, Mode::Seed, vec![]))?;
//! seed.wait_for(|snapshot| matches!(snapshot.state, State::Seeding)).await;
//!
//! let peer = (Ipv4Addr::LOCALHOST, seeder.listen_port()).into();
//! let get = leecher.add(torrent(there.clone(), Mode::Get, vec![peer]))?;
//! get.wait_for(|snapshot| matches!(snapshot.state, State::Seeding)).await;
//! assert_eq!(fs::read(there.join("greeting"))?, b"hello");
//! get.stop().await;
//! # Ok(()) }
//! ```
//!
//! # What is deliberately outside
//!
//! Every rule of the protocol (`bt-swarm`, `bt-tracker` and what they stand on), files and hashes
//! (`bt-storage`), arguments and progress bars (`bt-cli`). What machines read of a torrent's state
//! is in [`report`].
//!
//! # BEPs
//!
//! Those of `bt-swarm`, `bt-dht`, `bt-lsd`, `bt-tracker`, `bt-tracker-udp`, `bt-metainfo` and `bt-storage`. Transports:
//! TCP over IPv4 and IPv6. Ways to find peers: UDP, HTTP and HTTPS trackers, each over both
//! families of addresses; the DHT (BEP 5, 32) and the local network (BEP 14), if the session is set up
//! so; peers given by hand or by a magnet link, other peers (BEP 11), incoming connections. Not yet:
//! WebSocket trackers, uTP, encryption, web seeds.
//!
//! # HTTPS
//!
//! Certificates are verified against the roots that the system trusts (`SSL_CERT_FILE` names
//! others), with rustls. Which cryptography it uses is for the program to choose, before it asks
//! the first tracker: `rustls::crypto::ring::default_provider().install_default()`, with rustls'
//! feature `ring`, or another provider. Without one, HTTPS trackers fail and say so.
#![allow(
    clippy::disallowed_methods,
    reason = "this crate drives the machines, so it is the one that reads the clock"
)]

mod buffers;
mod connection;
mod dht;
mod disk;
mod error;
mod fetch;
mod half_open;
mod handshake;
mod inbound;
mod local_tracker;
mod lsd;
mod mail;
mod net;
mod random;
pub mod report;
mod session;
mod shared;
mod snapshot;
mod tasks;
mod torrent;
mod tracker_client;
mod trackers;
mod trouble;

pub use bt_scheduler::RateLimits;
pub use bt_storage::ErrorKind;
pub use bt_swarm::{FLAGS, Limit, PeerInfo, SourceCount, SourceCounts, Stats, Wasted, WhyChoked};
pub use bt_tracker_http::{Scrape, ScrapeEntry};
#[doc(hidden)]
pub use connection::fuzzing;

pub use self::{
    dht::{DhtClient, DhtConfig, DhtEvents, DhtQuery},
    error::{AddError, AnnounceError, HttpError, ListenError, SessionError, TorrentError},
    fetch::{FetchError, fetch},
    local_tracker::LocalTracker,
    session::{Session, SessionConfig},
    snapshot::{Snapshot, State},
    torrent::{AddTorrent, Choose, Event, Events, Mode, Subject, Then, TorrentHandle},
    tracker_client::TrackerClient,
    trouble::{DiskTrouble, OnDiskError},
};
