//! What limits a download: a pure function of what was seen in the last seconds.

use std::{
    collections::VecDeque,
    num::NonZeroU64,
    time::{Duration, Instant},
};

use bt_scheduler::Supply;

use crate::{Limit, MetadataProgress, Outside};

/// How things were at one moment, as far as they may limit a download.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    pub(crate) is_complete: bool,
    pub(crate) connected: usize,
    pub(crate) known: usize,
    pub(crate) unreachable: usize,
    pub(crate) dialling: usize,
    /// How far the info dictionary has come, while there is none.
    pub(crate) metadata: Option<MetadataProgress>,
    pub(crate) supply: Supply,
    /// What we may receive, if somebody could be asked for more and has to wait for it.
    pub(crate) held_back: Option<NonZeroU64>,
    /// Somebody could be asked for more, had there been memory.
    pub(crate) is_starved: bool,
    pub(crate) memory_bytes: usize,
    /// What the disk has been given and has not answered for.
    pub(crate) disk_bytes: usize,
    pub(crate) disk_refuses: bool,
    /// Payload received so far.
    pub(crate) downloaded: u64,
    /// Bytes verified and written so far.
    pub(crate) verified: u64,
    pub(crate) outside: Outside,
}

/// The samples of the last seconds; never more than [`MAX_SAMPLES`].
#[derive(Debug, Default)]
pub(crate) struct Samples(VecDeque<Sample>);

impl Samples {
    /// Adds one, of now; it takes the place of the one before it if that is nearly as new.
    pub(crate) fn push(&mut self, sample: Sample) {
        let is_new = |last: &Sample| sample.at.saturating_duration_since(last.at) < SPACING;
        if self.0.len() > 1 && self.0.iter().nth_back(1).is_some_and(is_new) {
            self.0.pop_back();
        }
        self.0.push_back(sample);
        let is_old = |first: &Sample| sample.at.saturating_duration_since(first.at) > WINDOW;
        while self.0.len() > MAX_SAMPLES || self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
    }

    /// What has limited the download; `None` if nothing has been seen.
    ///
    /// First what we do ourselves, since then more peers would not help; then why nothing comes
    /// from others. Each has to hold for most of the time.
    pub(crate) fn diagnose(&self) -> Option<Limit> {
        let last = self.0.back()?;
        if last.is_complete {
            return Some(Limit::Complete);
        }
        let connected = self.mean(|sample| sample.connected);
        if let Some(metadata) = last.metadata {
            return Some(match self.mostly(|sample| sample.connected == 0) {
                true => nobody(last),
                false => Limit::Metadata {
                    connected: last.connected,
                    having: metadata.peers,
                    bytes: metadata.bytes,
                    total: metadata.total,
                },
            });
        }
        let interesting = self.mean(|sample| sample.supply.interesting);
        let received_bytes_per_sec = self.rate(|sample| sample.downloaded);
        if self.mostly(|sample| sample.disk_refuses) {
            return Some(self.disk(true));
        }
        if self.waits_for_disk() {
            return Some(self.disk(false));
        }
        if self.mostly(|sample| sample.held_back.is_some()) {
            let limit = self.0.iter().rev().find_map(|sample| sample.held_back);
            return limit.map(|bytes_per_sec| Limit::OwnLimit {
                bytes_per_sec,
                received_bytes_per_sec,
            });
        }
        if self.mostly(|sample| sample.is_starved) {
            return Some(Limit::Memory {
                bytes: last.memory_bytes,
                received_bytes_per_sec,
            });
        }
        if self.mostly(|sample| sample.connected == 0) {
            return Some(nobody(last));
        }
        let has_nothing = self.mostly(|sample| sample.supply.interesting == 0);
        if !has_nothing && self.mostly(|sample| sample.supply.serving == 0) {
            return Some(Limit::AllChoked {
                connected,
                interesting,
            });
        }
        if has_nothing || interesting * FEW <= connected {
            return Some(Limit::RarePieces {
                connected,
                interesting,
                missing: last.supply.pieces_missing,
                nowhere: last.supply.pieces_nowhere,
                sole: last.supply.pieces_sole,
            });
        }
        Some(Limit::Peers {
            connected,
            serving: self.mean(|sample| sample.supply.serving),
            snubbed: self.mean(|sample| sample.supply.snubbed),
            received_bytes_per_sec,
        })
    }

    /// What the disk has holds up everything else: no memory is left because of it, or nothing is
    /// left to ask for.
    fn waits_for_disk(&self) -> bool {
        let has_much = |sample: &Sample| sample.disk_bytes >= sample.memory_bytes / DISK_SHARE;
        let has_rest = |sample: &Sample| sample.disk_bytes > 0 && sample.supply.pieces_missing == 0;
        self.mostly(|sample| (sample.is_starved && has_much(sample)) || has_rest(sample))
    }

    fn disk(&self, is_refusing: bool) -> Limit {
        let waiting_bytes = self.mean(|sample| sample.disk_bytes);
        let bytes_per_sec = self.rate(|sample| sample.verified);
        if !is_refusing && self.is_hashing() {
            return Limit::Hashing {
                waiting_bytes,
                hashed_bytes_per_sec: bytes_per_sec,
            };
        }
        Limit::Disk {
            waiting_bytes,
            written_bytes_per_sec: bytes_per_sec,
            is_refusing,
        }
    }

    /// Whether the threads that hash and write have spent most of their time with hashing.
    fn is_hashing(&self) -> bool {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else {
            return false;
        };
        let spent = last
            .outside
            .hash_time
            .saturating_sub(first.outside.hash_time);
        let threads = last.outside.disk_threads.max(1) as u32;
        let all = last.at.saturating_duration_since(first.at) * threads;
        !all.is_zero() && spent * 2 > all
    }

    fn mostly(&self, holds: impl Fn(&Sample) -> bool) -> bool {
        self.0.iter().filter(|sample| holds(sample)).count() * 2 > self.0.len()
    }

    /// Rounded to the nearest.
    fn mean(&self, figure: impl Fn(&Sample) -> usize) -> usize {
        let sum: usize = self.0.iter().map(figure).sum();
        (sum + self.0.len() / 2) / self.0.len().max(1)
    }

    /// By how much a count has grown, per second.
    fn rate(&self, count: impl Fn(&Sample) -> u64) -> u64 {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else {
            return 0;
        };
        let millis = last.at.saturating_duration_since(first.at).as_millis();
        let grown = count(last).saturating_sub(count(first));
        (u128::from(grown) * 1000 / millis.max(1)) as u64
    }
}

/// Why there is nobody.
fn nobody(last: &Sample) -> Limit {
    let Sample {
        known,
        unreachable,
        dialling,
        outside,
        ..
    } = *last;
    let is_hopeless = outside.trackers_working + outside.trackers_asked == 0;
    if outside.trackers_failing > 0 && is_hopeless && known == unreachable {
        return Limit::TrackersDown {
            failing: outside.trackers_failing,
            known,
        };
    }
    Limit::NoPeers {
        known,
        unreachable,
        dialling,
        dht_nodes: outside.dht_nodes,
    }
}

/// Long enough that what comes and goes within a round trip, or with a single piece, does not show.
const WINDOW: Duration = Duration::from_secs(5);
/// Samples are at least so far apart, but for the last.
const SPACING: Duration = Duration::from_millis(200);
const MAX_SAMPLES: usize = 32;
/// With a quarter of the memory at the disk, it is the disk that memory waits for: what peers are
/// asked for leaves with every round trip.
const DISK_SHARE: usize = 4;
/// If no more than one peer of four has anything for us, the others cannot make us faster.
const FEW: usize = 4;

#[cfg(test)]
mod tests;
