//! How good a peer is: one model, from which all decisions about peers follow.

mod evidence;
mod terms;

use std::time::Duration;

use bt_types::BLOCK_LENGTH;

pub use evidence::{Evidence, Tally};
pub use terms::{Term, Terms};

/// Judges peers by what is known of them.
///
/// The same function, [`evaluate`](Self::evaluate), decides whom to dial, from whom to part when
/// there is no room, how many requests to have outstanding, whom to unchoke, and whose requests are
/// given to others; see the [crate's page](crate#how-good-a-peer-is) for the formula.
///
/// ```
/// use std::time::Duration;
/// use bt_scheduler::{Evaluator, Evidence, Tally};
///
/// let evaluator = Evaluator::default();
/// let quick = Evidence { download_rate: Some(100_000), ..Evidence::default() };
/// let mut shaky = quick;
/// (0..4).for_each(|_| shaky.answers.add_bad());
/// let [quick, shaky] = [quick, shaky].map(|known| evaluator.evaluate(&known));
/// assert_eq!(quick.goodput(), 100_000);
/// assert_eq!(shaky.goodput(), 50_000, "it answers every other request");
/// assert!(quick.worth() > shaky.worth());
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Evaluator {
    /// What counts. All of it, but in a simulation that finds out what a term is good for.
    pub terms: Terms,
}

/// What is to be expected of a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Evaluation {
    goodput: u64,
    uptake: u64,
    latency: Duration,
    block_time: Option<Duration>,
    /// How likely it is to be there; in [`ONE`]s.
    reach: u64,
}

impl Evaluator {
    /// What the evidence about a peer lets us expect.
    #[must_use]
    pub fn evaluate(&self, evidence: &Evidence) -> Evaluation {
        let counts = |term| self.terms.contains(term);
        let share = |term, tally: Tally, benefit| match counts(term) {
            true => tally.share(benefit),
            false => ONE,
        };
        let known_rate = evidence
            .download_rate
            .filter(|_| counts(Term::DownloadRate));
        let known_time = evidence.block_time.filter(|_| counts(Term::DownloadRate));
        let reliability = share(Term::Answers, evidence.answers, BENEFIT_OF_ANSWERS)
            * share(Term::HashFailures, evidence.pieces, BENEFIT_OF_PIECES)
            / ONE;
        Evaluation {
            goodput: scaled(known_rate.unwrap_or(STRANGERS_RATE), reliability),
            uptake: match counts(Term::UploadRate) {
                true => evidence.upload_rate,
                false => 0,
            },
            latency: match counts(Term::Latency) {
                true => evidence.latency,
                false => Duration::ZERO,
            },
            block_time: known_time.map(|time| stretched(time, reliability)),
            reach: match counts(Term::Connections) {
                true => ONE >> evidence.failures.min(MOST_HALVINGS),
                false => ONE,
            },
        }
    }
}

impl Evaluation {
    /// Bytes per second that come of what it is asked for, and are right.
    #[must_use]
    pub fn goodput(&self) -> u64 {
        self.goodput
    }

    /// What its place among our connections is worth, in bytes per second: to be compared with
    /// what another's would be.
    ///
    /// What it takes counts half of what it gives: it is given on to others, and some of it comes
    /// back. A request that takes long to answer keeps its block from others and its memory from
    /// us, so that a peer that is 400 ms away counts half of one next door.
    #[must_use]
    pub fn worth(&self) -> u64 {
        let latency_ms = self.latency.as_millis() as u64;
        let near_ms = NEAR.as_millis() as u64;
        let given = self.goodput.saturating_mul(near_ms) / (near_ms + latency_ms);
        scaled(given.saturating_add(self.uptake / 2), self.reach)
    }

    /// How many bytes to have asked for, so that it never runs dry between our requests and sends
    /// for `queue_time` what it has been asked for in advance.
    #[must_use]
    pub fn bytes_ahead(&self, queue_time: Duration) -> u64 {
        let ahead_ms = (queue_time + self.latency).as_millis() as u64;
        self.goodput.saturating_mul(ahead_ms) / 1000
    }

    /// How long it takes for a right block while it has something to send, what it fails at
    /// included; `None` if it never sent one.
    #[must_use]
    pub fn block_time(&self) -> Option<Duration> {
        self.block_time
    }

    /// The time from a request to its block that is nobody's queue.
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.latency
    }
}

/// `amount` times `share`, which is in [`ONE`]s.
fn scaled(amount: u64, share: u64) -> u64 {
    match share {
        ONE => amount,
        _ => (u128::from(amount) * u128::from(share) / u128::from(ONE)) as u64,
    }
}

/// `time` divided by `share`, which is in [`ONE`]s.
fn stretched(time: Duration, share: u64) -> Duration {
    match share {
        ONE => time,
        _ => time.saturating_mul(ONE as u32) / share.max(1) as u32,
    }
}

/// Shares are in parts of this: whole numbers, so that a run on virtual time is the same on every
/// machine.
const ONE: u64 = 1024;
/// What a peer is taken to send that never sent anything: a block a second, as over a modem, so
/// that who is known to be better is preferred.
const STRANGERS_RATE: u64 = BLOCK_LENGTH as u64;
/// The time for which we ask in advance: who is so far away needs twice the requests for as much.
const NEAR: Duration = Duration::from_millis(400);
/// Answers that everybody is taken to have given: a lost request now and then is forgiven.
const BENEFIT_OF_ANSWERS: u32 = 4;
/// Right pieces that everybody is taken to have had part in. Few: a wrong one costs all of its
/// bytes, and who was in it by chance soon has part in right ones.
const BENEFIT_OF_PIECES: u32 = 1;
/// With each attempt that comes to nothing it is half as likely that the next will not, however
/// good the peer once was; but nobody is given up.
const MOST_HALVINGS: u32 = 9;

#[cfg(test)]
mod tests;
