use std::{collections::BTreeMap, fs};

use super::sources::rust_files;
use crate::{Result, workspace};

/// What no `mod` names is not compiled, and tests nothing.
pub(super) fn check_all() -> Result<Vec<String>> {
    let mut files = BTreeMap::new();
    for path in rust_files(&workspace::root().join("tests"))? {
        let text = fs::read_to_string(&path)?;
        let short = path.strip_prefix(workspace::root())?;
        files.insert(short.to_string_lossy().replace('\\', "/"), text);
    }
    Ok(orphans(&files))
}

/// Given texts by path.
fn orphans(files: &BTreeMap<String, String>) -> Vec<String> {
    let is_orphan = |path: &str| {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let declaration = format!("mod {};", name.trim_end_matches(".rs"));
        let parents = ["/main.rs", "/lib.rs", ".rs"].map(|end| format!("{folder}{end}"));
        let mut parents = parents.iter().filter_map(|parent| files.get(parent));
        let is_declared = |text: &String| text.lines().any(|line| line.ends_with(&declaration));
        !matches!(name, "main.rs" | "lib.rs") && !parents.any(is_declared)
    };
    let orphans = files.keys().filter(|path| is_orphan(path));
    orphans
        .map(|path| format!("{path} is compiled by nobody: no `mod` names it"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_parent() {
        let files = [
            ("tests/it/main.rs", "mod a;\npub(crate) mod b;\n"),
            ("tests/it/a.rs", "    mod c;\n"),
            ("tests/it/a/c.rs", ""),
            ("tests/it/b.rs", ""),
            ("tests/it/b/c.rs", ""),
            ("tests/it/d.rs", ""),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let orphans = orphans(&files.into_iter().collect());
        assert_eq!(orphans.len(), 2);
        assert!(orphans[0].starts_with("tests/it/b/c.rs "), "{orphans:?}");
        assert!(orphans[1].starts_with("tests/it/d.rs "), "{orphans:?}");
    }
}
