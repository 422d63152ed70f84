use std::{sync::Arc, time::Instant};

use bt_metainfo::Info;
use bt_storage::{FilePool, Storage};
use bt_swarm::Swarm;
use bt_types::Selection;
use tokio::sync::mpsc;

use super::{AddTorrent, Discovery, Mode, publish::Publisher};
use crate::{
    Snapshot, TorrentError,
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
    pub(crate) files: Arc<FilePool>,
    pub(crate) swarm: Swarm<Buffer>,
    pub(crate) trackers: Trackers,
    pub(crate) discovery: Discovery,
    pub(crate) publisher: Publisher,
    pub(crate) mailbox: Mailbox,
    pub(crate) mail: mpsc::UnboundedReceiver<Mail>,
}

/// What there is of a torrent once it is known what it consists of.
#[derive(Clone)]
pub(crate) struct Data {
    pub(super) info: Arc<Info>,
    pub(super) mode: Mode,
    pub(super) selection: Arc<Selection>,
    pub(super) storage: Arc<Storage>,
}

impl Parts {
    /// Takes the place where the data lies, or will lie.
    pub(super) fn place_data(
        &mut self,
        info: Arc<Info>,
        mode: Mode,
        selection: Arc<Selection>,
    ) -> Result<Data, TorrentError> {
        let path = self.torrent.root.join(info.name());
        if !self.place.claim(path.clone()) {
            return Err(TorrentError::PathTaken(path));
        }
        let root = self.torrent.root.clone();
        let mut storage = Storage::new(root, Arc::clone(&info), Arc::clone(&self.files));
        if self.torrent.part_names {
            storage = storage.with_part_names();
        }
        let data = Data {
            info,
            mode,
            selection,
            storage: Arc::new(storage),
        };
        self.publisher
            .set_base(|base| base.know(&data.info, &data.selection));
        Ok(data)
    }

    /// The torrent turns out to be private, or was known to be (BEP 27).
    pub(super) fn make_private(&mut self, now: Instant) {
        self.discovery.make_private();
        if self.trackers.make_private(now) {
            // Others may have been named by other trackers.
            self.swarm.forget_peers(now);
        }
        self.swarm.make_private(now);
    }

    /// The last step: whoever sees this snapshot can add the torrent again.
    pub(super) fn end(mut self, last: Snapshot) {
        drop(self.place);
        self.publisher.show(Instant::now(), last);
    }
}
