//! Rust types to and from bencode, by serde (feature `serde`).
//!
//! Reading is one pass over the input, without tokens, in which the types take what they want:
//! `&'de [u8]`, `&'de str` and `Cow` borrow from the input, what nobody asks for is checked and
//! stepped over. Whether it is strict is a type here too.
//!
//! ```
//! use std::borrow::Cow;
//! use bt_bencoding::{Lenient, Limits, serde::{Spanned, from_bytes, to_bytes}};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize, Serialize)]
//! struct Torrent<'a> {
//!     #[serde(borrow)]
//!     announce: Option<Cow<'a, str>>,
//!     #[serde(borrow)]
//!     info: Spanned<Info<'a>>,
//! }
//!
//! #[derive(Deserialize, Serialize)]
//! struct Info<'a> {
//!     name: &'a str,
//!     #[serde(rename = "piece length")]
//!     piece_length: u32,
//!     #[serde(with = "serde_bytes")]
//!     pieces: &'a [u8],
//! }
//!
//! let input = b"d4:infod4:name1:x12:piece lengthi16384e6:pieces0:5:otherleee";
//! let torrent: Torrent<'_> = from_bytes::<Lenient, _>(input, Limits::default())?;
//! assert_eq!(torrent.info.value.piece_length, 16_384);
//! assert_eq!(torrent.announce, None);
//! // What the info hash is the hash of.
//! assert_eq!(input[torrent.info.span.clone()][..7], *b"d4:name");
//!
//! assert_eq!(to_bytes(&torrent)?, b"d4:infod4:name1:x12:piece lengthi16384e6:pieces0:ee");
//!
//! let error = from_bytes::<Lenient, Torrent<'_>>(b"d4:infod4:namei7eee", Limits::default());
//! let text = "at byte 14: invalid type: integer `7`, expected a borrowed string";
//! assert_eq!(error.err().map(|error| error.to_string()).as_deref(), Some(text));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How types are written
//!
//! | Rust | bencode |
//! |---|---|
//! | integers, `bool` (0 or 1) | integer; of 64 bits with sign |
//! | strings, `char`, bytes | string |
//! | sequences, tuples | list |
//! | structs, maps with strings for keys | dictionary, sorted; keys must be unique |
//! | `None` in a struct or map | nothing: the key is left out |
//! | enums | the name as a string, or a dictionary of one entry from the name to the content |
//! | floats, units, `None` elsewhere | an error: bencode has nothing for them |
//!
//! Serde takes `Vec<u8>` and `[u8; 20]` for sequences of integers, here as everywhere. For a
//! string of bytes, say so with [`serde_bytes`](https://docs.rs/serde_bytes): the attribute
//! `#[serde(with = "serde_bytes")]`, or its `ByteBuf` in lists. `&[u8]` is read from a string
//! without it, but not written as one.
//!
//! The format is not human-readable in serde's sense, so that ids and hashes are bytes.
//!
//! # Depth
//!
//! Serde recurses: each level of a type is some calls. [`Limits::depth`](crate::Limits::depth)
//! bounds them, and [`MAX_DEPTH`] does whatever the limits are. Values that are stepped over or
//! taken as [`Raw`] recurse nowhere, and only the limits hold for them.

mod de;
mod error;
mod raw;
mod ser;
mod spanned;

pub use de::{MAX_DEPTH, from_bytes, from_prefix};
pub use error::{DeserializeError, DeserializeErrorKind, SerializeError};
pub use raw::Raw;
pub use ser::{append_to, to_bytes};
pub use spanned::Spanned;

#[cfg(test)]
mod tests;
