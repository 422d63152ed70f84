//! Keeping others from writing to the same data.

use std::{
    io,
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering},
};

use bt_types::FileIndex;

use super::Storage;
use crate::{
    Operation, StorageError,
    sys::{self, Access, Held, Hold},
};

/// That nobody else who asks uses a torrent's data, as long as this lives: no other process, whosever
/// it is and wherever it keeps its records, and no other torrent of the same name in the same folder.
///
/// It is a lock of the system (`flock`) on the torrent's folder, or on its file if it is a single one.
/// It ends with the process at the latest, is taken anew when the folder or file has been made anew,
/// and let go while the disk is away. Other programs do not ask. What is on a network disk is claimed
/// on this machine only, if at all: not on Windows, and not single files on SMB, where such a lock
/// would keep ourselves out.
#[derive(Debug)]
pub struct Claim {
    storage: Arc<Storage>,
}

/// What data is claimed for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Only to be read, by us and by others who only read it.
    Read,
    /// To be written to, by us alone.
    Write,
}

/// What a storage has of its claim.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    /// `None` if nobody has claimed it.
    purpose: Option<Purpose>,
    /// `None` while there is nothing that could be held.
    held: Option<Held>,
}

impl Storage {
    /// Claims the data. What is not there yet is claimed when it is made. One claim at a time: another
    /// is the same, and the first that is dropped ends both.
    ///
    /// # Errors
    /// With [`InUse`](crate::ErrorKind::InUse) if others use it. What is wrong with the disk is no
    /// error: it is told by who reads or writes.
    pub fn claim(self: &Arc<Self>, purpose: Purpose) -> Result<Claim, StorageError> {
        self.claimed().purpose = Some(purpose);
        let claim = Claim {
            storage: Arc::clone(self),
        };
        self.renew_claim()?;
        Ok(claim)
    }

    /// Has what is claimed held: what has been made since, or made anew, or was away. To be called when
    /// a disk works again. Nothing if nobody has claimed it.
    ///
    /// # Errors
    /// As of [`claim`](Self::claim).
    pub fn renew_claim(&self) -> Result<(), StorageError> {
        let held = self.hold_what_is_there();
        let held = held.and_then(|()| self.hold_single());
        held.map_err(|error| StorageError::new(Operation::Use, &self.root.join(self.name()), error))
    }

    /// Where the claim has nothing to hold on to any more a disk can be unmounted, and mounted again.
    pub(super) fn let_go(&self) {
        self.claimed().held = None;
    }

    /// Holds what is claimed, if it is there.
    pub(super) fn hold_what_is_there(&self) -> io::Result<()> {
        let claimed = &mut *self.claimed();
        let Some(purpose) = claimed.purpose else {
            return Ok(());
        };
        let names = self.top_names();
        let mut paths = names.iter().map(|name| self.root.join(name));
        if let Some(held) = &claimed.held
            && paths.any(|path| held.is_at(&path))
        {
            return Ok(());
        }
        claimed.held = None;
        // Renamed, or removed, between a look at it and the lock: then there is another to be held.
        for _ in 0..TRIES {
            let held = match self.hold(&names, purpose) {
                Ok(held) => held,
                // For the latter, others are closed.
                Err(error) if sys::is_in_use(&error) || sys::out_of_descriptors(&error) => {
                    return Err(error);
                }
                // Nothing is there, or the system cannot.
                Err(_) => return Ok(()),
            };
            if names.iter().any(|name| held.is_at(&self.root.join(name))) {
                claimed.held = Some(held);
                self.note_home();
                break;
            }
        }
        Ok(())
    }

    fn hold(&self, names: &[String], purpose: Purpose) -> io::Result<Held> {
        let hold = match purpose {
            Purpose::Read => Hold::Shared,
            Purpose::Write => Hold::Alone,
        };
        if !self.info.is_single_file() {
            return sys::Folder::open(&self.root, [self.name()])?.hold(hold);
        }
        let mut absent = io::ErrorKind::NotFound.into();
        for name in names {
            let open = |access| sys::File::open(&self.root, [name.as_str()], access);
            match open(Access::Read) {
                Ok(file) => {
                    return match file.hold(hold) {
                        // Network disks want it open for writing to be held alone.
                        Err(error) if sys::wants_writable(&error) => {
                            open(Access::Rewrite)?.hold(hold)
                        }
                        held => held,
                    };
                }
                Err(error) => absent = error,
            }
        }
        Err(absent)
    }

    /// A single file that is to be written to is made, to be held, once it is wanted.
    fn hold_single(&self) -> io::Result<()> {
        let claimed = self.claimed();
        let is_held = claimed.held.is_some() || claimed.purpose != Some(Purpose::Write);
        drop(claimed);
        let file = FileIndex(0);
        let is_to_be_made = sys::CAN_HOLD
            && !is_held
            && self.info.is_single_file()
            && self.is_prepared.load(Ordering::Relaxed)
            && self.has_home();
        // While it is read no name changes.
        let selection = self.selection();
        if !is_to_be_made || !selection.wants(file) {
            return Ok(());
        }
        // If it cannot be, who writes to it hears of it.
        let access = self.to_write(file);
        match self.pool.open(|| self.open_uncached(file, access)) {
            Ok(_) => self.hold_what_is_there(),
            Err(_) => Ok(()),
        }
    }

    fn claimed(&self) -> MutexGuard<'_, Claimed> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        *self.storage.claimed() = Claimed::default();
    }
}

/// Names change once or twice, at the end.
const TRIES: usize = 3;

#[cfg(test)]
mod tests;
