//! The command line: a file for each verb, with its examples.

mod announce;
mod choose;
mod completions;
mod create;
mod demo;
mod dht;
mod finding;
mod get;
mod magnet;
mod man;
mod network;
mod scrape;
mod seed;
mod seed_until;
mod show;
mod values;
mod verify;
mod watch;

use clap::{Parser, Subcommand};

pub(crate) use self::{
    announce::{Announce, Swarm},
    choose::{Choose, Files, Which},
    completions::Completions,
    create::{Create, Links, as_size, is_date},
    demo::Demo,
    dht::{Dht, DhtGet, DhtScrape, DhtVerb, GetPeers, How, Name, Ping, Put, Sample, parse_key},
    finding::Finding,
    get::Get,
    magnet::Magnet,
    man::Man,
    network::Network,
    scrape::Scrape,
    seed::Seed,
    seed_until::SeedUntil,
    show::Show,
    values::{is_served, is_web},
    verify::Verify,
    watch::Watch,
};

/// A BitTorrent client
///
/// Downloads and serves torrents, shows what is in them, checks data against them and asks
/// trackers. Results go to stdout, progress and logs to stderr; `-` as a file is stdin.
#[derive(Debug, Parser)]
#[command(name = "bt", version, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,

    /// Tell more on stderr: what trackers answer, which peers come and go; twice for still more
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,

    /// Tell nothing but errors on stderr
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Get(Get),
    Seed(Seed),
    Create(Box<Create>),
    Show(Show),
    Verify(Verify),
    Magnet(Magnet),
    Announce(Announce),
    Scrape(Scrape),
    Dht(Box<Dht>),
    Demo(Demo),
    Completions(Completions),
    Man(Man),
}

impl Verb {
    /// Whether stdout carries events, so that a failure is one of them.
    pub(crate) fn reports_events(&self) -> bool {
        match self {
            Self::Get(get) => get.network.json,
            Self::Seed(seed) => seed.network.json,
            Self::Create(create) => create.json,
            Self::Demo(demo) => demo.json,
            Self::Show(_)
            | Self::Verify(_)
            | Self::Magnet(_)
            | Self::Announce(_)
            | Self::Scrape(_)
            | Self::Dht(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
        }
    }
}

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  failed for another reason, as when a .torrent is not there or cannot be read
  2  wrong usage
  3  stopped before completion (--timeout, interrupt)
  4  the torrent was read and is bad, or of a kind that is not supported yet
  5  the disk failed (full, permission)
  6  data failed verification

Environment:
  BT_LOG         what to log, in the form of RUST_LOG: debug, bt_client::trackers=debug,info;
                 goes before -v and -q
  NO_COLOR       if set, no colours
  SSL_CERT_FILE  certificates (PEM) of those who may vouch for https servers, as of one's own
                 authority, instead of those whom the system trusts

Begin with:
  bt demo          a tracker, a seeder and a download on this machine
  bt get --help    each verb has examples";

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    pub(super) fn parse(words: &str) -> Result<Arguments, ErrorKind> {
        Arguments::try_parse_from(words.split(' ')).map_err(|error| error.kind())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_verb_is_needed() {
        assert!(parse("bt").is_err());
    }
}
