use std::path::PathBuf;

use clap::Args;

use super::{Network, values::parse_seconds};

/// Download torrents
///
/// Finds peers through the torrents' UDP trackers, and exits when everything is verified and
/// written. What is in the folder already is checked first and not fetched again, so that running
/// the same command again resumes. Several torrents share one port, one limit of memory and one of
/// connections; if one of them fails the others go on, and the exit code is that of the first
/// SOURCE that failed.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Get {
    /// The .torrent files; `-` reads one from stdin
    #[arg(value_name = "SOURCE", required = true)]
    pub(crate) sources: Vec<PathBuf>,

    /// The folder to download into
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) output: PathBuf,

    /// Give up after so many seconds, with exit code 3
    #[arg(long, value_name = "SECS", value_parser = parse_seconds)]
    pub(crate) timeout: Option<u64>,

    #[command(flatten)]
    pub(crate) network: Network,
}

const EXAMPLES: &str = "\
Output with --json, one object a line:
  Which kind of line it is, is its \"event\". Sizes are in bytes. This form is stable: keys and
  events may be added, none goes or changes its meaning.

  listening  port: the TCP port on which peers reach us
  checking   info_hash (hex)
             bytes_done, bytes_total: how much of the data on disk has been checked
  progress   a few times a second, for each torrent:
             info_hash (hex)
             state: \"downloading\", \"seeding\", \"stopped\" or \"failed\"
             bytes_done, bytes_total: of the files, in verified pieces, and in all
             pieces_done, piece_count: verified pieces, and all
             down_bytes_per_sec, up_bytes_per_sec: payload, smoothed
             peers_connected, peers_known: the latter with the former
             downloaded, uploaded, wasted: payload of this run, in bytes
             eta_secs: seconds until it is complete, at the present rate; null if unknown
  complete   name, info_hash (hex), bytes_total: everything is verified and written;
             hash_cpu_ms: CPU time that hashing took
  total      a few times a second, if there are several torrents, all of them together:
             torrents, complete, failed: how many there are, have everything, had to give up
             and bytes_done to eta_secs as in progress, without pieces
  failed     one of several torrents has failed, the others go on:
             source (as given), info_hash (null if unknown), message, code
  error      message, code: what is wrong, and the exit code; the last line

Examples:
  bt get debian.torrent -o ~/downloads
  bt get debian.torrent --tracker udp://tracker.example.org:6969
  bt get *.torrent -o ~/downloads
  bt get debian.torrent --peer 192.0.2.7:6881 --timeout 600
  curl -L https://example.org/debian.torrent | bt get - --json";

#[cfg(test)]
mod tests {
    use super::super::{Verb, tests::parse};

    #[test]
    fn everything() {
        let words = "bt get a.torrent -o d --tracker udp://a:1 --tracker udp://b:2 --peer [::1]:5 \
                     --port 0 --timeout 7 --memory 16M --json -vv";
        let arguments = parse(words).unwrap();
        assert_eq!((arguments.verbose, arguments.quiet), (2, false));
        assert!(arguments.verb.reports_events());
        let Verb::Get(get) = arguments.verb else {
            panic!()
        };
        assert_eq!(
            (get.sources, get.output),
            (vec!["a.torrent".into()], "d".into())
        );
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
        assert_eq!((get.sources, get.output), (vec!["-".into()], ".".into()));
        assert_eq!((get.network.port, get.network.memory), (6881, 32 << 20));
        assert_eq!(get.network.min_announce_interval, 60);
    }

    #[test]
    fn wrong_usage() {
        for words in [
            "bt get",
            "bt get a --no-such-option",
            "bt get a --timeout 0",
            "bt get a -q -v",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }
}
