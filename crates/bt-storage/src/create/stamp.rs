use std::{fs::Metadata, time::SystemTime};

/// What differs as soon as a file was written to, or another has taken its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Stamp {
    length: u64,
    /// When it was last written to, where the file system knows. Anybody can set it, and programs
    /// that copy and edit files do.
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: Inode,
}

#[cfg(unix)]
#[derive(Clone, Debug, Eq, PartialEq)]
struct Inode {
    device: u64,
    number: u64,
    /// When anything about it was changed, which nobody can set.
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(found: &Metadata) -> Self {
        Self {
            length: found.len(),
            modified: found.modified().ok(),
            #[cfg(unix)]
            inode: Inode::of(found),
        }
    }
}

#[cfg(unix)]
impl Inode {
    fn of(found: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            device: found.dev(),
            number: found.ino(),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}
