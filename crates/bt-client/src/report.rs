//! What machines read: the lines of `bt --json`, one object each.
//!
//! The form is stable: fields and events may be added, none goes or changes its meaning. Every
//! object has `event`, which tells what the others are:
//!
//! ```json
//! {"event":"listening","port":6881}
//! {"event":"checking","info_hash":"…","bytes_done":1048576,"bytes_total":4194304}
//! {"event":"progress","info_hash":"…","state":"downloading","bytes_done":1048576,"bytes_total":4194304,"pieces_done":4,"piece_count":16,"wanted_bytes_done":1048576,"wanted_bytes_total":4194304,"down_bytes_per_sec":524288,"up_bytes_per_sec":0,"peers_connected":2,"peers_known":5,"downloaded":1060864,"uploaded":0,"wasted":0,"eta_secs":6,"down_limit_bytes_per_sec":524288,"up_limit_bytes_per_sec":null,"bytes_resumed":524288,"bytes_hashed":0,"wasted_duplicate":0,"wasted_failed_hash":0,"wasted_not_kept":0,"availability":2.75,"downloaded_total":1060864,"uploaded_total":0,"share_ratio":0.0,"sources":{"tracker":{"named":5,"connected":2}}}
//! {"event":"peers","info_hash":"…","peers":[{"address":"192.0.2.7:6881","client":"qBittorrent 4.5.2","peer_id":"-qB4520-…","transport":"tcp","direction":"out","flags":"DC","sources":["tracker"],"down_bytes_per_sec":524288,"up_bytes_per_sec":0,"downloaded":1060864,"uploaded":0,"pieces_done":16,"piece_count":16,"am_interested":true,"peer_choking":false,"peer_interested":false,"am_choking":true,"why_choked":"upload_only","is_optimistic":false,"is_snubbed":false,"is_seed":true,"is_upload_only":true,"requests":12,"round_trip_ms":40,"connected_secs":3,"score_bytes_per_sec":353621}]}
//! {"event":"why","info_hash":"…","limit":"own_limit","figures":{"limit_bytes_per_sec":524288,"received_bytes_per_sec":524288}}
//! {"event":"complete","name":"a","info_hash":"…","bytes_total":4194304,"wanted_bytes_total":4194304,"files_left_out":0,"hash_cpu_ms":3,"bytes_resumed":524288,"bytes_hashed":0}
//! {"event":"seeded","name":"a","info_hash":"…","goal":"ratio","bytes_total":4194304,"uploaded":8388608,"seeding_secs":61}
//! {"event":"total","torrents":2,"complete":1,"failed":0,"bytes_done":1048576,"bytes_total":4194304,"wanted_bytes_done":1048576,"wanted_bytes_total":4194304,"down_bytes_per_sec":524288,"up_bytes_per_sec":0,"peers_connected":2,"peers_known":5,"downloaded":1060864,"uploaded":0,"wasted":0,"eta_secs":6}
//! {"event":"disk_trouble","name":"a","info_hash":"…","kind":"full","path":"d/a","message":"cannot write d/a: no space left on device; make room, and it goes on by itself"}
//! {"event":"disk_recovered","name":"a","info_hash":"…","trouble_secs":74}
//! {"event":"failed","source":"b.torrent","info_hash":null,"message":"b.torrent is no valid torrent: …","code":4}
//! {"event":"error","message":"cannot write a/b: no space left on device","code":5}
//! ```

mod peers;
mod why;

use std::{collections::BTreeMap, num::NonZeroU64, time::Duration};

use bt_swarm::{Limit, PeerInfo, SourceCount};
use serde::Serialize;

pub use self::{peers::Peer, why::Figures};

use crate::{DiskTrouble, Snapshot, State};

/// One line of `--json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Report {
    /// Peers can connect to us.
    Listening {
        /// On this port, TCP.
        port: u16,
    },
    /// The data on disk is being checked.
    Checking {
        /// Of this torrent: its v1 hash in hex, or the v2 hash of one that has no other.
        info_hash: String,
        /// Bytes checked.
        bytes_done: u64,
        /// Bytes to check.
        bytes_total: u64,
    },
    /// How a torrent is doing.
    Progress(Progress),
    /// The connected peers of a torrent, if the user wants to see them.
    Peers {
        /// Of this torrent, as in [`Progress`].
        info_hash: String,
        /// Each of them, in no particular order.
        peers: Vec<Peer>,
    },
    /// What limits a download now; again when that has changed.
    Why {
        /// Of this torrent, as in [`Progress`].
        info_hash: String,
        /// What: see [`Limit`], in its [name](Limit::name).
        limit: &'static str,
        /// What says so.
        figures: Figures,
    },
    /// How all torrents of a command are doing together, if there are several.
    Total(Total),
    /// A torrent waits for its disk, and will go on by itself.
    DiskTrouble {
        /// The torrent's name, as in [`Complete`](Self::Complete).
        name: String,
        /// The v1 hash in hex, or the v2 hash of a torrent that has no other.
        info_hash: String,
        /// What helps: `full` (make room), `permission`, `read_only`, `missing` (what was there is
        /// gone), `obstructed` (something else lies there), `in_use` (by another process) or `other`.
        kind: &'static str,
        /// The file or folder that failed first.
        path: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The disk does what it had refused: the torrent goes on.
    DiskRecovered {
        /// The torrent's name, as in [`Complete`](Self::Complete).
        name: String,
        /// The v1 hash in hex, or the v2 hash of a torrent that has no other.
        info_hash: String,
        /// How long it took.
        trouble_secs: u64,
    },
    /// One of several torrents has failed; the others go on.
    Failed {
        /// What the user called it.
        source: String,
        /// Its hash, as in [`Progress`], if it is known.
        info_hash: Option<String>,
        /// What is wrong, and what to do.
        message: String,
        /// The exit code that the command would have for it alone.
        code: u8,
    },
    /// Everything that is wanted is verified and written.
    Complete {
        /// The torrent's name. Untrusted text, sanitised for a file system, not for a terminal.
        name: String,
        /// The v1 hash in hex, or the v2 hash of a torrent that has no other.
        info_hash: String,
        /// Bytes of its files.
        bytes_total: u64,
        /// Bytes of its files that are wanted.
        wanted_bytes_total: u64,
        /// How many of its files are not.
        files_left_out: usize,
        /// Milliseconds of CPU time that hashing took in this run, on all threads together.
        hash_cpu_ms: u64,
        /// Bytes of its files that were on disk at the start by the record of an earlier run, without
        /// being read.
        bytes_resumed: u64,
        /// Bytes that were read and hashed at the start.
        bytes_hashed: u64,
    },
    /// A torrent has been served for as long as the user wished, and is being ended.
    Seeded {
        /// The torrent's name, as in [`Complete`](Self::Complete).
        name: String,
        /// The v1 hash in hex, or the v2 hash of a torrent that has no other.
        info_hash: String,
        /// What has been reached: `ratio` or `time`.
        goal: &'static str,
        /// Bytes of its files.
        bytes_total: u64,
        /// Payload bytes sent in this run.
        uploaded: u64,
        /// For how long it was served after it was complete.
        seeding_secs: u64,
    },
    /// The command failed; nothing follows.
    Error {
        /// What is wrong, and what to do.
        message: String,
        /// The exit code of the command.
        code: u8,
    },
}

/// The figures of one torrent at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Progress {
    /// The v1 hash in hex, or the v2 hash of a torrent that has no other.
    pub info_hash: String,
    /// `metadata`, `downloading`, `seeding`, `disk_trouble`, `stopped` or `failed`.
    pub state: &'static str,
    /// How far the metadata has come, in that state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Bytes of files in verified pieces.
    pub bytes_done: u64,
    /// Bytes of all files.
    pub bytes_total: u64,
    /// Verified pieces.
    pub pieces_done: u32,
    /// All pieces.
    pub piece_count: u32,
    /// Bytes of wanted files in verified pieces.
    pub wanted_bytes_done: u64,
    /// Bytes of all wanted files.
    pub wanted_bytes_total: u64,
    /// Payload bytes received per second, smoothed.
    pub down_bytes_per_sec: u64,
    /// Payload bytes sent per second, smoothed.
    pub up_bytes_per_sec: u64,
    /// Peers with whom handshakes have been exchanged.
    pub peers_connected: usize,
    /// Addresses of peers that are known, connected ones included.
    pub peers_known: usize,
    /// Payload bytes received in this run.
    pub downloaded: u64,
    /// Payload bytes sent in this run.
    pub uploaded: u64,
    /// Payload bytes received in vain in this run.
    pub wasted: u64,
    /// Seconds until the download is complete at the mean rate of the last minute; null if nobody
    /// knows.
    pub eta_secs: Option<u64>,
    /// Bytes per second that it may receive at the moment; null without a limit.
    pub down_limit_bytes_per_sec: Option<NonZeroU64>,
    /// Bytes per second that it may send at the moment; null without a limit.
    pub up_limit_bytes_per_sec: Option<NonZeroU64>,
    /// Bytes of its files that were on disk at the start by the record of an earlier run, without
    /// being read.
    pub bytes_resumed: u64,
    /// Bytes that were read and hashed at the start, to find out what is there.
    pub bytes_hashed: u64,
    /// Of `wasted`, what somebody else had sent before.
    pub wasted_duplicate: u64,
    /// Of `wasted`, what was in pieces that failed their hash.
    pub wasted_failed_hash: u64,
    /// Of `wasted`, what was right, but lost to a disk that would not take it.
    pub wasted_not_kept: u64,
    /// How often the torrent is there among the connected peers and us, as distributed copies.
    pub availability: f64,
    /// Payload bytes received in all runs.
    pub downloaded_total: u64,
    /// Payload bytes sent in all runs.
    pub uploaded_total: u64,
    /// The latter by the former; null if there is nothing yet.
    pub share_ratio: Option<f64>,
    /// Who has told of peers in this run, by the names that a peer's `sources` have.
    pub sources: BTreeMap<&'static str, Source>,
}

/// How far the info dictionary has come that peers are asked for (BEP 9).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Metadata {
    /// Bytes of it that have come.
    pub bytes_done: u32,
    /// Bytes of it in all, by the word of most peers; null while nobody has said so.
    pub bytes_total: Option<u32>,
    /// Peers that say to have it, and answer.
    pub peers: usize,
}

/// What one source of peers has brought.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Source {
    /// Addresses.
    pub named: u64,
    /// Of these, those to which a connection has come about.
    pub connected: u64,
}

/// The figures of several torrents at one moment, added up.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Total {
    /// How many there are.
    pub torrents: usize,
    /// Those that have everything that is wanted of them.
    pub complete: usize,
    /// Those that could not go on.
    pub failed: usize,
    /// Bytes of files in verified pieces.
    pub bytes_done: u64,
    /// Bytes of all files.
    pub bytes_total: u64,
    /// Bytes of wanted files in verified pieces.
    pub wanted_bytes_done: u64,
    /// Bytes of all wanted files.
    pub wanted_bytes_total: u64,
    /// Payload bytes received per second, smoothed.
    pub down_bytes_per_sec: u64,
    /// Payload bytes sent per second, smoothed.
    pub up_bytes_per_sec: u64,
    /// Peers with whom handshakes have been exchanged.
    pub peers_connected: usize,
    /// Addresses of peers that are known, connected ones included.
    pub peers_known: usize,
    /// Payload bytes received in this run.
    pub downloaded: u64,
    /// Payload bytes sent in this run.
    pub uploaded: u64,
    /// Payload bytes received in vain in this run.
    pub wasted: u64,
    /// Seconds until those that are downloading are complete, at the mean rate of the last minute;
    /// null if nobody knows.
    pub eta_secs: Option<u64>,
}

impl Total {
    /// Adds up.
    pub fn of<'a>(snapshots: impl IntoIterator<Item = &'a Snapshot>) -> Self {
        let mut total = Self::default();
        let (mut left, mut rate) = (0, 0);
        for Snapshot { state, stats, .. } in snapshots {
            let lacking = stats.wanted_bytes_total - stats.wanted_bytes_verified;
            total.torrents += 1;
            match state {
                State::Seeding => total.complete += 1,
                // It has been served for long enough, or is being served as far as it can.
                State::DiskTrouble(_) | State::Stopped if lacking == 0 => total.complete += 1,
                State::Failed(_) => total.failed += 1,
                State::Downloading => {
                    left += stats.bytes_missing;
                    rate += stats.progress_rate_bytes_per_sec;
                }
                State::Metadata { .. }
                | State::Checking { .. }
                | State::DiskTrouble(_)
                | State::Stopped => {
                    left += lacking;
                }
            }
            total.bytes_done += stats.bytes_verified;
            total.bytes_total += stats.bytes_total;
            total.wanted_bytes_done += stats.wanted_bytes_verified;
            total.wanted_bytes_total += stats.wanted_bytes_total;
            total.down_bytes_per_sec += stats.download_rate_bytes_per_sec;
            total.up_bytes_per_sec += stats.upload_rate_bytes_per_sec;
            total.peers_connected += stats.peers_connected;
            total.peers_known += stats.peers_known.max(stats.peers_connected);
            total.downloaded += stats.downloaded;
            total.uploaded += stats.uploaded;
            total.wasted += stats.wasted.total();
        }
        total.eta_secs = (rate > 0 && left > 0).then(|| left.div_ceil(rate));
        total
    }
}

impl Report {
    /// What there is to tell about a torrent's present state.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        match &snapshot.state {
            State::Checking {
                bytes_done,
                bytes_total,
            } => Self::Checking {
                info_hash: snapshot.info_hash(),
                bytes_done: *bytes_done,
                bytes_total: *bytes_total,
            },
            State::Metadata { .. } => Self::Progress(Progress::of(snapshot, "metadata")),
            State::Downloading => Self::Progress(Progress::of(snapshot, "downloading")),
            State::Seeding => Self::Progress(Progress::of(snapshot, "seeding")),
            State::DiskTrouble(_) => Self::Progress(Progress::of(snapshot, "disk_trouble")),
            State::Stopped => Self::Progress(Progress::of(snapshot, "stopped")),
            State::Failed(_) => Self::Progress(Progress::of(snapshot, "failed")),
        }
    }

    /// That a torrent waits for its disk.
    #[must_use]
    pub fn disk_trouble(snapshot: &Snapshot, trouble: &DiskTrouble) -> Self {
        Self::DiskTrouble {
            name: snapshot.name.to_string(),
            info_hash: snapshot.info_hash(),
            kind: trouble.kind_name(),
            path: trouble.path.to_string_lossy().into_owned(),
            message: trouble.to_string(),
        }
    }

    /// That it goes on, after so long.
    #[must_use]
    pub fn disk_recovered(snapshot: &Snapshot, after: Duration) -> Self {
        Self::DiskRecovered {
            name: snapshot.name.to_string(),
            info_hash: snapshot.info_hash(),
            trouble_secs: after.as_secs(),
        }
    }

    /// Who is connected.
    #[must_use]
    pub fn peers(snapshot: &Snapshot, peers: &[PeerInfo]) -> Self {
        Self::Peers {
            info_hash: snapshot.info_hash(),
            peers: peers.iter().map(Peer::of).collect(),
        }
    }

    /// What limits a download.
    #[must_use]
    pub fn why(snapshot: &Snapshot, limit: &Limit) -> Self {
        Self::Why {
            info_hash: snapshot.info_hash(),
            limit: limit.name(),
            figures: Figures::of(limit),
        }
    }

    /// That a torrent has been served for as long as was wished, by what `goal` says.
    #[must_use]
    pub fn seeded(snapshot: &Snapshot, goal: &'static str, seeding: Duration) -> Self {
        Self::Seeded {
            name: snapshot.name.to_string(),
            info_hash: snapshot.info_hash(),
            goal,
            bytes_total: snapshot.stats.bytes_total,
            uploaded: snapshot.stats.uploaded,
            seeding_secs: seeding.as_secs(),
        }
    }

    /// That a torrent is complete.
    #[must_use]
    pub fn complete(snapshot: &Snapshot) -> Self {
        Self::Complete {
            name: snapshot.name.to_string(),
            info_hash: snapshot.info_hash(),
            bytes_total: snapshot.stats.bytes_total,
            wanted_bytes_total: snapshot.stats.wanted_bytes_total,
            files_left_out: snapshot.files_left_out,
            hash_cpu_ms: u64::try_from(snapshot.hash_cpu_time.as_millis()).unwrap_or(u64::MAX),
            bytes_resumed: snapshot.bytes_resumed,
            bytes_hashed: snapshot.bytes_hashed,
        }
    }
}

impl Progress {
    fn of(snapshot: &Snapshot, state: &'static str) -> Self {
        let stats = &snapshot.stats;
        let totals = snapshot.totals();
        Self {
            info_hash: snapshot.info_hash(),
            state,
            metadata: match snapshot.state {
                State::Metadata {
                    bytes,
                    total,
                    peers,
                } => Some(Metadata {
                    bytes_done: bytes,
                    bytes_total: (total > 0).then_some(total),
                    peers,
                }),
                _ => None,
            },
            bytes_done: stats.bytes_verified,
            bytes_total: stats.bytes_total,
            pieces_done: stats.pieces_verified,
            piece_count: stats.piece_count,
            wanted_bytes_done: stats.wanted_bytes_verified,
            wanted_bytes_total: stats.wanted_bytes_total,
            down_bytes_per_sec: stats.download_rate_bytes_per_sec,
            up_bytes_per_sec: stats.upload_rate_bytes_per_sec,
            peers_connected: stats.peers_connected,
            peers_known: stats.peers_known,
            downloaded: stats.downloaded,
            uploaded: stats.uploaded,
            wasted: stats.wasted.total(),
            eta_secs: snapshot.time_left().map(|left| left.as_secs()),
            down_limit_bytes_per_sec: snapshot.limits.download,
            up_limit_bytes_per_sec: snapshot.limits.upload,
            bytes_resumed: snapshot.bytes_resumed,
            bytes_hashed: snapshot.bytes_hashed,
            wasted_duplicate: stats.wasted.duplicate,
            wasted_failed_hash: stats.wasted.failed_hash,
            wasted_not_kept: stats.wasted.not_kept,
            availability: thousandths(stats.copies.as_f64()),
            downloaded_total: totals.downloaded,
            uploaded_total: totals.uploaded,
            share_ratio: snapshot.share_ratio().map(thousandths),
            sources: stats
                .sources
                .iter()
                .map(|(source, count)| (source.name(), Source::of(count)))
                .collect(),
        }
    }
}

impl Source {
    fn of(count: SourceCount) -> Self {
        Self {
            named: count.named,
            connected: count.connected,
        }
    }
}

/// More would be noise.
fn thousandths(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::snapshot;

    fn check(report: &Report, expected: &str) {
        assert_eq!(serde_json::to_string(report).unwrap(), expected);
    }

    #[test]
    fn the_lines_are_stable() {
        check(
            &Report::Listening { port: 6881 },
            r#"{"event":"listening","port":6881}"#,
        );
        check(
            &Report::Error {
                message: "no space".to_owned(),
                code: 5,
            },
            r#"{"event":"error","message":"no space","code":5}"#,
        );
        let mut snapshot = snapshot();
        let stats = &mut snapshot.stats;
        (stats.wanted_bytes_verified, stats.wanted_bytes_total) = (500, 3500);
        snapshot.files_left_out = 2;
        check(
            &Report::complete(&snapshot),
            r#"{"event":"complete","name":"name","info_hash":"0707070707070707070707070707070707070707","bytes_total":4000,"wanted_bytes_total":3500,"files_left_out":2,"hash_cpu_ms":12,"bytes_resumed":500,"bytes_hashed":600}"#,
        );
        check(
            &Report::of(&snapshot),
            concat!(
                r#"{"event":"progress","info_hash":"0707070707070707070707070707070707070707","#,
                r#""state":"downloading","bytes_done":1000,"bytes_total":4000,"#,
                r#""pieces_done":1,"piece_count":4,"wanted_bytes_done":500,"#,
                r#""wanted_bytes_total":3500,"down_bytes_per_sec":100,"up_bytes_per_sec":20,"#,
                r#""peers_connected":2,"peers_known":5,"downloaded":1100,"uploaded":30,"wasted":100,"#,
                r#""eta_secs":30,"down_limit_bytes_per_sec":null,"up_limit_bytes_per_sec":null,"#,
                r#""bytes_resumed":500,"bytes_hashed":600,"wasted_duplicate":30,"wasted_failed_hash":64,"#,
                r#""wasted_not_kept":0,"availability":1.5,"downloaded_total":2000,"uploaded_total":3000,"#,
                r#""share_ratio":1.5,"sources":{}}"#
            ),
        );
        check(
            &Report::seeded(&snapshot, "ratio", Duration::from_millis(61_999)),
            r#"{"event":"seeded","name":"name","info_hash":"0707070707070707070707070707070707070707","goal":"ratio","bytes_total":4000,"uploaded":30,"seeding_secs":61}"#,
        );
        snapshot.stats.progress_rate_bytes_per_sec = 0;
        snapshot.limits.download = NonZeroU64::new(70);
        let line = serde_json::to_string(&Report::of(&snapshot)).unwrap();
        let part = concat!(
            r#""eta_secs":null,"down_limit_bytes_per_sec":70,"#,
            r#""up_limit_bytes_per_sec":null"#
        );
        assert!(line.contains(part), "{line}");
        snapshot.state = State::Checking {
            bytes_done: 3,
            bytes_total: 4000,
        };
        check(
            &Report::of(&snapshot),
            r#"{"event":"checking","info_hash":"0707070707070707070707070707070707070707","bytes_done":3,"bytes_total":4000}"#,
        );
    }

    #[test]
    fn a_torrent_that_waits_for_its_disk_says_so() {
        let mut snapshot = snapshot();
        let trouble = DiskTrouble::full("d/name");
        check(
            &Report::disk_trouble(&snapshot, &trouble),
            r#"{"event":"disk_trouble","name":"name","info_hash":"0707070707070707070707070707070707070707","kind":"full","path":"d/name","message":"cannot write d/name: no space left on device; make room, and it goes on by itself"}"#,
        );
        check(
            &Report::disk_recovered(&snapshot, Duration::from_millis(74_999)),
            r#"{"event":"disk_recovered","name":"name","info_hash":"0707070707070707070707070707070707070707","trouble_secs":74}"#,
        );
        snapshot.state = State::DiskTrouble(trouble.into());
        let line = serde_json::to_string(&Report::of(&snapshot)).unwrap();
        assert!(line.contains(r#""state":"disk_trouble""#), "{line}");
        assert_eq!(Total::of([&snapshot]).complete, 0);
    }

    #[test]
    fn several_torrents_are_added_up() {
        let (one, mut complete) = (snapshot(), snapshot());
        complete.state = State::Seeding;
        complete.stats.bytes_verified = 4000;
        complete.stats.wanted_bytes_verified = 4000;
        let total = Total::of([&one, &complete, &one]);
        check(
            &Report::Total(total),
            concat!(
                r#"{"event":"total","torrents":3,"complete":1,"failed":0,"bytes_done":6000,"#,
                r#""bytes_total":12000,"wanted_bytes_done":6000,"wanted_bytes_total":12000,"#,
                r#""down_bytes_per_sec":300,"up_bytes_per_sec":60,"#,
                r#""peers_connected":6,"peers_known":15,"downloaded":3300,"uploaded":90,"#,
                r#""wasted":300,"eta_secs":30}"#
            ),
        );
        assert_eq!(Total::of([&complete]).eta_secs, None);
        assert_eq!(Total::of([]), Total::default());
    }
}
