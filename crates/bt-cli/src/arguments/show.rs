use std::path::PathBuf;

use clap::Args;

/// Show what is in a torrent
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Show {
    /// The .torrent file; `-` reads it from stdin
    #[arg(value_name = "FILE")]
    pub(crate) torrent: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bt show debian.torrent
  bt show debian.torrent --json | jq .info_hash";
