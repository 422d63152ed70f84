use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_types::{AnnounceEvent, AnnounceRequest, AnnounceResponse};

/// An announce for the driver to carry out, whatever its URL's scheme asks for.
///
/// Hand the outcome to [`Schedule::handle_outcome`](crate::Schedule::handle_outcome). An announce
/// may be attempted several times, but not beyond `deadline`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Announce {
    /// Names it in the outcome.
    pub id: AnnounceId,
    /// The tracker.
    pub url: Arc<str>,
    /// What to tell it.
    pub request: AnnounceRequest,
    /// Over which family of addresses; `None` leaves it to the driver.
    pub family: Option<Family>,
    /// What it gave us to be sent back, if it did.
    pub tracker_id: Option<Arc<[u8]>>,
    /// When it counts as failed: an outcome that comes later is ignored. It moves for one that
    /// [waits in line](crate::Schedule::handle_waiting).
    pub deadline: Instant,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Names one announce of one [`Schedule`](crate::Schedule) or
/// [`DualStack`](crate::DualStack).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AnnounceId(pub(crate) u64);

/// Why an announce failed: the tracker refused, or could not be reached.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct AnnounceFailure {
    /// For the user; fit to be shown. The first 1024 bytes are kept.
    pub message: String,
    /// What the tracker said about trying again.
    pub retry: Retry,
}

/// What a tracker that refuses says about trying again (BEP 31).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Retry {
    /// Nothing: we wait longer each time.
    #[default]
    Unspecified,
    /// Not before this has passed; at most a day is honoured.
    After(Duration),
    /// There is no address of the family that was to be used: no fault of the tracker's. We look
    /// again after an hour.
    NoAddress,
    /// Never. [`Schedule::add_tracker`](crate::Schedule::add_tracker) overrides it.
    Never,
}

/// What the application learns.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A tracker answered. The peers are untrusted, and at most 1000.
    Answered {
        /// The tracker.
        url: Arc<str>,
        /// What we told it.
        event: AnnounceEvent,
        /// What it said.
        response: AnnounceResponse,
    },
    /// A tracker refused or did not answer.
    Failed {
        /// The tracker.
        url: Arc<str>,
        /// Why.
        message: String,
        /// When it will be tried again, at the earliest; `None` for never.
        retry_at: Option<Instant>,
    },
    /// The driver cannot serve this URL. Said once; it is never announced to.
    Unsupported {
        /// The tracker.
        url: Arc<str>,
    },
    /// The outcome of this announce is no longer wanted: drop what is under way.
    Abandoned {
        /// Which announce.
        id: AnnounceId,
    },
    /// Another tracker than before answered for a private torrent. All peers must go, as they were
    /// the other tracker's (BEP 27).
    Switched {
        /// The tracker that answered.
        url: Arc<str>,
    },
    /// After [`Schedule::stop`](crate::Schedule::stop): all that can be said has been said.
    Stopped,
}

/// What a tracker is told of the transfer. The client counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Payload bytes sent since the start.
    pub uploaded: u64,
    /// Payload bytes received since the start.
    pub downloaded: u64,
    /// Bytes that are lacking. 0 means: we seed.
    pub left: u64,
}

impl Progress {
    /// Nothing done, and the size not known yet, as for a magnet link. A size is claimed all the
    /// same, since 0 would mean that we seed; libtorrent claims the same.
    pub const UNKNOWN: Self = Self {
        uploaded: 0,
        downloaded: 0,
        left: 16 * 1024,
    };
}

/// A tracker as it stands, for display.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrackerStatus {
    /// Its URL. May hold a passkey.
    pub url: Arc<str>,
    /// Its tier, the first being 0.
    pub tier: u32,
    /// How it is doing.
    pub state: TrackerState,
    /// Its last words: a warning or the reason of a failure.
    pub message: Option<String>,
    /// When it will be announced to, as things stand; `None` while it is, or while there is a
    /// better one.
    pub next_announce: Option<Instant>,
    /// Failures since the last answer.
    pub failures: u32,
    /// Seeders, by its last answer.
    pub seeders: Option<u32>,
    /// Leechers, by its last answer.
    pub leechers: Option<u32>,
    /// How many peers its last answer named.
    pub peers: usize,
}

/// How a tracker is doing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum TrackerState {
    /// The driver cannot serve its URL.
    Unsupported,
    /// Not announced to so far, or not since the last start.
    Idle,
    /// Being announced to.
    Announcing,
    /// It answered the last announce.
    Working,
    /// It did not.
    Failing,
    /// It said that it never wants to hear of us again.
    GivenUp,
}
