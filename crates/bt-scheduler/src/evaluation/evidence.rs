use std::time::Duration;

use super::ONE;

/// What is known of a peer: measured while it is connected, remembered afterwards.
///
/// The default is a stranger.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Evidence {
    /// What it sends us in bytes per second, over the time that the decision is about: the last
    /// seconds for requests, the whole connection for its place. `None` if it could not show it.
    pub download_rate: Option<u64>,
    /// How long it takes for a block while it has something to send; `None` if it never sent one.
    /// Not the inverse of the rate, which also falls when we ask for little.
    pub block_time: Option<Duration>,
    /// What we send it in bytes per second, over the same time.
    pub upload_rate: u64,
    /// From a request to its block, without any queue.
    pub latency: Duration,
    /// Requests that it has answered with a block, and that it has rejected or left unanswered.
    pub answers: Tally,
    /// Pieces that it had part in, and that have passed their hash or failed it.
    pub pieces: Tally,
    /// Payload that it took from us in all, in bytes, while there was something that we lacked:
    /// later nobody can give us anything.
    pub taken: u64,
    /// Payload that it gave us in all, in bytes.
    pub given: u64,
    /// Dials and connections that came to nothing since the last that did not.
    pub failures: u32,
}

/// How often something went well, and how often not. The last hundred times count, and the
/// further back the less.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    good: u8,
    bad: u8,
}

impl Tally {
    /// It went well once more.
    pub fn add_good(&mut self) {
        self.make_room();
        self.good += 1;
    }

    /// It did not.
    pub fn add_bad(&mut self) {
        self.make_room();
        self.bad += 1;
    }

    /// What was taken to have gone wrong once had not.
    pub fn take_back_bad(&mut self) {
        self.bad = self.bad.saturating_sub(1);
    }

    /// Whether it ever went wrong, as far as is remembered.
    #[must_use]
    pub fn is_clean(self) -> bool {
        self.bad == 0
    }

    /// The share of the good, in [`ONE`]s, were there `benefit` more of them: who is new has the
    /// benefit of the doubt.
    pub(super) fn share(self, benefit: u32) -> u64 {
        let good = u64::from(u32::from(self.good) + benefit);
        good * ONE / (good + u64::from(self.bad))
    }

    fn make_room(&mut self) {
        if u32::from(self.good) + u32::from(self.bad) >= REMEMBERED {
            self.good /= 2;
            self.bad /= 2;
        }
    }
}

/// Enough to tell one in fifty, few enough that a peer can mend its ways.
const REMEMBERED: u32 = 100;
