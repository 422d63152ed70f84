//! Making torrents of files that are there: which files they are, and the hashes of their pieces.
//!
//! [`Content::find`] walks a folder and sees to it that everything can be read; [`hash_pieces`]
//! then reads it all. Nothing is written.
//!
//! ```
//! use std::{fs, sync::atomic::AtomicBool};
//! use bt_metainfo::InfoBuilder;
//! use bt_storage::create::{Content, Selection, hash_pieces};
//! use bt_types::{FileExtent, PieceLayout};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! fs::write(folder.path().join("b"), [7; 40_000])?;
//! fs::write(folder.path().join("a"), "first in order")?;
//!
//! let content = Content::find(folder.path(), &Selection::default())?;
//! let lengths = content.files.iter().map(|file| FileExtent::data(file.length));
//! let layout = PieceLayout::packed(16_384, lengths)?;
//! let hashes = hash_pieces(&content, &layout, 2, &|_| (), &AtomicBool::new(false))?;
//!
//! let mut info = InfoBuilder::new("album", 16_384);
//! for file in &content.files {
//!     info = info.file(&file.path, file.length);
//! }
//! let info = info.pieces(hashes.expect("nobody cancelled")).build()?;
//! assert_eq!(info.files()[0].path.as_str(), "album/a");
//! # Ok(()) }
//! ```

mod content;
mod error;
mod hash;
mod stamp;
mod walk;

pub use content::{Content, ContentFile, LeftOut, Links, Reason, Selection};
pub use error::CreateError;
pub use hash::{HashProgress, hash_pieces};

#[cfg(test)]
mod tests;
