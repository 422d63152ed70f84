use std::path::PathBuf;

use clap::Args;

/// Write the manual
///
/// With DIR, writes a page for bt and one for each verb into that folder, which is made if it is
/// not there. Without, prints the page for bt.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Man {
    /// The folder for the pages
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  bt man | man -l -
  bt man ~/.local/share/man/man1 && man bt-get";
