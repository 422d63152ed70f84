use std::path::PathBuf;

use clap::Args;

/// Show what is in torrents
///
/// Of several, each gets a heading. One that cannot be read does not keep the others from being
/// shown; the exit code is that of the first that failed.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Show {
    /// .torrent files; `-` reads one from stdin
    #[arg(value_name = "SOURCE", required = true)]
    pub(crate) sources: Vec<PathBuf>,

    /// Print one JSON object a line, one for each SOURCE
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Output with --json:
  torrent        the SOURCE, as it was given
  name           of the file or folder, as it would be written
  format         \"v1\", \"v2\" or \"hybrid\"
  info_hash, info_hash_v2
                 in hex; null if the format has no such hash
  total_size     bytes of all files, padding not counted
  piece_length, piece_count
                 bytes of a piece, and how many there are
  private        whether peers may come from its trackers only
  source         a mark of private trackers; null if there is none
  files          number (for bt get --select), path, length, executable, hidden, and
                 pieces_root (hex; null in v1) of each, as it would be written; neither
                 padding nor links
  symlinks       path and target of each
  pad_files, pad_size
                 how many files are padding, and their bytes
  trackers       a list of tiers, each a list of URLs
  web_seeds      URLs
  nodes          of the DHT, as in \"router.example.org:6881\"
  comment, created_by, encoding
                 what the creator says; null if nothing
  creation_date  seconds since 1970; null if unknown
  magnet         a link to the torrent

Of a SOURCE that cannot be shown there are only torrent, error (what is wrong) and code (the exit
code). This form is stable: keys may be added, none goes or changes its meaning.

Examples:
  bt show debian.torrent
  bt show *.torrent | less
  bt show *.torrent --json | jq -r '[.info_hash, .name] | @tsv'";

#[cfg(test)]
mod tests {
    use super::super::{Verb, tests::parse};

    #[test]
    fn one_or_more() {
        let Verb::Show(show) = parse("bt show a - b --json").unwrap().verb else {
            panic!()
        };
        assert_eq!(show.sources.len(), 3);
        assert!(show.json && parse("bt show").is_err());
    }
}
