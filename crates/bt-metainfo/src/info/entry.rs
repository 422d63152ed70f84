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
