//! Simulated swarms, by `cargo xtask sim SCENARIO --peers N --seed S`.

mod arguments;
mod cost;

use std::{fs, path::PathBuf, process::ExitCode};

use arguments::{Arguments, DhtArguments, Wanted};
use bt_tests::{Run, Verdict, ablation_table};
use cost::Cost;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "that is its job")]
fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Wanted::Run(arguments)) => arguments,
        Ok(Wanted::Dht(arguments)) => return run_dht(&arguments),
        Ok(Wanted::Ablation) => {
            print!("{}", ablation_table());
            return ExitCode::SUCCESS;
        }
        Ok(Wanted::Help) => {
            print!("{}", arguments::help());
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("sim: {message}; see --help");
            return ExitCode::from(2);
        }
    };
    let run = arguments.scenario.run(arguments.setting);
    println!("{run}");
    // Beside the figures, not among them: these are the same whoever computes them.
    let cost = Cost::so_far();
    eprintln!("{}", cost.describe(run.happenings));
    let mut verdicts = run.verdicts();
    if run.scenario.name == "thousands" {
        verdicts.push(cost.verdict());
        eprintln!("{}", cost.verdict());
    }
    for (path, text) in files(&arguments, &run, &verdicts, &cost) {
        if let Err(error) = fs::write(&path, text) {
            eprintln!("sim: {} cannot be written: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    let is_missed = verdicts.iter().any(|verdict| !verdict.holds);
    if arguments.is_check && is_missed {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "that is its job")]
fn run_dht(arguments: &DhtArguments) -> ExitCode {
    let run = arguments.scenario.run(arguments.nodes, arguments.seed);
    println!("{run}");
    let cost = Cost::so_far();
    eprintln!("{}", cost.describe(run.happenings));
    if let Some(path) = &arguments.json {
        let mut figures = run.to_json();
        figures["cost"] = cost.to_json();
        if let Err(error) = fs::write(path, format!("{figures:#}\n")) {
            eprintln!("sim: {} cannot be written: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    let is_missed = run.verdicts().iter().any(|verdict| !verdict.holds);
    match arguments.is_check && is_missed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn files(
    arguments: &Arguments,
    run: &Run,
    verdicts: &[Verdict],
    cost: &Cost,
) -> Vec<(PathBuf, String)> {
    let svg = arguments.svg.clone().map(|path| (path, run.to_svg()));
    let json = arguments.json.clone().map(|path| {
        let mut figures = run.to_json();
        figures["verdicts"] = verdicts.iter().map(Verdict::to_json).collect();
        figures["cost"] = cost.to_json();
        (path, format!("{figures:#}\n"))
    });
    svg.into_iter().chain(json).collect()
}
