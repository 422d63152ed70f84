//! What is told to people, in less than 75 columns unless all figures are long.

use std::time::Duration;

use bt_client::{DiskTrouble, ErrorKind, Snapshot, State, Stats};

use super::eta::in_steps;
use crate::format::{bytes, duration, rate};

/// How much is done, of how much: wanted bytes verified, or bytes checked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Amount {
    pub(super) done: u64,
    pub(super) total: u64,
}

impl Amount {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        match snapshot.state {
            State::Metadata { bytes, total, .. } => Self {
                done: bytes.into(),
                // Nothing is not all.
                total: u64::from(total).max(1),
            },
            State::Checking {
                bytes_done,
                bytes_total,
            } => Self {
                done: bytes_done,
                total: bytes_total,
            },
            _ => Self {
                done: snapshot.stats.wanted_bytes_verified,
                total: snapshot.stats.wanted_bytes_total,
            },
        }
    }
}

/// Everything but the percentage.
pub(super) fn describe(snapshot: &Snapshot) -> String {
    let amount = Amount::of(snapshot);
    if let State::Checking { .. } = snapshot.state {
        return describe_check(amount);
    }
    if let State::Metadata { bytes, total, .. } = snapshot.state {
        return describe_metadata(bytes, total, &snapshot.stats);
    }
    if let State::DiskTrouble(trouble) = &snapshot.state {
        return waiting(amount, trouble);
    }
    let stats = &snapshot.stats;
    let mut line = transfer(
        amount,
        stats.download_rate_bytes_per_sec,
        stats.upload_rate_bytes_per_sec,
        (stats.peers_connected, stats.peers_known),
        snapshot.time_left(),
    );
    if let (State::Seeding, Some(ratio)) = (&snapshot.state, snapshot.share_ratio()) {
        line.push_str(&format!("  ratio {ratio:.2}"));
    }
    line
}

pub(super) fn describe_check(Amount { done, total }: Amount) -> String {
    format!("checking, {} of {}", bytes(done), bytes(total))
}

fn describe_metadata(done: u32, total: u32, stats: &Stats) -> String {
    let amount = match total {
        0 => String::new(),
        total => format!(", {} of {}", bytes(done.into()), bytes(total.into())),
    };
    let (connected, known) = (stats.peers_connected, stats.peers_known);
    format!(
        "metadata{amount}  {connected}/{} peers",
        known.max(connected)
    )
}

/// What is wrong, and with which file, has been told in a line of its own.
fn waiting(Amount { done, total }: Amount, trouble: &DiskTrouble) -> String {
    let why = match trouble.kind {
        ErrorKind::Full => "is full",
        ErrorKind::Permission => "lets nobody in",
        ErrorKind::ReadOnly => "is read-only",
        ErrorKind::Missing => "has lost something",
        ErrorKind::Obstructed => "has something in the way",
        ErrorKind::InUse => "is used by another bt",
        _ => "fails",
    };
    let since = duration(trouble.since.elapsed());
    format!(
        "{} of {}  waiting: the disk {why}, {since}",
        bytes(done),
        bytes(total)
    )
}

pub(super) fn transfer(
    Amount { done, total }: Amount,
    down_bytes_per_sec: u64,
    up_bytes_per_sec: u64,
    (connected, known): (usize, usize),
    time_left: Option<Duration>,
) -> String {
    let mut line = format!(
        "{} of {}  ↓ {}  ↑ {}  {connected}/{} peers",
        bytes(done),
        bytes(total),
        rate(down_bytes_per_sec),
        rate(up_bytes_per_sec),
        known.max(connected),
    );
    if let Some(left) = time_left {
        line.push_str(&format!("  {} left", duration(in_steps(left))));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_comes_from_few_of_many() {
        let mut stats = Stats::default();
        (stats.peers_connected, stats.peers_known) = (3, 17);
        let line = describe_metadata(0, 0, &stats);
        assert_eq!(line, "metadata  3/17 peers", "nobody has told its size");
        assert_eq!(
            describe_metadata(16_384, 51_200, &stats),
            "metadata, 16.0 KiB of 50.0 KiB  3/17 peers"
        );
        stats.peers_known = 0; // all have dialled us
        assert!(describe_metadata(0, 0, &stats).ends_with("3/3 peers"));
    }

    #[test]
    fn a_transfer_has_its_figures() {
        let amount = Amount {
            done: 3 << 20,
            total: 1 << 30,
        };
        let left = Some(Duration::from_secs(8 * 60 + 41));
        assert_eq!(
            transfer(amount, 2 << 20, 0, (4, 9), left),
            "3.0 MiB of 1.0 GiB  ↓ 2.0 MiB/s  ↑ 0 B/s  4/9 peers  8m45s left"
        );
    }
}
