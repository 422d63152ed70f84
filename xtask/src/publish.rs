use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::Package;

use crate::{Result, cmd::Cmd, steps::Steps, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only what takes seconds: the packages are made, and each crate is checked without features
    #[arg(long)]
    quick: bool,
}

/// Does everything that publishing does, except to publish.
pub(crate) fn run(args: &Args) -> Result {
    let mut steps = Steps::default();
    if args.quick {
        steps.run("publish: quick part", quick);
    } else {
        add_to(&mut steps);
    }
    steps.finish()
}

pub(crate) fn add_to(steps: &mut Steps) {
    steps.run("publish: packages build", || {
        forget_packages_before()?;
        package(&[])
    });
    steps.run("publish: each alone", each_alone);
    steps.run("publish: lowest versions", lowest_versions);
}

/// Packages are not built: the long part does that, and here the same sources have been built.
pub(crate) fn quick() -> Result {
    package(&["--no-verify"])?;
    for krate in Published::all()? {
        if krate.stands_alone() {
            let check = Cmd::cargo(&["check", "--locked", "--no-default-features"]);
            check.args(&["-p", &krate.name]).run()?;
        }
    }
    Ok(())
}

/// Makes a package of each published crate, and builds it from that with the others' packages in
/// place of the registry. Warnings, such as of missing metadata, are complaints of tidy's.
fn package(options: &[&str]) -> Result {
    let mut cmd = Cmd::cargo(&["package", "--locked", "--workspace", "--allow-dirty"]);
    for package in workspace::metadata()?.workspace_packages() {
        if !workspace::is_published(package) {
            cmd = cmd.args(&["--exclude", package.name.as_str()]);
        }
    }
    cmd.args(options).run()
}

/// Cargo unpacks and builds what comes from a registry once for each version, and ours keep theirs
/// while the sources go on.
fn forget_packages_before() -> Result {
    // Before the dash stands the host, which a folder in place of the registry has not got.
    remove_folders(&cargo_home()?.join("registry/src"), "-")?;
    remove_folders(&workspace::target_dir().join("debug/.fingerprint"), "bt-")
}

fn remove_folders(within: &Path, prefix: &str) -> Result {
    let Ok(folders) = fs::read_dir(within) else {
        return Ok(());
    };
    for folder in folders {
        let folder = folder?;
        if folder.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_dir_all(folder.path())?;
        }
    }
    Ok(())
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    let home = env::home_dir().ok_or("there is no home folder")?;
    Ok(home.join(".cargo"))
}

/// Tests each crate from its packaged sources, as somebody does who takes only that crate: as it
/// is, without features, and with each feature alone.
fn each_alone() -> Result {
    let crates = Published::all()?;
    let rehearsal = Rehearsal::unpack(&crates)?;
    fs::copy(
        workspace::root().join("Cargo.lock"),
        rehearsal.dir.join("Cargo.lock"),
    )?;
    for krate in &crates {
        for features in krate.choices_of_features() {
            rehearsal.cargo(&["test"], krate, &features).run()?;
        }
    }
    Ok(())
}

/// Builds and tests the crates that are taken alone with the lowest versions of their dependencies
/// that their manifests allow.
fn lowest_versions() -> Result {
    let mut crates = Published::all()?;
    // The facade's and the program's are chosen by whoever builds them: with our Cargo.lock.
    crates.retain(Published::stands_alone);
    let rehearsal = Rehearsal::unpack(&crates)?;
    let manifest = rehearsal.manifest();
    Cmd::cargo(&["+nightly", "generate-lockfile"])
        .args(&[
            "-Z",
            "direct-minimal-versions",
            "--manifest-path",
            &manifest,
        ])
        .run()?;
    for krate in &crates {
        let features = ["--all-features".to_owned()];
        rehearsal.cargo(&["test"], krate, &features).run()?;
    }
    Ok(())
}

/// What there is to know of a crate that is published.
struct Published {
    name: String,
    version: String,
    features: Vec<String>,
}

impl Published {
    fn all() -> Result<Vec<Self>> {
        let metadata = workspace::metadata()?;
        let crates = workspace::crates(&metadata);
        let published = crates
            .into_iter()
            .filter(|package| workspace::is_published(package));
        Ok(published.map(Self::new).collect())
    }

    fn new(package: &Package) -> Self {
        let features = package.features.keys();
        Self {
            name: package.name.to_string(),
            version: package.version.to_string(),
            features: features
                .filter(|name| *name != "default")
                .cloned()
                .collect(),
        }
    }

    fn stands_alone(&self) -> bool {
        let layer = crate::tidy::layers::layer(&self.name);
        layer.is_some_and(|layer| layer.kind.stands_alone())
    }

    /// Nothing said, nothing, and each feature alone; the options for cargo.
    fn choices_of_features(&self) -> Vec<Vec<String>> {
        let mut choices = vec![Vec::new()];
        if !self.features.is_empty() {
            choices.push(vec!["--no-default-features".to_owned()]);
        }
        for feature in &self.features {
            choices.push(vec![
                "--no-default-features".to_owned(),
                "--features".to_owned(),
                feature.clone(),
            ]);
        }
        choices
    }
}

/// A workspace of unpacked packages, which find one another where the registry would be.
struct Rehearsal {
    dir: PathBuf,
}

impl Rehearsal {
    fn unpack(crates: &[Published]) -> Result<Self> {
        let dir = workspace::target_dir().join("rehearsal");
        let _ = fs::remove_dir_all(dir.join("crates"));
        fs::create_dir_all(dir.join("crates"))?;
        for krate in crates {
            let archive = format!("package/{}-{}.crate", krate.name, krate.version);
            let archive = workspace::target_dir().join(archive);
            // As of now: in packages all files are of one day long ago, and cargo would see no change.
            Cmd::new("tar")
                .args(&["-xzmf", &workspace::short(&archive)])
                .args(&["-C", &workspace::short(&dir.join("crates"))])
                .run()?;
        }
        fs::write(dir.join("Cargo.toml"), manifest(crates))?;
        Ok(Self { dir })
    }

    fn manifest(&self) -> String {
        workspace::short(&self.dir.join("Cargo.toml"))
    }

    /// One crate alone: features of others do not reach it.
    fn cargo(&self, command: &[&str], krate: &Published, features: &[String]) -> Cmd {
        Cmd::cargo(command)
            .args(&["--manifest-path", &self.manifest(), "-p", &krate.name])
            .args(features)
            .env("CARGO_TARGET_DIR", shown(&self.dir.join("target")))
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn manifest(crates: &[Published]) -> String {
    let mut manifest = String::from(
        "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n\n\
         [profile.dev]\nopt-level = 1\ndebug = false\n\n[patch.crates-io]\n",
    );
    for Published { name, version, .. } in crates {
        let _ = writeln!(
            manifest,
            "{name} = {{ path = \"crates/{name}-{version}\" }}"
        );
    }
    manifest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn krate(features: &[&str]) -> Published {
        Published {
            name: "bt-x".to_owned(),
            version: "0.2.0".to_owned(),
            features: features.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn each_feature_is_tried_alone() {
        let choices = krate(&["serde", "tracing"]).choices_of_features();
        let lines: Vec<_> = choices.iter().map(|options| options.join(" ")).collect();
        let expected = [
            "",
            "--no-default-features",
            "--no-default-features --features serde",
            "--no-default-features --features tracing",
        ];
        assert_eq!(lines, expected);
        assert_eq!(krate(&[]).choices_of_features().len(), 1);
    }

    #[test]
    fn packages_stand_where_the_registry_would_be() {
        let manifest = manifest(&[krate(&[])]);
        assert!(manifest.contains("[patch.crates-io]\nbt-x = { path = \"crates/bt-x-0.2.0\" }\n"));
    }
}
