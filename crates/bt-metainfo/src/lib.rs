//! `.torrent` files and magnet links: what is in them, checked, with file names that are safe to
//! write.
//!
//! [`Metainfo`] is a whole `.torrent`; [`Info`] is the part that names the torrent and that peers
//! can send (BEP 9). Both are made from bytes of any content and are then right by construction:
//! lengths, piece counts and Merkle layers agree, and every [`RelativePath`] stays within the
//! folder that it is put into, on every platform.
//!
//! ```
//! use bt_metainfo::{InfoBuilder, Metainfo, MetainfoBuilder};
//!
//! let info = InfoBuilder::new("album", 16_384)
//!     .file(["cd1", "a.flac"], 20_000)
//!     .file(["..", "con:.txt"], 5)
//!     .pieces([[1; 20], [2; 20]])
//!     .encode();
//! let torrent = MetainfoBuilder::new(info)
//!     .tier(["udp://tracker.example.org:6969/announce"])
//!     .encode();
//!
//! let metainfo = Metainfo::from_bytes(&torrent)?;
//! let info = metainfo.info();
//! assert_eq!(info.layout().piece_count(), 2);
//! let paths: Vec<_> = info.files().iter().map(|file| file.path.to_string()).collect();
//! assert_eq!(paths, ["album/cd1/a.flac", "album/_/con_.txt"]);
//!
//! // Errors say where.
//! let error = Metainfo::from_bytes(b"d4:infod6:lengthi-1e4:name1:a12:piece lengthi1eee").unwrap_err();
//! assert_eq!(error.to_string(), "info.length is negative (-1)");
//! # Ok::<(), bt_metainfo::MetainfoError>(())
//! ```
//!
//! # Magnet links
//!
//! A [`MagnetLink`] is what a link says; it is read from text and written as text, and of a whole
//! torrent made by [`Metainfo::magnet`].
//!
//! ```
//! use bt_metainfo::MagnetLink;
//! let link: MagnetLink = "magnet:?xt=urn:btih:MFRGCYTBMJQWEYLCMFRGCYTBMJQWEYLC&dn=a+b&so=0,2-4".parse()?;
//! assert_eq!(link.ids.v1().unwrap().0, *b"abababababababababab");
//! assert_eq!((link.name.as_deref(), &link.files[..]), (Some("a b"), &[0..=0, 2..=4][..]));
//! # Ok::<(), bt_metainfo::MagnetError>(())
//! ```
//!
//! # Making torrents
//!
//! [`InfoBuilder`] and [`MetainfoBuilder`] write v1 torrents; [`canonical_order`] and
//! [`suggest_piece_length`] make the choices that are to be made before anything can be hashed.
//! What they write is what libtorrent writes of the same files, byte for byte.
//!
//! # Kinds of torrents
//!
//! v1, v2, and hybrids, whose two file lists must agree. A hybrid is laid out and verified as v1,
//! and known by both ids. The ids are hashes of the exact bytes of the info dictionary; a v1
//! dictionary need not be canonical (many are not), a v2 one must be.
//!
//! # Names
//!
//! A torrent is never refused for a name; one deterministic rule, the same on every platform, makes
//! it safe. What no file
//! system or only some accept becomes `_`: control characters, `? < > " | * :`, invalid UTF-8.
//! Slashes and characters that cannot be seen or turn the writing direction are dropped, and so
//! are dots and spaces at the end; what is empty then becomes `_`. Names that Windows reserves get
//! a `_` in front. 240 bytes are kept, the extension among them.
//!
//! Of files that then have the same name, or the name of a folder, the later one becomes
//! `name.1.ext`. Upper and lower case are not told apart in this, nor are composed and decomposed
//! accents (NFC and NFD): some file systems would take the two files for one. Names are otherwise
//! kept as they are composed.
//!
//! A symbolic link is kept if its target is a file or folder of the torrent, and points straight
//! at it; otherwise it becomes an empty file. Nothing ever lies behind a link.
//!
//! # Limits
//!
//! Depth 100 and 3,000,000 bencoded values, 2^21 pieces, 2^48 bytes, 100 trackers, 50 web seeds,
//! 100 DHT nodes. 100,000 folders, of which real torrents have a tenth: each costs a hostile one three
//! bytes, and could cost whoever downloads it a folder on disk. A magnet link has 64 KiB, and of
//! peers and ranges of files 100 and 1000. The size of the input is the caller's
//! to limit.
//!
//! # What is deliberately outside
//!
//! Reading files, hashing content, fetching what a magnet link leads to, hints about similar torrents (BEP 38), and
//! legacy text encodings.
//!
//! # BEPs
//!
//! 3, 5 (nodes), 9 (the info dictionary by itself, magnet links), 12 (tiers), 19 (web seeds), 27 (private), 47 (pad files,
//! attributes, links), 52 (v2, hybrids), 53 (files in magnet links). Not covered: 17, 35, 39.

mod builder;
mod error;
mod file;
mod info;
mod magnet;
mod metainfo;
mod name;
mod node;
mod order;
mod piece_length;
mod unique;
mod urls;

pub use builder::{InfoBuilder, MetainfoBuilder};
pub use error::{MetainfoError, MetainfoErrorKind};
pub use file::{File, FileKind, RelativePath};
pub use info::Info;
pub use magnet::{MAX_LINK_LENGTH, MAX_PEERS, MAX_RANGES, MagnetError, MagnetLink};
pub use metainfo::Metainfo;
pub use order::canonical_order;
pub use piece_length::suggest_piece_length;
