//! All cases, by what they prove.

mod announce;
mod broken_peers;
mod choose;
mod corpus;
mod create;
mod create_refused;
mod dht;
mod discovery;
mod disk;
mod disk_faults;
mod disk_waits;
mod exit_codes;
mod finding;
mod get;
mod hostile;
mod http;
mod https;
mod inspect;
mod limits;
mod magnet;
mod matrix;
mod mixed;
mod npm_tracker;
mod resume;
mod resume_faults;
mod resume_kills;
mod resume_record;
mod seeding;
mod selftest;
mod several;
mod statistics;
mod super_seed;
mod thousand;
mod trackers;

use crate::harness::{Case, Outcome};

/// A line of a table of cases: a name in parts, and the function that runs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Case<'_>) -> Outcome,
}

/// A case as the runner takes it: from a table, or made for a client of the matrix.
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) run: Box<dyn Fn(&Case<'_>) -> Outcome + Sync>,
    /// Why it cannot be run on this machine.
    pub(crate) missing: Option<String>,
}

impl Planned {
    fn new(name: impl Into<String>, run: impl Fn(&Case<'_>) -> Outcome + Sync + 'static) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
            missing: None,
        }
    }

    /// Whether `wanted` is its name or whole first parts of it.
    fn is_named(&self, wanted: &str) -> bool {
        let rest = self.name.strip_prefix(wanted.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The cases that `wanted` names, or all but the selftests; those of the long tier only if `long`
/// or if they are named.
pub(crate) fn select(wanted: &[String], long: bool) -> Result<Vec<Planned>, String> {
    if wanted.is_empty() {
        let mut cases = short();
        if long {
            cases.extend(self::long());
        }
        return Ok(cases);
    }
    let selftests = planned(selftest::CASES).chain(selftest::of_clients());
    let all: Vec<_> = short()
        .into_iter()
        .chain(self::long())
        .chain(selftests)
        .collect();
    for wanted in wanted {
        if !all.iter().any(|case| case.is_named(wanted)) {
            return Err(format!("no case is called {wanted}; --list shows them"));
        }
    }
    let is_wanted = |case: &Planned| wanted.iter().any(|wanted| case.is_named(wanted));
    Ok(all.into_iter().filter(is_wanted).collect())
}

/// What CI runs.
fn short() -> Vec<Planned> {
    let tables = [
        get::CASES,
        several::CASES,
        statistics::CASES,
        mixed::CASES,
        super_seed::CASES,
        resume::CASES,
        resume_record::CASES,
        resume_kills::CASES,
        resume_faults::CASES,
        choose::CASES,
        magnet::CASES,
        broken_peers::CASES,
        hostile::liar::CASES,
        hostile::peers::CASES,
        hostile::strangers::CASES,
        hostile::trackers::CASES,
        hostile::http::CASES,
        trackers::CASES,
        thousand::CASES,
        announce::CASES,
        http::CASES,
        https::CASES,
        npm_tracker::CASES,
        dht::CASES,
        discovery::CASES,
        disk::CASES,
        disk_faults::CASES,
        disk_waits::CASES,
        exit_codes::CASES,
        inspect::CASES,
        corpus::CASES,
        seeding::CASES,
        create::CASES,
        create_refused::CASES,
    ];
    let tables = tables.into_iter().flat_map(planned);
    let clients = matrix::short().into_iter().chain(magnet::short());
    clients.chain(finding::short()).chain(tables).collect()
}

/// What takes minutes.
fn long() -> Vec<Planned> {
    matrix::long()
        .into_iter()
        .chain(magnet::long())
        .chain(finding::long())
        .chain(planned(mixed::LONG_CASES))
        .chain(planned(resume::LONG_CASES))
        .chain(planned(resume_kills::LONG_CASES))
        .chain(planned(resume_faults::LONG_CASES))
        .chain(planned(limits::LONG_CASES))
        .chain(planned(npm_tracker::LONG_CASES))
        .chain(planned(dht::LONG_CASES))
        .chain(planned(corpus::LONG_CASES))
        .collect()
}

fn planned(table: &'static [Entry]) -> impl Iterator<Item = Planned> {
    table
        .iter()
        .map(|entry| Planned::new(entry.name, entry.run))
}

const MIB: u64 = 1024 * 1024;

/// Small enough that a short download has many pieces, and files share them.
const PIECE_LENGTH: u64 = 64 * 1024;
