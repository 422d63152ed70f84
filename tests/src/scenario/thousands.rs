use super::{Run, Scenario, Setting, Verdict};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "thousands",
    about: "10,000 peers, pieces of one block: what the simulator itself can bear",
    peers: 10_000,
    piece_length: bt_types::BLOCK_LENGTH,
    plan: Setting::plan_with_leechers,
    judge,
};

fn judge(run: &Run) -> Vec<Verdict> {
    vec![run.everybody_completes()]
}
