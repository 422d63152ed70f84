//! The figures in the README of the crate that decides what they are about.

use super::figures::END;
use crate::{
    Result,
    bench::simulations::{RESULTS, results::Results},
    workspace,
};

/// What a swarm does is the scheduler's policy.
pub(super) const OWNER: &str = "bt-scheduler";

/// What stands behind the front page.
///
/// # Errors
/// If there are no results.
pub(super) fn section() -> Result<String> {
    let results = Results::read(&workspace::root().join(RESULTS))?;
    Ok(render(&results.to_markdown()))
}

fn render(figures: &str) -> String {
    format!("\n## In simulated swarms\n\n{BEGIN}\n{figures}{END}\n")
}

const BEGIN: &str =
    "<!-- Figures made from docs/bench/simulations.json by `cargo xtask readme`. -->";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_between_marks_that_say_where_they_come_from() {
        let section = render("| a |\n");
        let lines: Vec<_> = section.lines().collect();
        assert_eq!(
            lines[1..],
            ["## In simulated swarms", "", BEGIN, "| a |", END]
        );
        assert!(BEGIN.contains(RESULTS));
    }
}
