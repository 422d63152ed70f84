use std::ops::AddAssign;

use bt_scheduler::Copies;

use crate::{MetadataProgress, SourceCounts};

/// The figures of one torrent at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Pieces that are on disk and good.
    pub pieces_verified: u32,
    /// All pieces; 0 while the metadata is unknown.
    pub piece_count: u32,
    /// How far the metadata has come; `None` once it is known, and if it does not come from peers.
    pub metadata: Option<MetadataProgress>,
    /// Bytes of files in verified pieces, padding not counted.
    pub bytes_verified: u64,
    /// Bytes of all files, padding not counted; 0 while the metadata is unknown.
    pub bytes_total: u64,
    /// Bytes of files, in pieces that are wanted, that have not been received, or were not right; what
    /// waits for its verdict is taken to be.
    pub bytes_missing: u64,
    /// Bytes of wanted files in verified pieces, padding not counted.
    pub wanted_bytes_verified: u64,
    /// Bytes of all wanted files, padding not counted; 0 while the metadata is unknown.
    pub wanted_bytes_total: u64,
    /// Payload bytes received, whether useful or not.
    pub downloaded: u64,
    /// Payload bytes sent.
    pub uploaded: u64,
    /// Payload bytes received in vain.
    pub wasted: Wasted,
    /// Payload bytes received per second, smoothed over two seconds.
    pub download_rate_bytes_per_sec: u64,
    /// Payload bytes sent per second, smoothed over two seconds.
    pub upload_rate_bytes_per_sec: u64,
    /// Payload bytes received per second that are of use, as a mean of the last minute: what tells
    /// how long the rest will take.
    pub progress_rate_bytes_per_sec: u64,
    /// How often what is wanted of the torrent is there, among the connected peers and us.
    pub copies: Copies,
    /// Peers with whom handshakes have been exchanged.
    pub peers_connected: usize,
    /// Addresses that may be dialled, connected ones included.
    pub peers_known: usize,
    /// Who told us of peers.
    pub sources: SourceCounts,
    /// Dials under way.
    pub dials_in_flight: usize,
    /// Payload bytes in memory, and bytes of blocks for which memory is reserved.
    pub memory_bytes: usize,
}

/// Payload bytes that came in vain, by why.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Wasted {
    /// Somebody else was faster: in the end-game, or after a peer had taken so long that others
    /// were asked.
    pub duplicate: u64,
    /// Of pieces that failed their hash.
    pub failed_hash: u64,
    /// Nobody had asked for them.
    pub unrequested: u64,
    /// The disk did not take them while others needed the memory, or has lost them.
    pub not_kept: u64,
    /// Of pieces that ceased to be wanted before they were complete.
    pub unwanted: u64,
}

impl Wasted {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.duplicate + self.failed_hash + self.unrequested + self.not_kept + self.unwanted
    }
}

impl AddAssign for Wasted {
    fn add_assign(&mut self, other: Self) {
        self.duplicate += other.duplicate;
        self.failed_hash += other.failed_hash;
        self.unrequested += other.unrequested;
        self.not_kept += other.not_kept;
        self.unwanted += other.unwanted;
    }
}
