use std::path::PathBuf;

use clap::Args;

use super::{Network, SeedUntil};

/// Serve data that is there
///
/// The data is checked first, unless it is remembered and as it was. It must be complete; what of it
/// lies in files called NAME.part, or in the part file of `bt get --select`, is read there, and
/// nothing is changed. Who has left out files serves the others with `bt get --seed`. Serves until
/// interrupted, which is no error, or for as long as --seed-ratio or --seed-time says.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Seed {
    /// The .torrent file; `-` reads it from stdin
    #[arg(value_name = "FILE.torrent")]
    pub(crate) torrent: PathBuf,

    /// The data: the torrent's file or top folder, or the folder that holds it
    pub(crate) path: PathBuf,

    /// Show each peer only pieces that no other has, until all are among them (BEP 16): for the
    /// first seed of a torrent
    #[arg(long)]
    pub(crate) super_seed: bool,

    /// Show each connected peer: client, flags, rates, score, how it was found and why we choke it;
    /// below the progress in a terminal, else every few seconds
    #[arg(long)]
    pub(crate) peers: bool,

    #[command(flatten)]
    pub(crate) seed_until: SeedUntil,

    #[command(flatten)]
    pub(crate) network: Network,
}

const EXAMPLES: &str = "\
Examples:
  bt seed debian.torrent ~/downloads/debian.iso
  bt seed album.torrent ~/music/album --port 7000
  bt seed album.torrent ~/music/album --limit-up 512K
  bt seed album.torrent ~/music/album --seed-ratio 2 --seed-time 1h
  bt seed album.torrent ~/music/album --peers
  bt seed new.torrent ~/new --super-seed";

#[cfg(test)]
mod tests {
    use super::super::tests::parse;

    #[test]
    fn the_data_is_needed() {
        assert!(parse("bt seed a").is_err());
        assert!(parse("bt seed a b").is_ok());
        assert!(parse("bt seed a b --super-seed --peers").is_ok());
    }

    #[test]
    fn how_long() {
        assert!(parse("bt seed a b --seed-ratio 0.5 --seed-time 5 --limit-up 1M").is_ok());
        assert!(parse("bt seed a b --seed-ratio 1:2").is_err());
        assert!(parse("bt seed a b --seed").is_err(), "what else");
    }
}
