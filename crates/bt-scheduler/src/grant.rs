use bt_types::BLOCK_LENGTH;

use crate::RateLimits;

/// What one torrent may use: the share that it is granted of what all torrents have together.
///
/// A swarm spends it by itself; an [`Arbiter`](crate::Arbiter) hands out new ones when demand
/// changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Grant {
    /// Connections to peers, those being made included.
    pub max_peers: usize,
    /// Connections being made at once.
    pub max_half_open: usize,
    /// Peers to which we upload at once.
    pub upload_slots: usize,
    /// Payload in memory, and blocks for which memory is reserved.
    pub memory_bytes: usize,
    /// How fast payload may come and go, with what goes along with it.
    pub rates: RateLimits,
}

impl Grant {
    /// How many blocks fit into [`memory_bytes`](Self::memory_bytes).
    #[must_use]
    pub fn memory_blocks(&self) -> usize {
        self.memory_bytes / BLOCK_LENGTH as usize
    }
}

/// What a session has, and so what a single torrent gets when it need not share.
impl Default for Grant {
    fn default() -> Self {
        Self {
            max_peers: 200,
            max_half_open: 30,
            upload_slots: 50,
            memory_bytes: 32 << 20,
            rates: RateLimits::NONE,
        }
    }
}
