//! What the standard library offers everywhere. Looks at every component before it goes on, so a
//! link that lies there is refused; one that is put there between the look and the step is not.
#![cfg_attr(unix, expect(dead_code, reason = "compiled on unix to be tested"))]

use std::{
    fs::{self, OpenOptions},
    io::{self, IoSlice, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use super::{Access, Hold, check_name, link_in_the_way, name_taken, no_name, not_a_file};
use crate::resume::{FileTime, Stamp};

/// An open regular file. Its position is shared, hence the lock.
#[derive(Debug)]
pub(crate) struct File(Mutex<fs::File>);

impl File {
    /// Opens the file that `components` name, the last one the file itself.
    pub(crate) fn open<'a>(
        root: &Path,
        components: impl IntoIterator<Item = &'a str>,
        access: Access,
    ) -> io::Result<Self> {
        let create = matches!(access, Access::Write { .. });
        let path = walk(root, components, create)?;
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => return Err(link_in_the_way()),
            Ok(found) if !found.is_file() => return Err(not_a_file()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let write = access != Access::Read;
        let options = options.read(true).write(write).create(create);
        Ok(Self(Mutex::new(options.truncate(false).open(path)?)))
    }

    /// A file that was opened in another way.
    pub(crate) fn from_std(file: fs::File) -> Self {
        Self(Mutex::new(file))
    }

    /// The size in bytes.
    pub(crate) fn len(&self) -> io::Result<u64> {
        Ok(self.lock().metadata()?.len())
    }

    /// Whether somebody has removed it since it was opened: mostly the system would not let them.
    pub(crate) fn is_removed(&self) -> bool {
        false
    }

    /// By what it can be told whether it is still at its place: files have no numbers everywhere.
    pub(crate) fn identity_at(&self, _path: &Path) -> Option<Identity> {
        None
    }

    /// Keeps others who ask from [holding](Hold) it: not where a lock would keep ourselves from
    /// writing, too.
    pub(crate) fn hold(self, _hold: Hold) -> io::Result<Held> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// How it looks from outside.
    pub(crate) fn stamp(&self) -> io::Result<Stamp> {
        Ok(stamp_of(&self.lock().metadata()?))
    }

    /// Waits until all that was written is on the medium, its times included.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.lock().sync_all()
    }

    /// Reads some bytes at `offset`; 0 at the end.
    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut file = self.lock();
        file.seek(SeekFrom::Start(offset))?;
        file.read(buf)
    }

    /// Writes some bytes at `offset`, from the first buffers on.
    pub(crate) fn write_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let mut file = self.lock();
        file.seek(SeekFrom::Start(offset))?;
        file.write_vectored(bufs)
    }

    fn lock(&self) -> MutexGuard<'_, fs::File> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A folder, from which files are looked at.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder that `components` name.
    pub(crate) fn open<'a>(
        root: &Path,
        components: impl IntoIterator<Item = &'a str>,
    ) -> io::Result<Self> {
        let mut path = enter_root(root)?;
        for name in components {
            enter(&mut path, name, false)?;
        }
        Ok(Self(path))
    }

    /// How the regular file `name` in it looks from outside.
    pub(crate) fn stamp(&self, name: &str) -> io::Result<Stamp> {
        check_name(name)?;
        let found = fs::symlink_metadata(self.0.join(name))?;
        if found.is_file() {
            Ok(stamp_of(&found))
        } else {
            Err(not_a_file())
        }
    }

    /// Waits until the names in it are on the medium: not offered everywhere.
    pub(crate) fn sync(&self) -> io::Result<()> {
        sync_named_folder(&self.0)
    }

    /// Keeps others who ask from [holding](Hold) it: no system but unix locks folders.
    pub(crate) fn hold(self, _hold: Hold) -> io::Result<Held> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// What tells a file from others: nothing does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Identity {}

impl Identity {
    pub(crate) fn is_at(self, _path: &Path) -> bool {
        match self {}
    }
}

/// A file or folder that is held: there is none.
#[derive(Debug)]
pub(crate) enum Held {}

impl Held {
    pub(crate) fn is_at(&self, _path: &Path) -> bool {
        match *self {}
    }
}

/// Whether the device of an open file has gone: what the system says then is not known.
pub(crate) fn is_unplugged(_error: &io::Error) -> bool {
    false
}

pub(crate) fn wants_writable(_error: &io::Error) -> bool {
    false
}

pub(crate) const CAN_HOLD: bool = false;

/// On which device a folder lies: that is not known, and they are all one.
pub(crate) fn device_of(folder: &Path) -> io::Result<u64> {
    enter_root(folder).map(|_| 0)
}

/// Waits until the names in a folder are on the medium, where the system can do that.
pub(crate) fn sync_named_folder(path: &Path) -> io::Result<()> {
    match fs::File::open(path) {
        Ok(folder) => folder.sync_all(),
        // Windows opens no folders, and has nothing that could be done.
        Err(_) => Ok(()),
    }
}

/// When a file of ours was last written to.
pub(crate) fn modified(file: &fs::File) -> io::Result<FileTime> {
    Ok(stamp_of(&file.metadata()?).modified)
}

/// Held by one process at a time, as long as this value lives; by any number on systems that are
/// neither unix nor Windows.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: fs::File,
}

impl Lock {
    /// `None` if another has it.
    pub(crate) fn take(path: &Path) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(windows)]
        std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, 0);
        match options.open(path) {
            Err(error) if error.raw_os_error() == Some(SHARING_VIOLATION) => Ok(None),
            opened => opened.map(|file| Some(Self { _file: file })),
        }
    }
}

/// Makes the folders that `components` name, each inside the one before.
pub(crate) fn make_folders<'a>(
    root: &Path,
    components: impl IntoIterator<Item = &'a str>,
) -> io::Result<()> {
    let mut path = enter_root(root)?;
    let mut components = components.into_iter();
    components.try_for_each(|name| enter(&mut path, name, true))
}

/// Removes the file that `components` name; a link of that name is removed itself.
pub(crate) fn remove_file<'a>(
    root: &Path,
    components: impl IntoIterator<Item = &'a str>,
) -> io::Result<()> {
    fs::remove_file(walk(root, components, false)?)
}

/// Gives the file that `components` name another name in its folder, which must be free.
pub(crate) fn rename_file<'a>(
    root: &Path,
    components: impl IntoIterator<Item = &'a str>,
    to: &str,
) -> io::Result<()> {
    let path = walk(root, components, false)?;
    check_name(to)?;
    let new = path.with_file_name(to);
    match fs::symlink_metadata(&new) {
        Ok(_) => Err(name_taken()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(path, new),
        Err(error) => Err(error),
    }
}

/// Whether it helps to close other files: no portable way to tell, and no small limit.
pub(crate) fn out_of_descriptors(_: &io::Error) -> bool {
    false
}

/// The CPU time that this thread has had: no portable way to tell.
pub(crate) fn thread_cpu_time() -> Duration {
    Duration::ZERO
}

/// The path of what `components` name, whose folders are there, or made.
fn walk<'a>(
    root: &Path,
    components: impl IntoIterator<Item = &'a str>,
    create: bool,
) -> io::Result<PathBuf> {
    let mut components = components.into_iter().peekable();
    let mut path = enter_root(root)?;
    while let Some(name) = components.next() {
        if components.peek().is_some() {
            enter(&mut path, name, create)?;
            continue;
        }
        check_name(name)?;
        path.push(name);
        return Ok(path);
    }
    Err(no_name())
}

fn enter_root(root: &Path) -> io::Result<PathBuf> {
    if fs::metadata(root)?.is_dir() {
        Ok(root.to_owned())
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

fn enter(path: &mut PathBuf, name: &str, create: bool) -> io::Result<()> {
    check_name(name)?;
    path.push(name);
    let found = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && create => {
            match fs::create_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => fs::symlink_metadata(&path)?,
            }
        }
        found => found?,
    };
    if found.is_symlink() {
        Err(link_in_the_way())
    } else if found.is_dir() {
        Ok(())
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

fn stamp_of(found: &fs::Metadata) -> Stamp {
    let since = found.modified().ok();
    let since = since.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let since = since.unwrap_or_default();
    let modified = FileTime {
        secs: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: since.subsec_nanos(),
    };
    Stamp {
        length: found.len(),
        modified,
        changed: modified,
    }
}

/// What Windows says of a file that is open elsewhere.
const SHARING_VIOLATION: i32 = 32;
