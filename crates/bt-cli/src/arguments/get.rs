use std::path::PathBuf;

use clap::Args;

use super::{Choose, Network, SeedUntil, Watch, values::parse_seconds};
use crate::seeding::Seeding;

/// Download torrents
///
/// Finds peers through trackers (UDP, HTTP and HTTPS), the DHT, the local network, magnet links and
/// other peers, and exits when everything that is wanted is verified and written, or with --seed
/// when it has been served. What is in the folder already is not fetched again, so that running the
/// same command again resumes: what bt itself has written is known, and checked only where files
/// were changed since; what others have put there is checked first. Several torrents share one port
/// and all limits: of memory, connections and rates; if one of them fails the others go on, and the
/// exit code is that of the first SOURCE that failed.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Get {
    /// The .torrent files, http and https URLs of them, or magnet links; `-` reads a .torrent from
    /// stdin
    #[arg(value_name = "SOURCE", required = true)]
    pub(crate) sources: Vec<PathBuf>,

    /// The folder to download into
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) output: PathBuf,

    /// Give up after so long, in seconds, or as in 15m, 2h, 7d, with exit code 3; or with code 0 if
    /// all is complete and only served any more
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    pub(crate) timeout: Option<u64>,

    /// Go on serving each torrent when it is complete, until interrupted, which is no error then;
    /// --seed-ratio and --seed-time say so, too, and until when
    #[arg(long)]
    pub(crate) seed: bool,

    #[command(flatten)]
    pub(crate) seed_until: SeedUntil,

    #[command(flatten)]
    pub(crate) choose: Choose,

    #[command(flatten)]
    pub(crate) watch: Watch,

    #[command(flatten)]
    pub(crate) network: Network,
}

impl Get {
    /// How long a torrent is served when it is complete, if at all.
    pub(crate) fn seeding(&self) -> Option<Seeding> {
        let wants = self.seed || self.seed_until.is_some();
        wants.then(|| Seeding::new(self.seed_until))
    }
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
             state: \"metadata\" (of a magnet link, while peers are asked for the rest),
             \"downloading\", \"seeding\", \"disk_trouble\", \"stopped\" or \"failed\"
             metadata: in that state only: bytes_done, bytes_total (null if unknown), and peers,
             how many say to have it; all about the files is 0 then
             bytes_done, bytes_total: of the files, in verified pieces, and in all
             pieces_done, piece_count: verified pieces, and all
             wanted_bytes_done, wanted_bytes_total: of the files that are wanted, which are all
             without --select; in verified pieces, and in all
             down_bytes_per_sec, up_bytes_per_sec: payload, smoothed
             peers_connected, peers_known: the latter with the former
             downloaded, uploaded, wasted: payload of this run, in bytes
             eta_secs: seconds until all that is wanted is there, at the mean rate of the last
             minute; null if unknown
             down_limit_bytes_per_sec, up_limit_bytes_per_sec: what it may have at the moment of
             --limit-down and --limit-up; null without
             bytes_resumed: what was there at the start and known without a check
             bytes_hashed: what was read and checked at the start
             wasted_duplicate, wasted_failed_hash, wasted_not_kept: of wasted, what somebody else
             had sent before, what was in pieces that failed their hash, and what the disk would
             not take
             availability: distributed copies, of what is wanted, among the connected peers and us:
             how many have the rarest piece, and the part of the pieces that more have
             downloaded_total, uploaded_total: payload of all runs, in bytes
             share_ratio: the latter by the former; null if there is nothing yet
             sources: who told of peers (\"tracker\", \"user\", \"pex\", \"incoming\", ...), each with
             named, how many addresses, and connected, how many of these were reached
  peers      with --peers, once a second, for each torrent:
             info_hash (hex)
             peers: a list, of each connected peer
               address, client (by its own words or its id; null if neither tells), peer_id
               transport: \"tcp\"; direction: \"out\" if we connected, else \"in\"
               flags: see below
               sources: a list of who told of it, as in progress
               down_bytes_per_sec, up_bytes_per_sec, downloaded, uploaded
               pieces_done, piece_count: how much it has
               am_interested, peer_choking, peer_interested, am_choking
               why_choked: why we choke it: \"upload_only\", \"not_interested\", \"no_slots\",
               \"hoarding\" (gives nothing on), \"taking\" (gives nothing back), \"slots_full\",
               \"next_round\" (it gets the next slot); null if we do not
               is_optimistic, is_snubbed, is_seed, is_upload_only
               requests: blocks asked of it; round_trip_ms: how long one takes; null if unknown
               connected_secs
               score_bytes_per_sec: what its place is worth to us, by the evaluation of peers
  why        with --why, whenever it changes, for each torrent:
             info_hash (hex)
             limit: what limits its speed: \"metadata\", \"checking\", \"no_peers\", \"trackers_down\",
             \"all_choked\", \"rare_pieces\", \"own_limit\", \"memory\", \"disk\", \"hashing\",
             or \"peers\": it is as fast as they send
             figures: an object with those that say so, as means of five seconds; of \"no_peers\"
             also dht_nodes, how many nodes of the DHT are known, if it is asked
  complete   name, info_hash (hex), bytes_total: everything that is wanted is verified and written;
             wanted_bytes_total: bytes of the files that are wanted;
             files_left_out: how many are not;
             hash_cpu_ms: CPU time that hashing took
             bytes_resumed, bytes_hashed: as in progress
  total      a few times a second, if there are several torrents, all of them together:
             torrents, complete, failed: how many there are, have all that is wanted, had to give up
             and bytes_done to eta_secs as in progress, without pieces
  seeded     a torrent has been served for as long as --seed-ratio or --seed-time says:
             name, info_hash (hex), goal (\"ratio\" or \"time\"), bytes_total, uploaded,
             seeding_secs: how long it was served since it was complete
  disk_trouble  with --on-disk-error wait, once when a disk begins to fail; it goes on by itself:
             name, info_hash (hex), kind (\"full\", \"permission\", \"read_only\", \"missing\",
             \"obstructed\", \"in_use\" or \"other\"), path, message
  disk_recovered  once when the disk works again: name, info_hash (hex), trouble_secs
  failed     one of several torrents has failed, the others go on:
             source (as given), info_hash (null if unknown), message, code
  error      message, code: what is wrong, and the exit code; the last line

Flags of peers, as other clients have them:
  D d    we download from it; it has what we want, and chokes us
  U u    we upload to it; it wants something, and we choke it
  K ?    it lets us, and has nothing for us; we let it, and it wants nothing
  O S    its slot is optimistic; it is snubbed, as it does not answer in time
  C I    it has everything; it connected to us
  P      uTP
  X H L  known from another peer, from the DHT, from the local network

Examples:
  bt get debian.torrent -o ~/downloads
  bt get debian.torrent --tracker udp://tracker.example.org:6969
  bt get 'magnet:?xt=urn:btih:c0fda1edafdbdbb96443424e0b3899af7159d10e&tr=…' -o ~/downloads
  bt get *.torrent -o ~/downloads
  bt get debian.torrent --no-dht --no-lsd
  bt get debian.torrent --peer 192.0.2.7:6881 --timeout 600
  bt get album.torrent --select 1,3-5
  bt get album.torrent --select '*.flac' --select '!*live*'
  bt get film.torrent --sequential --first-last --priority '*.srt=high'
  bt get debian.torrent --limit-down 2M --limit-up 512K
  bt get debian.torrent -o ~/downloads --recheck
  bt get debian.torrent --peers --why
  bt get debian.torrent --seed-ratio 1.5 --seed-time 12h
  curl -L https://example.org/debian.torrent | bt get - --json";

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::super::{Verb, tests::parse};

    #[test]
    fn everything() {
        let words = "bt get a.torrent -o d --tracker udp://a:1 --tracker udp://b:2 --peer [::1]:5 \
                     --port 0 --timeout 7 --memory 16M --limit-up 3K --limit-down 2M --seed \
                     --on-disk-error wait --seed-ratio 1.5 --seed-time 9m --state s --recheck --json -vv";
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
        assert!(get.seed);
        assert_eq!(get.seed_until.seed_ratio, Some(1.5));
        assert_eq!(get.seed_until.seed_time, Some(540));
        let limits = [get.network.limit_up, get.network.limit_down];
        assert_eq!(limits, [3 << 10, 2 << 20].map(NonZeroU64::new));
        assert_eq!(get.network.finding.tracker, ["udp://a:1", "udp://b:2"]);
        assert_eq!(get.network.finding.peer, ["[::1]:5".parse().unwrap()]);
        assert_eq!((get.network.port, get.network.memory), (0, 16 << 20));
        assert_eq!(get.network.state, Some("s".into()));
        assert!(get.network.recheck);
    }

    #[test]
    fn what_is_shown_beside() {
        for (words, peers, why) in [
            ("bt get a", false, false),
            ("bt get a --peers", true, false),
            ("bt get a --why --json", false, true),
        ] {
            let Verb::Get(get) = parse(words).unwrap().verb else {
                panic!()
            };
            assert_eq!((get.watch.peers, get.watch.why), (peers, why), "{words}");
        }
    }

    /// The help explains each flag that is shown.
    #[test]
    fn flags_are_explained() {
        let (_, flags) = super::EXAMPLES.split_once("Flags of peers").unwrap();
        for (letter, _) in bt_client::FLAGS {
            let mut words = flags.split_whitespace();
            assert!(words.any(|word| word == letter.to_string()), "{letter}");
        }
    }

    #[test]
    fn defaults() {
        let Verb::Get(get) = parse("bt get -").unwrap().verb else {
            panic!()
        };
        assert_eq!((get.sources, get.output), (vec!["-".into()], ".".into()));
        assert_eq!((get.network.port, get.network.memory), (6881, 32 << 20));
        assert_eq!(get.network.min_announce_interval, 60);
        assert_eq!((get.network.limit_up, get.network.limit_down), (None, None));
        assert_eq!((get.network.state, get.network.recheck), (None, false));
    }

    #[test]
    fn how_long_to_serve_says_that_it_is_served() {
        for words in ["--seed", "--seed-ratio 2", "--seed-time 5"] {
            let Verb::Get(get) = parse(&format!("bt get a {words}")).unwrap().verb else {
                panic!()
            };
            assert!(get.seeding().is_some(), "{words}");
        }
        let Verb::Get(get) = parse("bt get a").unwrap().verb else {
            panic!()
        };
        assert!(get.seeding().is_none());
    }

    #[test]
    fn wrong_usage() {
        for words in [
            "bt get",
            "bt get a --no-such-option",
            "bt get a --timeout 0",
            "bt get a --timeout m",
            "bt get a --timeout +5s",
            "bt get a --timeout 5w",
            "bt get a --timeout 999999999999999999d",
            "bt get a --seed-ratio 0",
            "bt get a --seed-ratio -1",
            "bt get a --seed-ratio inf",
            "bt get a --seed-time 0",
            "bt get a -q -v",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }
}
