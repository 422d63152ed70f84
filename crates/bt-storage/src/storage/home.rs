//! Whether the disk is there on which the download lies.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Storage;
use crate::{
    ErrorKind, Operation, StorageError,
    sys::{self, Access},
};

/// Where files of the torrent have been seen, and whether they have been out of sight.
#[derive(Debug, Default)]
pub(super) struct Home(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Of the root, when something of the torrent was seen in it.
    device: Option<u64>,
    /// Since the last time that somebody wanted to know.
    was_away: bool,
}

/// What is where the root was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Presence {
    /// The root; or what nothing has been seen in yet.
    There,
    /// Nothing.
    Gone,
    /// The folder on which the disk was mounted.
    Unmounted,
}

impl Home {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage {
    /// Whether the folder is there that the user named, on the disk on which files of the torrent were
    /// seen in it. What lies on a disk that is not mounted is not lost, and the empty folder on which
    /// it was mounted is not to be written to.
    #[must_use]
    pub fn has_home(&self) -> bool {
        self.look_for_home() == Presence::There
    }

    /// Whether such an error of a file means that what was in it is lost: not with a disk that is away.
    #[must_use]
    pub fn is_loss(&self, error: &StorageError) -> bool {
        error.kind == ErrorKind::Missing && self.has_home()
    }

    /// Fails if files of the torrent have been seen, and the disk on which they are is away.
    pub(crate) fn check_home(&self, operation: Operation) -> Result<(), StorageError> {
        let gone = match self.look_for_home() {
            Presence::There => return Ok(()),
            Presence::Gone if self.home.lock().device.is_none() => return Ok(()),
            Presence::Gone => gone(),
            Presence::Unmounted => not_mounted(),
        };
        // Nothing of ours is to keep it from being unmounted, and mounted again.
        self.close_files();
        self.let_go();
        Err(StorageError::new(operation, &self.root, gone))
    }

    /// Fails unless the root is there, on its disk.
    pub(crate) fn require_home(&self) -> Result<(), StorageError> {
        self.check_home(Operation::Read)?;
        match self.has_home() {
            true => Ok(()),
            false => Err(StorageError::new(Operation::Read, &self.root, gone())),
        }
    }

    /// Fails if the disk is away, or has been since somebody has
    /// [looked after that](Self::look_after_absence): nobody knows what of it has got to the medium.
    pub(crate) fn check_presence(&self) -> Result<(), StorageError> {
        self.check_home(Operation::Sync)?;
        match self.home.lock().was_away {
            true => {
                let away = io::Error::other("the disk was away");
                Err(StorageError::new(Operation::Sync, &self.root, away))
            }
            false => Ok(()),
        }
    }

    /// Looks whether something of the torrent is there, until it is known where.
    pub(super) fn note_home(&self) {
        let seen = &mut *self.home.lock();
        if seen.device.is_none() && self.is_anything_there() {
            seen.device = sys::device_of(&self.root).ok();
        }
    }

    /// A device has failed as one that was unplugged does.
    pub(super) fn note_absence(&self) {
        self.home.lock().was_away = true;
    }

    /// Whether the disk has been away since this was asked before: of somebody who sees to what comes
    /// of it.
    pub(crate) fn look_after_absence(&self) -> bool {
        std::mem::take(&mut self.home.lock().was_away)
    }

    /// Opens a file, but makes none where the disk is not on which the others are, or where another
    /// process has begun meanwhile.
    pub(super) fn at_home(
        &self,
        access: Access,
        open: impl FnOnce() -> io::Result<sys::File>,
    ) -> io::Result<sys::File> {
        let may_be_new = matches!(access, Access::Write { .. });
        if may_be_new && self.look_for_home() == Presence::Unmounted {
            return Err(not_mounted());
        }
        if access != Access::Read {
            self.hold_what_is_there()?;
        }
        let file = open()?;
        self.note_home();
        if may_be_new {
            // With its folder it may have been made just now.
            self.hold_what_is_there()?;
        }
        Ok(file)
    }

    pub(super) fn look_for_home(&self) -> Presence {
        let seen = &mut *self.home.lock();
        let presence = match (sys::device_of(&self.root), seen.device) {
            (Err(_), _) => Presence::Gone,
            (Ok(device), Some(known)) if device != known => {
                // Such numbers change from one mount to the next.
                seen.was_away = true;
                match self.is_mounted(device) {
                    true => {
                        seen.device = Some(device);
                        Presence::There
                    }
                    false => Presence::Unmounted,
                }
            }
            (Ok(_), _) => Presence::There,
        };
        seen.was_away |= seen.device.is_some() && presence != Presence::There;
        presence
    }

    /// Whether a root on another device is no folder on which a disk should be mounted: one is, or the
    /// torrent is there.
    fn is_mounted(&self, device: u64) -> bool {
        let above = sys::device_of(&self.root.join(".."));
        let is_mount_point = above.is_ok_and(|above| above != device);
        is_mount_point || self.is_anything_there()
    }

    fn is_anything_there(&self) -> bool {
        let is_there = |name: &String| self.root.join(name).symlink_metadata().is_ok();
        self.top_names().iter().any(is_there)
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the folder has gone")
}

pub(super) fn not_mounted() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "the disk on which it was is not mounted there",
    )
}

#[cfg(test)]
mod tests;
