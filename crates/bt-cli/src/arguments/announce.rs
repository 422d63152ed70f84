use std::{ffi::OsString, path::PathBuf};

use bt_types::{AnnounceEvent, InfoHashV2, SwarmId};
use clap::{
    Args, ValueEnum, ValueHint,
    builder::{OsStringValueParser, TypedValueParser},
    value_parser,
};

use super::values::{parse_seconds, parse_tracker};
use crate::format::parse_size;

/// Ask a tracker for the peers of a torrent
///
/// Asks once, as a download does that has just begun, and says goodbye as soon as the answer is
/// there (`started`, then `stopped`), so that no peer is sent to us. With --event, that event is
/// all that is sent, and whatever the tracker makes of it stays.
///
/// A tracker that refuses is a failure (exit code 1, with its own words); one that does not answer
/// in time is another (exit code 3).
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Announce {
    /// The tracker: udp://host:port, http://… or https://…
    #[arg(value_parser = parse_tracker)]
    pub(crate) url: String,

    /// The torrent: its info hash, 40 hex digits (64 of a v2 torrent), or a .torrent file; `-`
    /// reads that from stdin
    #[arg(value_name = "HASH", value_parser = OsStringValueParser::new().try_map(parse_swarm),
        value_hint = ValueHint::FilePath)]
    pub(crate) swarm: Swarm,

    /// The port to say that we listen on
    #[arg(long, default_value_t = 6881, value_parser = value_parser!(u16).range(1..))]
    pub(crate) port: u16,

    /// How many peers to ask for; left to the tracker if not given
    #[arg(long, value_name = "COUNT")]
    pub(crate) numwant: Option<u32>,

    /// Send this event, and no goodbye
    #[arg(long)]
    pub(crate) event: Option<Event>,

    /// How much to say that we lack, 0 for a seeder: 512K, 2G; if not given, all of a .torrent
    /// file, or 16K
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) left: Option<u64>,

    /// How long to wait for the answer
    #[arg(long, value_name = "SECS", default_value_t = 30, value_parser = parse_seconds)]
    pub(crate) timeout: u64,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whose peers are asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Swarm {
    Id(SwarmId),
    /// Of the torrent in this file.
    Torrent(PathBuf),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Event {
    /// We have joined
    Started,
    /// We have just become complete
    Completed,
    /// We are leaving
    Stopped,
    /// Nothing but that the interval has passed
    None,
}

impl From<Event> for AnnounceEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::Started => Self::Started,
            Event::Completed => Self::Completed,
            Event::Stopped => Self::Stopped,
            Event::None => Self::None,
        }
    }
}

pub(super) fn parse_swarm(word: OsString) -> Result<Swarm, String> {
    let Some(text) = word.to_str().filter(|text| is_like_a_hash(text)) else {
        return Ok(Swarm::Torrent(word.into()));
    };
    let v1 = text.parse().ok();
    let v2 = || text.parse::<InfoHashV2>().ok();
    match v1.or_else(|| v2().map(SwarmId::from)) {
        Some(id) => Ok(Swarm::Id(id)),
        None => Err(format!(
            "an info hash is 40 hex digits, or 64 of a v2 torrent; these are {} (if it is a file, \
             write ./{text})",
            text.len()
        )),
    }
}

/// Hardly anybody calls a file so.
fn is_like_a_hash(text: &str) -> bool {
    text.len() >= MIN_LIKE_A_HASH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

const MIN_LIKE_A_HASH: usize = 20;

const EXAMPLES: &str = "\
Output with --json:
  tracker            as it was given
  info_hash          the 20 bytes that were asked for, in hex
  interval_secs      how long the tracker wants clients to wait between announces
  min_interval_secs  how long they must; null if it does not say
  seeders, leechers  how many peers have everything, and how many do not; null if it
                     does not say
  peers              addresses, as in \"192.0.2.7:6881\" and \"[2001:db8::7]:6881\"
  external_ip        our address as the tracker sees it; null if it does not say
  warning            what it wants to be read by people; null if nothing

Examples:
  bt announce udp://tracker.example.org:6969 c0fda1edafdbdbb96443424e0b3899af7159d10e
  bt announce udp://tracker.example.org:6969 debian.torrent --json | jq .seeders
  bt announce https://tracker.example.org/announce debian.torrent
  bt announce udp://tracker.example.org:6969 debian.torrent --event stopped";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{
        super::{Arguments, Verb, tests::parse},
        *,
    };

    fn announce(words: &str) -> Announce {
        let words = format!("bt announce udp://t:1 {words}");
        match parse(&words).unwrap().verb {
            Verb::Announce(announce) => announce,
            _ => unreachable!(),
        }
    }

    #[test]
    fn defaults() {
        let asked = announce("a.torrent");
        assert_eq!(asked.swarm, Swarm::Torrent("a.torrent".into()));
        assert_eq!((asked.port, asked.timeout), (6881, 30));
        assert_eq!((asked.numwant, asked.event, asked.left), (None, None, None));
    }

    #[test]
    fn everything() {
        let hash = "0A".repeat(20);
        let words = "--port 7 --numwant 0 --event completed --left 2M --timeout 1 --json";
        let asked = announce(&format!("{hash} {words}"));
        assert_eq!(asked.swarm, Swarm::Id(SwarmId([10; 20])));
        assert_eq!((asked.port, asked.timeout, asked.json), (7, 1, true));
        assert_eq!((asked.numwant, asked.left), (Some(0), Some(2 << 20)));
        assert_eq!(asked.event, Some(Event::Completed));
    }

    #[test]
    fn a_v2_hash_is_cut_as_trackers_want_it() {
        let hash = format!("{}{}", "01".repeat(20), "02".repeat(12));
        assert_eq!(announce(&hash).swarm, Swarm::Id(SwarmId([1; 20])));
    }

    #[test]
    fn what_is_no_hash_is_a_file() {
        for word in [
            "-",
            "abc",
            "./c0fda1edafdbdbb96443424e0b3899af7159d1",
            "x y",
        ] {
            assert_eq!(parse_swarm(word.into()), Ok(Swarm::Torrent(word.into())));
        }
    }

    #[test]
    fn a_hash_that_was_cut_is_not_taken_for_a_file() {
        let words = [
            "bt",
            "announce",
            "udp://t:1",
            "c0fda1edafdbdbb96443424e0b3899af7159d1",
        ];
        let error = Arguments::try_parse_from(words).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("40 hex digits"), "{error}");
    }

    #[test]
    fn wrong_usage() {
        for words in [
            "udp://t:1",
            "wss://t/announce a",
            "udp://t:1 a --port 0",
            "udp://t:1 a --event paused",
            "udp://t:1 a --numwant -1",
            "udp://t:1 a --left some",
            "udp://t:1 a --timeout 0",
        ] {
            assert!(parse(&format!("bt announce {words}")).is_err(), "{words}");
        }
    }
}
