//! The composition: owns the parts and carries values between them.

mod banning;
mod connections;
mod dht_nodes;
mod disk;
mod evaluating;
mod extended;
mod fast;
mod gossiping;
mod messages;
mod metadata;
mod observing;
mod requests;
mod selecting;
mod serving;
mod sharing;
mod showing;
mod spreading;
mod super_seeding;
mod trouble;

use std::{
    collections::{BTreeSet, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bt_metainfo::Info;
use bt_scheduler::{Choker, Grant, Picker, PickerConfig};
use bt_types::{
    Bitfield, ConnId, ConnMap, Payload, PeerSource, PieceLayout, Selection, TorrentIds,
};
use bt_wire::{Handshake, Message, Reserved};
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};

pub use connections::{NewConnection, Refusal};
use metadata::Exchange;
use selecting::Wanted;
use super_seeding::Disguise;

use crate::{
    Action, Config, DisconnectReason, Event, Outgoing, Wasted,
    assembly::Assembly,
    diagnosis::Samples,
    dialler::Dialler,
    mean_rate::MeanRate,
    metadata::Fetch,
    peers::{Peers, canonical},
    session::{Session, Traffic},
    spread::Spread,
    suspects::Suspects,
    throttle::Throttle,
    timers::{Timer, Timers},
    trouble::Trouble,
    turns::Turns,
    votes::AddressVotes,
};

/// One torrent: its peers, its pieces, and what to do next. See the [crate's page](crate).
///
/// `now` must not run backwards. Every `handle_*` method takes input of any content: a peer that
/// breaks the protocol is disconnected, a report about something unknown is ignored.
#[derive(Debug)]
pub struct Swarm<P> {
    ids: TorrentIds,
    config: Config,
    grant: Grant,
    rng: ChaCha12Rng,
    /// The latest time that we were told.
    now: Option<Instant>,
    /// Once stopped, a swarm only answers that it is.
    is_stopped: bool,

    peers: Peers,
    dialler: Dialler,
    votes: AddressVotes,
    sessions: ConnMap<Session>,
    next_conn: u64,
    choker: Choker,
    timers: Timers,

    /// What is wanted, once the metadata is known.
    selection: Arc<Selection>,
    /// `None` while the metadata is unknown.
    torrent: Option<Torrent<P>>,
    exchange: Exchange,
    /// What super-seeding keeps back; `None` if we do not.
    disguise: Option<Disguise>,
    /// The disk refused: nothing is requested until it works again.
    trouble: Option<Trouble<P>>,
    /// Somebody could have been asked for more, had there been memory: how many blocks of it
    /// were taken then.
    starved_at: Option<usize>,
    /// Those who have asked for blocks that are not being read yet.
    waiting: Turns,
    /// The same of peers that are choked: see `fast`.
    waiting_choked: BTreeSet<ConnId>,
    upload: Throttle,
    /// Those who could be asked for more, had the rate not been used up.
    asking: Turns,
    download: Throttle,
    /// How many of the outstanding requests are counted against the limit, if there is one.
    counted_requests: usize,
    /// Bytes in memory on their way to peers.
    served_bytes: usize,
    /// What is decided once all input of a wake-up is in.
    needs_rechoke: bool,
    /// Who has become interested since: may be allowed something if there is no slot for it.
    newly_interested: Vec<ConnId>,
    needs_dialling: bool,
    /// Somebody may have passed on what it was shown.
    needs_showing: bool,
    last_dialling: Option<Instant>,
    /// When a peer that connected to us last found no room.
    turned_away_at: Option<Instant>,
    traffic: Option<Traffic>,
    wasted: Wasted,
    /// For finding out what limits the download.
    samples: Samples,

    actions: VecDeque<Action<P>>,
    events: VecDeque<Event>,
}

/// What exists once the metadata is known.
#[derive(Debug)]
struct Torrent<P> {
    layout: Arc<PieceLayout>,
    info: Arc<Info>,
    picker: Picker,
    assembly: Assembly<P>,
    suspects: Suspects,
    spread: Spread,
    /// What of use has come.
    progress: MeanRate,
    wanted: Wanted,
}

impl<P: Payload> Swarm<P> {
    /// A torrent of which only the ids are known; see [`handle_metadata`](Self::handle_metadata).
    ///
    /// `seed` decides everything that is left to chance.
    #[must_use]
    pub fn new(ids: TorrentIds, config: Config, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha12Rng::from_seed(seed);
        let fetch = || Fetch::new(ids, config.max_metadata_bytes);
        let fetch = config.exchange_metadata.then(fetch);
        Self {
            ids,
            grant: config.grant,
            now: None,
            is_stopped: false,
            peers: Peers::new(config.max_known_peers, config.redial_delay),
            dialler: Dialler::new(config.dial_timeout, config.evaluator),
            votes: AddressVotes::default(),
            sessions: ConnMap::new(),
            next_conn: 0,
            choker: Choker::new(
                sharing::upload_slots(&config.grant),
                config.evaluator,
                draw_seed(&mut rng),
            ),
            timers: Timers::default(),
            selection: Arc::default(),
            torrent: None,
            exchange: Exchange::new(fetch),
            disguise: None,
            trouble: None,
            starved_at: None,
            waiting: Turns::default(),
            waiting_choked: BTreeSet::new(),
            upload: Throttle::default(),
            asking: Turns::default(),
            download: Throttle::default(),
            counted_requests: 0,
            served_bytes: 0,
            needs_rechoke: false,
            newly_interested: Vec::new(),
            needs_dialling: false,
            needs_showing: false,
            last_dialling: None,
            turned_away_at: None,
            traffic: None,
            wasted: Wasted::default(),
            samples: Samples::default(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
            config,
            rng,
        }
    }

    /// Makes the torrent active: `info` says what there is, `have` what of it is on disk and good.
    ///
    /// Only the first call counts.
    ///
    /// # Panics
    /// If `have` speaks about another number of pieces than `info`.
    pub fn handle_metadata(&mut self, now: Instant, info: Arc<Info>, have: Bitfield) {
        self.advance(now);
        if self.torrent.is_some() {
            return;
        }
        let layout = Arc::clone(info.layout());
        let is_private = info.is_private();
        assert_eq!(
            have.len(),
            layout.piece_count(),
            "a bitfield of another torrent"
        );
        let seed = draw_seed(&mut self.rng);
        let mut picker = PickerConfig::default();
        picker.evaluator = self.config.evaluator;
        let wanted = Wanted::of(&self.selection, &layout, &have);
        let mut picker = Picker::new(Arc::clone(&layout), have, picker, seed);
        selecting::apply(&self.selection, &layout, now, &mut picker);
        self.torrent = Some(Torrent {
            layout,
            info,
            picker,
            assembly: Assembly::new(),
            suspects: Suspects::default(),
            spread: Spread::default(),
            progress: MeanRate::default(),
            wanted,
        });
        self.end_metadata_fetch(now, is_private);
        // What has kept the metadata from coming says nothing of what comes now.
        self.samples = Samples::default();
        self.begin_super_seeding();
        for conn in self.conns() {
            self.join_picker(now, conn);
            self.send_haves(conn);
            self.resolve_early_pieces(conn);
            self.part_if_both_upload_only(now, conn);
        }
        if self.is_upload_only() {
            self.tell_upload_only();
        }
        self.schedule_dialling();
    }

    /// A tracker says that it sees us at `address` (BEP 24): one vote, as that of a peer.
    pub fn handle_address_vote(&mut self, voter: IpAddr, address: IpAddr) {
        self.votes.add(voter, address);
    }

    /// Learns of peers, whatever told of them; returns how many were news.
    ///
    /// Impossible addresses, our own, banned ones, and in private torrents those of the wrong
    /// source (BEP 27) are passed over; the table is bounded.
    pub fn add_peers(
        &mut self,
        now: Instant,
        source: PeerSource,
        peers: impl IntoIterator<Item = SocketAddr>,
    ) -> usize {
        let peers = peers.into_iter().map(|peer| (peer, false));
        self.add_named(now, source, peers)
    }

    /// The same, of each also whether it is said to be a seed.
    fn add_named(
        &mut self,
        now: Instant,
        source: PeerSource,
        peers: impl IntoIterator<Item = (SocketAddr, bool)>,
    ) -> usize {
        self.advance(now);
        let peers = peers.into_iter();
        let news = peers.filter(|&(peer, is_seed)| {
            let known = &mut self.peers;
            known.add_named(now, source, canonical(peer), is_seed)
        });
        let news = news.count();
        if news > 0 {
            self.schedule_dialling();
        }
        news
    }

    /// Never to dial one of our own addresses.
    pub fn ignore_address(&mut self, addr: SocketAddr) {
        self.peers.add_own(canonical(addr));
    }

    /// What the driver sends first on every connection of this torrent.
    #[must_use]
    pub fn handshake(&self) -> Handshake {
        let reserved = Reserved::NONE.with_extended().with_fast();
        Handshake {
            reserved: match self.dht_port() {
                Some(_) => reserved.with_dht(),
                None => reserved,
            },
            swarm_id: self.ids.primary_swarm_id(),
            peer_id: self.config.peer_id,
        }
    }

    /// Parts from everybody and forgets all addresses: what BEP 27 asks of a private torrent when
    /// it goes over to another tracker.
    pub fn forget_peers(&mut self, now: Instant) {
        self.advance(now);
        for id in self.dialler.take_all() {
            self.actions.push_back(Action::AbortDial(id));
        }
        for conn in self.conns() {
            self.disconnect(now, conn, DisconnectReason::TrackerSwitched);
        }
        self.peers.clear();
    }

    /// Disconnects everybody, for good.
    pub fn stop(&mut self, now: Instant) {
        self.advance(now);
        self.is_stopped = true;
        self.timers.stop_all();
        self.give_up_writes();
        for id in self.dialler.take_all() {
            self.actions.push_back(Action::AbortDial(id));
        }
        for conn in self.conns() {
            self.disconnect(now, conn, DisconnectReason::Stopped);
        }
    }

    /// Does what is due; harmless when called early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.needs_dialling |= self.timers.take_expired(Timer::Dial, now);
        self.needs_rechoke |= self.timers.take_expired(Timer::Choke, now);
        if self.timers.take_expired(Timer::Upkeep, now) {
            self.upkeep(now);
        }
        if self.timers.take_expired(Timer::SuperSeed, now) {
            self.review_super_seeding(now);
        }
        if self.timers.take_expired(Timer::Gossip, now) {
            self.gossip(now);
        }
        if let Some(torrent) = &mut self.torrent {
            torrent.picker.handle_timeout(now);
        }
    }

    /// The next thing to do. Drain after all input of one wake-up has been handled: whom to dial,
    /// who may ask and what to request is decided here, once for all of it.
    pub fn poll_action(&mut self) -> Option<Action<P>> {
        if self.actions.is_empty() {
            self.settle();
        }
        self.actions.pop_front()
    }

    /// The next thing that became true.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_stopped {
            return None;
        }
        let torrent = self.torrent.as_ref();
        let deadlines = [
            self.timers.next(),
            torrent.and_then(|torrent| torrent.picker.poll_timeout()),
            self.upload.poll_timeout(),
            self.download.poll_timeout(),
            self.trouble.as_ref().and_then(Trouble::poll_timeout),
            self.exchange.poll_timeout(),
            self.next_metadata_serving_at(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The ids under which this torrent goes.
    #[must_use]
    pub fn ids(&self) -> TorrentIds {
        self.ids
    }

    /// The torrent's metadata, once known.
    #[must_use]
    pub fn info(&self) -> Option<&Arc<Info>> {
        self.torrent.as_ref().map(|torrent| &torrent.info)
    }

    /// The pieces that are on disk and good; `None` while the metadata is unknown.
    #[must_use]
    pub fn have(&self) -> Option<&Bitfield> {
        self.torrent.as_ref().map(|torrent| torrent.picker.have())
    }

    /// Whether everything that is [wanted](Self::set_selection) is on disk and good.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.torrent
            .as_ref()
            .is_some_and(|torrent| torrent.picker.is_complete())
    }

    /// Whether more addresses would help: nobody is left to dial, and there is room.
    #[must_use]
    pub fn wants_peers(&self) -> bool {
        let busy = self.sessions.len() + self.dialler.len();
        !self.is_stopped
            && !self.is_complete()
            && self.trouble.is_none()
            && busy < self.grant.max_peers.min(ENOUGH_PEERS)
            && self.peers.idle().all(|(_, peer)| peer.failures() > 0)
    }

    /// Asserts what must always hold. For tests and fuzzing.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        self.exchange.check_invariants();
        if let Some(torrent) = &self.torrent {
            torrent.picker.check_invariants();
            let wanted = Wanted::of(&self.selection, &torrent.layout, torrent.picker.have());
            assert_eq!(torrent.wanted, wanted);
            torrent.assembly.check_invariants();
            torrent.suspects.check_invariants();
            let reserved = torrent.picker.outstanding_total() * bt_types::BLOCK_LENGTH as usize;
            let served = self
                .sessions
                .values()
                .map(|session| session.uploads.memory_bytes());
            let expected = reserved + torrent.assembly.memory_bytes() + served.sum::<usize>();
            assert_eq!(self.memory_bytes(), expected);
        }
    }

    fn settle(&mut self) {
        let (Some(now), false) = (self.now, self.is_stopped) else {
            return;
        };
        if std::mem::take(&mut self.needs_dialling) {
            self.dial(now);
        }
        if std::mem::take(&mut self.needs_rechoke) {
            self.rechoke(now);
        }
        if std::mem::take(&mut self.needs_showing) {
            self.show_pieces(now);
        }
        self.try_disk_again(now);
        self.request_metadata(now);
        self.serve_metadata(now);
        self.allow_fast_to_newcomers();
        self.read_for_peers(now);
        self.fill_pipelines(now);
    }

    fn advance(&mut self, now: Instant) {
        debug_assert!(
            self.now.is_none_or(|last| last <= now),
            "time runs backwards"
        );
        self.now = Some(now);
        if self.traffic.is_none() {
            self.traffic = Some(Traffic::new(now));
            self.set_limits(now, self.grant.rates);
        }
    }

    fn conns(&self) -> Vec<ConnId> {
        self.sessions.keys().copied().collect()
    }

    fn send(&mut self, conn: ConnId, message: Message) {
        if let (Some(session), Some(now)) = (self.sessions.get_mut(&conn), self.now) {
            session.last_sent = now;
            if self.upload.is_limited() {
                self.upload.count(now, wire_length(&message));
            }
            self.actions
                .push_back(Action::Send(conn, Outgoing::Message(message)));
        }
    }

    /// Keep-alives, and farewells to the silent.
    fn upkeep(&mut self, now: Instant) {
        for conn in self.conns() {
            let session = &self.sessions[&conn];
            if session.is_silent(now) {
                self.disconnect(now, conn, DisconnectReason::Silent);
            } else if session.is_not_reading(now) {
                self.disconnect(now, conn, DisconnectReason::NotReading);
            } else if session.keep_alive_due(now) {
                self.send(conn, Message::KeepAlive);
            }
        }
        // Somebody may have become useless, and somebody else wait for the place.
        self.needs_dialling |= self.sessions.len() >= self.grant.max_peers;
        if !self.sessions.is_empty() {
            self.timers.set(Timer::Upkeep, now + UPKEEP_INTERVAL);
        }
    }

    /// A number in 0..1 that spreads what would otherwise happen at once.
    fn jitter(&mut self) -> f64 {
        f64::from(self.rng.next_u32()) / f64::from(u32::MAX)
    }
}

fn draw_seed(rng: &mut ChaCha12Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    seed
}

/// How many bytes a message takes on the wire.
fn wire_length(message: &Message) -> u64 {
    let body = match message {
        Message::KeepAlive => return 4,
        Message::Have(_) | Message::Suggest(_) | Message::AllowedFast(_) => 4,
        Message::Request(_) | Message::Cancel(_) | Message::Reject(_) => 12,
        Message::Bitfield(bits) => bits.len(),
        Message::Extended { payload, .. } => 1 + payload.len(),
        // What is left is rare, or has no body.
        _ => 0,
    };
    5 + body as u64
}

/// How exactly keep-alives and silence are watched: both are counted in minutes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(10);
/// With this many peers the trackers need not be asked before their time.
const ENOUGH_PEERS: usize = 30;

#[cfg(test)]
mod tests;
