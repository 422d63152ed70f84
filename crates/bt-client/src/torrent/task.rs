use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bt_storage::{StorageError, check::Checked};
use bt_swarm::{Backoff, Stats};
use bt_types::Bitfield;
use tokio::time::{sleep, sleep_until};
use tracing::info;

use super::{
    AddTorrent, Mode, Parts,
    check::{CheckFailure, Checking, Findings},
    drive::Drive,
    log,
};
use crate::{DiskTrouble, OnDiskError, Snapshot, State, TorrentError, mail::Mail};

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
        let mut findings = Findings::new(self.torrent.info.layout().piece_count());
        let mut waiting: Option<Waiting> = None;
        loop {
            let Some(looked) = self.look(&findings).await else {
                return Ok(None);
            };
            let failure = match looked {
                Ok(checked) => {
                    let is_all = findings.add(&checked);
                    if let Some(Waiting { trouble, .. }) = waiting.take() {
                        log::disk_recovered(trouble.since.elapsed(), 0);
                    }
                    if is_all {
                        break;
                    }
                    continue;
                }
                Err(failure) => failure,
            };
            if self.shared.on_disk_error == OnDiskError::Fail {
                return Err(failure.into_error().into());
            }
            findings.interrupted(&failure);
            let now = Instant::now();
            let waiting = waiting.get_or_insert_with(|| Waiting::new(now, failure.error()));
            waiting.backoff.failed(now);
            self.show(State::DiskTrouble(Arc::clone(&waiting.trouble)));
            tokio::select! {
                () = sleep_until(waiting.backoff.due().into()) => {}
                () = self.stop_requested() => return Ok(None),
            }
        }
        let have = findings.have;
        let (pieces_good, piece_count) = (have.count_ones(), have.len());
        info!(pieces_good, piece_count, "checked");
        if is_download || have.is_full() {
            Ok(Some(have))
        } else {
            Err(TorrentError::DataIncomplete {
                pieces_good,
                piece_count,
            })
        }
    }

    /// Looks at what is left; `None` if the torrent has been stopped meanwhile.
    async fn look(&mut self, findings: &Findings) -> Option<Result<Checked, CheckFailure>> {
        let shared = Arc::clone(&self.shared);
        let _turn = tokio::select! {
            turn = shared.turn_to_check() => turn,
            () = self.stop_requested() => return None,
        };
        let mut checking = Checking::start(
            Arc::clone(&self.storage),
            shared.check_threads,
            self.torrent.mode == Mode::Get,
            findings.next(),
        );
        let bytes_before = findings.bytes_done(self.torrent.info.layout());
        loop {
            tokio::select! {
                checked = checking.finish() => return Some(checked),
                () = self.stop_requested() => return None,
                () = sleep(PROGRESS_INTERVAL) => if !findings.is_trial() {
                    self.show_progress(bytes_before + checking.bytes_done());
                },
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
                Some(_) => {}
            }
        }
    }

    fn show_progress(&mut self, bytes_done: u64) {
        self.show(State::Checking {
            bytes_done,
            bytes_total: self.torrent.info.layout().data_length(),
        });
    }

    fn show(&mut self, state: State) {
        let mut snapshot = Snapshot::clone(&self.publisher.current());
        snapshot.state = state;
        self.publisher.show(Instant::now(), snapshot);
    }

    fn end_early(self, state: State) {
        let mut snapshot = Snapshot::clone(&self.publisher.current());
        snapshot.state = state;
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
        Self {
            ids: torrent.info.ids(),
            name: torrent.info.name().into(),
            state: State::Checking {
                bytes_done: 0,
                bytes_total: stats.bytes_total,
            },
            stats,
            limits: torrent.limits,
            hash_cpu_time: Duration::ZERO,
        }
    }
}

/// How often the progress of a check is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
