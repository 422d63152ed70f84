use std::{fs, path::PathBuf};

use crate::{
    Result,
    bench::{self, simulations},
    check, fuzz,
    origin::Origin,
    publish, run,
    steps::Steps,
    workspace,
};

#[derive(clap::Args)]
pub(crate) struct FullArgs {
    /// How long each fuzz target runs
    #[arg(long, value_name = "SECS", default_value_t = 300)]
    fuzz_secs: u32,
    /// Where the results go
    #[arg(long, value_name = "FILE", default_value = "target/full.json")]
    out: PathBuf,
    /// Where the figures of the simulations go, which are in a README
    #[arg(long, value_name = "FILE", default_value = simulations::RESULTS)]
    simulations: PathBuf,
}

/// What must be green before anything lands: under half an hour on two cores.
pub(crate) fn short() -> Result {
    let mut steps = Steps::default();
    check::add_to(&mut steps);
    steps.run("publish: quick part", publish::quick);
    proofs(&mut steps, 5, &[]);
    steps.finish()
}

/// What must be green before an issue is called resolved. Results are kept as JSON.
pub(crate) fn long(args: &FullArgs) -> Result {
    let origin = Origin::now()?;
    let mut steps = Steps::default();
    check::add_to(&mut steps);
    publish::add_to(&mut steps);
    proofs(&mut steps, args.fuzz_secs, &["--long"]);
    steps.run("simulations", || {
        simulations::run_full(args.simulations.clone())
    });
    let mut report = serde_json::to_value(origin)?;
    report["fuzz_secs"] = args.fuzz_secs.into();
    report["steps"] = steps.to_json();
    let out = workspace::root().join(&args.out);
    fs::write(&out, format!("{report:#}\n"))?;
    println!("results: {}", out.display());
    steps.finish()
}

/// The tests come last, so that their lines are the end of the log.
fn proofs(steps: &mut Steps, fuzz_secs: u32, interop: &[&str]) {
    steps.run("fuzz seeds", fuzz::replay);
    steps.run("fuzz", || fuzz::all(fuzz_secs));
    steps.run("benches run once", bench::smoke);
    steps.run("interop", || {
        let args: Vec<_> = interop.iter().map(|arg| (*arg).to_owned()).collect();
        run::interop(&args)
    });
    steps.run("simulation", || {
        let args = ["homogeneous", "--peers", "30", "--seed", "1"];
        run::sim(&args.map(str::to_owned))
    });
    steps.run("tests", run::test);
}
