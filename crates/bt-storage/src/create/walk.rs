use std::{
    fs::{self, File, Metadata},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use bt_metainfo::canonical_order;
use walkdir::{DirEntry, WalkDir};

use super::{Content, ContentFile, CreateError, LeftOut, Links, Reason, Selection, stamp::Stamp};
use crate::{Operation, StorageError};

/// See [`Content::find`].
pub(super) fn walk(top: &Path, selection: &Selection<'_>) -> Result<Content, CreateError> {
    let found = fs::metadata(top).map_err(|error| unreadable(top, error))?;
    if found.is_file() {
        return Ok(Content {
            files: vec![open(top.to_owned(), Vec::new())?],
            is_single_file: true,
            left_out: Vec::new(),
        });
    }
    if !found.is_dir() {
        return Err(CreateError::NotAFile(top.to_owned()));
    }
    let mut walk = Walk {
        top,
        selection,
        files: Vec::new(),
        left_out: Vec::new(),
    };
    walk.run()?;
    walk.files
        .sort_unstable_by(|a, b| canonical_order(&a.path, &b.path));
    Ok(Content {
        files: walk.files,
        is_single_file: false,
        left_out: walk.left_out,
    })
}

struct Walk<'a> {
    top: &'a Path,
    selection: &'a Selection<'a>,
    files: Vec<ContentFile>,
    left_out: Vec<LeftOut>,
}

/// What is done with something in a folder.
enum Fate {
    Take,
    Enter,
    LeaveOut(Reason),
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), CreateError> {
        let follow = self.selection.links == Links::Follow;
        let mut entries = WalkDir::new(self.top)
            .min_depth(1)
            .follow_links(follow)
            .into_iter();
        // The folder that was entered last, until something of it is seen.
        let mut entered: Option<DirEntry> = None;
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.forgive(error)?;
                    entered = None;
                    continue;
                }
            };
            if let Some(folder) = entered.take_if(|folder| folder.depth() >= entry.depth()) {
                self.leave_out(folder.path(), Reason::EmptyFolder);
            }
            entered = None;
            match self.fate_of(&entry)? {
                Fate::Take => {
                    let path = self.names_of(entry.path())?;
                    self.files.push(open(entry.into_path(), path)?);
                }
                Fate::Enter => entered = Some(entry),
                Fate::LeaveOut(reason) => {
                    self.leave_out(entry.path(), reason);
                    if entry.file_type().is_dir() {
                        entries.skip_current_dir();
                    }
                }
            }
        }
        if let Some(folder) = entered {
            self.leave_out(folder.path(), Reason::EmptyFolder);
        }
        Ok(())
    }

    fn fate_of(&self, entry: &DirEntry) -> Result<Fate, CreateError> {
        let kind = entry.file_type();
        Ok(if self.is_excluded(entry.path()) {
            Fate::LeaveOut(Reason::Excluded)
        } else if !self.selection.hidden && is_hidden(entry) {
            Fate::LeaveOut(Reason::Hidden)
        } else if kind.is_symlink() {
            // Never where they are followed.
            match self.selection.links {
                Links::Refuse => return Err(CreateError::Link(entry.path().to_owned())),
                Links::Skip | Links::Follow => Fate::LeaveOut(Reason::Link),
            }
        } else if kind.is_dir() {
            Fate::Enter
        } else if kind.is_file() {
            Fate::Take
        } else {
            Fate::LeaveOut(Reason::Special)
        })
    }

    /// What cannot be followed or entered does no harm if it is left out anyway.
    fn forgive(&mut self, error: walkdir::Error) -> Result<(), CreateError> {
        let path = error.path().unwrap_or(self.top).to_owned();
        let is_loop = error.loop_ancestor().is_some();
        let is_link = is_loop || path.is_symlink();
        if is_link && self.is_excluded(&path) {
            self.leave_out(&path, Reason::Excluded);
            return Ok(());
        }
        if is_link && !self.selection.hidden && has_dot(&path) {
            self.leave_out(&path, Reason::Hidden);
            return Ok(());
        }
        Err(if is_loop {
            CreateError::LinkLoop(path)
        } else {
            let error = io::Error::from(error);
            if is_link && error.kind() == ErrorKind::NotFound {
                CreateError::DanglingLink(path)
            } else {
                unreadable(&path, error)
            }
        })
    }

    fn is_excluded(&self, path: &Path) -> bool {
        let exclude = self.selection.exclude;
        exclude.is_some_and(|exclude| exclude(self.below_top(path)))
    }

    fn leave_out(&mut self, path: &Path, reason: Reason) {
        let path = self.below_top(path).to_owned();
        self.left_out.push(LeftOut { path, reason });
    }

    fn names_of(&self, path: &Path) -> Result<Vec<String>, CreateError> {
        let names = self.below_top(path).components();
        let names = names.map(|name| name.as_os_str().to_str().map(str::to_owned));
        let names: Option<Vec<_>> = names.collect();
        names.ok_or_else(|| CreateError::NotUtf8(path.to_owned()))
    }

    fn below_top<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(self.top).unwrap_or(path)
    }
}

/// Sees to it that a file can be read before hours have been spent on others.
fn open(on_disk: PathBuf, path: Vec<String>) -> Result<ContentFile, CreateError> {
    let found = File::open(&on_disk).and_then(|file| file.metadata());
    let found = found.map_err(|error| unreadable(&on_disk, error))?;
    Ok(ContentFile {
        path,
        length: found.len(),
        executable: is_executable(&found),
        stamp: Stamp::of(&found),
        on_disk,
    })
}

fn unreadable(path: &Path, error: io::Error) -> CreateError {
    // walkdir puts its own around that of the system.
    let error = match error.raw_os_error() {
        Some(_) => error,
        None => reason_within(&error).map_or(error, io::Error::from_raw_os_error),
    };
    StorageError::new(Operation::Read, path, error).into()
}

fn reason_within(error: &io::Error) -> Option<i32> {
    let walked = error.get_ref()?.downcast_ref::<walkdir::Error>()?;
    walked.io_error()?.raw_os_error()
}

fn is_hidden(entry: &DirEntry) -> bool {
    #[cfg(windows)]
    {
        use std::os::windows::fs::MetadataExt;
        const FILE_ATTRIBUTE_HIDDEN: u32 = 2;
        let found = entry.metadata();
        if found.is_ok_and(|found| found.file_attributes() & FILE_ATTRIBUTE_HIDDEN != 0) {
            return true;
        }
    }
    has_dot(entry.path())
}

fn has_dot(path: &Path) -> bool {
    let name = path.file_name();
    name.is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(unix)]
fn is_executable(found: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    found.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}
