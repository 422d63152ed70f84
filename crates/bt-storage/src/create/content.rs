use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{CreateError, stamp::Stamp, walk::walk};

/// The files of a torrent to be made, all of which could be opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Content {
    /// In [canonical order](bt_metainfo::canonical_order). May be empty.
    pub files: Vec<ContentFile>,
    /// Whether it is one file by itself; a folder may hold just one, too.
    pub is_single_file: bool,
    /// What the torrent will not have, in no particular order.
    pub left_out: Vec<LeftOut>,
}

/// A regular file, or a link to one that is followed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ContentFile {
    /// The names from below the folder down to the file; none for a single file.
    pub path: Vec<String>,
    /// Its size in bytes.
    pub length: u64,
    /// Whether its owner may execute it; never on systems that know no such right.
    pub executable: bool,
    pub(super) on_disk: PathBuf,
    /// As it was when it was found.
    pub(super) stamp: Stamp,
}

/// Something in the folder that the torrent will not have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeftOut {
    /// Where it is, below the folder. If it is a folder itself, all in it is left out, too.
    pub path: PathBuf,
    /// Why.
    pub reason: Reason,
}

/// Why something is left out.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Reason {
    /// [`Selection::exclude`] said so.
    Excluded,
    /// Its name begins with a dot, or on Windows, it has that attribute.
    Hidden,
    /// It is a symbolic link.
    Link,
    /// It is a folder with nothing in it: torrents have files only.
    EmptyFolder,
    /// It is a device, a pipe or a socket.
    Special,
}

/// Which files of a folder a torrent is made of. A single file is taken whatever this says.
#[derive(Default)]
pub struct Selection<'a> {
    /// Whether hidden files and folders are taken.
    pub hidden: bool,
    /// What is done with symbolic links in the folder.
    pub links: Links,
    /// Whether a file, folder or link is left out, by its path below the folder; none is if there
    /// is no such function. What is in a folder that is left out is not asked for.
    pub exclude: Option<&'a dyn Fn(&Path) -> bool>,
}

/// What is done with symbolic links.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Links {
    /// The first one is an error: neither choice can be right without being asked for.
    #[default]
    Refuse,
    /// They are left out.
    Skip,
    /// Their targets are taken in their places, wherever those lie.
    Follow,
}

impl Content {
    /// Looks for the files that `top` is or holds, and opens each of them once. `top` itself may
    /// be a link.
    ///
    /// # Errors
    /// At the first file or folder that cannot be read or cannot be in a torrent.
    pub fn find(top: &Path, selection: &Selection<'_>) -> Result<Self, CreateError> {
        walk(top, selection)
    }

    /// Whether a file on disk is one of these, by whatever path and symbolic links.
    #[must_use]
    pub fn holds(&self, file: &Path) -> bool {
        let Ok(file) = file.canonicalize() else {
            return false;
        };
        let mut found = self.files.iter().map(|it| it.on_disk.canonicalize());
        found.any(|path| path.is_ok_and(|path| path == file))
    }

    /// The sizes of all files together, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        let lengths = self.files.iter().map(|file| file.length);
        lengths.fold(0, u64::saturating_add)
    }
}

impl fmt::Debug for Selection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selection")
            .field("hidden", &self.hidden)
            .field("links", &self.links)
            .field("exclude", &self.exclude.map(|_| "…"))
            .finish()
    }
}
