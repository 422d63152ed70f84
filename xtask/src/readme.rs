//! Each crate's README is the front page of its docs, and figures in READMEs are those of committed
//! results, so that none can lie about the other.

use std::fs;

use cargo_metadata::{Package, TargetKind};

use figures::Figures;

use crate::{Result, workspace};

mod figures;
mod links;
mod markdown;
mod simulations;

/// Writes all that differ.
pub(crate) fn write() -> Result {
    let metadata = workspace::metadata()?;
    for package in workspace::crates(&metadata) {
        if is_current(package)? {
            continue;
        }
        let path = workspace::dir(package).join("README.md");
        fs::write(&path, render(package)?)?;
        println!("wrote {}", path.display());
    }
    let figures = Figures::read()?;
    if !figures.are_current() {
        fs::write(&figures.path, &figures.wanted)?;
        println!("wrote {}", figures.path.display());
    }
    Ok(())
}

/// Fails if one differs from its docs.
pub(crate) fn check() -> Result {
    let metadata = workspace::metadata()?;
    let mut stale = Vec::new();
    for package in workspace::crates(&metadata) {
        if !is_current(package)? {
            stale.push(package.name.as_str());
        }
    }
    if !Figures::read()?.are_current() {
        stale.push("the workspace's figures");
    }
    if stale.is_empty() {
        println!(
            "every README.md is the front page of its crate, and its figures are the measured ones"
        );
        return Ok(());
    }
    let list = stale.join(", ");
    Err(format!("stale README.md: {list}; run `cargo xtask readme`").into())
}

fn is_current(package: &Package) -> Result<bool> {
    let found = fs::read_to_string(workspace::dir(package).join("README.md"));
    let wanted = render(package)?;
    Ok(found.is_ok_and(|found| found == wanted))
}

fn render(package: &Package) -> Result<String> {
    let is_front = |kind: &TargetKind| matches!(kind, TargetKind::Lib | TargetKind::Bin);
    let mut targets = package.targets.iter();
    let target = targets
        .find(|target| target.kind.iter().any(is_front))
        .ok_or_else(|| format!("{} has neither a library nor a program", package.name))?;
    let docs = front_page(&fs::read_to_string(&target.src_path)?);
    let rust_version = package.rust_version.as_ref();
    let rust_version = rust_version.map_or("stable".to_owned(), |version| {
        format!("{}.{}", version.major, version.minor)
    });
    let mut body = markdown::from_rustdoc(&docs);
    if package.name == simulations::OWNER {
        body.push_str(&simulations::section()?);
    }
    if package.name == simulations::DHT_OWNER {
        body.push_str(&simulations::dht_section()?);
    }
    Ok(assemble(
        &package.name,
        &body,
        &rust_version,
        workspace::is_published(package),
    ))
}

/// The `//!` lines at the top of a file, without their marks.
fn front_page(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn assemble(name: &str, body: &str, rust_version: &str, is_published: bool) -> String {
    let raising = if is_published {
        ", and raising that is a minor release"
    } else {
        "; it is not published"
    };
    format!(
        "<!-- Made from the crate's docs by `cargo xtask readme`. -->\n\
         # {name}\n\
         \n\
         {}\n\
         \n\
         ## Rust version and licence\n\
         \n\
         Builds with Rust {rust_version} and later{raising}. One of the crates of `bt`, a \
         BitTorrent stack; licensed under MIT or Apache-2.0, as you like.\n",
        body.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_page_ends_where_the_code_begins() {
        let source = "//! Wire.\n//!\n//!  * x\n\n//! not this\nmod a;\n";
        assert_eq!(front_page(source), "Wire.\n\n * x\n");
    }

    #[test]
    fn a_readme_has_a_title_the_docs_and_a_foot() {
        let readme = assemble("bt-x", "It does x.\n", "1.85", true);
        let lines: Vec<_> = readme.lines().collect();
        assert_eq!(lines[1], "# bt-x");
        assert_eq!(lines[3], "It does x.");
        assert!(lines[7].starts_with("Builds with Rust 1.85 and later, and raising"));
    }
}
