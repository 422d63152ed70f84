use std::time::Instant;

use bt_types::{AnnounceEvent, AnnounceRequest, SwarmId};

use super::RequestId;
use crate::wire::{ConnectionId, Response, TransactionId};

/// A request that has not ended.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: RequestId,
    pub(super) ask: Ask,
    /// Kept for all copies, so that a late answer to the first still counts.
    pub(super) transaction_id: TransactionId,
    /// With which connection id the last copy was sent; `None` before the first.
    pub(super) sent_with: Option<ConnectionId>,
    /// What the next copy waits for, before it leaves or is due again.
    pub(super) awaits: Option<Awaited>,
    /// Whether the tracker disowned our connection id once already.
    pub(super) reconnected: bool,
    /// Timeouts so far, those of the connect that it waited for included: `n` of BEP 15. Always
    /// below `attempts`.
    pub(super) attempt: u32,
    pub(super) attempts: u32,
    pub(super) deadline: Instant,
}

impl Pending {
    /// Whether the tracker has it, and may be busy with it.
    pub(super) fn takes_room(&self) -> bool {
        self.sent_with.is_some() && !self.ask.is_goodbye()
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Awaited {
    Connection,
    /// That the tracker has answered others.
    Turn,
}

#[derive(Debug)]
pub(super) enum Ask {
    Announce(AnnounceRequest),
    Scrape(Box<[SwarmId]>),
}

impl Ask {
    pub(super) fn is_answered_by(&self, response: &Response) -> bool {
        match response {
            Response::Announce(_) | Response::EmptyAnnounce => matches!(self, Self::Announce(_)),
            Response::Scrape(_) => matches!(self, Self::Scrape(_)),
            Response::Error(_) => true,
            Response::Connect(_) => false,
        }
    }

    pub(super) fn is_goodbye(&self) -> bool {
        matches!(self, Self::Announce(request) if request.event == AnnounceEvent::Stopped)
    }

    pub(super) fn swarm_count(&self) -> usize {
        match self {
            Self::Announce(_) => 1,
            Self::Scrape(swarm_ids) => swarm_ids.len(),
        }
    }
}
