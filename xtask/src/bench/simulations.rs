//! What must hold of swarms, in the simulator: runs `tests/sim`, keeps what it finds and shows it.

use std::{fs, path::PathBuf};

use results::{Outcome, Results, Run};

use crate::{Result, origin::Origin, run, workspace};

pub(crate) mod results;
mod table;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Every scenario once and in small, which shows that it works; what is demanded is not
    /// insisted on, since it is stated for the full size
    #[arg(long)]
    quick: bool,
    /// Where the results go
    #[arg(long, value_name = "FILE", default_value = RESULTS)]
    out: PathBuf,
}

/// # Errors
/// If a run gives no figures, or misses what is demanded of it.
pub(crate) fn run(args: &Args) -> Result {
    let lines = if args.quick { quick() } else { full() };
    let origin = Origin::now()?;
    run::build_sim()?;
    let results = Results {
        origin,
        is_quick: args.quick,
        runs: lines.into_iter().map(measure).collect(),
    };
    println!("\n{}", results.to_markdown());
    println!("{}", results.dht_to_markdown());
    results.write(&workspace::root().join(&args.out))?;
    println!("results: {}", args.out.display());
    let problems = results.problems();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n  ").into())
    }
}

/// In the sizes and with the seeds that count, as `cargo xtask full` does.
pub(crate) fn run_full(out: PathBuf) -> Result {
    run(&Args { quick: false, out })
}

/// Where those are that `cargo xtask readme` shows.
pub(crate) const RESULTS: &str = "docs/bench/simulations.json";

fn measure(line: String) -> Run {
    let raw = workspace::target_dir().join("simulation.json");
    // What another run left is not to be taken for the figures of this one.
    _ = fs::remove_file(&raw);
    let words = line.split_whitespace().map(str::to_owned);
    let sim = run::sim_cmd(&words.collect::<Vec<_>>());
    let ended = sim.args(&["--json", &workspace::short(&raw)]).status();
    // Where it was started is nobody's concern, so of an error not the text.
    let ended = match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("it ended with {status}")),
        Err(_) => Err("it could not be started".to_owned()),
    };
    let outcome = Outcome::of(ended, fs::read(&raw).ok().as_deref());
    Run { line, outcome }
}

/// What is given to `cargo xtask sim`.
fn full() -> Vec<String> {
    let lines = SIMULATIONS.iter().flat_map(|(words, seeds)| {
        let line = move |seed| format!("{words} --seed {seed} --check");
        seeds.iter().map(line)
    });
    lines.collect()
}

fn quick() -> Vec<String> {
    // Those of another size than the scenario's own would be the same again.
    let own_size = SIMULATIONS.iter().filter(|(words, _)| !words.contains(' '));
    own_size
        .map(|(words, _)| match words.starts_with("dht") {
            true => format!("{words} --peers 100 --seed 1"),
            false => format!("{words} --peers 30 --pieces 240 --seed 1"),
        })
        .collect()
}

/// What must hold of swarms, in the sizes for which it is stated, and with which seeds.
const SIMULATIONS: &[(&str, &[u64])] = &[
    ("homogeneous", &[1, 2, 3]),
    ("homogeneous --peers 1000", &[1]),
    ("classes", &[1]),
    ("flash-crowd", &[1]),
    ("leeches", &[1, 2, 3]),
    ("leeches-leave", &[1, 2, 3]),
    ("liars", &[1]),
    ("churn", &[1]),
    ("partition", &[1]),
    ("slow-disk", &[1]),
    ("thousands", &[1]),
    ("dht", &[1, 2, 3]),
    ("dht-sybils", &[1, 2, 3]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_all_that_repeats_a_run() {
        let full = full();
        assert_eq!(full[2], "homogeneous --seed 3 --check");
        assert_eq!(full[3], "homogeneous --peers 1000 --seed 1 --check");
        let quick = quick();
        assert_eq!(quick[0], "homogeneous --peers 30 --pieces 240 --seed 1");
        assert!(quick[1].starts_with("classes "), "{quick:?}");
    }

    #[test]
    fn every_scenario_is_run() {
        let folder = workspace::root().join("tests/src/scenario");
        let paths = fs::read_dir(folder).unwrap();
        let paths = paths.map(|entry| entry.unwrap().path());
        let of_dht = workspace::root().join("tests/src/dht.rs");
        let mut known = 0;
        for path in paths.chain([of_dht]) {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let definitions = DEFINITIONS.into_iter();
            for scenario in definitions.flat_map(|definition| text.split(definition).skip(1)) {
                let (name, _) = scenario.split_once('"').unwrap();
                let mut lines = SIMULATIONS.iter();
                assert!(lines.any(|(words, _)| *words == name), "{name}");
                known += 1;
            }
        }
        assert!(known >= quick().len(), "{known}");
    }

    const DEFINITIONS: [&str; 2] = [
        "Scenario = Scenario {\n    name: \"",
        "    DhtScenario {\n        name: \"",
    ];
}
