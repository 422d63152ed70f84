//! The figures in the README of the crate that decides what they are about.

use super::figures::END;
use crate::{
    Result,
    bench::simulations::{RESULTS, results::Results},
    workspace,
};

/// What a swarm does is the scheduler's policy.
pub(super) const OWNER: &str = "bt-scheduler";
/// And what a DHT does, that of its nodes.
pub(super) const DHT_OWNER: &str = "bt-dht";

/// What stands behind the front page.
///
/// # Errors
/// If there are no results.
pub(super) fn section() -> Result<String> {
    let results = Results::read(&workspace::root().join(RESULTS))?;
    Ok(render("swarms", &results.to_markdown()))
}

/// The same for the DHT; nothing while the results have nothing of it.
///
/// # Errors
/// If there are no results.
pub(super) fn dht_section() -> Result<String> {
    let results = Results::read(&workspace::root().join(RESULTS))?;
    let figures = results.dht_to_markdown();
    Ok(match figures.is_empty() {
        true => figures,
        false => render("networks", &figures),
    })
}

fn render(what: &str, figures: &str) -> String {
    format!("\n## In simulated {what}\n\n{BEGIN}\n{figures}{END}\n")
}

const BEGIN: &str =
    "<!-- Figures made from docs/bench/simulations.json by `cargo xtask readme`. -->";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_between_marks_that_say_where_they_come_from() {
        let section = render("swarms", "| a |\n");
        let lines: Vec<_> = section.lines().collect();
        assert_eq!(
            lines[1..],
            ["## In simulated swarms", "", BEGIN, "| a |", END]
        );
        assert!(BEGIN.contains(RESULTS));
    }
}
