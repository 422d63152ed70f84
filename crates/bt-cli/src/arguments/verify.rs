use std::path::PathBuf;

use clap::Args;

/// Check data on disk against a torrent
///
/// Names each bad piece and the files that it touches. Exits with code 6 if there is one. Files that
/// `bt get` calls NAME.part are looked at under that name, and its part file counts for what shared
/// pieces have of files that were left out; the rest of those files is missing.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Verify {
    /// The .torrent file; `-` reads it from stdin
    #[arg(value_name = "FILE.torrent")]
    pub(crate) torrent: PathBuf,

    /// The data: the torrent's file or top folder, or the folder that holds it
    pub(crate) path: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bt verify debian.torrent ~/downloads/debian.iso
  bt verify album.torrent ~/music --json | jq .bad_files";
