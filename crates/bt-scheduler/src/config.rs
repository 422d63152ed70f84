use std::time::Duration;

use crate::Evaluator;

/// How a [`Picker`](crate::Picker) behaves; the defaults are those that users get.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PickerConfig {
    /// Until we have this many pieces, new ones are chosen at random: the first should come soon,
    /// so that there is something to give; the rarest comes slowly (libtorrent:
    /// `initial_picker_threshold`).
    pub random_first: u32,
    /// Requests outstanding with one peer, at most (libtorrent: `max_out_request_queue`).
    pub max_pipeline: u32,
    /// How much a peer is asked for in advance beyond what its latency needs, in time at its rate.
    /// Shorter leaves links idle that stall for a moment, longer holds memory, keeps blocks from
    /// others who have nothing else to give, and makes the end of a download wait for slow peers.
    pub queue_time: Duration,
    /// A peer that needs less for a whole piece has pieces for itself; slower ones share
    /// (libtorrent: `whole_pieces_threshold`).
    pub whole_piece_time: Duration,
    /// Peers asked for the same block at once in the end-game, at most.
    pub max_askers: u8,
    /// Requests for blocks that others are asked for too, that one peer may have outstanding in
    /// the end-game.
    pub max_duplicates: usize,
    /// In the end-game, a block is asked for twice only if the one who is asked already needs at
    /// least this long for it, and twice as long as the other.
    pub duplicate_after: Duration,
    /// How long a peer that never sent a block may take for the first.
    pub first_timeout: Duration,
    /// The least time that a request is given.
    pub min_timeout: Duration,
    /// The most time that a request is given.
    pub max_timeout: Duration,
    /// A block is taken over from a slower peer only if that needs at least this long for it: a
    /// taken-over block mostly comes twice, and where all links are full, upload that is wasted on
    /// the second is what everybody lacks.
    pub take_over_after: Duration,
    /// An overdue request is forgotten altogether when it is this old, and its memory freed.
    pub late_lifetime: Duration,
    /// How peers are judged: how much is asked of each, and whose requests are given to others.
    pub evaluator: Evaluator,
}

impl Default for PickerConfig {
    fn default() -> Self {
        Self {
            random_first: 4,
            max_pipeline: 500,
            queue_time: Duration::from_millis(400),
            whole_piece_time: Duration::from_secs(20),
            max_askers: 2,
            max_duplicates: 2,
            duplicate_after: Duration::from_millis(2000),
            first_timeout: Duration::from_secs(10),
            min_timeout: Duration::from_secs(2),
            max_timeout: Duration::from_secs(60),
            take_over_after: Duration::from_secs(10),
            late_lifetime: Duration::from_secs(120),
            evaluator: Evaluator::default(),
        }
    }
}
