use clap::Subcommand;

use crate::{Result, cmd::Cmd};

pub(crate) mod peers;
pub(crate) mod results;
pub(crate) mod simulations;
pub(crate) mod table;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    criterion: Criterion,
}

#[derive(Subcommand)]
enum Other {
    /// What `bt` costs beside other clients, in tables (needs root and those clients)
    Peers(peers::Args),
    /// What must hold of swarms, in every scenario of the simulator, and what was found
    Simulations(simulations::Args),
}

#[derive(clap::Args)]
struct Criterion {
    /// Only this crate's benches, e.g. bt-wire
    krate: Option<String>,
    /// Compile them as they would be run, and stop there
    #[arg(long, conflicts_with = "smoke")]
    no_run: bool,
    /// Run each once, in the profile of the tests: proves that they work, measures nothing
    #[arg(long)]
    smoke: bool,
    /// Passed on to criterion, after `--`
    #[arg(last = true)]
    criterion: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result {
    match &args.other {
        Some(Other::Peers(args)) => peers::run(args),
        Some(Other::Simulations(args)) => simulations::run(args),
        None => criterion(&args.criterion),
    }
}

/// Runs benches. `--bench '*'` keeps the unit tests out, which do not know criterion's options.
fn criterion(args: &Criterion) -> Result {
    let subcommand = if args.smoke { "test" } else { "bench" };
    let mut cmd = Cmd::cargo(&[subcommand]);
    cmd = match &args.krate {
        Some(krate) => cmd.args(&["-p", krate]),
        None => cmd.args(&["--workspace"]),
    };
    cmd = cmd.args(&["--all-features", "--bench", "*"]);
    if args.no_run {
        cmd = cmd.args(&["--no-run"]);
    }
    if !args.criterion.is_empty() {
        cmd = cmd.args(&["--"]).args(&args.criterion);
    }
    cmd.run()
}

/// What CI asks of the benches: they compile and run, in the artifacts of the tests.
pub(crate) fn smoke() -> Result {
    criterion(&Criterion {
        krate: None,
        no_run: false,
        smoke: true,
        criterion: Vec::new(),
    })
}
