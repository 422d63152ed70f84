use bt_sim::{Access, Rate};

use super::{COMMON, PIECE_LENGTH, Plan, Run, Scenario, Setting, Verdict};
use crate::NodeSpec;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "classes",
    about: "a third each with upload lines of 10, 3 and 1 Mbit/s",
    peers: 100,
    piece_length: PIECE_LENGTH,
    plan,
    judge,
};

fn plan(setting: &Setting) -> Plan {
    let mut plan = setting.plan();
    let kinds = CLASSES.iter().cycle().take(setting.peers);
    plan.nodes.extend(kinds.map(|&(group, up)| NodeSpec {
        group,
        ..NodeSpec::leecher(Access {
            up: Rate::mbit_per_sec(up),
            ..COMMON
        })
    }));
    plan
}

fn judge(run: &Run) -> Vec<Verdict> {
    let rates = CLASSES.map(|(group, _)| run.report.group(group).mean_download_rate);
    let [fast, middle, slow] = rates.map(|rate| format!("{} kB/s", rate / 1000));
    let order = Verdict {
        demand: "who gives more receives faster".to_owned(),
        found: format!("{fast} > {middle} > {slow}"),
        holds: rates.is_sorted_by(|a, b| a > b),
    };
    vec![run.ratio_at_most(1.25), order]
}

const CLASSES: [(&str, u64); 3] = [("10 Mbit/s up", 10), ("3 Mbit/s up", 3), ("1 Mbit/s up", 1)];
