//! Changing what is wanted of a torrent while it is transferred.

use std::{sync::Arc, time::Instant};

use bt_metainfo::{FileKind, Info};
use bt_storage::{ErrorKind, StorageError};
use bt_swarm::{Backoff, DiskDone, DiskJob};
use bt_types::{FileIndex, Selection};
use tokio::task::spawn_blocking;

use super::{
    Mode,
    drive::{Drive, Stage},
    log,
};
use crate::{DiskTrouble, OnDiskError, disk::refusal, mail::Mail};

/// First the disk brings what lies there in line with a selection, then the swarm goes by it: so
/// what is complete then is also where it belongs. One at a time, and the latest counts.
#[derive(Default)]
pub(super) struct Selecting {
    is_under_way: bool,
    next: Option<Arc<Selection>>,
    /// What the disk has refused to do, until it has done it.
    refused: Option<Refused>,
    /// By what is in force.
    files_left_out: usize,
}

struct Refused {
    trouble: Arc<DiskTrouble>,
    backoff: Backoff,
}

impl Selecting {
    /// What is wanted next.
    pub(super) fn set_next(&mut self, next: Option<Arc<Selection>>) {
        self.next = next;
    }

    /// It is known what there is, and what is wanted of it first.
    pub(super) fn begin(&mut self, info: &Info, selection: &Selection) {
        self.files_left_out = files_left_out(info, selection);
    }

    /// How many files of the torrent are not wanted.
    pub(super) fn files_left_out(&self) -> usize {
        self.files_left_out
    }

    /// What keeps the disk from doing as is wished.
    pub(super) fn trouble(&self) -> Option<&Arc<DiskTrouble>> {
        self.refused.as_ref().map(|refused| &refused.trouble)
    }

    /// When to try again what the disk has refused.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let refused = self.refused.as_ref().filter(|_| !self.is_under_way);
        refused.map(|refused| refused.backoff.due())
    }
}

impl Drive {
    pub(super) fn select(&mut self, selection: Arc<Selection>) {
        if self.stage.data().is_some_and(|data| data.mode != Mode::Get) {
            return;
        }
        self.selecting.next = Some(selection);
        // What has been refused waits for its time, whatever is wanted then.
        if self.selecting.refused.is_none() {
            self.begin_selecting();
        }
    }

    /// Tries again what the disk has refused.
    pub(super) fn select_again(&mut self, now: Instant) {
        if self.selecting.poll_timeout().is_some_and(|due| due <= now) {
            self.begin_selecting();
        }
    }

    pub(super) fn handle_selected(
        &mut self,
        now: Instant,
        selection: Arc<Selection>,
        result: Result<(), StorageError>,
    ) {
        self.disk_jobs -= 1;
        self.selecting.is_under_way = false;
        if let Err(error) = result {
            return self.selection_refused(now, selection, error);
        }
        if let Some(Refused { trouble, .. }) = self.selecting.refused.take() {
            log::disk_recovered(now.saturating_duration_since(trouble.since), 0);
        }
        if let Some(data) = self.stage.data() {
            self.selecting.files_left_out = files_left_out(&data.info, &selection);
        }
        self.parts.swarm.set_selection(now, selection);
        self.parts.publisher.hurry(now);
        self.begin_selecting();
    }

    /// If that can be done now: not before it is known what lies there.
    pub(super) fn begin_selecting(&mut self) {
        if self.selecting.is_under_way || self.is_ending() {
            return;
        }
        let Stage::Transfer(data) = &self.stage else {
            return;
        };
        if data.mode != Mode::Get {
            return;
        }
        let storage = Arc::clone(&data.storage);
        let Some(selection) = self.selecting.next.take() else {
            return;
        };
        self.selecting.is_under_way = true;
        self.disk_jobs += 1;
        let mailbox = self.parts.mailbox.clone();
        spawn_blocking(move || {
            let result = storage.set_selection(&selection);
            // A torrent that has gone needs no answer.
            let _ = mailbox.send(Mail::Selected(selection, result));
        });
    }

    /// What was wanted before is in force, until the disk does as is wished.
    fn selection_refused(&mut self, now: Instant, wished: Arc<Selection>, error: StorageError) {
        if self.parts.shared.on_disk_error == OnDiskError::Fail {
            return self.end(now, error.into());
        }
        self.selecting.next.get_or_insert(wished);
        match &mut self.selecting.refused {
            Some(refused) => refused.backoff.failed(now),
            none => {
                let trouble = DiskTrouble::new(now, &error);
                log::disk_trouble(&trouble);
                let backoff = Backoff::new(now);
                *none = Some(Refused { trouble, backoff });
            }
        }
        if error.kind == ErrorKind::Missing
            && let Some(data) = self.stage.data()
        {
            // The swarm has what is there looked at.
            let refusal = refusal(&data.storage, &error);
            let failed = DiskDone::Failed(DiskJob::Survey, refusal);
            self.parts.swarm.handle_disk(now, failed);
        }
        self.parts.publisher.hurry(now);
    }
}

/// How many files of a torrent, as one would count them, are not wanted.
pub(super) fn files_left_out(info: &Info, selection: &Selection) -> usize {
    if selection.wants_all() {
        return 0;
    }
    let files = (0..).map(FileIndex).zip(info.files());
    let left_out =
        files.filter(|(index, file)| file.kind == FileKind::Data && !selection.wants(*index));
    left_out.count()
}
