use std::{
    env,
    ffi::OsString,
    fmt,
    process::{Command, ExitStatus, Stdio},
};

use crate::{Result, workspace};

/// A command line, run in the root of the workspace. Its `Display` form can be pasted into a shell.
pub(crate) struct Cmd {
    program: String,
    args: Vec<String>,
    envs: Vec<(&'static str, String)>,
}

impl Cmd {
    pub(crate) fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            envs: Vec::new(),
        }
    }

    /// `cargo` as the user's PATH has it, so that `+nightly` works and the printed line is true.
    pub(crate) fn cargo(args: &[&str]) -> Self {
        Self::new("cargo").args(args)
    }

    pub(crate) fn args<S: AsRef<str>>(mut self, args: &[S]) -> Self {
        self.args
            .extend(args.iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.envs.push((name, value.into()));
        self
    }

    /// Prints the line and runs it with our output.
    ///
    /// # Errors
    /// If it cannot be started or does not end well; the error repeats the line.
    pub(crate) fn run(&self) -> Result {
        let status = self.status()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("`{self}` failed ({status})").into())
        }
    }

    /// Prints the line, runs it with our output and gives how it ended.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn status(&self) -> Result<ExitStatus> {
        println!("$ {self}");
        let status = self.command().status();
        Ok(status.map_err(|error| format!("cannot run `{self}`: {error}"))?)
    }

    /// Runs it silently and gives what it wrote to stdout.
    pub(crate) fn read(&self) -> Result<String> {
        let output = self
            .command()
            .stderr(Stdio::piped())
            .output()
            .map_err(|error| format!("cannot run `{self}`: {error}"))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`{self}` failed ({}): {}", output.status, stderr.trim()).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Whether it can be started and ends well, output thrown away.
    pub(crate) fn succeeds(&self) -> bool {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(workspace::root());
        command.env("PATH", path_with_tools());
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.envs {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(&quoted(&self.program))?;
        for arg in &self.args {
            write!(f, " {}", quoted(arg))?;
        }
        Ok(())
    }
}

/// The tools that `install-tools` put under `target/` come first.
fn path_with_tools() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let ours = workspace::tools_dir();
    let all = std::iter::once(ours).chain(env::split_paths(&path));
    env::join_paths(all).unwrap_or(path)
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_line_can_be_pasted() {
        let cmd = Cmd::cargo(&["doc", "--bench", "*"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            cmd.to_string(),
            "RUSTDOCFLAGS='-D warnings' cargo doc --bench '*'"
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_failure_names_its_line() {
        let failed = Cmd::new("false").args(&["x"]).run().unwrap_err();
        assert!(failed.to_string().starts_with("`false x` failed"));
        let missing = Cmd::new("no-such-program-of-ours").read().unwrap_err();
        assert!(missing.to_string().starts_with("cannot run"));
    }
}
