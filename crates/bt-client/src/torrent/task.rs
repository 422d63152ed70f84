use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bt_metainfo::Info;
use bt_storage::StorageError;
use bt_swarm::Stats;
use bt_types::{Bitfield, Selection, Totals};

use super::{
    AddTorrent, Parts, Subject, Then, check::Found, drive::Drive, looking::look_at, metadata,
    parts::Data, selecting::files_left_out,
};
use crate::{Snapshot, State, TorrentError, mail::Mail};

/// The life of one torrent, until it is stopped or cannot go on.
pub(crate) async fn run(mut parts: Parts) {
    let over = match parts.begin().await {
        Ok(Beginning::Data(data)) => match parts.check(&data).await {
            Ok(Some(found)) => {
                parts.open_to_peers();
                return Drive::transferring(parts, data, found).run().await;
            }
            Ok(None) => State::Stopped,
            Err(error) => State::Failed(Arc::new(error)),
        },
        Ok(Beginning::Link(then)) => {
            parts.open_to_peers();
            return Drive::fetching(parts, then).run().await;
        }
        Ok(Beginning::Over) => State::Stopped,
        Err(error) => State::Failed(Arc::new(error)),
    };
    parts.end_early(over);
}

/// How much is known of a torrent when it begins.
enum Beginning {
    Data(Data),
    /// The metadata has to come from peers.
    Link(Then),
    /// All that is wanted is known.
    Over,
}

impl Parts {
    async fn begin(&mut self) -> Result<Beginning, TorrentError> {
        let then = match &self.torrent.subject {
            Subject::Info {
                info,
                mode,
                selection,
            } => {
                let (info, selection) = (Arc::clone(info), Arc::clone(selection));
                let data = self.place_data(info, *mode, selection);
                return data.map(Beginning::Data);
            }
            Subject::Link { then, .. } => then.clone(),
        };
        let Some(info) = metadata::kept(&self.shared, self.torrent.ids()).await else {
            return Ok(Beginning::Link(then));
        };
        if info.is_private() {
            self.make_private(Instant::now());
        }
        Ok(match then {
            Then::Stop => {
                self.publisher
                    .set_base(|base| base.know(&info, &Arc::default()));
                Beginning::Over
            }
            Then::Get(choose) => Beginning::Data(self.choose(info, &choose)?),
        })
    }

    /// Makes the torrent known to peers, or what we say to them another.
    pub(super) fn open_to_peers(&self) {
        let ids = self.torrent.ids();
        self.shared.open_to_peers(ids, self.swarm.handshake());
    }

    /// Finds out which pieces are on disk; `None` if the torrent has been stopped meanwhile.
    async fn check(&mut self, data: &Data) -> Result<Option<Found>, TorrentError> {
        let Self {
            shared,
            torrent,
            next_selection,
            swarm,
            publisher,
            mail,
            ..
        } = self;
        let show = |state, limit| {
            let mut snapshot = Snapshot::clone(&publisher.current());
            (snapshot.state, snapshot.limit) = (state, Some(limit));
            publisher.show(Instant::now(), snapshot);
        };
        let ids = torrent.ids();
        // Handles mail until its owner wishes the torrent to end.
        let stop = async {
            loop {
                match mail.recv().await {
                    Some(Mail::Stop) | None => return,
                    Some(Mail::Grant(grant)) => swarm.set_grant(Instant::now(), grant),
                    Some(Mail::Bans(bans)) => swarm.set_bans(Instant::now(), bans),
                    Some(Mail::Limits(limits)) => shared.set_torrent_limits(ids, limits),
                    Some(Mail::Select(selection)) => *next_selection = Some(selection),
                    Some(_) => {}
                }
            }
        };
        look_at(shared, data, torrent.recheck, show, stop).await
    }

    fn end_early(self, state: State) {
        let mut snapshot = Snapshot::clone(&self.publisher.current());
        (snapshot.state, snapshot.limit) = (state, None);
        self.end(snapshot);
    }
}

impl From<StorageError> for State {
    fn from(error: StorageError) -> Self {
        Self::Failed(Arc::new(error.into()))
    }
}

impl Snapshot {
    /// What can be shown of a torrent before anything has been done for it.
    pub(crate) fn at_first(torrent: &AddTorrent) -> Self {
        let mut snapshot = Self {
            ids: torrent.ids(),
            name: torrent.name().into(),
            info: None,
            // Of a link it is looked first whether there is its metadata.
            state: State::Checking {
                bytes_done: 0,
                bytes_total: 0,
            },
            stats: Stats::default(),
            limit: None,
            limits: torrent.limits,
            files_left_out: 0,
            selection: Arc::default(),
            hash_cpu_time: Duration::ZERO,
            bytes_resumed: 0,
            bytes_hashed: 0,
            earlier: Totals::default(),
        };
        if let Subject::Info {
            info, selection, ..
        } = &torrent.subject
        {
            snapshot.know(info, selection);
        }
        snapshot
    }

    /// It is known what the torrent consists of, and nothing yet of what is on disk.
    pub(crate) fn know(&mut self, info: &Arc<Info>, selection: &Arc<Selection>) {
        let layout = info.layout();
        let nothing = Bitfield::new(layout.piece_count());
        self.stats.piece_count = layout.piece_count();
        self.stats.bytes_total = layout.data_length();
        (_, self.stats.wanted_bytes_total) = selection.bytes(layout, &nothing);
        self.ids = info.ids();
        self.name = info.name().into();
        self.info = Some(Arc::clone(info));
        self.state = State::Checking {
            bytes_done: 0,
            bytes_total: self.stats.bytes_total,
        };
        self.files_left_out = files_left_out(info, selection);
        self.selection = Arc::clone(selection);
    }
}
