use std::fs;

use cargo_metadata::{DependencyKind, Metadata, Package, TargetKind};

use super::layers::layer;
use crate::{Result, workspace};

/// What the rules want to know of one of our crates.
#[derive(Clone, Default)]
struct Facts {
    name: String,
    version: String,
    is_published: bool,
    /// Whether it is taken for one protocol or one job.
    stands_alone: bool,
    has_description: bool,
    has_license: bool,
    /// Both texts lie in its folder, so that they are in its package.
    has_license_texts: bool,
    has_documentation: bool,
    has_rust_version: bool,
    keywords: Vec<String>,
    categories: Vec<String>,
    benches: usize,
    manifest: String,
    readme: Option<String>,
    changelog: Option<String>,
    /// Whether the body of a fuzz target uses it.
    is_fuzzed: bool,
    /// Ours that it imports: name, and whether the requirement takes the version that we have.
    imports: Vec<(String, bool)>,
}

pub(super) fn check_all(metadata: &Metadata) -> Result<Vec<String>> {
    let bodies = fuzz_bodies()?;
    let mut complaints = Vec::new();
    for package in metadata.workspace_packages() {
        complaints.extend(check(&facts(package, metadata, &bodies)?));
    }
    Ok(complaints)
}

fn check(facts: &Facts) -> Vec<String> {
    let mut wants: Vec<(bool, &str)> = vec![(
        has_line(&facts.manifest, "lints", "workspace = true"),
        "`[lints] workspace = true`",
    )];
    if facts.is_published {
        wants.extend([
            (facts.has_description, "a description"),
            (facts.has_license, "a license"),
            (
                facts.has_license_texts,
                "LICENSE-MIT and LICENSE-APACHE (links to those of the workspace)",
            ),
            (facts.has_documentation, "a documentation URL on docs.rs"),
            (facts.has_rust_version, "a rust-version"),
            (
                (1..=5).contains(&facts.keywords.len())
                    && facts.keywords.iter().all(|keyword| is_keyword(keyword)),
                "one to five keywords as crates.io takes them",
            ),
            (
                (1..=5).contains(&facts.categories.len())
                    && facts
                        .categories
                        .iter()
                        .all(|it| CATEGORIES.contains(&&**it)),
                "one to five categories that crates.io has (CATEGORIES in tidy knows some)",
            ),
            (
                has_line(&facts.manifest, "package", "version = \""),
                "a version of its own",
            ),
            (facts.readme.is_some(), "a README.md (`cargo xtask readme`)"),
            (
                has_entry(facts.changelog.as_deref(), &facts.version),
                "a CHANGELOG.md with an entry for its version or Unreleased",
            ),
        ]);
    }
    if facts.is_published && facts.stands_alone {
        wants.extend([
            (facts.benches > 0, "a bench"),
            (facts.is_fuzzed, "a fuzz target (fuzz/src/lib.rs)"),
        ]);
    }
    let missing = wants.into_iter().filter(|(is_there, _)| !is_there);
    let mut complaints: Vec<_> = missing
        .map(|(_, what)| format!("{} lacks {what}", facts.name))
        .collect();
    for (import, _) in facts.imports.iter().filter(|(_, accepted)| !accepted) {
        complaints.push(format!(
            "{} asks for a version of {import} that is not ours",
            facts.name
        ));
    }
    complaints
}

/// What crates.io says of keywords: ASCII, a letter or digit first, at most 20 characters.
fn is_keyword(keyword: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_+".contains(c);
    keyword.len() <= 20
        && keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
        && keyword.chars().all(is_plain)
}

/// Whether a table of a manifest has a line that begins so.
fn has_line(manifest: &str, table: &str, start: &str) -> bool {
    let header = format!("[{table}]");
    let mut lines = manifest.lines().map(str::trim);
    lines
        .by_ref()
        .skip_while(|line| *line != header)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .any(|line| line.starts_with(start))
}

/// Whether a changelog's entry for the version, or the one for what is unreleased, says anything.
fn has_entry(changelog: Option<&str>, version: &str) -> bool {
    let headings = ["## [Unreleased]".to_owned(), format!("## [{version}]")];
    let mut lines = changelog.unwrap_or_default().lines();
    let is_heading = |line: &str| headings.iter().any(|heading| line.starts_with(heading));
    lines.by_ref().any(is_heading) && lines.any(|line| line.starts_with("- "))
}

fn facts(package: &Package, metadata: &Metadata, bodies: &[String]) -> Result<Facts> {
    let dir = workspace::dir(package);
    let ours = metadata.workspace_packages();
    let accepted = |name: &str, req: &cargo_metadata::semver::VersionReq| {
        let found = ours.iter().find(|package| *package.name == name)?;
        Some((name.to_owned(), *req != ANY && req.matches(&found.version)))
    };
    let imports = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .filter_map(|dependency| accepted(&dependency.name, &dependency.req));
    let ident = format!("{}::", package.name.replace('-', "_"));
    let is_published = workspace::is_published(package);
    Ok(Facts {
        name: package.name.to_string(),
        version: package.version.to_string(),
        is_published,
        stands_alone: layer(&package.name).is_some_and(|layer| layer.kind.stands_alone()),
        has_description: package.description.is_some(),
        has_license: package.license.is_some(),
        has_license_texts: ["LICENSE-MIT", "LICENSE-APACHE"]
            .iter()
            .all(|name| dir.join(name).is_file()),
        has_documentation: package.documentation.as_deref()
            == Some(&format!("https://docs.rs/{}", package.name)),
        has_rust_version: package.rust_version.is_some(),
        keywords: package.keywords.clone(),
        categories: package.categories.clone(),
        benches: package
            .targets
            .iter()
            .filter(|target| target.kind.contains(&TargetKind::Bench))
            .count(),
        manifest: fs::read_to_string(&package.manifest_path)?,
        readme: fs::read_to_string(dir.join("README.md")).ok(),
        changelog: fs::read_to_string(dir.join("CHANGELOG.md")).ok(),
        is_fuzzed: bodies.iter().any(|body| body.contains(&ident)),
        // Unpublished crates may take what lies beside them, whatever its version.
        imports: imports.filter(|_| is_published).collect(),
    })
}

fn fuzz_bodies() -> Result<Vec<String>> {
    let mut bodies = Vec::new();
    for entry in fs::read_dir(workspace::root().join("fuzz/src"))? {
        bodies.push(fs::read_to_string(entry?.path())?);
    }
    Ok(bodies)
}

/// What a dependency without a version asks for; such a crate cannot be published.
const ANY: cargo_metadata::semver::VersionReq = cargo_metadata::semver::VersionReq::STAR;

/// Those slugs of <https://crates.io/category_slugs> that we have had a use for; the registry
/// silently drops what it does not know.
const CATEGORIES: &[&str] = &[
    "algorithms",
    "asynchronous",
    "command-line-utilities",
    "cryptography",
    "data-structures",
    "encoding",
    "filesystem",
    "network-programming",
    "no-std",
    "parser-implementations",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Facts {
        Facts {
            name: "bt-x".to_owned(),
            version: "0.2.0".to_owned(),
            is_published: true,
            stands_alone: true,
            has_description: true,
            has_license: true,
            has_license_texts: true,
            has_documentation: true,
            has_rust_version: true,
            keywords: vec!["bittorrent".to_owned(), "no-std".to_owned()],
            categories: vec!["encoding".to_owned()],
            benches: 1,
            manifest: "[package]\nversion = \"0.2.0\"\n\n[lints]\nworkspace = true\n".to_owned(),
            readme: Some("# bt-x".to_owned()),
            changelog: Some("# Changelog\n\n## [Unreleased]\n### Added\n- All of it.\n".to_owned()),
            is_fuzzed: true,
            imports: vec![("bt-types".to_owned(), true)],
        }
    }

    #[track_caller]
    fn bites(break_it: impl FnOnce(&mut Facts), expected: &str) {
        let mut facts = sound();
        break_it(&mut facts);
        let complaints = check(&facts);
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].contains(expected), "{complaints:?}");
    }

    #[test]
    fn a_sound_crate_passes() {
        assert_eq!(check(&sound()), Vec::<String>::new());
    }

    #[test]
    fn each_missing_thing_is_named() {
        bites(|facts| facts.has_description = false, "a description");
        bites(|facts| facts.has_license = false, "a license");
        bites(|facts| facts.has_rust_version = false, "a rust-version");
        bites(|facts| facts.has_license_texts = false, "LICENSE-MIT");
        bites(|facts| facts.has_documentation = false, "docs.rs");
        bites(|facts| facts.keywords = vec!["x".to_owned(); 6], "keywords");
        bites(
            |facts| facts.keywords[0] = "peer to peer".to_owned(),
            "keywords",
        );
        bites(|facts| facts.categories.clear(), "categories");
        bites(
            |facts| facts.categories[0] = "bittorrent".to_owned(),
            "categories",
        );
        bites(|facts| facts.benches = 0, "a bench");
        bites(|facts| facts.is_fuzzed = false, "a fuzz target");
        bites(|facts| facts.readme = None, "README.md");
        bites(|facts| facts.changelog = None, "CHANGELOG.md");
        bites(
            |facts| facts.imports[0].1 = false,
            "bt-types that is not ours",
        );
    }

    #[test]
    fn a_changelog_must_speak_of_this_version() {
        let old = "## [0.1.0]\n- First.\n";
        bites(
            |facts| facts.changelog = Some(old.to_owned()),
            "CHANGELOG.md",
        );
        let silent = "## [Unreleased]\n### Added\n";
        bites(
            |facts| facts.changelog = Some(silent.to_owned()),
            "CHANGELOG.md",
        );
        assert!(has_entry(Some("## [0.2.0] - 2026-12-01\n- It.\n"), "0.2.0"));
    }

    #[test]
    fn manifest_lines_are_looked_for_in_their_table() {
        let elsewhere = "[package]\nversion = \"0.2.0\"\n[lints]\n[x]\nworkspace = true\n";
        bites(|facts| facts.manifest = elsewhere.to_owned(), "[lints]");
        let shared = "[package]\nversion.workspace = true\n[lints]\nworkspace = true\n";
        bites(
            |facts| facts.manifest = shared.to_owned(),
            "a version of its own",
        );
    }

    #[test]
    fn unpublished_crates_need_only_the_lints() {
        let manifest = "[lints]\nworkspace = true\n".to_owned();
        let facts = Facts {
            manifest,
            ..Facts::default()
        };
        assert!(check(&facts).is_empty());
        assert_eq!(check(&Facts::default()).len(), 1);
    }
}
