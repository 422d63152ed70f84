//! One peer: what it has, what it is asked for, and how it answers.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bt_types::{Bitfield, Block, ConnId, PieceIndex};

use crate::{PickerConfig, pipeline::Pipeline};

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) conn: ConnId,
    pub(crate) pieces: Bitfield,
    /// Of `pieces`, those that we want.
    pub(crate) wanted: u32,
    /// Of `wanted`, those that are not begun.
    pub(crate) listed: u32,
    pub(crate) is_choking: bool,
    pub(crate) reqq: u32,
    /// The partial piece from which it takes its next blocks.
    pub(crate) current: Option<u32>,
    pub(crate) requests: Requests,
    pub(crate) pipeline: Pipeline,
    /// When it last sent a block that it was asked for.
    pub(crate) last_block: Instant,
    /// Time-outs in a row; not 0 means snubbed.
    pub(crate) snubs: u32,
    /// Rounds of rejected requests in a row.
    pub(crate) rejects: u32,
    /// Nothing new is looked for before its end.
    pub(crate) pause: Option<Pause>,
    /// Pieces of which it rejected blocks although it does not choke us; bounded.
    refused: VecDeque<PieceIndex>,
    /// When these are asked of it again: its reason may have passed, and it may be the only one
    /// that has them. Set while there are any.
    forgiven_at: Option<Instant>,
    /// Pieces that we may ask for while it chokes us (BEP 6); bounded.
    pub(crate) allowed: Vec<PieceIndex>,
    /// Pieces that it would like to be asked for, the latest last; bounded.
    suggested: VecDeque<PieceIndex>,
    /// It is in the queue of those that may have room for requests.
    pub(crate) is_ready: bool,
}

/// Why and until when nothing new is looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pause {
    /// The peer rejects requests, or does not answer: to ask at once would only repeat that.
    Unwilling(Instant),
    /// Everything is asked of others who are not slow enough to be relieved.
    NothingFree(Instant),
}

/// The requests of one peer in the three stages of their life.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// We count on the answer. In the order in which they were made.
    pub(crate) live: VecDeque<Request>,
    /// Overdue, given to others, or asked of a peer that is silent anyway: the answer may come, and
    /// its memory is reserved.
    pub(crate) late: Vec<Request>,
    /// Cancelled, or dropped with a choke: an answer may be under way, but nobody waits for it.
    /// The latest few, so that it is not taken for a block that was never asked for.
    given_up: VecDeque<Block>,
    /// Live requests answered since the last was given up.
    answered_since: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) block: Block,
    pub(crate) sent_at: Instant,
    /// The peer has answered a later one: it will hardly come back to this.
    is_skipped: bool,
    /// Somebody else was asked already.
    pub(crate) is_duplicate: bool,
    /// Asked while the peer choked us, which has not unchoked us since.
    is_favour: bool,
    /// It was held against the peer that it did not answer.
    is_missed: bool,
}

/// A request that its peer has answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taken {
    Live(Request),
    Late(Request),
    GivenUp,
}

/// What a peer's clock says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Overdue {
    /// The oldest request alone: later ones have been answered.
    Oldest,
    /// All of them: the peer is silent.
    All,
}

impl Peer {
    pub(crate) fn new(
        now: Instant,
        conn: ConnId,
        reqq: u32,
        pieces: Bitfield,
        config: &PickerConfig,
    ) -> Self {
        Self {
            conn,
            pieces,
            wanted: 0,
            listed: 0,
            is_choking: true,
            reqq,
            current: None,
            requests: Requests::default(),
            pipeline: Pipeline::new(now, config),
            last_block: now,
            snubs: 0,
            rejects: 0,
            pause: None,
            refused: VecDeque::new(),
            forgiven_at: None,
            allowed: Vec::new(),
            suggested: VecDeque::new(),
            is_ready: false,
        }
    }

    pub(crate) fn is_snubbed(&self) -> bool {
        self.snubs > 0
    }

    pub(crate) fn depth(&self, config: &PickerConfig) -> usize {
        self.pipeline.depth(self.reqq, config)
    }

    /// How many more requests it should have. Late ones count: the peer still owes them, and they
    /// hold memory.
    pub(crate) fn room(&self, config: &PickerConfig) -> usize {
        let depth = self.depth(config);
        let depth = match self.is_choking {
            true => depth.min(CHOKED_DEPTH),
            false => depth,
        };
        depth.saturating_sub(self.requests.outstanding())
    }

    /// Whether it could be asked for something, if there is something.
    pub(crate) fn is_idle(&self, config: &PickerConfig) -> bool {
        let answers = !self.is_choking || !self.allowed.is_empty();
        answers && self.wanted > 0 && self.room(config) > 0
    }

    /// Remembers that `piece` may be asked for while it chokes us; returns whether that is news.
    pub(crate) fn allow(&mut self, piece: PieceIndex) -> bool {
        let is_news = self.allowed.len() < MAX_ALLOWED && !self.allowed.contains(&piece);
        if is_news {
            self.allowed.push(piece);
        }
        is_news
    }

    /// Whether it has promised to answer for `piece` although it chokes us.
    pub(crate) fn allows(&self, piece: PieceIndex) -> bool {
        self.allowed.contains(&piece)
    }

    pub(crate) fn suggest(&mut self, piece: PieceIndex) {
        self.suggested.retain(|&suggested| suggested != piece);
        if self.suggested.len() == MAX_SUGGESTED {
            self.suggested.pop_front();
        }
        self.suggested.push_back(piece);
    }

    /// Takes out the latest suggestion that `is_good`.
    pub(crate) fn take_suggestion(
        &mut self,
        is_good: impl Fn(&Self, PieceIndex) -> bool,
    ) -> Option<PieceIndex> {
        let good = |&piece: &PieceIndex| is_good(self, piece);
        let index = self.suggested.iter().rposition(good)?;
        self.suggested.remove(index)
    }

    /// Whether it has shown of late that it does not serve us.
    pub(crate) fn is_unwilling(&self, now: Instant) -> bool {
        matches!(self.pause, Some(Pause::Unwilling(end)) if now < end)
    }

    /// Whether it would need no more than `time` for `bytes`, at the rate at which it last sent.
    pub(crate) fn can_send(&self, bytes: u32, time: Duration) -> bool {
        let rate = self.pipeline.rate_bytes_per_sec(self.last_block);
        u128::from(rate) * time.as_millis() >= u128::from(bytes) * 1000
    }

    /// Whether a block of `piece` may be asked of it, if it is not asked for it already.
    pub(crate) fn offers(&self, piece: PieceIndex) -> bool {
        self.pieces.get(piece) && !self.refused.contains(&piece)
    }

    pub(crate) fn refuse(&mut self, now: Instant, piece: PieceIndex) {
        self.forgiven_at.get_or_insert(now + REFUSAL_LIFETIME);
        if self.refused.contains(&piece) {
            return;
        }
        if self.refused.len() == MAX_REFUSED {
            self.refused.pop_front();
        }
        self.refused.push_back(piece);
    }

    /// Forgets what it rejected, if that was long enough ago; returns whether it did.
    pub(crate) fn forgive_old_refusals(&mut self, now: Instant) -> bool {
        let is_over = self.forgiven_at.take_if(|end| *end <= now).is_some();
        if is_over {
            self.refused.clear();
        }
        is_over
    }

    pub(crate) fn forgive_refusals(&mut self) {
        self.refused.clear();
        self.forgiven_at = None;
        self.rejects = 0;
        self.pause = None;
    }

    /// When its oldest request becomes overdue; `None` if it is asked for nothing.
    pub(crate) fn deadline(&self, config: &PickerConfig) -> Option<Instant> {
        let oldest = self.requests.live.front()?;
        let timeout = self.patience(config);
        // Whoever answers one block after the other is not late with the last of a long queue.
        let since = if oldest.is_skipped {
            oldest.sent_at
        } else {
            oldest.sent_at.max(self.last_block)
        };
        Some(since + timeout)
    }

    /// Whether all that it is asked for is what it allows although it chokes us.
    pub(crate) fn owes_only_favours(&self) -> bool {
        let mut live = self.requests.live.iter();
        self.is_choking && live.all(|request| self.allows(request.block.piece))
    }

    /// How long it may be silent. A favour takes its time, however quick it has been otherwise.
    fn patience(&self, config: &PickerConfig) -> Duration {
        let timeout = self.pipeline.round_trip().timeout(self.snubs, config);
        match self.owes_only_favours() {
            true => timeout.max(config.first_timeout),
            false => timeout,
        }
    }

    /// Which requests are overdue at `now`.
    pub(crate) fn overdue(&self, now: Instant, config: &PickerConfig) -> Option<Overdue> {
        if self.deadline(config).is_none_or(|deadline| deadline > now) {
            return None;
        }
        let oldest = self.requests.live.front()?;
        let timeout = self.patience(config);
        let is_silent = oldest.sent_at.max(self.last_block) + timeout <= now;
        Some(if is_silent {
            Overdue::All
        } else {
            Overdue::Oldest
        })
    }

    /// The next time at which something about it changes by itself.
    pub(crate) fn next_timeout(&self, config: &PickerConfig) -> Option<Instant> {
        let late = self
            .requests
            .late
            .iter()
            .map(|request| request.sent_at)
            .min();
        let forgotten = late.map(|sent_at| sent_at + config.late_lifetime);
        let resumed = self.pause.map(Pause::end);
        [self.deadline(config), forgotten, resumed, self.forgiven_at]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Pause {
    pub(crate) fn end(self) -> Instant {
        match self {
            Self::Unwilling(end) | Self::NothingFree(end) => end,
        }
    }
}

impl Requests {
    /// How many may still be answered.
    pub(crate) fn outstanding(&self) -> usize {
        self.live.len() + self.late.len()
    }

    /// Adds a request on whose answer we count.
    pub(crate) fn push(&mut self, now: Instant, block: Block, is_duplicate: bool) {
        let request = self.new_request(now, block, is_duplicate);
        self.live.push_back(request);
    }

    /// Adds a request whose answer would be a surprise.
    pub(crate) fn push_late(&mut self, now: Instant, block: Block) {
        let request = self.new_request(now, block, false);
        self.late.push(request);
    }

    fn new_request(&mut self, now: Instant, block: Block, is_duplicate: bool) -> Request {
        self.given_up.retain(|&given_up| given_up != block);
        Request {
            block,
            sent_at: now,
            is_skipped: false,
            is_duplicate,
            is_favour: false,
            is_missed: false,
        }
    }

    /// The latest request was made although the peer chokes us.
    pub(crate) fn note_favour(&mut self) {
        if let Some(request) = self.live.back_mut() {
            request.is_favour = true;
        }
    }

    /// The peer has unchoked us: what it was asked for as a favour it can only now be expected to
    /// hurry with. Once for each, lest a peer that chokes and unchokes us keep blocks from others.
    pub(crate) fn restart_favours(&mut self, now: Instant) {
        for request in &mut self.live {
            if std::mem::take(&mut request.is_favour) {
                request.sent_at = now;
            }
        }
    }

    /// Whether `block` may still come.
    pub(crate) fn contains(&self, block: Block) -> bool {
        self.live_index(block).is_some() || self.late_index(block).is_some()
    }

    pub(crate) fn duplicates(&self) -> usize {
        self.live
            .iter()
            .filter(|request| request.is_duplicate)
            .count()
    }

    /// Takes out the request for `block`, as it was answered; remembers which were passed over.
    pub(crate) fn take_answered(&mut self, block: Block) -> Option<Taken> {
        let Some(index) = self.live_index(block) else {
            return self.take(block);
        };
        for skipped in self.live.iter_mut().take(index) {
            skipped.is_skipped = true;
        }
        let request = self.live.remove(index)?;
        if !self.given_up.is_empty() {
            self.answered_since += 1;
            if self.answered_since > MAX_GIVEN_UP {
                // A whole pipeline that was asked later has been answered: these will not be.
                self.given_up.clear();
            }
        }
        Some(Taken::Live(request))
    }

    /// Takes out the request for `block`.
    pub(crate) fn take(&mut self, block: Block) -> Option<Taken> {
        if let Some(index) = self.live_index(block) {
            return self.live.remove(index).map(Taken::Live);
        }
        if let Some(index) = self.late_index(block) {
            return Some(Taken::Late(self.late.swap_remove(index)));
        }
        self.take_given_up(block).then_some(Taken::GivenUp)
    }

    /// Forgets that `block` was given up; returns whether it was.
    pub(crate) fn take_given_up(&mut self, block: Block) -> bool {
        let mut given_up = self.given_up.iter();
        let index = given_up.position(|&given_up| given_up == block);
        index
            .and_then(|index| self.given_up.remove(index))
            .is_some()
    }

    /// How many requests the peer has left unanswered since this was last asked.
    pub(crate) fn newly_missed(&mut self) -> usize {
        let late = self.late.iter_mut();
        let missed = late.map(|request| !std::mem::replace(&mut request.is_missed, true));
        missed.filter(|is_news| *is_news).count()
    }

    /// Nothing of what is late is held against the peer.
    pub(crate) fn excuse_late(&mut self) {
        self.newly_missed();
    }

    /// The live request at `index` is no longer counted on.
    pub(crate) fn set_late(&mut self, index: usize) -> Option<Block> {
        let request = self.live.remove(index)?;
        self.late.push(request);
        Some(request.block)
    }

    /// Remembers a request that is over on our side.
    pub(crate) fn give_up(&mut self, block: Block) {
        self.answered_since = 0;
        if self.given_up.len() == MAX_GIVEN_UP {
            self.given_up.pop_front();
        }
        self.given_up.push_back(block);
    }

    fn live_index(&self, block: Block) -> Option<usize> {
        self.live.iter().position(|request| request.block == block)
    }

    fn late_index(&self, block: Block) -> Option<usize> {
        self.late.iter().position(|request| request.block == block)
    }
}

/// As many as a pipeline may hold and be dropped at once.
const MAX_GIVEN_UP: usize = 512;
/// Long enough that asking again costs nothing, short enough to be waited for.
const REFUSAL_LIFETIME: Duration = Duration::from_secs(30);
/// What a peer that chokes us is asked for at a time of what it allows: it answers when nobody
/// else needs its line, and what waits there is not asked of others.
const CHOKED_DEPTH: usize = 4;
/// BEP 6 has sets of ten; libtorrent allows every piece of a torrent that has no more than its set.
const MAX_ALLOWED: usize = 32;
/// Hints grow old.
const MAX_SUGGESTED: usize = 8;
/// More refused pieces than that, and the pauses after each rejection bound the cost.
const MAX_REFUSED: usize = 16;
