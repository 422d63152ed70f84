use std::{collections::VecDeque, time::Instant};

use bt_types::AnnounceResponse;

use crate::{
    Announce, AnnounceFailure, AnnounceId, Config, Event, Family, Progress, Retry, Schedule,
    TooManyTrackers, TrackerState, TrackerStatus,
};

/// The announces of one torrent from a machine that has IPv4 and IPv6: each family has a
/// [`Schedule`] of its own, and is driven as one.
///
/// With one family, and for a private torrent, which uses one tracker at a time (BEP 27), it is a
/// single schedule whose announces leave the family to the driver.
///
/// ```
/// use bt_tracker::{Config, DualStack, Family, Identity};
/// # use bt_types::{PeerId, SwarmId};
/// # let identity = Identity { swarm_id: SwarmId([7; 20]), peer_id: PeerId([0; 20]), key: 1, port: 2 };
/// # #[expect(clippy::disallowed_methods)]
/// let now = std::time::Instant::now();
/// let tiers = vec![vec!["http://t.example/announce".to_owned()]];
/// let families = [Family::V4, Family::V6];
/// let mut announces = DualStack::new(&tiers, &Config::new(identity), &families, [7; 32]);
/// announces.start(now);
/// let both: Vec<_> = std::iter::from_fn(|| announces.poll_announce(now)).collect();
/// assert_eq!(both.iter().filter_map(|it| it.family).collect::<Vec<_>>(), families);
/// ```
#[derive(Debug)]
pub struct DualStack {
    /// One, or one for each family.
    lanes: Vec<Lane>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
struct Lane {
    family: Option<Family>,
    schedule: Schedule,
    has_stopped: bool,
}

impl DualStack {
    /// As [`Schedule::new`]; both families try the trackers of a tier in the same order.
    #[must_use]
    pub fn new(
        tiers: &[Vec<String>],
        config: &Config,
        families: &[Family],
        seed: [u8; 32],
    ) -> Self {
        let is_dual = families.contains(&Family::V4) && families.contains(&Family::V6);
        let lanes: &[Option<Family>] = if is_dual && !config.is_private {
            &[Some(Family::V4), Some(Family::V6)]
        } else {
            &[None]
        };
        let lane = |family: &Option<Family>| Lane {
            family: *family,
            schedule: Schedule::new(tiers.to_vec(), config.clone(), seed),
            has_stopped: false,
        };
        let mut this = Self {
            lanes: lanes.iter().map(lane).collect(),
            events: VecDeque::new(),
        };
        this.gather_all();
        this
    }

    /// As [`Schedule::start`].
    pub fn start(&mut self, now: Instant) {
        // Who had stopped already begins anew, and has to stop anew.
        self.lanes.iter_mut().for_each(|it| it.has_stopped = false);
        self.for_all(|schedule| schedule.start(now));
    }

    /// As [`Schedule::completed`].
    pub fn completed(&mut self, now: Instant) {
        self.for_all(|schedule| schedule.completed(now));
    }

    /// As [`Schedule::stop`]; [`Event::Stopped`] comes when both families are done.
    pub fn stop(&mut self, now: Instant) {
        self.for_all(|schedule| schedule.stop(now));
    }

    /// As [`Schedule::set_progress`].
    pub fn set_progress(&mut self, progress: Progress) {
        self.for_all(|schedule| schedule.set_progress(progress));
    }

    /// As [`Schedule::want_peers`].
    pub fn want_peers(&mut self, now: Instant) {
        self.for_all(|schedule| schedule.want_peers(now));
    }

    /// As [`Schedule::add_tracker`].
    ///
    /// # Errors
    /// As there.
    pub fn add_tracker(&mut self, now: Instant, url: &str) -> Result<(), TooManyTrackers> {
        let mut result = Ok(());
        // They hold the same trackers, so it fits into both or into none.
        self.for_all(|schedule| result = schedule.add_tracker(now, url));
        result
    }

    /// As [`Schedule::handle_outcome`]. That a tracker has no address of a family is kept in mind,
    /// and is no event.
    pub fn handle_outcome(
        &mut self,
        now: Instant,
        id: AnnounceId,
        outcome: Result<AnnounceResponse, AnnounceFailure>,
    ) {
        let is_silent = matches!(&outcome, Err(failure) if failure.retry == Retry::NoAddress);
        let (lane, inner) = self.inner(id);
        if let Some(found) = self.lanes.get_mut(lane) {
            found.schedule.handle_outcome(now, inner, outcome);
            self.gather(lane, is_silent && self.lanes.len() > 1);
        }
    }

    /// As [`Schedule::handle_waiting`].
    pub fn handle_waiting(&mut self, id: AnnounceId) {
        let (lane, inner) = self.inner(id);
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.schedule.handle_waiting(inner);
        }
    }

    /// As [`Schedule::handle_begun`].
    pub fn handle_begun(&mut self, now: Instant, id: AnnounceId) {
        let (lane, inner) = self.inner(id);
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.schedule.handle_begun(now, inner);
        }
    }

    /// As [`Schedule::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.for_all(|schedule| schedule.handle_timeout(now));
    }

    /// As [`Schedule::poll_announce`]; says over which family.
    pub fn poll_announce(&mut self, now: Instant) -> Option<Announce> {
        let count = self.lanes.len() as u64;
        let mut lanes = (0..).zip(&mut self.lanes);
        lanes.find_map(
            |(
                lane,
                Lane {
                    family, schedule, ..
                },
            )| {
                let announce = schedule.poll_announce(now)?;
                Some(Announce {
                    id: outer(announce.id, lane, count),
                    family: *family,
                    ..announce
                })
            },
        )
    }

    /// As [`Schedule::poll_event`].
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// As [`Schedule::poll_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let lanes = self.lanes.iter();
        lanes.filter_map(|lane| lane.schedule.poll_timeout()).min()
    }

    /// The trackers as they stand, both families taken together: one that answers over either
    /// works, and its peers are those of both.
    #[must_use]
    pub fn trackers(&self) -> Vec<TrackerStatus> {
        let mut lanes = self.lanes.iter().map(|lane| lane.schedule.trackers());
        let mut all = lanes.next().unwrap_or_default();
        for other in lanes.flatten() {
            if let Some(status) = all.iter_mut().find(|status| status.url == other.url) {
                merge(status, other);
            }
        }
        all
    }

    /// For tests and fuzzing: checks what must hold between any two calls.
    ///
    /// # Panics
    /// If it does not hold, which is a fault of this crate.
    pub fn check_invariants(&self) {
        for lane in &self.lanes {
            lane.schedule.check_invariants();
        }
        assert!(!self.lanes.iter().all(|lane| lane.has_stopped), "not told");
    }

    /// Of which family's schedule an announce is, and how that calls it.
    fn inner(&self, id: AnnounceId) -> (usize, AnnounceId) {
        let count = self.lanes.len() as u64;
        ((id.0 % count) as usize, AnnounceId(id.0 / count))
    }

    fn for_all(&mut self, mut f: impl FnMut(&mut Schedule)) {
        for lane in &mut self.lanes {
            f(&mut lane.schedule);
        }
        self.gather_all();
    }

    fn gather_all(&mut self) {
        for lane in 0..self.lanes.len() {
            self.gather(lane, false);
        }
    }

    /// Takes over what a schedule has to tell, in terms of all of them.
    fn gather(&mut self, lane: usize, skips_failures: bool) {
        let count = self.lanes.len() as u64;
        while let Some(event) = self.lanes[lane].schedule.poll_event() {
            match event {
                Event::Stopped => {
                    self.lanes[lane].has_stopped = true;
                    if self.lanes.iter().all(|lane| lane.has_stopped) {
                        self.lanes.iter_mut().for_each(|it| it.has_stopped = false);
                        self.events.push_back(Event::Stopped);
                    }
                }
                Event::Abandoned { id } => {
                    let id = outer(id, lane as u64, count);
                    self.events.push_back(Event::Abandoned { id });
                }
                // Of the driver, not of a family.
                Event::Unsupported { .. } if lane > 0 => {}
                Event::Failed { .. } if skips_failures => {}
                event => self.events.push_back(event),
            }
        }
    }
}

/// The converse of [`DualStack::inner`].
fn outer(id: AnnounceId, lane: u64, count: u64) -> AnnounceId {
    AnnounceId(id.0 * count + lane)
}

fn merge(status: &mut TrackerStatus, other: TrackerStatus) {
    let peers = status.peers + other.peers;
    let sooner = |a: Option<Instant>, b: Option<Instant>| a.into_iter().chain(b).min();
    let next_announce = sooner(status.next_announce, other.next_announce);
    let (seeders, leechers) = (
        status.seeders.max(other.seeders),
        status.leechers.max(other.leechers),
    );
    if rank(other.state) > rank(status.state) {
        *status = other;
    }
    status.peers = peers;
    status.next_announce = next_announce;
    status.seeders = seeders;
    status.leechers = leechers;
}

/// How well a tracker does; the better state counts.
fn rank(state: TrackerState) -> u8 {
    match state {
        TrackerState::Working => 5,
        TrackerState::Announcing => 4,
        TrackerState::Idle => 3,
        TrackerState::Failing => 2,
        TrackerState::GivenUp => 1,
        TrackerState::Unsupported => 0,
    }
}

#[cfg(test)]
mod tests;
