use std::mem;

use super::{
    entry::{Entry, EntryKind},
    links::resolve_links,
};
use crate::{
    File, FileKind, RelativePath,
    unique::{TooManyFolders, make_unique},
};

/// Gives every file its final path, and every link its target.
///
/// # Errors
/// If there are more folders than in any real torrent.
pub(super) fn into_files(mut entries: Vec<Entry>) -> Result<Box<[File]>, TooManyFolders> {
    // Links are followed by the names that the torrent gives; without any these are not needed.
    let has_links = entries
        .iter()
        .any(|entry| matches!(entry.kind, EntryKind::Link { .. }));
    let mut paths: Vec<String> = if has_links {
        entries.iter().map(|entry| entry.path.clone()).collect()
    } else {
        let names = entries.iter_mut();
        names.map(|entry| mem::take(&mut entry.path)).collect()
    };
    make_unique(&mut paths, |index| {
        !matches!(entries[index].kind, EntryKind::Pad)
    })?;
    let paths: Vec<RelativePath> = paths
        .into_iter()
        .map(RelativePath::from_sanitised)
        .collect();
    let mut targets = resolve_links(&entries, &paths).into_iter();
    let file = |(entry, path): (Entry, RelativePath)| File {
        path,
        length: entry.length,
        kind: match entry.kind {
            EntryKind::Data => FileKind::Data,
            EntryKind::Pad => FileKind::Pad,
            EntryKind::Link { .. } => match targets.next().flatten() {
                Some(target) => FileKind::Symlink { target },
                None => FileKind::Data,
            },
        },
        executable: entry.executable,
        hidden: entry.hidden,
    };
    Ok(entries.into_iter().zip(paths).map(file).collect())
}
