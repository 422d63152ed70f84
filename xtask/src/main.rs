//! Every developer command of the workspace; `cargo xtask --help` lists them.
//!
//! Each command prints the command lines that it runs, so that a red job is reproduced by copying
//! its line. CI (`.ci/run`) calls nothing but these commands.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to a terminal"
)]

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

mod bench;
mod check;
mod cmd;
mod deps;
mod fuzz;
mod install;
mod origin;
mod picture;
mod publish;
mod readme;
mod run;
mod steps;
mod tidy;
mod tiers;
mod workspace;

/// The developer commands of the bt workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Format, clippy, docs, tidy, deny and READMEs: all that needs no test run
    Check,
    /// The rules that no other tool holds: import directions, budgets, manifests, sources
    Tidy,
    /// All tests and doc-tests: `cargo test --workspace`
    Test,
    /// Every committed fuzz seed through its target, on stable
    Replay,
    /// Fuzz one target, or all, with nightly and cargo-fuzz
    Fuzz(fuzz::Args),
    /// Criterion benches of one crate, or of all; `peers`: beside other clients; `simulations`:
    /// what must hold of swarms
    Bench(bench::Args),
    /// Write each crate's README.md from the front page of its docs, and the figures in those of
    /// the workspace and of bt-scheduler from docs/bench
    Readme {
        /// Only say which ones differ, and fail if any does
        #[arg(long)]
        check: bool,
    },
    /// Downloads from and to real clients (tests/interop)
    Interop {
        /// Passed on: --list, names of pairs, --long
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Many swarms on virtual time (tests/sim); `sim --help` lists the scenarios
    #[command(disable_help_flag = true)]
    Sim {
        /// Passed on: SCENARIO --peers N --seed S --check --svg FILE --json FILE
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Write docs/corpus.md, the page of odd torrents, and the fuzz seeds that are made of them
    Corpus,
    /// Record `bt demo` in a terminal for the README (docs/demo.svg)
    Picture,
    /// What each crate brings along when it is used alone
    Deps,
    /// All that publishing does, short of it: packages, each crate tested alone from its own
    PublishRehearsal(publish::Args),
    /// The short tier: what .ci/run runs, with the time of each step
    Ci,
    /// The long tier: the short one, longer fuzzing, the whole interop matrix, `bench simulations`
    Full(tiers::FullArgs),
    /// Install what this machine lacks for `ci`; apt packages only as root
    InstallTools,
}

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Check => check::all(),
        Command::Tidy => tidy::run(),
        Command::Test => run::test(),
        Command::Replay => fuzz::replay(),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Readme { check: true } => readme::check(),
        Command::Readme { check: false } => readme::write(),
        Command::Interop { args } => run::interop(&args),
        Command::Sim { args } => run::sim(&args),
        Command::Corpus => run::corpus(),
        Command::Picture => picture::record(),
        Command::Deps => deps::run(),
        Command::PublishRehearsal(args) => publish::run(&args),
        Command::Ci => tiers::short(),
        Command::Full(args) => tiers::long(&args),
        Command::InstallTools => install::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;
