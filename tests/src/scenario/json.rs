use serde_json::{Value, json};

use super::{Run, Setting, Verdict};

impl Run {
    /// The figures for machines; times in seconds.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Setting {
            peers,
            seed,
            pieces,
            piece_length,
        } = self.setting;
        let report = &self.report;
        let seconds = |times: Vec<std::time::Duration>| -> Vec<f64> {
            times.iter().map(std::time::Duration::as_secs_f64).collect()
        };
        let groups = report.groups().into_iter().map(|group| {
            json!({
                "name": group.name,
                "nodes": group.nodes,
                "completed": group.completed,
                "median": group.median.map(|time| time.as_secs_f64()),
                "last": group.last.map(|time| time.as_secs_f64()),
                "mean_download_bytes_per_sec": group.mean_download_rate,
                "mean_copies_given": group.mean_copies_given,
            })
        });
        let verdicts = self.verdicts();
        let sum = |figure: fn(&bt_swarm::Stats) -> u64| -> u64 {
            report.nodes.iter().map(|node| figure(&node.stats)).sum()
        };
        let by = |percent| report.completed_by(percent).map(|time| time.as_secs_f64());
        let share_ratios = report.leechers().map(crate::NodeReport::share_ratio);
        json!({
            "scenario": self.scenario.name,
            "about": self.scenario.about,
            "peers": peers,
            "seed": seed,
            "pieces": pieces,
            "piece_length": piece_length,
            "bound": self.bound.as_secs_f64(),
            "bound_ratio": self.ratio(),
            "completion": {
                "first": by(0), "p10": by(10), "median": by(50), "p90": by(90), "last": by(100),
            },
            "completion_times": seconds(report.completion_times()),
            "share_ratios": share_ratios.collect::<Vec<_>>(),
            "downloaded": sum(|stats| stats.downloaded),
            "uploaded": sum(|stats| stats.uploaded),
            "wasted": sum(|stats| stats.wasted.total()),
            "wasted_percent": report.wasted_percent(),
            "utilisation": report.utilisation(1)[0],
            "utilisation_by_twentieths": report.utilisation(20),
            "groups": groups.collect::<Vec<_>>(),
            "verdicts": verdicts.iter().map(Verdict::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Verdict {
    /// The same for machines.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "demand": self.demand, "found": self.found, "holds": self.holds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;

    #[test]
    fn machines_are_told_what_people_are() {
        let scenario = Scenario::named("leeches").expect("it is in the table");
        let run = scenario.run(Setting {
            peers: 10,
            pieces: 40,
            piece_length: 64 * 1024,
            ..scenario.setting(1)
        });
        let (text, json) = (run.to_string(), run.to_json());
        let figure = |path: &str| json.pointer(path).and_then(Value::as_f64).expect(path);
        for said in [
            format!("\nbound: {:.1} s\n", figure("/bound")),
            format!("\nbound_ratio: {:.2}", figure("/bound_ratio")),
            format!(
                "completion: first {:.1} s, 10 % {:.1} s, median {:.1} s, 90 % {:.1} s, last {:.1} s\n",
                figure("/completion/first"),
                figure("/completion/p10"),
                figure("/completion/median"),
                figure("/completion/p90"),
                figure("/completion/last")
            ),
            format!("({:.2} %)", figure("/wasted_percent")),
            format!("upload lines: {:.1} %", figure("/utilisation") * 100.0),
        ] {
            assert!(text.contains(&said), "{said} is not in:\n{text}");
        }
        let verdict = &run.verdicts()[0];
        assert_eq!(json["verdicts"][0]["demand"], verdict.demand);
        assert_eq!(json["verdicts"][0]["holds"], verdict.holds);
        assert_eq!(json["groups"][0]["name"], "leech");
        assert!(json.get("cost").is_none(), "a seed decides all of it");
    }
}
