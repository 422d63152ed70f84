//! Simulated swarms, by `cargo xtask sim SCENARIO --peers N --seed S`.

mod arguments;
mod cost;

use std::{fs, path::PathBuf, process::ExitCode};

use arguments::{Arguments, Wanted};
use bt_tests::Run;
use cost::Cost;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "that is its job")]
fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Wanted::Run(arguments)) => arguments,
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
    for (path, text) in files(&arguments, &run) {
        if let Err(error) = fs::write(&path, text) {
            eprintln!("sim: {} cannot be written: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    let mut verdicts = run.verdicts();
    if run.scenario.name == "thousands" {
        verdicts.push(cost.verdict());
        eprintln!("{}", cost.verdict());
    }
    let is_missed = verdicts.iter().any(|verdict| !verdict.holds);
    if arguments.is_check && is_missed {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn files(arguments: &Arguments, run: &Run) -> Vec<(PathBuf, String)> {
    let svg = arguments.svg.clone().map(|path| (path, run.to_svg()));
    let json = arguments.json.clone();
    let json = json.map(|path| (path, format!("{:#}\n", run.to_json())));
    svg.into_iter().chain(json).collect()
}
