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
    Failed {
        failed: String,
    },
    Done(Box<Figures>),
    /// Of a DHT instead of a swarm.
    Dht(Box<DhtFigures>),
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

/// What `sim --json` writes of a DHT. Times are in seconds.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct DhtFigures {
    pub(crate) scenario: String,
    /// What happens in it.
    pub(crate) about: String,
    pub(crate) nodes: u32,
    pub(crate) seed: u64,
    pub(crate) lookups: u32,
    /// Of them, in a hundred, so many found a peer that was announced.
    pub(crate) found_percent: f64,
    pub(crate) mean_depth: f64,
    pub(crate) max_depth: u32,
    pub(crate) mean_queries: f64,
    pub(crate) mean_failures: f64,
    pub(crate) mean_known: f64,
    pub(crate) median_secs_until_found: Option<f64>,
    pub(crate) median_secs_until_ended: Option<f64>,
    pub(crate) datagrams: u64,
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
            if let Outcome::Failed { failed } = outcome {
                problems.push(format!("{line}: {failed}"));
            }
            if self.is_quick {
                continue;
            }
            let missed = outcome.verdicts().iter().filter(|verdict| !verdict.holds);
            problems.extend(
                missed.map(|Verdict { demand, found, .. }| {
                    format!("{line}: MISSED: {demand}: {found}")
                }),
            );
        }
        problems
    }
}

impl Outcome {
    /// Of how a run ended and what it wrote. That it ends badly is part of the figures if they say
    /// what was missed.
    pub(crate) fn of(ended: std::result::Result<(), String>, figures: Option<&[u8]>) -> Self {
        if let Some(Ok(figures)) = figures.map(serde_json::from_slice::<DhtFigures>) {
            return Self::Dht(Box::new(figures)).ended(ended);
        }
        let figures = match (figures.map(serde_json::from_slice::<Figures>), &ended) {
            (Some(Ok(figures)), _) => figures,
            (_, Err(reason)) => return Self::failed(reason),
            (Some(Err(error)), Ok(())) => {
                return Self::failed(&format!("its figures cannot be read: {error}"));
            }
            (None, Ok(())) => return Self::failed("it wrote no figures"),
        };
        Self::Done(Box::new(figures)).ended(ended)
    }

    /// What must hold of it; nothing if it gave no figures.
    fn verdicts(&self) -> &[Verdict] {
        match self {
            Self::Failed { .. } => &[],
            Self::Done(figures) => &figures.verdicts,
            Self::Dht(figures) => &figures.verdicts,
        }
    }

    fn ended(self, ended: std::result::Result<(), String>) -> Self {
        let is_missed = self.verdicts().iter().any(|verdict| !verdict.holds);
        match ended {
            Err(reason) if !is_missed => Self::failed(&reason),
            _ => self,
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
            Outcome::Dht(figures) if figures.verdicts[0].holds => "holds of the DHT",
            Outcome::Dht(_) => "missed by the DHT",
        };
        assert_eq!(found, expected);
    }

    fn dht_figures(holds: bool) -> Vec<u8> {
        let figures = json!({
            "scenario": "dht", "about": "", "nodes": 9, "seed": 1, "lookups": 5,
            "found_percent": 100.0, "mean_depth": 3.5, "max_depth": 6, "mean_queries": 15.0,
            "mean_failures": 3.0, "mean_known": 60.0, "median_secs_until_found": 0.25,
            "median_secs_until_ended": 6.0, "datagrams": 7,
            "verdicts": [{ "demand": "all", "found": "none", "holds": holds }],
            "cost": { "cpu_secs": null, "peak_memory_bytes": null },
        });
        figures.to_string().into_bytes()
    }

    #[test]
    fn figures_of_a_dht_are_others() {
        check(Ok(()), Some(&dht_figures(true)), "holds of the DHT");
        check(
            Err("exit 1"),
            Some(&dht_figures(false)),
            "missed by the DHT",
        );
        check(Err("exit 1"), Some(&dht_figures(true)), "exit 1");
        let run = |line: &str, holds| Run {
            line: line.to_owned(),
            outcome: Outcome::of(Ok(()), Some(&dht_figures(holds))),
        };
        let results = Results {
            runs: vec![run("a", true), run("b", false)],
            ..results(false)
        };
        assert_eq!(results.problems(), ["b: MISSED: all: none"]);
        let value = serde_json::to_value(&results).unwrap();
        let read: Results = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), value);
        let table = results.dht_to_markdown();
        let row = "| `a` | 9 | all | none | 3.50 (6) | 15.0 (3.0) | 0.25 | 6.00 |";
        assert!(table.contains(row), "{table}");
        let missed = "| `b` | 9 | all | **missed**: none | 3.50 (6) |";
        assert!(table.contains(missed), "{table}");
        assert!(
            !results.to_markdown().contains("`a`"),
            "not among the swarms"
        );
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
