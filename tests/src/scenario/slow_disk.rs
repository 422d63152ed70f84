use std::time::Duration;

use bt_sim::{DiskConfig, Rate};

use super::{PIECE_LENGTH, Plan, Run, Scenario, Setting, Verdict};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "slow-disk",
    about: "20 % have disks that are slower than their lines",
    peers: 100,
    piece_length: PIECE_LENGTH,
    plan,
    judge,
};

fn plan(setting: &Setting) -> Plan {
    let mut plan = setting.plan_with_leechers();
    for node in plan.last_percent(20) {
        node.group = "slow disk";
        node.disk = MEMORY_CARD;
    }
    plan
}

fn judge(run: &Run) -> Vec<Verdict> {
    vec![run.everybody_completes()]
}

/// To read a block and write another it takes 36 ms; a line of 10 Mbit/s carries one in 13 ms.
const MEMORY_CARD: DiskConfig = DiskConfig {
    seek: Duration::from_millis(10),
    rate: Rate::bytes_per_sec(2_000_000),
};
