use std::{sync::Arc, time::Duration};

use bt_scheduler::RateLimits;
use bt_swarm::Stats;
use bt_types::{Selection, TorrentIds};

use crate::TorrentError;

/// How a torrent was doing at one moment. A value: it never changes once it has been taken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// Which torrent.
    pub ids: TorrentIds,
    /// Its name, safe as a file name. Untrusted text all the same: escape it for a terminal.
    pub name: Arc<str>,
    /// What it is doing.
    pub state: State,
    /// Its figures.
    pub stats: Stats,
    /// How fast it may be at the moment: its own limits, or its share of the session's if that is
    /// lower.
    pub limits: RateLimits,
    /// What of it is wanted.
    pub selection: Arc<Selection>,
    /// How many of its files are not.
    pub files_left_out: usize,
    /// The CPU time that hashing its pieces has cost so far, on all threads.
    pub hash_cpu_time: Duration,
}

/// What a torrent is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum State {
    /// Looking at what is on disk.
    Checking {
        /// Bytes checked.
        bytes_done: u64,
        /// Bytes to check.
        bytes_total: u64,
    },
    /// Fetching what is missing, and serving what is there.
    Downloading,
    /// Serving; everything that is wanted is there.
    Seeding,
    /// Ended, because its owner wished so.
    Stopped,
    /// Ended, because it could not go on.
    Failed(Arc<TorrentError>),
}

impl Snapshot {
    /// How long the download will take at its present rate; `None` if it does not move, and for
    /// what is not downloading.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        if !matches!(self.state, State::Downloading) {
            return None;
        }
        let left = self.stats.wanted_bytes_total - self.stats.wanted_bytes_verified;
        let rate = self.stats.download_rate_bytes_per_sec;
        (rate > 0).then(|| Duration::from_secs(left.div_ceil(rate)))
    }

    /// The v1 hash in hex, or the v2 hash of a torrent that has no other.
    #[must_use]
    pub fn info_hash(&self) -> String {
        match (self.ids.v1(), self.ids.v2()) {
            (Some(v1), _) => v1.to_string(),
            (None, Some(v2)) => v2.to_string(),
            (None, None) => String::new(),
        }
    }
}

impl State {
    /// Nothing will happen any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Stopped | Self::Failed(_))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use bt_types::InfoHash;

    use super::*;

    pub(crate) fn snapshot() -> Snapshot {
        let mut stats = Stats::default();
        (stats.pieces_verified, stats.piece_count) = (1, 4);
        (stats.bytes_verified, stats.bytes_total) = (1000, 4000);
        (stats.wanted_bytes_verified, stats.wanted_bytes_total) = (1000, 4000);
        (stats.downloaded, stats.uploaded, stats.wasted) = (1100, 30, 100);
        stats.download_rate_bytes_per_sec = 100;
        stats.upload_rate_bytes_per_sec = 20;
        (stats.peers_connected, stats.peers_known) = (2, 5);
        Snapshot {
            ids: TorrentIds::v1_only(InfoHash([7; 20])),
            name: "name".into(),
            state: State::Downloading,
            stats,
            limits: RateLimits::NONE,
            selection: Arc::default(),
            files_left_out: 0,
            hash_cpu_time: Duration::from_micros(12_900),
        }
    }

    #[test]
    fn time_left_is_rounded_up_and_known_only_while_bytes_come() {
        let mut snapshot = snapshot();
        snapshot.stats.wanted_bytes_verified = 3999;
        assert_eq!(snapshot.time_left(), Some(Duration::from_secs(1)));
        snapshot.stats.download_rate_bytes_per_sec = 0;
        assert_eq!(snapshot.time_left(), None);
        snapshot.stats.download_rate_bytes_per_sec = 1;
        snapshot.state = State::Seeding;
        assert_eq!(snapshot.time_left(), None);
    }
}
