//! Results as people read them, and whether they are good enough.

use std::fmt::{self, Write as _};

use super::results::{Cost, Outcome, Table};
use crate::origin;

mod magnet;
mod swarm;

/// In this order.
pub(crate) const NAMES: [&str; 6] = ["download", "files", "verify", "create", "swarm", "magnet"];

/// What all runs of one client come to.
struct Row<'a> {
    client: &'a str,
    version: &'a str,
    runs: Vec<&'a Cost>,
    failures: usize,
}

impl Table {
    /// What was done, where, and with which code.
    pub(crate) fn caption(&self) -> String {
        if let Some(swarm) = &self.swarm {
            return self.swarm_caption(swarm);
        }
        if let Some(nodes) = self.dht_nodes {
            return self.magnet_caption(nodes);
        }
        let size = self.payload_bytes as f64 / GIB;
        let size = format!("{} GiB", (size * 100.0).round() / 100.0);
        let content = match self.files {
            1 => format!("{size} in one file, pieces of {}", bytes(self.piece_length)),
            many => format!(
                "{size} in {many} files, pieces of {}",
                bytes(self.piece_length)
            ),
        };
        let work = match self.name.as_str() {
            "download" | "files" => format!(
                "**Download**: {content}, from one libtorrent 2.0 seeder over loopback to {}",
                self.file_system
            ),
            "verify" => format!("**Check of what is on disk**: {content}, in the page cache"),
            "create" => format!("**Making a .torrent**: {content}, in the page cache"),
            other => format!("**{other}**: {content}"),
        };
        format!(
            "{work}; {} rounds, one client after the other.",
            self.rounds
        )
    }

    /// On what it was measured.
    pub(crate) fn origin(&self) -> String {
        let commit = origin::describe(&self.commit, self.changed_files);
        let Some(machine) = &self.machine else {
            return format!("{commit}.");
        };
        format!(
            "{commit}; {}, {} cores, {}; {}; load {:.1} before, {:.1} after.",
            machine.cpu,
            machine.cores,
            machine.cpu_flags.join(" "),
            machine.kernel,
            self.load_before,
            self.load_after
        )
    }

    /// As Markdown.
    pub(crate) fn to_markdown(&self) -> String {
        if let Some(swarm) = &self.swarm {
            return self.swarm_to_markdown(swarm);
        }
        if self.dht_nodes.is_some() {
            return self.magnet_to_markdown();
        }
        let has_seeder = self.is_transfer();
        let mut text = String::from(
            "| client | wall s: median (range) | MiB/s | CPU s/GiB: least (range) | of it hashing \
             | peak memory MiB | anonymous |",
        );
        text.push_str(if has_seeder {
            " seeder's CPU |\n"
        } else {
            "\n"
        });
        text.push_str("|---|---|---|---|---|---|---|");
        text.push_str(if has_seeder { "---|\n" } else { "\n" });
        let gib = self.payload_bytes as f64 / GIB;
        for row in self.rows() {
            let _ = write!(text, "| {} {} ", row.client, row.version);
            let Some(best) = row.least_cpu() else {
                let _ = writeln!(text, "| failed, {} times |||||{}", row.failures, {
                    if has_seeder { "||" } else { "|" }
                });
                continue;
            };
            let wall = Spread::of(row.runs.iter().map(|run| run.wall_secs));
            let cpu = Spread::of(row.runs.iter().map(|run| run.cpu_secs() / gib));
            let hash = best
                .hash_secs
                .map_or("".to_owned(), |secs| format!("{:.2}", secs / gib));
            let failures = match row.failures {
                0 => String::new(),
                count => format!(", {count} failed"),
            };
            let _ = write!(
                text,
                "| {:.2} ({:.2}–{:.2}){failures} | {:.0} | {:.2} ({:.2}–{:.2}) | {hash} | {} | {} |",
                wall.median,
                wall.min,
                wall.max,
                gib * 1024.0 / wall.median,
                cpu.min,
                cpu.min,
                cpu.max,
                row.peak_rss() >> 20,
                row.peak(|run| run.peak_anon_bytes) >> 20,
            );
            if has_seeder {
                let seeder = row.runs.iter().filter_map(|run| run.seeder_cpu_secs);
                let _ = write!(text, " {:.2} |", Spread::of(seeder).min / gib);
            }
            text.push('\n');
        }
        text
    }

    /// How `bt` stands to what the issue of the bench asks for; nothing of who is not compared.
    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        let rows = self.rows();
        let (ours, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.client == "bt");
        let others: Vec<_> = others
            .into_iter()
            .filter(|row| !row.runs.is_empty())
            .collect();
        let Some(ours) = ours.first().filter(|row| !row.runs.is_empty()) else {
            return Vec::new();
        };
        if let Some(swarm) = &self.swarm {
            return swarm::verdicts(swarm, ours, &others);
        }
        if self.dht_nodes.is_some() {
            return magnet::verdicts(ours, &others);
        }
        if others.is_empty() {
            return Vec::new();
        }
        let cpu = |row: &Row<'_>| row.least_cpu().map_or(f64::MAX, Cost::cpu_secs);
        let least = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::MAX, f64::min);
        let best_cpu = least(&mut others.iter().map(|row| cpu(row)));
        let walls: Vec<_> = others.iter().map(|row| row.median_wall()).collect();
        let best_wall = least(&mut walls.iter().copied());
        let is_download = self.name == "download";
        let mut verdicts = vec![
            Verdict {
                what: "CPU of bt by the best other client's (least)".to_owned(),
                value: cpu(ours) / best_cpu,
                bound: is_download.then_some(1.5),
            },
            Verdict {
                what: "wall of bt by the best other client's (medians)".to_owned(),
                value: ours.median_wall() / best_wall,
                bound: is_download.then_some(1.2),
            },
        ];
        if is_download {
            verdicts.push(Verdict {
                what: "peak memory of bt, in MiB".to_owned(),
                value: ours.peak_rss() as f64 / MIB,
                bound: Some(64.0),
            });
        }
        if self.name == "files" {
            verdicts.push(Verdict {
                what: "wall of bt by the median of the other clients' (medians)".to_owned(),
                value: ours.median_wall() / Spread::of(walls).median,
                bound: Some(1.0),
            });
        }
        verdicts
    }

    /// In the order of their wall, those without a result last.
    fn rows(&self) -> Vec<Row<'_>> {
        let mut rows: Vec<_> = self
            .clients
            .iter()
            .map(|client| {
                let of_it = || self.runs.iter().filter(|run| run.client == client.name);
                let done = of_it().filter_map(|run| match &run.outcome {
                    Outcome::Done(cost) => Some(cost),
                    Outcome::Failed { .. } => None,
                });
                let runs: Vec<_> = done.collect();
                Row {
                    client: &client.name,
                    version: &client.version,
                    failures: of_it().count() - runs.len(),
                    runs,
                }
            })
            .collect();
        rows.sort_by(|a, b| a.median_wall().total_cmp(&b.median_wall()));
        rows
    }

    fn is_transfer(&self) -> bool {
        self.runs.iter().any(|run| match &run.outcome {
            Outcome::Done(cost) => cost.seeder_cpu_secs.is_some(),
            Outcome::Failed { .. } => false,
        })
    }
}

impl Row<'_> {
    fn least_cpu(&self) -> Option<&Cost> {
        let runs = self.runs.iter().copied();
        runs.min_by(|a, b| a.cpu_secs().total_cmp(&b.cpu_secs()))
    }

    fn median_wall(&self) -> f64 {
        Spread::of(self.runs.iter().map(|run| run.wall_secs)).median
    }

    fn peak_rss(&self) -> u64 {
        self.peak(|run| run.peak_rss_bytes)
    }

    fn peak(&self, of: impl Fn(&Cost) -> u64) -> u64 {
        self.runs.iter().map(|run| of(run)).max().unwrap_or(0)
    }
}

/// A ratio or a figure, and what it may be at most.
pub(crate) struct Verdict {
    what: String,
    value: f64,
    bound: Option<f64>,
}

impl Verdict {
    pub(crate) fn holds(&self) -> bool {
        self.bound.is_none_or(|bound| self.value <= bound)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:.2}", self.what, self.value)?;
        match self.bound {
            Some(bound) if self.holds() => write!(f, " (at most {bound}: holds)"),
            Some(bound) => write!(f, " (at most {bound}: MISSED)"),
            None => Ok(()),
        }
    }
}

struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    /// Of nothing it is infinite, and so behind all others.
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let [min, .., max] = values.as_slice() else {
            let only = values.first().copied().unwrap_or(f64::INFINITY);
            return Self {
                min: only,
                median: only,
                max: only,
            };
        };
        let (low, high) = ((values.len() - 1) / 2, values.len() / 2);
        Self {
            min: *min,
            median: f64::midpoint(values[low], values[high]),
            max: *max,
        }
    }
}

fn bytes(length: u64) -> String {
    match length >> 20 {
        0 => format!("{} KiB", length >> 10),
        mib => format!("{mib} MiB"),
    }
}

const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1024.0 * MIB;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn run(client: &str, wall: f64, cpu: f64) -> Value {
        json!({
            "client": client, "round": 0, "wall_secs": wall, "user_secs": cpu - 0.5,
            "system_secs": 0.5, "hash_secs": if client == "bt" { json!(0.25) } else { json!(null) },
            "peak_rss_bytes": 34 << 20, "peak_anon_bytes": 30 << 20, "seeder_cpu_secs": 0.75
        })
    }

    fn table(name: &str, runs: &[Value]) -> Table {
        let client =
            |name| json!({ "name": name, "version": "1", "settings": "", "is_optional": false });
        let table = json!({
            "name": name, "file_system": "ext4", "payload_bytes": 1_u64 << 30, "files": 1,
            "piece_length": 1 << 20, "rounds": 3, "load_before": 0.0, "load_after": 0.0,
            "clients": [client("slow"), client("bt"), client("good"), client("broken")],
            "missing": [], "runs": runs,
        });
        serde_json::from_value(table).unwrap()
    }

    fn measured(name: &str) -> Table {
        let failed = json!({ "client": "broken", "round": 0, "failed": "no peers" });
        let runs = [
            run("bt", 2.0, 3.0),
            run("bt", 4.0, 2.0),
            run("bt", 9.0, 5.0),
            run("good", 5.0, 1.0),
            run("slow", 50.0, 8.0),
            failed,
        ];
        table(name, &runs)
    }

    #[test]
    fn rows_are_sorted_by_wall_and_say_what_they_stand_for() {
        let text = measured("download").to_markdown();
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            lines[0],
            "| bt 1 | 4.00 (2.00–9.00) | 256 | 2.00 (2.00–5.00) | 0.25 | 34 | 30 | 0.75 |"
        );
        assert!(lines[1].starts_with("| good 1 | 5.00"), "{}", lines[1]);
        assert!(lines[2].starts_with("| slow 1 | 50.00"), "{}", lines[2]);
        assert!(lines[3].starts_with("| broken 1 | failed, 1 times |"));
        let columns = |line: &str| line.matches('|').count();
        assert!(text.lines().all(|line| columns(line) == columns(lines[0])));
    }

    #[test]
    fn ratios_are_of_the_least_cpu_and_of_median_walls() {
        let verdicts = measured("download").verdicts();
        let said: Vec<_> = verdicts.iter().map(ToString::to_string).collect();
        assert!(
            said[0].ends_with(": 2.00 (at most 1.5: MISSED)"),
            "{said:?}"
        );
        assert!(said[1].ends_with(": 0.80 (at most 1.2: holds)"), "{said:?}");
        assert!(said[2].ends_with(": 34.00 (at most 64: holds)"), "{said:?}");

        let files = measured("files").verdicts();
        let last = files.last().unwrap();
        assert!(last.holds() && (last.value - 4.0 / 27.5).abs() < 1e-9);
        assert!(measured("verify").verdicts().iter().all(Verdict::holds));
        assert!(
            table("download", &[run("bt", 1.0, 1.0)])
                .verdicts()
                .is_empty()
        );
    }
}
