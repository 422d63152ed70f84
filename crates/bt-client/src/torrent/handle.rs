use std::sync::Arc;

use bt_scheduler::RateLimits;
use bt_swarm::PeerInfo;
use bt_types::Selection;
use tokio::sync::{broadcast, oneshot, watch};

use super::Event;
use crate::{
    Snapshot,
    mail::{Mail, Mailbox},
};

/// A torrent in a session. Cheap to clone; dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct TorrentHandle {
    mailbox: Mailbox,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Weak, so that listeners learn of the end.
    events: broadcast::WeakSender<Event>,
}

/// What happens to a torrent from now on, in order.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl TorrentHandle {
    pub(crate) fn new(
        mailbox: Mailbox,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        events: broadcast::WeakSender<Event>,
    ) -> Self {
        Self {
            mailbox,
            snapshots,
            events,
        }
    }

    /// How the torrent is doing.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Waits for a snapshot that this handle has not shown yet, a few times a second at most;
    /// `None` once the torrent is over and its last snapshot has been shown.
    pub async fn next_snapshot(&mut self) -> Option<Arc<Snapshot>> {
        self.snapshots.changed().await.ok()?;
        Some(Arc::clone(&self.snapshots.borrow_and_update()))
    }

    /// Waits until a snapshot satisfies `wanted`, and returns it; the last one if the torrent is
    /// over before.
    pub async fn wait_for(&self, mut wanted: impl FnMut(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut snapshots = self.snapshots.clone();
        let found = snapshots.wait_for(|snapshot| wanted(snapshot)).await;
        found.map_or_else(|_| self.snapshot(), |snapshot| Arc::clone(&snapshot))
    }

    /// What happens from now on. Who reads too slowly misses the oldest.
    #[must_use]
    pub fn events(&self) -> Events {
        let receiver = match self.events.upgrade() {
            Some(events) => events.subscribe(),
            // It is over: a channel that nothing comes from.
            None => broadcast::channel(1).1,
        };
        Events(receiver)
    }

    /// The connected peers as they are at this moment; none while the data is being checked, and once
    /// the torrent is over. They are looked at only when somebody asks: a second apart is plenty.
    pub async fn peers(&self) -> Vec<PeerInfo> {
        let (answer, peers) = oneshot::channel();
        // One that is over has none, nor will it answer.
        let _ = self.mailbox.send(Mail::Peers(answer));
        peers.await.unwrap_or_default()
    }

    /// Changes how fast the torrent may be, at once; the session's limits hold beside. See
    /// [`Session::set_limits`](crate::Session::set_limits) for what counts.
    pub fn set_limits(&self, limits: RateLimits) {
        // One that is over needs none.
        let _ = self.mailbox.send(Mail::Limits(limits));
    }

    /// Changes which files are wanted, and what of them comes first: for a torrent that is fetched.
    ///
    /// Files that are wanted now get what is there of them already, and only what is missing is
    /// fetched; what is not wanted any more is not asked for, and stays where it is. The latest
    /// selection counts, and is in force once a [`Snapshot`] has it.
    pub fn set_selection(&self, selection: Arc<Selection>) {
        // One that is over wants nothing.
        let _ = self.mailbox.send(Mail::Select(selection));
    }

    /// Ends the torrent: closes its connections, tells its trackers, waiting a few seconds for them
    /// at most, and lets the disk finish what it is writing, waiting ten seconds at most. Verified
    /// pieces stay on disk. Returns the last snapshot; the torrent can be added again then.
    pub async fn stop(&self) -> Arc<Snapshot> {
        // It may have ended by itself.
        let _ = self.mailbox.send(Mail::Stop);
        self.wait_for(|snapshot| snapshot.state.is_over()).await
    }
}

impl Events {
    /// Waits for the next event; `None` once the torrent is over.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
