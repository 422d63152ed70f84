//! What machines read: the lines of `bt --json`, one object each.
//!
//! The form is stable: fields and events may be added, none goes or changes its meaning. Every
//! object has `event`, which tells what the others are:
//!
//! ```json
//! {"event":"listening","port":6881}
//! {"event":"checking","info_hash":"…","bytes_done":1048576,"bytes_total":4194304}
//! {"event":"progress","info_hash":"…","state":"downloading","bytes_done":1048576,"bytes_total":4194304,"pieces_done":4,"piece_count":16,"wanted_bytes_done":1048576,"wanted_bytes_total":4194304,"down_bytes_per_sec":524288,"up_bytes_per_sec":0,"peers_connected":2,"peers_known":5,"downloaded":1060864,"uploaded":0,"wasted":0,"eta_secs":6,"down_limit_bytes_per_sec":524288,"up_limit_bytes_per_sec":null}
//! {"event":"complete","name":"a","info_hash":"…","bytes_total":4194304,"wanted_bytes_total":4194304,"files_left_out":0,"hash_cpu_ms":3}
//! {"event":"seeded","name":"a","info_hash":"…","goal":"ratio","bytes_total":4194304,"uploaded":8388608,"seeding_secs":61}
//! {"event":"total","torrents":2,"complete":1,"failed":0,"bytes_done":1048576,"bytes_total":4194304,"wanted_bytes_done":1048576,"wanted_bytes_total":4194304,"down_bytes_per_sec":524288,"up_bytes_per_sec":0,"peers_connected":2,"peers_known":5,"downloaded":1060864,"uploaded":0,"wasted":0,"eta_secs":6}
//! {"event":"failed","source":"b.torrent","info_hash":null,"message":"b.torrent is no valid torrent: …","code":4}
//! {"event":"error","message":"cannot write a/b: no space left on device","code":5}
//! ```

use std::{num::NonZeroU64, time::Duration};

use serde::Serialize;

use crate::{Snapshot, State};

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
    /// How all torrents of a command are doing together, if there are several.
    Total(Total),
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
    /// `downloading`, `seeding`, `stopped` or `failed`.
    pub state: &'static str,
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
    /// Seconds until the download is complete at the present rate; null if nobody knows.
    pub eta_secs: Option<u64>,
    /// Bytes per second that it may receive at the moment; null without a limit.
    pub down_limit_bytes_per_sec: Option<NonZeroU64>,
    /// Bytes per second that it may send at the moment; null without a limit.
    pub up_limit_bytes_per_sec: Option<NonZeroU64>,
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
    /// Seconds until those that are downloading are complete, at the present rate; null if nobody
    /// knows.
    pub eta_secs: Option<u64>,
}

impl Total {
    /// Adds up.
    pub fn of<'a>(snapshots: impl IntoIterator<Item = &'a Snapshot>) -> Self {
        let mut total = Self::default();
        let mut left = 0;
        for Snapshot { state, stats, .. } in snapshots {
            let lacking = stats.wanted_bytes_total - stats.wanted_bytes_verified;
            total.torrents += 1;
            match state {
                State::Seeding => total.complete += 1,
                // It has been served for long enough.
                State::Stopped if lacking == 0 => total.complete += 1,
                State::Failed(_) => total.failed += 1,
                State::Checking { .. } | State::Downloading | State::Stopped => left += lacking,
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
            total.wasted += stats.wasted;
        }
        let rate = total.down_bytes_per_sec;
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
            State::Downloading => Self::Progress(Progress::of(snapshot, "downloading")),
            State::Seeding => Self::Progress(Progress::of(snapshot, "seeding")),
            State::Stopped => Self::Progress(Progress::of(snapshot, "stopped")),
            State::Failed(_) => Self::Progress(Progress::of(snapshot, "failed")),
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
        }
    }
}

impl Progress {
    fn of(snapshot: &Snapshot, state: &'static str) -> Self {
        let stats = &snapshot.stats;
        Self {
            info_hash: snapshot.info_hash(),
            state,
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
            wasted: stats.wasted,
            eta_secs: snapshot.time_left().map(|left| left.as_secs()),
            down_limit_bytes_per_sec: snapshot.limits.download,
            up_limit_bytes_per_sec: snapshot.limits.upload,
        }
    }
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
            r#"{"event":"complete","name":"name","info_hash":"0707070707070707070707070707070707070707","bytes_total":4000,"wanted_bytes_total":3500,"files_left_out":2,"hash_cpu_ms":12}"#,
        );
        check(
            &Report::of(&snapshot),
            concat!(
                r#"{"event":"progress","info_hash":"0707070707070707070707070707070707070707","#,
                r#""state":"downloading","bytes_done":1000,"bytes_total":4000,"#,
                r#""pieces_done":1,"piece_count":4,"wanted_bytes_done":500,"#,
                r#""wanted_bytes_total":3500,"down_bytes_per_sec":100,"up_bytes_per_sec":20,"#,
                r#""peers_connected":2,"peers_known":5,"downloaded":1100,"uploaded":30,"wasted":100,"#,
                r#""eta_secs":30,"down_limit_bytes_per_sec":null,"up_limit_bytes_per_sec":null}"#
            ),
        );
        check(
            &Report::seeded(&snapshot, "ratio", Duration::from_millis(61_999)),
            r#"{"event":"seeded","name":"name","info_hash":"0707070707070707070707070707070707070707","goal":"ratio","bytes_total":4000,"uploaded":30,"seeding_secs":61}"#,
        );
        snapshot.stats.download_rate_bytes_per_sec = 0;
        snapshot.limits.download = NonZeroU64::new(70);
        let line = serde_json::to_string(&Report::of(&snapshot)).unwrap();
        let end = concat!(
            r#""eta_secs":null,"down_limit_bytes_per_sec":70,"#,
            r#""up_limit_bytes_per_sec":null}"#
        );
        assert!(line.ends_with(end), "{line}");
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
                r#""wasted":300,"eta_secs":20}"#
            ),
        );
        assert_eq!(Total::of([&complete]).eta_secs, None);
        assert_eq!(Total::of([]), Total::default());
    }
}
