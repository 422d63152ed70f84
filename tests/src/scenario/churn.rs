use bt_sim::SimRng;

use super::{PIECE_LENGTH, Plan, Run, Scenario, Setting, Verdict};
use crate::Absence;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "churn",
    about: "half leave for a while and come back with what they had",
    peers: 100,
    piece_length: PIECE_LENGTH,
    plan,
    judge,
};

/// The bound is that of those who stay.
fn plan(setting: &Setting) -> Plan {
    let mut plan = setting.plan_with_leechers();
    let bound = plan.bound();
    let mut rng = SimRng::new(setting.seed).fork(LABEL);
    for node in plan.last_percent(50) {
        let from = rng.duration(bound / 10..bound * 8 / 10);
        let until = from + rng.duration(bound / 10..bound / 2);
        node.group = "comes back";
        node.absence = Some(Absence { from, until });
        node.is_counted = false;
    }
    plan
}

fn judge(run: &Run) -> Vec<Verdict> {
    vec![run.ratio_at_most(1.5), run.everybody_completes()]
}

/// What this scenario draws is its own.
const LABEL: u64 = 100;
