use super::{PIECE_LENGTH, Plan, Run, Scenario, Setting, Verdict};
use crate::Partition;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "partition",
    about: "the network falls into two halves for a while, the seed in one, and heals",
    peers: 100,
    piece_length: PIECE_LENGTH,
    plan,
    judge,
};

/// From a fifth of the time that is needed at least to three fifths.
fn plan(setting: &Setting) -> Plan {
    let mut plan = setting.plan_with_leechers();
    let fifth = plan.bound() / 5;
    plan.config.partition = Some(Partition {
        from: fifth,
        until: fifth * 3,
    });
    for node in plan.last_percent(50) {
        node.group = "far side";
        node.is_far = true;
    }
    plan
}

fn judge(run: &Run) -> Vec<Verdict> {
    vec![run.everybody_completes()]
}
