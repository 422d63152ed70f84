use serde_json::{Value, json};

use super::{Run, Setting};

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
        let verdicts = self.verdicts().into_iter().map(|verdict| {
            json!({
                "demand": verdict.demand,
                "found": verdict.found,
                "holds": verdict.holds,
            })
        });
        let sum = |figure: fn(&bt_swarm::Stats) -> u64| -> u64 {
            report.nodes.iter().map(|node| figure(&node.stats)).sum()
        };
        let share_ratios = report.leechers().map(crate::NodeReport::share_ratio);
        json!({
            "scenario": self.scenario.name,
            "peers": peers,
            "seed": seed,
            "pieces": pieces,
            "piece_length": piece_length,
            "bound": self.bound.as_secs_f64(),
            "bound_ratio": self.ratio(),
            "completion_times": seconds(report.completion_times()),
            "share_ratios": share_ratios.collect::<Vec<_>>(),
            "downloaded": sum(|stats| stats.downloaded),
            "uploaded": sum(|stats| stats.uploaded),
            "wasted": sum(|stats| stats.wasted),
            "utilisation_by_twentieths": report.utilisation(20),
            "groups": groups.collect::<Vec<_>>(),
            "verdicts": verdicts.collect::<Vec<_>>(),
        })
    }
}
