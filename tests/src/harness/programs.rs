use std::{env, path::PathBuf, process::Command};

use super::{Context, Outcome};

/// A program of somebody else.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    pub name: &'static str,
    /// What to do where it is missing.
    pub install: &'static str,
}

impl Program {
    /// A command that runs it, or a failure that says what to install.
    pub fn command(self) -> Outcome<Command> {
        let path = self.find().context(self.what_is_missing())?;
        Ok(Command::new(path))
    }

    /// Where it is: on the path, or among the workspace's tools.
    pub fn find(self) -> Option<PathBuf> {
        let path = env::var_os("PATH")?;
        env::split_paths(&path)
            .chain([workspace_target().join("tools/bin")])
            .map(|folder| folder.join(self.name))
            .find(|path| path.is_file())
    }

    pub fn what_is_missing(self) -> String {
        format!("{} is not installed: {}", self.name, self.install)
    }
}

/// The `bt` that is tried out: `$BT_BIN`, or what a release build made.
pub fn default_bt() -> PathBuf {
    match env::var_os("BT_BIN") {
        Some(path) => PathBuf::from(path),
        None => workspace_target().join("release/bt"),
    }
}

/// The workspace's target folder, as cargo decides it.
pub fn workspace_target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
    }
}
