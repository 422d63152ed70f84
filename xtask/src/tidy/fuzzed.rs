use std::fs;

use crate::{Result, workspace};

/// The name of a target says whose it is: `wire_decode`, `tracker_udp_ops`. The replay, which
/// knows the table, holds shims, table and corpus against each other; here we look only at names.
pub(super) fn check(targets: &[String]) -> Result<Vec<String>> {
    let mut subjects = Vec::new();
    for entry in fs::read_dir(workspace::root().join("crates"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        subjects.extend(name.strip_prefix("bt-").map(|name| name.replace('-', "_")));
    }
    Ok(misnamed(targets, &subjects))
}

fn misnamed(targets: &[String], subjects: &[String]) -> Vec<String> {
    let is_named = |target: &str| {
        let rest = subjects
            .iter()
            .filter_map(|subject| target.strip_prefix(subject.as_str()));
        rest.into_iter().any(|rest| rest.starts_with('_'))
    };
    let misnamed = targets.iter().filter(|target| !is_named(target));
    misnamed
        .map(|target| format!("fuzz target {target} is not named after a crate"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_named_after_its_crate() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let subjects = names(&["wire", "tracker", "tracker_udp"]);
        assert!(misnamed(&names(&["wire_decode", "tracker_udp_ops"]), &subjects).is_empty());
        assert_eq!(
            misnamed(&names(&["wires_decode", "wire"]), &subjects).len(),
            2
        );
    }
}
