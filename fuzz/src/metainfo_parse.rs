//! A `.torrent` of any content: what is accepted keeps every promise about paths and hashes.

use std::collections::HashSet;

use bt_metainfo::{FileKind, Info, Metainfo, RelativePath};
use bt_types::FileIndex;

/// All of it is the file.
pub fn run(data: &[u8]) {
    // Peers send the inner part alone.
    if let Ok(info) = Info::from_bytes(data) {
        assert_eq!(info.raw(), data);
        check_info(&info);
    }
    let Ok(metainfo) = Metainfo::from_bytes(data) else {
        return;
    };
    let urls = metainfo.tiers().iter().flatten();
    assert!(urls.clone().count() <= 100 && metainfo.web_seeds().len() <= 50);
    assert!(metainfo.tiers().iter().all(|tier| !tier.is_empty()));
    for url in urls.chain(metainfo.web_seeds()) {
        assert!(url.contains("://") && !url.contains(|c: char| c.is_control() || c == ' '));
    }
    let info = metainfo.info();
    check_info(info);
    let alone = Info::from_bytes(info.raw()).expect("it was accepted within the torrent");
    assert_eq!(alone.ids(), info.ids());
    assert_eq!(alone.files(), info.files());
    assert_eq!(alone.layout(), info.layout());
}

fn check_info(info: &Info) {
    let layout = info.layout();
    assert_eq!(layout.file_count() as usize, info.files().len());
    if info.ids().v1().is_some() && layout.piece_count() <= PIECES_CHECKED_ONE_BY_ONE {
        assert!(
            layout
                .pieces()
                .all(|piece| info.piece_hash(piece).is_some())
        );
    }
    let mut paths = HashSet::new();
    let mut folders = HashSet::new();
    for (index, file) in (0..).zip(info.files()) {
        check_path(&file.path);
        assert_eq!(file.path.components().next(), Some(info.name()));
        assert_eq!(file.path.components().count() == 1, info.is_single_file());
        assert_eq!(file.length, layout.file_length(FileIndex(index)));
        assert!(
            paths.insert(fold(file.path.as_str())),
            "{} twice",
            file.path
        );
        if file.kind != FileKind::Pad {
            let path = fold(file.path.as_str());
            folders.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
        }
    }
    for file in info.files() {
        if file.kind != FileKind::Pad {
            assert!(
                !folders.contains(&fold(file.path.as_str())),
                "{}",
                file.path
            );
        }
        if let FileKind::Symlink { target } = &file.kind {
            check_path(target);
            let is_data =
                |other: &&bt_metainfo::File| other.path == *target && other.kind == FileKind::Data;
            let is_file = info.files().iter().any(|other| is_data(&other));
            assert!(
                is_file || folders.contains(&fold(target.as_str())),
                "{target}"
            );
        }
    }
}

fn check_path(path: &RelativePath) {
    for name in path.components() {
        assert!(!name.is_empty() && name.len() <= 240);
        assert!(!name.ends_with(['.', ' ']));
        assert!(!name.contains(['\\', ':', '*', '?', '"', '<', '>', '|']));
        assert!(!name.contains(char::is_control));
    }
}

fn fold(path: &str) -> String {
    path.to_lowercase()
}

/// Bounds the time of one input.
const PIECES_CHECKED_ONE_BY_ONE: u32 = 4096;
