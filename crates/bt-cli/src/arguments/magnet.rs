use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Print the magnet link of a torrent
///
/// It holds the torrent's hashes, its name, its trackers and its web seeds. That of a private
/// torrent holds whatever its trackers' URLs hold, such as a passkey, and says so on stderr.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Magnet {
    /// The .torrent file, or an http or https URL of one; `-` reads it from stdin
    #[arg(value_name = "TORRENT", value_hint = ValueHint::FilePath)]
    pub(crate) torrent: PathBuf,

    /// Leave out trackers and web seeds
    #[arg(long)]
    pub(crate) bare: bool,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Output with --json:
  torrent       the TORRENT, as it was given
  info_hash, info_hash_v2
                in hex; null if the torrent has no such hash
  magnet        the link

Examples:
  bt magnet debian.torrent
  bt magnet debian.torrent --bare | qrencode -t utf8";

#[cfg(test)]
mod tests {
    use super::super::{Verb, tests::parse};

    #[test]
    fn one_torrent() {
        let Verb::Magnet(magnet) = parse("bt magnet a --bare --json").unwrap().verb else {
            panic!()
        };
        assert!(magnet.bare && magnet.json && magnet.torrent.ends_with("a"));
        assert!(parse("bt magnet").is_err() && parse("bt magnet a b").is_err());
    }
}
