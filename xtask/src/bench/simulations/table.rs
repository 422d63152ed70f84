//! Simulations as people read them.

use std::fmt::Write as _;

use super::results::{DhtFigures, Figures, Outcome, Results, Run, Verdict};

impl Results {
    /// What was run, what came of it, and where: as Markdown that needs nothing beside it.
    pub(crate) fn to_markdown(&self) -> String {
        let mut text = HEAD.to_owned();
        if self.is_quick {
            text.push_str(QUICK);
        }
        text.push('\n');
        for (name, about) in self.scenarios() {
            _ = writeln!(text, "- `{name}`: {about}");
        }
        text.push_str(COLUMNS);
        for Run { line, outcome } in &self.runs {
            match outcome {
                Outcome::Failed { failed } => {
                    let failed = cell(failed);
                    _ = writeln!(text, "| `{line}` | | | | **failed**: {failed} | | | |");
                }
                Outcome::Done(figures) => push_rows(&mut text, line, figures),
                Outcome::Dht(_) => {}
            }
        }
        _ = writeln!(text, "\n{}", self.origin);
        text
    }

    /// The same of the runs of a DHT; empty if there are none.
    pub(crate) fn dht_to_markdown(&self) -> String {
        let dhts = self.runs.iter().filter_map(|run| match &run.outcome {
            Outcome::Dht(figures) => Some((&run.line, figures)),
            _ => None,
        });
        let dhts: Vec<_> = dhts.collect();
        if dhts.is_empty() {
            return String::new();
        }
        let mut text = DHT_HEAD.to_owned();
        if self.is_quick {
            text.push_str(QUICK);
        }
        text.push('\n');
        let mut known = Vec::new();
        for (_, figures) in &dhts {
            if !known.contains(&&figures.scenario) {
                known.push(&figures.scenario);
                _ = writeln!(text, "- `{}`: {}", figures.scenario, figures.about);
            }
        }
        text.push_str(DHT_COLUMNS);
        for (line, figures) in dhts {
            push_dht_rows(&mut text, line, figures);
        }
        _ = writeln!(text, "\n{}", self.origin);
        text
    }

    /// Each once, in the order in which they were run.
    fn scenarios(&self) -> Vec<(&str, &str)> {
        let mut scenarios = Vec::new();
        for run in &self.runs {
            if let Outcome::Done(figures) = &run.outcome {
                let scenario = (figures.scenario.as_str(), figures.about.as_str());
                if !scenarios.contains(&scenario) {
                    scenarios.push(scenario);
                }
            }
        }
        scenarios
    }
}

/// One for each demand; what is said of the whole run stands in the first.
fn push_rows(text: &mut String, line: &str, figures: &Figures) {
    let ratio = figures.bound_ratio;
    let ratio = ratio.map_or("never".to_owned(), |ratio| format!("{ratio:.2}"));
    let cpu = figures.cost.cpu_secs;
    let cpu = cpu.map_or(String::new(), |secs| format!("{secs:.1}"));
    let memory = figures.cost.peak_memory_bytes;
    let memory = memory.map_or(String::new(), |bytes| (bytes >> 20).to_string());
    let (peers, pieces, kib) = (figures.peers, figures.pieces, figures.piece_length >> 10);
    let mut start = format!("| `{line}` | {peers} | {pieces} × {kib} KiB");
    let mut end = format!("{ratio} | {cpu} | {memory} |");
    for Verdict {
        demand,
        found,
        holds,
    } in &figures.verdicts
    {
        let (demand, found) = (cell(demand), cell(found));
        let mark = if *holds { "" } else { "**missed**: " };
        _ = writeln!(text, "{start} | {demand} | {mark}{found} | {end}");
        "| | |".clone_into(&mut start);
        "| | |".clone_into(&mut end);
    }
}

fn push_dht_rows(text: &mut String, line: &str, figures: &DhtFigures) {
    let secs = |secs: Option<f64>| secs.map_or("never".to_owned(), |secs| format!("{secs:.2}"));
    let mut start = format!("| `{line}` | {}", figures.nodes);
    let mut end = format!(
        "{:.2} ({}) | {:.1} ({:.1}) | {} | {} |",
        figures.mean_depth,
        figures.max_depth,
        figures.mean_queries,
        figures.mean_failures,
        secs(figures.median_secs_until_found),
        secs(figures.median_secs_until_ended)
    );
    for Verdict {
        demand,
        found,
        holds,
    } in &figures.verdicts
    {
        let (demand, found) = (cell(demand), cell(found));
        let mark = if *holds { "" } else { "**missed**: " };
        _ = writeln!(text, "{start} | {demand} | {mark}{found} | {end}");
        "| |".clone_into(&mut start);
        "| | | |".clone_into(&mut end);
    }
}

/// Text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

const HEAD: &str = "\
Swarms of this scheduler on virtual time, each scenario with what must hold in it. In the \
repository of `bt`, `cargo xtask sim` with the words of the first column runs one again: the same \
seed gives the same run, to the last bit, and only CPU time and memory are those of the machine.

Unless a scenario says otherwise, there is one seed, every node has 10 Mbit/s up and 100 down, \
25 ms to any other, at most 50 connections and a tracker that returns 50 peers at random, and who \
has everything stays. *The bound* is the time before which nobody can bring everything to all that \
count, however well they share: `max(F/u_seed, F/d_min, N*F/(u_seed + sum of u_i))`.
";
const DHT_HEAD: &str = "\
Nodes of this crate on virtual time, 10 to 150 ms from one another, one datagram in a hundred lost. \
In the repository of `bt`, `cargo xtask sim` with the words of the first column runs one again: the \
same seed gives the same run, to the last bit.
";
const DHT_COLUMNS: &str = "
| `cargo xtask sim` | nodes | demanded | found | mean depth (most) | queries a look-up (in vain) | s until a peer, median | s until the end, median |
|---|---|---|---|---|---|---|---|
";
const QUICK: &str = "
**These are runs in small, which only show that the simulator works: what is demanded is stated for \
the full size.**
";
const COLUMNS: &str = "
| `cargo xtask sim` | peers | pieces | demanded | found | last complete × the bound | CPU s | peak memory MiB |
|---|---|---|---|---|---|---|---|
";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn run(line: &str, ratio: Value, verdicts: &Value) -> Value {
        json!({
            "line": line, "scenario": "classes", "about": "a third each", "peers": 99,
            "pieces": 1000, "piece_length": 262_144, "seed": 1, "bound": 200.0,
            "bound_ratio": ratio, "completion": { "first": 1.0, "last": 230.0 },
            "wasted_percent": 0.25, "utilisation": 0.875, "groups": [], "verdicts": verdicts,
            "cost": { "cpu_secs": 31.25, "peak_memory_bytes": 300 << 20 },
        })
    }

    fn results(is_quick: bool) -> Results {
        let late = json!({ "demand": "at most 1.10", "found": "1.15", "holds": false });
        let order = json!({ "demand": "an order", "found": "a | b", "holds": true });
        let results = json!({
            "commit": "0123456789abcdef", "changed_files": 0, "rustc": "rustc 1.90.0 (x)",
            "system": "Linux", "cores": 2, "unix_time": 1, "is_quick": is_quick,
            "runs": [
                run("classes --seed 1", json!(1.151), &json!([late, order])),
                run("classes --seed 2", json!(null), &json!([order])),
                { "line": "classes --seed 3", "failed": "it ended with exit status: 101" },
            ],
        });
        serde_json::from_value(results).unwrap()
    }

    #[test]
    fn every_run_and_every_demand_has_a_row() {
        let text = results(false).to_markdown();
        let (before, after) = text.split_once("|---|\n").unwrap();
        let rows: Vec<_> = after.lines().collect();
        let expected = [
            "| `classes --seed 1` | 99 | 1000 × 256 KiB | at most 1.10 | **missed**: 1.15 | 1.15 | 31.2 | 300 |",
            "| | | | an order | a \\| b | | | |",
            "| `classes --seed 2` | 99 | 1000 × 256 KiB | an order | a \\| b | never | 31.2 | 300 |",
            "| `classes --seed 3` | | | | **failed**: it ended with exit status: 101 | | | |",
            "",
            "Commit 0123456789ab; rustc 1.90.0; Linux, 2 cores.",
        ];
        assert_eq!(rows, expected);
        assert_eq!(before.matches("\n- `classes`: a third each\n").count(), 1);
        let columns = |line: &str| line.replace("\\|", "").matches('|').count();
        let header = before.lines().nth_back(1).unwrap();
        assert!(rows[..4].iter().all(|row| columns(row) == columns(header)));
    }

    #[test]
    fn runs_in_small_are_called_that() {
        assert!(results(true).to_markdown().contains("runs in small"));
        assert!(!results(false).to_markdown().contains("runs in small"));
    }

    /// It stands in the README of a crate, which is read elsewhere, too.
    #[test]
    fn nothing_links_to_anywhere() {
        let text = results(true).to_markdown();
        assert!(!text.contains("](") && !text.contains("]:"), "{text}");
    }
}
