//! What one peer asks of our dictionary.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::draft::{block_count, length_of};

/// The requests of one peer: bounded, served at a pace, and only so often.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    queue: VecDeque<u32>,
    /// Blocks that it was sent.
    served: u32,
    refused: u32,
    /// When the next would go if they went evenly.
    due: Option<Instant>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// It will be served.
    Queued,
    /// There is no such block, it waits for too many others, or it has had enough.
    Refused,
    /// The same, and it has been told so often that it need not be told again.
    Flood(u32),
}

impl Serving {
    /// A request for a block of our dictionary, which has `size` bytes; 0 while we have none.
    pub(crate) fn ask(&mut self, size: u32, block: u32) -> Answer {
        let asked = u64::from(self.served) + self.queue.len() as u64;
        let budget = u64::from(block_count(size)) * TIMES + SPARE;
        if length_of(size, block).is_some() && self.queue.len() < MAX_QUEUED && asked < budget {
            self.queue.push_back(block);
            return Answer::Queued;
        }
        self.refused += 1;
        match self.refused {
            refused if refused > MAX_REFUSED => Answer::Flood(refused),
            _ => Answer::Refused,
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// When the next block may go; `None` if none is asked for.
    pub(crate) fn next_at(&self, now: Instant) -> Option<Instant> {
        let due = self.due.unwrap_or(now);
        self.is_waiting().then(|| due.max(now))
    }

    /// The block that goes now.
    pub(crate) fn take(&mut self, now: Instant) -> Option<u32> {
        if self.next_at(now)? > now {
            return None;
        }
        // Whoever has not asked for a while may have a few at once.
        let burst = now.checked_sub(PACE * BURST).unwrap_or(now);
        let due = self.due.map_or(burst, |due| due.max(burst));
        self.due = Some(due + PACE);
        self.served += 1;
        self.queue.pop_front()
    }
}

/// libtorrent's bound. Some ask for everything at once (webtorrent).
const MAX_QUEUED: usize = 1024;
/// How often a peer may have the whole. Once is enough, if nothing goes wrong.
const TIMES: u64 = 4;
/// Blocks beyond that, so that small dictionaries can be asked for a few times more.
const SPARE: u64 = 16;
/// As many as of requests for pieces that cannot be had.
const MAX_REFUSED: u32 = 300;
/// Between blocks to one peer: 512 KiB a second.
const PACE: Duration = Duration::from_micros(31_250);
/// How many may go at once: 128 KiB.
const BURST: u32 = 8;
