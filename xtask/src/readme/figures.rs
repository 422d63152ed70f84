//! The figures in the workspace's README, made from committed results.

use std::{fs, path::PathBuf};

use crate::{
    Result,
    bench::{results::Results, table::NAMES},
    workspace,
};

/// What the README says now, and what it should say.
pub(super) struct Figures {
    pub(super) path: PathBuf,
    found: String,
    pub(super) wanted: String,
}

impl Figures {
    /// # Errors
    /// If the README has no place for figures, or there are no results.
    pub(super) fn read() -> Result<Self> {
        let results = Results::read(&workspace::root().join(RESULTS))?;
        let path = workspace::root().join("README.md");
        let found = fs::read_to_string(&path)?;
        let wanted = replace(&found, &render(&results)?)?;
        Ok(Self {
            path,
            found,
            wanted,
        })
    }

    pub(super) fn are_current(&self) -> bool {
        self.found == self.wanted
    }
}

fn render(results: &Results) -> Result<String> {
    let tables = NAMES.iter().filter_map(|name| results.tables.get(*name));
    let parts: Vec<_> = tables
        .map(|table| {
            let (caption, origin) = (table.caption(), table.origin());
            format!("{caption}\n\n{}\n{origin}\n", table.to_markdown())
        })
        .collect();
    if parts.is_empty() {
        return Err(format!("{RESULTS} has no table; see cargo xtask bench peers").into());
    }
    Ok(parts.join("\n"))
}

/// Puts `figures` between the marks.
fn replace(readme: &str, figures: &str) -> Result<String> {
    let (before, rest) = readme
        .split_once(BEGIN)
        .ok_or_else(|| format!("README.md has no line {BEGIN}"))?;
    let (_, after) = rest
        .split_once(END)
        .ok_or_else(|| format!("README.md has no line {END} behind {BEGIN}"))?;
    Ok(format!("{before}{BEGIN}\n{figures}{END}{after}"))
}

const RESULTS: &str = "docs/bench/peers.json";
const BEGIN: &str = "<!-- Figures made from docs/bench/peers.json by `cargo xtask readme`. -->";
pub(super) const END: &str = "<!-- End of the figures. -->";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_the_marks_is_replaced() {
        let readme = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let made = replace(&readme, "new\n").unwrap();
        assert_eq!(made, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(replace(&made, "new\n").unwrap(), made);
        for broken in ["a", BEGIN, END] {
            assert!(replace(broken, "new").is_err());
        }
    }
}
