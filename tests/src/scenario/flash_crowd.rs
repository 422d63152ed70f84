use super::{PIECE_LENGTH, Run, Scenario, Setting, Verdict};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "flash-crowd",
    about: "hundreds come at once to a single seed",
    peers: 300,
    piece_length: PIECE_LENGTH,
    plan: Setting::plan_with_leechers,
    judge,
};

fn judge(run: &Run) -> Vec<Verdict> {
    let group = run.report.group("leecher");
    let spread = match (run.report.last_completion(), group.median) {
        (Some(last), Some(median)) => Some(last.as_secs_f64() / median.as_secs_f64()),
        _ => None,
    };
    let nobody_late = Verdict {
        demand: "nobody later than 1.50 x the median".to_owned(),
        found: spread.map_or("inf".to_owned(), |spread| format!("{spread:.2}")),
        holds: spread.is_some_and(|spread| spread <= 1.5),
    };
    vec![run.ratio_at_most(1.25), nobody_late]
}
