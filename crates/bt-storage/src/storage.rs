mod looking;

use std::{
    fmt, fs,
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bt_metainfo::{FileKind, Info};
use bt_types::{Block, FileIndex, FileSlice, PieceIndex, PieceLayout};

use crate::{
    FilePool, Operation, StorageError,
    hash_time::HashTime,
    pool::{Handle, StorageId},
    resume::{FileStamp, Keeper},
    runs::runs,
    sys::{self, Access},
};

/// The files of one torrent below one folder, seen as pieces.
///
/// May be used by many threads at once. Bytes of one piece should be written by one of them only;
/// [`DiskPool`](crate::disk::DiskPool) sees to that.
///
/// What it never does: follow a link below its root, cut a file, write outside the torrent's own
/// byte ranges, reserve space in advance.
pub struct Storage {
    root: PathBuf,
    info: Arc<Info>,
    pool: Arc<FilePool>,
    id: StorageId,
    has_pads: bool,
    /// Of each file, whether it has been seen to exist: then it is not made again unasked when it has
    /// gone, as it was not empty.
    seen: Box<[AtomicBool]>,
    /// Folders and empty files have been made.
    is_prepared: AtomicBool,
    hash_time: HashTime,
    keeper: OnceLock<Arc<Keeper>>,
}

impl Storage {
    /// The torrent `info` in the folder `root`, which need not exist yet. Performs no I/O.
    #[must_use]
    pub fn new(root: PathBuf, info: Arc<Info>, pool: Arc<FilePool>) -> Self {
        let has_pads = info.files().iter().any(|file| file.kind == FileKind::Pad);
        Self {
            root,
            id: pool.register(),
            seen: info
                .files()
                .iter()
                .map(|_| AtomicBool::new(false))
                .collect(),
            info,
            pool,
            has_pads,
            is_prepared: AtomicBool::new(false),
            hash_time: HashTime::default(),
            keeper: OnceLock::new(),
        }
    }

    /// What the torrent consists of.
    #[must_use]
    pub fn info(&self) -> &Arc<Info> {
        &self.info
    }

    /// Where its pieces lie.
    #[must_use]
    pub fn layout(&self) -> &PieceLayout {
        self.info.layout()
    }

    /// The folder that holds the torrent's file, or the folder with its files.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where `file` lies, whether or not it exists.
    ///
    /// # Panics
    /// If there is no such file.
    #[must_use]
    pub fn path_of(&self, file: FileIndex) -> PathBuf {
        let mut path = self.root.clone();
        path.extend(self.info.file(file).path.components());
        path
    }

    /// The files that hold bytes of `piece`, in order, pad files left out.
    pub fn files_of(&self, piece: PieceIndex) -> impl Iterator<Item = FileIndex> + '_ {
        let slices = self.slices_of(piece);
        slices.filter(|slice| !slice.is_pad).map(|slice| slice.file)
    }

    /// Makes the root, the folders and the empty files. The other files are made when something
    /// is written to them. What exists already is left as it is, so that a complete download on a
    /// read-only disk can be prepared too.
    ///
    /// Symbolic links of a torrent (BEP 47) are not made.
    ///
    /// # Errors
    /// At the first folder or file that cannot be made.
    pub fn prepare(&self) -> Result<(), StorageError> {
        fs::create_dir_all(&self.root)
            .map_err(|error| StorageError::new(Operation::Create, &self.root, error))?;
        self.is_prepared.store(true, Ordering::Relaxed);
        self.make_folders_and_empty_files()
    }

    /// Makes again what [`prepare`](Self::prepare) has made, if it has; but not the root: a disk that
    /// is not mounted is not written around.
    pub(crate) fn restore(&self) -> Result<(), StorageError> {
        match self.is_prepared.load(Ordering::Relaxed) && self.root.is_dir() {
            true => self.make_folders_and_empty_files(),
            false => Ok(()),
        }
    }

    fn make_folders_and_empty_files(&self) -> Result<(), StorageError> {
        let mut made: Vec<&str> = Vec::new();
        for (index, file) in self.info.files().iter().enumerate() {
            if file.kind != FileKind::Data {
                continue;
            }
            let index = FileIndex(index as u32);
            let mut folders: Vec<&str> = file.path.components().collect();
            folders.pop();
            // Neighbours mostly share their folder.
            if folders != made {
                sys::make_folders(&self.root, folders.iter().copied())
                    .map_err(|error| self.error(Operation::Create, index, error))?;
                made = folders;
            }
            if file.length == 0 {
                self.make_empty(index)
                    .map_err(|error| self.error(Operation::Create, index, error))?;
            }
        }
        Ok(())
    }

    /// Writes blocks of one piece to their places, with as few calls as can be: neighbours in one
    /// file together, if `blocks` (begin and bytes) are in ascending order. Padding is skipped.
    ///
    /// # Errors
    /// At the first file that fails; what comes before it has been written. With
    /// [`Missing`](crate::ErrorKind::Missing), once, if a file has gone that was there before, and
    /// with it what was in it: the next write makes it anew.
    ///
    /// # Panics
    /// If a block reaches beyond its piece.
    pub fn write(&self, piece: PieceIndex, blocks: &[(u32, &[u8])]) -> Result<(), StorageError> {
        self.write_gathered(piece, blocks, Gathered::new(self))
            .map(drop)
    }

    /// Fills `buf` with `block`. Padding reads as zeros.
    ///
    /// # Errors
    /// [`Missing`](crate::ErrorKind::Missing) if a file is not there or too short.
    ///
    /// # Panics
    /// If `buf` has not the length of the block, or the block is not within a piece of this
    /// torrent (see [`PieceLayout::check_range`]).
    pub fn read(&self, block: Block, buf: &mut [u8]) -> Result<(), StorageError> {
        assert_eq!(buf.len(), block.length as usize, "a buffer for {block}");
        let slices = self.layout().slices(block.piece, block.begin, block.length);
        self.read_slices(slices, buf)
    }

    /// The CPU time that threads have spent hashing this torrent's pieces so far, in checks and in a
    /// [`DiskPool`](crate::disk::DiskPool): what is left of their time went into reading and
    /// writing. Zero where the system does not tell (all but unix).
    #[must_use]
    pub fn hash_cpu_time(&self) -> Duration {
        self.hash_time.total()
    }

    /// Has a keeper note what a [`DiskPool`](crate::disk::DiskPool) writes from now on. There is one
    /// at most: another is not taken.
    pub fn set_keeper(&self, keeper: Arc<Keeper>) {
        let _ = self.keeper.set(keeper);
    }

    /// Closes this torrent's files: before they are moved, or when somebody else may have put
    /// other files in their places. They are opened again when needed.
    pub fn close_files(&self) {
        self.pool.close(self.id);
    }

    /// Writes as [`write`](Self::write) does, and tells how the files look then; those that were
    /// written to, that is.
    pub(crate) fn write_and_look(
        &self,
        piece: PieceIndex,
        blocks: &[(u32, &[u8])],
    ) -> Result<Vec<FileStamp>, StorageError> {
        let mut gathered = Gathered::new(self);
        gathered.stamps = Some(Vec::new());
        self.write_gathered(piece, blocks, gathered)
    }

    /// Who notes what is written, if anybody.
    pub(crate) fn keeper(&self) -> Option<&Arc<Keeper>> {
        self.keeper.get()
    }

    fn write_gathered<'a>(
        &'a self,
        piece: PieceIndex,
        blocks: &[(u32, &'a [u8])],
        mut gathered: Gathered<'a>,
    ) -> Result<Vec<FileStamp>, StorageError> {
        let piece_length = self.layout().piece_length(piece) as usize;
        for &(begin, bytes) in blocks {
            assert!(
                begin as usize + bytes.len() <= piece_length,
                "{} bytes at {begin} of a piece of {piece_length}",
                bytes.len()
            );
            let mut rest = bytes;
            let length = bytes.len() as u32;
            for slice in self.layout().slices(piece, begin, length) {
                let (part, after) = rest.split_at(slice.length as usize);
                rest = after;
                if !slice.is_pad && !part.is_empty() {
                    gathered.push(slice, part)?;
                }
            }
        }
        gathered.write()?;
        Ok(gathered.stamps.unwrap_or_default())
    }

    /// Reads `slices`, one behind the other, into `buf`, which is exactly as long as they are.
    pub(crate) fn read_slices(
        &self,
        slices: impl Iterator<Item = FileSlice>,
        mut buf: &mut [u8],
    ) -> Result<(), StorageError> {
        for run in runs(slices) {
            let (part, rest) = buf.split_at_mut(run.length);
            buf = rest;
            if run.is_pad {
                part.fill(0);
                continue;
            }
            self.open(run.file, Access::Read)
                .and_then(|file| file.read_exact_at(part, run.offset))
                .map_err(|error| self.error(Operation::Read, run.file, error))?;
        }
        assert!(buf.is_empty(), "a range beyond the end of its piece");
        Ok(())
    }

    /// The bytes that `file` has on disk now; 0 if it is missing.
    pub(crate) fn length_on_disk(&self, file: FileIndex) -> Result<u64, StorageError> {
        let length = self.open(file, Access::Read).and_then(|file| file.len());
        match length {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            length => length.map_err(|error| self.error(Operation::Read, file, error)),
        }
    }

    /// Where the time that is spent hashing is to be counted.
    pub(crate) fn hash_time(&self) -> &HashTime {
        &self.hash_time
    }

    /// All of `piece`, padding included.
    pub(crate) fn slices_of(&self, piece: PieceIndex) -> impl Iterator<Item = FileSlice> + '_ {
        let layout = self.layout();
        layout.slices(piece, 0, layout.piece_length(piece))
    }

    /// Makes `block`'s bytes what a later read will give: where the layout has padding there are
    /// zeros, whatever a peer sent.
    pub(crate) fn clear_padding(&self, piece: PieceIndex, begin: u32, block: &mut [u8]) {
        if !self.has_pads {
            return;
        }
        let mut rest = block;
        let length = rest.len() as u32;
        for slice in self.layout().slices(piece, begin, length) {
            let (part, after) = rest.split_at_mut(slice.length as usize);
            rest = after;
            if slice.is_pad {
                part.fill(0);
            }
        }
    }

    fn make_empty(&self, file: FileIndex) -> io::Result<()> {
        match self.pool.open(|| self.open_uncached(file, Access::Read)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let access = self.to_write(file);
                self.pool
                    .open(|| self.open_uncached(file, access))
                    .map(drop)
            }
            exists => exists.map(drop),
        }
    }

    fn open(&self, file: FileIndex, access: Access) -> io::Result<Arc<Handle>> {
        let seen = &self.seen[file.0 as usize];
        let access = match access {
            Access::Write { .. } if seen.load(Ordering::Relaxed) => Access::Rewrite,
            access => access,
        };
        let open = || self.open_uncached(file, access);
        let opened = self.pool.file((self.id, file.0), access, open);
        match &opened {
            Ok(_) => seen.store(true, Ordering::Relaxed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                seen.store(false, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        opened
    }

    fn open_uncached(&self, file: FileIndex, access: Access) -> io::Result<sys::File> {
        sys::File::open(&self.root, self.info.file(file).path.components(), access)
    }

    fn to_write(&self, file: FileIndex) -> Access {
        Access::Write {
            executable: self.info.file(file).executable,
        }
    }

    fn error(&self, operation: Operation, file: FileIndex, source: io::Error) -> StorageError {
        // Of a disk that has been away, what is open never works again.
        self.close_files();
        StorageError::new(operation, &self.path_of(file), source)
    }
}

/// Closes its files.
impl Drop for Storage {
    fn drop(&mut self) {
        self.close_files();
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.info.name();
        write!(f, "Storage({name:?} in {})", self.root.display())
    }
}

/// Bytes that go to one place of one file, gathered until something else comes.
struct Gathered<'a> {
    storage: &'a Storage,
    file: FileIndex,
    start: u64,
    end: u64,
    /// None of them is empty; `end - start` bytes together.
    parts: Vec<IoSlice<'a>>,
    /// How the files look after the last write to each, if that is wanted.
    stamps: Option<Vec<FileStamp>>,
}

impl<'a> Gathered<'a> {
    fn new(storage: &'a Storage) -> Self {
        Self {
            storage,
            file: FileIndex(0),
            start: 0,
            end: 0,
            parts: Vec::new(),
            stamps: None,
        }
    }

    fn push(&mut self, slice: FileSlice, part: &'a [u8]) -> Result<(), StorageError> {
        if (slice.file, slice.offset) != (self.file, self.end) {
            self.write()?;
            self.file = slice.file;
            self.start = slice.offset;
        }
        self.end = slice.offset + u64::from(slice.length);
        self.parts.push(IoSlice::new(part));
        Ok(())
    }

    fn write(&mut self) -> Result<(), StorageError> {
        if self.parts.is_empty() {
            return Ok(());
        }
        let written = self
            .storage
            .open(self.file, self.storage.to_write(self.file))
            .and_then(|file| {
                let wants_stamp = self.stamps.is_some();
                file.write_all_at(&mut self.parts, self.start, wants_stamp)
            });
        self.parts.clear();
        let stamp =
            written.map_err(|error| self.storage.error(Operation::Write, self.file, error))?;
        if let (Some(stamps), Some(stamp)) = (&mut self.stamps, stamp) {
            stamps.retain(|(file, _)| *file != self.file);
            stamps.push((self.file, stamp));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
