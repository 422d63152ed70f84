use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bt_storage::StorageError;
use bt_swarm::{Backoff, Limit, Stats};
use bt_types::{Bitfield, Totals};
use tokio::time::{sleep, sleep_until};

use super::{
    AddTorrent, Mode, Parts,
    check::{Checking, Found, Look, Looked, Plan},
    drive::Drive,
    log,
    selecting::files_left_out,
};
use crate::{DiskTrouble, OnDiskError, Snapshot, State, TorrentError, mail::Mail};

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
        let mut look = Look::new(Plan {
            state: self.shared.state.clone(),
            boot: self.shared.boot.clone(),
            recheck: self.torrent.recheck,
            threads: self.shared.check_threads,
            wanted: is_download.then(|| Arc::clone(&self.torrent.selection)),
        });
        let mut waiting: Option<Waiting> = None;
        let found = loop {
            let Some(looked) = self.look(look).await else {
                return Ok(None);
            };
            let looked = looked?;
            if let Looked::All(_) | Looked::Some(_) = looked
                && let Some(Waiting { trouble, .. }) = waiting.take()
            {
                log::disk_recovered(trouble.since.elapsed(), 0);
            }
            let error = match looked {
                Looked::All(found) => break *found,
                Looked::Some(next) => {
                    look = *next;
                    continue;
                }
                Looked::Refused(next, error) => {
                    look = *next;
                    error
                }
            };
            if self.shared.on_disk_error == OnDiskError::Fail {
                return Err(error.into());
            }
            let now = Instant::now();
            let waiting = waiting.get_or_insert_with(|| Waiting::new(now, &error));
            waiting.backoff.failed(now);
            let limit = Limit::Disk {
                waiting_bytes: 0,
                written_bytes_per_sec: 0,
                is_refusing: true,
            };
            self.show(State::DiskTrouble(Arc::clone(&waiting.trouble)), limit);
            tokio::select! {
                () = sleep_until(waiting.backoff.due().into()) => {}
                () = self.stop_requested() => return Ok(None),
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

    /// Looks at what is left; `None` if the torrent has been stopped meanwhile.
    async fn look(&mut self, look: Look) -> Option<Result<Looked, TorrentError>> {
        let shared = Arc::clone(&self.shared);
        let _turn = tokio::select! {
            turn = shared.turn_to_check() => turn,
            () = self.stop_requested() => return None,
        };
        let mut checking = Checking::start(Arc::clone(&self.storage), look);
        loop {
            tokio::select! {
                looked = checking.finish() => return Some(looked),
                () = self.stop_requested() => {
                    checking.cancel().await;
                    return None;
                }
                () = sleep(PROGRESS_INTERVAL) => self.show_progress(checking.progress()),
            }
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

    fn show_progress(&mut self, progress: Option<(u64, u64)>) {
        let Some((bytes_done, bytes_total)) = progress else {
            return;
        };
        let state = State::Checking {
            bytes_done,
            bytes_total,
        };
        let limit = Limit::Checking {
            bytes_done,
            bytes_total,
        };
        self.show(state, limit);
    }

    fn show(&mut self, state: State, limit: Limit) {
        let mut snapshot = Snapshot::clone(&self.publisher.current());
        (snapshot.state, snapshot.limit) = (state, Some(limit));
        self.publisher.show(Instant::now(), snapshot);
    }

    fn end_early(self, state: State) {
        let mut snapshot = Snapshot::clone(&self.publisher.current());
        (snapshot.state, snapshot.limit) = (state, None);
        self.end(snapshot);
    }
}

/// For a disk that has failed during the check.
struct Waiting {
    trouble: Arc<DiskTrouble>,
    backoff: Backoff,
}

impl Waiting {
    fn new(now: Instant, error: &StorageError) -> Self {
        let trouble = DiskTrouble::new(now, error);
        log::disk_trouble(&trouble);
        Self {
            trouble,
            backoff: Backoff::new(now),
        }
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
            limit: None,
            limits: torrent.limits,
            files_left_out: files_left_out(&torrent.info, &torrent.selection),
            selection: Arc::clone(&torrent.selection),
            hash_cpu_time: Duration::ZERO,
            bytes_resumed: 0,
            bytes_hashed: 0,
            earlier: Totals::default(),
        }
    }
}

/// How often the progress of a check is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
