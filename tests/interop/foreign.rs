//! Programs that nobody here wrote, as a case sees them.

pub(crate) mod libtorrent;
pub(crate) mod opentracker;
pub(crate) mod transmission;

use std::path::PathBuf;

/// A .torrent that somebody made.
#[derive(Clone, Debug)]
pub(crate) struct Torrent {
    pub(crate) path: PathBuf,
    /// 40 hex digits; none for a v2-only torrent.
    pub(crate) info_hash: Option<String>,
    /// 64 hex digits; none for a v1 torrent.
    pub(crate) info_hash_v2: Option<String>,
}
