//! Whether the disk is there on which the download lies.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Storage;
use crate::{
    Operation, StorageError,
    sys::{self, Access},
};

/// The device of the root when a file of the torrent was last seen below it.
///
/// It is looked at only while a storage lives: from one mount to the next such numbers change. If
/// they do, and the files are there, it is the same disk.
#[derive(Debug, Default)]
pub(super) struct Home {
    device: Mutex<Option<u64>>,
}

impl Home {
    fn lock(&self) -> MutexGuard<'_, Option<u64>> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage {
    /// Whether the folder is there that the user named, on the disk on which it was while files of
    /// the torrent were seen in it. What lies on a disk that is not mounted is not lost, and the empty
    /// folder on which it was mounted is not to be written to.
    #[must_use]
    pub fn has_home(&self) -> bool {
        let known = *self.home.lock();
        let device = sys::device_of(&self.root);
        device.is_ok_and(|device| known.is_none_or(|known| known == device))
    }

    /// Fails if the root lies on another disk than the files that were seen in it.
    pub(crate) fn check_home(&self, operation: Operation) -> Result<(), StorageError> {
        match self.is_away() {
            true => Err(StorageError::new(operation, &self.root, not_mounted())),
            false => Ok(()),
        }
    }

    /// Opens a file, but makes none on another disk than the others are on.
    pub(super) fn at_home(
        &self,
        access: Access,
        open: impl FnOnce() -> io::Result<sys::File>,
    ) -> io::Result<sys::File> {
        let may_be_new = matches!(access, Access::Write { .. });
        if may_be_new && self.is_away() {
            return Err(not_mounted());
        }
        let file = open()?;
        if let Ok(device) = sys::device_of(&self.root) {
            let known = &mut *self.home.lock();
            // A file that was there before tells that its disk is, whatever that is called now.
            if !may_be_new || known.is_none() {
                *known = Some(device);
            }
        }
        Ok(file)
    }

    /// What to say of a file that is not there.
    pub(super) fn explain_absence(&self, error: io::Error) -> io::Error {
        match self.is_away() {
            true => not_mounted(),
            false => error,
        }
    }

    /// Whether the root is there, but on another disk.
    fn is_away(&self) -> bool {
        let known = *self.home.lock();
        let device = sys::device_of(&self.root);
        known.is_some_and(|known| device.is_ok_and(|device| device != known))
    }
}

fn not_mounted() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "the disk on which it was is not mounted there",
    )
}

#[cfg(test)]
mod tests;
