use super::{PIECE_LENGTH, Run, Scenario, Setting, Verdict};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "homogeneous",
    about: "everybody has the same line and comes at the start",
    peers: 100,
    piece_length: PIECE_LENGTH,
    plan: Setting::plan_with_leechers,
    judge,
};

fn judge(run: &Run) -> Vec<Verdict> {
    let limit = if run.setting.peers <= FEW { 1.10 } else { 1.15 };
    vec![run.ratio_at_most(limit)]
}

/// Up to so many, everybody is nearly everybody's neighbour.
const FEW: usize = 100;
