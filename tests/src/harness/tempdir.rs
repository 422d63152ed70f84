use std::{
    ffi::CString,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};

use super::{Context, Outcome};

/// A folder that goes with its owner, readable by everybody: some servers run as `nobody`.
#[derive(Debug)]
pub struct TempDir(tempfile::TempDir);

impl TempDir {
    pub fn new() -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("bt-interop-").tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        Ok(Self(dir))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves the folder to whoever wants to look into it.
    pub fn keep(self) -> PathBuf {
        self.0.keep()
    }
}

/// A small file system in memory, unmounted when dropped.
#[derive(Debug)]
pub struct Tmpfs {
    path: PathBuf,
}

impl Tmpfs {
    /// Mounts `size` bytes over an existing folder. Needs root.
    pub fn mount(path: &Path, size: u64) -> Outcome<Self> {
        let options = format!("size={size},mode=0755");
        let options = CString::new(options).context("mount options")?;
        mount(
            "bt-interop",
            path,
            "tmpfs",
            MountFlags::empty(),
            options.as_c_str(),
        )
        .context(format_args!(
            "mounting a tmpfs on {} (needs root)",
            path.display()
        ))?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    pub fn resize(&self, size: u64) -> Outcome {
        let options = CString::new(format!("size={size}")).context("mount options")?;
        mount_remount(&self.path, MountFlags::empty(), options.as_c_str()).context(format_args!(
            "resizing the tmpfs on {}",
            self.path.display()
        ))
    }

    /// Mounts it over another existing folder as well, until what is returned is dropped: a disk that
    /// can be unplugged, and plugged in again with all that was on it.
    pub fn plug_in(&self, path: &Path) -> Outcome<Plugged> {
        mount_bind(&self.path, path).context(format_args!("mounting on {}", path.display()))?;
        Ok(Plugged {
            path: path.to_owned(),
        })
    }

    /// Nothing can be written any more, or it can again. The system refuses the former while a file
    /// is open to be written to.
    pub fn set_read_only(&self, is_read_only: bool) -> Outcome {
        let flags = match is_read_only {
            true => MountFlags::RDONLY,
            false => MountFlags::empty(),
        };
        mount_remount(&self.path, flags, c"").context(format_args!(
            "mounting the tmpfs on {} anew",
            self.path.display()
        ))
    }
}

/// Where a [`Tmpfs`] is mounted, too.
pub struct Plugged {
    path: PathBuf,
}

/// Unplugs it, whoever has files open there.
impl Drop for Plugged {
    fn drop(&mut self) {
        let _ = unmount(&self.path, UnmountFlags::DETACH);
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Detached: a process that is just being killed may still hold a file.
        let _ = unmount(&self.path, UnmountFlags::DETACH);
    }
}
