//! Who gives nothing should not fare as well as who does.

use super::{PIECE_LENGTH, Plan, Run, Scenario, Setting, Verdict};
use crate::Behaviour;

pub(super) const STAYING: Scenario = Scenario {
    name: "leeches",
    about: "20 % upload nothing; who has everything stays",
    peers: 100,
    piece_length: PIECE_LENGTH,
    plan: staying,
    judge: judge_staying,
};

pub(super) const LEAVING: Scenario = Scenario {
    name: "leeches-leave",
    about: "20 % upload nothing; who has everything leaves, but for the seed",
    peers: 100,
    piece_length: PIECE_LENGTH,
    plan: leaving,
    judge: judge_leaving,
};

/// The bound is that of the contributors.
fn staying(setting: &Setting) -> Plan {
    let mut plan = setting.plan_with_leechers();
    for leech in plan.last_percent(20) {
        leech.group = LEECH;
        leech.behaviour = Behaviour::Leech;
        leech.is_counted = false;
    }
    plan
}

fn leaving(setting: &Setting) -> Plan {
    let mut plan = staying(setting);
    for node in plan.nodes.iter_mut().filter(|node| !node.is_seed) {
        node.leaves_when_complete = true;
    }
    plan
}

fn judge_staying(run: &Run) -> Vec<Verdict> {
    let leeches = run.report.nodes.iter().filter(|node| node.group == LEECH);
    let held: Option<Vec<_>> = leeches
        .map(|leech| leech.held_at_end_of_contributors)
        .collect();
    let share = held.filter(|held| !held.is_empty()).map(|held| {
        let all = f64::from(run.setting.pieces) * held.len() as f64;
        f64::from(held.iter().sum::<u32>()) / all
    });
    let verdict = Verdict {
        demand: "leeches hold at most 50 % when the last contributor completes".to_owned(),
        found: share.map_or("it never does".to_owned(), |share| {
            format!("{:.1} %", share * 100.0)
        }),
        holds: share.is_some_and(|share| share <= 0.5),
    };
    vec![verdict]
}

fn judge_leaving(run: &Run) -> Vec<Verdict> {
    let (leech, contributor) = (run.report.group(LEECH), run.report.group("leecher"));
    let is_over = contributor.completed == contributor.nodes;
    // Half of them have to be there for a median of all; else it is beyond the end.
    let has_median = leech.completed * 2 > leech.nodes;
    let ratio = match (leech.median.filter(|_| has_median), contributor.median) {
        (Some(leech), Some(contributor)) => leech.as_secs_f64() / contributor.as_secs_f64(),
        _ => f64::INFINITY,
    };
    let verdict = Verdict {
        demand: "the median leech needs at least 2.00 x the median contributor's time".to_owned(),
        found: format!("{ratio:.2}"),
        holds: is_over && ratio >= 2.0,
    };
    vec![verdict]
}

const LEECH: &str = "leech";
