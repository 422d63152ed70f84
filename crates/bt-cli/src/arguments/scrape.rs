use clap::{
    Args, ValueHint,
    builder::{OsStringValueParser, TypedValueParser},
};

use super::{
    announce::{Swarm, parse_swarm},
    values::{parse_seconds, parse_tracker},
};

/// Ask a tracker how many peers torrents have
///
/// Without joining them (BEP 48). At most 64 torrents can be asked about at once. Not every tracker
/// answers; one on the web can be asked only if its URL ends in announce.
///
/// A tracker that refuses is a failure (exit code 1, with its own words); one that does not answer
/// in time is another (exit code 3).
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Scrape {
    /// The tracker, by the URL to which peers announce: udp://host:port, http://… or https://…
    #[arg(value_parser = parse_tracker)]
    pub(crate) url: String,

    /// The torrents: info hashes, 40 hex digits each (64 of a v2 torrent), or .torrent files; `-`
    /// reads one from stdin
    #[arg(value_name = "HASH", required = true, num_args = 1..=MOST,
        value_parser = OsStringValueParser::new().try_map(parse_swarm),
        value_hint = ValueHint::FilePath)]
    pub(crate) swarms: Vec<Swarm>,

    /// How long to wait for the answer
    #[arg(long, value_name = "SECS", default_value_t = 30, value_parser = parse_seconds)]
    pub(crate) timeout: u64,

    /// Print one JSON object a line, one for each HASH
    #[arg(long)]
    pub(crate) json: bool,
}

/// As many as `bt-client` asks about at once, of whatever tracker.
const MOST: usize = 64;

const EXAMPLES: &str = "\
Output with --json:
  tracker       as it was given
  info_hash     the 20 bytes that were asked for, in hex
  known         whether the tracker says anything of it
  seeders, leechers
                how many peers have everything, and how many do not; null if it does not say
  completed     how often it was downloaded completely; null if it does not say
  downloaders   how many of the leechers want what they lack; null if it does not say

Examples:
  bt scrape udp://tracker.example.org:6969 c0fda1edafdbdbb96443424e0b3899af7159d10e
  bt scrape https://tracker.example.org/announce *.torrent --json | jq .seeders";

#[cfg(test)]
mod tests {
    use super::super::{Verb, tests::parse};

    #[test]
    fn one_or_many() {
        let many = "a ".repeat(64);
        let Verb::Scrape(scrape) = parse(&format!("bt scrape udp://t:1 {many}--json"))
            .unwrap()
            .verb
        else {
            panic!()
        };
        assert_eq!(
            (scrape.swarms.len(), scrape.timeout, scrape.json),
            (64, 30, true)
        );
        for words in [
            "bt scrape udp://t:1",
            "bt scrape ftp://t a",
            &format!("bt scrape udp://t:1 a {many}--json"),
            "bt scrape udp://t:1 a --timeout 0",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }
}
