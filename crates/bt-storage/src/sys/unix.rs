use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{self, AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat},
    io::{Errno, pread, pwrite, pwritev, retry_on_intr},
    time::{ClockId, clock_gettime},
};

use super::{Access, Hold, InUse, check_name, link_in_the_way, name_taken, no_name, not_a_file};
use crate::resume::{FileTime, Stamp};

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

    /// Whether somebody has removed it since it was opened. What is written to it then is lost when
    /// it is closed.
    pub(crate) fn is_removed(&self) -> bool {
        fs::fstat(&self.0).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// By what it can be told whether it is still at its place, if it is there now.
    pub(crate) fn identity_at(&self, path: &Path) -> Option<Identity> {
        let own = Identity::of(&fs::fstat(&self.0).ok()?);
        own.is_at(path).then_some(own)
    }

    /// Keeps others who ask from [holding](Hold) it.
    pub(crate) fn hold(self, hold: Hold) -> io::Result<Held> {
        if is_on_smb(&self.0) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Held::new(self.0, hold)
    }

    /// How it looks from outside.
    pub(crate) fn stamp(&self) -> io::Result<Stamp> {
        Ok(stamp_of(&fs::fstat(&self.0)?))
    }

    /// Waits until all that was written is on the medium, its times included.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(retry_on_intr(|| fs::fsync(&self.0))?)
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

/// What tells a file from others, as long as it is open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    #[allow(
        clippy::unnecessary_cast,
        reason = "the types of these fields differ between systems"
    )]
    fn of(found: &Stat) -> Self {
        Self {
            device: found.st_dev as u64,
            inode: found.st_ino as u64,
        }
    }

    /// Whether it is what lies at `path`: if not, somebody has moved it away, or put another in its
    /// place. If that cannot be found out, whoever reads or writes hears of it.
    pub(crate) fn is_at(self, path: &Path) -> bool {
        match fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Self::of(&found) == self,
            Err(errno) => !matches!(errno, Errno::NOENT | Errno::NOTDIR),
        }
    }
}

/// An open folder, from which files are looked at.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

impl Folder {
    /// The folder that `components` name; nothing below the root is followed if it is a link.
    pub(crate) fn open<'a>(
        root: &Path,
        components: impl IntoIterator<Item = &'a str>,
    ) -> io::Result<Self> {
        let mut folder = open_root(root)?;
        for name in components {
            folder = open_folder(folder.as_fd(), name, false)?;
        }
        Ok(Self(folder))
    }

    /// How the regular file `name` in it looks from outside.
    pub(crate) fn stamp(&self, name: &str) -> io::Result<Stamp> {
        check_name(name)?;
        let found = fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Ok(stamp_of(&found)),
            _ => Err(not_a_file()),
        }
    }

    /// Waits until the names in it are on the medium.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let folder = self.reopen()?;
        Ok(retry_on_intr(|| fs::fsync(&folder))?)
    }

    /// Keeps others who ask from [holding](Hold) it.
    pub(crate) fn hold(self, hold: Hold) -> io::Result<Held> {
        Held::new(self.reopen()?, hold)
    }

    /// It may be open for nothing but passing through.
    fn reopen(&self) -> io::Result<OwnedFd> {
        let flags = FOLDER.difference(PATH_ONLY);
        let opened = retry_on_intr(|| fs::openat(&self.0, ".", flags, Mode::empty()));
        Ok(opened?)
    }
}

/// A file or folder that is held, until this is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct Held {
    identity: Identity,
    _file: OwnedFd,
}

impl Held {
    /// With [`InUse`] if another holds it.
    fn new(file: OwnedFd, hold: Hold) -> io::Result<Self> {
        let operation = match hold {
            Hold::Shared => FlockOperation::NonBlockingLockShared,
            Hold::Alone => FlockOperation::NonBlockingLockExclusive,
        };
        match retry_on_intr(|| fs::flock(&file, operation)) {
            Err(Errno::WOULDBLOCK) => return Err(io::Error::other(InUse)),
            held => held?,
        }
        Ok(Self {
            identity: Identity::of(&fs::fstat(&file)?),
            _file: file,
        })
    }

    /// Whether it is what lies at `path`.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        self.identity.is_at(path)
    }
}

/// Linux makes of a lock there one that keeps everybody from the file who does not have it by the same
/// descriptor: ourselves, too.
#[cfg(target_os = "linux")]
fn is_on_smb(file: &OwnedFd) -> bool {
    const MAGIC: [u32; 3] = [0x517b, 0xff53_4d42, 0xfe53_4d42];
    fs::fstatfs(file).is_ok_and(|found| MAGIC.contains(&(found.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn is_on_smb(_file: &OwnedFd) -> bool {
    false
}

/// Whether the device, or the server, of an open file has gone.
pub(crate) fn is_unplugged(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(Errno::NODEV | Errno::NXIO | Errno::STALE | Errno::NOTCONN)
    )
}

/// Whether what is to be held has to be open for writing, as an error says.
pub(crate) fn wants_writable(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::BADF)
}

/// Whether files can be held and written to.
pub(crate) const CAN_HOLD: bool = true;

/// On which device a folder lies. It is entered, so that a disk that is mounted on demand is.
pub(crate) fn device_of(folder: &Path) -> io::Result<u64> {
    let found = fs::statat(CWD, folder.join("."), AtFlags::empty())?;
    Ok(Identity::of(&found).device)
}

/// Waits until the names in a folder of ours are on the medium.
pub(crate) fn sync_named_folder(path: &Path) -> io::Result<()> {
    Folder(open_root(path)?).sync()
}

/// When a file of ours was last written to.
pub(crate) fn modified(file: &std::fs::File) -> io::Result<FileTime> {
    Ok(stamp_of(&fs::fstat(file)?).modified)
}

/// Held by one process at a time, as long as this value lives.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    _file: OwnedFd,
}

impl Lock {
    /// `None` if another has it.
    pub(crate) fn take(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let mode = Mode::from_raw_mode(0o666);
            let file = retry_on_intr(|| fs::openat(CWD, path, flags, mode))?;
            match retry_on_intr(|| fs::flock(&file, FlockOperation::NonBlockingLockExclusive)) {
                Err(Errno::WOULDBLOCK) => return Ok(None),
                // File systems that know no locks are used without.
                Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => {}
                Err(errno) => return Err(errno.into()),
            }
            // Whoever had it may have removed it after we had opened it: then it keeps nobody out.
            let ours = fs::fstat(&file)?;
            let found = fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW);
            if found.is_ok_and(|found| Identity::of(&found) == Identity::of(&ours)) {
                let path = path.to_owned();
                return Ok(Some(Self { path, _file: file }));
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is held, so that nobody has taken it meanwhile.
        let _ = fs::unlinkat(CWD, &self.path, AtFlags::empty());
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

#[allow(
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "the types of these fields differ between systems"
)]
fn stamp_of(found: &Stat) -> Stamp {
    let time = |secs, nanos| FileTime { secs, nanos };
    Stamp {
        length: found.st_size.try_into().unwrap_or(0),
        modified: time(found.st_mtime.into(), found.st_mtime_nsec as u32),
        changed: time(found.st_ctime.into(), found.st_ctime_nsec as u32),
    }
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
        Access::Rewrite => (OFlags::RDWR, 0),
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

#[cfg(any(target_os = "linux", target_os = "android"))]
const PATH_ONLY: OFlags = OFlags::PATH;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PATH_ONLY: OFlags = OFlags::empty();

/// Not to wait for the other end of a pipe that lies in the way: `NONBLOCK` means nothing to
/// regular files.
const FILE: OFlags = OFlags::NOFOLLOW
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);
