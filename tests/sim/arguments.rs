use std::{fmt::Write as _, path::PathBuf};

use bt_tests::{DHT_SCENARIOS, DhtScenario, SCENARIOS, Scenario, Setting};

pub(crate) enum Wanted {
    Run(Arguments),
    /// One of the DHT instead of swarms.
    Dht(DhtArguments),
    /// What each term of the evaluation of peers is good for.
    Ablation,
    Help,
}

pub(crate) struct Arguments {
    pub(crate) scenario: &'static Scenario,
    pub(crate) setting: Setting,
    /// Fail if something does not hold that must.
    pub(crate) is_check: bool,
    pub(crate) svg: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
}

pub(crate) struct DhtArguments {
    pub(crate) scenario: &'static DhtScenario,
    pub(crate) nodes: usize,
    pub(crate) seed: u64,
    pub(crate) is_check: bool,
    pub(crate) json: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Wanted, String> {
        let mut scenario = None;
        let mut dht_scenario = None;
        let mut changes: Vec<Change> = Vec::new();
        let (mut is_check, mut svg, mut json) = (false, None, None);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} wants a value"));
            match word.as_str() {
                "--help" | "-h" => return Ok(Wanted::Help),
                "--check" => is_check = true,
                "--svg" => svg = Some(PathBuf::from(value()?)),
                "--json" => json = Some(PathBuf::from(value()?)),
                "--peers" => changes.push(Change::Peers(number(&word, &value()?)?)),
                "--seed" => changes.push(Change::Seed(number(&word, &value()?)?)),
                "--pieces" => changes.push(Change::Pieces(number(&word, &value()?)?)),
                "--piece-length" => {
                    changes.push(Change::PieceLength(number(&word, &value()?)?));
                }
                option if option.starts_with('-') => {
                    return Err(format!("{option} is not an option"));
                }
                name if scenario.is_some() || dht_scenario.is_some() => {
                    return Err(format!("{name} is too much: one scenario at a time"));
                }
                "ablation" => return Ok(Wanted::Ablation),
                name if DhtScenario::named(name).is_some() => {
                    dht_scenario = DhtScenario::named(name);
                }
                name => {
                    let named = Scenario::named(name);
                    scenario = Some(named.ok_or(format!("no scenario is called {name}"))?);
                }
            }
        }
        if let Some(scenario) = dht_scenario {
            if svg.is_some() {
                return Err("--svg draws swarms only".to_owned());
            }
            let arguments = DhtArguments {
                scenario,
                nodes: scenario.nodes,
                seed: 1,
                is_check,
                json,
            };
            return Ok(Wanted::Dht(arguments.changed(changes)?));
        }
        let scenario = scenario.ok_or("a scenario is missing")?;
        let mut setting = scenario.setting(1);
        for change in changes {
            change.apply(&mut setting)?;
        }
        Ok(Wanted::Run(Self {
            scenario,
            setting,
            is_check,
            svg,
            json,
        }))
    }
}

impl DhtArguments {
    fn changed(mut self, changes: Vec<Change>) -> Result<Self, String> {
        for change in changes {
            match change {
                Change::Seed(seed) => self.seed = seed,
                Change::Peers(nodes @ MIN_DHT_NODES..=MAX_DHT_NODES) => {
                    self.nodes = nodes as usize;
                }
                Change::Peers(_) => {
                    return Err(format!("--peers wants {MIN_DHT_NODES} to {MAX_DHT_NODES}"));
                }
                Change::Pieces(_) | Change::PieceLength(_) => {
                    return Err("a DHT has no pieces".to_owned());
                }
            }
        }
        Ok(self)
    }
}

/// What of a scenario's own setting is changed.
enum Change {
    Peers(u64),
    Seed(u64),
    Pieces(u64),
    PieceLength(u64),
}

impl Change {
    fn apply(self, setting: &mut Setting) -> Result<(), String> {
        match self {
            Self::Seed(seed) => setting.seed = seed,
            Self::Peers(peers @ 1..=MAX_PEERS) => setting.peers = peers as usize,
            Self::Pieces(pieces @ 1..=MAX_PIECES) => setting.pieces = pieces as u32,
            Self::PieceLength(length @ BLOCK..=MAX_PIECE_LENGTH) if length.is_power_of_two() => {
                setting.piece_length = length as u32;
            }
            Self::Peers(_) => return Err(format!("--peers wants 1 to {MAX_PEERS}")),
            Self::Pieces(_) => return Err(format!("--pieces wants 1 to {MAX_PIECES}")),
            Self::PieceLength(_) => {
                return Err("--piece-length wants a power of two from 16K to 16M".to_owned());
            }
        }
        Ok(())
    }
}

/// With K or M, as in `256K`.
fn number(option: &str, text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['K', 'M']) {
        Some(digits) if text.ends_with('K') => (digits, 1 << 10),
        Some(digits) => (digits, 1 << 20),
        None => (text, 1),
    };
    let number: Option<u64> = digits.parse().ok();
    let number = number.and_then(|number| number.checked_mul(unit));
    number.ok_or(format!("{option} wants a number, not {text}"))
}

pub(crate) fn help() -> String {
    let mut help = HEAD.to_owned();
    for scenario in SCENARIOS {
        let Scenario {
            name, about, peers, ..
        } = scenario;
        _ = writeln!(help, "  {name:<14} {about} ({peers} peers)");
    }
    help.push_str(DHT);
    for DhtScenario {
        name, about, nodes, ..
    } in DHT_SCENARIOS
    {
        _ = writeln!(help, "  {name:<14} {about} ({nodes} nodes)");
    }
    help.push_str(ABLATION);
    help.push_str(OPTIONS);
    help
}

const HEAD: &str = "\
Many real swarms on virtual time: one seed gives one run, to the last bit.

Every node has 10 Mbit/s up and 100 down, 25 ms to any other, at most 50
connections, and knows peers only from a tracker that returns 50 at random;
1,000 pieces of 256 KiB, one seed; who has everything stays, unless said.

Usage: cargo xtask sim SCENARIO [OPTIONS]

Scenarios, with their size unless --peers says otherwise:
";
const DHT: &str = "
Of the DHT, where --peers is the number of nodes, and pieces are no option:
";
const ABLATION: &str = "
And `ablation`: what each term of the evaluation of peers is good for, in a
world with it and one without; it takes no options.
";
const OPTIONS: &str = "
Options:
  --peers N           leechers, beside the one seed
  --seed S            which of all possible runs (default 1)
  --pieces N          how many pieces the torrent has (default 1000)
  --piece-length LEN  how long each is, such as 256K
  --svg FILE          draw completed peers over time, and how lines are used
  --json FILE         write the figures for machines, and what the run took
  --check             fail if something does not hold that must
  -h, --help          show this

The last line on stdout of swarms is `bound_ratio: N.NN`: the last completion by the
fluid lower bound max(F/u_seed, F/d_min, N*F/(u_seed + sum of u_i)). What the
run took of this machine goes to stderr and into FILE, so that stdout is the
same for the same seed.
";
/// As many hosts as fit into an address of the world.
const MAX_PEERS: u64 = (1 << 24) - 2;
const MIN_DHT_NODES: u64 = 20;
const MAX_DHT_NODES: u64 = 30_000;
const MAX_PIECES: u64 = 1 << 20;
const MAX_PIECE_LENGTH: u64 = 16 << 20;
const BLOCK: u64 = bt_types::BLOCK_LENGTH as u64;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Wanted, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_scenario_has_its_own_size_unless_told() {
        let Ok(Wanted::Run(arguments)) = parse("flash-crowd --seed 9 --piece-length 64K") else {
            panic!("understood");
        };
        let setting = arguments.setting;
        assert_eq!(
            (setting.peers, setting.seed, setting.pieces),
            (300, 9, 1000)
        );
        assert_eq!(setting.piece_length, 64 * 1024);
        assert!(!arguments.is_check && arguments.svg.is_none());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "",
            "no-such-scenario",
            "churn classes",
            "churn --peers",
            "churn --peers 0",
            "churn --peers many",
            "churn --piece-length 100K",
            "churn --pieces 99999999999M",
            "churn --sed 3",
            "dht --pieces 7",
            "dht --peers 3",
            "dht --svg x",
            "dht churn",
            "churn dht",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(matches!(parse("--help"), Ok(Wanted::Help)));
        let Ok(Wanted::Dht(dht)) = parse("dht-sybils --peers 50 --seed 4 --check") else {
            panic!("understood");
        };
        assert_eq!((dht.nodes, dht.seed, dht.is_check), (50, 4, true));
        assert!(help().contains("leeches-leave"));
    }
}
