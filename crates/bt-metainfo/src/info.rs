use std::{fmt, ops::Range, sync::Arc};

use bt_bencoding::{Document, Lenient, Limits, Strict, Value};
use bt_hash::{sha1, sha256};
use bt_types::{
    FileExtent, FileIndex, InfoHash, InfoHashV2, LayoutError, PieceHash, PieceIndex, PieceLayout,
    TorrentIds,
};

use self::{
    entry::{Entry, EntryKind},
    files::into_files,
    v2_hashes::V2Hashes,
};
use crate::{
    File, MetainfoError,
    MetainfoErrorKind::{
        Bencode, Layout, PieceCount, PieceLengthV2, PiecesCutOff, TooManyFolders, UnknownVersion,
    },
    metainfo::text,
    name::sanitise,
    node::{Node, Place},
    unique::MAX_FOLDERS,
};

mod entry;
mod files;
mod hybrid;
mod links;
mod v1;
mod v2;
mod v2_hashes;

/// An info dictionary: what a torrent's ids name, and what peers can send each other (BEP 9).
pub struct Info {
    raw: Box<[u8]>,
    ids: TorrentIds,
    name: String,
    is_single_file: bool,
    is_private: bool,
    source: Option<String>,
    layout: Arc<PieceLayout>,
    files: Box<[File]>,
    /// Where in `raw` the SHA-1 hashes are, 20 bytes for each piece of the layout. Not in v2-only
    /// torrents.
    v1_hashes: Option<Range<usize>>,
    /// Not in v1 torrents.
    v2_hashes: Option<V2Hashes>,
}

impl Info {
    /// Reads a bencoded info dictionary, of which every byte counts for the torrent's ids.
    ///
    /// Piece layers of v2 are not part of it: [`piece_hash`](Self::piece_hash) is known only for
    /// files of one piece.
    ///
    /// # Errors
    /// If it is malformed, or what it says does not fit together.
    pub fn from_bytes(info_dict: &[u8]) -> Result<Self, MetainfoError> {
        let place = Place::Root("info");
        let document = Document::<Lenient>::parse(info_dict, Limits::default());
        let document = document.map_err(|error| MetainfoError::new(place, Bencode(error)))?;
        Self::read(Node::new(document.root(), place))
    }

    pub(crate) fn read(info: Node<'_, '_, '_>) -> Result<Self, MetainfoError> {
        info.dict()?;
        let raw = info.value.raw();
        let format = read_format(&info)?;
        let (raw_name, name) = read_name(&info)?;
        let piece_length = read_piece_length(&info, format)?;
        let content = match format {
            Format::V1 => v1::read_files(&info, &name)?,
            Format::V2 => v2::read_tree(&info, raw_name, &name)?,
            Format::Hybrid => {
                let v2 = v2::read_tree(&info, raw_name, &name)?;
                hybrid::merge(&info, v1::read_files(&info, &name)?, &v2, piece_length)?
            }
        };
        let layout = lay_out(&info, format, piece_length, &content.entries)?;
        let v1_hashes = match format {
            Format::V1 | Format::Hybrid => Some(read_pieces(&info, &layout)?),
            Format::V2 => None,
        };
        let v2_hashes = match format {
            Format::V2 | Format::Hybrid => Some(V2Hashes::new(&layout, &content.entries)),
            Format::V1 => None,
        };
        let Ok(files) = into_files(content.entries) else {
            return info.fail(TooManyFolders(MAX_FOLDERS));
        };
        let v1_id = || InfoHash(sha1(raw));
        let v2_id = || InfoHashV2(sha256(raw));
        Ok(Self {
            raw: raw.into(),
            ids: match format {
                Format::V1 => TorrentIds::v1_only(v1_id()),
                Format::V2 => TorrentIds::v2_only(v2_id()),
                Format::Hybrid => TorrentIds::hybrid(v1_id(), v2_id()),
            },
            name,
            is_single_file: content.is_single_file,
            is_private: read_private(&info),
            source: text(&info, "source"),
            layout: Arc::new(layout),
            files,
            v1_hashes,
            v2_hashes,
        })
    }

    /// Takes the `piece layers` of a whole `.torrent`, where they stand beside `info` (BEP 52).
    pub(crate) fn add_layers(&mut self, layers: Node<'_, '_, '_>) -> Result<(), MetainfoError> {
        match &mut self.v2_hashes {
            Some(hashes) => hashes.add_layers(&layers, self.layout.nominal_piece_length()),
            None => Ok(()),
        }
    }

    /// What names the torrent: hashes of [`raw`](Self::raw).
    #[must_use]
    pub fn ids(&self) -> TorrentIds {
        self.ids
    }

    /// The name of the torrent's file or folder, sanitised as in a [`RelativePath`](crate::RelativePath).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether peers may come from its trackers only (BEP 27). Any integer but 0 says so.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.is_private
    }

    /// A mark of private trackers that gives the same content another hash. Untrusted text.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// The dictionary's bytes as they were read.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// How pieces lie in files: packed for v1 and hybrid torrents, aligned for v2-only ones.
    #[must_use]
    pub fn layout(&self) -> &Arc<PieceLayout> {
        &self.layout
    }

    /// All files, pad files and links among them, in the order of the layout.
    #[must_use]
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// One file.
    ///
    /// # Panics
    /// If the torrent has no such file.
    #[must_use]
    pub fn file(&self, file: FileIndex) -> &File {
        &self.files[file.0 as usize]
    }

    /// What `piece` must hash to. Always known for v1 and hybrid torrents; for v2-only ones if the
    /// file has one piece or its layer came with the torrent. `None` also if there is no such piece.
    #[must_use]
    pub fn piece_hash(&self, piece: PieceIndex) -> Option<PieceHash> {
        match (&self.v1_hashes, &self.v2_hashes) {
            (Some(hashes), _) => {
                let start = piece.as_usize().checked_mul(V1_HASH_LENGTH)?;
                let hash = self.raw[hashes.clone()].get(start..)?.first_chunk()?;
                Some(PieceHash::V1(*hash))
            }
            (None, Some(hashes)) => hashes.of_piece(piece).map(PieceHash::V2),
            (None, None) => None,
        }
    }

    /// The root of a file's Merkle tree (BEP 52): known for the files of v2 and hybrid torrents
    /// that are not empty.
    #[must_use]
    pub fn pieces_root(&self, file: FileIndex) -> Option<[u8; 32]> {
        self.v2_hashes.as_ref()?.root_of(file)
    }

    /// Whether it is one file by itself, instead of a folder of files (which may be one as well).
    #[must_use]
    pub fn is_single_file(&self) -> bool {
        self.is_single_file
    }
}

/// Not the hashes, which may be megabytes.
impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Info")
            .field("ids", &self.ids)
            .field("name", &self.name)
            .field("files", &self.files.len())
            .field("pieces", &self.layout.piece_count())
            .finish_non_exhaustive()
    }
}

/// Which of the two formats a dictionary follows.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Format {
    V1,
    V2,
    /// Both at once.
    Hybrid,
}

fn read_format(info: &Node<'_, '_, '_>) -> Result<Format, MetainfoError> {
    let Some(version) = info.get("meta version") else {
        return Ok(Format::V1);
    };
    match version.int()? {
        1 => return Ok(Format::V1),
        2 => {}
        unknown => return version.fail(UnknownVersion(unknown)),
    }
    // Canonical, so that nobody reads other things out of the same bytes (BEP 52: keys are
    // sorted). Offsets in the error count from the start of `info`.
    if let Err(error) = Document::<Strict>::parse(info.value.raw(), Limits::default()) {
        return info.fail(Bencode(error));
    }
    match info.get("pieces") {
        Some(_) => Ok(Format::Hybrid),
        None => Ok(Format::V2),
    }
}

/// As it is, and sanitised. Old programs wrote `name` in a legacy encoding and `name.utf-8` beside.
fn read_name<'a>(info: &Node<'_, '_, 'a>) -> Result<(&'a [u8], String), MetainfoError> {
    let utf8 = info.value.get("name.utf-8").and_then(Value::as_bytes);
    let raw = match utf8 {
        Some(name) => name,
        None => info.require("name")?.bytes()?,
    };
    let mut name = String::new();
    sanitise(raw, &mut name);
    Ok((raw, name))
}

fn read_piece_length(info: &Node<'_, '_, '_>, format: Format) -> Result<u64, MetainfoError> {
    let node = info.require("piece length")?;
    let length = node.length()?;
    let is_v2 = length.is_power_of_two() && length >= v2::BLOCK_LENGTH;
    if format != Format::V1 && !is_v2 {
        return node.fail(PieceLengthV2(length));
    }
    Ok(length)
}

fn lay_out(
    info: &Node<'_, '_, '_>,
    format: Format,
    piece_length: u64,
    entries: &[Entry],
) -> Result<PieceLayout, MetainfoError> {
    let extents = entries.iter().map(|entry| match entry.kind {
        EntryKind::Pad => FileExtent::pad(entry.length),
        EntryKind::Data | EntryKind::Link { .. } => FileExtent::data(entry.length),
    });
    let layout = match format {
        Format::V1 | Format::Hybrid => PieceLayout::packed(piece_length, extents),
        Format::V2 => PieceLayout::aligned(piece_length, extents),
    };
    match layout {
        Ok(layout) => Ok(layout),
        Err(error @ LayoutError::PieceLength(_)) => {
            info.require("piece length")?.fail(Layout(error))
        }
        Err(error) => info.fail(Layout(error)),
    }
}

/// Where in the dictionary the hashes of v1 pieces are.
fn read_pieces(
    info: &Node<'_, '_, '_>,
    layout: &PieceLayout,
) -> Result<Range<usize>, MetainfoError> {
    let node = info.require("pieces")?;
    let hashes = node.bytes()?;
    if hashes.len() % V1_HASH_LENGTH != 0 {
        return node.fail(PiecesCutOff(hashes.len()));
    }
    let found = hashes.len() / V1_HASH_LENGTH;
    let expected = layout.piece_count();
    if found != expected as usize {
        return node.fail(PieceCount { found, expected });
    }
    // A string's content is the end of its source.
    let end = node.value.offset() - info.value.offset() + node.value.raw().len();
    Ok(end - hashes.len()..end)
}

fn read_private(info: &Node<'_, '_, '_>) -> bool {
    let flag = info.value.get("private").and_then(Value::as_int);
    flag.is_some_and(|flag| flag != 0)
}

/// Bytes of a SHA-1.
const V1_HASH_LENGTH: usize = 20;

#[cfg(test)]
mod tests;
