use super::{PIECE_LENGTH, Plan, Run, Scenario, Setting, Verdict};
use crate::{Behaviour, NodeReport};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "liars",
    about: "20 % corrupt each block that they send with a probability of 0.2",
    peers: 100,
    piece_length: PIECE_LENGTH,
    plan,
    judge,
};

/// The bound is that of the honest.
fn plan(setting: &Setting) -> Plan {
    let mut plan = setting.plan_with_leechers();
    for liar in plan.last_percent(20) {
        liar.group = "liar";
        liar.behaviour = Behaviour::Liar(0.2);
        liar.is_counted = false;
    }
    plan
}

fn judge(run: &Run) -> Vec<Verdict> {
    let nodes = &run.report.nodes;
    let honest = || nodes.iter().filter(|node| !node.is_liar);
    let pairs = |of: fn(&NodeReport) -> usize| honest().map(of).sum::<usize>();
    let suspected = pairs(|node| node.suspected.len());
    let caught = pairs(|node| node.suspected.intersection(&node.banned).count());
    let lied = pairs(|node| node.lied_to_by.len());
    let proven = pairs(|node| node.lied_to_by.intersection(&node.banned).count());
    let innocent = honest().flat_map(|node| &node.banned);
    let innocent = innocent.filter(|&&banned| !nodes[banned].is_liar).count();
    vec![
        run.everybody_completes(),
        Verdict {
            demand: "who had part in a failing piece and lies is banned there".to_owned(),
            found: format!("{caught} of {suspected} (own part bad: {proven} of {lied})"),
            holds: caught == suspected,
        },
        Verdict {
            demand: "nobody honest is banned".to_owned(),
            found: innocent.to_string(),
            holds: innocent == 0,
        },
    ]
}
