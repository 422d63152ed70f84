//! All cases, by what they prove.

mod broken_peers;
mod disk;
mod exit_codes;
mod get;
mod hostile;
mod inspect;
mod long;
mod resume;
mod seed;
mod selftest;
mod several;
mod trackers;

use crate::harness::{Case, Outcome};

/// One case: a name in parts, and the function that runs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Case<'_>) -> Outcome,
}

/// The cases that `wanted` names, or all but the selftests; those of the long tier only if `long`
/// or if they are named.
pub(crate) fn select(wanted: &[String], long: bool) -> Result<Vec<&'static Entry>, String> {
    let short = [
        get::CASES,
        several::CASES,
        seed::CASES,
        resume::CASES,
        broken_peers::CASES,
        hostile::CASES,
        trackers::CASES,
        disk::CASES,
        exit_codes::CASES,
        inspect::CASES,
    ];
    if wanted.is_empty() {
        let long = long.then_some(long::CASES);
        return Ok(short.into_iter().chain(long).flatten().collect());
    }
    let all: Vec<_> = short
        .into_iter()
        .chain([long::CASES, selftest::CASES])
        .flatten()
        .collect();
    for wanted in wanted {
        if !all.iter().any(|entry| is_named(entry, wanted)) {
            return Err(format!("no case is called {wanted}; --list shows them"));
        }
    }
    Ok(all
        .into_iter()
        .filter(|entry| wanted.iter().any(|w| is_named(entry, w)))
        .collect())
}

/// Whether `wanted` is the entry's name or whole first parts of it.
fn is_named(entry: &Entry, wanted: &str) -> bool {
    let rest = entry.name.strip_prefix(wanted.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

const MIB: u64 = 1024 * 1024;

/// Small enough that a short download has many pieces, and files share them.
const PIECE_LENGTH: u64 = 64 * 1024;
