use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{Result, cmd::Cmd};

/// Where results come from.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Origin {
    pub(crate) commit: String,
    /// What was not committed.
    pub(crate) changed_files: usize,
    pub(crate) rustc: String,
    pub(crate) system: String,
    pub(crate) cores: usize,
    pub(crate) unix_time: u64,
}

impl Origin {
    /// To be asked before the first result is written, which may change a file that is committed.
    pub(crate) fn now() -> Result<Self> {
        Ok(Self {
            commit: commit()?,
            changed_files: changed_files()?,
            rustc: line(&Cmd::new("rustc").args(&["--version"]))?,
            system: line(&Cmd::new("uname").args(&["-srm"]))?,
            cores: std::thread::available_parallelism()?.get(),
            unix_time: unix_time(),
        })
    }
}

/// As it stands under a table.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commit = describe(&self.commit, self.changed_files);
        // Without the commit and date of the compiler, which are in brackets.
        let rustc = self.rustc.split(" (").next().unwrap_or_default();
        write!(
            f,
            "{commit}; {rustc}; {}, {} cores.",
            self.system, self.cores
        )
    }
}

/// A commit for people.
pub(crate) fn describe(commit: &str, changed_files: usize) -> String {
    let commit = commit.get(..12).unwrap_or(commit);
    match changed_files {
        0 => format!("Commit {commit}"),
        count => format!("Commit {commit} with {count} changed files"),
    }
}

pub(crate) fn commit() -> Result<String> {
    line(&Cmd::new("git").args(&["rev-parse", "HEAD"]))
}

pub(crate) fn changed_files() -> Result<usize> {
    let status = Cmd::new("git").args(&["status", "--porcelain"]).read()?;
    Ok(status.lines().count())
}

#[expect(
    clippy::disallowed_methods,
    reason = "results carry the time at which they were made"
)]
pub(crate) fn unix_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn line(cmd: &Cmd) -> Result<String> {
    Ok(cmd.read()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_what_can_be_found_again() {
        let mut origin = Origin {
            commit: "0123456789abcdef".to_owned(),
            changed_files: 0,
            rustc: "rustc 1.90.0 (1159e78c4 2025-09-14)".to_owned(),
            system: "Linux 6.1 x86_64".to_owned(),
            cores: 2,
            unix_time: 1,
        };
        let rest = "; rustc 1.90.0; Linux 6.1 x86_64, 2 cores.";
        assert_eq!(origin.to_string(), format!("Commit 0123456789ab{rest}"));
        origin.changed_files = 3;
        let changed = format!("Commit 0123456789ab with 3 changed files{rest}");
        assert_eq!(origin.to_string(), changed);
    }
}
