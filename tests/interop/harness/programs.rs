use std::{env, path::PathBuf, process::Command};

use super::{Context, Outcome};
use crate::arguments::workspace_target;

/// A program of somebody else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// What to do where it is missing.
    pub(crate) install: &'static str,
}

impl Program {
    /// A command that runs it, or a failure that says what to install.
    pub(crate) fn command(self) -> Outcome<Command> {
        let path = self.find().context(self.what_is_missing())?;
        Ok(Command::new(path))
    }

    /// Where it is: on the path, or among the workspace's tools.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let path = env::var_os("PATH")?;
        env::split_paths(&path)
            .chain([workspace_target().join("tools/bin")])
            .map(|folder| folder.join(self.name))
            .find(|path| path.is_file())
    }

    pub(crate) fn what_is_missing(self) -> String {
        format!("{} is not installed: {}", self.name, self.install)
    }
}
