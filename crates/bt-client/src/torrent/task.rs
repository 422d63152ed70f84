use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bt_storage::StorageError;
use bt_swarm::{Limit, Stats};
use bt_types::Totals;
use tokio::time::sleep;

use super::{
    AddTorrent, Mode, Parts,
    check::{Checking, Found, Look},
    drive::Drive,
};
use crate::{Snapshot, State, TorrentError, mail::Mail};

/// The life of one torrent, from the check of its data until it is stopped or cannot go on.
pub(crate) async fn run(mut parts: Parts) {
    match parts.check().await {
        Ok(Some(found)) => {
            let ids = parts.torrent.info.ids();
            parts.shared.open_to_peers(ids, parts.swarm.handshake());
            Drive::start(parts, found).run().await;
        }
        Ok(None) => parts.end_early(State::Stopped),
        Err(error) => parts.end_early(State::Failed(Arc::new(error))),
    }
}

impl Parts {
    /// Finds out which pieces are on disk; `None` if the torrent has been stopped meanwhile.
    async fn check(&mut self) -> Result<Option<Found>, TorrentError> {
        let is_download = self.torrent.mode == Mode::Get;
        let shared = Arc::clone(&self.shared);
        let _turn = tokio::select! {
            turn = shared.turn_to_check() => turn,
            () = self.stop_requested() => return Ok(None),
        };
        let storage = Arc::clone(&self.storage);
        let look = Look {
            state: shared.state.clone(),
            boot: shared.boot.clone(),
            recheck: self.torrent.recheck,
            threads: shared.check_threads,
            is_download,
        };
        let mut checking = Checking::start(storage, look);
        let found = loop {
            tokio::select! {
                found = checking.finish() => break found?,
                () = self.stop_requested() => {
                    checking.cancel().await;
                    return Ok(None);
                }
                () = sleep(PROGRESS_INTERVAL) => self.show_progress(checking.progress()),
            }
        };
        let (pieces_good, piece_count) = (found.have.count_ones(), found.have.len());
        if is_download || found.have.is_full() {
            Ok(Some(found))
        } else {
            Err(TorrentError::DataIncomplete {
                pieces_good,
                piece_count,
            })
        }
    }

    /// Handles mail until its owner wishes the torrent to end.
    async fn stop_requested(&mut self) {
        loop {
            match self.mail.recv().await {
                Some(Mail::Stop) | None => return,
                Some(Mail::Grant(grant)) => self.swarm.set_grant(Instant::now(), grant),
                Some(Mail::Bans(bans)) => self.swarm.set_bans(Instant::now(), bans),
                Some(Mail::Limits(limits)) => {
                    let ids = self.torrent.info.ids();
                    self.shared.set_torrent_limits(ids, limits);
                }
                Some(_) => {}
            }
        }
    }

    fn show_progress(&mut self, progress: Option<(u64, u64)>) {
        let Some((bytes_done, bytes_total)) = progress else {
            return;
        };
        let mut snapshot = Snapshot::clone(&self.publisher.current());
        snapshot.state = State::Checking {
            bytes_done,
            bytes_total,
        };
        snapshot.limit = Some(Limit::Checking {
            bytes_done,
            bytes_total,
        });
        self.publisher.show(Instant::now(), snapshot);
    }

    fn end_early(self, state: State) {
        let mut snapshot = Snapshot::clone(&self.publisher.current());
        (snapshot.state, snapshot.limit) = (state, None);
        self.end(snapshot);
    }
}

impl From<StorageError> for State {
    fn from(error: StorageError) -> Self {
        Self::Failed(Arc::new(error.into()))
    }
}

impl Snapshot {
    /// What can be shown of a torrent before anything is known but its metadata.
    pub(crate) fn before_check(torrent: &AddTorrent) -> Self {
        let layout = torrent.info.layout();
        let mut stats = Stats::default();
        stats.piece_count = layout.piece_count();
        stats.bytes_total = layout.data_length();
        Self {
            ids: torrent.info.ids(),
            name: torrent.info.name().into(),
            state: State::Checking {
                bytes_done: 0,
                bytes_total: stats.bytes_total,
            },
            stats,
            limit: None,
            limits: torrent.limits,
            hash_cpu_time: Duration::ZERO,
            bytes_resumed: 0,
            bytes_hashed: 0,
            earlier: Totals::default(),
        }
    }
}

/// How often the progress of a check is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
