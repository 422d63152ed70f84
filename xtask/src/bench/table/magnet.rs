//! The table of magnet links: what counts is when the first payload byte is on its way.

use std::fmt::Write as _;

use super::{Row, Spread, Table, Verdict, bytes};

impl Table {
    pub(super) fn magnet_caption(&self, nodes: u32) -> String {
        format!(
            "**From a magnet link to the first payload byte**: nothing but the info hash is known, and \
             a node that leads into a DHT of {nodes} nodes of libtorrent 2.1; one libtorrent 2.0 \
             seeder has announced itself there; {} in one file, pieces of {}; no delay \
             on the line. Each client starts with an empty state, at its defaults; the seeder says when it \
             has sent the first block. libtorrent is told to look once it is in the DHT, as by itself it \
             would wait for minutes; what it costs to start its Python does not count. {} rounds, one client after the other.",
            bytes(self.payload_bytes),
            bytes(self.piece_length),
            self.rounds
        )
    }

    pub(super) fn magnet_to_markdown(&self) -> String {
        let mut text = String::from(
            "| client | first byte after ms: median (range) | CPU ms until then: least (range) | peak \
             memory MiB | anonymous |\n\
             |---|---|---|---|---|\n",
        );
        for row in self.rows() {
            let _ = write!(text, "| {} {} ", row.client, row.version);
            if row.runs.is_empty() {
                let _ = writeln!(text, "| failed, {} times ||||", row.failures);
                continue;
            }
            let failures = match row.failures {
                0 => String::new(),
                count => format!(", {count} failed"),
            };
            let first = Spread::of(row.runs.iter().map(|run| run.wall_secs * MILLI));
            let cpu = Spread::of(row.runs.iter().map(|run| run.cpu_secs() * MILLI));
            let _ = writeln!(
                text,
                "| {:.0} ({:.0}–{:.0}){failures} | {:.0} ({:.0}–{:.0}) | {} | {} |",
                first.median,
                first.min,
                first.max,
                cpu.min,
                cpu.min,
                cpu.max,
                row.peak_rss() >> 20,
                row.peak(|run| run.peak_anon_bytes) >> 20,
            );
        }
        text
    }
}

/// By each of the others.
pub(super) fn verdicts(ours: &Row<'_>, others: &[&Row<'_>]) -> Vec<Verdict> {
    let by_other = |row: &&Row<'_>| Verdict {
        what: format!("first byte of bt by that of {} (medians)", row.client),
        value: ours.median_wall() / row.median_wall(),
        bound: Some(1.0),
    };
    others.iter().map(by_other).collect()
}

const MILLI: f64 = 1000.0;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn run(client: &str, wall: f64) -> Value {
        json!({
            "client": client, "round": 0, "wall_secs": wall, "user_secs": 0.015,
            "system_secs": 0.005, "hash_secs": null,
            "peak_rss_bytes": 34 << 20, "peak_anon_bytes": 30 << 20, "seeder_cpu_secs": null
        })
    }

    fn measured() -> Table {
        let client =
            |name| json!({ "name": name, "version": "1", "settings": "", "is_optional": false });
        let clients = ["late", "bt", "early", "broken"].map(client);
        let failed = json!({ "client": "broken", "round": 0, "failed": "no peers" });
        let table = json!({
            "name": "magnet", "file_system": "ext4", "payload_bytes": 256 << 20, "files": 1,
            "piece_length": 256 << 10, "rounds": 3, "load_before": 0.0, "load_after": 0.0,
            "dht_nodes": 10, "clients": clients, "missing": [], "runs": [
                run("bt", 0.2), run("bt", 0.25), run("bt", 0.3),
                run("early", 0.2), run("late", 0.5), failed,
            ],
        });
        serde_json::from_value(table).unwrap()
    }

    #[test]
    fn rows_tell_milliseconds() {
        let table = measured();
        let caption = table.caption();
        assert!(caption.contains("a DHT of 10 nodes"), "{caption}");
        assert!(caption.contains("256 MiB in one file, pieces of 256 KiB"));
        let text = table.to_markdown();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[2].starts_with("| early 1 | 200 "), "{}", lines[2]);
        assert_eq!(lines[3], "| bt 1 | 250 (200–300) | 20 (20–20) | 34 | 30 |");
        assert!(lines[5].starts_with("| broken 1 | failed, 1 times |"));
        let columns = |line: &str| line.matches('|').count();
        assert!(lines.iter().all(|line| columns(line) == columns(lines[0])));
    }

    #[test]
    fn nobody_is_to_be_faster() {
        let verdicts = measured().verdicts();
        let said: Vec<_> = verdicts.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].ends_with("that of early (medians): 1.25 (at most 1: MISSED)"));
        assert!(said[1].ends_with("that of late (medians): 0.50 (at most 1: holds)"));
    }
}
