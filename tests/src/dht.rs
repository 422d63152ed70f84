//! A DHT of real nodes on virtual time, and what must hold of it.

mod report;
mod sybil;
mod world;

use std::time::Duration;

use bt_sim::SimRng;

pub use report::DhtRun;
use world::DhtWorld;

use crate::Verdict;

/// All of them, in the order in which they are listed.
pub static DHT_SCENARIOS: &[DhtScenario] = &[
    DhtScenario {
        name: "dht",
        about: "a fifth of a DHT falls silent, and peers are looked up at once",
        nodes: 1000,
        swarms: 20,
        sybil_percent: 0,
        least_found: 99.0,
        is_depth_limited: true,
    },
    DhtScenario {
        name: "dht-sybils",
        about: "besides, a tenth are liars from one /24 that sit around what is looked up",
        nodes: 1000,
        // So few that there are more liars around each than a look-up asks at its end.
        swarms: 5,
        sybil_percent: 10,
        least_found: 95.0,
        is_depth_limited: false,
    },
];

/// A kind of DHT, and what must hold in it.
#[derive(Debug)]
pub struct DhtScenario {
    /// By which it is chosen.
    pub name: &'static str,
    /// What happens, in a line.
    pub about: &'static str,
    /// Unless said otherwise.
    pub nodes: usize,
    /// What is looked up.
    swarms: usize,
    sybil_percent: usize,
    /// In a hundred look-ups, so many find a peer that was announced.
    least_found: f64,
    is_depth_limited: bool,
}

impl DhtScenario {
    /// The scenario of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        DHT_SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// Lets a network of so many nodes come together, announces some peers in it, and has them
    /// looked up from everywhere. The same seed gives the same run.
    ///
    /// # Panics
    /// If there are fewer than 20 nodes.
    #[must_use]
    pub fn run(&'static self, nodes: usize, seed: u64) -> DhtRun {
        assert!(nodes >= 20, "too few nodes for a DHT");
        let mut rng = SimRng::new(seed);
        let swarms: Vec<_> = (0..self.swarms).map(|_| world::swarm(&mut rng)).collect();
        let sybils = nodes * self.sybil_percent / 100;
        let mut world = DhtWorld::new(rng.fork(1));
        world.add_nodes(nodes - sybils, START_WITHIN);
        world.add_sybils(sybils, &swarms, START_WITHIN);
        world.run_for(START_WITHIN + WARM_UP);
        let known = world.mean_known();
        world.silence(nodes * SILENT_PERCENT / 100);

        let announcers = world.pick_honest(self.swarms);
        for (node, swarm) in announcers.iter().zip(&swarms) {
            world.announce(*node, *swarm);
        }
        world.run_for(ANNOUNCE_TIME);
        let mut lookups = Vec::new();
        for (announcer, swarm) in announcers.iter().zip(&swarms) {
            for node in world.pick_honest(LOOKUPS / self.swarms) {
                if node != *announcer {
                    lookups.push((node, *swarm, world.peer_of(*announcer)));
                }
            }
        }
        for lookup in &lookups {
            world.look_up(lookup.0, lookup.1, lookup.2);
            world.run_for(PAUSE);
        }
        world.run_for(LOOKUP_TIME);
        DhtRun {
            scenario: self,
            nodes,
            seed,
            known,
            lookups: world.take_results(),
            datagrams: world.datagrams(),
            happenings: world.happenings(),
        }
    }

    fn verdicts(&self, run: &DhtRun) -> Vec<Verdict> {
        let found = run.found_percent();
        let mut verdicts = vec![Verdict {
            demand: format!("at least {:.0} % of look-ups find a peer", self.least_found),
            found: format!("{found:.1} %"),
            holds: found >= self.least_found,
        }];
        if self.is_depth_limited {
            let limit = (run.nodes as f64).log2() / 2.0 + 2.0;
            let depth = run.mean_depth();
            verdicts.push(Verdict {
                demand: format!("a mean depth of at most log2(N) / 2 + 2 = {limit:.2}"),
                found: format!("{depth:.2}"),
                holds: depth <= limit,
            });
        }
        verdicts
    }
}

/// Of all swarms together.
const LOOKUPS: usize = 500;
const SILENT_PERCENT: usize = 20;
/// Everybody joins within this time.
const START_WITHIN: Duration = Duration::from_secs(120);
/// So that tables are what they are in a network that has been there.
const WARM_UP: Duration = Duration::from_secs(600);
const ANNOUNCE_TIME: Duration = Duration::from_secs(120);
const LOOKUP_TIME: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);
