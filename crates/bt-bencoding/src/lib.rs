//! Bencode, the encoding of BitTorrent (BEP 3): bytes to values that borrow from them, and back.
//!
//! A [`Document`] is the input and a flat list of tokens, 12 bytes each. Nothing is copied, nothing
//! recurses, and memory follows what is really there, never a length that the input merely claims.
//! Every value knows its exact source bytes ([`Value::raw`]): the hash of a torrent is the hash of
//! those, not of a re-encoding.
//!
//! ```
//! use bt_bencoding::{Document, Encoder, Lenient, Limits, Strict};
//!
//! let input = b"d4:infod6:lengthi425ee5:peersl3:abc3:defee and what follows it";
//! let (document, consumed) = Document::<Lenient>::parse_prefix(input, Limits::default())?;
//! assert_eq!(&input[consumed..], b" and what follows it");
//!
//! let info = document.root().get("info").ok_or("no info")?;
//! assert_eq!(info.raw(), b"d6:lengthi425ee");
//! assert_eq!(info.get("length").and_then(|length| length.as_int()), Some(425));
//!
//! let peers = document.root().get("peers").and_then(|peers| peers.as_list()).ok_or("no list")?;
//! assert_eq!(peers.filter_map(|peer| peer.as_str()).collect::<Vec<_>>(), ["abc", "def"]);
//!
//! // What is written is canonical in whatever order it is given.
//! let mut out = Vec::new();
//! Encoder::new(&mut out).dict(|dict| {
//!     dict.bytes("q", "ping").int("a", 7);
//! });
//! assert_eq!(out, b"d1:ai7e1:q4:pinge");
//! assert!(Document::<Strict>::parse(&out, Limits::default()).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Strict and lenient
//!
//! The type says which: a [`Document`] of [`Strict`] is canonical, so two equal values have equal
//! bytes, as info dictionaries of v2 torrents and signed DHT items need. One of [`Lenient`] may
//! also have unsorted or repeated keys and leading zeros, which are found in torrents, trackers'
//! answers and DHT messages in the wild. Of a repeated key, [`Value::get`] finds the first.
//!
//! # Limits
//!
//! Integers are those of 64 bits with sign; larger ones are refused. Inputs are shorter than
//! 4 GiB. Depth and number of values are bounded by [`Limits`]; the size of the input is bounded
//! by whoever reads it.
//!
//! # Serde
//!
//! With the feature `serde`, the module `serde` reads Rust types in one pass over the input, without
//! a document: borrowed or owned, strict or lenient, with the spans of what is to be hashed. It
//! writes them in canonical form. Without the feature, nothing of serde is built.
//!
//! # What is deliberately outside
//!
//! Owned value trees, streaming, integers of any size, and text encodings other than UTF-8. The
//! crate is `no_std`, needs `alloc`, and has one dependency, which makes errors.
//!
//! # Speed
//!
//! Nanoseconds to read the same fields of the same torrent into the same struct, bytes borrowed,
//! and below to make what a parser offers to look around in: a document here, a tree of values
//! elsewhere. Least of 25 interleaved rounds on one core of a shared AMD EPYC, by
//! `cargo xtask bench bt-bencoding`, which counts instructions too. Trust the ratios.
//!
//! | | 1 KB | 100 KB, 1 file | 4.3 MB, 60,000 files |
//! |---|---|---|---|
//! | this crate, typed | 271 | 150 | 2,820,000 |
//! | librqbit-bencode 9.1, typed | 286 | 161 | 3,580,000 |
//! | bt_bencode 0.8, typed | 397 | 221 | 4,900,000 |
//! | this crate, document | 232 | 95 | 2,030,000 |
//! | librqbit-bencode 9.1, value | 986 | 555 | 9,760,000 |
//! | bt_bencode 0.8, value | 1,128 | 1,488 | 25,340,000 |
//! | serde_bencode 0.2, value | 2,978 | 5,080 | 74,380,000 |
//!
//! # BEPs
//!
//! 3 (bencoding), 52 (canonical form).

#![no_std]

extern crate alloc;

mod document;
mod encode;
mod entries;
mod error;
mod read;
mod scan;
#[cfg(feature = "serde")]
pub mod serde;
mod value;

pub use document::{Document, Lenient, Limits, Mode, Strict, TokenMemory};
pub use encode::{DictEncoder, Encoder, ListEncoder};
pub use error::{DecodeError, DecodeErrorKind};
pub use value::{Dict, Kind, List, Value};
