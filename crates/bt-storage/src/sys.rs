//! The operating system: opening files below a root without ever following a link, and reading
//! and writing at positions.
//!
//! On unix every folder is opened relative to the one above it, with `O_NOFOLLOW`, so that not
//! even somebody who swaps folders for links while we run can lead us outside. Elsewhere the way
//! is looked at before it is walked, which leaves that race open.

use std::io;

#[cfg(any(not(unix), test))]
mod portable;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use portable::{
    CAN_HOLD, File, Folder, Held, Identity, Lock, device_of, is_unplugged, make_folders, modified,
    out_of_descriptors, remove_file, rename_file, sync_named_folder, thread_cpu_time,
    wants_writable,
};
#[cfg(unix)]
pub(crate) use unix::{
    CAN_HOLD, File, Folder, Held, Identity, Lock, device_of, is_unplugged, make_folders, modified,
    out_of_descriptors, remove_file, rename_file, sync_named_folder, thread_cpu_time,
    wants_writable,
};

/// What a file is opened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// It must exist.
    Read,
    /// It is created if missing, with its folders below the root; never cut. The program bit is
    /// set on creation only.
    Write { executable: bool },
    /// To be written to, but it must exist: it has before.
    Rewrite,
}

/// How a file or folder is held, against others who ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hold {
    /// With others who do the same.
    Shared,
    Alone,
}

/// Another holds it.
#[derive(Debug, thiserror::Error)]
#[error("another bt is using it")]
pub(crate) struct InUse;

/// Whether another holds what was to be held: no word of the system's means just that.
pub(crate) fn is_in_use(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<InUse>())
}

/// Names come sanitised from `bt-metainfo`; this is the last line before the file system.
fn check_name(name: &str) -> io::Result<()> {
    if matches!(name, "" | "." | "..") || name.contains(FORBIDDEN) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{name:?} is no name for a file"),
        ));
    }
    Ok(())
}

fn no_name() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "an empty path")
}

/// See `ErrorKind::of`.
fn link_in_the_way() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotADirectory,
        "a symbolic link is in the way",
    )
}

/// See `ErrorKind::of`.
fn name_taken() -> io::Error {
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        "something of its name is there already",
    )
}

/// See `ErrorKind::of`.
fn not_a_file() -> io::Error {
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        "something that is no regular file is in the way",
    )
}

#[cfg(unix)]
const FORBIDDEN: &[char] = &['/', '\0'];
#[cfg(not(unix))]
const FORBIDDEN: &[char] = &['/', '\0', '\\', ':'];

#[cfg(test)]
mod tests;
