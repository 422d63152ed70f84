//! BitTorrent pieces in files: positional I/O, verification on all cores, safe paths.
//!
//! A [`Storage`] is one torrent in one folder. It knows which bytes of which files a piece is made
//! of, opens files through a [`FilePool`] that all torrents share, and moves whole ranges with as
//! few system calls as there are files. Above it stand a pool of threads that hash and write
//! ([`disk::DiskPool`]), the check of what is on disk already ([`check::check`]), and the record by
//! which a later run knows it without a check ([`resume`]); beside that lies the info dictionary of
//! a torrent that came by a magnet link ([`metadata`]). Apart from it, [`create`] finds and hashes
//! the files that a new torrent is made of.
//!
//! ```text
//! let pool = DiskPool::new(threads, |tag, done| tell the torrent's task);
//! storage.prepare()?;
//! loop {
//!     a piece is complete   -> pool.submit(storage, tag, Job::Verify { piece, blocks, .. })
//!     memory runs short     -> pool.submit(storage, tag, Job::Spill { piece, blocks })
//!     a peer asks for bytes -> pool.submit(storage, tag, Job::Read { block, buffer })
//! }
//! ```
//!
//! A running example: one piece is written, and found again by a check.
//!
//! ```
//! use std::sync::{Arc, atomic::AtomicBool, mpsc};
//! use bt_hash::sha1;
//! use bt_metainfo::InfoBuilder;
//! use bt_storage::{FilePool, Storage, check::check, disk::{DiskPool, Done, Job}};
//! use bt_types::PieceIndex;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let info = InfoBuilder::new("greetings", 32)
//!     .file(["first"], 16)
//!     .file(["folder", "second"], 11)
//!     .pieces([sha1(b"sixteen bytes in two blocks")])
//!     .build()?;
//! let folder = tempfile::tempdir()?;
//! let files = Arc::new(FilePool::new(FilePool::DEFAULT_MAX_OPEN));
//! let storage = Arc::new(Storage::new(folder.path().into(), Arc::new(info), files));
//! storage.prepare()?;
//!
//! let (sender, answers) = mpsc::channel();
//! let pool = DiskPool::new(2, move |tag, done| sender.send((tag, done)).expect("we listen"));
//! let piece = PieceIndex::new(0);
//! let blocks = vec![(0, b"sixteen bytes in".to_vec()), (16, b" two blocks".to_vec())];
//! let job = Job::Verify { piece, blocks, wants_digests: false };
//! pool.submit(Arc::clone(&storage), "mine", job);
//! assert!(matches!(answers.recv()?, ("mine", Done::Verified { .. })));
//!
//! let checked = check(&storage, 2, &|_| (), &AtomicBool::new(false))?;
//! assert!(checked.have.is_full());
//! let second = std::fs::read(folder.path().join("greetings/folder/second"))?;
//! assert_eq!(second, b" two blocks");
//! # Ok(()) }
//! ```
//!
//! # What it holds to
//!
//! - Nothing outside the root is ever read or written: names come sanitised from `bt-metainfo`,
//!   and every folder on the way is opened without following links, so that links which lie there
//!   already (or are put there meanwhile) are refused. The root itself may be a link. Only on
//!   unix is this free of races; elsewhere the way is looked at before it is walked. Only
//!   [`create`] follows links below a folder, and only if it is told to.
//! - Files are never cut, and never written outside the torrent's own ranges. They are made by the
//!   first write to them, and grow as they are written: sparse, not reserved in advance.
//! - Files that are not wanted ([`Storage::set_selection`]) are neither made nor written to. A piece
//!   that is wanted in part has all its bytes in a part file beside the download as well, so that it
//!   can be checked again and served. What lies there is opened as everything else, and what a former
//!   run left in it replaces nothing unless the hash of its piece is right.
//! - Within a torrent no two files share one on disk, also where a file system does not tell case or
//!   the composition of accents apart: `bt-metainfo` has made their names different, on all systems
//!   alike. Storages of torrents of one name in one folder do share: files are never renamed for
//!   what lies there already, so that the same content can be found again and served for several
//!   torrents. Two that write at a time would spoil each other's pieces, which a check tells:
//!   [`Storage::claim`] keeps the second out, of this process or another.
//! - A file that is removed, moved away or replaced while it is written to is missing, once: then it is
//!   made anew. With a disk that is unmounted nothing is missing: it is waited for.
//! - A piece is reported as verified only if a read gives back the bytes that were hashed.
//! - A resume record never claims what is not on disk, whenever and however a run ends.
//! - What peers send never makes it panic; what its caller does against the rules may.
//!
//! # What is deliberately outside
//!
//! Which blocks to ask for, which files to want, how much memory they may take, where resume records
//! are kept, moving and removing files, and the symbolic links that a torrent may describe: none is
//! made.
//!
//! # BEPs
//!
//! 3 (pieces and files), 47 (pad files and executables; symbolic links are left out), 52 (pieces
//! that are hashed block by block).

pub mod check;
pub mod create;
pub mod disk;
mod error;
#[doc(hidden)]
pub mod faults;
mod hash_time;
mod hashing;
mod lock;
pub mod metadata;
mod part_file;
mod pool;
pub mod resume;
mod runs;
mod storage;
mod sweep;
mod sys;
#[cfg(test)]
mod testing;

pub use error::{ErrorKind, Operation, StorageError};
pub use lock::Lock;
pub use pool::FilePool;
pub use storage::{Claim, Purpose, Storage};
