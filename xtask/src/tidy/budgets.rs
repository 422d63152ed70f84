use std::collections::BTreeSet;

use super::layers::{Kind, layer};
use crate::{Result, cmd::Cmd};

/// How many packages may lie below a crate (ours counted too), features off.
const BUDGETS: &[(&str, usize)] = &[
    ("bt-bencoding", 3),
    ("bt-tracker-udp", 8),
    ("bt-tracker-http", 3),
    ("bt-wire", 12),
    ("bt-metainfo", 18),
];

/// What no crate below the facade may pull in: runtimes, sockets, and the machine's randomness.
const RUNTIMES: &[&str] = &[
    "async-io",
    "async-std",
    "getrandom",
    "mio",
    "rand",
    "smol",
    "socket2",
    "tokio",
];

pub(crate) fn budget_of(name: &str) -> Option<usize> {
    let mut budgets = BUDGETS.iter();
    budgets.find(|(of, _)| *of == name).map(|(_, max)| *max)
}

/// Asks cargo for the trees of those crates that have a budget or must stay free of runtimes.
pub(super) fn check_all(crates: &[&str]) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for name in crates {
        let kind = layer(name).map_or(Kind::Dev, |layer| layer.kind);
        if kind.stands_alone() || budget_of(name).is_some() {
            complaints.extend(check(name, kind, &packages_below(name)?));
        }
    }
    Ok(complaints)
}

/// The packages that somebody builds who takes only this crate.
pub(crate) fn packages_below(name: &str) -> Result<BTreeSet<String>> {
    let tree = Cmd::cargo(&["tree", "--locked", "-e", "normal,no-proc-macro"]).args(&[
        "--no-default-features",
        "--prefix",
        "none",
        "-p",
        name,
    ]);
    Ok(packages_in(&tree.read()?))
}

/// `cargo tree --prefix none` prints the crate itself first, then `name vVERSION …` a line,
/// repeated where it is needed twice.
fn packages_in(tree: &str) -> BTreeSet<String> {
    let package = |line: &str| {
        let mut words = line.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?))
    };
    tree.lines().skip(1).filter_map(package).collect()
}

fn check(name: &str, kind: Kind, below: &BTreeSet<String>) -> Vec<String> {
    let mut complaints = Vec::new();
    if let Some(max) = budget_of(name).filter(|max| below.len() > *max) {
        let list: Vec<_> = below.iter().map(String::as_str).collect();
        complaints.push(format!(
            "{name} has {} packages below it, its budget is {max}: {}",
            below.len(),
            list.join(", ")
        ));
    }
    for package in below {
        let (package, _) = package.split_once(' ').unwrap_or((package, ""));
        let is_forbidden =
            RUNTIMES.contains(&package) || (package == "rustix" && kind != Kind::Files);
        if kind.stands_alone() && is_forbidden {
            complaints.push(format!("{name} pulls in {package}: it must do without"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "\
bt-wire v0.1.0 (/src/crates/bt-wire)
bt-types v0.1.0 (/src/crates/bt-types)
thiserror v2.0.12
nom v8.0.0
memchr v2.7.4
thiserror v2.0.12 (*)
";

    #[test]
    fn a_tree_is_counted_without_its_root_and_repeats() {
        let below = packages_in(TREE);
        assert_eq!(below.len(), 4);
        assert!(below.contains("nom v8.0.0") && !below.contains("bt-wire v0.1.0"));
    }

    #[test]
    fn a_budget_bites() {
        let below = packages_in(TREE);
        assert!(check("bt-wire", Kind::Pure, &below).is_empty());
        let complaints = check("bt-bencoding", Kind::Pure, &below);
        assert!(complaints[0].contains("4 packages below it, its budget is 3"));
    }

    #[test]
    fn a_runtime_below_a_machine_bites() {
        let below = packages_in("bt-dht v0.1.0\ntokio v1.54.0\nrand_chacha v0.10.0\n");
        let complaint = "bt-dht pulls in tokio: it must do without";
        assert_eq!(check("bt-dht", Kind::SansIo, &below), [complaint]);
        assert!(check("bt-client", Kind::Facade, &below).is_empty());
    }

    #[test]
    fn only_file_crates_take_rustix() {
        let below = packages_in("x v0.1.0\nrustix v1.1.0\n");
        assert!(check("bt-storage", Kind::Files, &below).is_empty());
        assert_eq!(check("bt-wire", Kind::Pure, &below).len(), 1);
    }
}
