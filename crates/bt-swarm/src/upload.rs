//! What one peer has asked us for, and how much of it is on its way.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bt_types::{BLOCK_LENGTH, Block};

/// The requests of one peer: bounded, in order, each answered exactly once.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    queue: VecDeque<Block>,
    /// Asked of the disk, or with the driver: what the peer takes in [`AHEAD`], which bounds the
    /// memory that it can make us hold.
    in_flight: Vec<InFlight>,
    /// How many may be in flight, if that is more than [`MIN_IN_FLIGHT`].
    window: usize,
    /// Since it was last told that nothing waits, a request has found no room.
    has_overflowed: bool,
    /// When the driver was last given a block, or had sent one.
    last_progress: Option<Instant>,
}

#[derive(Debug)]
struct InFlight {
    block: Block,
    state: Stage,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Reading,
    /// Cancelled or choked while the disk was reading: the bytes are to be thrown away.
    Withdrawn,
    /// With the driver.
    Sending,
    /// Cancelled while it was with the driver, which has been asked to take it back if nothing of
    /// it has left yet.
    Recalled,
}

/// What becomes of a request that its peer takes back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Cancelled {
    /// It will not be served.
    Dropped,
    /// The driver has the block, and may not have begun to send it.
    Recalled,
    /// There is none, or it has been taken back already.
    #[default]
    Unknown,
}

impl Stage {
    fn is_with_driver(self) -> bool {
        matches!(self, Self::Sending | Self::Recalled)
    }
}

impl Uploads {
    /// Returns whether the request is taken: not if too many wait, or the same block does.
    pub(crate) fn push(&mut self, block: Block) -> bool {
        let has_room = self.queue.len() < MAX_QUEUED_REQUESTS as usize;
        self.has_overflowed |= !has_room;
        let is_taken = has_room && !self.queue.contains(&block);
        if is_taken {
            self.queue.push_back(block);
        }
        is_taken
    }

    /// Whether [`next_read`](Self::next_read) has something.
    pub(crate) fn wants_read(&self) -> bool {
        !self.queue.is_empty() && self.in_flight.len() < self.window.max(MIN_IN_FLIGHT)
    }

    /// The next block to read from disk, if the peer has taken enough of the earlier ones.
    pub(crate) fn next_read(&mut self) -> Option<Block> {
        if !self.wants_read() {
            return None;
        }
        let block = self.queue.pop_front()?;
        self.in_flight.push(InFlight {
            block,
            state: Stage::Reading,
        });
        Some(block)
    }

    /// The disk has read `block`; returns whether it is still wanted.
    pub(crate) fn read_done(&mut self, now: Instant, block: Block) -> bool {
        let Some(index) = self.position(block, |stage| !stage.is_with_driver()) else {
            return false;
        };
        if self.in_flight[index].state == Stage::Withdrawn {
            self.in_flight.swap_remove(index);
            return false;
        }
        self.in_flight[index].state = Stage::Sending;
        self.last_progress = Some(now);
        true
    }

    /// The disk could not read `block`; returns whether the peer still waits for an answer.
    pub(crate) fn read_failed(&mut self, block: Block) -> bool {
        let Some(index) = self.position(block, |stage| !stage.is_with_driver()) else {
            return false;
        };
        self.in_flight.swap_remove(index).state == Stage::Reading
    }

    /// `block` has left for a peer that takes `rate` bytes per second; returns whether it was one
    /// of ours.
    pub(crate) fn sent(&mut self, now: Instant, block: Block, rate: u64) -> bool {
        let blocks_per_sec = rate / u64::from(BLOCK_LENGTH);
        let ahead = blocks_per_sec.saturating_mul(AHEAD.as_millis() as u64) / 1000;
        self.window = ahead.min(MAX_IN_FLIGHT as u64) as usize;
        self.last_progress = Some(now);
        self.take_from_driver(block)
    }

    /// The driver has thrown `block` away unsent; returns whether it was one of ours.
    pub(crate) fn taken_back(&mut self, block: Block) -> bool {
        self.take_from_driver(block)
    }

    /// The peer no longer wants `block`.
    pub(crate) fn cancel(&mut self, block: Block) -> Cancelled {
        if let Some(index) = self.queue.iter().position(|&queued| queued == block) {
            self.queue.remove(index);
            return Cancelled::Dropped;
        }
        if let Some(index) = self.position(block, |stage| stage == Stage::Reading) {
            self.in_flight[index].state = Stage::Withdrawn;
            return Cancelled::Dropped;
        }
        if let Some(index) = self.position(block, |stage| stage == Stage::Sending) {
            self.in_flight[index].state = Stage::Recalled;
            return Cancelled::Recalled;
        }
        Cancelled::Unknown
    }

    /// Drops the requests for which `is_over`, and returns them so that each can be rejected
    /// (BEP 6). What the driver has is on its way, and no longer one of them.
    pub(crate) fn drop_where(&mut self, mut is_over: impl FnMut(Block) -> bool) -> Vec<Block> {
        self.has_overflowed = false;
        let mut dropped = Vec::new();
        self.queue.retain(|&block| {
            let is_kept = !is_over(block);
            if !is_kept {
                dropped.push(block);
            }
            is_kept
        });
        let reading = self.in_flight.iter_mut();
        for job in reading.filter(|job| job.state == Stage::Reading) {
            if is_over(job.block) {
                job.state = Stage::Withdrawn;
                dropped.push(job.block);
            }
        }
        dropped
    }

    /// Once, when all that was taken is answered: whether there were requests that found no room.
    pub(crate) fn take_overflow(&mut self) -> bool {
        self.is_idle() && std::mem::take(&mut self.has_overflowed)
    }

    /// Since when the peer has not taken what is being sent to it; `None` if nothing is.
    pub(crate) fn stuck_since(&self) -> Option<Instant> {
        let is_sending = self.in_flight.iter().any(|job| job.state.is_with_driver());
        self.last_progress.filter(|_| is_sending)
    }

    /// Bytes that reads and sends for this peer hold in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.in_flight
            .iter()
            .map(|job| job.block.length as usize)
            .sum()
    }

    /// When something was last on its way, or would have been if the peer had asked; `None` if
    /// nothing ever was.
    pub(crate) fn last_progress(&self) -> Option<Instant> {
        self.last_progress
    }

    /// Whether nothing has been asked that is not answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    fn take_from_driver(&mut self, block: Block) -> bool {
        let index = self.position(block, Stage::is_with_driver);
        let taken = index.map(|index| self.in_flight.swap_remove(index));
        taken.is_some()
    }

    fn position(&self, block: Block, is_wanted: impl Fn(Stage) -> bool) -> Option<usize> {
        self.in_flight
            .iter()
            .position(|job| job.block == block && is_wanted(job.state))
    }
}

/// What we tell peers as `reqq` (BEP 10): libtorrent and Transmission allow 500 and more.
pub(crate) const TOLD_REQQ: u32 = 500;
/// What we take, as libtorrent does: not everybody heeds what it is told.
pub(crate) const MAX_QUEUED_REQUESTS: u32 = 2000;
/// How much of what a peer takes is between disk and network. What is there can not be taken back
/// when the peer cancels or we choke it, and delays whatever else we send over a slow line, to this
/// peer and to all others: our requests, and the news of our pieces (libtorrent: half a second).
const AHEAD: Duration = Duration::from_millis(250);
/// One that the disk reads, one that waits, one that is being written.
const MIN_IN_FLIGHT: usize = 3;
/// 1 MiB: what a socket takes at a time on fast lines.
const MAX_IN_FLIGHT: usize = 64;

#[cfg(test)]
mod tests {
    use bt_types::PieceIndex;

    use super::*;

    #[test]
    fn a_request_is_answered_once_whatever_happens_on_the_way() {
        let mut uploads = Uploads::default();
        assert!(uploads.push(block(0)) && !uploads.push(block(0)));
        assert_eq!(uploads.next_read(), Some(block(0)));
        assert_eq!(uploads.cancel(block(0)), Cancelled::Dropped);
        assert_eq!(uploads.cancel(block(0)), Cancelled::Unknown);
        assert!(
            !uploads.read_done(now(), block(0)),
            "withdrawn while being read"
        );
        assert!(!uploads.sent(now(), block(0), 0));
        assert_eq!(uploads.memory_bytes(), 0);
    }

    #[test]
    fn a_block_with_the_driver_is_recalled_once_and_ends_either_way() {
        for is_sent in [true, false] {
            let mut uploads = Uploads::default();
            uploads.push(block(0));
            uploads.next_read();
            assert!(uploads.read_done(now(), block(0)));
            assert_eq!(uploads.cancel(block(0)), Cancelled::Recalled);
            assert_eq!(uploads.cancel(block(0)), Cancelled::Unknown);
            assert_eq!(uploads.drop_where(|_| true), []);
            assert_eq!(uploads.memory_bytes(), 16_384, "until we know");
            assert!(match is_sent {
                true => uploads.sent(now(), block(0), 0),
                false => uploads.taken_back(block(0)),
            });
            assert!(!uploads.sent(now(), block(0), 0) && !uploads.taken_back(block(0)));
            assert!(uploads.is_idle());
        }
    }

    #[test]
    fn queue_and_memory_are_bounded() {
        let mut uploads = Uploads::default();
        let taken = (0..5000).filter(|&n| uploads.push(block(n))).count();
        assert_eq!(taken, MAX_QUEUED_REQUESTS as usize);
        let reads = std::iter::from_fn(|| uploads.next_read()).count();
        assert_eq!(reads, MIN_IN_FLIGHT);
        uploads.sent(now(), block(0), u64::MAX);
        let reads = std::iter::from_fn(|| uploads.next_read()).count();
        assert_eq!(reads, MAX_IN_FLIGHT - MIN_IN_FLIGHT);
        assert_eq!(uploads.memory_bytes(), MAX_IN_FLIGHT * 16_384);
        assert_eq!(
            uploads.drop_where(|_| true).len(),
            taken,
            "choking answers for all of them"
        );
    }

    fn now() -> Instant {
        crate::testing::epoch()
    }

    fn block(slot: u32) -> Block {
        Block {
            piece: PieceIndex::new(0),
            begin: slot * 16_384,
            length: 16_384,
        }
    }
}
