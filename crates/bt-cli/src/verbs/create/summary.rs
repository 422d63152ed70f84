use std::{collections::BTreeMap, path::Path, time::Duration};

use bt_metainfo::Metainfo;
use bt_storage::create::{Content, LeftOut, Reason};
use serde::Serialize;

use super::shown;
use crate::format::{bytes, duration, printable, rate};

/// One line of `--json`. The form is stable.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    Hashing {
        bytes_done: u64,
        bytes_total: u64,
        bytes_per_sec: u64,
        eta_secs: Option<u64>,
    },
    Created(Created),
}

/// What was made. The keys are stable.
#[derive(Debug, Serialize)]
pub(super) struct Created {
    path: Option<String>,
    name: String,
    info_hash: String,
    bytes_total: u64,
    file_count: usize,
    piece_length: u32,
    piece_count: u32,
    private: bool,
    left_out: LeftOutCounts,
    /// CPU time that hashing took, on all threads together.
    hash_cpu_ms: u64,
}

#[derive(Debug, Default, Eq, PartialEq, Serialize)]
struct LeftOutCounts {
    excluded: usize,
    hidden: usize,
    links: usize,
    empty_folders: usize,
    special: usize,
}

impl Created {
    pub(super) fn new(
        torrent: &Metainfo,
        content: &Content,
        path: Option<&Path>,
        hash_cpu_ms: u64,
    ) -> Self {
        let info = torrent.info();
        let info_hash = info.ids().v1().map(|hash| hash.to_string());
        Self {
            path: path.map(|path| path.to_string_lossy().into_owned()),
            name: info.name().to_owned(),
            info_hash: info_hash.unwrap_or_default(),
            bytes_total: info.layout().data_length(),
            file_count: content.files.len(),
            piece_length: info.layout().nominal_piece_length(),
            piece_count: info.layout().piece_count(),
            private: info.is_private(),
            left_out: LeftOutCounts::of(&content.left_out),
            hash_cpu_ms,
        }
    }

    /// For people, in one line.
    pub(super) fn in_words(&self, took: Duration) -> String {
        let path = self.path.as_ref().map(|path| shown(Path::new(path)));
        let secs = took.as_secs_f64();
        let pace = if secs < 1.0 {
            String::new()
        } else {
            let rate = rate((self.bytes_total as f64 / secs) as u64);
            format!(" ({}, {rate})", duration(took))
        };
        format!(
            "made {}: {} in {}, {} of {}, info hash {}{pace}",
            path.as_deref().unwrap_or("the torrent"),
            bytes(self.bytes_total),
            count(self.file_count, "file"),
            count(self.piece_count as usize, "piece"),
            bytes(self.piece_length.into()),
            self.info_hash
        )
    }
}

impl LeftOutCounts {
    fn of(left_out: &[LeftOut]) -> Self {
        let mut counts = Self::default();
        for left in left_out {
            *match left.reason {
                Reason::Excluded => &mut counts.excluded,
                Reason::Hidden => &mut counts.hidden,
                Reason::Link => &mut counts.links,
                Reason::EmptyFolder => &mut counts.empty_folders,
                _ => &mut counts.special,
            } += 1;
        }
        counts
    }
}

/// A line for each reason for which something was left out, but not for what the user excluded.
pub(super) fn notes(content: &Content) -> Vec<String> {
    let mut by_reason: BTreeMap<Reason, Vec<&Path>> = BTreeMap::new();
    for left in &content.left_out {
        by_reason.entry(left.reason).or_default().push(&left.path);
    }
    let notes = by_reason.into_iter().filter_map(|(reason, mut paths)| {
        let (one, many, advice) = match reason {
            Reason::Excluded => return None,
            Reason::Hidden => (
                "hidden file or folder",
                "hidden files and folders",
                "; --hidden takes them in",
            ),
            Reason::Link => (
                "symbolic link",
                "symbolic links",
                "; --links follow takes in what they lead to",
            ),
            Reason::EmptyFolder => (
                "empty folder",
                "empty folders",
                ": torrents hold files only",
            ),
            _ => (
                "pipe, socket or device",
                "pipes, sockets and devices",
                ": nothing in them can be shared",
            ),
        };
        let what = if paths.len() == 1 { one } else { many };
        paths.sort_unstable();
        let mut names: Vec<_> = paths
            .iter()
            .take(MAX_NAMES)
            .map(|path| name_of(path))
            .collect();
        if paths.len() > MAX_NAMES {
            names.push("…".to_owned());
        }
        Some(format!(
            "left out {} {what} ({}){advice}",
            paths.len(),
            names.join(", ")
        ))
    });
    notes.collect()
}

fn name_of(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Enough to recognise what is meant.
const MAX_NAMES: usize = 3;

#[cfg(test)]
mod tests {
    use bt_metainfo::{InfoBuilder, MetainfoBuilder};
    use bt_storage::create::Selection;
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    fn content() -> (TempDir, Content) {
        let folder = TempDir::new().unwrap();
        for file in [".a", ".b", ".c", ".d", "skip", "data"] {
            std::fs::write(folder.path().join(file), "12345").unwrap();
        }
        std::fs::create_dir(folder.path().join("none")).unwrap();
        let exclude = |path: &Path| path == Path::new("skip");
        let selection = Selection {
            exclude: Some(&exclude),
            ..Selection::default()
        };
        let content = Content::find(folder.path(), &selection).unwrap();
        (folder, content)
    }

    #[test]
    fn what_was_left_out_is_told_by_reason() {
        let (_folder, content) = content();
        assert_eq!(
            notes(&content),
            [
                "left out 4 hidden files and folders (.a, .b, .c, …); --hidden takes them in",
                "left out 1 empty folder (none): torrents hold files only",
            ]
        );
    }

    #[test]
    fn the_keys_are_stable() {
        let (_folder, content) = content();
        let info = InfoBuilder::new("t", 16_384)
            .file(["data"], 5)
            .pieces([[1; 20]]);
        let info_hash = info.build().unwrap().ids().v1().unwrap().to_string();
        let torrent = MetainfoBuilder::new(info.encode()).encode();
        let torrent = Metainfo::from_bytes(&torrent).unwrap();
        let created = Created::new(&torrent, &content, Some(Path::new("t.torrent")), 7);
        assert_eq!(
            created.in_words(Duration::ZERO),
            format!("made t.torrent: 5 B in 1 file, 1 piece of 16.0 KiB, info hash {info_hash}")
        );
        assert_eq!(
            serde_json::to_value(Event::Created(created)).unwrap(),
            json!({
                "event": "created",
                "path": "t.torrent",
                "name": "t",
                "info_hash": info_hash,
                "bytes_total": 5,
                "file_count": 1,
                "piece_length": 16384,
                "piece_count": 1,
                "private": false,
                "left_out": {
                    "excluded": 1, "hidden": 4, "links": 0, "empty_folders": 1, "special": 0
                },
                "hash_cpu_ms": 7,
            })
        );
    }
}
