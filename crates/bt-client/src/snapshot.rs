use std::{sync::Arc, time::Duration};

use bt_metainfo::Info;
use bt_scheduler::RateLimits;
use bt_swarm::{Limit, Stats};
use bt_types::{Selection, TorrentIds, Totals};

use crate::{DiskTrouble, TorrentError};

/// How a torrent was doing at one moment. A value: it never changes once it has been taken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// Which torrent.
    pub ids: TorrentIds,
    /// Its name, safe as a file name. Untrusted text all the same: escape it for a terminal. That of
    /// the link while nothing else is known, and its id if that has none.
    pub name: Arc<str>,
    /// What it consists of, once that is known.
    pub info: Option<Arc<Info>>,
    /// What it is doing.
    pub state: State,
    /// Its figures, of this run.
    pub stats: Stats,
    /// What limits the download, by the last seconds; `None` if that is not known, or it has ended.
    pub limit: Option<Limit>,
    /// How fast it may be at the moment: its own limits, or its share of the session's if that is
    /// lower.
    pub limits: RateLimits,
    /// What of it is wanted.
    pub selection: Arc<Selection>,
    /// How many of its files are not.
    pub files_left_out: usize,
    /// The CPU time that hashing its pieces has cost so far, on all threads.
    pub hash_cpu_time: Duration,
    /// Bytes of files in pieces that were believed to be on disk when the torrent began, by the
    /// record of an earlier run, without being read.
    pub bytes_resumed: u64,
    /// Bytes that were read and hashed when the torrent began, to find out what is there.
    pub bytes_hashed: u64,
    /// Payload of all runs before this one, as far as they are on record.
    pub earlier: Totals,
}

/// What a torrent is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum State {
    /// Fetching from peers what it consists of (BEP 9).
    Metadata {
        /// Bytes of it that have come.
        bytes: u32,
        /// Bytes of it in all, by the word of most peers; 0 while nobody has said so.
        total: u32,
        /// Peers that say to have it, and answer.
        peers: usize,
    },
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
    /// Waiting for a disk that has refused something, or lost it; goes on by itself.
    DiskTrouble(Arc<DiskTrouble>),
    /// Ended, because its owner wished so.
    Stopped,
    /// Ended, because it could not go on.
    Failed(Arc<TorrentError>),
}

impl Snapshot {
    /// How long the download will take at the mean rate of the last minute; `None` if nothing of use
    /// has come in that time, and for what is not downloading.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let is_downloading = matches!(self.state, State::Downloading);
        let rate = self.stats.progress_rate_bytes_per_sec;
        (is_downloading && rate > 0)
            .then(|| Duration::from_secs(self.stats.bytes_missing.div_ceil(rate)))
    }

    /// What it has moved in all runs together.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let now = Totals {
            downloaded: self.stats.downloaded,
            uploaded: self.stats.uploaded,
        };
        self.earlier + now
    }

    /// How often what was received has been sent, over all runs; `None` if there is nothing yet.
    ///
    /// Of data that came from elsewhere, so that less than a hundredth of it was received, all that is
    /// here counts as received (as in qBittorrent).
    #[must_use]
    pub fn share_ratio(&self) -> Option<f64> {
        let here = self.stats.bytes_verified;
        let totals = self.totals();
        let received = match totals.downloaded {
            received if received < here / 100 => here,
            received => received,
        };
        (received > 0).then(|| totals.uploaded as f64 / received as f64)
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
    use bt_scheduler::Copies;
    use bt_types::InfoHash;

    use super::*;

    pub(crate) fn snapshot() -> Snapshot {
        let mut stats = Stats::default();
        (stats.pieces_verified, stats.piece_count) = (1, 4);
        (stats.bytes_verified, stats.bytes_total) = (1000, 4000);
        (stats.wanted_bytes_verified, stats.wanted_bytes_total) = (1000, 4000);
        (stats.downloaded, stats.uploaded) = (1100, 30);
        (stats.wasted.duplicate, stats.wasted.failed_hash) = (30, 64);
        stats.wasted.unrequested = 6;
        (stats.bytes_missing, stats.progress_rate_bytes_per_sec) = (3000, 100);
        stats.copies = Copies::of([1, 2, 3, 1]);
        stats.download_rate_bytes_per_sec = 100;
        stats.upload_rate_bytes_per_sec = 20;
        (stats.peers_connected, stats.peers_known) = (2, 5);
        Snapshot {
            ids: TorrentIds::v1_only(InfoHash([7; 20])),
            name: "name".into(),
            info: None,
            state: State::Downloading,
            stats,
            limit: None,
            limits: RateLimits::NONE,
            selection: Arc::default(),
            files_left_out: 0,
            hash_cpu_time: Duration::from_micros(12_900),
            bytes_resumed: 500,
            bytes_hashed: 600,
            earlier: Totals {
                downloaded: 900,
                uploaded: 2970,
            },
        }
    }

    #[test]
    fn time_left_is_rounded_up_and_known_only_while_bytes_come() {
        let mut snapshot = snapshot();
        snapshot.stats.bytes_missing = 1;
        assert_eq!(snapshot.time_left(), Some(Duration::from_secs(1)));
        snapshot.stats.progress_rate_bytes_per_sec = 0;
        assert_eq!(snapshot.time_left(), None);
        snapshot.stats.progress_rate_bytes_per_sec = 1;
        snapshot.state = State::Seeding;
        assert_eq!(snapshot.time_left(), None);
    }

    #[test]
    fn the_share_ratio_is_that_of_all_runs() {
        let mut snapshot = snapshot();
        assert_eq!(snapshot.share_ratio(), Some(1.5));
        (snapshot.earlier.downloaded, snapshot.stats.downloaded) = (0, 9);
        assert_eq!(snapshot.share_ratio(), Some(3.0), "of the 1000 bytes here");
        snapshot.stats.bytes_verified = 0;
        snapshot.stats.downloaded = 0;
        assert_eq!(snapshot.share_ratio(), None);
        snapshot.earlier.uploaded = u64::MAX;
        assert_eq!(snapshot.totals().uploaded, u64::MAX);
    }
}
