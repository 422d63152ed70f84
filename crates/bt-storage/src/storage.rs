mod choosing;
mod claim;
mod home;
mod looking;
mod naming;
mod places;
mod writing;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bt_metainfo::{FileKind, Info};
use bt_types::{Block, FileIndex, FileSlice, PieceIndex, PieceLayout, Selection};

use crate::{
    FilePool, Operation, StorageError,
    hash_time::HashTime,
    part_file::{self, PartFile},
    pool::{Handle, StorageId},
    resume::Keeper,
    runs::runs,
    sys::{self, Access},
};
use claim::Claimed;
use home::{Home, Presence};
use naming::Names;
use writing::Gathered;

pub use claim::{Claim, Purpose};

/// The files of one torrent below one folder, seen as pieces.
///
/// May be used by many threads at once. Bytes of one piece should be written by one of them only;
/// [`DiskPool`](crate::disk::DiskPool) sees to that.
///
/// Files that are [not wanted](Self::set_selection) are neither made nor written to: what pieces that
/// are wanted in part have of them goes into a [part file](Self::part_file) beside the download.
///
/// What it never does: follow a link below its root, cut a file, write outside the torrent's own
/// byte ranges, reserve space in advance.
pub struct Storage {
    root: PathBuf,
    info: Arc<Info>,
    pool: Arc<FilePool>,
    id: StorageId,
    has_pads: bool,
    /// Of each file, and last of the part file, whether it has been seen to exist: then it is not made
    /// again unasked when it has gone, as it was not empty.
    seen: Box<[AtomicBool]>,
    /// Folders and empty files have been made.
    is_prepared: AtomicBool,
    hash_time: HashTime,
    keeper: OnceLock<Arc<Keeper>>,
    /// What is wanted. Read by whoever reads or writes, for as long as that takes; written by who
    /// moves bytes or files to other places.
    selection: RwLock<Selection>,
    part_file: PartFile,
    names: Names,
    home: Home,
    claimed: Mutex<Claimed>,
}

impl Storage {
    /// The torrent `info` in the folder `root`, which need not exist yet. Performs no I/O.
    #[must_use]
    pub fn new(root: PathBuf, info: Arc<Info>, pool: Arc<FilePool>) -> Self {
        let has_pads = info.files().iter().any(|file| file.kind == FileKind::Pad);
        Self {
            root,
            id: pool.register(),
            seen: (0..=info.files().len())
                .map(|_| AtomicBool::new(false))
                .collect(),
            part_file: PartFile::new(&info),
            names: Names::new(&info),
            home: Home::default(),
            claimed: Mutex::default(),
            info,
            pool,
            has_pads,
            is_prepared: AtomicBool::new(false),
            hash_time: HashTime::default(),
            keeper: OnceLock::new(),
            selection: RwLock::default(),
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

    /// Where `file` lies when it is complete, whether or not it exists.
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
    pub fn files_of(&self, piece: PieceIndex) -> impl Iterator<Item = FileIndex> + Clone + '_ {
        let slices = self.slices_of(piece);
        slices.filter(|slice| !slice.is_pad).map(|slice| slice.file)
    }

    /// Makes the root, and the folders and the empty files that are wanted. The other files are made
    /// when something is written to them. What exists already is left as it is, so that a complete
    /// download on a read-only disk can be prepared too.
    ///
    /// Symbolic links of a torrent (BEP 47) are not made.
    ///
    /// # Errors
    /// At the first folder or file that cannot be made.
    pub fn prepare(&self) -> Result<(), StorageError> {
        let selection = self.selection().clone();
        self.set_selection(&selection)
    }

    /// Makes again what [`prepare`](Self::prepare) has made, if it has; but not the root: a disk that
    /// is not mounted is not written around.
    pub(crate) fn restore(&self) -> Result<(), StorageError> {
        match self.is_prepared.load(Ordering::Relaxed) && self.has_home() {
            true => self.make_places(&self.selection()),
            false => Ok(()),
        }
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
        let selection = self.selection();
        let places = self.places(&selection, block.piece, block.begin, block.length);
        self.read_places(places, buf)
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

    /// Who notes what is written, if anybody.
    pub(crate) fn keeper(&self) -> Option<&Arc<Keeper>> {
        self.keeper.get()
    }

    /// Reads whole pieces, one behind the other, into `buf`, which is exactly as long as they are.
    pub(crate) fn read_pieces(
        &self,
        pieces: &[PieceIndex],
        buf: &mut [u8],
    ) -> Result<(), StorageError> {
        let selection = self.selection();
        let places = pieces
            .iter()
            .flat_map(|&piece| self.places_of(&selection, piece));
        self.read_places(places, buf)
    }

    /// The first file of `piece` whose bytes are not there, by how long files are: the part file, too.
    pub(crate) fn find_short(
        &self,
        piece: PieceIndex,
        mut length_of: impl FnMut(FileIndex) -> Result<u64, StorageError>,
    ) -> Result<Option<FileIndex>, StorageError> {
        let selection = self.selection();
        let places = self.places_of(&selection, piece);
        for (slice, place) in self.slices_of(piece).zip(places) {
            if !place.is_pad && length_of(place.file)? < place.offset + u64::from(place.length) {
                return Ok(Some(slice.file));
            }
        }
        Ok(None)
    }

    fn read_places(
        &self,
        places: impl Iterator<Item = FileSlice>,
        mut buf: &mut [u8],
    ) -> Result<(), StorageError> {
        for run in runs(places) {
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
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Nothing is missing of a disk that is away.
                self.check_home(Operation::Read).map(|()| 0)
            }
            length => length.map_err(|error| self.error(Operation::Read, file, error)),
        }
    }

    pub(crate) fn parts(&self) -> &PartFile {
        &self.part_file
    }

    /// Where the time that is spent hashing is to be counted.
    pub(crate) fn hash_time(&self) -> &HashTime {
        &self.hash_time
    }

    /// All of `piece`, padding included.
    pub(crate) fn slices_of(
        &self,
        piece: PieceIndex,
    ) -> impl Iterator<Item = FileSlice> + Clone + '_ {
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

    fn open(&self, file: FileIndex, access: Access) -> io::Result<Arc<Handle>> {
        let seen = self.seen(file);
        let access = match access {
            Access::Write { .. } if seen.load(Ordering::Relaxed) => Access::Rewrite,
            access => access,
        };
        let place = || self.present_path(file);
        let open = || self.open_uncached(file, access);
        let opened = self.pool.file((self.id, file.0), access, place, open);
        match opened {
            Ok(_) => seen.store(true, Ordering::Relaxed),
            Err(ref error) if error.kind() == io::ErrorKind::NotFound => {
                match self.look_for_home() {
                    Presence::There => {
                        let was_seen = seen.swap(false, Ordering::Relaxed);
                        if was_seen && file == part_file::FILE {
                            self.part_file.gone();
                        }
                    }
                    // It is not lost with a disk that is away.
                    Presence::Gone => {}
                    Presence::Unmounted => return Err(home::not_mounted()),
                }
            }
            Err(_) => {}
        }
        opened
    }

    fn seen(&self, file: FileIndex) -> &AtomicBool {
        &self.seen[(file.0 as usize).min(self.info.files().len())]
    }

    fn open_uncached(&self, file: FileIndex, access: Access) -> io::Result<sys::File> {
        self.at_home(access, || {
            self.with_path(file, |path| {
                sys::File::open(&self.root, path.iter().copied(), access)
            })
        })
    }

    fn to_write(&self, file: FileIndex) -> Access {
        Access::Write {
            executable: file != part_file::FILE && self.info.file(file).executable,
        }
    }

    /// Where `file` lies now: the part file, too.
    fn present_path(&self, file: FileIndex) -> PathBuf {
        let path = self.with_path(file, |path| path.iter().collect::<PathBuf>());
        self.root.join(path)
    }

    /// Whether `file` lies at `path` now.
    pub(crate) fn is_at(&self, file: FileIndex, path: &Path) -> bool {
        self.present_path(file) == path
    }

    fn error(&self, operation: Operation, file: FileIndex, source: io::Error) -> StorageError {
        // Of a disk that has been away, what is open never works again.
        self.close_files();
        if !self.has_home() {
            self.let_go();
        }
        if sys::is_unplugged(&source) {
            self.note_absence();
        }
        StorageError::new(operation, &self.present_path(file), source)
    }

    fn selection(&self) -> RwLockReadGuard<'_, Selection> {
        self.selection
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody reads or writes, and keeps them waiting.
    fn selection_alone(&self) -> RwLockWriteGuard<'_, Selection> {
        self.selection
            .write()
            .unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests;
