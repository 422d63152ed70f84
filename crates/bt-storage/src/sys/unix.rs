use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    time::Duration,
};

use rustix::{
    fs::{self, AtFlags, CWD, FileType, Mode, OFlags},
    io::{Errno, pread, pwrite, pwritev, retry_on_intr},
    time::{ClockId, clock_gettime},
};

use super::{Access, check_name, link_in_the_way, name_taken, no_name, not_a_file};

/// An open regular file.
#[derive(Debug)]
pub(crate) struct File(OwnedFd);

impl File {
    /// Opens the file that `components` name, the last one the file itself. The root may be a
    /// link, since the user named it; nothing below it is followed if it is one.
    pub(crate) fn open<'a>(
        root: &Path,
        components: impl IntoIterator<Item = &'a str>,
        access: Access,
    ) -> io::Result<Self> {
        let create = matches!(access, Access::Write { .. });
        let (folder, name) = open_parent(root, components, create)?;
        open_file(folder.as_fd(), name, access)
    }

    /// A file that was opened in another way.
    pub(crate) fn from_std(file: std::fs::File) -> Self {
        Self(file.into())
    }

    /// The size in bytes.
    pub(crate) fn len(&self) -> io::Result<u64> {
        Ok(fs::fstat(&self.0)?.st_size.try_into().unwrap_or(0))
    }

    /// Reads some bytes at `offset`; 0 at the end.
    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(pread(&self.0, buf, offset)?)
    }

    /// Writes some bytes at `offset`, from the first buffers on.
    pub(crate) fn write_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        Ok(match bufs {
            [single] => pwrite(&self.0, single, offset)?,
            several => pwritev(&self.0, several, offset)?,
        })
    }
}

/// Makes the folders that `components` name, each inside the one before. Those that exist are
/// left as they are.
pub(crate) fn make_folders<'a>(
    root: &Path,
    components: impl IntoIterator<Item = &'a str>,
) -> io::Result<()> {
    let mut folder = open_root(root)?;
    for name in components {
        folder = open_folder(folder.as_fd(), name, true)?;
    }
    Ok(())
}

/// Removes the file that `components` name; a link of that name is removed itself.
pub(crate) fn remove_file<'a>(
    root: &Path,
    components: impl IntoIterator<Item = &'a str>,
) -> io::Result<()> {
    let (folder, name) = open_parent(root, components, false)?;
    check_name(name)?;
    Ok(fs::unlinkat(folder, name, AtFlags::empty())?)
}

/// Gives the file that `components` name another name in its folder, which must be free.
pub(crate) fn rename_file<'a>(
    root: &Path,
    components: impl IntoIterator<Item = &'a str>,
    to: &str,
) -> io::Result<()> {
    let (folder, name) = open_parent(root, components, false)?;
    check_name(name)?;
    check_name(to)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    match fs::renameat_with(&folder, name, &folder, to, fs::RenameFlags::NOREPLACE) {
        Err(Errno::EXIST) => return Err(name_taken()),
        // Not every file system knows how to.
        Err(Errno::INVAL | Errno::NOSYS) => {}
        renamed => return Ok(renamed?),
    }
    match fs::statat(&folder, to, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(name_taken()),
        Err(Errno::NOENT) => Ok(fs::renameat(&folder, name, &folder, to)?),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether it helps to close other files.
pub(crate) fn out_of_descriptors(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE))
}

/// The CPU time that this thread has had.
pub(crate) fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The folder of what `components` name, and its name there.
fn open_parent<'a>(
    root: &Path,
    components: impl IntoIterator<Item = &'a str>,
    create: bool,
) -> io::Result<(OwnedFd, &'a str)> {
    let mut components = components.into_iter().peekable();
    let mut folder = open_root(root)?;
    while let Some(name) = components.next() {
        if components.peek().is_none() {
            return Ok((folder, name));
        }
        folder = open_folder(folder.as_fd(), name, create)?;
    }
    Err(no_name())
}

fn open_root(root: &Path) -> io::Result<OwnedFd> {
    let flags = FOLDER.difference(OFlags::NOFOLLOW);
    Ok(retry_on_intr(|| {
        fs::openat(CWD, root, flags, Mode::empty())
    })?)
}

fn open_folder(parent: BorrowedFd<'_>, name: &str, create: bool) -> io::Result<OwnedFd> {
    check_name(name)?;
    let open = || retry_on_intr(|| fs::openat(parent, name, FOLDER, Mode::empty()));
    match open() {
        Err(Errno::NOENT) if create => {
            // Another thread may have been faster.
            match fs::mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => open().map_err(explain),
                Err(errno) => Err(errno.into()),
            }
        }
        opened => opened.map_err(explain),
    }
}

fn open_file(parent: BorrowedFd<'_>, name: &str, access: Access) -> io::Result<File> {
    check_name(name)?;
    let (flags, mode) = match access {
        Access::Read => (OFlags::RDONLY, 0),
        Access::Write { executable } => (
            OFlags::RDWR | OFlags::CREATE,
            if executable { 0o777 } else { 0o666 },
        ),
    };
    let flags = flags | FILE;
    let file = retry_on_intr(|| fs::openat(parent, name, flags, Mode::from_raw_mode(mode)))
        .map_err(explain)?;
    let stat = fs::fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(File(file)),
        FileType::Directory => Err(Errno::ISDIR.into()),
        _ => Err(not_a_file()),
    }
}

fn explain(errno: Errno) -> io::Error {
    match errno {
        // What systems say of a link under `O_NOFOLLOW`; FreeBSD says `EMLINK`.
        Errno::LOOP | Errno::MLINK => link_in_the_way(),
        // A socket, or a device without a driver.
        Errno::NXIO | Errno::NODEV => not_a_file(),
        other => other.into(),
    }
}

/// Folders are passed through, not listed: on Linux that needs no right to read them.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FOLDER: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Not to wait for the other end of a pipe that lies in the way: `NONBLOCK` means nothing to
/// regular files.
const FILE: OFlags = OFlags::NOFOLLOW
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);
