use clap::Args;
use clap_complete::Shell;

/// Print a script that lets a shell complete bt's arguments
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Completions {
    /// The shell that is to read it
    pub(crate) shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  bt completions bash > ~/.local/share/bash-completion/completions/bt
  bt completions zsh > ~/.zfunc/_bt
  bt completions fish > ~/.config/fish/completions/bt.fish";
