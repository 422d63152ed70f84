//! What simulations found, as it is kept: every single run, and where it was made.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Result, origin::Origin, workspace};

/// A file of results, all of one commit.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Results {
    #[serde(flatten)]
    pub(crate) origin: Origin,
    /// In smaller sizes than those for which something is demanded.
    pub(crate) is_quick: bool,
    pub(crate) runs: Vec<Run>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Run {
    /// What repeats it, given to `cargo xtask sim`.
    pub(crate) line: String,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Outcome {
    Failed { failed: String },
    Done(Box<Figures>),
}

/// What `sim --json` writes, but for what it says of every single node. Times are in seconds.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Figures {
    pub(crate) scenario: String,
    /// What happens in it.
    pub(crate) about: String,
    pub(crate) peers: u32,
    pub(crate) pieces: u32,
    pub(crate) piece_length: u32,
    pub(crate) seed: u64,
    /// Before that not all that count can be complete.
    pub(crate) bound: f64,
    /// Nothing if somebody never was.
    pub(crate) bound_ratio: Option<f64>,
    pub(crate) completion: Completion,
    pub(crate) wasted_percent: f64,
    /// The part of the upload lines that was used until the last completion.
    pub(crate) utilisation: f64,
    pub(crate) groups: Vec<Group>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) cost: Cost,
}

/// By when so many of those who got there were complete.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Completion {
    pub(crate) first: Option<f64>,
    pub(crate) p10: Option<f64>,
    pub(crate) median: Option<f64>,
    pub(crate) p90: Option<f64>,
    pub(crate) last: Option<f64>,
}

/// The nodes of one kind.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) nodes: u32,
    pub(crate) completed: u32,
    pub(crate) median: Option<f64>,
    pub(crate) last: Option<f64>,
    pub(crate) mean_download_bytes_per_sec: u64,
    pub(crate) mean_copies_given: f64,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Verdict {
    pub(crate) demand: String,
    pub(crate) found: String,
    pub(crate) holds: bool,
}

/// What the run took of the machine, where that says.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Cost {
    pub(crate) cpu_secs: Option<f64>,
    pub(crate) peak_memory_bytes: Option<u64>,
}

impl Results {
    /// # Errors
    /// If there are none: whoever asks for them cannot do without.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let short = workspace::short(path);
        if !path.exists() {
            let makes = "`cargo xtask bench simulations` makes it";
            return Err(format!("{short} does not exist; {makes}").into());
        }
        let text = fs::read(path).map_err(|error| format!("{short}: {error}"))?;
        let results = serde_json::from_slice(&text);
        Ok(results.map_err(|error| format!("{short}: {error}"))?)
    }

    /// With sorted keys and one line for each value, so that a newer file differs where it should.
    pub(crate) fn write(&self, path: &Path) -> Result {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let value: Value = serde_json::to_value(self)?;
        fs::write(path, format!("{value:#}\n"))?;
        Ok(())
    }

    /// What failed, and in full size what was missed.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for Run { line, outcome } in &self.runs {
            match outcome {
                Outcome::Failed { failed } => problems.push(format!("{line}: {failed}")),
                Outcome::Done(figures) if !self.is_quick => {
                    let missed = figures.verdicts.iter().filter(|verdict| !verdict.holds);
                    problems.extend(missed.map(|Verdict { demand, found, .. }| {
                        format!("{line}: MISSED: {demand}: {found}")
                    }));
                }
                Outcome::Done(_) => {}
            }
        }
        problems
    }
}

impl Outcome {
    /// Of how a run ended and what it wrote. That it ends badly is part of the figures if they say
    /// what was missed.
    pub(crate) fn of(ended: std::result::Result<(), String>, figures: Option<&[u8]>) -> Self {
        let figures = match (figures.map(serde_json::from_slice::<Figures>), &ended) {
            (Some(Ok(figures)), _) => figures,
            (_, Err(reason)) => return Self::failed(reason),
            (Some(Err(error)), Ok(())) => {
                return Self::failed(&format!("its figures cannot be read: {error}"));
            }
            (None, Ok(())) => return Self::failed("it wrote no figures"),
        };
        let is_missed = figures.verdicts.iter().any(|verdict| !verdict.holds);
        match ended {
            Err(reason) if !is_missed => Self::failed(&reason),
            _ => Self::Done(Box::new(figures)),
        }
    }

    fn failed(reason: &str) -> Self {
        Self::Failed {
            failed: reason.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn figures(holds: bool) -> Vec<u8> {
        let figures = json!({
            "scenario": "churn", "about": "", "peers": 3, "pieces": 4, "piece_length": 16384,
            "seed": 1, "bound": 2.0, "bound_ratio": null, "completion": {}, "wasted_percent": 0.0,
            "utilisation": 0.5, "groups": [], "share_ratios": [1.0, 2.0],
            "verdicts": [{ "demand": "all", "found": "none", "holds": holds }],
            "cost": { "cpu_secs": null, "peak_memory_bytes": null },
        });
        figures.to_string().into_bytes()
    }

    #[track_caller]
    fn check(ended: std::result::Result<(), &str>, figures: Option<&[u8]>, expected: &str) {
        let outcome = Outcome::of(ended.map_err(str::to_owned), figures);
        let found = match &outcome {
            Outcome::Failed { failed } => failed,
            Outcome::Done(figures) if figures.verdicts[0].holds => "holds",
            Outcome::Done(_) => "missed",
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_run_without_figures_has_failed() {
        check(Ok(()), Some(&figures(true)), "holds");
        // As without `--check`, and with it.
        check(Ok(()), Some(&figures(false)), "missed");
        check(Err("exit 1"), Some(&figures(false)), "missed");
        check(Err("exit 1"), Some(&figures(true)), "exit 1");
        check(Err("exit 101"), Some(b"{"), "exit 101");
        check(Err("exit 101"), None, "exit 101");
        check(Ok(()), None, "it wrote no figures");
        let cut = "its figures cannot be read: EOF while parsing an object at line 1 column 1";
        check(Ok(()), Some(b"{"), cut);
    }

    fn results(is_quick: bool) -> Results {
        let run = |line: &str, outcome| Run {
            line: line.to_owned(),
            outcome,
        };
        let origin = json!({
            "commit": "c", "changed_files": 0, "rustc": "r", "system": "s", "cores": 2,
            "unix_time": 1,
        });
        Results {
            origin: serde_json::from_value(origin).unwrap(),
            is_quick,
            runs: vec![
                run("a", Outcome::of(Ok(()), Some(&figures(true)))),
                run("b", Outcome::of(Ok(()), Some(&figures(false)))),
                run("c", Outcome::failed("no luck")),
            ],
        }
    }

    #[test]
    fn what_failed_is_a_problem_and_what_was_missed_in_full_size() {
        let missed = "b: MISSED: all: none";
        assert_eq!(results(false).problems(), [missed, "c: no luck"]);
        assert_eq!(results(true).problems(), ["c: no luck"]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let value = serde_json::to_value(results(true)).unwrap();
        assert_eq!(value["runs"][2]["failed"], "no luck");
        assert_eq!(value["runs"][0]["bound"], 2.0);
        // Ten thousand nodes are not kept.
        assert_eq!(value["runs"][0].get("share_ratios"), None);
        let read: Results = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), value);
    }

    #[test]
    fn without_results_it_is_said_who_makes_them() {
        let path = workspace::root().join("docs/bench/no-such-file.json");
        let error = Results::read(&path).unwrap_err().to_string();
        assert_eq!(
            error,
            "docs/bench/no-such-file.json does not exist; `cargo xtask bench simulations` makes it"
        );
    }
}
