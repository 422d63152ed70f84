use std::{
    io::{self, IsTerminal},
    num::NonZeroU64,
    path::PathBuf,
};

use clap::{Args, ValueEnum};

use super::{
    finding::Finding,
    values::{parse_memory, parse_rate, parse_seconds},
};

/// What `get` and `seed` have in common.
#[derive(Args, Debug)]
pub(crate) struct Network {
    #[command(flatten)]
    pub(crate) finding: Finding,

    /// Listen on this port, or on the next free one
    #[arg(long, default_value_t = 6881)]
    pub(crate) port: u16,

    /// Send no more than this to all peers together, per second: 512K, 2M
    #[arg(long, value_name = "RATE", value_parser = parse_rate, allow_negative_numbers = true)]
    pub(crate) limit_up: Option<NonZeroU64>,

    /// Receive no more than this from all peers together, per second: 512K, 2M
    #[arg(long, value_name = "RATE", value_parser = parse_rate, allow_negative_numbers = true)]
    pub(crate) limit_down: Option<NonZeroU64>,

    /// How much payload to hold in memory: 512K, 32M
    #[arg(long, value_name = "SIZE", default_value = "32M", value_parser = parse_memory)]
    pub(crate) memory: u64,

    /// When the disk is full, read-only, away or broken: wait and go on by itself when it works
    /// again, or end with exit code 5 [default: wait if stderr is a terminal, else fail]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) on_disk_error: Option<OnDiskError>,

    /// Remember in this folder what is on disk, so that it is not checked again; by default bt in
    /// $XDG_STATE_HOME, which is ~/.local/state if not set
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

    /// Check all that is on disk, whatever is remembered of it
    #[arg(long)]
    pub(crate) recheck: bool,

    /// Announce to a tracker no more often than this, in seconds, whatever it asks for
    #[arg(
        long,
        value_name = "SECS",
        default_value_t = 60,
        value_parser = parse_seconds,
        hide_short_help = true
    )]
    pub(crate) min_announce_interval: u64,

    /// Print events on stdout, one JSON object a line; `bt get --help` tells which there are
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do about a disk that fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum OnDiskError {
    Wait,
    Fail,
}

impl Network {
    /// As the user wishes, or as it suits who sees stderr: a script waits for an exit code.
    pub(crate) fn on_disk_error(&self) -> bt_client::OnDiskError {
        let usual = match io::stderr().is_terminal() {
            true => OnDiskError::Wait,
            false => OnDiskError::Fail,
        };
        match self.on_disk_error.unwrap_or(usual) {
            OnDiskError::Wait => bt_client::OnDiskError::Wait,
            OnDiskError::Fail => bt_client::OnDiskError::Fail,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Arguments, tests::parse};

    #[test]
    fn what_is_wrong_is_said() {
        for (words, says) in [
            (
                "--tracker wss://a/announce",
                "only udp://, http:// and https:// trackers",
            ),
            ("--tracker http://", "no valid host"),
            ("--tracker udp://a", "udp://host:port"),
            ("--peer localhost", "192.0.2.7:6881"),
            ("--min-announce-interval 0", "at least 1"),
            ("--dht-node a.example", "dht.example.org:6881"),
            ("--dht-node a.example:1 --no-dht", "cannot be used with"),
            ("--memory 1K", "at least 1M"),
            ("--on-disk-error retry", "possible values: wait, fail"),
            ("--limit-up -1", "a number like 500000, 512K"),
            ("--seed-ratio -1", "a number above 0"),
            ("--seed-time -1", "like 90, 90s, 15m"),
            ("--limit-up 0", "leave the option out for no limit"),
            ("--limit-down 2X", "a number like 500000, 512K"),
        ] {
            let words = format!("bt get a {words}");
            let error = Arguments::try_parse_from(words.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn wrong_usage_is_found_before_anything_is_done() {
        for words in [
            "bt get a --peer localhost",
            "bt get a --peer 192.0.2.7",
            "bt get a --peer 192.0.2.7:0",
            "bt get a --port 65536",
            "bt get a --min-announce-interval 0",
            "bt get a --tracker ftp://a/announce",
            "bt seed a b --tracker https://a:0/announce",
            "bt get a --tracker tracker.example:80",
            "bt get a --memory 1X",
            "bt get a --memory 10K",
            "bt get a --limit-down 0K",
            "bt seed a b --limit-up fast",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }
}
