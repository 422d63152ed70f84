//! What each term of the evaluation of peers is good for: a world for each, with it and without.

use std::{fmt::Write, time::Duration};

use bt_scheduler::{Evaluator, Term, Terms};
use bt_sim::{Access, NatKind, Rate};

use crate::{Behaviour, NodeSpec, Partition, Report, World, WorldConfig};

/// A term, and a world in which leaving it out is worse.
#[derive(Debug)]
pub struct Ablation {
    /// What is left out.
    pub term: Term,
    /// What happens in the world, in a line.
    pub about: &'static str,
    /// What is measured; less is better.
    pub figure: &'static str,
    plan: fn() -> (WorldConfig, Vec<NodeSpec>),
    measure: fn(&Report) -> f64,
}

/// One for each term.
pub static ABLATIONS: &[Ablation] = &[
    Ablation {
        term: Term::DownloadRate,
        about: "four seeds, three of them at a hundredth of the other's rate",
        figure: "seconds to the last completion",
        plan: slow_seeds,
        measure: last_completion,
    },
    Ablation {
        term: Term::UploadRate,
        about: "a seed has room for eight of sixteen, and four take next to nothing",
        figure: "seconds until half of the others are complete",
        plan: full_seed,
        measure: |report| {
            let times = report
                .counted()
                .map(|node| node.completion_time.unwrap_or(END));
            let mut times: Vec<_> = times.collect();
            times.sort_unstable();
            times[(times.len() - 1) / 2].as_secs_f64()
        },
    },
    Ablation {
        term: Term::Latency,
        about: "the only seed is a second away",
        figure: "seconds to the last completion",
        plan: far_seed,
        measure: last_completion,
    },
    Ablation {
        term: Term::Answers,
        about: "there is room for four seeds, and the first four answer four requests in ten",
        figure: "seconds to the last completion",
        plan: forgetful_seeds,
        measure: last_completion,
    },
    Ablation {
        term: Term::HashFailures,
        about: "a third corrupts one in fifty of the blocks that they send",
        figure: "megabytes wasted",
        plan: liars,
        measure: |report| {
            let wasted = report.leechers().filter(|node| !node.is_liar);
            wasted
                .map(|node| node.stats.wasted.total() as f64 / 1e6)
                .sum()
        },
    },
    Ablation {
        term: Term::Connections,
        about: "twelve good seeds cannot be reached any more, and others take their place",
        figure: "seconds to the last completion",
        plan: lost_seeds,
        measure: last_completion,
    },
];

impl Ablation {
    /// The figure when all terms count, and when this one does not.
    #[must_use]
    pub fn run(&self) -> [f64; 2] {
        [Terms::ALL, Terms::ALL.without(self.term)].map(|terms| {
            let (config, nodes) = (self.plan)();
            let mut world = World::new(WorldConfig {
                evaluator: Evaluator { terms },
                ..config
            });
            for node in nodes {
                world.add(node);
            }
            let report = world.run(END);
            (self.measure)(&report)
        })
    }
}

/// All of them, as lines for people: the same on every machine.
#[must_use]
pub fn ablation_table() -> String {
    let mut table = String::new();
    for ablation in ABLATIONS {
        let [with, without] = ablation.run();
        let Ablation {
            term,
            about,
            figure,
            ..
        } = ablation;
        let _ = writeln!(
            table,
            "{term:?}: {with:.1}, without it {without:.1} {figure}; {about}"
        );
    }
    table
}

fn slow_seeds() -> (WorldConfig, Vec<NodeSpec>) {
    let mut nodes = vec![NodeSpec::seed(line(10_000, 10_000))];
    nodes.extend((0..3).map(|_| NodeSpec::seed(line(100, 10_000))));
    nodes.push(NodeSpec::leecher(line(1_000, 20_000)));
    (config(160), nodes)
}

fn full_seed() -> (WorldConfig, Vec<NodeSpec>) {
    let mut nodes = vec![NodeSpec::seed(line(4_000, 4_000))];
    nodes.extend((0..4).map(|_| NodeSpec {
        group: "slow",
        is_counted: false,
        ..behind_nat(NodeSpec::leecher(line(500, 8)))
    }));
    nodes.extend((0..12).map(|_| NodeSpec {
        joins_at: Duration::from_secs(1),
        ..behind_nat(NodeSpec::leecher(line(500, 500)))
    }));
    let config = WorldConfig {
        max_peers: 8,
        ..config(320)
    };
    (config, nodes)
}

fn far_seed() -> (WorldConfig, Vec<NodeSpec>) {
    let far = Access {
        delay: Duration::from_millis(500),
        ..line(100_000, 100_000)
    };
    let nodes = vec![
        NodeSpec::seed(far),
        NodeSpec::leecher(line(10_000, 100_000)),
    ];
    (config(400), nodes)
}

fn forgetful_seeds() -> (WorldConfig, Vec<NodeSpec>) {
    let mut nodes: Vec<_> = (0..4)
        .map(|_| NodeSpec {
            behaviour: Behaviour::Forgetful(0.6),
            ..NodeSpec::seed(line(1_000, 1_000))
        })
        .collect();
    nodes.push(behind_nat(NodeSpec::leecher(line(1_000, 20_000))));
    nodes.extend((0..4).map(|_| NodeSpec {
        joins_at: Duration::from_secs(5),
        ..NodeSpec::seed(line(1_000, 1_000))
    }));
    let config = WorldConfig {
        max_peers: 4,
        ..config(320)
    };
    (config, nodes)
}

fn liars() -> (WorldConfig, Vec<NodeSpec>) {
    let mut nodes = vec![NodeSpec::seed(line(10_000, 10_000))];
    nodes.extend((0..30).map(|number| NodeSpec {
        behaviour: match number % 3 {
            0 => Behaviour::Liar(0.02),
            _ => Behaviour::Honest,
        },
        ..NodeSpec::leecher(line(10_000, 100_000))
    }));
    (config(240), nodes)
}

fn lost_seeds() -> (WorldConfig, Vec<NodeSpec>) {
    let mut nodes: Vec<_> = (0..12)
        .map(|_| NodeSpec {
            is_far: true,
            ..NodeSpec::seed(line(1_000, 1_000))
        })
        .collect();
    nodes.push(behind_nat(NodeSpec::leecher(line(1_000, 20_000))));
    nodes.extend((0..4).map(|_| NodeSpec {
        joins_at: Duration::from_secs(200),
        ..NodeSpec::seed(line(1_000, 1_000))
    }));
    let config = WorldConfig {
        max_half_open: 2,
        partition: Some(Partition {
            from: Duration::from_secs(60),
            until: END,
        }),
        ..config(4000)
    };
    (config, nodes)
}

/// Nobody can dial it, so that it is the one to choose.
fn behind_nat(node: NodeSpec) -> NodeSpec {
    NodeSpec {
        nat: NatKind::Symmetric,
        ..node
    }
}

fn last_completion(report: &Report) -> f64 {
    let last = report.last_completion().unwrap_or(END);
    last.as_secs_f64()
}

fn config(piece_count: u32) -> WorldConfig {
    WorldConfig {
        piece_count,
        piece_length: 64 * 1024,
        ..WorldConfig::common(1)
    }
}

/// Up and down in kbit/s, 25 ms from one to another.
fn line(up: u64, down: u64) -> Access {
    Access {
        up: Rate::bytes_per_sec(up * 125),
        down: Rate::bytes_per_sec(down * 125),
        delay: Duration::from_micros(12_500),
        loss: 0.0,
    }
}

/// Who is not complete by then never will be.
const END: Duration = Duration::from_secs(2000);
