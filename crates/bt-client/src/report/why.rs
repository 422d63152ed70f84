use std::num::NonZeroU64;

use bt_swarm::Limit;
use serde::Serialize;

/// The figures of a [`Limit`], in [`Report::Why`](super::Report::Why): only those that say
/// something of it are there. What comes and goes is the mean of five seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Figures {
    /// Bytes that have been checked, of what is on disk; or that have come, of the metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_done: Option<u64>,
    /// Bytes to check, or of the metadata in all, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<u64>,
    /// Addresses of peers that are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers_known: Option<usize>,
    /// Of these, those that could not be reached the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers_unreachable: Option<usize>,
    /// Dials under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialling: Option<usize>,
    /// Nodes that our DHT node knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dht_nodes: Option<usize>,
    /// Trackers that do not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trackers_failing: Option<usize>,
    /// Peers with whom handshakes have been exchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers_connected: Option<usize>,
    /// Of these, those that say to have the metadata, and answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers_having: Option<usize>,
    /// Of the connected, those that have something that we lack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers_interesting: Option<usize>,
    /// Of these, those that let us have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers_serving: Option<usize>,
    /// Of these, those that do not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers_snubbed: Option<usize>,
    /// Pieces of which something is lacking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pieces_missing: Option<u32>,
    /// Of these, those that no connected peer has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pieces_nowhere: Option<u32>,
    /// Of these, those that one connected peer has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pieces_sole: Option<u32>,
    /// What the user lets it have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_bytes_per_sec: Option<NonZeroU64>,
    /// Payload that comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_bytes_per_sec: Option<u64>,
    /// The memory for payload, all of it in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<usize>,
    /// What waits to be hashed and written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_bytes: Option<usize>,
    /// What is hashed and written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_bytes_per_sec: Option<u64>,
    /// The disk has refused to write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_refusing: Option<bool>,
}

impl Figures {
    pub(super) fn of(limit: &Limit) -> Self {
        let mut figures = Self::default();
        match *limit {
            Limit::Checking {
                bytes_done,
                bytes_total,
            } => {
                figures.bytes_done = Some(bytes_done);
                figures.bytes_total = Some(bytes_total);
            }
            Limit::Metadata {
                connected,
                having,
                bytes,
                total,
            } => {
                figures.peers_connected = Some(connected);
                figures.peers_having = Some(having);
                figures.bytes_done = Some(bytes.into());
                figures.bytes_total = (total > 0).then_some(total.into());
            }
            Limit::NoPeers {
                known,
                unreachable,
                dialling,
                dht_nodes,
            } => {
                figures.dht_nodes = dht_nodes;
                figures.peers_known = Some(known);
                figures.peers_unreachable = Some(unreachable);
                figures.dialling = Some(dialling);
            }
            Limit::TrackersDown { failing, known } => {
                figures.trackers_failing = Some(failing);
                figures.peers_known = Some(known);
            }
            Limit::AllChoked {
                connected,
                interesting,
            } => {
                figures.peers_connected = Some(connected);
                figures.peers_interesting = Some(interesting);
            }
            Limit::RarePieces {
                connected,
                interesting,
                missing,
                nowhere,
                sole,
            } => {
                figures.peers_connected = Some(connected);
                figures.peers_interesting = Some(interesting);
                figures.pieces_missing = Some(missing);
                figures.pieces_nowhere = Some(nowhere);
                figures.pieces_sole = Some(sole);
            }
            Limit::OwnLimit {
                bytes_per_sec,
                received_bytes_per_sec,
            } => {
                figures.limit_bytes_per_sec = Some(bytes_per_sec);
                figures.received_bytes_per_sec = Some(received_bytes_per_sec);
            }
            Limit::Memory {
                bytes,
                received_bytes_per_sec,
            } => {
                figures.memory_bytes = Some(bytes);
                figures.received_bytes_per_sec = Some(received_bytes_per_sec);
            }
            Limit::Disk {
                waiting_bytes,
                written_bytes_per_sec,
                is_refusing,
            } => {
                figures.waiting_bytes = Some(waiting_bytes);
                figures.written_bytes_per_sec = Some(written_bytes_per_sec);
                figures.is_refusing = Some(is_refusing);
            }
            Limit::Hashing {
                waiting_bytes,
                hashed_bytes_per_sec,
            } => {
                figures.waiting_bytes = Some(waiting_bytes);
                figures.written_bytes_per_sec = Some(hashed_bytes_per_sec);
            }
            Limit::Peers {
                connected,
                serving,
                snubbed,
                received_bytes_per_sec,
            } => {
                figures.peers_connected = Some(connected);
                figures.peers_serving = Some(serving);
                figures.peers_snubbed = Some(snubbed);
                figures.received_bytes_per_sec = Some(received_bytes_per_sec);
            }
            // Complete; and whatever is added and has no figures here yet still has its name.
            _ => {}
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_something_is_there() {
        let check = |limit: Limit, expected: &str| {
            let figures = serde_json::to_string(&Figures::of(&limit)).unwrap();
            assert_eq!(figures, expected, "{}", limit.name());
        };
        check(Limit::Complete, "{}");
        check(
            Limit::Checking {
                bytes_done: 1,
                bytes_total: 2,
            },
            r#"{"bytes_done":1,"bytes_total":2}"#,
        );
        check(
            Limit::NoPeers {
                known: 3,
                unreachable: 1,
                dialling: 2,
                dht_nodes: None,
            },
            r#"{"peers_known":3,"peers_unreachable":1,"dialling":2}"#,
        );
        check(
            Limit::NoPeers {
                known: 0,
                unreachable: 0,
                dialling: 0,
                dht_nodes: Some(0),
            },
            r#"{"peers_known":0,"peers_unreachable":0,"dialling":0,"dht_nodes":0}"#,
        );
        check(
            Limit::TrackersDown {
                failing: 2,
                known: 0,
            },
            r#"{"peers_known":0,"trackers_failing":2}"#,
        );
        check(
            Limit::AllChoked {
                connected: 5,
                interesting: 4,
            },
            r#"{"peers_connected":5,"peers_interesting":4}"#,
        );
        check(
            Limit::RarePieces {
                connected: 5,
                interesting: 1,
                missing: 7,
                nowhere: 2,
                sole: 3,
            },
            concat!(
                r#"{"peers_connected":5,"peers_interesting":1,"pieces_missing":7,"#,
                r#""pieces_nowhere":2,"pieces_sole":3}"#
            ),
        );
        check(
            Limit::OwnLimit {
                bytes_per_sec: NonZeroU64::MIN,
                received_bytes_per_sec: 1,
            },
            r#"{"limit_bytes_per_sec":1,"received_bytes_per_sec":1}"#,
        );
        check(
            Limit::Memory {
                bytes: 9,
                received_bytes_per_sec: 8,
            },
            r#"{"received_bytes_per_sec":8,"memory_bytes":9}"#,
        );
        check(
            Limit::Disk {
                waiting_bytes: 9,
                written_bytes_per_sec: 8,
                is_refusing: false,
            },
            r#"{"waiting_bytes":9,"written_bytes_per_sec":8,"is_refusing":false}"#,
        );
        check(
            Limit::Hashing {
                waiting_bytes: 9,
                hashed_bytes_per_sec: 8,
            },
            r#"{"waiting_bytes":9,"written_bytes_per_sec":8}"#,
        );
        check(
            Limit::Peers {
                connected: 5,
                serving: 4,
                snubbed: 1,
                received_bytes_per_sec: 8,
            },
            concat!(
                r#"{"peers_connected":5,"peers_serving":4,"peers_snubbed":1,"#,
                r#""received_bytes_per_sec":8}"#
            ),
        );
    }
}
