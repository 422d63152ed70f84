use super::links::resolve_links;
use crate::{File, FileKind, RelativePath, unique::make_unique};

/// The files of one format's list.
pub(super) struct Content {
    pub(super) entries: Vec<Entry>,
    pub(super) is_single_file: bool,
}

/// A file whose path is sanitised but perhaps not unique yet.
#[derive(Debug)]
pub(super) struct Entry {
    /// Begins with the torrent's name.
    pub(super) path: String,
    pub(super) length: u64,
    pub(super) kind: EntryKind,
    pub(super) executable: bool,
    pub(super) hidden: bool,
    /// The root of its Merkle tree: of files that are not empty, in v2.
    pub(super) root: Option<[u8; 32]>,
}

#[derive(Debug)]
pub(super) enum EntryKind {
    Data,
    Pad,
    /// To a sanitised path that begins with the torrent's name; nobody has looked what is there.
    Link {
        target: String,
    },
}

/// What a file says about itself in `attr` (BEP 47). Letters in any order, unknown ones ignored.
#[derive(Clone, Copy, Default)]
pub(super) struct Attributes {
    pub(super) pad: bool,
    pub(super) link: bool,
    pub(super) executable: bool,
    pub(super) hidden: bool,
}

impl Attributes {
    pub(super) fn read(attr: Option<&[u8]>) -> Self {
        let attr = attr.unwrap_or_default();
        Self {
            pad: attr.contains(&b'p'),
            link: attr.contains(&b'l'),
            executable: attr.contains(&b'x'),
            hidden: attr.contains(&b'h'),
        }
    }
}

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
