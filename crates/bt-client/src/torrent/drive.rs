use std::{collections::HashMap, future, net::SocketAddr, sync::Arc, time::Instant};

use bt_storage::Claim;
use bt_swarm::{Action, DialId, Limit, Swarm};
use bt_tracker::Progress;
use bt_types::{Bitfield, ConnId, PeerSource};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep_until,
};
use tracing::debug;

use super::{
    Event, Parts, Then,
    check::Found,
    ending::{Ending, release},
    log,
    parts::Data,
    record::Remembering,
    selecting::Selecting,
};
use crate::{
    DiskTrouble, OnDiskError, State, TorrentError,
    buffers::Buffer,
    connection::{Batch, Connection, Incoming},
    mail::{DiskReport, Mail},
    tasks::AbortOnDrop,
};

/// Drives one torrent while it transfers: feeds what arrives to the swarm and to the tracker
/// schedule, does what they say, and shows how things are. It decides nothing, and waits for
/// nothing but its inputs: what takes long is done by other tasks and by the disk threads.
pub(super) struct Drive {
    pub(super) parts: Parts,
    pub(super) stage: Stage,
    pub(super) connections: HashMap<ConnId, Connection>,
    pub(super) dials: HashMap<DialId, (SocketAddr, AbortOnDrop)>,
    /// Given to each connection.
    pub(super) batches: mpsc::Sender<Batch>,
    received: mpsc::Receiver<Batch>,
    /// What uses the disk and has not reported: jobs of its threads, looks at what is there, metadata
    /// that is being kept, changes of the selection.
    pub(super) disk_jobs: usize,
    /// What the disk has refused first, until it is done; and how many pieces are lost since.
    pub(super) trouble: Option<(Arc<DiskTrouble>, usize)>,
    pub(super) selecting: Selecting,
    pub(super) ending: Option<Ending>,
    /// `None` if nobody will remember what is done.
    pub(super) remembering: Option<Remembering>,
    /// Held until the end, that nobody else uses the data.
    claim: Option<Claim>,
}

/// How far a torrent has come.
pub(super) enum Stage {
    /// Nothing is known but the ids; peers are asked for the rest.
    Metadata(Then),
    /// What is on disk is looked at, while peers are connected.
    Looking {
        data: Data,
        /// How that goes.
        shown: Option<(State, Limit)>,
        /// Ends it when it is dropped.
        _stop: oneshot::Sender<()>,
    },
    Transfer(Data),
    /// Nothing is looked at any more.
    Over,
}

impl Drive {
    /// Of a torrent of which all is known.
    pub(super) fn transferring(parts: Parts, data: Data, found: Found) -> Self {
        let now = Instant::now();
        let mut drive = Self::new(now, parts, Stage::Over);
        drive.begin_transfer(now, data, found);
        drive.begin(now);
        drive
    }

    /// Of a torrent of which only the ids are known.
    pub(super) fn fetching(parts: Parts, then: Then) -> Self {
        let now = Instant::now();
        let mut drive = Self::new(now, parts, Stage::Metadata(then));
        drive.begin(now);
        drive.parts.publisher.hurry(now);
        drive
    }

    fn new(now: Instant, mut parts: Parts, stage: Stage) -> Self {
        for own in parts.shared.own_addresses() {
            parts.swarm.ignore_address(own);
        }
        let (batches, received) = mpsc::channel(MAX_BATCHES);
        let mut selecting = Selecting::default();
        selecting.set_next(parts.next_selection.take());
        parts.publisher.touch(now);
        Self {
            parts,
            stage,
            connections: HashMap::new(),
            dials: HashMap::new(),
            batches,
            received,
            disk_jobs: 0,
            trouble: None,
            selecting,
            ending: None,
            remembering: None,
            claim: None,
        }
    }

    /// Finds peers.
    fn begin(&mut self, now: Instant) {
        let peers = std::mem::take(&mut self.parts.torrent.peers);
        self.parts.swarm.add_peers(now, PeerSource::User, peers);
        let names = std::mem::take(&mut self.parts.torrent.peer_names);
        self.parts.discovery.look_up(names);
        let progress = progress(&self.parts.swarm, now);
        self.parts.trackers.start(now, progress);
        let dht_nodes = std::mem::take(&mut self.parts.torrent.dht_nodes);
        self.parts.discovery.start(now, dht_nodes);
    }

    /// It is known what there is, and what of it is on disk. Who is connected stays so.
    pub(super) fn begin_transfer(&mut self, now: Instant, data: Data, found: Found) {
        let Parts {
            swarm, publisher, ..
        } = &mut self.parts;
        publisher.set_base(|base| {
            (base.bytes_resumed, base.bytes_hashed) = (found.bytes_resumed, found.bytes_hashed);
            base.earlier = found.totals;
        });
        self.claim = found.claim;
        self.remembering = found.keeper.map(|keeper| {
            let storage = Arc::clone(&data.storage);
            Remembering::start(keeper, storage, publisher.watch())
        });
        self.selecting.begin(&data.info, &data.selection);
        swarm.set_selection(now, Arc::clone(&data.selection));
        swarm.handle_metadata(now, Arc::clone(&data.info), found.have);
        for partial in &found.partial {
            swarm.handle_partial_piece(now, partial);
        }
        if data.info.is_private() {
            self.make_private(now);
        }
        self.stage = Stage::Transfer(data);
        self.begin_selecting();
        self.parts.publisher.hurry(now);
    }

    /// The torrent turns out to be private, or was known to be (BEP 27).
    pub(super) fn make_private(&mut self, now: Instant) {
        self.parts.make_private(now);
        // Whoever comes from now on is not told that we are in the DHT.
        self.parts.open_to_peers();
    }

    pub(super) async fn run(mut self) {
        let mut batches = Vec::new();
        let mut mail = Vec::new();
        let state = loop {
            let now = Instant::now();
            self.drain(now);
            if let Some(state) = self.ended(now) {
                break state;
            }
            let deadline = self.poll_timeout();
            let timer = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline.into()).await,
                    None => future::pending().await,
                }
            };
            // The first two always yield something: this task holds a sender of each.
            tokio::select! {
                _ = self.received.recv_many(&mut batches, MAX_BATCHES) => {}
                _ = self.parts.mail.recv_many(&mut mail, MAX_MAIL) => {}
                () = timer => {}
            }
            let now = Instant::now();
            self.parts.publisher.touch(now);
            batches
                .drain(..)
                .for_each(|batch| self.handle_batch(now, batch));
            mail.drain(..).for_each(|mail| self.handle_mail(now, mail));
            self.handle_timeouts(now);
        };
        let last = self.snapshot(Instant::now(), state);
        if let (Some(remembering), Stage::Transfer(data)) = (self.remembering.take(), &self.stage) {
            remembering.finish(&data.storage, &last).await;
        }
        release(self.claim).await;
        self.parts.end(last);
    }

    fn handle_batch(&mut self, now: Instant, batch: Batch) {
        let conn = batch.conn;
        let Some(connection) = self.connections.get(&conn) else {
            return; // closed by us, while this was on its way
        };
        let swarm = &mut self.parts.swarm;
        for incoming in batch.incoming {
            match incoming {
                Incoming::Message(message) => {
                    connection.note_handled(&message);
                    swarm.handle_message(now, conn, message);
                }
                Incoming::Block(block, payload) => swarm.handle_block(now, conn, block, payload),
                Incoming::UnrequestedBlock(block) => {
                    swarm.handle_unrequested_block(now, conn, block);
                }
                Incoming::BlockSent(block) => swarm.handle_block_sent(now, conn, block),
                Incoming::BlockTakenBack(block) => {
                    swarm.handle_block_taken_back(now, conn, block);
                }
                Incoming::Closed(closed) => return self.handle_closed(now, conn, closed),
            }
        }
    }

    fn handle_mail(&mut self, now: Instant, mail: Mail) {
        match mail {
            Mail::Dialled(dial, result) => self.handle_dialled(now, dial, result),
            Mail::Accepted(established) => self.open(now, established, None),
            Mail::Disk(report) => self.handle_disk(now, report),
            Mail::AnnounceWaits(generation, id, wait) => {
                let trackers = &mut self.parts.trackers;
                trackers.handle_wait(now, generation, id, wait);
            }
            Mail::Announced(generation, id, outcome) => {
                let trackers = &mut self.parts.trackers;
                trackers.handle_outcome(now, generation, id, outcome);
            }
            Mail::SeenAs(vote) => {
                self.parts.swarm.handle_address_vote(vote.by, vote.address);
                self.parts.discovery.handle_seen_as(vote);
            }
            Mail::Found(source, peers) => {
                let count = peers.len();
                let news = self.parts.swarm.add_peers(now, source, peers);
                log::found(source, count, news);
            }
            Mail::DhtAnnounced { nodes } => {
                log::dht_announced(nodes);
                self.parts.discovery.handle_dht_announced(now, nodes);
            }
            Mail::PeersNamed(peers) => {
                self.parts.swarm.add_peers(now, PeerSource::User, peers);
            }
            Mail::Metadata(read) => self.handle_metadata(now, read),
            Mail::MetadataKept => self.disk_jobs -= 1,
            Mail::Looking(state, limit) => self.show_look(now, state, limit),
            Mail::Looked(looked) => self.handle_looked(now, looked),
            Mail::Grant(grant) => self.parts.swarm.set_grant(now, grant),
            Mail::Bans(bans) => self.parts.swarm.set_bans(now, bans),
            Mail::Limits(limits) => {
                let ids = self.parts.torrent.ids();
                self.parts.shared.set_torrent_limits(ids, limits);
            }
            Mail::Peers(answer) => {
                // Whoever has asked may have gone.
                let _ = answer.send(self.parts.swarm.peers(now).collect());
            }
            Mail::Select(selection) => self.select(selection),
            Mail::Selected(selection, result) => self.handle_selected(now, selection, result),
            Mail::Stop => self.end(now, State::Stopped),
        }
    }

    fn handle_timeouts(&mut self, now: Instant) {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if is_due(self.parts.swarm.poll_timeout()) {
            self.parts.swarm.handle_timeout(now);
        }
        if is_due(self.parts.trackers.poll_timeout()) {
            self.parts.trackers.handle_timeout(now);
        }
        self.select_again(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [
            self.ending.as_ref().map(Ending::deadline),
            self.parts.swarm.poll_timeout(),
            self.parts.trackers.poll_timeout(),
            self.parts.discovery.poll_timeout(),
            self.parts.publisher.poll_timeout(),
            self.selecting.poll_timeout(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Does all that swarm and trackers want done.
    fn drain(&mut self, now: Instant) {
        if self.parts.publisher.is_due(now) {
            // The schedule knows how soon it may ask again, so it can be told at any time.
            if self.parts.swarm.wants_peers() {
                self.parts.trackers.want_peers(now);
                self.parts.discovery.want_peers(now);
            }
            let demand = self.parts.swarm.demand(now);
            self.parts
                .shared
                .set_demand(self.parts.torrent.ids(), demand);
        }
        let is_seed = self.parts.swarm.have().is_some_and(Bitfield::is_full);
        self.parts.discovery.drain(now, is_seed);
        // What trackers tell gives the swarm more to do, and the other way round.
        loop {
            self.drain_swarm(now);
            if !self.drain_trackers(now) {
                break;
            }
        }
        if self.parts.publisher.is_due(now) {
            let snapshot = self.snapshot(now, self.state());
            self.parts.publisher.show(now, snapshot);
        }
    }

    fn drain_swarm(&mut self, now: Instant) {
        while let Some(action) = self.parts.swarm.poll_action() {
            self.perform(now, action);
        }
        while let Some(event) = self.parts.swarm.poll_event() {
            log::swarm(&event);
            match event {
                bt_swarm::Event::Completed => {
                    // Who left out files is no seed to its trackers (libtorrent).
                    if self.parts.swarm.have().is_some_and(Bitfield::is_full) {
                        self.parts.trackers.completed(now);
                    }
                    self.parts.publisher.hurry(now);
                }
                bt_swarm::Event::IdsContradict => {
                    let error = Arc::new(TorrentError::IdsContradict);
                    self.end(now, State::Failed(error));
                }
                bt_swarm::Event::PieceLost(_) => self.note_lost(1),
                bt_swarm::Event::PieceFound(_) => self.note_lost(-1),
                bt_swarm::Event::DhtNode { node } => self.parts.discovery.add_dht_node(node),
                bt_swarm::Event::DiskRecovered => self.disk_recovered(now),
                bt_swarm::Event::PeerBanned {
                    peer,
                    concerns_others: true,
                    ..
                } => self.parts.shared.ban(peer),
                _ => {}
            }
            self.parts.publisher.tell(Event::Swarm(event));
        }
    }

    /// Whether they had anything to tell.
    fn drain_trackers(&mut self, now: Instant) -> bool {
        let swarm = &self.parts.swarm;
        let events = self.parts.trackers.drain(now, || progress(swarm, now));
        let had_any = !events.is_empty();
        for event in events {
            log::tracker(&event);
            match &event {
                bt_tracker::Event::Answered { response, .. } => {
                    let peers = response.peers.iter().copied();
                    self.parts.swarm.add_peers(now, PeerSource::Tracker, peers);
                }
                bt_tracker::Event::Switched { .. } => self.parts.swarm.forget_peers(now),
                _ => {}
            }
            self.parts.publisher.tell(Event::Tracker(event));
        }
        had_any
    }

    fn perform(&mut self, now: Instant, action: Action<Buffer>) {
        match action {
            Action::Dial(dial) => self.dial(now, dial),
            Action::AbortDial(dial) => {
                self.dials.remove(&dial);
            }
            Action::Send(conn, outgoing) => {
                let connection = self.connections.get(&conn);
                if let Some(Err(closed)) = connection.map(|open| open.send(outgoing)) {
                    self.handle_closed(now, conn, closed);
                }
            }
            Action::TakeBack(conn, block) => {
                let connection = self.connections.get(&conn);
                if connection.is_some_and(|open| open.take_back(block)) {
                    self.parts.swarm.handle_block_taken_back(now, conn, block);
                }
            }
            Action::Disconnect(conn, _) => {
                self.connections.remove(&conn);
            }
            Action::Metadata(bytes) => self.read_metadata(bytes),
            Action::Disk(job) => {
                // There are none before.
                if let Stage::Transfer(data) = &self.stage {
                    let Parts {
                        shared, mailbox, ..
                    } = &self.parts;
                    shared.disk.submit(&data.storage, mailbox, job);
                    self.disk_jobs += 1;
                }
            }
        }
    }

    fn handle_disk(&mut self, now: Instant, report: DiskReport) {
        self.disk_jobs -= 1;
        self.parts.swarm.handle_disk(now, report.done);
        match report.error {
            Some(error) if self.parts.shared.on_disk_error == OnDiskError::Fail => {
                self.end(now, error.into());
            }
            Some(error) if self.trouble.is_none() && self.ending.is_none() => {
                let trouble = DiskTrouble::new(now, &error);
                log::disk_trouble(&trouble);
                self.trouble = Some((trouble, 0));
                self.parts.publisher.hurry(now);
            }
            Some(error) => debug!(%error, "the disk still fails"),
            None => {}
        }
    }

    fn note_lost(&mut self, change: isize) {
        if let Some((_, pieces_lost)) = &mut self.trouble {
            *pieces_lost = pieces_lost.saturating_add_signed(change);
        }
    }

    fn disk_recovered(&mut self, now: Instant) {
        if let Some((trouble, pieces_lost)) = self.trouble.take() {
            let lasted = now.saturating_duration_since(trouble.since);
            log::disk_recovered(lasted, pieces_lost);
            self.parts.publisher.hurry(now);
        }
    }
}

impl Stage {
    /// What there is, once that is known.
    pub(super) fn data(&self) -> Option<&Data> {
        match self {
            Self::Looking { data, .. } | Self::Transfer(data) => Some(data),
            Self::Metadata(_) | Self::Over => None,
        }
    }
}

fn progress(swarm: &Swarm<Buffer>, now: Instant) -> Progress {
    let stats = swarm.stats(now);
    Progress {
        uploaded: stats.uploaded,
        downloaded: stats.downloaded,
        left: match swarm.info() {
            Some(_) => stats.bytes_total - stats.bytes_verified,
            None => Progress::UNKNOWN.left,
        },
    }
}

/// Connections wait when so many batches do: the torrent's task is behind, and more would only
/// take memory.
const MAX_BATCHES: usize = 64;
/// Mail handled before actions are looked at again.
const MAX_MAIL: usize = 64;
