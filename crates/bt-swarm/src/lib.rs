//! One torrent as a state machine without I/O.
//!
//! A [`Swarm`] knows the peers of one torrent, decides whom to dial, speaks the peer protocol with
//! those that are connected, asks each of them for the right blocks, gathers blocks to pieces, has
//! the disk verify and write them, and serves what it has. It reads no clock, opens no socket and
//! touches no file: time, messages and the disk's answers come in, [`Action`]s and [`Event`]s go
//! out. So the same code runs on sockets and in a simulator with thousands of peers.
//!
//! The driver's loop: feed everything that has arrived by the `handle_*` methods, then drain
//! [`poll_action`](Swarm::poll_action) and [`poll_event`](Swarm::poll_event), then arm one timer
//! from [`poll_timeout`](Swarm::poll_timeout).
//!
//! ```
//! use std::{net::SocketAddr, sync::Arc, time::Instant};
//!
//! use bt_metainfo::InfoBuilder;
//! use bt_swarm::{Action, Config, Swarm};
//! use bt_types::{Bitfield, PeerId, PeerSource};
//!
//! // One file of 5 bytes, one piece; its hash is not needed here.
//! let info = InfoBuilder::new("five", 16_384).single_file(5).pieces([[0; 20]]).build()?;
//! let info = Arc::new(info);
//!
//! let now = Instant::now();
//! let config = Config::new(PeerId(*b"-XX0001-abcdefghijkl"), 6881);
//! let mut swarm = Swarm::<Vec<u8>>::new(info.ids(), config, [7; 32]);
//! swarm.handle_metadata(now, info, Bitfield::new(1));
//!
//! // A tracker told us of a peer: the swarm wants it dialled.
//! let peer: SocketAddr = "192.0.2.1:6881".parse()?;
//! swarm.add_peers(now, PeerSource::Tracker, [peer]);
//! let Some(Action::Dial(dial)) = swarm.poll_action() else { panic!("nothing to do") };
//! assert_eq!(dial.peer, peer);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # From a link to the torrent
//!
//! A swarm that knows only the ids asks its peers for the info dictionary (BEP 9), as soon as they
//! say that they have it: each for other blocks, so that it comes as fast as it can. When it is
//! there, and is what all ids that are known stand for, the driver gets [`Action::Metadata`], reads
//! it, and answers with [`Swarm::handle_metadata`]. Peers stay connected, and what they have said of
//! their pieces counts from then on. [`Stats::metadata`] tells how far it has come.
//!
//! Blocks have no hashes of their own. Peers are grouped by the size that they name, which is a vote
//! and no reason to take memory. Each group sends one copy together; if that is wrong and came from
//! several, each of them sends one alone. Who alone sends a wrong copy is banned, and when the right
//! one has come, so is everyone of whom a block was another.
//!
//! # Who sends bad data
//!
//! A piece that fails its hash says only that one of its blocks is wrong. If all of them came from
//! one peer, that peer is banned. If not, the SHA-1 of each block is kept with its sender, and the
//! piece is asked of one peer alone: of one under no suspicion, if there is one that is quick
//! enough. Either the piece fails again, and that peer is banned, or it passes, and everyone is
//! banned of whom a block was another one than that of the good piece; so is at once who sends a
//! block in two versions. Whoever had sent the right ones is cleared. Who sent a block is who sent
//! the bytes that are kept of it: what others send of it, in the end-game or late, counts for
//! nobody. So no peer can have another banned, whatever it sends. [`BanList`] holds the bans, which
//! torrents can share ([`Swarm::set_bans`]).
//!
//! # When the disk refuses
//!
//! A job that fails comes back with its blocks ([`DiskDone::Failed`]). They stay in memory, where
//! they are counted, and one of these jobs is given to the disk again after a second, then after two,
//! and at last every half minute, until it is done; then the others follow. Meanwhile nothing is
//! requested, and we are interested in nobody; what can be read is served, and if nothing can be,
//! everybody is choked. If others need the memory, what has no room is fetched again. At the end, and
//! at once if a file is missing, a [`DiskJob::Survey`] finds the pieces that are lost: they are taken
//! back (BEP 54), and fetched again, or waited for by who [only serves](Config::only_serves).
//!
//! # What limits a download
//!
//! [`Swarm::observe`] looks at how things are, a few times a second, and names one [`Limit`] by what
//! was seen in the last five seconds, with the figures that say so. First what we do ourselves: the
//! disk has more than it can write, or the processor than it can hash, so that no memory is left for
//! requests; our own rate limit holds somebody back; memory is short without that. Then what is
//! missing of others: nobody is connected, or even known, as no tracker answers; nobody has what we
//! lack, or hardly anybody; all who have it choke us. If it is none of these, it is as fast as the
//! peers send. It costs nothing where nobody asks.
//!
//! # What is deliberately outside
//!
//! Handshakes, since an incoming one must be read before its torrent is known (the driver does
//! them, with the value of [`Swarm::handshake`]); trackers and every other way of finding peers
//! ([`Swarm::add_peers`] takes what they found); files and hashes ([`DiskJob`]); what torrents
//! share ([`Swarm::set_grant`]).
//!
//! # BEPs
//!
//! Covered: 3, 5 (only that peers tell each other of their nodes), 6, 9, 10, 11, 16, 20, 21, 27, 40
//! (breaks ties), 47, 54. Not yet: 52, 55.
//!
//! Where they leave it to us:
//!
//! - **Allowed fast** (6): a peer that finds no upload slot is told of five pieces, of fewer in a
//!   torrent of less than a hundred and of none below twenty. It may have each twice over as long as
//!   it has fewer than five; all such peers are served one block at a time, as if they were one more.
//!   The set is that of the BEP, but of the whole IPv4 address, or of the first 48 bits of an IPv6
//!   address: neighbours shall have different pieces.
//! - **Suggestions** (6) are followed where they cost nothing (see [`bt_scheduler`]), and sent only of
//!   pieces that nobody but us has, to each peer of others: who asks a lone seed cannot know what it
//!   sends to the rest, and what it sends twice everybody waits for. What is cheap to read from our
//!   disk is no reason: peers that follow the hints of many seeds end up with the same pieces.
//! - **Hoarding**: who was given four such pieces that have been seen nowhere else since gets more
//!   only when nobody else wants something.
//! - **Cancels**: a block is taken back until its first byte is handed to the network
//!   ([`Action::TakeBack`]); a choke lets go what has been read.
//! - **`have`** is not sent to who has the piece, but for seeds, which see by it how far we are, and
//!   for those who gave us a part of it: one of them may be super-seeding, and waits for it.
//! - **Super-seeding** (16, [`Config::super_seed`]): each peer is shown two pieces, and another when
//!   one has been seen elsewhere; when it has them and is alone; or when our line is idle. It ends
//!   when others have every piece. We do not say `have all` nor `upload_only` before.
//! - **Metadata** (9): who does not name a size is not asked. Two blocks are asked of each at a time;
//!   who rejects is asked again after a minute, who does not answer after 20 s, and ever more rarely.
//!   Each peer can have ours four times over, at 512 KiB a second at most.
//! - **Peer exchange** (11): who is connected for two seconds is told of the others that can be
//!   dialled, then at most once a minute of who has come and gone; of local addresses only if its own
//!   is one. We take 50 addresses a message, and no message within 45 s of another. That we use
//!   neither uTP nor encryption with a peer says nothing about it: these flags are left out.
//! - **Upload only** (21): who says so gets no slot, even if it says to be interested; when we have
//!   all that we want, we say so and part. Files can be left out ([`Swarm::set_selection`]), at any
//!   time.

mod action;
mod allowed_fast;
mod assembly;
mod bans;
mod config;
mod diagnosis;
mod dialler;
mod early;
mod event;
mod limit;
mod mean_rate;
mod metadata;
mod peer_info;
mod peers;
mod pex;
mod retries;
mod servings;
mod session;
mod sources;
mod spread;
mod stats;
mod super_seed;
mod suspects;
mod swarm;
#[cfg(test)]
mod testing;
mod throttle;
mod timers;
mod trouble;
mod turns;
mod upload;
mod votes;

pub use action::{
    Action, Dial, DialId, DisconnectReason, DiskDone, DiskJob, DiskRefusal, FailedJob, Outgoing,
    ProtocolBreach,
};
pub use bans::{BanList, BanReason};
pub use config::{Config, HANDSHAKE_TIMEOUT};
pub use event::Event;
pub use limit::{Limit, Outside};
pub use metadata::MetadataProgress;
pub use peer_info::{FLAGS, PeerInfo, WhyChoked};
pub use pex::is_common;
pub use retries::Backoff;
pub use sources::{SourceCount, SourceCounts};
pub use stats::{Stats, Wasted};
pub use swarm::{NewConnection, Refusal, Swarm};
