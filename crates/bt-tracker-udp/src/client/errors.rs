use std::net::SocketAddr;

use super::MAX_PENDING_REQUESTS;
use crate::wire::{DecodeError, MAX_SCRAPE};

/// Why a request was not accepted: too many are pending. Wait for an event and try again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{MAX_PENDING_REQUESTS} requests to this tracker are pending")]
pub struct Busy;

/// Why a scrape was not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScrapeError {
    /// Too many requests are pending.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// One request asks about 1 to [`MAX_SCRAPE`] swarms.
    #[error("scrape of {0} swarms, 1 to {MAX_SCRAPE} allowed")]
    Count(usize),
}

/// Why a datagram was ignored. The state is unchanged: count it, log it, carry on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DatagramError {
    /// It did not come from the tracker we are talking to.
    #[error("datagram from {from}, expected {expected}")]
    WrongSource {
        /// The sender.
        from: SocketAddr,
        /// The tracker.
        expected: SocketAddr,
    },
    /// It is no response.
    #[error("malformed tracker response")]
    Decode(#[from] DecodeError),
    /// It answers no request of ours: late, duplicated or forged.
    #[error("unsolicited tracker response")]
    Unsolicited,
}
