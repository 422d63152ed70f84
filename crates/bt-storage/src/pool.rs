use std::{
    fmt,
    io::{self, IoSlice},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    faults::{Call, Faults, Outcome},
    resume::Stamp,
    sys::{self, Access, Identity},
};

mod lru;

use lru::Lru;

/// The open files of all torrents: as many as fit, those used last.
///
/// One pool serves many [`Storage`](crate::Storage)s and threads. No lock is held while the
/// operating system works, so a file that is used while it falls out of the pool stays open until
/// its user is done: up to one file a thread more than [`new`](Self::new) says.
pub struct FilePool {
    open: Mutex<Lru<Key, Arc<Handle>>>,
    next_storage: AtomicU64,
    faults: Option<Arc<dyn Faults>>,
}

/// Which file of which storage.
pub(crate) type Key = (StorageId, u32);

/// Tells the storages of one pool apart.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct StorageId(u64);

impl FilePool {
    /// A good size for a client: below every system's limit on open files (1024 or 256 are
    /// common), and more than the disk serves at a time.
    pub const DEFAULT_MAX_OPEN: usize = 128;

    /// A pool that keeps `max_open` files open, but at least one.
    #[must_use]
    pub fn new(max_open: usize) -> Self {
        Self {
            open: Mutex::new(Lru::new(max_open.max(1))),
            next_storage: AtomicU64::new(0),
            faults: None,
        }
    }

    /// A pool whose disk fails as `faults` say.
    #[doc(hidden)]
    #[must_use]
    pub fn with_faults(max_open: usize, faults: impl Faults + 'static) -> Self {
        Self {
            faults: Some(Arc::new(faults)),
            ..Self::new(max_open)
        }
    }

    /// How many files are open now.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn register(&self) -> StorageId {
        StorageId(self.next_storage.fetch_add(1, Ordering::Relaxed))
    }

    /// The file `key`, opened by `open` if it is not open yet, or not for writing when it should.
    ///
    /// Fails once with `NotFound` if it is open and has been removed meanwhile, or is to be written
    /// to and does not lie at `place` any more. What is read is right wherever it lies.
    pub(crate) fn file(
        &self,
        key: Key,
        access: Access,
        place: impl FnOnce() -> PathBuf,
        open: impl Fn() -> io::Result<sys::File>,
    ) -> io::Result<Arc<Handle>> {
        let writable = access != Access::Read;
        let known = self.lock().get(&key).cloned();
        if let Some(reason) = known.as_ref().and_then(|handle| handle.why_lost(writable)) {
            let lost = self.lock().remove_where(|other| *other == key);
            drop(lost); // see below
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }
        if let Some(handle) = known.filter(|handle| handle.writable || !writable) {
            return Ok(handle);
        }
        let file = self.open(open)?;
        let home = writable.then(place);
        let home = home.and_then(|path| Some((file.identity_at(&path)?, path)));
        let opened = Arc::new(Handle {
            file,
            writable,
            home,
            writing: Mutex::new(()),
            faults: self.faults.clone(),
        });
        let mut files = self.lock();
        // Another thread may have opened it meanwhile, and for more than we did.
        let better = files.get(&key).filter(|other| other.writable && !writable);
        if let Some(better) = better {
            return Ok(Arc::clone(better));
        }
        let closed = files.insert(key, Arc::clone(&opened));
        drop(files);
        drop(closed); // closing may take long on a network disk: not under the lock
        Ok(opened)
    }

    /// Opens a file; when the system has no descriptor left, closes our oldest and tries again.
    pub(crate) fn open(&self, open: impl Fn() -> io::Result<sys::File>) -> io::Result<sys::File> {
        loop {
            let opened = match decide(self.faults.as_ref(), Call::Open, 0) {
                Outcome::Fail(error) => Err(error),
                _ => open(),
            };
            match opened {
                Err(error) if sys::out_of_descriptors(&error) => {
                    let oldest = self.lock().remove_oldest();
                    if oldest.is_none() {
                        return Err(error);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                opened => return opened,
            }
        }
    }

    /// Closes the files of one storage.
    pub(crate) fn close(&self, storage: StorageId) {
        let closed = self.lock().remove_where(|(owner, _)| *owner == storage);
        drop(closed); // see `file`
    }

    /// Closes one file.
    pub(crate) fn close_file(&self, key: Key) {
        let closed = self.lock().remove_where(|other| *other == key);
        drop(closed);
    }

    /// Syncs what is no file of the pool.
    pub(crate) fn sync(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match decide(self.faults.as_ref(), Call::Sync, 0) {
            Outcome::Fail(error) => Err(error),
            _ => sync(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lru<Key, Arc<Handle>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FilePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FilePool({} open)", self.open_count())
    }
}

/// An open file. Its methods move all bytes, however few the system takes at a time.
pub(crate) struct Handle {
    file: sys::File,
    writable: bool,
    /// If it is written to, where it lies: unless the system does not tell that it is the one there, as
    /// there may be file systems that cannot.
    home: Option<(Identity, PathBuf)>,
    /// Systems let one write at a time into a file, and Linux has the others spin meanwhile: that
    /// cost more than the hashing of what they wrote. Here they sleep.
    writing: Mutex<()>,
    faults: Option<Arc<dyn Faults>>,
}

impl Handle {
    /// Why it is not the file of its name any more, if it is not.
    fn why_lost(&self, to_write: bool) -> Option<&'static str> {
        match &self.home {
            Some((identity, path)) if to_write => {
                let is_there = identity.is_at(path);
                (!is_there).then_some("the file has been removed, moved away or replaced")
            }
            _ => {
                let is_removed = self.file.is_removed();
                is_removed.then_some("the file has been removed")
            }
        }
    }

    /// The size in bytes.
    pub(crate) fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    /// Waits until all that was written is on the medium.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match decide(self.faults.as_ref(), Call::Sync, 0) {
            Outcome::Fail(error) => Err(error),
            _ => self.file.sync(),
        }
    }

    /// Fills `buf` from `offset` on; `UnexpectedEof` if the file ends before.
    pub(crate) fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read_some(buf, offset) {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the file is too short",
                    ));
                }
                Ok(count) => {
                    buf = &mut buf[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes the bytes of all of `bufs`, none of them empty, from `offset` on; if `wants_stamp`,
    /// tells how the file looks then.
    pub(crate) fn write_all_at(
        &self,
        mut bufs: &mut [IoSlice<'_>],
        mut offset: u64,
        wants_stamp: bool,
    ) -> io::Result<Option<Stamp>> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        while !bufs.is_empty() {
            match self.write_some(&bufs[..bufs.len().min(MAX_BUFFERS)], offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    IoSlice::advance_slices(&mut bufs, count);
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        wants_stamp.then(|| self.file.stamp()).transpose()
    }

    fn read_some(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = buf.len();
        match decide(self.faults.as_ref(), Call::Read, length) {
            Outcome::Proceed => self.file.read_at(buf, offset),
            Outcome::Short(bytes) => self.file.read_at(&mut buf[..bytes.min(length)], offset),
            Outcome::Fail(error) => Err(error),
        }
    }

    fn write_some(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let Some(faults) = &self.faults else {
            return self.file.write_at(bufs, offset);
        };
        match faults.before(Call::Write, bufs.iter().map(|buf| buf.len()).sum()) {
            Outcome::Proceed => self.file.write_at(bufs, offset),
            Outcome::Short(0) => Ok(0),
            Outcome::Short(bytes) => {
                let mut left = bytes;
                let cut = bufs.iter().map_while(|buf| {
                    let part = &buf[..buf.len().min(left)];
                    left -= part.len();
                    (!part.is_empty()).then(|| IoSlice::new(part))
                });
                self.file.write_at(&cut.collect::<Vec<_>>(), offset)
            }
            Outcome::Fail(error) => Err(error),
        }
    }
}

fn decide(faults: Option<&Arc<dyn Faults>>, call: Call, bytes: usize) -> Outcome {
    faults.map_or(Outcome::Proceed, |faults| faults.before(call, bytes))
}

/// `IOV_MAX` of Linux, the BSDs and macOS.
const MAX_BUFFERS: usize = 1024;

#[cfg(test)]
mod tests;
