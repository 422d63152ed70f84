//! The composition: which block from which peer.

mod hints;
mod invariants;
mod outcomes;
mod priorities;
mod requesting;
mod supply;
mod timeouts;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_types::{Bitfield, Block, ConnId, ConnIndex, PieceIndex, PieceLayout};
use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng};

pub use supply::Supply;

use crate::{
    Evidence, PickerConfig,
    availability::{Availability, Stage},
    partial::Partials,
    peer::{Peer, Requests},
};

/// Decides which block of one torrent is asked of which peer. Performs no I/O, reads no clock.
///
/// Tell it what becomes true of peers and blocks; after each such call drain
/// [`poll_cancel`](Self::poll_cancel) and [`poll_ready`](Self::poll_ready), [`pick`](Self::pick)
/// for each peer that is ready, and arm one timer from [`poll_timeout`](Self::poll_timeout).
/// `now` must not run backwards. The same calls with the same seed give the same decisions.
///
/// A [`ConnId`] that is not known is ignored, so that late messages about a closed connection are
/// harmless. A [`PieceIndex`] must be one of the layout's.
#[derive(Debug)]
pub struct Picker {
    layout: Arc<PieceLayout>,
    config: PickerConfig,
    rng: ChaCha12Rng,
    have: Bitfield,
    bytes_left: u64,
    availability: Availability,
    /// Pieces of one priority are begun in their order.
    is_in_order: bool,
    partials: Partials,
    /// Sorted by connection.
    peers: Vec<Peer>,
    /// Where each of `peers` is: every message looks one up.
    places: ConnIndex,
    /// Of `peers`, those that do not choke us.
    unchoked: usize,
    /// Requests in all peers' tables.
    outstanding: usize,
    cancels: VecDeque<(ConnId, Block)>,
    /// Peers that may have room for requests; each at most once.
    ready: VecDeque<ConnId>,
    /// Not after the first of the peers' timers.
    next_timeout: Option<Instant>,
    /// What a stranger has.
    nothing: Bitfield,
}

/// What became of a block that has arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Received {
    /// We asked for it and need it.
    Accepted {
        /// It was the last of its piece, which now awaits
        /// [`piece_verified`](Picker::piece_verified) or [`piece_failed`](Picker::piece_failed).
        piece_complete: bool,
    },
    /// We asked for it, but somebody was faster, or we gave it up: its bytes are of no use, and
    /// the peer is not to blame.
    Duplicate,
    /// We never asked this peer for it, or it has answered before.
    Unrequested,
}

/// What a peer does with our requests when it chokes us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnChoke {
    /// It forgets them all (BEP 3).
    Dropped,
    /// It rejects each of them (BEP 6, "Reject Request"), or still answers.
    AwaitRejects,
}

/// What is known of a peer as a source of blocks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct PeerStats {
    /// Payload that it was asked for, smoothed.
    pub download_rate_bytes_per_sec: u64,
    /// Requests that it may still answer.
    pub outstanding: usize,
    /// Of these, overdue or reassigned ones.
    pub late: usize,
    /// How many requests it should have outstanding.
    pub target_depth: usize,
    /// Whether the target still grows with each block.
    pub is_slow_start: bool,
    /// It has not answered in time, and nothing came since.
    pub is_snubbed: bool,
    /// From request to block, smoothed; the time that requests wait in the peer's queue included.
    pub round_trip: Option<Duration>,
    /// The mean deviation of `round_trip`.
    pub round_trip_deviation: Option<Duration>,
    /// How long it may be silent before it counts as snubbed.
    pub request_timeout: Duration,
}

impl Picker {
    /// A torrent of which we have verified `have`, without peers.
    ///
    /// # Panics
    /// If `have` is of another number of pieces than `layout`.
    #[must_use]
    pub fn new(
        layout: Arc<PieceLayout>,
        have: Bitfield,
        config: PickerConfig,
        seed: [u8; 32],
    ) -> Self {
        let piece_count = layout.piece_count();
        assert_eq!(have.len(), piece_count, "pieces of another torrent");
        let had = have
            .iter_ones()
            .map(|piece| u64::from(layout.data_length_of(piece)));
        let bytes_left = layout.data_length() - had.sum::<u64>();
        let has_padding = may_have_padding(&layout);
        let has_data = |piece| !has_padding || layout.data_length_of(piece) > 0;
        let is_wanted = |piece| !have.get(piece) && has_data(piece);
        let availability = Availability::new(piece_count, is_wanted);
        Self {
            config,
            rng: ChaCha12Rng::from_seed(seed),
            bytes_left,
            availability,
            is_in_order: false,
            partials: Partials::default(),
            peers: Vec::new(),
            places: ConnIndex::new(),
            unchoked: 0,
            outstanding: 0,
            cancels: VecDeque::new(),
            ready: VecDeque::new(),
            next_timeout: None,
            nothing: Bitfield::new(0),
            have,
            layout,
        }
    }

    /// The pieces that are verified.
    #[must_use]
    pub fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Whether nothing is left to be downloaded: what is wanted is verified. A piece of which all is
    /// padding can not be, and does not count.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.availability.listed_count() == 0 && self.partials.len() == 0
    }

    /// Bytes of files in pieces that are not verified, wanted or not; padding is not counted.
    #[must_use]
    pub fn bytes_left(&self) -> u64 {
        self.bytes_left
    }

    /// Pieces that have been begun and are not verified.
    #[must_use]
    pub fn partial_pieces(&self) -> usize {
        self.partials.len()
    }

    /// How many connected peers have `piece`.
    #[must_use]
    pub fn availability(&self, piece: PieceIndex) -> usize {
        usize::from(self.availability.of(piece))
    }

    /// A peer has connected. It chokes us, and has no pieces.
    ///
    /// `reqq`: how many requests it lets us have outstanding (BEP 10); 250 is assumed of peers that
    /// do not say. A connection that is known already stays as it is.
    pub fn add_peer(&mut self, now: Instant, conn: ConnId, reqq: u32) {
        let pieces = Bitfield::new(self.layout.piece_count());
        if let Ok(at) = self.places.insert(conn) {
            debug_assert!(
                self.peers.len() < MAX_PEERS,
                "more peers than can be counted"
            );
            let peer = Peer::new(now, conn, reqq, pieces, &self.config);
            self.peers.insert(at, peer);
        }
    }

    /// The peer is known from an earlier connection: how reliable it was then counts for as long
    /// as nothing newer does.
    pub fn remember(&mut self, now: Instant, conn: ConnId, known: &Evidence) {
        if let Some(at) = self.find(conn) {
            self.peers[at].pipeline.remember(now, known, &self.config);
        }
    }

    /// A piece that the peer had part in has passed its hash, or not.
    pub fn judge_part(&mut self, now: Instant, conn: ConnId, is_good: bool) {
        if let Some(at) = self.find(conn) {
            self.peers[at].pipeline.judged(now, is_good, &self.config);
        }
    }

    /// What the peer sent of a piece that failed has turned out to be right: takes back one
    /// [`judge_part`](Self::judge_part) against it.
    pub fn clear_part(&mut self, now: Instant, conn: ConnId) {
        if let Some(at) = self.find(conn) {
            self.peers[at].pipeline.cleared(now, &self.config);
        }
    }

    /// What is known of the peer as a source, by what it did of late; a stranger for a connection
    /// that is not known.
    #[must_use]
    pub fn evidence(&self, now: Instant, conn: ConnId) -> Evidence {
        let at = self.find(conn);
        at.map_or_else(Evidence::default, |at| {
            self.peers[at].pipeline.evidence(now)
        })
    }

    /// The peer has said how many requests it lets us have outstanding (BEP 10, `reqq`).
    pub fn set_reqq(&mut self, conn: ConnId, reqq: u32) {
        if let Some(at) = self.find(conn) {
            self.peers[at].reqq = reqq;
            self.set_ready(at);
        }
    }

    /// The connection is closed: its requests go back.
    pub fn remove_peer(&mut self, now: Instant, conn: ConnId) {
        let Some(at) = self.find(conn) else {
            return;
        };
        self.unreserve(at, |_, _| true);
        let was_holding = self.drop_requests(at);
        self.set_current(at, None);
        let peer = self.peers.remove(at);
        self.places.remove(conn);
        self.unchoked -= usize::from(!peer.is_choking);
        self.availability.subtract(&peer.pieces);
        self.cancels.retain(|&(cancelled, _)| cancelled != conn);
        self.ready.retain(|&ready| ready != conn);
        if was_holding {
            self.blocks_are_free(now);
        }
    }

    /// The peer has said `have`; returns whether that was news.
    pub fn peer_has(&mut self, conn: ConnId, piece: PieceIndex) -> bool {
        let Some(at) = self.find(conn) else {
            return false;
        };
        if !self.peers[at].pieces.insert(piece) {
            return false;
        }
        self.availability.increase(piece);
        let stage = self.availability.stage(piece);
        let peer = &mut self.peers[at];
        peer.listed += u32::from(stage == Stage::Listed);
        if stage != Stage::Done {
            peer.wanted += 1;
            self.resume(at);
        }
        true
    }

    /// The peer has said all that it has (`bitfield`, `have all`, `have none`).
    ///
    /// # Panics
    /// If `pieces` is of another number of pieces than the torrent.
    pub fn set_peer_pieces(&mut self, conn: ConnId, pieces: Bitfield) {
        assert_eq!(
            pieces.len(),
            self.layout.piece_count(),
            "pieces of another torrent"
        );
        let Some(at) = self.find(conn) else {
            return;
        };
        self.availability.subtract(&self.peers[at].pieces);
        self.availability.add(&pieces);
        let lost = std::mem::replace(&mut self.peers[at].pieces, pieces);
        self.recount(at);
        if lost.count_ones() > 0 {
            self.release_lost(at);
        }
        self.resume(at);
    }

    /// The peer no longer has `piece` (BEP 54, `lt_donthave`).
    pub fn peer_lost(&mut self, conn: ConnId, piece: PieceIndex) {
        let Some(at) = self.find(conn) else {
            return;
        };
        if !self.peers[at].pieces.remove(piece) {
            return;
        }
        self.availability.decrease(piece);
        let stage = self.availability.stage(piece);
        let peer = &mut self.peers[at];
        peer.listed -= u32::from(stage == Stage::Listed);
        peer.wanted -= u32::from(stage != Stage::Done);
        self.release_lost(at);
    }

    /// What the peer has; an empty set of no pieces for a connection that is not known.
    #[must_use]
    pub fn peer_pieces(&self, conn: ConnId) -> &Bitfield {
        self.find(conn)
            .map_or(&self.nothing, |at| &self.peers[at].pieces)
    }

    /// Whether the peer has a piece that we want: whether to tell it that we are interested.
    #[must_use]
    pub fn is_interesting(&self, conn: ConnId) -> bool {
        self.find(conn).is_some_and(|at| self.peers[at].wanted > 0)
    }

    /// The peer answers requests from now on.
    pub fn unchoked(&mut self, now: Instant, conn: ConnId) {
        let Some(at) = self.find(conn) else {
            return;
        };
        if !std::mem::replace(&mut self.peers[at].is_choking, false) {
            return;
        }
        self.unchoked += 1;
        // What it owed from before the choke was neither answered nor rejected: it is forgotten.
        // What it allows all the same it still owes.
        let peer = &mut self.peers[at];
        let owed = peer.requests.late.iter().map(|request| request.block);
        let forgotten: Vec<_> = owed.filter(|block| !peer.allows(block.piece)).collect();
        peer.requests.restart_favours(now);
        for block in forgotten {
            self.cancel(at, block);
        }
        let peer = &mut self.peers[at];
        peer.forgive_refusals();
        peer.pipeline.restart(now);
        self.arm(at); // A favour had more time.
        self.resume(at);
    }

    /// The peer does not answer requests any more, and does with those outstanding what
    /// `outstanding` says. They are free for others at once.
    pub fn choked(&mut self, now: Instant, conn: ConnId, outstanding: OnChoke) {
        let Some(at) = self.find(conn) else {
            return;
        };
        if !std::mem::replace(&mut self.peers[at].is_choking, true) {
            self.unchoked -= 1;
        }
        self.set_current(at, None);
        self.unreserve(at, |_, _| true);
        let released = match outstanding {
            OnChoke::Dropped => self.drop_requests(at),
            // What has left already still comes, for the rest there are rejects within a round
            // trip: whoever asks elsewhere at once gets the former twice. A peer that sends
            // neither runs into its time-out.
            OnChoke::AwaitRejects => false,
        };
        self.arm(at);
        if released {
            self.blocks_are_free(now);
        }
        self.set_ready(at); // for what it allows all the same
    }

    /// How many requests the peer may still answer: memory is reserved for each.
    ///
    /// A request ends when its block arrives, by a reject, a choke that drops it, the end of the
    /// connection, or [`poll_cancel`](Self::poll_cancel).
    #[must_use]
    pub fn outstanding(&self, conn: ConnId) -> usize {
        let requests = self.find(conn).map(|at| &self.peers[at].requests);
        requests.map_or(0, Requests::outstanding)
    }

    /// [`outstanding`](Self::outstanding) of all peers together.
    #[must_use]
    pub fn outstanding_total(&self) -> usize {
        self.outstanding
    }

    /// What is known of the peer as a source of blocks; all zero for a connection not known.
    #[must_use]
    pub fn peer_stats(&self, now: Instant, conn: ConnId) -> PeerStats {
        let Some(at) = self.find(conn) else {
            return PeerStats::default();
        };
        let peer = &self.peers[at];
        let round_trip = peer.pipeline.round_trip();
        PeerStats {
            download_rate_bytes_per_sec: peer.pipeline.rate_bytes_per_sec(now),
            outstanding: peer.requests.outstanding(),
            late: peer.requests.late.len(),
            target_depth: peer.depth(&self.config),
            is_slow_start: peer.pipeline.is_slow_start(),
            is_snubbed: peer.is_snubbed(),
            round_trip: round_trip.mean(),
            round_trip_deviation: round_trip.deviation(),
            request_timeout: round_trip.timeout(peer.snubs, &self.config),
        }
    }

    fn find(&self, conn: ConnId) -> Option<usize> {
        self.places.find(conn)
    }

    /// Makes the partial piece `id` the one from which the peer takes its next blocks.
    fn set_current(&mut self, at: usize, id: Option<u32>) {
        let former = std::mem::replace(&mut self.peers[at].current, id);
        if former != id {
            former
                .into_iter()
                .for_each(|former| self.partials.remove_worker(former));
            id.into_iter().for_each(|id| self.partials.add_worker(id));
        }
    }

    /// The partial piece to which `block` belongs, if its piece is in progress.
    fn partial_of(&self, block: Block) -> Option<u32> {
        match self.availability.stage(block.piece) {
            Stage::Partial(id) => Some(id),
            Stage::Listed | Stage::Done => None,
        }
    }
}

/// Whether a piece may hold padding; cheap, and `false` for nearly all torrents of v1.
fn may_have_padding(layout: &PieceLayout) -> bool {
    let last = PieceIndex::new(layout.piece_count() - 1);
    let before = u64::from(last.get()) * u64::from(layout.nominal_piece_length());
    before + u64::from(layout.piece_length(last)) != layout.data_length()
}

/// Availability is counted in 16 bits.
const MAX_PEERS: usize = u16::MAX as usize;

#[cfg(test)]
mod tests;
