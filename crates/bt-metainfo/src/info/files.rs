use super::{
    entry::{Entry, EntryKind},
    links::resolve_links,
};
use crate::{File, FileKind, RelativePath, unique::make_unique};

/// Gives every file its final path, and every link its target.
pub(super) fn into_files(entries: Vec<Entry>) -> Box<[File]> {
    let mut paths: Vec<String> = entries.iter().map(|entry| entry.path.clone()).collect();
    make_unique(&mut paths, |index| {
        !matches!(entries[index].kind, EntryKind::Pad)
    });
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
    entries.into_iter().zip(paths).map(file).collect()
}
