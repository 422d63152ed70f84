use std::sync::Arc;

use bt_client::{PeerInfo, Snapshot, TorrentHandle, report::Total};
use tokio::{sync::mpsc, task::JoinSet};

use crate::exit::Failure;

/// The torrents of one command, watched together.
pub(crate) struct Batch {
    members: Vec<Member>,
    /// Torrents that failed before they could be members.
    not_started: usize,
    updates: mpsc::Receiver<Update>,
    sender: mpsc::Sender<Update>,
    /// One for each torrent: brings its snapshots.
    watchers: JoinSet<()>,
}

struct Member {
    handle: TorrentHandle,
    snapshot: Arc<Snapshot>,
}

/// A newer snapshot of the torrent at this place; `None` if there will be no more.
type Update = (usize, Option<Arc<Snapshot>>);

impl Batch {
    pub(crate) fn new() -> Self {
        let (sender, updates) = mpsc::channel(MAX_UNREAD);
        Self {
            members: Vec::new(),
            not_started: 0,
            updates,
            sender,
            watchers: JoinSet::new(),
        }
    }

    /// Within a runtime.
    pub(crate) fn add(&mut self, handle: TorrentHandle) {
        let place = self.members.len();
        self.watchers
            .spawn(watch(place, handle.clone(), self.sender.clone()));
        self.members.push(Member {
            snapshot: handle.snapshot(),
            handle,
        });
    }

    /// Counts a torrent that failed before there was anything to watch.
    pub(crate) fn add_not_started(&mut self) {
        self.not_started += 1;
    }

    /// How many have been started.
    pub(crate) fn started(&self) -> usize {
        self.members.len()
    }

    /// Whether there is more than one torrent, started or not.
    pub(crate) fn has_several(&self) -> bool {
        self.members.len() + self.not_started > 1
    }

    /// All of them together.
    pub(crate) fn total(&self) -> Total {
        let mut total = Total::of(self.members.iter().map(|member| &*member.snapshot));
        total.torrents += self.not_started;
        total.failed += self.not_started;
        total
    }

    /// Waits until one of them has changed; returns which. May be interrupted.
    ///
    /// # Errors
    /// If a torrent is over without having failed or been stopped: a fault of ours.
    pub(crate) async fn changed(&mut self) -> Result<usize, Failure> {
        // We hold a sender ourselves.
        let Some((place, snapshot)) = self.updates.recv().await else {
            return Err(ended());
        };
        match snapshot {
            Some(snapshot) => self.members[place].snapshot = snapshot,
            None if self.members[place].snapshot.state.is_over() => {}
            None => return Err(ended()),
        }
        Ok(place)
    }

    /// How it was doing when it was last heard of.
    pub(crate) fn snapshot(&self, place: usize) -> Arc<Snapshot> {
        Arc::clone(&self.members[place].snapshot)
    }

    /// Who is connected to it.
    pub(crate) async fn peers(&self, place: usize) -> Vec<PeerInfo> {
        self.members[place].handle.peers().await
    }

    /// Stops one of them, without waiting for it.
    pub(crate) fn stop_one(&mut self, place: usize) {
        let handle = self.members[place].handle.clone();
        self.watchers.spawn(async move {
            handle.stop().await;
        });
    }

    /// Stops all of them, and waits for it.
    pub(crate) async fn stop(&mut self) {
        self.watchers.abort_all();
        let mut stopping = JoinSet::new();
        for (place, member) in self.members.iter().enumerate() {
            let handle = member.handle.clone();
            stopping.spawn(async move { (place, handle.stop().await) });
        }
        while let Some(stopped) = stopping.join_next().await {
            if let Ok((place, last)) = stopped {
                self.members[place].snapshot = last;
            }
        }
    }
}

/// The first snapshot is the one that was there before.
async fn watch(place: usize, mut handle: TorrentHandle, updates: mpsc::Sender<Update>) {
    let mut snapshot = Some(handle.snapshot());
    loop {
        let is_last = snapshot.is_none();
        if updates.send((place, snapshot)).await.is_err() || is_last {
            return;
        }
        snapshot = handle.next_snapshot().await;
    }
}

fn ended() -> Failure {
    Failure::other("the torrent ended unexpectedly")
}

/// Whoever brings more waits, and brings a newer one then.
const MAX_UNREAD: usize = 8;
