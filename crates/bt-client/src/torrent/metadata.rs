//! A torrent of which no more than the ids is known: its swarm runs without storage until peers have
//! sent the rest (BEP 9), and goes on with the same connections.

use std::{sync::Arc, time::Instant};

use bt_metainfo::{Info, MetainfoError};
use bt_storage::metadata;
use bt_swarm::Limit;
use bt_types::TorrentIds;
use tokio::{sync::oneshot, task::spawn_blocking};
use tracing::{Instrument, Span, info, warn};

use super::{
    Choose, Mode, Parts, Then,
    check::Found,
    drive::{Drive, Stage},
    looking::look_at,
    parts::Data,
};
use crate::{State, TorrentError, mail::Mail, shared::Shared};

/// What a run before this one has kept of a torrent.
pub(super) async fn kept(shared: &Shared, ids: TorrentIds) -> Option<Arc<Info>> {
    let folder = shared.state.clone()?;
    let load = spawn_blocking(move || {
        let bytes = metadata::load(&folder, ids, MAX_METADATA_BYTES)?;
        Info::from_bytes(&bytes).ok().map(Arc::new)
    });
    load.await.ok().flatten()
}

impl Parts {
    /// Lets the owner choose, now that it is known what there is.
    pub(super) fn choose(
        &mut self,
        info: Arc<Info>,
        choose: &Choose,
    ) -> Result<Data, TorrentError> {
        if info.ids().v1().is_none() {
            return Err(TorrentError::V2Only);
        }
        let selection = choose.of(&info).map_err(TorrentError::NotChosen)?;
        self.place_data(info, Mode::Get, Arc::new(selection))
    }
}

impl Drive {
    /// Peers have sent the metadata: reads it, and then keeps it, which may take a moment, beside the
    /// swarm.
    pub(super) fn read_metadata(&mut self, bytes: Box<[u8]>) {
        self.disk_jobs += 1;
        let mailbox = self.parts.mailbox.clone();
        let (folder, ids) = (self.parts.shared.state.clone(), self.parts.torrent.ids());
        let span = Span::current();
        spawn_blocking(move || {
            let _entered = span.enter();
            let read = Info::from_bytes(&bytes);
            let is_good = read.is_ok();
            // The transfer need not wait until it is kept. A torrent that has gone needs no answer.
            let _ = mailbox.send(Mail::Metadata(read));
            if let Some(folder) = folder.filter(|_| is_good)
                && let Err(error) = metadata::keep(&folder, ids, &bytes)
            {
                warn!(%error, "the metadata will not be remembered");
            }
            let _ = mailbox.send(Mail::MetadataKept);
        });
    }

    pub(super) fn handle_metadata(&mut self, now: Instant, read: Result<Info, MetainfoError>) {
        let Stage::Metadata(then) = &self.stage else {
            return;
        };
        if self.is_ending() {
            return;
        }
        let then = then.clone();
        let begun = read
            .map_err(TorrentError::BadMetadata)
            .and_then(|info| self.use_metadata(now, Arc::new(info), then));
        if let Err(error) = begun {
            self.end(now, State::Failed(Arc::new(error)));
        }
    }

    fn use_metadata(
        &mut self,
        now: Instant,
        info: Arc<Info>,
        then: Then,
    ) -> Result<(), TorrentError> {
        info!(
            name = info.name(),
            bytes = info.raw().len(),
            "metadata is here"
        );
        if info.is_private() {
            // Not only when all that is on disk has been looked at.
            self.make_private(now);
        }
        match then {
            Then::Stop => {
                let know = |base: &mut crate::Snapshot| base.know(&info, &Arc::default());
                self.parts.publisher.set_base(know);
                self.end(now, State::Stopped);
            }
            Then::Get(choose) => {
                let data = self.parts.choose(info, &choose)?;
                self.look(now, data);
            }
        }
        Ok(())
    }

    /// Looks at what is on disk while the swarm keeps its peers.
    fn look(&mut self, now: Instant, data: Data) {
        let selection = Arc::clone(&data.selection);
        self.selecting.begin(&data.info, &selection);
        self.parts.swarm.set_selection(now, selection);
        let (stop, is_stopped) = oneshot::channel::<()>();
        self.stage = Stage::Looking {
            data: data.clone(),
            shown: None,
            _stop: stop,
        };
        self.disk_jobs += 1;
        let shared = Arc::clone(&self.parts.shared);
        let mailbox = self.parts.mailbox.clone();
        let recheck = self.parts.torrent.recheck;
        let look = async move {
            // A torrent that has gone needs no answer.
            let show = |state, limit| drop(mailbox.send(Mail::Looking(state, limit)));
            let stop = async { drop(is_stopped.await) };
            let looked = look_at(&shared, &data, recheck, show, stop).await;
            let looked = looked.map(|found| found.map(Box::new));
            let _ = mailbox.send(Mail::Looked(looked));
        };
        tokio::spawn(look.instrument(Span::current()));
    }

    pub(super) fn show_look(&mut self, now: Instant, state: State, limit: Limit) {
        if let Stage::Looking { shown, .. } = &mut self.stage {
            *shown = Some((state, limit));
            self.parts.publisher.touch(now);
        }
    }

    pub(super) fn handle_looked(
        &mut self,
        now: Instant,
        looked: Result<Option<Box<Found>>, TorrentError>,
    ) {
        self.disk_jobs -= 1;
        if self.is_ending() {
            return;
        }
        match looked {
            Ok(Some(found)) => {
                if let Some(data) = self.stage.data().cloned() {
                    self.begin_transfer(now, data, *found);
                }
            }
            Ok(None) => {}
            Err(error) => self.end(now, State::Failed(Arc::new(error))),
        }
    }
}

/// As much as a swarm takes from peers.
const MAX_METADATA_BYTES: u32 = 32 << 20;
