//! An announce schedule under any outcomes: one at a time, events in order and once, and it stops.
//! The same over two families of addresses, whose schedules are driven as one.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arbitrary::{Arbitrary, Unstructured};
use bt_tracker::{
    Announce, AnnounceFailure, Config, DualStack, Event, Family, Identity, Progress, Reach, Retry,
};
use bt_types::{AnnounceEvent, AnnounceResponse, PeerId, SwarmId};

/// Decodes a torrent's tiers, and what trackers, user and clock do.
pub fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let mut world = World::new(&input);
    for op in input.ops.iter().take(MAX_OPS) {
        world.apply(op);
        world.settle();
    }
    world.schedule.stop(world.now);
    world.settle();
    for _ in input.families() {
        if let Some(at) = world.schedule.poll_timeout() {
            world.now = world.now.max(at);
            world.schedule.handle_timeout(world.now);
            world.settle();
        }
    }
    assert_eq!(
        world.schedule.poll_timeout(),
        None,
        "stopping takes one timeout of each family"
    );
    assert!(world.has_stopped && world.open.is_empty());
}

#[derive(Arbitrary)]
struct Input {
    is_private: bool,
    /// How many trackers are told; and over how many families, so that older seeds, of one, stay
    /// what they were.
    reach: u8,
    /// Tiers of trackers, by number.
    tiers: Vec<Vec<u8>>,
    ops: Vec<Op>,
}

impl Input {
    fn families(&self) -> &'static [Family] {
        match self.reach / 3 % 2 {
            0 => &[Family::V4],
            _ => &[Family::V4, Family::V6],
        }
    }
}

#[derive(Arbitrary)]
enum Op {
    Start {
        is_seed: bool,
    },
    Stop,
    Completed,
    WantPeers,
    Add(u8),
    Answer {
        open: u8,
        interval: u32,
        min_interval: Option<u32>,
    },
    Fail {
        open: u8,
        retry: Again,
    },
    Advance(u16),
    NextTimeout,
    Waits(u8),
    Begins(u8),
}

#[derive(Arbitrary)]
enum Again {
    Unspecified,
    /// The greatest number stands for a tracker that has no address of the family.
    After(u32),
    Never,
}

struct World {
    schedule: DualStack,
    now: Instant,
    open: Vec<Announce>,
    /// What each tracker has acknowledged over each family since the start.
    told: BTreeMap<Told, Vec<AnnounceEvent>>,
    is_running: bool,
    has_stopped: bool,
}

type Told = (Arc<str>, Option<Family>);

impl World {
    fn new(input: &Input) -> Self {
        let mut config = Config::new(Identity {
            swarm_id: SwarmId([1; 20]),
            peer_id: PeerId([2; 20]),
            key: 3,
            port: 6881,
        });
        config.is_private = input.is_private;
        config.reach = match input.reach % 3 {
            0 => Reach::OneTracker,
            1 => Reach::OneOfEachTier,
            _ => Reach::EveryTracker,
        };
        let tiers = input
            .tiers
            .iter()
            .map(|tier| tier.iter().map(|n| url(*n)).collect());
        let tiers: Vec<_> = tiers.collect();
        Self {
            schedule: DualStack::new(&tiers, &config, input.families(), [7; 32]),
            now: crate::epoch(),
            open: Vec::new(),
            told: BTreeMap::new(),
            is_running: false,
            has_stopped: false,
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Start { is_seed } => {
                if !self.is_running {
                    self.told.clear();
                    let left = u64::from(!is_seed);
                    self.schedule.set_progress(Progress {
                        left,
                        ..Progress::UNKNOWN
                    });
                }
                self.is_running = true;
                self.schedule.start(self.now);
            }
            Op::Stop => {
                self.is_running = false;
                self.schedule.stop(self.now);
            }
            Op::Completed => self.schedule.completed(self.now),
            Op::WantPeers => self.schedule.want_peers(self.now),
            Op::Add(number) => {
                let _full = self.schedule.add_tracker(self.now, &url(*number));
            }
            Op::Answer {
                open,
                interval,
                min_interval,
            } => {
                let secs = |n: u32| Duration::from_secs(n.into());
                let response = AnnounceResponse {
                    interval: secs(*interval),
                    min_interval: min_interval.map(secs),
                    ..AnnounceResponse::default()
                };
                self.end(*open, Ok(response));
            }
            Op::Fail { open, retry } => {
                let failure = AnnounceFailure {
                    message: "no".into(),
                    retry: match retry {
                        Again::Unspecified => Retry::Unspecified,
                        Again::After(u32::MAX) => Retry::NoAddress,
                        Again::After(secs) => Retry::After(Duration::from_secs((*secs).into())),
                        Again::Never => Retry::Never,
                    },
                };
                self.end(*open, Err(failure));
            }
            Op::Advance(seconds) => {
                self.now += Duration::from_secs((*seconds).into());
                self.schedule.handle_timeout(self.now);
            }
            Op::NextTimeout => {
                let at = self.schedule.poll_timeout();
                self.now = at.map_or(self.now, |at| at.max(self.now));
                self.schedule.handle_timeout(self.now);
            }
            Op::Waits(open) => {
                if let Some(open) = self.pick(*open) {
                    self.schedule.handle_waiting(self.open[open].id);
                }
            }
            Op::Begins(open) => {
                if let Some(open) = self.pick(*open) {
                    self.schedule.handle_begun(self.now, self.open[open].id);
                }
            }
        }
    }

    /// One of those that are under way.
    fn pick(&self, open: u8) -> Option<usize> {
        usize::from(open).checked_rem(self.open.len())
    }

    fn end(&mut self, open: u8, outcome: Result<AnnounceResponse, AnnounceFailure>) {
        let Some(open) = self.pick(open) else {
            return;
        };
        let announce = self.open.remove(open);
        if outcome.is_ok() {
            let told = self.told.entry(told_to(&announce)).or_default();
            told.push(announce.request.event);
        }
        self.schedule.handle_outcome(self.now, announce.id, outcome);
    }

    /// Takes what comes out, and holds it against what each tracker was told.
    fn settle(&mut self) {
        self.schedule.check_invariants();
        while let Some(event) = self.schedule.poll_event() {
            match event {
                Event::Abandoned { id } => self.open.retain(|open| open.id != id),
                Event::Stopped => {
                    assert!(self.open.is_empty(), "something is still under way");
                    self.has_stopped = true;
                }
                _ => {}
            }
        }
        while let Some(announce) = self.schedule.poll_announce(self.now) {
            self.schedule.check_invariants();
            let event = announce.request.event;
            let told = self.told.get(&told_to(&announce));
            let told = told.map_or(&[][..], Vec::as_slice);
            let once = event == AnnounceEvent::None || !told.contains(&event);
            assert!(once, "{} hears {event:?} twice", announce.url);
            let first = matches!(event, AnnounceEvent::Started | AnnounceEvent::Stopped);
            assert!(first || told.contains(&AnnounceEvent::Started));
            assert!(announce.url.starts_with("udp://"), "nobody serves it");
            assert!(
                self.open
                    .iter()
                    .all(|open| told_to(open) != told_to(&announce)),
                "twice at once"
            );
            assert!(announce.deadline > self.now);
            self.open.push(announce);
        }
        let next = self.schedule.poll_timeout();
        assert!(next.is_none_or(|at| at > self.now), "would spin");
    }
}

fn told_to(announce: &Announce) -> Told {
    (Arc::clone(&announce.url), announce.family)
}

/// One in eight has a scheme that nobody serves.
fn url(number: u8) -> String {
    let scheme = if number % 8 == 7 { "gopher" } else { "udp" };
    format!("{scheme}://tracker-{number}.example")
}

/// Bounds the time of one input.
const MAX_OPS: usize = 1000;
