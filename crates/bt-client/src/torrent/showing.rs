//! How a torrent is doing, to be shown.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bt_swarm::{Limit, Outside};

use super::drive::{Drive, Stage};
use crate::{Snapshot, State};

impl Drive {
    pub(super) fn state(&self) -> State {
        match &self.stage {
            Stage::Looking { data, shown, .. } => {
                let shown = shown.as_ref().map(|(state, _)| state.clone());
                let bytes_total = data.info.layout().data_length();
                return shown.unwrap_or(State::Checking {
                    bytes_done: 0,
                    bytes_total,
                });
            }
            // As it was when it began to end.
            Stage::Over => return self.parts.publisher.current().state.clone(),
            Stage::Metadata(_) => {
                let progress = self.parts.swarm.metadata_progress().unwrap_or_default();
                return State::Metadata {
                    bytes: progress.bytes,
                    total: progress.total,
                    peers: progress.peers,
                };
            }
            Stage::Transfer(_) => {}
        }
        let trouble = self.trouble.as_ref().map(|(trouble, _)| trouble);
        if let Some(trouble) = trouble.or(self.selecting.trouble()) {
            State::DiskTrouble(Arc::clone(trouble))
        } else if self.parts.swarm.is_complete() {
            State::Seeding
        } else {
            State::Downloading
        }
    }

    pub(super) fn snapshot(&mut self, now: Instant, state: State) -> Snapshot {
        let limit = self.limit(now).filter(|_| !state.is_over());
        let mut stats = self.parts.swarm.stats(now);
        let current = self.parts.publisher.current();
        if self.parts.swarm.info().is_none() {
            // What is known while the swarm is not told yet.
            stats.piece_count = current.stats.piece_count;
            stats.bytes_total = current.stats.bytes_total;
            stats.wanted_bytes_total = current.stats.wanted_bytes_total;
        }
        Snapshot {
            state,
            stats,
            limit,
            limits: self.parts.swarm.limits(),
            selection: Arc::clone(self.parts.swarm.selection()),
            files_left_out: self.selecting.files_left_out(),
            hash_cpu_time: self.hash_cpu_time(),
            ..Snapshot::clone(&current)
        }
    }

    /// What limits the download; the swarm decides, and is told what it does not see.
    fn limit(&mut self, now: Instant) -> Option<Limit> {
        if let Stage::Looking { shown, .. } = &self.stage {
            return shown.as_ref().map(|(_, limit)| *limit);
        }
        let trackers = self.parts.trackers.counts();
        let outside = Outside {
            trackers_working: trackers.working,
            trackers_failing: trackers.failing,
            trackers_asked: trackers.asked,
            dht_nodes: self.parts.discovery.dht_nodes(),
            hash_time: self.hash_cpu_time(),
            disk_threads: self.parts.shared.disk.threads(),
        };
        self.parts.swarm.observe(now, outside)
    }

    fn hash_cpu_time(&self) -> Duration {
        let data = self.stage.data();
        data.map_or(Duration::ZERO, |data| data.storage.hash_cpu_time())
    }
}
