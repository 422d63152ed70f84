//! The names that files have until they are complete.

use std::{
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bt_metainfo::Info;
use bt_types::{Bitfield, FileIndex, PieceIndex, Selection};

use super::{Storage, looking::Looker};
use crate::{Operation, StorageError, part_file, resume::FileStamp, sys};

/// Which files are called `.part` now, and how much is missing of each.
#[derive(Debug)]
pub(super) struct Names {
    /// New files get such a name.
    is_wished: bool,
    /// Such names could be those of other files of the torrent: nobody gets one.
    is_ambiguous: bool,
    /// Which files have one.
    is_part: Box<[AtomicBool]>,
    /// `None` until it is known what is verified.
    missing: Mutex<Option<Missing>>,
}

#[derive(Debug)]
struct Missing {
    verified: Bitfield,
    /// Pieces of each file that are not verified.
    pieces: Box<[u32]>,
}

impl Names {
    pub(super) fn new(info: &Info) -> Self {
        let mut components = info.files().iter().flat_map(|file| file.path.components());
        let ends_so = |name: &str| {
            let start = name.len().checked_sub(SUFFIX.len());
            let end = start.and_then(|start| name.get(start..));
            end.is_some_and(|end| end.eq_ignore_ascii_case(SUFFIX))
        };
        Self {
            is_wished: false,
            is_ambiguous: components.any(ends_so),
            is_part: info
                .files()
                .iter()
                .map(|_| AtomicBool::new(false))
                .collect(),
            missing: Mutex::default(),
        }
    }

    fn has_part_name(&self, file: FileIndex) -> bool {
        // Changed only while nobody reads or writes.
        self.is_part[file.0 as usize].load(Ordering::Relaxed)
    }

    fn set_part_name(&self, file: FileIndex, is_part: bool) {
        self.is_part[file.0 as usize].store(is_part, Ordering::Relaxed);
    }

    fn missing(&self) -> MutexGuard<'_, Option<Missing>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage {
    /// Files that are made from now on are called `NAME.part` until they are complete; see
    /// [`set_verified`](Self::set_verified). No file is, if a name in the torrent ends so itself.
    ///
    /// Files that are called so already are recognised in any case, unless there is one of the same
    /// name without it.
    #[must_use]
    pub fn with_part_names(mut self) -> Self {
        self.names.is_wished = true;
        self
    }

    /// These pieces are on disk and right; those that a [`DiskPool`](crate::disk::DiskPool) verifies
    /// are added. Files that are complete, or become so, get their own names.
    ///
    /// # Errors
    /// If a file cannot be renamed, or something else has its name.
    ///
    /// # Panics
    /// If `have` is of another number of pieces.
    pub fn set_verified(&self, have: &Bitfield) -> Result<(), StorageError> {
        let layout = self.layout();
        assert_eq!(
            have.len(),
            layout.piece_count(),
            "pieces of another torrent"
        );
        let files = || (0..layout.file_count()).map(FileIndex);
        let missing_of = |file| {
            let pieces = layout.pieces_of(file);
            pieces.filter(|&piece| !have.get(piece)).count() as u32
        };
        *self.names.missing() = Some(Missing {
            verified: have.clone(),
            pieces: files().map(missing_of).collect(),
        });
        let selection = self.selection_alone();
        let renamed = self.finish(&selection, files())?;
        if let Some(keeper) = self.keeper().filter(|_| !renamed.is_empty()) {
            keeper.looked(renamed);
        }
        Ok(())
    }

    /// Whether `piece` is known to be right and written.
    pub(super) fn is_verified(&self, piece: PieceIndex) -> bool {
        let missing = self.names.missing();
        let missing = missing.as_ref();
        missing.is_some_and(|missing| missing.verified.get(piece))
    }

    /// One piece more is right and written. Tells how files look that have got their names by that.
    pub(crate) fn add_verified(&self, piece: PieceIndex) -> Result<Vec<FileStamp>, StorageError> {
        let mut complete = Vec::new();
        if let Some(missing) = &mut *self.names.missing() {
            let is_new = missing.verified.insert(piece);
            for file in self.files_of(piece) {
                let left = &mut missing.pieces[file.0 as usize];
                *left -= u32::from(is_new);
                // Also if that has been tried before, and has failed.
                if *left == 0 && self.names.has_part_name(file) {
                    complete.push(file);
                }
            }
        }
        if complete.is_empty() {
            return Ok(Vec::new());
        }
        let selection = self.selection_alone();
        self.finish(&selection, complete.into_iter())
    }

    /// A piece is not there any more.
    pub(crate) fn remove_verified(&self, piece: PieceIndex) {
        if let Some(missing) = &mut *self.names.missing()
            && missing.verified.remove(piece)
        {
            for file in self.files_of(piece) {
                missing.pieces[file.0 as usize] += 1;
            }
        }
    }

    /// Finds out under which name `file` lies, or is to be made.
    pub(super) fn find_name(&self, file: FileIndex, looker: &mut Looker<'_>) -> io::Result<()> {
        if self.names.is_ambiguous || self.info.file(file).length == 0 {
            return Ok(());
        }
        self.names.set_part_name(file, false);
        if looker.look(file)?.is_some() {
            return Ok(());
        }
        self.names.set_part_name(file, true);
        let has_part_name = self.names.is_wished || looker.look(file)?.is_some();
        self.names.set_part_name(file, has_part_name);
        Ok(())
    }

    /// Gives those of `files` their own names that are wanted and complete and have others, and tells
    /// how they look then.
    pub(super) fn finish(
        &self,
        selection: &Selection,
        files: impl Iterator<Item = FileIndex>,
    ) -> Result<Vec<FileStamp>, StorageError> {
        let mut renamed = Vec::new();
        for file in files {
            if !self.names.has_part_name(file) || !selection.wants(file) {
                continue;
            }
            let missing = self.names.missing();
            let missing = missing
                .as_ref()
                .map(|missing| missing.pieces[file.0 as usize]);
            if missing != Some(0) {
                continue;
            }
            let name = self.info.file(file).path.file_name();
            self.with_path(file, |path| {
                sys::rename_file(&self.root, path.iter().copied(), name)
            })
            .map_err(|error| self.error(Operation::Rename, file, error))?;
            self.names.set_part_name(file, false);
            // It is not where it was opened.
            self.pool.close_file((self.id, file.0));
            renamed.extend(self.stamp_of(file));
        }
        Ok(renamed)
    }

    /// What may lie in the root of the torrent: its folder, or its file, under either name.
    pub(super) fn top_names(&self) -> Vec<String> {
        let name = self.name().to_owned();
        match self.info.is_single_file() {
            true => vec![format!("{name}{SUFFIX}"), name],
            false => vec![name],
        }
    }

    /// The first name of each path in the root.
    pub(super) fn name(&self) -> &str {
        let first = self.info.files().first();
        let first = first.and_then(|file| file.path.components().next());
        first.unwrap_or_else(|| self.info.name())
    }

    /// Calls `act` with the names that lead to `file` as it is called now.
    pub(super) fn with_path<T>(&self, file: FileIndex, act: impl FnOnce(&[&str]) -> T) -> T {
        if file == part_file::FILE {
            return act(&[self.part_file.name()]);
        }
        let path = &self.info.file(file).path;
        let mut components: Vec<&str> = path.components().collect();
        if !self.names.has_part_name(file) {
            return act(&components);
        }
        components.pop();
        let name = format!("{}{SUFFIX}", path.file_name());
        components.push(&name);
        act(&components)
    }
}

/// That of Transmission and of browsers. Names of torrents leave room for it.
const SUFFIX: &str = ".part";
