use std::path::PathBuf;

use bt_dht::NodeId;
use clap::{
    Args, Subcommand, ValueHint,
    builder::{OsStringValueParser, TypedValueParser},
};

use super::{
    announce::{Swarm, parse_swarm},
    finding::dht_by,
    values::{parse_host, parse_seconds},
};

/// Ask the DHT, or store something in it
///
/// Finds its way in by the nodes that `bt get` and `bt seed` have known (and leaves them those that
/// it finds), or by well-known hosts. It asks and does not answer (BEP 43), as it is gone soon.
///
/// Nothing found, and nobody reached, is a failure (exit code 1); so much time passed another (exit
/// code 3), before which is printed what was found until then.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Dht {
    #[command(subcommand)]
    pub(crate) verb: DhtVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DhtVerb {
    GetPeers(GetPeers),
    Scrape(DhtScrape),
    Ping(Ping),
    Get(DhtGet),
    Put(Put),
    Sample(Sample),
}

/// Print who is in a swarm, one address a line
#[derive(Args, Debug)]
#[command(after_long_help = "\
Output with --json, one object:
  info_hash        the 20 bytes that were asked for, in hex
  peers            addresses, as they were found
  nodes_asked      how many nodes were asked
  nodes_answered   how many of them answered

Example:
  bt dht get-peers c0fda1edafdbdbb96443424e0b3899af7159d10e --timeout 1m")]
pub(crate) struct GetPeers {
    /// The torrent: its info hash, 40 hex digits (64 of a v2 torrent), or a .torrent file
    #[arg(value_name = "HASH", value_parser = OsStringValueParser::new().try_map(parse_swarm),
        value_hint = ValueHint::FilePath)]
    pub(crate) swarm: Swarm,

    #[command(flatten)]
    pub(crate) how: How,
}

/// Estimate how many are in a swarm (BEP 33)
///
/// Not every node tells.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Output with --json, one object:
  info_hash     the 20 bytes that were asked for, in hex
  seeders       about how many have everything
  downloaders   about how many do not
  nodes         how many nodes told")]
pub(crate) struct DhtScrape {
    /// The torrent: its info hash, 40 hex digits (64 of a v2 torrent), or a .torrent file
    #[arg(value_name = "HASH", value_parser = OsStringValueParser::new().try_map(parse_swarm),
        value_hint = ValueHint::FilePath)]
    pub(crate) swarm: Swarm,

    #[command(flatten)]
    pub(crate) how: How,
}

/// Ask one node whether it is there
#[derive(Args, Debug)]
#[command(after_long_help = "\
Output with --json, one object:
  node          its address
  id            its id, in hex
  millis        until it answered

Example:
  bt dht ping router.bittorrent.com:6881")]
pub(crate) struct Ping {
    /// The node
    #[arg(value_name = "HOST:PORT", value_parser = parse_host)]
    pub(crate) node: String,

    /// How long to wait for the answer
    #[arg(long, value_name = "SECS", default_value_t = 30, value_parser = parse_seconds)]
    pub(crate) timeout: u64,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Look for an item (BEP 44), and print its value
#[derive(Args, Debug)]
#[command(after_long_help = "\
A value that is text, or bytes, is printed as such, with control characters escaped if it goes to
people; any other as bencode.

Output with --json, one object:
  target      where in the DHT it is found, in hex
  value       as text; null if it is none
  value_hex   all of it, bencoded
  key         the public key of a mutable item, in hex; else null
  salt        of a mutable item, as text; else null
  seq         which version of a mutable item it is; else null

Examples:
  bt dht get e5f96f6f38320f0f33959cb4d3d656452117aadb
  bt dht get 77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548 --salt foobar")]
pub(crate) struct DhtGet {
    /// Of an immutable item the hash of its value, 40 hex digits; of a mutable one its public key,
    /// 64
    #[arg(value_name = "TARGET|PUBKEY", value_parser = parse_name)]
    pub(crate) name: Name,

    /// Which of the key's items
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) salt: String,

    #[command(flatten)]
    pub(crate) how: How,
}

/// Store an item (BEP 44)
///
/// Nodes forget it after two hours: whoever wants it to stay puts it again. With --key the item can
/// be changed later, else it is found by the hash of its value.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Output with --json, one object:
  target      where in the DHT it is found, in hex
  key         the public key of a mutable item, in hex; else null
  salt        of a mutable item, as text; else null
  seq         which version of a mutable item it is; else null
  nodes       how many nodes have taken it

Examples:
  bt dht put 'Hello World!'
  openssl rand -hex 32 > key; bt dht put --file news --key key --salt news")]
pub(crate) struct Put {
    /// The value, as text; at most 1000 bytes, a few of which bencode takes
    #[arg(required_unless_present = "file")]
    pub(crate) value: Option<String>,

    /// Take the value from this file; `-` reads it from stdin
    #[arg(long, conflicts_with = "value", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,

    /// The value is bencode already
    #[arg(long)]
    pub(crate) bencoded: bool,

    /// Sign it with the secret key in this file: 64 hex digits, the seed of an ed25519 key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: Option<PathBuf>,

    /// Which of the key's items
    #[arg(long, value_name = "TEXT", default_value = "", requires = "key")]
    pub(crate) salt: String,

    /// Which version it is [default: the one after that which is found]
    #[arg(long, value_name = "N", requires = "key", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) seq: Option<i64>,

    /// Only in the place of this version
    #[arg(long, value_name = "N", requires = "key", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) cas: Option<i64>,

    #[command(flatten)]
    pub(crate) how: How,
}

/// Print info hashes that nodes know peers of (BEP 51), one a line
#[derive(Args, Debug)]
#[command(after_long_help = "\
Output with --json, one object a line, one for each node:
  node            its address
  samples         info hashes, in hex
  total           how many it knows
  interval_secs   for how long it would answer the same")]
pub(crate) struct Sample {
    /// Ask nodes on the way to this id, 40 hex digits [default: any]
    pub(crate) target: Option<NodeId>,

    #[command(flatten)]
    pub(crate) how: How,
}

/// What they have in common that ask many nodes.
#[derive(Args, Debug)]
pub(crate) struct How {
    /// Enter the DHT by way of this host (host:port) instead of the well-known ones; may be given
    /// several times
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_host)]
    pub(crate) dht_node: Vec<String>,

    /// The folder in which nodes are remembered; by default bt in $XDG_STATE_HOME, which is
    /// ~/.local/state if not set
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

    /// How long to look
    #[arg(long, value_name = "SECS", default_value_t = 60, value_parser = parse_seconds)]
    pub(crate) timeout: u64,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl How {
    pub(crate) fn config(&self) -> bt_client::DhtConfig {
        dht_by(&self.dht_node)
    }
}

/// What names an item.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Name {
    Target(NodeId),
    Key([u8; 32]),
}

fn parse_name(text: &str) -> Result<Name, String> {
    let target = text.parse().map(Name::Target).ok();
    let key = || parse_key(text).map(Name::Key);
    target
        .or_else(key)
        .ok_or_else(|| "a target is 40 hex digits, a public key 64".to_owned())
}

/// 32 bytes in hex.
pub(crate) fn parse_key(text: &str) -> Option<[u8; 32]> {
    let hash: bt_types::InfoHashV2 = text.parse().ok()?;
    Some(hash.0)
}

const EXAMPLES: &str = "\
Examples:
  bt dht get-peers debian.torrent
  bt dht ping router.bittorrent.com:6881
  bt dht put 'Hello World!'
  bt dht get e5f96f6f38320f0f33959cb4d3d656452117aadb
  bt dht sample --json --dht-node 192.0.2.7:6881";

#[cfg(test)]
mod tests {
    use super::{
        super::{Verb, tests::parse},
        *,
    };

    fn verb(words: &str) -> Option<DhtVerb> {
        match parse(words).ok()?.verb {
            Verb::Dht(dht) => Some(dht.verb),
            _ => None,
        }
    }

    #[test]
    fn items_are_named_by_target_or_key() {
        for (name, expected) in [
            ("07".repeat(20), Some(Name::Target(NodeId([7; 20])))),
            ("07".repeat(32), Some(Name::Key([7; 32]))),
            ("07".repeat(21), None),
            ("x".to_owned(), None),
        ] {
            let found = match verb(&format!("bt dht get {name} --salt s")) {
                Some(DhtVerb::Get(get)) => Some(get.name),
                _ => None,
            };
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn what_is_said_makes_sense() {
        for words in [
            "bt dht",
            "bt dht ping router",
            "bt dht get-peers",
            "bt dht put",
            "bt dht put a --file b",
            "bt dht put a --salt s",
            "bt dht put a --seq 1",
            "bt dht put a --key k --seq -1",
            "bt dht sample 07",
            "bt dht scrape a --dht-node b",
        ] {
            assert!(verb(words).is_none(), "{words}");
        }
        for words in [
            "bt dht ping router:1 --json",
            "bt dht get-peers a.torrent --timeout 1m",
            "bt dht put a --key k --salt s --seq 0 --cas 0",
            "bt dht put --file b --bencoded",
            "bt dht sample --dht-node 127.0.0.1:1 --dht-node a:2",
        ] {
            assert!(verb(words).is_some(), "{words}");
        }
    }
}
