//! SHA-1 and SHA-256 of many BitTorrent pieces at once.
//!
//! A disk thread that verifies pieces has several of them at hand. Hashing them one after the
//! other leaves most of a processor idle, since each step of SHA waits for the one before it;
//! hashing several messages side by side in vector *lanes* does not. [`Hasher`] has the shape
//! that lanes need: jobs go in, finished ones come out in any order, and a job may wait until
//! enough others keep it company.
//!
//! ```text
//! loop {
//!     take up to hasher.lanes() jobs, waiting a few milliseconds at most; submit() each
//!     flush() if no more are coming soon
//!     while let Some(done) = hasher.poll() { compare the digest, write or free the parts }
//! }
//! ```
//!
//! A running example, a piece that was received as two blocks:
//!
//! ```
//! use bt_hash::{Algorithm, Digest, Hasher, sha1};
//!
//! let mut hasher = Hasher::new();
//! hasher.submit("piece 7", Algorithm::Sha1, vec![b"first block, ".to_vec(), b"second block".to_vec()]);
//! hasher.flush();
//!
//! let done = hasher.poll().expect("a flushed job is given out");
//! assert_eq!(done.id, "piece 7");
//! assert_eq!(done.digest, Digest::Sha1(sha1(b"first block, second block")));
//! assert_eq!(done.parts.len(), 2); // ours again: to write, to free
//! assert!(hasher.poll().is_none());
//! ```
//!
//! # The interface is final, the backend is not
//!
//! Today one lane stands beneath it, on the SHA instructions of the processor where there are
//! any. A backend of 4, 8 or 16 lanes changes [`Hasher::lanes`] and nothing that a caller writes:
//! that is why jobs are owned while they are hashed, why they come back in any order, and why
//! nobody may rely on a digest before [`Hasher::flush`].
//!
//! # What is deliberately outside
//!
//! Threads, since their number is the caller's to choose (one [`Hasher`] in each), comparing
//! digests with expected ones, and every other hash.
//!
//! # BEPs
//!
//! 3 (SHA-1 of pieces), 52 (SHA-256 of blocks, the Merkle trees over them: [`merkle`]).

mod digest;
mod hasher;
pub mod merkle;
mod stream;

pub use digest::{Algorithm, Digest, sha1, sha256};
pub use hasher::{Hashed, Hasher};
pub use stream::Sha1Stream;
