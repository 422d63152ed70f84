//! A peer that says to have the dictionary: what it was asked for, and whether it answers.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

#[derive(Debug)]
pub(super) struct Source {
    pub(super) addr: SocketAddr,
    /// Bytes of the dictionary, by its own word.
    pub(super) size: u32,
    /// The block that it has been asked for, and when. Never two, unless the first is overdue: rtorrent
    /// 0.9 does not read again from who asks for another before it has sent the first.
    request: Option<(u32, Instant)>,
    /// Nothing of this is expected any more, but it may still be on its way until then.
    owed: Option<(u32, Instant)>,
    /// Those that it did not send in time, and may send yet.
    late: VecDeque<u32>,
    not_before: Instant,
    /// Requests in a row that came to nothing.
    failures: u32,
}

/// What a peer's answer is an answer to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    Yes,
    /// It was, but so long ago that others are asked.
    Late,
    No,
}

impl Source {
    pub(super) fn new(now: Instant, addr: SocketAddr, size: u32) -> Self {
        Self {
            addr,
            size,
            request: None,
            owed: None,
            late: VecDeque::new(),
            not_before: now,
            failures: 0,
        }
    }

    /// Whether it may be asked for another block.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        let is_owed = self.owed.is_some_and(|(_, until)| until > now);
        self.request.is_none() && !is_owed && self.not_before <= now
    }

    /// Whether it answers, as far as is known.
    pub(super) fn answers(&self) -> bool {
        self.failures < MAX_FAILURES
    }

    /// Requests in a row that came to nothing.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// The block that it has been asked for, and when.
    pub(super) fn request(&self) -> Option<(u32, Instant)> {
        self.request
    }

    pub(super) fn ask(&mut self, now: Instant, block: u32) {
        self.request = Some((block, now));
    }

    /// It has answered.
    pub(super) fn answered(&mut self, block: u32) -> Asked {
        if self.request.is_some_and(|(asked, _)| asked == block) {
            self.request = None;
            Asked::Yes
        } else if let Some(at) = self.late.iter().position(|asked| *asked == block) {
            self.late.remove(at);
            self.owed.take_if(|(owed, _)| *owed == block);
            Asked::Late
        } else {
            Asked::No
        }
    }

    /// It has sent what it was asked for.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// It has refused what it was asked for.
    pub(super) fn rejected(&mut self, now: Instant) {
        self.fail(now, REJECT_DELAY);
    }

    /// Gives up what was asked too long ago; returns whether there was any of that.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let is_overdue = |asked: Instant| now.duration_since(asked) >= REQUEST_TIMEOUT;
        let is_late = self.request.is_some_and(|(_, asked)| is_overdue(asked));
        if is_late {
            self.give_up();
            self.fail(now, TIMEOUT_DELAY);
        }
        is_late
    }

    /// Expects nothing any more of what it was asked for.
    pub(super) fn give_up(&mut self) {
        let Some((block, asked)) = self.request.take() else {
            return;
        };
        self.owed = Some((block, asked + REQUEST_TIMEOUT));
        self.late.push_back(block);
        if self.late.len() > MAX_LATE {
            self.late.pop_front();
        }
    }

    /// It does not come up to what it was asked for.
    pub(super) fn fail(&mut self, now: Instant, delay: Duration) {
        let doublings = self.failures.min(MAX_DOUBLINGS);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + (delay * 2_u32.pow(doublings)).min(MAX_DELAY);
    }

    /// When something changes about it by itself, after `now`.
    pub(super) fn next_change(&self, now: Instant) -> Option<Instant> {
        let asked = self.request.map(|(_, asked)| asked);
        let overdue = asked.map(|asked| asked + REQUEST_TIMEOUT);
        let again = asked.map(|asked| asked + ASK_AGAIN).filter(|at| *at > now);
        let owed = self.owed.map(|(_, until)| until).filter(|at| *at > now);
        let ready = Some(self.not_before).filter(|at| *at > now);
        [overdue, again, owed, ready].into_iter().flatten().min()
    }
}

/// A block takes less at 2 KB/s.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Then another peer may be asked for the same block, if nothing else is left to ask for.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(3);
/// After a time-out; doubles.
pub(super) const TIMEOUT_DELAY: Duration = Duration::from_secs(20);
/// After a reject; doubles. As libtorrent: whoever has not got it yet may have it by then.
const REJECT_DELAY: Duration = Duration::from_secs(60);
/// Nobody is given up for good.
const MAX_DELAY: Duration = Duration::from_secs(60 * 60);
/// Enough for any delay to reach the maximum.
const MAX_DOUBLINGS: u32 = 12;
/// Who fails this often in a row has no voice any more.
const MAX_FAILURES: u32 = 3;
/// Time-outs of several rounds.
const MAX_LATE: usize = 16;
