//! Worlds to be measured, by name: one file each.

mod churn;
mod classes;
mod flash_crowd;
mod homogeneous;
mod json;
mod leeches;
mod liars;
mod partition;
mod picture;
mod slow_disk;
mod thousands;

use std::{fmt, time::Duration};

use bt_sim::{Access, Rate, SimRng};

use crate::{NodeSpec, Report, World, WorldConfig, fluid_lower_bound};

/// All of them, in the order in which they are listed.
pub static SCENARIOS: &[Scenario] = &[
    homogeneous::SCENARIO,
    classes::SCENARIO,
    flash_crowd::SCENARIO,
    leeches::STAYING,
    leeches::LEAVING,
    liars::SCENARIO,
    churn::SCENARIO,
    partition::SCENARIO,
    slow_disk::SCENARIO,
    thousands::SCENARIO,
];

/// A kind of world, and what must hold in it.
#[derive(Debug)]
pub struct Scenario {
    /// By which it is chosen.
    pub name: &'static str,
    /// What happens, in a line.
    pub about: &'static str,
    /// Leechers, unless said otherwise.
    pub peers: usize,
    /// The length of a piece, unless said otherwise.
    pub piece_length: u32,
    plan: fn(&Setting) -> Plan,
    judge: fn(&Run) -> Vec<Verdict>,
}

/// How large, and which of all possible runs.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// How many leechers; beside them there is one seed.
    pub peers: usize,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// How many pieces the torrent has.
    pub pieces: u32,
    /// How long each is.
    pub piece_length: u32,
}

/// Who is in a world.
struct Plan {
    config: WorldConfig,
    nodes: Vec<NodeSpec>,
}

/// A scenario that has been run.
///
/// As text: the figures, what must hold, and in the last line the ratio of the last completion
/// to the fluid lower bound. The same seed gives the same text.
#[derive(Debug)]
pub struct Run {
    /// What was run.
    pub scenario: &'static Scenario,
    /// And how.
    pub setting: Setting,
    /// What came of it.
    pub report: Report,
    /// Before this time not all that count can be complete.
    pub bound: Duration,
    /// How many things happened in it.
    pub happenings: u64,
}

/// Whether something holds that must.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What must hold.
    pub demand: String,
    /// What was found.
    pub found: String,
    /// Whether it does.
    pub holds: bool,
}

impl Scenario {
    /// The scenario of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// The size for which the demands are stated.
    #[must_use]
    pub fn setting(&self, seed: u64) -> Setting {
        Setting {
            peers: self.peers,
            seed,
            pieces: WorldConfig::common(seed).piece_count,
            piece_length: self.piece_length,
        }
    }

    /// Builds the world and lets it run until everybody is complete, or for twenty times as long
    /// as it would have to and ten minutes.
    ///
    /// # Panics
    /// If the torrent would be one that no client accepts.
    #[must_use]
    pub fn run(&'static self, setting: Setting) -> Run {
        let mut plan = (self.plan)(&setting);
        let bound = plan.bound();
        // The seed comes first, the kinds of leechers one among the other.
        SimRng::new(setting.seed)
            .fork(ORDER)
            .shuffle(&mut plan.nodes[1..]);
        let mut world = World::new(plan.config);
        for node in plan.nodes {
            world.add(node);
        }
        let report = world.run(bound * 20 + PATIENCE);
        Run {
            scenario: self,
            setting,
            report,
            bound,
            happenings: world.happenings(),
        }
    }
}

impl Setting {
    /// A world of this size with one seed in it, in the common setting.
    fn plan(&self) -> Plan {
        Plan {
            config: WorldConfig {
                piece_count: self.pieces,
                piece_length: self.piece_length,
                ..WorldConfig::common(self.seed)
            },
            nodes: vec![NodeSpec::seed(COMMON)],
        }
    }

    /// The same with leechers of one kind.
    fn plan_with_leechers(&self) -> Plan {
        let mut plan = self.plan();
        let leechers = (0..self.peers).map(|_| NodeSpec::leecher(COMMON));
        plan.nodes.extend(leechers);
        plan
    }
}

impl Plan {
    /// For those that are counted; the lines of the others help, but that is never what limits.
    fn bound(&self) -> Duration {
        let bytes = u64::from(self.config.piece_count) * u64::from(self.config.piece_length);
        let (seeds, leechers): (Vec<_>, Vec<_>) = self.nodes.iter().partition(|node| node.is_seed);
        let seed_up = seeds.iter().map(|seed| seed.access.up.get()).sum();
        let counted = leechers.iter().filter(|node| node.is_counted);
        let lines: Vec<_> = counted
            .map(|node| (node.useful_up(), node.access.down.get()))
            .collect();
        fluid_lower_bound(bytes, seed_up, &lines)
    }

    /// The last `part` in a hundred leechers.
    fn last_percent(&mut self, part: usize) -> &mut [NodeSpec] {
        let leechers = self.nodes.len() - 1;
        let first = self.nodes.len() - leechers * part / 100;
        &mut self.nodes[first..]
    }
}

impl Run {
    /// The last completion that counts as a multiple of the bound; `None` if somebody never
    /// completed.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        let last = self.report.last_completion()?;
        Some(last.as_secs_f64() / self.bound.as_secs_f64())
    }

    /// What must hold, and whether it does.
    #[must_use]
    pub fn verdicts(&self) -> Vec<Verdict> {
        (self.scenario.judge)(self)
    }

    fn ratio_at_most(&self, limit: f64) -> Verdict {
        Verdict {
            demand: format!("last completion at most {limit:.2} x the bound"),
            found: self.ratio_text(),
            holds: self.ratio().is_some_and(|ratio| ratio <= limit),
        }
    }

    /// Liars aside.
    fn everybody_completes(&self) -> Verdict {
        let honest = self.report.leechers().filter(|node| !node.is_liar);
        let (mut complete, mut all) = (0, 0);
        for node in honest {
            all += 1;
            complete += usize::from(node.completed_at.is_some());
        }
        Verdict {
            demand: "everybody honest completes".to_owned(),
            found: format!("{complete} of {all}"),
            holds: complete == all,
        }
    }

    fn ratio_text(&self) -> String {
        let ratio = self.ratio();
        ratio.map_or("inf".to_owned(), |ratio| format!("{ratio:.2}"))
    }

    fn title(&self) -> String {
        let Setting {
            peers,
            seed,
            pieces,
            piece_length,
        } = self.setting;
        let length = piece_length / 1024;
        let name = self.scenario.name;
        format!("{name}: {peers} peers, {pieces} pieces of {length} KiB, seed {seed}")
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title())?;
        writeln!(f, "{}", self.report)?;
        for verdict in self.verdicts() {
            writeln!(f, "{verdict}")?;
        }
        writeln!(f, "bound: {:.1} s", self.bound.as_secs_f64())?;
        write!(f, "bound_ratio: {}", self.ratio_text())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.holds { "holds" } else { "MISSED" };
        write!(f, "{word}: {}: {}", self.demand, self.found)
    }
}

/// The line of the common setting: 10 Mbit/s up, 100 down, 25 ms from one node to another.
const COMMON: Access = Access {
    up: Rate::mbit_per_sec(10),
    down: Rate::mbit_per_sec(100),
    delay: Duration::from_micros(12_500),
    loss: 0.0,
};
/// Where little is fetched, the terms of choking are what takes time.
const PATIENCE: Duration = Duration::from_secs(600);
/// What decides who comes before whom, at the same time.
const ORDER: u64 = 101;
/// The pieces of the common setting.
const PIECE_LENGTH: u32 = 256 * 1024;
