use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::Path,
};

use tempfile::NamedTempFile;

use super::shown;
use crate::{
    exit::{Exit, Failure},
    format::reason,
};

/// Finds out whether there can be a file.
pub(super) fn probe(path: &Path) -> Result<(), Failure> {
    let made = temporary(path, None);
    made.map(drop).map_err(|error| unwritable(path, &error))
}

/// Makes a file, which nobody ever sees a part of, instead of one that may be there.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let permissions = fs::metadata(path).ok().map(|found| found.permissions());
    let replaced = filled(path, permissions, bytes).and_then(|file| {
        // When the power fails, the old one or the new one is there. A new one that nothing was
        // given up for need not make its user wait until a busy disk has written everything else.
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    });
    replaced.map(drop).map_err(|error| unwritable(path, &error))
}

/// Makes a file, which nobody ever sees a part of, unless there is one.
pub(super) fn add(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let file = filled(path, None, bytes).map_err(|error| unwritable(path, &error))?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => keep(error.file, path),
        // The file system may know neither renames that spare what is there nor hard links.
        Err(error) => match add_plainly(path, bytes) {
            Err(plain) if plain.kind() == ErrorKind::AlreadyExists => keep(error.file, path),
            added => added.map_err(|error| unwritable(path, &error)),
        },
    }
}

/// As [`add`], but others may see the beginning of it.
fn add_plainly(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    let written = file.write_all(bytes);
    if written.is_err() {
        drop(file);
        // There may be no room even for this; the error of the writing says why.
        let _ = fs::remove_file(path);
    }
    written
}

/// It may have taken hours to make.
fn keep(file: NamedTempFile, path: &Path) -> Result<(), Failure> {
    let path = shown(path);
    Err(match file.keep() {
        Ok((_, kept)) => Failure::other(format!(
            "{path} was made by somebody else meanwhile; the torrent is in {}",
            shown(&kept)
        )),
        Err(error) => Failure::other(format!(
            "{path} was made by somebody else meanwhile, and the torrent cannot be kept: {}",
            reason(&error.error)
        )),
    })
}

/// As the file at `path` is to be, beside it.
fn filled(
    path: &Path,
    permissions: Option<fs::Permissions>,
    bytes: &[u8],
) -> io::Result<NamedTempFile> {
    let mut file = temporary(path, permissions.as_ref())?;
    file.write_all(bytes)?;
    if cfg!(unix)
        && let Some(permissions) = permissions
    {
        // The umask has taken some of them.
        file.as_file().set_permissions(permissions)?;
    }
    Ok(file)
}

/// In the same folder, hence on the same disk; gone if it is dropped. With at most these
/// permissions, or those of any new file.
fn temporary(path: &Path, permissions: Option<&fs::Permissions>) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = permissions.map_or(0o666, PermissionsExt::mode);
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = permissions;
    builder.prefix(".bt-create-").tempfile_in(folder_of(path))
}

pub(super) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

pub(super) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let exit = match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::InvalidFilename
        | ErrorKind::AlreadyExists => Exit::Other,
        _ => Exit::Disk,
    };
    // tempfile adds the path of its own file.
    let reason = reason(error);
    let reason = reason.split(" at path ").next().unwrap_or_default();
    Failure::new(exit, format!("cannot write {}: {reason}", shown(path)))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn names_in(folder: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn what_appears_meanwhile_is_kept_and_so_is_the_torrent() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("x.torrent");
        fs::write(&path, "theirs").unwrap();
        let failure = add(&path, b"ours").unwrap_err();
        assert_eq!(failure.exit, Exit::Other);
        assert_eq!(fs::read(&path).unwrap(), b"theirs");

        let message = failure.to_string();
        let (_, kept) = message.split_once("the torrent is in ").unwrap();
        assert_eq!(fs::read(kept).unwrap(), b"ours");
        assert_eq!(names_in(&folder).len(), 2);
    }

    #[test]
    fn where_nothing_better_is_known_it_is_still_not_replaced() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("x.torrent");
        add_plainly(&path, b"ours").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"ours");
        let error = add_plainly(&path, b"more").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"ours");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_of_what_is_replaced_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("x.torrent");
        for mode in [0o600, 0o666, 0o444] {
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            replace(&path, b"new").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            let found = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode);
            fs::remove_file(&path).unwrap();
        }
    }
}
