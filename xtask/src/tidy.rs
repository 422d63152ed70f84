//! The rules of the workspace that no other tool holds.
//!
//! Each rule is a function from what it looks at to a list of complaints, so that its tests can
//! show on small input that it bites.

use crate::{Result, cmd::Cmd, fuzz, workspace};

pub(crate) mod budgets;
mod documented;
mod fuzzed;
pub(crate) mod layers;
mod lexer;
mod manifests;
mod orphans;
mod sources;

pub(crate) fn run() -> Result {
    let metadata = workspace::metadata()?;
    let mut complaints = layers::check(&layers::arrows(&metadata));
    complaints.extend(manifests::check_all(&metadata)?);
    complaints.extend(sources::check_all()?);
    complaints.extend(orphans::check_all()?);
    complaints.extend(fuzzed::check(&fuzz::targets()?)?);
    complaints.extend(documented::check_all()?);
    complaints.extend(stale_fuzz_lock());
    let names: Vec<&str> = workspace::crates(&metadata)
        .into_iter()
        .map(|package| package.name.as_str())
        .collect();
    complaints.extend(budgets::check_all(&names)?);
    if complaints.is_empty() {
        println!("{} crates are tidy", names.len());
        return Ok(());
    }
    for complaint in &complaints {
        println!("  {complaint}");
    }
    Err(format!("tidy: {} complaints", complaints.len()).into())
}

/// The workspace's own Cargo.lock is brought up to date by running us; CI does that with `--locked`.
fn stale_fuzz_lock() -> Option<String> {
    let metadata = Cmd::cargo(&["metadata", "--locked", "--format-version=1"])
        .args(&["--manifest-path", "fuzz/Cargo.toml"]);
    let error = metadata.read().err()?;
    Some(format!("fuzz/Cargo.lock is not current: {error}"))
}
