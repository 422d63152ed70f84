use clap_complete::{Shell, generate};

use crate::{arguments::Completions, exit::Failure, stdout};

pub(crate) fn run(completions: &Completions) -> Result<(), Failure> {
    let script = script(completions.shell);
    stdout::print(|out| out.write_all(&script))?;
    Ok(())
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    generate(shell, &mut crate::command(), "bt", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_learns_every_verb() {
        let bt = crate::command();
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for verb in bt.get_subcommands() {
                assert!(script.contains(verb.get_name()), "{shell}: {verb}");
            }
            assert!(script.contains("min-announce-interval"), "{shell}");
        }
    }

    /// On machines that have them.
    #[test]
    fn shells_can_read_it() {
        for (shell, program) in [
            (Shell::Bash, "bash"),
            (Shell::Zsh, "zsh"),
            (Shell::Fish, "fish"),
        ] {
            let checker = Command::new(program)
                .arg("-n")
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn();
            let Ok(mut checker) = checker else { continue };
            let mut stdin = checker.stdin.take().unwrap();
            stdin.write_all(&script(shell)).unwrap();
            drop(stdin);
            let checked = checker.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&checked.stderr);
            assert!(
                checked.status.success() && said.is_empty(),
                "{shell}: {said}"
            );
        }
    }
}
