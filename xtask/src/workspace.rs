use std::{
    env,
    path::{Path, PathBuf},
};

use cargo_metadata::{Metadata, MetadataCommand, Package};

use crate::Result;

/// The folder of the workspace's manifest.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("holds because xtask/ lies in the root")
}

/// Where cargo builds.
pub(crate) fn target_dir() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// A path as it is printed and given to commands, which run in the root.
pub(crate) fn short(path: &Path) -> String {
    let short = path.strip_prefix(root()).unwrap_or(path);
    short.display().to_string()
}

/// What cargo knows of the workspace.
pub(crate) fn metadata() -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    Ok(command.manifest_path(root().join("Cargo.toml")).exec()?)
}

/// The packages in `crates/`, by name.
pub(crate) fn crates(metadata: &Metadata) -> Vec<&Package> {
    let home = root().join("crates");
    let mut packages = metadata.workspace_packages();
    packages.retain(|package| package.manifest_path.starts_with(&home));
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    packages
}

pub(crate) fn is_published(package: &Package) -> bool {
    package.publish.as_ref().is_none_or(|to| !to.is_empty())
}

/// The folder in which a package lies.
pub(crate) fn dir(package: &Package) -> &Path {
    let parent = package.manifest_path.as_std_path().parent();
    parent.expect("holds because a manifest is a file in a folder")
}

/// Where programs from PyPI go: a Python environment of our own, so that nothing is installed where
/// the system or the user would see it. Interop finds its Python here too.
pub(crate) fn tools_dir() -> PathBuf {
    target_dir().join("tools/venv/bin")
}
