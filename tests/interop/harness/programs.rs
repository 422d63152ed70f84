use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
};

use super::{Context, Failure, Outcome};
use crate::arguments::workspace_target;

/// A program of somebody else and the Debian package that has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
}

impl Program {
    /// A command that runs it, or a failure that says what to install.
    pub(crate) fn command(self) -> Outcome<Command> {
        let path = program_in_path(self.name).context(format_args!(
            "{} is not installed: apt-get install {}",
            self.name, self.package
        ))?;
        Ok(Command::new(path))
    }
}

fn program_in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The Python that has libtorrent.
pub(crate) const PYTHON: Python = Python;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Python;

impl Python {
    pub(crate) fn command(self) -> Outcome<Command> {
        static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
        let found = FOUND.get_or_init(|| candidates().into_iter().find(has_libtorrent));
        found.as_ref().map(Command::new).ok_or_else(|| {
            let tried: Vec<_> = candidates()
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            Failure::new(format!(
                "no libtorrent for Python in {}: apt-get install python3-libtorrent, \
                 or pip install libtorrent into target/tools/venv",
                tried.join(", ")
            ))
        })
    }
}

fn candidates() -> Vec<PathBuf> {
    match env::var_os("BT_PYTHON") {
        Some(path) => vec![path.into()],
        None => vec![
            workspace_target().join("tools/venv/bin/python"),
            "/usr/bin/python3".into(),
        ],
    }
}

fn has_libtorrent(python: &PathBuf) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", "import libtorrent"]);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
