//! What limits a download, for people.

use bt_client::Limit;

use crate::format::{bytes, percent, rate};

/// One line: what it is, and the figures that say so.
pub(crate) fn why(limit: &Limit) -> String {
    match *limit {
        Limit::Complete => "nothing: everything is here".to_owned(),
        Limit::Checking {
            bytes_done,
            bytes_total,
        } => format!(
            "checking what is on disk: {}% of {}",
            percent(bytes_done, bytes_total),
            bytes(bytes_total)
        ),
        Limit::Metadata {
            connected,
            having: 0,
            ..
        } => format!(
            "metadata: {}, none has sent it or says to have it",
            peers(connected)
        ),
        Limit::Metadata {
            connected,
            having,
            bytes: 0,
            ..
        } => format!(
            "metadata: {}, {having} say to have it, none has sent any of it",
            peers(connected)
        ),
        Limit::Metadata {
            connected,
            having,
            bytes: done,
            total,
        } => format!(
            "metadata: {} of {} have come from {having} of {}",
            bytes(done.into()),
            bytes(total.into()),
            peers(connected)
        ),
        Limit::NoPeers {
            known,
            unreachable,
            dialling,
            dht_nodes,
        } => {
            let peers = match known {
                0 => "none is known yet".to_owned(),
                known => format!(
                    "none of {known} known is connected, {unreachable} could not be reached, \
                     {dialling} being dialled"
                ),
            };
            let dht = match dht_nodes {
                Some(0) => ", and the DHT has no nodes",
                _ => "",
            };
            format!("no peers: {peers}{dht}")
        }
        Limit::TrackersDown { failing, known } => format!(
            "tracker down: {}, and {}",
            match failing {
                1 => "the only one in use does not answer".to_owned(),
                failing => format!("none of {failing} answers"),
            },
            match known {
                0 => "no peer is known without".to_owned(),
                known => format!("none of {known} known peers can be reached"),
            }
        ),
        Limit::AllChoked {
            connected,
            interesting,
        } => format!(
            "all choked: {interesting} of {} have what is missing, none of them sends",
            peers(connected)
        ),
        Limit::RarePieces {
            connected,
            interesting,
            missing,
            nowhere,
            sole,
        } => format!(
            "rare pieces: {interesting} of {} have any of {missing} missing pieces; nobody has \
             {nowhere}, one peer alone {sole}",
            peers(connected)
        ),
        Limit::OwnLimit {
            bytes_per_sec,
            received_bytes_per_sec,
        } => format!(
            "our own limit: {} of {} in use, and peers could send more",
            rate(received_bytes_per_sec),
            rate(bytes_per_sec.get())
        ),
        Limit::Memory {
            bytes: size,
            received_bytes_per_sec,
        } => format!(
            "memory: all of {} is in use at {}; --memory gives more",
            bytes(size as u64),
            rate(received_bytes_per_sec)
        ),
        Limit::Disk {
            waiting_bytes,
            is_refusing: true,
            ..
        } => format!(
            "disk: it refuses to write, {} wait",
            bytes(waiting_bytes as u64)
        ),
        Limit::Disk {
            waiting_bytes,
            written_bytes_per_sec,
            ..
        } => format!(
            "disk: it writes {}, and {} wait for it",
            rate(written_bytes_per_sec),
            bytes(waiting_bytes as u64)
        ),
        Limit::Hashing {
            waiting_bytes,
            hashed_bytes_per_sec,
        } => format!(
            "hashing: the processor hashes {}, and {} wait for it",
            rate(hashed_bytes_per_sec),
            bytes(waiting_bytes as u64)
        ),
        Limit::Peers {
            connected,
            serving,
            snubbed,
            received_bytes_per_sec,
        } => {
            let silent = match snubbed {
                0 => String::new(),
                snubbed => format!(", {snubbed} of them not answering"),
            };
            format!(
                "nothing here: as fast as the peers send, {serving} of {}{silent}, {} together",
                peers(connected),
                rate(received_bytes_per_sec)
            )
        }
        // One that has no words here yet has a name.
        ref other => other.name().to_owned(),
    }
}

fn peers(count: usize) -> String {
    match count {
        1 => "1 peer".to_owned(),
        count => format!("{count} peers"),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    #[test]
    fn each_has_words_and_figures() {
        for (limit, words) in [
            (Limit::Complete, "nothing: everything is here"),
            (
                Limit::Metadata {
                    connected: 3,
                    having: 0,
                    bytes: 0,
                    total: 0,
                },
                "metadata: 3 peers, none has sent it or says to have it",
            ),
            (
                Limit::Metadata {
                    connected: 3,
                    having: 2,
                    bytes: 0,
                    total: 40_960,
                },
                "metadata: 3 peers, 2 say to have it, none has sent any of it",
            ),
            (
                Limit::Metadata {
                    connected: 3,
                    having: 2,
                    bytes: 16_384,
                    total: 40_960,
                },
                "metadata: 16.0 KiB of 40.0 KiB have come from 2 of 3 peers",
            ),
            (
                Limit::Checking {
                    bytes_done: 1 << 20,
                    bytes_total: 4 << 20,
                },
                "checking what is on disk: 25% of 4.0 MiB",
            ),
            (
                Limit::NoPeers {
                    known: 0,
                    unreachable: 0,
                    dialling: 0,
                    dht_nodes: Some(12),
                },
                "no peers: none is known yet",
            ),
            (
                Limit::NoPeers {
                    known: 0,
                    unreachable: 0,
                    dialling: 0,
                    dht_nodes: Some(0),
                },
                "no peers: none is known yet, and the DHT has no nodes",
            ),
            (
                Limit::NoPeers {
                    known: 9,
                    unreachable: 6,
                    dialling: 2,
                    dht_nodes: None,
                },
                "no peers: none of 9 known is connected, 6 could not be reached, 2 being dialled",
            ),
            (
                Limit::TrackersDown {
                    failing: 1,
                    known: 0,
                },
                "tracker down: the only one in use does not answer, and no peer is known without",
            ),
            (
                Limit::TrackersDown {
                    failing: 3,
                    known: 7,
                },
                "tracker down: none of 3 answers, and none of 7 known peers can be reached",
            ),
            (
                Limit::AllChoked {
                    connected: 1,
                    interesting: 1,
                },
                "all choked: 1 of 1 peer have what is missing, none of them sends",
            ),
            (
                Limit::RarePieces {
                    connected: 12,
                    interesting: 1,
                    missing: 5,
                    nowhere: 3,
                    sole: 2,
                },
                "rare pieces: 1 of 12 peers have any of 5 missing pieces; nobody has 3, one peer \
                 alone 2",
            ),
            (
                Limit::OwnLimit {
                    bytes_per_sec: NonZeroU64::new(2 << 20).unwrap(),
                    received_bytes_per_sec: 2 << 20,
                },
                "our own limit: 2.0 MiB/s of 2.0 MiB/s in use, and peers could send more",
            ),
            (
                Limit::Memory {
                    bytes: 1 << 20,
                    received_bytes_per_sec: 1024,
                },
                "memory: all of 1.0 MiB is in use at 1.0 KiB/s; --memory gives more",
            ),
            (
                Limit::Disk {
                    waiting_bytes: 24 << 20,
                    written_bytes_per_sec: 3 << 20,
                    is_refusing: false,
                },
                "disk: it writes 3.0 MiB/s, and 24.0 MiB wait for it",
            ),
            (
                Limit::Disk {
                    waiting_bytes: 0,
                    written_bytes_per_sec: 0,
                    is_refusing: true,
                },
                "disk: it refuses to write, 0 B wait",
            ),
            (
                Limit::Hashing {
                    waiting_bytes: 24 << 20,
                    hashed_bytes_per_sec: 300 << 20,
                },
                "hashing: the processor hashes 300.0 MiB/s, and 24.0 MiB wait for it",
            ),
            (
                Limit::Peers {
                    connected: 9,
                    serving: 4,
                    snubbed: 1,
                    received_bytes_per_sec: 1 << 20,
                },
                "nothing here: as fast as the peers send, 4 of 9 peers, 1 of them not answering, \
                 1.0 MiB/s together",
            ),
        ] {
            assert_eq!(why(&limit), words);
        }
    }
}
