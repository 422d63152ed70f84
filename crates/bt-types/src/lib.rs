//! The shared nouns of a BitTorrent stack: ids, pieces, blocks, layouts, bitfields, addresses, and
//! what is known of a torrent when it goes on later ([`ResumeState`]).
//!
//! Everything here is a value. Nothing performs I/O, reads a clock or allocates in proportion to
//! a number that a stranger sent. Crates that must talk about the same thing (a piece, a block,
//! a swarm) share these types and need not import each other.
//!
//! ```
//! use bt_types::{FileExtent, PieceIndex, PieceLayout};
//!
//! // Two files of 20,000 and 5,000 bytes in pieces of 16 KiB: 16,384 + 8,616 bytes.
//! let layout = PieceLayout::packed(16_384, [FileExtent::data(20_000), FileExtent::data(5_000)])?;
//! assert_eq!(layout.piece_count(), 2);
//!
//! let last = layout.piece_index(1)?;
//! assert_eq!(layout.piece_length(last), 8_616);
//! let files: Vec<_> = layout.slices(last, 0, 8_616).map(|s| (s.file.0, s.offset, s.length)).collect();
//! assert_eq!(files, [(0, 16_384, 3_616), (1, 0, 5_000)]);
//!
//! // Numbers from outside are checked where they enter; inside, a `PieceIndex` can be trusted.
//! assert!(layout.piece_index(2).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is deliberately outside
//!
//! Wire formats other than compact addresses (each protocol crate has its own), file names
//! (`bt-metainfo` owns them, since they are dangerous), and every policy.
//!
//! # BEPs
//!
//! 3 (ids, pieces, bitfields), 7 and 23 (compact addresses), 15 (announce values), 20 (peer ids),
//! 47 (pad files), 52 (the ids and the layout of v2).

mod announce;
mod bitfield;
mod client;
mod compact;
mod conn_map;
mod ids;
mod layout;
mod peer;
mod piece;
mod resume;
mod selection;
mod text;

pub use announce::{AnnounceEvent, AnnounceRequest, AnnounceResponse};
pub use bitfield::{Bitfield, BitfieldError};
pub use compact::{CompactAddrs, CompactError, push_compact};
pub use conn_map::{ConnIndex, ConnMap};
pub use ids::{InfoHash, InfoHashV2, ParseHashError, PeerId, PieceHash, SwarmId, TorrentIds};
pub use layout::{
    BlockError, FileExtent, FileIndex, FileSlice, LayoutError, PieceLayout, PieceOutOfRange,
};
pub use peer::{ConnId, Direction, Encryption, Payload, PeerSource, PeerSources, Transport};
pub use piece::{BLOCK_LENGTH, Block, PieceIndex, Span};
pub use resume::{PartialPiece, ResumeState, Totals};
pub use selection::{Priority, Selection};
pub use text::printable_text;
