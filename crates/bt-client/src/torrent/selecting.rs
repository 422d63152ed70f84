//! Changing what is wanted of a torrent while it is transferred.

use std::{sync::Arc, time::Instant};

use bt_metainfo::{FileKind, Info};
use bt_storage::StorageError;
use bt_types::{FileIndex, Selection};
use tokio::task::spawn_blocking;

use super::{Mode, drive::Drive};
use crate::mail::Mail;

/// First the disk brings what lies there in line with a selection, then the swarm goes by it: so
/// what is complete then is also where it belongs. One at a time, and the latest counts.
pub(super) struct Selecting {
    is_under_way: bool,
    next: Option<Arc<Selection>>,
    /// By what is in force.
    files_left_out: usize,
}

impl Selecting {
    pub(super) fn new(info: &Info, selection: &Selection) -> Self {
        Self {
            is_under_way: false,
            next: None,
            files_left_out: files_left_out(info, selection),
        }
    }

    /// How many files of the torrent are not wanted.
    pub(super) fn files_left_out(&self) -> usize {
        self.files_left_out
    }
}

impl Drive {
    pub(super) fn select(&mut self, selection: Arc<Selection>) {
        if self.parts.torrent.mode != Mode::Get {
            return;
        }
        if self.selecting.is_under_way {
            self.selecting.next = Some(selection);
            return;
        }
        self.selecting.is_under_way = true;
        self.disk_jobs += 1;
        let storage = Arc::clone(&self.parts.storage);
        let mailbox = self.parts.mailbox.clone();
        spawn_blocking(move || {
            let result = storage.set_selection(&selection);
            // A torrent that has gone needs no answer.
            let _ = mailbox.send(Mail::Selected(selection, result));
        });
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
            return self.end(now, error.into());
        }
        self.selecting.files_left_out = files_left_out(&self.parts.torrent.info, &selection);
        self.parts.swarm.set_selection(now, selection);
        self.parts.publisher.hurry(now);
        if let Some(next) = self.selecting.next.take() {
            self.select(next);
        }
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
