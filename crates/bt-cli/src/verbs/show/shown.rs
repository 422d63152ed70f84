use std::path::Path;

use bt_metainfo::{File, FileKind, Info, Metainfo};
use bt_types::{FileIndex, TorrentIds};
use serde::Serialize;

use crate::{exit::Failure, format::hex};

/// What is in a torrent. The keys are stable, and documented in the help.
#[derive(Debug, Serialize)]
pub(super) struct Shown<'a> {
    /// Where it was read from.
    torrent: String,
    pub(super) name: &'a str,
    pub(super) format: Format,
    pub(super) info_hash: Option<String>,
    pub(super) info_hash_v2: Option<String>,
    /// Bytes of all files, padding not counted.
    pub(super) total_size: u64,
    pub(super) piece_length: u32,
    pub(super) piece_count: u32,
    pub(super) private: bool,
    pub(super) source: Option<&'a str>,
    /// As they would be written.
    pub(super) files: Vec<ShownFile<'a>>,
    pub(super) symlinks: Vec<ShownSymlink<'a>>,
    pub(super) pad_files: usize,
    pub(super) pad_size: u64,
    pub(super) trackers: &'a [Vec<String>],
    pub(super) web_seeds: &'a [String],
    pub(super) nodes: Vec<String>,
    pub(super) comment: Option<&'a str>,
    pub(super) created_by: Option<&'a str>,
    pub(super) encoding: Option<&'a str>,
    /// Seconds since 1970.
    pub(super) creation_date: Option<i64>,
    pub(super) magnet: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    V1,
    V2,
    Hybrid,
}

impl Format {
    pub(super) fn of(ids: TorrentIds) -> Self {
        match (ids.v1(), ids.v2()) {
            (Some(_), Some(_)) => Self::Hybrid,
            (_, Some(_)) => Self::V2,
            (_, None) => Self::V1,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ShownFile<'a> {
    /// Counted from 1, without padding and links: `bt get --select` takes it.
    pub(super) number: usize,
    pub(super) path: &'a str,
    pub(super) length: u64,
    pub(super) executable: bool,
    pub(super) hidden: bool,
    /// The root of its Merkle tree; v1 torrents and empty files have none.
    pub(super) pieces_root: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ShownSymlink<'a> {
    pub(super) path: &'a str,
    pub(super) target: &'a str,
}

/// Why there is nothing to show.
#[derive(Debug, Serialize)]
pub(super) struct NotShown {
    torrent: String,
    error: String,
    code: u8,
}

impl<'a> Shown<'a> {
    pub(super) fn of(source: &Path, metainfo: &'a Metainfo) -> Self {
        let info = metainfo.info();
        let (mut files, mut symlinks) = (Vec::new(), Vec::new());
        let (mut pad_files, mut pad_size) = (0, 0);
        for (index, file) in (0..).map(FileIndex).zip(info.files()) {
            match &file.kind {
                FileKind::Data => files.push(ShownFile::of(info, files.len() + 1, index, file)),
                FileKind::Pad => (pad_files, pad_size) = (pad_files + 1, pad_size + file.length),
                FileKind::Symlink { target } => symlinks.push(ShownSymlink {
                    path: file.path.as_str(),
                    target: target.as_str(),
                }),
            }
        }
        let (v1, v2) = (info.ids().v1(), info.ids().v2());
        Self {
            torrent: source.to_string_lossy().into_owned(),
            name: info.name(),
            format: Format::of(info.ids()),
            info_hash: v1.map(|hash| hash.to_string()),
            info_hash_v2: v2.map(|hash| hash.to_string()),
            total_size: info.layout().data_length(),
            piece_length: info.layout().nominal_piece_length(),
            piece_count: info.layout().piece_count(),
            private: info.is_private(),
            source: info.source(),
            files,
            symlinks,
            pad_files,
            pad_size,
            trackers: metainfo.tiers(),
            web_seeds: metainfo.web_seeds(),
            nodes: metainfo.nodes().iter().map(authority).collect(),
            comment: metainfo.comment(),
            created_by: metainfo.created_by(),
            encoding: metainfo.encoding(),
            creation_date: metainfo.creation_date(),
            magnet: metainfo.magnet_link(),
        }
    }
}

impl<'a> ShownFile<'a> {
    fn of(info: &Info, number: usize, index: FileIndex, file: &'a File) -> Self {
        Self {
            number,
            path: file.path.as_str(),
            length: file.length,
            executable: file.executable,
            hidden: file.hidden,
            pieces_root: info.pieces_root(index).map(|root| hex(&root)),
        }
    }
}

#[cfg(test)]
impl<'a> ShownFile<'a> {
    pub(super) fn plain(number: usize, path: &'a str, length: u64) -> Self {
        Self {
            number,
            path,
            length,
            executable: false,
            hidden: false,
            pieces_root: None,
        }
    }
}

impl NotShown {
    pub(super) fn of(source: &Path, failure: &Failure) -> Self {
        Self {
            torrent: source.to_string_lossy().into_owned(),
            error: failure.to_string(),
            code: failure.exit as u8,
        }
    }
}

/// Host and port, an IPv6 address in brackets.
pub(super) fn authority((host, port): &(String, u16)) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use bt_metainfo::{InfoBuilder, MetainfoBuilder};
    use serde_json::{Value, json};

    use super::*;
    use crate::exit::Exit;

    pub(in super::super) fn metainfo() -> Metainfo {
        let info = InfoBuilder::new("al\u{1b}bum", 16_384)
            .file(["a"], 10)
            .pad(16_374)
            .file(["sub", "b"], 20)
            .source("TRACKER")
            .pieces([[1; 20], [2; 20]]);
        let torrent = MetainfoBuilder::new(info.encode())
            .tier(["udp://one:1", "udp://two:2"])
            .tier(["udp://three:3"])
            .web_seed("http://four/")
            .comment("turn\u{1b}[31m red\nand back\n");
        Metainfo::from_bytes(&torrent.encode()).unwrap()
    }

    #[test]
    fn the_form_is_stable() {
        let metainfo = metainfo();
        let shown = serde_json::to_value(Shown::of(Path::new("x.torrent"), &metainfo)).unwrap();
        let file = |number, path, length| {
            json!({
                "number": number, "path": path, "length": length, "executable": false, "hidden": false,
                "pieces_root": null,
            })
        };
        let hash = metainfo.info().ids().v1().unwrap().to_string();
        let expected = json!({
            "torrent": "x.torrent",
            "name": "al_bum",
            "format": "v1",
            "info_hash": hash,
            "info_hash_v2": null,
            "total_size": 30,
            "piece_length": 16_384,
            "piece_count": 2,
            "private": false,
            "source": "TRACKER",
            "files": [file(1, "al_bum/a", 10), file(2, "al_bum/sub/b", 20)],
            "symlinks": [],
            "pad_files": 1,
            "pad_size": 16_374,
            "trackers": [["udp://one:1", "udp://two:2"], ["udp://three:3"]],
            "web_seeds": ["http://four/"],
            "nodes": [],
            "comment": "turn\u{1b}[31m red\nand back\n",
            "created_by": null,
            "encoding": null,
            "creation_date": null,
            "magnet": format!(
                "magnet:?xt=urn:btih:{hash}&dn=al_bum&tr=udp%3A%2F%2Fone%3A1\
                 &tr=udp%3A%2F%2Ftwo%3A2&tr=udp%3A%2F%2Fthree%3A3&ws=http%3A%2F%2Ffour%2F"
            ),
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn every_key_is_in_the_help() {
        let metainfo = metainfo();
        let shown = serde_json::to_value(Shown::of(Path::new("x"), &metainfo)).unwrap();
        let not_shown = NotShown::of(Path::new("x"), &Failure::new(Exit::BadTorrent, "bad"));
        let not_shown = serde_json::to_value(not_shown).unwrap();
        assert_eq!(
            not_shown,
            json!({"torrent": "x", "error": "bad", "code": 4})
        );
        let mut bt = crate::command();
        let help = bt.find_subcommand_mut("show").unwrap().render_long_help();
        let help = help.to_string();
        let words: Vec<_> = help
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .collect();
        let keys = |value: &Value| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        let of_files = keys(&shown["files"][0]);
        for key in [keys(&shown), of_files, keys(&not_shown)].concat() {
            assert!(words.contains(&key.as_str()), "{key}");
        }
    }

    #[test]
    fn addresses_of_six_groups_are_told_from_ports() {
        let of = |host: &str| authority(&(host.to_owned(), 6881));
        assert_eq!(of("dht.example"), "dht.example:6881");
        assert_eq!(of("2001:db8::1"), "[2001:db8::1]:6881");
    }
}
