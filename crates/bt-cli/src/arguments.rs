use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::format::parse_size;

/// A BitTorrent client.
#[derive(Debug, Parser)]
#[command(name = "bt", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,

    /// Tell more on stderr; twice for still more
    ///
    /// BT_LOG says the same by crate, in the form of RUST_LOG: BT_LOG=bt_client=debug,info.
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
    Show(Show),
    Verify(Verify),
    Demo(Demo),
}

/// Download a torrent
///
/// Finds peers through the torrent's UDP trackers, and exits when everything is verified and
/// written. What is in the folder already is checked first and not fetched again, so that running
/// the same command again resumes.
#[derive(Args, Debug)]
#[command(after_long_help = GET_EXAMPLES)]
pub(crate) struct Get {
    /// The .torrent file; `-` reads it from stdin
    #[arg(value_name = "FILE.torrent")]
    pub(crate) torrent: PathBuf,

    /// The folder to download into
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) output: PathBuf,

    /// Give up after so many seconds, with exit code 3
    #[arg(long, value_name = "SECS", value_parser = parse_seconds)]
    pub(crate) timeout: Option<u64>,

    #[command(flatten)]
    pub(crate) network: Network,
}

/// Serve data that is there
///
/// The data is checked first. Serves until interrupted, which is no error.
#[derive(Args, Debug)]
#[command(after_long_help = SEED_EXAMPLES)]
pub(crate) struct Seed {
    /// The .torrent file; `-` reads it from stdin
    #[arg(value_name = "FILE.torrent")]
    pub(crate) torrent: PathBuf,

    /// The data: the torrent's file or top folder, or the folder that holds it
    pub(crate) path: PathBuf,

    #[command(flatten)]
    pub(crate) network: Network,
}

/// What `get` and `seed` have in common.
#[derive(Args, Debug)]
pub(crate) struct Network {
    /// Announce to this tracker too (udp://host:port); may be given several times
    #[arg(long, value_name = "URL", value_parser = parse_tracker)]
    pub(crate) tracker: Vec<String>,

    /// Connect to this peer too (address:port); may be given several times
    #[arg(long, value_name = "ADDR", value_parser = parse_peer)]
    pub(crate) peer: Vec<SocketAddr>,

    /// Listen on this port, or on the next free one
    #[arg(long, default_value_t = 6881)]
    pub(crate) port: u16,

    /// How much payload to hold in memory: 512K, 32M
    #[arg(long, value_name = "SIZE", default_value = "32M", value_parser = parse_memory)]
    pub(crate) memory: u64,

    /// Announce to a tracker no more often than this, in seconds, whatever it asks for
    #[arg(
        long,
        value_name = "SECS",
        default_value_t = 60,
        value_parser = parse_seconds,
        hide_short_help = true
    )]
    pub(crate) min_announce_interval: u64,

    /// Print one JSON object a line on stdout: `listening`, `checking`, `progress`, `complete`,
    /// `error`
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show what is in a torrent
#[derive(Args, Debug)]
#[command(after_long_help = SHOW_EXAMPLES)]
pub(crate) struct Show {
    /// The .torrent file; `-` reads it from stdin
    #[arg(value_name = "FILE")]
    pub(crate) torrent: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Check data on disk against a torrent
///
/// Names each bad piece and the files that it touches. Exits with code 6 if there is one.
#[derive(Args, Debug)]
#[command(after_long_help = VERIFY_EXAMPLES)]
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

/// See it work: a tracker, a seeder and a download on this machine
///
/// Makes a file, a torrent for it, a UDP tracker, a seeder and a downloader, all real but the
/// distance; compares the bytes and removes what it made.
#[derive(Args, Debug)]
#[command(after_long_help = DEMO_EXAMPLES)]
pub(crate) struct Demo {
    /// The size of the file: 512K, 64M, 2G
    #[arg(long, default_value = "64M", value_parser = parse_demo_size)]
    pub(crate) size: u64,

    /// Print one JSON object a line on stdout, as `get` does
    #[arg(long)]
    pub(crate) json: bool,
}

impl Verb {
    /// Whether stdout carries events, so that a failure is one of them.
    pub(crate) fn reports_events(&self) -> bool {
        match self {
            Self::Get(get) => get.network.json,
            Self::Seed(seed) => seed.network.json,
            Self::Demo(demo) => demo.json,
            Self::Show(_) | Self::Verify(_) => false,
        }
    }
}

/// Whether bt can announce to this URL, by its scheme.
pub(crate) fn is_udp(url: &str) -> bool {
    url.get(..UDP.len())
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(UDP))
}

fn parse_tracker(url: &str) -> Result<String, String> {
    let url = url.trim();
    if !is_udp(url) {
        return Err("only udp:// trackers are supported so far".to_owned());
    }
    let rest = &url[UDP.len()..];
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let port = authority
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty() && (!host.contains(':') || host.ends_with(']')))
        .and_then(|(_, port)| port.parse().ok());
    match port {
        None | Some(0_u16) => Err("a tracker is udp://host:port".to_owned()),
        Some(_) => Ok(url.to_owned()),
    }
}

fn parse_peer(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(peer) if peer.port() != 0 => Ok(peer),
        _ => Err("a peer is address:port, as in 192.0.2.7:6881 or [2001:db8::7]:6881".to_owned()),
    }
}

fn parse_seconds(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a number of seconds, at least 1".to_owned()),
        Ok(seconds) => Ok(seconds),
    }
}

fn parse_memory(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        size if size < MIN_MEMORY => Err("at least 1M is needed".to_owned()),
        size => Ok(size),
    }
}

fn parse_demo_size(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        0 => Err("an empty file makes no torrent".to_owned()),
        size if size > MAX_DEMO_SIZE => Err("at most 64G".to_owned()),
        size => Ok(size),
    }
}

const UDP: &str = "udp://";
/// 64 blocks: less would keep a fast peer waiting.
const MIN_MEMORY: u64 = 1 << 20;
/// It takes twice that on disk.
const MAX_DEMO_SIZE: u64 = 64 << 30;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed for another reason
  2  wrong usage
  3  stopped before completion (--timeout, interrupt)
  4  the torrent is bad, or of a kind that is not supported yet
  5  the disk failed (full, permission)
  6  data failed verification

See it work: bt demo";
const GET_EXAMPLES: &str = "\
With --json, each line on stdout is one object, and what it is is its \"event\". Sizes are in bytes.
This form is stable: keys and events may be added, none goes or changes its meaning.
  listening  port: the TCP port on which peers reach us
  checking   bytes_done, bytes_total: how much of the data on disk has been checked
  progress   a few times a second:
             state: \"downloading\", \"seeding\", \"stopped\" or \"failed\"
             bytes_done, bytes_total: of the files, in verified pieces, and in all
             pieces_done, piece_count: verified pieces, and all
             down_bytes_per_sec, up_bytes_per_sec: payload, smoothed
             peers_connected, peers_known: the latter with the former
             downloaded, uploaded, wasted: payload of this run, in bytes
             eta_secs: seconds until it is complete, at the present rate; null if unknown
  complete   name, info_hash (hex), bytes_total: everything is verified and written
  error      message, code: what is wrong, and the exit code; the last line

Examples:
  bt get debian.torrent -o ~/downloads
  bt get debian.torrent --tracker udp://tracker.example.org:6969
  bt get debian.torrent --peer 192.0.2.7:6881 --timeout 600
  curl -L https://example.org/debian.torrent | bt get - --json";
const SEED_EXAMPLES: &str = "\
Examples:
  bt seed debian.torrent ~/downloads/debian.iso
  bt seed album.torrent ~/music/album --port 7000";
const SHOW_EXAMPLES: &str = "\
Examples:
  bt show debian.torrent
  bt show debian.torrent --json | jq .info_hash";
const VERIFY_EXAMPLES: &str = "\
Examples:
  bt verify debian.torrent ~/downloads/debian.iso
  bt verify album.torrent ~/music --json | jq .bad_files";
const DEMO_EXAMPLES: &str = "\
Examples:
  bt demo
  bt demo --size 1G";

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    fn parse(words: &str) -> Result<Arguments, ErrorKind> {
        Arguments::try_parse_from(words.split(' ')).map_err(|error| error.kind())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn get_with_everything() {
        let words = "bt get a.torrent -o d --tracker udp://a:1 --tracker udp://b:2 --peer [::1]:5 \
                     --port 0 --timeout 7 --memory 16M --json -vv";
        let arguments = parse(words).unwrap();
        assert_eq!((arguments.verbose, arguments.quiet), (2, false));
        assert!(arguments.verb.reports_events());
        let Verb::Get(get) = arguments.verb else {
            panic!()
        };
        assert_eq!((get.torrent, get.output), ("a.torrent".into(), "d".into()));
        assert_eq!(get.timeout, Some(7));
        assert_eq!(get.network.tracker, ["udp://a:1", "udp://b:2"]);
        assert_eq!(get.network.peer, ["[::1]:5".parse().unwrap()]);
        assert_eq!((get.network.port, get.network.memory), (0, 16 << 20));
    }

    #[test]
    fn defaults() {
        let Verb::Get(get) = parse("bt get -").unwrap().verb else {
            panic!()
        };
        assert_eq!((get.torrent, get.output), ("-".into(), ".".into()));
        assert_eq!((get.network.port, get.network.memory), (6881, 32 << 20));
        assert_eq!(get.network.min_announce_interval, 60);
        let Verb::Demo(demo) = parse("bt demo").unwrap().verb else {
            panic!()
        };
        assert_eq!(demo.size, 64 << 20);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (words, says) in [
            ("--tracker http://a/announce", "only udp:// trackers"),
            ("--tracker udp://a", "udp://host:port"),
            ("--peer localhost", "192.0.2.7:6881"),
            ("--timeout 0", "at least 1"),
            ("--memory 1K", "at least 1M"),
        ] {
            let words = format!("bt get a {words}");
            let error = Arguments::try_parse_from(words.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn trackers_of_every_form() {
        for url in [
            "udp://t:1",
            "UDP://t:1/announce?key=v#x",
            "udp://[2001:db8::1]:80/announce",
        ] {
            assert_eq!(parse_tracker(url).as_deref(), Ok(url));
        }
    }

    #[test]
    fn wrong_usage_is_found_before_anything_is_done() {
        for words in [
            "bt",
            "bt get",
            "bt get a --no-such-option",
            "bt get a --peer localhost",
            "bt get a --peer 192.0.2.7",
            "bt get a --peer 192.0.2.7:0",
            "bt get a --port 65536",
            "bt get a --timeout 0",
            "bt get a --min-announce-interval 0",
            "bt get a --tracker http://a/announce",
            "bt seed a b --tracker https://a:443/announce",
            "bt get a --tracker tracker.example:80",
            "bt get a --tracker udp://tracker.example",
            "bt get a --tracker udp://:80/announce",
            "bt get a --tracker udp://t:0",
            "bt get a --tracker udp://::1:80",
            "bt get a --tracker ü",
            "bt get a --memory 1X",
            "bt get a --memory 10K",
            "bt get a -q -v",
            "bt seed a",
            "bt demo --size 0",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }
}
