use std::fs;

use super::sources::rust_files;
use crate::{Result, workspace};

/// `docs/hostile.md` names the test that shows each of its lines: they all exist.
pub(super) fn check_all() -> Result<Vec<String>> {
    let table = fs::read_to_string(workspace::root().join(TABLE))?;
    let mut source = String::new();
    for folder in ["crates", "tests"] {
        for path in rust_files(&workspace::root().join(folder))? {
            source += &fs::read_to_string(path)?;
        }
    }
    Ok(missing(&table, &source))
}

/// Names in backquotes: of functions like `what_is_tested`, and of interop cases like `disk/full`.
fn missing(table: &str, source: &str) -> Vec<String> {
    let names = table.split('`').skip(1).step_by(2);
    let missing = names.filter(|name| {
        let is_case = CASES.iter().any(|folder| name.starts_with(folder));
        let is_test = !name.contains(['/', '.', ' ']) && name.matches('_').count() >= 2;
        let defined = match (is_case, is_test) {
            (true, _) => format!("\"{name}\""),
            (_, true) => format!("fn {name}("),
            _ => return false,
        };
        !source.contains(&defined)
    });
    missing
        .map(|name| format!("{TABLE} names {name}, which does not exist"))
        .collect()
}

const TABLE: &str = "docs/hostile.md";
const CASES: [&str; 3] = ["hostile/", "disk/", "broken-peers/"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_exists() {
        let source = "fn it_is_there() {} Entry { name: \"disk/full\" }";
        let there = "`port`, `it_is_there`, `disk/full`, `cargo xtask a_b_c`";
        assert_eq!(missing(there, source), [""; 0]);
        let not_there = "`it_was_there`, `disk/fuller`";
        assert_eq!(missing(not_there, source).len(), 2);
    }
}
