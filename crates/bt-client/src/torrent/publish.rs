use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{broadcast, watch};

use super::TorrentHandle;
use crate::{Snapshot, State, mail::Mailbox};

/// What became true in a torrent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Among its peers and pieces.
    Swarm(bt_swarm::Event),
    /// With its trackers.
    Tracker(bt_tracker::Event),
}

/// Shows a torrent's state to the holders of its handle.
pub(crate) struct Publisher {
    snapshots: watch::Sender<Arc<Snapshot>>,
    events: broadcast::Sender<Event>,
    /// When a snapshot is to be taken again; `None` while nothing changes.
    due: Option<Instant>,
}

/// The two ends: of the task, and of everybody else.
pub(crate) fn publisher(mailbox: Mailbox, first: Snapshot) -> (Publisher, TorrentHandle) {
    let (snapshots, receiver) = watch::channel(Arc::new(first));
    let (events, _) = broadcast::channel(MAX_UNREAD_EVENTS);
    let handle = TorrentHandle::new(mailbox, receiver, events.downgrade());
    let publisher = Publisher {
        snapshots,
        events,
        due: None,
    };
    (publisher, handle)
}

impl Publisher {
    /// The last snapshot shown.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// The snapshots as they come.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.subscribe()
    }

    /// Changes what is in every snapshot from now on. It is shown with the next that is due.
    pub(crate) fn set_base(&mut self, change: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = Snapshot::clone(&self.current());
        change(&mut snapshot);
        self.snapshots.send_if_modified(|current| {
            *current = Arc::new(snapshot);
            false
        });
    }

    /// Something has changed: a snapshot is due soon.
    pub(crate) fn touch(&mut self, now: Instant) {
        self.due.get_or_insert(now + SNAPSHOT_INTERVAL);
    }

    /// Something has changed that people wait for: a snapshot is due now.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.due = Some(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    pub(crate) fn show(&mut self, now: Instant, snapshot: Snapshot) {
        let stats = &snapshot.stats;
        let fades = stats.download_rate_bytes_per_sec + stats.upload_rate_bytes_per_sec > 0;
        // Why a download does not move is found out by looking at it again and again.
        let waits = matches!(
            snapshot.state,
            State::Metadata { .. } | State::Downloading | State::DiskTrouble(_)
        );
        let next = fades.then_some(SNAPSHOT_INTERVAL);
        let next = next.or(waits.then_some(IDLE_INTERVAL));
        self.due = next.map(|later| now + later);
        self.snapshots.send_replace(Arc::new(snapshot));
    }

    pub(crate) fn tell(&self, event: Event) {
        // Nobody listening is fine.
        let _ = self.events.send(event);
    }
}

/// Four times a second: often enough for an eye.
const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(250);
/// While nothing happens: seldom enough to cost nothing, often enough to see why.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// A listener that is further behind misses events.
const MAX_UNREAD_EVENTS: usize = 1024;
