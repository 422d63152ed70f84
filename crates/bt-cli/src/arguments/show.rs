use std::path::PathBuf;

use clap::Args;

use super::{finding::Finding, values::parse_seconds};

/// Show what is in torrents, or in magnet links
///
/// Of a magnet link, too: what the link does not say is fetched from peers, which are found as by bt
/// get, or is in the state folder if bt has fetched it before. With --offline only what the link says
/// by itself.
///
/// Of several, each gets a heading. One that cannot be read does not keep the others from being
/// shown; the exit code is that of the first that failed.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Show {
    /// .torrent files, http or https URLs of them, or magnet links; `-` reads a .torrent from stdin
    #[arg(value_name = "SOURCE", required = true)]
    pub(crate) sources: Vec<PathBuf>,

    /// Of magnet links, show only what they say by themselves; nobody is asked
    #[arg(long)]
    pub(crate) offline: bool,

    /// Give up a magnet link after so long, in seconds, or as in 15m, with exit code 3
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    pub(crate) timeout: Option<u64>,

    #[command(flatten)]
    pub(crate) finding: Finding,

    /// The folder in which is remembered what was fetched, as of bt get
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

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

Of a magnet link trackers and web_seeds are what the link says. With --offline there are torrent, name (null if it has none), format, info_hash, info_hash_v2,
trackers (each a tier), web_seeds, magnet (as bt writes it), and
  peers          of which it knows, as in \"192.0.2.7:6881\"
  wanted_files   which files it chooses, as pairs of the first and the last index; all if empty

Of a SOURCE that cannot be shown there are only torrent, error (what is wrong) and code (the exit
code). This form is stable: keys may be added, none goes or changes its meaning.

Examples:
  bt show debian.torrent
  bt show 'magnet:?xt=urn:btih:c0fda1edafdbdbb96443424e0b3899af7159d10e&tr=…' --timeout 60
  bt show --offline 'magnet:?xt=urn:btih:c0fda1edafdbdbb96443424e0b3899af7159d10e'
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
        assert!(show.json && !show.offline && parse("bt show").is_err());
        let Verb::Show(show) = parse("bt show a --peer 192.0.2.7:1 --timeout 1m --offline")
            .unwrap()
            .verb
        else {
            panic!()
        };
        assert_eq!(
            (show.timeout, show.finding.peer.len(), show.offline),
            (Some(60), 1, true)
        );
    }
}
