use std::{io, path::Path};

use crate::sys;

/// What one process at a time has, and in it one value, as long as that lives; any number on systems
/// that are neither unix nor Windows. The system frees it when a process dies.
#[derive(Debug)]
pub struct Lock {
    _held: sys::Lock,
}

impl Lock {
    /// Takes what the file at `path` stands for, which is made if it is not there and means nothing
    /// by itself. `None` if another has it.
    ///
    /// # Errors
    /// If the file cannot be made or opened. A file system that knows no locks is used without.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        let taken = sys::Lock::take(path)?;
        Ok(taken.map(|held| Self { _held: held }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let take = || Lock::take(&folder.path().join("lock")).unwrap();
        let held = take().unwrap();
        assert!(take().is_none());
        drop(held);
        assert!(take().is_some());
        assert!(Lock::take(&folder.path().join("nowhere/lock")).is_err());
    }
}
