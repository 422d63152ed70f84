use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::sys::is_in_use;

/// Why a file operation failed, and on which file.
///
/// Prints as one line that a user can act on, the operating system's reason included, which is
/// why [`source`](std::error::Error::source) gives nothing:
/// `cannot write downloads/name/file: no space left on device`.
#[derive(Debug)]
#[non_exhaustive]
pub struct StorageError {
    /// What to do about it.
    pub kind: ErrorKind,
    /// What was being done.
    pub operation: Operation,
    /// The file or folder, under the folder that the user named.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

/// Failures sorted by what helps against them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The disk or the quota is full, or the file system takes no file so large: make room.
    Full,
    /// Not allowed to this user: change the rights.
    Permission,
    /// The file system is mounted read-only.
    ReadOnly,
    /// The file, its folder or the wanted end of it is not there; for a write, the download
    /// folder itself has gone (an unmounted disk is not written around).
    Missing,
    /// Something that is not ours lies where a file or folder should be: a symbolic link (never
    /// followed), a folder, a file, a device.
    Obstructed,
    /// Another process uses it: end that one.
    InUse,
    /// Anything else; the message tells.
    Other,
}

/// What was being done when it failed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// Reading, or opening to read.
    Read,
    /// Writing, or creating to write.
    Write,
    /// Making a folder or an empty file.
    Create,
    /// Bringing to the medium what was written.
    Sync,
    /// Giving a file that is complete its own name.
    Rename,
    /// Removing a file that is not needed any more.
    Remove,
    /// [Claiming](crate::Storage::claim) it.
    Use,
}

impl StorageError {
    pub(crate) fn new(operation: Operation, path: &Path, source: io::Error) -> Self {
        Self {
            kind: ErrorKind::of(&source),
            operation,
            path: path.to_owned(),
            source,
        }
    }
}

impl ErrorKind {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full,
            io::ErrorKind::PermissionDenied => Self::Permission,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => Self::Missing,
            // Links are reported as `NotADirectory` by `sys`, other non-files as `AlreadyExists`.
            io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::AlreadyExists => Self::Obstructed,
            _ if is_in_use(error) => Self::InUse,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.source.to_string();
        // The standard library adds the number, which means nothing to a user.
        let reason = reason.split(" (os error").next().unwrap_or_default();
        let mut letters = reason.chars();
        let first = letters.next().map(|letter| letter.to_ascii_lowercase());
        write!(f, "cannot {} {}: ", self.operation, self.path.display())?;
        first.map_or(Ok(()), |first| write!(f, "{first}"))?;
        f.write_str(letters.as_str())
    }
}

impl std::error::Error for StorageError {}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::Sync => "sync",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::Use => "use",
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn the_system_s_numbers_are_sorted_by_what_helps() {
        for (errno, kind, reason) in [
            (Errno::NOSPC, ErrorKind::Full, "no space left on device"),
            (Errno::DQUOT, ErrorKind::Full, "disk quota exceeded"),
            (Errno::FBIG, ErrorKind::Full, "file too large"),
            (Errno::ACCESS, ErrorKind::Permission, "permission denied"),
            (
                Errno::PERM,
                ErrorKind::Permission,
                "operation not permitted",
            ),
            (Errno::ROFS, ErrorKind::ReadOnly, "read-only file system"),
            (
                Errno::NOENT,
                ErrorKind::Missing,
                "no such file or directory",
            ),
            (Errno::NOTDIR, ErrorKind::Obstructed, "not a directory"),
            (Errno::ISDIR, ErrorKind::Obstructed, "is a directory"),
            (Errno::IO, ErrorKind::Other, "input/output error"),
        ] {
            let error = StorageError::new(Operation::Write, Path::new("d/name/f"), errno.into());
            assert_eq!(error.kind, kind, "{errno}");
            assert_eq!(
                error.to_string(),
                format!("cannot write d/name/f: {reason}")
            );
        }
    }
}
