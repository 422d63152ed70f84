//! Keeping others from writing to the same data.

use std::{io, path::PathBuf, sync::atomic::Ordering};

use bt_types::FileIndex;

use super::Storage;
use crate::sys::{self, Access, Held, Hold};

/// That nobody else who asks uses a torrent's data, as long as this lives: neither another torrent
/// of the same name in the same folder, nor another process, whosever it is.
///
/// It is a lock of the system (`flock`) on the torrent's folder, or on its file if it is a single
/// one, and ends with the process at the latest. Other programs do not ask.
#[derive(Debug)]
pub struct Claim {
    _held: Held,
}

/// What data is claimed for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Only to be read, by us and by others who only read it.
    Read,
    /// To be written to, by us alone.
    Write,
}

/// Somebody else uses the same data.
#[derive(Debug, thiserror::Error)]
#[error("{} is in use by another bt", .path.display())]
pub struct InUse {
    /// The torrent's folder, or its file if it is a single one.
    pub path: PathBuf,
}

impl Storage {
    /// Claims the data; `None` if nothing is there to be claimed yet, or the system cannot (all but
    /// unix, and some network disks). After [`prepare`](Self::prepare) or
    /// [`set_selection`](Self::set_selection) there is something: a single file that is wanted is made
    /// now, if it is to be written to.
    ///
    /// # Errors
    /// If others use it.
    pub fn claim(&self, purpose: Purpose) -> Result<Option<Claim>, InUse> {
        let hold = match purpose {
            Purpose::Read => Hold::Shared,
            Purpose::Write => Hold::Alone,
        };
        match self.hold(purpose, hold) {
            Ok(held) => Ok(Some(Claim { _held: held })),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let path = self.root.join(self.info.name());
                Err(InUse { path })
            }
            // What is wrong with the disk is told by whoever reads or writes.
            Err(_) => Ok(None),
        }
    }

    fn hold(&self, purpose: Purpose, hold: Hold) -> io::Result<Held> {
        let Some(first) = self.info.files().first() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut components = first.path.components();
        match (components.next(), components.next()) {
            (Some(folder), Some(_)) => sys::Folder::open(&self.root, [folder])?.hold(hold),
            _ => self.open_single(purpose)?.hold(hold),
        }
    }

    /// Network disks want a file open for writing that is held alone.
    fn open_single(&self, purpose: Purpose) -> io::Result<sys::File> {
        let file = FileIndex(0);
        let open = |access| self.pool.open(|| self.open_uncached(file, access));
        if purpose == Purpose::Read {
            return open(Access::Read);
        }
        match open(Access::Rewrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let is_prepared = self.is_prepared.load(Ordering::Relaxed);
                match is_prepared && self.selection().wants(file) {
                    true => open(self.to_write(file)),
                    false => Err(error),
                }
            }
            // Nothing will be written to what is complete.
            Err(error) if is_refused(&error) => open(Access::Read),
            opened => opened,
        }
    }
}

fn is_refused(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::{FilePool, testing::World};
    use Purpose::{Read, Write};

    #[test]
    fn a_folder_is_written_to_by_one_or_read_by_many() {
        let world = World::new(64, &[("a", 200, ""), ("b", 10, "")]);
        let other = world.unopened();
        assert!(
            world.storage.claim(Write).unwrap().is_none(),
            "nothing is there"
        );
        world.storage.prepare().unwrap();
        let claim = world.storage.claim(Write).unwrap();
        assert!(claim.is_some());
        for purpose in [Read, Write] {
            let in_use = other.claim(purpose).unwrap_err();
            assert_eq!(in_use.path, world.path("t"));
        }
        drop(claim);
        let readers = (
            world.storage.claim(Read).unwrap(),
            other.claim(Read).unwrap(),
        );
        assert!(readers.0.is_some() && readers.1.is_some());
        assert!(other.claim(Write).is_err(), "somebody reads");
        drop(readers);
        assert!(other.claim(Write).unwrap().is_some());
    }

    #[test]
    fn a_single_file_is_claimed_under_each_of_its_names() {
        let world = World::single(64, 200);
        let open = || {
            Storage::new(
                world.folder.path().into(),
                world.info.clone(),
                FilePool::new(4).into(),
            )
        };
        let writer = open().with_part_names();
        writer.find().unwrap();
        assert!(
            writer.claim(Write).unwrap().is_none(),
            "nothing is made before it is wanted"
        );
        assert!(!world.path("t.part").exists());
        writer.prepare().unwrap();
        let claim = writer.claim(Write).unwrap();
        assert!(claim.is_some() && world.path("t.part").exists());
        let other = open();
        other.find().unwrap();
        assert!(other.claim(Write).is_err());
        for piece in world.storage.layout().pieces() {
            writer
                .write(piece, &[(0, &world.pieces[piece.as_usize()])])
                .unwrap();
        }
        let all = bt_types::Bitfield::full(4);
        writer.set_verified(&all).unwrap();
        assert!(world.path("t").exists());
        let other = open();
        other.find().unwrap();
        assert!(other.claim(Read).is_err());
        drop(claim);
        assert!(other.claim(Read).unwrap().is_some());
    }

    #[test]
    fn what_is_complete_and_cannot_be_written_to_can_be_claimed() {
        use std::os::unix::fs::PermissionsExt;
        let world = World::single(64, 200);
        world.fill();
        let read_only = std::fs::Permissions::from_mode(0o444);
        std::fs::set_permissions(world.path("t"), read_only).unwrap();
        assert!(world.storage.claim(Write).unwrap().is_some());
    }
}
