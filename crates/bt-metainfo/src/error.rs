use bt_bencoding::DecodeError;
use bt_types::LayoutError;

/// Why bytes are no torrent: where, and what is wrong there. In one line: "info.files\[3\].length
/// is negative (-1)".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{key} {kind}")]
pub struct MetainfoError {
    /// The way to the culprit through dictionaries and lists, as in `info.files[3].length`;
    /// `torrent` for the whole. Names from the torrent in it are sanitised.
    pub key: String,
    /// What is wrong with it.
    pub kind: MetainfoErrorKind,
}

/// What is wrong with a value of a torrent. The messages are predicates: the value's key is their
/// subject.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetainfoErrorKind {
    /// It is no bencode; a v2 info dictionary must even be canonical.
    #[error("is not bencoded correctly: {0}")]
    Bencode(DecodeError),
    /// A key that must be there is not.
    #[error("is missing")]
    Missing,
    /// It is of another type.
    #[error("is not {0}")]
    WrongType(&'static str),
    /// A length is negative.
    #[error("is negative ({0})")]
    Negative(i64),
    /// A list or name that must have content has none.
    #[error("is empty")]
    Empty,
    /// Piece length and files do not make a torrent.
    #[error("cannot be laid out: {0}")]
    Layout(LayoutError),
    /// `pieces` is cut off within a hash.
    #[error("is {0} bytes long, which is no multiple of 20")]
    PiecesCutOff(usize),
    /// `pieces` has too few or too many hashes.
    #[error("holds {found} hashes, but the files make {expected} pieces")]
    PieceCount {
        /// Hashes found.
        found: usize,
        /// Pieces that the files make.
        expected: u32,
    },
    /// A version of the format that does not exist yet.
    #[error("is {0}, but only versions 1 and 2 are known")]
    UnknownVersion(i64),
    /// v2 asks for a power of two, at least 16 KiB.
    #[error("is {0}, which is not a power of two of at least 16384")]
    PieceLengthV2(u64),
    /// A hash of v2 is 32 bytes long.
    #[error("is {0} bytes long instead of 32")]
    RootLength(usize),
    /// A root of only zeros is nobody's.
    #[error("is all zeros")]
    ZeroRoot,
    /// A file tree needs no padding (BEP 52).
    #[error("is a pad file, which a file tree cannot have")]
    PadInTree,
    /// A file has entries beside its own.
    #[error("is both a file and a folder")]
    FileAndFolder,
    /// v1 and v2 part of a hybrid describe different files.
    #[error("differs from the file tree: {v1} here, {v2} there")]
    HybridMismatch {
        /// The file as v1 has it.
        v1: String,
        /// The file as v2 has it.
        v2: String,
    },
    /// In a hybrid, every file must begin the next piece.
    #[error("begins at byte {0} of the torrent, which is not where the next piece does")]
    HybridAlignment(u64),
    /// In a hybrid, padding at the end must not make pieces of its own.
    #[error("ends at byte {0} of the torrent, beyond its last piece with data")]
    HybridPadding(u64),
    /// All paths together are longer than any real torrent's: a small tree can make them so.
    #[error("makes paths of more than {0} bytes together")]
    PathsTooLong(usize),
    /// All files together lie in more folders than any real torrent's.
    #[error("makes more than {0} folders")]
    TooManyFolders(usize),
    /// A layer belongs to no file that is longer than a piece.
    #[error("belongs to no file")]
    UnknownLayer,
    /// A layer has too few or too many hashes.
    #[error("is {found} bytes long, but its file needs {expected}")]
    LayerLength {
        /// Bytes found.
        found: usize,
        /// 32 for each piece of the file.
        expected: u64,
    },
    /// A layer does not hash to the root of its file.
    #[error("does not hash to the root of its file")]
    LayerMismatch,
}

impl MetainfoError {
    pub(crate) fn new(key: impl ToString, kind: MetainfoErrorKind) -> Self {
        Self {
            key: key.to_string(),
            kind,
        }
    }
}
