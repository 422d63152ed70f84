use std::{
    fs::{self, File},
    io::{self, ErrorKind, IsTerminal, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::{file_of, shown};
use crate::{
    arguments::Create,
    exit::{Exit, Failure},
    format::reason,
    stdout::{self, Reader},
};

/// Where the torrent goes.
#[derive(Debug)]
pub(super) enum Output {
    Stdout,
    /// What is no regular file, as `/dev/stdout`: it is written to and not replaced.
    Device(PathBuf),
    /// A file that appears when it is complete.
    File {
        path: PathBuf,
        replace: bool,
    },
}

impl Output {
    pub(super) fn of(create: &Create, name: &str) -> Result<Self, Failure> {
        let path = match create.output.as_deref() {
            Some(path) if path == Path::new("-") => return Self::stdout(create.json),
            Some(path) if path.is_dir() => path.join(file_of(name)),
            Some(path) => path.to_owned(),
            None => file_of(name),
        };
        match fs::metadata(&path) {
            Ok(found) if !found.is_file() && !found.is_dir() => Ok(Self::Device(path)),
            Ok(_) if !create.force => {
                let message = format!("{} exists already; --force replaces it", shown(&path));
                Err(Failure::other(message))
            }
            Ok(_) => Ok(Self::File {
                // A link stays one.
                path: if path.is_symlink() {
                    path.canonicalize().unwrap_or(path)
                } else {
                    path
                },
                replace: true,
            }),
            Err(_) => Ok(Self::File {
                path,
                replace: create.force,
            }),
        }
    }

    fn stdout(is_taken: bool) -> Result<Self, Failure> {
        if is_taken {
            let message = "stdout cannot take both --json and the torrent; name a file with -o";
            return Err(Failure::new(Exit::Usage, message));
        }
        if io::stdout().is_terminal() {
            let message =
                "a torrent would confuse the terminal; redirect stdout, or name a file with -o";
            return Err(Failure::new(Exit::Usage, message));
        }
        Ok(Self::Stdout)
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdout => None,
            Self::Device(path) | Self::File { path, .. } => Some(path),
        }
    }

    /// Where it lies below `top`, if it does.
    pub(super) fn below(&self, top: &Path) -> Option<PathBuf> {
        let path = self.path()?;
        let folder = folder_of(path).canonicalize().ok()?;
        let top = top.canonicalize().ok()?;
        let path = folder.join(path.file_name()?);
        path.strip_prefix(top).ok().map(Path::to_owned)
    }

    /// Finds out whether it can be written, before hours have been spent on it.
    pub(super) fn probe(&self) -> Result<(), Failure> {
        match self {
            Self::File { path, .. } => temporary(path)
                .map(drop)
                .map_err(|error| unwritable(path, &error)),
            Self::Stdout | Self::Device(_) => Ok(()),
        }
    }

    pub(super) fn write(&self, torrent: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Stdout => match stdout::print(|out| out.write_all(torrent))? {
                Reader::Reads => Ok(()),
                Reader::Left => Err(Failure::other("nobody took the torrent from stdout")),
            },
            Self::Device(path) => File::options()
                .write(true)
                .open(path)
                .and_then(|mut file| file.write_all(torrent))
                .map_err(|error| unwritable(path, &error)),
            Self::File { path, replace } => {
                replace_file(path, *replace, torrent).map_err(|error| unwritable(path, &error))
            }
        }
    }
}

/// Nobody ever sees a part of it.
fn replace_file(path: &Path, replace: bool, torrent: &[u8]) -> io::Result<()> {
    let mut file = temporary(path)?;
    file.write_all(torrent)?;
    file.as_file().sync_all()?;
    let persisted = if replace {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    persisted.map(drop).map_err(|error| error.error)
}

/// In the same folder, hence on the same disk; gone if it is dropped.
fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any other new file: what the umask leaves of it.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.prefix(".bt-create-").tempfile_in(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let exit = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::AlreadyExists => Exit::Other,
        _ => Exit::Disk,
    };
    // tempfile adds the path of its own file.
    let reason = reason(error);
    let reason = reason.split(" at path ").next().unwrap_or_default();
    Failure::new(exit, format!("cannot write {}: {reason}", shown(path)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tempfile::TempDir;

    use super::*;
    use crate::arguments::{Arguments, Verb};

    fn output(words: &[&str]) -> Result<Output, Failure> {
        let words = ["bt", "create", "album"].iter().chain(words);
        match Arguments::try_parse_from(words).unwrap().verb {
            Verb::Create(create) => Output::of(&create, "album"),
            other => panic!("{other:?}"),
        }
    }

    fn to(path: &Path, force: bool) -> Result<Output, Failure> {
        let path = path.to_str().unwrap();
        let words = ["-o", path, "--force"];
        output(&words[..if force { 3 } else { 2 }])
    }

    #[test]
    fn a_file_is_replaced_only_if_that_was_said() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("x.torrent");
        to(&path, false).unwrap().write(b"one").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");

        let refused = to(&path, false).unwrap_err();
        assert_eq!(refused.exit, Exit::Other);
        assert!(
            refused
                .to_string()
                .ends_with("exists already; --force replaces it")
        );

        to(&path, true).unwrap().write(b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_appears_meanwhile_is_kept() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("x.torrent");
        let output = to(&path, false).unwrap();
        output.probe().unwrap();
        fs::write(&path, "theirs").unwrap();
        assert_eq!(output.write(b"ours").unwrap_err().exit, Exit::Other);
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_gets_a_file_of_the_torrent_s_name() {
        let folder = TempDir::new().unwrap();
        let output = to(folder.path(), false).unwrap();
        assert_eq!(output.path(), Some(&*folder.path().join("album.torrent")));
        let here = super::super::file_of("album");
        assert_eq!(self::output(&[]).unwrap().path(), Some(&*here));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_at_once() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("gone/x.torrent");
        let error = to(&path, false).unwrap().probe().unwrap_err();
        let expected = "gone/x.torrent: no such file or directory";
        assert!(error.to_string().ends_with(expected), "{error}");
        assert_eq!(error.exit, Exit::Other);
    }

    #[test]
    fn stdout_takes_one_thing() {
        let error = output(&["-o", "-", "--json"]).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
    }

    #[test]
    fn it_is_found_within_the_content() {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        let output = to(&folder.path().join("in/x.torrent"), false).unwrap();
        let below = output.below(&folder.path().join("in/.."));
        assert_eq!(below.as_deref(), Some(Path::new("in/x.torrent")));
        assert_eq!(
            output.below(&folder.path().join("in/..").join("other")),
            None
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_and_devices_stay_what_they_are() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = TempDir::new().unwrap();
        let (target, link) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&target, "old").unwrap();
        symlink("a", &link).unwrap();
        to(&link, true).unwrap().write(b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(link.is_symlink());
        assert_ne!(
            fs::metadata(&target).unwrap().permissions().mode() & 0o044,
            0
        );

        to(Path::new("/dev/null"), true)
            .unwrap()
            .write(b"x")
            .unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
