use std::{fs, path::Path};

use crate::{Result, cmd::Cmd, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The target, e.g. types_layout; all of them with --all
    #[arg(required_unless_present = "all")]
    target: Option<String>,
    /// How long, in seconds
    #[arg(default_value_t = 60)]
    secs: u32,
    /// Every target, for this many seconds each
    #[arg(long, value_name = "SECS", conflicts_with = "target")]
    all: Option<u32>,
}

pub(crate) fn run(args: &Args) -> Result {
    match (&args.target, args.all) {
        (_, Some(secs)) => all(secs),
        (Some(target), None) => one(target, args.secs),
        (None, None) => Err("name a target, or give --all SECS".into()),
    }
}

/// Each target for `secs` seconds; a failure is reported when all have had their turn.
pub(crate) fn all(secs: u32) -> Result {
    let mut failed = Vec::new();
    for target in targets()? {
        if let Err(error) = one(&target, secs) {
            failed.push(error.to_string());
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("\n  ").into())
    }
}

/// Every committed seed, on stable.
pub(crate) fn replay() -> Result {
    Cmd::cargo(&["test", "--manifest-path", "fuzz/Cargo.toml"]).run()
}

/// The names of all targets, from their shims (the replay checks these against the table).
pub(crate) fn targets() -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(workspace::root().join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        if let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) {
            targets.push(name.to_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

/// libFuzzer writes what it finds to the first folder and only reads the second, the seeds.
fn one(target: &str, secs: u32) -> Result {
    let known = targets()?;
    if !known.iter().any(|name| name == target) {
        return Err(format!("no target {target}; there are {}", known.join(", ")).into());
    }
    let found = format!("fuzz/found/{target}");
    fs::create_dir_all(workspace::root().join(&found))?;
    let seeds = format!("fuzz/corpus/{target}");
    Cmd::cargo(&["+nightly", "fuzz", "run", "--features", "libfuzzer"])
        .args(&[target, &found, &seeds, "--"])
        .args(&[format!("-max_total_time={secs}")])
        .args(&["-timeout=10", "-rss_limit_mb=1024", "-verbosity=0"])
        .args(&["-print_final_stats=1"])
        .run()
        .map_err(|error| match crash_files(target) {
            Some(files) => format!("{error}\n  inputs: {files}").into(),
            None => error,
        })
}

fn crash_files(target: &str) -> Option<String> {
    let folder = Path::new("fuzz/artifacts").join(target);
    let entries = fs::read_dir(workspace::root().join(&folder)).ok()?;
    let names = entries
        .flatten()
        .map(|entry| folder.join(entry.file_name()));
    let names: Vec<_> = names.map(|path| path.display().to_string()).collect();
    (!names.is_empty()).then(|| names.join(" "))
}
