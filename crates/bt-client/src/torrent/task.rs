use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bt_storage::StorageError;
use bt_swarm::Stats;
use bt_types::Bitfield;
use tokio::time::sleep;
use tracing::info;

use super::{AddTorrent, Mode, Parts, check::Checking, drive::Drive, selecting::files_left_out};
use crate::{Snapshot, State, TorrentError, mail::Mail};

/// The life of one torrent, from the check of its data until it is stopped or cannot go on.
pub(crate) async fn run(mut parts: Parts) {
    match parts.check().await {
        Ok(Some(have)) => {
            let ids = parts.torrent.info.ids();
            parts.shared.open_to_peers(ids, parts.swarm.handshake());
            Drive::start(parts, have).run().await;
        }
        Ok(None) => parts.end_early(State::Stopped),
        Err(error) => parts.end_early(State::Failed(Arc::new(error))),
    }
}

impl Parts {
    /// Finds out which pieces are on disk; `None` if the torrent has been stopped meanwhile.
    async fn check(&mut self) -> Result<Option<Bitfield>, TorrentError> {
        let is_download = self.torrent.mode == Mode::Get;
        let shared = Arc::clone(&self.shared);
        let _turn = tokio::select! {
            turn = shared.turn_to_check() => turn,
            () = self.stop_requested() => return Ok(None),
        };
        let storage = Arc::clone(&self.storage);
        let wanted = is_download.then(|| Arc::clone(&self.torrent.selection));
        let mut checking = Checking::start(storage, shared.check_threads, wanted);
        let checked = loop {
            tokio::select! {
                checked = checking.finish() => break checked?,
                () = self.stop_requested() => return Ok(None),
                () = sleep(PROGRESS_INTERVAL) => self.show_progress(checking.bytes_done()),
            }
        };
        let (pieces_good, piece_count) = (checked.have.count_ones(), checked.have.len());
        info!(pieces_good, piece_count, "checked");
        if is_download || checked.have.is_full() {
            Ok(Some(checked.have))
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
                Some(Mail::Select(selection)) => self.next_selection = Some(selection),
                Some(_) => {}
            }
        }
    }

    fn show_progress(&mut self, bytes_done: u64) {
        let mut snapshot = Snapshot::clone(&self.publisher.current());
        snapshot.state = State::Checking {
            bytes_done,
            bytes_total: snapshot.stats.bytes_total,
        };
        self.publisher.show(Instant::now(), snapshot);
    }

    fn end_early(self, state: State) {
        let mut snapshot = Snapshot::clone(&self.publisher.current());
        snapshot.state = state;
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
        let nothing = Bitfield::new(layout.piece_count());
        (_, stats.wanted_bytes_total) = torrent.selection.bytes(layout, &nothing);
        Self {
            ids: torrent.info.ids(),
            name: torrent.info.name().into(),
            state: State::Checking {
                bytes_done: 0,
                bytes_total: stats.bytes_total,
            },
            stats,
            limits: torrent.limits,
            files_left_out: files_left_out(&torrent.info, &torrent.selection),
            selection: Arc::clone(&torrent.selection),
            hash_cpu_time: Duration::ZERO,
        }
    }
}

/// How often the progress of a check is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
