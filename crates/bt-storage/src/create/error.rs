use std::path::PathBuf;

use crate::StorageError;

/// Why no torrent can be made of what is on disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// A file or folder cannot be read.
    #[error(transparent)]
    Disk(#[from] StorageError),
    /// What the torrent should be made of is a device, a pipe or a socket.
    #[error("{} is neither a file nor a folder", .0.display())]
    NotAFile(PathBuf),
    /// Names in torrents are UTF-8.
    #[error("the name of {} is not UTF-8, which names in torrents are", .0.display())]
    NotUtf8(PathBuf),
    /// There is a symbolic link, and it was not said what to do with them.
    #[error("{} is a symbolic link", .0.display())]
    Link(PathBuf),
    /// Following this link would never end.
    #[error("{} is a link to a folder that it lies in", .0.display())]
    LinkLoop(PathBuf),
    /// There is nothing that could be taken in this link's place.
    #[error("{} is a link to what is not there", .0.display())]
    DanglingLink(PathBuf),
    /// The hashes are of bytes that are no longer there, or never were there together.
    #[error("{} was changed while it was hashed", .0.display())]
    Changed(PathBuf),
}
