use std::fmt;

/// One file of a torrent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct File {
    /// Where it goes, below the download folder.
    pub path: RelativePath,
    /// Its size in bytes.
    pub length: u64,
    /// Whether it is a file at all.
    pub kind: FileKind,
    /// Whether it should be executable (BEP 47, attribute `x`).
    pub executable: bool,
    /// Whether it should be hidden (BEP 47, attribute `h`).
    pub hidden: bool,
}

/// What a file is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FileKind {
    /// Bytes that are downloaded and written.
    Data,
    /// Zeros between files, neither requested nor written (BEP 47, attribute `p`).
    Pad,
    /// A symbolic link, which takes no bytes (BEP 47, attribute `l`).
    Symlink {
        /// A data file or a folder of the same torrent: never a link, never a folder around the
        /// link.
        target: RelativePath,
    },
}

/// A path below the download folder that is safe to write: relative, made of one or more plain
/// names, without `..`, and different from the paths of all other files of its torrent, even where
/// upper and lower case are the same, or composed and decomposed accents.
///
/// It begins with the torrent's name: of a single-file torrent that is all of it. At most about
/// 1,000 bytes; outer folders are kept, inner ones left out where it would be longer.
///
/// Only this crate makes one, from sanitised names.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RelativePath(Box<str>);

impl RelativePath {
    /// Of names that went through [`sanitise`](crate::name::sanitise), joined by `/`.
    pub(crate) fn from_sanitised(path: String) -> Self {
        debug_assert!(!path.is_empty() && path.split('/').all(|name| !name.is_empty()));
        Self(path.into())
    }

    /// The names, from the outermost folder to the file: at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The components, joined by `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The components, joined by `/`; holds no control characters.
impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
