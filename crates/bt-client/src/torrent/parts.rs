use std::{sync::Arc, time::Instant};

use bt_storage::Storage;
use bt_swarm::Swarm;
use bt_types::Selection;
use tokio::sync::mpsc;

use super::{AddTorrent, Discovery, publish::Publisher};
use crate::{
    Snapshot,
    buffers::Buffer,
    mail::{Mail, Mailbox},
    shared::{Place, Shared},
    trackers::Trackers,
};

/// What one torrent consists of, as long as it lives.
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) place: Place,
    pub(crate) torrent: AddTorrent,
    /// What its owner wanted while its data was being checked.
    pub(crate) next_selection: Option<Arc<Selection>>,
    pub(crate) storage: Arc<Storage>,
    pub(crate) swarm: Swarm<Buffer>,
    pub(crate) trackers: Trackers,
    pub(crate) discovery: Discovery,
    pub(crate) publisher: Publisher,
    pub(crate) mailbox: Mailbox,
    pub(crate) mail: mpsc::UnboundedReceiver<Mail>,
}

impl Parts {
    /// The last step: whoever sees this snapshot can add the torrent again.
    pub(super) fn end(mut self, last: Snapshot) {
        drop(self.place);
        self.publisher.show(Instant::now(), last);
    }
}
