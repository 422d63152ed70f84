//! The table of swarms: what counts is when the last leecher has everything.

use std::fmt::Write as _;

use super::{Row, Spread, Table, Verdict, bytes};
use crate::bench::results::Swarm;

impl Table {
    pub(super) fn swarm_caption(&self, swarm: &Swarm) -> String {
        format!(
            "**Swarm**: {} in one file, pieces of {}, from one seeder to {} leechers that start \
             together, all of them the same client, each in a network namespace with {} Mbit/s up \
             and {} down (tbf), no delay; nobody can be faster than {:.2} s (the fluid bound). \
             `bt get` leaves when it is complete, the others stay. {} rounds, one swarm after the \
             other.",
            bytes(self.payload_bytes),
            bytes(self.piece_length),
            swarm.leechers,
            swarm.up_bits_per_sec / MEGA,
            swarm.down_bits_per_sec / MEGA,
            swarm.bound_secs,
            self.rounds
        )
    }

    pub(super) fn swarm_to_markdown(&self, swarm: &Swarm) -> String {
        let mut text = String::from(
            "| client | last complete s: median (range) | × the bound | first complete s: median \
             (range) | CPU s of all: least (range) | peak memory of one, MiB |\n\
             |---|---|---|---|---|---|\n",
        );
        for row in self.rows() {
            let _ = write!(text, "| {} {} ", row.client, row.version);
            if row.runs.is_empty() {
                let _ = writeln!(text, "| failed, {} times |||||", row.failures);
                continue;
            }
            let failures = match row.failures {
                0 => String::new(),
                count => format!(", {count} failed"),
            };
            let last = Spread::of(row.runs.iter().map(|run| run.wall_secs));
            let first = Spread::of(row.runs.iter().filter_map(|run| run.first_secs));
            let cpu = Spread::of(row.runs.iter().map(|run| run.cpu_secs()));
            let _ = writeln!(
                text,
                "| {:.1} ({:.1}–{:.1}){failures} | {:.2} | {:.1} ({:.1}–{:.1}) | {:.1} ({:.1}–{:.1}) | {} |",
                last.median,
                last.min,
                last.max,
                last.median / swarm.bound_secs,
                first.median,
                first.min,
                first.max,
                cpu.min,
                cpu.min,
                cpu.max,
                row.peak_rss() >> 20,
            );
        }
        text
    }
}

/// By the bound, and by each of the others.
pub(super) fn verdicts(swarm: &Swarm, ours: &Row<'_>, others: &[&Row<'_>]) -> Vec<Verdict> {
    let last = ours.median_wall();
    let by_bound = Verdict {
        what: "last completion of bt by the fluid bound (median)".to_owned(),
        value: last / swarm.bound_secs,
        bound: Some(1.3),
    };
    let by_others = others.iter().map(|row| Verdict {
        what: format!("last completion of bt by that of {} (medians)", row.client),
        value: last / row.median_wall(),
        bound: Some(1.0),
    });
    [by_bound].into_iter().chain(by_others).collect()
}

const MEGA: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn run(client: &str, first: f64, last: f64) -> Value {
        json!({
            "client": client, "round": 0, "wall_secs": last, "first_secs": first,
            "user_secs": 1.5, "system_secs": 0.5, "hash_secs": null,
            "peak_rss_bytes": 34 << 20, "peak_anon_bytes": 30 << 20, "seeder_cpu_secs": null
        })
    }

    fn measured() -> Table {
        let client =
            |name| json!({ "name": name, "version": "1", "settings": "", "is_optional": false });
        let swarm = json!({
            "leechers": 8, "up_bits_per_sec": 10_000_000, "down_bits_per_sec": 100_000_000,
            "bound_secs": 20.0,
        });
        let clients = ["late", "bt", "early", "broken"].map(client);
        let failed = json!({ "client": "broken", "round": 0, "failed": "no peers" });
        let table = json!({
            "name": "swarm", "file_system": "ext4", "payload_bytes": 32 << 20, "files": 1,
            "piece_length": 256 << 10, "rounds": 3, "load_before": 0.0, "load_after": 0.0,
            "swarm": swarm, "clients": clients,
            "missing": [], "runs": [
                run("bt", 20.0, 23.0), run("bt", 22.0, 24.0), run("bt", 24.0, 25.0),
                run("early", 9.0, 21.0), run("late", 30.0, 48.0), failed,
            ],
        });
        serde_json::from_value(table).unwrap()
    }

    #[test]
    fn rows_tell_the_ratio_to_the_bound() {
        let table = measured();
        assert!(
            table
                .caption()
                .contains("32 MiB in one file, pieces of 256 KiB")
        );
        assert!(table.caption().contains("to 8 leechers"));
        let text = table.to_markdown();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[2].starts_with("| early 1 | 21.0"), "{}", lines[2]);
        assert_eq!(
            lines[3],
            "| bt 1 | 24.0 (23.0–25.0) | 1.20 | 22.0 (20.0–24.0) | 2.0 (2.0–2.0) | 34 |"
        );
        assert!(lines[5].starts_with("| broken 1 | failed, 1 times |"));
        let columns = |line: &str| line.matches('|').count();
        assert!(lines.iter().all(|line| columns(line) == columns(lines[0])));
    }

    #[test]
    fn the_bound_and_everybody_else_are_to_be_beaten() {
        let verdicts = measured().verdicts();
        let said: Vec<_> = verdicts.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].ends_with("bound (median): 1.20 (at most 1.3: holds)"));
        assert!(said[1].ends_with("that of early (medians): 1.14 (at most 1: MISSED)"));
        assert!(said[2].ends_with("that of late (medians): 0.50 (at most 1: holds)"));
    }
}
