use std::{fmt, path::PathBuf, sync::Arc, time::Instant};

use bt_storage::{ErrorKind, StorageError};

/// What to do about a disk that fails: one that is full or read-only, that cannot be read, or that
/// has gone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnDiskError {
    /// Wait, in [`State::DiskTrouble`](crate::State::DiskTrouble), and go on when it works again.
    #[default]
    Wait,
    /// End the torrent, in [`State::Failed`](crate::State::Failed).
    Fail,
}

/// Why a torrent waits for its disk. Prints as one line that says what is wrong and what to do.
///
/// What failed is tried again by and by. Meanwhile nothing is requested; what can be read is served.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DiskTrouble {
    /// What helps against it.
    pub kind: ErrorKind,
    /// The file or folder that failed first.
    pub path: PathBuf,
    /// Since when.
    pub since: Instant,
    message: String,
}

impl DiskTrouble {
    /// Begins now.
    pub(crate) fn new(now: Instant, error: &StorageError) -> Arc<Self> {
        Arc::new(Self {
            kind: error.kind,
            path: error.path.clone(),
            since: now,
            message: error.to_string(),
        })
    }

    /// The kind as machines read it.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            ErrorKind::Full => "full",
            ErrorKind::Permission => "permission",
            ErrorKind::ReadOnly => "read_only",
            ErrorKind::Missing => "missing",
            ErrorKind::Obstructed => "obstructed",
            ErrorKind::InUse => "in_use",
            _ => "other",
        }
    }
}

impl fmt::Display for DiskTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = match self.kind {
            ErrorKind::Full => "make room, and it goes on by itself",
            ErrorKind::Permission => "allow it, and it goes on by itself",
            ErrorKind::ReadOnly => "it goes on by itself when it can be written to",
            ErrorKind::Missing => "what is lost is fetched again, or waited for",
            ErrorKind::Obstructed => "move away what lies there, and it goes on by itself",
            ErrorKind::InUse => "it goes on by itself when the other has ended",
            _ => "it goes on by itself when the disk works again",
        };
        write!(f, "{}; {until}", self.message)
    }
}

#[cfg(test)]
impl DiskTrouble {
    pub(crate) fn full(path: &str) -> Self {
        Self {
            kind: ErrorKind::Full,
            path: path.into(),
            since: Instant::now(),
            message: format!("cannot write {path}: no space left on device"),
        }
    }
}
