use std::{
    ffi::OsStr,
    fs::{self, File, Metadata},
    io::{self, ErrorKind, IsTerminal, Write},
    path::{Path, PathBuf},
};

use bt_storage::create::Content;

use super::{file_of, shown};
use crate::{
    arguments::Create,
    exit::{Exit, Failure},
    stdout::{self, Reader},
    torrent_file,
};

mod place;

use place::{folder_of, unwritable};

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
    /// Finds what can be known to be wrong before hours have been spent.
    pub(super) fn of(create: &Create, name: &str) -> Result<Self, Failure> {
        let path = match create.output.as_deref() {
            Some(path) if path == Path::new("-") => return Self::stdout(create.json),
            Some(path) if path.is_dir() => path.join(file_of(name)),
            Some(path) => path.to_owned(),
            None => file_of(name),
        };
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => {
                let message = format!("{} is a folder; name a file with -o", shown(&path));
                Err(Failure::other(message))
            }
            Ok(found) if !found.is_file() => {
                if is_stdout(&found) {
                    Self::stdout(create.json)?;
                }
                Ok(Self::Device(path))
            }
            Ok(_) => Self::instead_of(path, create),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(unwritable(&path, &error)),
            Err(_) => Self::new_file(path, create),
        }
    }

    fn new_file(path: PathBuf, create: &Create) -> Result<Self, Failure> {
        if path.is_symlink() {
            let message = format!("{} is a link to what is not there", shown(&path));
            return Err(Failure::other(message));
        }
        let whole = path.as_os_str().as_encoded_bytes();
        let name = path.file_name().map(OsStr::as_encoded_bytes);
        if !name.is_some_and(|name| whole.ends_with(name)) {
            let message = format!("there is no folder {}; make it first", shown(&path));
            return Err(Failure::other(message));
        }
        let replace = create.force;
        Ok(Self::File { path, replace })
    }

    /// With a file there.
    fn instead_of(path: PathBuf, create: &Create) -> Result<Self, Failure> {
        // A link stays one.
        let file = if path.is_symlink() {
            path.canonicalize().unwrap_or_else(|_| path.clone())
        } else {
            path.clone()
        };
        if let (Ok(file), Ok(top)) = (file.canonicalize(), create.path.canonicalize()) {
            // A former torrent of the content may lie in it.
            if file == top || (file.starts_with(&top) && torrent_file::read(&file).is_err()) {
                return Err(is_content(&path));
            }
        }
        if !create.force {
            let message = format!("{} exists already; --force replaces it", shown(&path));
            return Err(Failure::other(message));
        }
        Ok(Self::File {
            path: file,
            replace: true,
        })
    }

    /// Sees to it that the content does not suffer, which may lie elsewhere if links are followed.
    pub(super) fn spare(&self, content: &Content) -> Result<(), Failure> {
        match self {
            Self::File {
                path,
                replace: true,
            } if content.holds(path) => Err(is_content(path)),
            _ => Ok(()),
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
            Self::File { path, .. } => place::probe(path),
            Self::Stdout | Self::Device(_) => Ok(()),
        }
    }

    /// Whether it takes the torrent when somebody else likes to have it.
    pub(super) fn waits_for_others(&self) -> bool {
        matches!(self, Self::Stdout | Self::Device(_))
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
            Self::File { path, replace } if *replace => place::replace(path, torrent),
            Self::File { path, .. } => place::add(path, torrent),
        }
    }
}

fn is_content(path: &Path) -> Failure {
    let path = shown(path);
    Failure::other(format!(
        "{path} is of the content, which stays as it is; name another file with -o"
    ))
}

/// Whether this is our stdout by another name, as `/dev/stdout`.
#[cfg(unix)]
fn is_stdout(found: &Metadata) -> bool {
    use std::os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt},
    };
    let stdout = io::stdout();
    // What goes to /dev/null cannot get mixed.
    if found.file_type().is_char_device() && !stdout.is_terminal() {
        return false;
    }
    let stdout = stdout.as_fd().try_clone_to_owned().map(File::from);
    let stdout = stdout.and_then(|stdout| stdout.metadata());
    stdout.is_ok_and(|it| (it.dev(), it.ino()) == (found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn is_stdout(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use bt_metainfo::{InfoBuilder, MetainfoBuilder};
    use bt_storage::create::Selection;
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
    fn the_content_is_never_replaced() {
        let folder = TempDir::new().unwrap();
        let album = folder.path().join("album");
        fs::create_dir_all(album.join("in")).unwrap();
        let song = album.join("in/song");
        fs::write(&song, "la la").unwrap();
        let former = album.join("in/former.torrent");
        let info = InfoBuilder::new("album", 16_384).single_file(1);
        let torrent = MetainfoBuilder::new(info.pieces([[0; 20]]).encode()).encode();
        fs::write(&former, torrent).unwrap();
        let output = |content: &Path, output: &Path| {
            let words = ["bt", "create", content.to_str().unwrap(), "--force", "-o"];
            let words = words.into_iter().chain([output.to_str().unwrap()]);
            match Arguments::try_parse_from(words).unwrap().verb {
                Verb::Create(create) => Output::of(&create, "album"),
                other => panic!("{other:?}"),
            }
        };
        for (content, path) in [
            (&song, &song),
            (&song, &album.join("../album/in/song")),
            (&former, &former),
            (&album, &song),
            (&album, &album.join("in/../in/song")),
        ] {
            let refused = output(content, path).unwrap_err().to_string();
            assert!(refused.contains("is of the content"), "{refused}");
        }
        output(&album, &former).unwrap();
        output(&song, &former).unwrap();

        let elsewhere = to(&song, true).unwrap();
        let content = Content::find(&album, &Selection::default()).unwrap();
        assert!(elsewhere.spare(&content).is_err());
        let content = Content::find(&former, &Selection::default()).unwrap();
        elsewhere.spare(&content).unwrap();
    }

    #[test]
    fn what_can_never_be_written_is_told_at_once() {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("album.torrent")).unwrap();
        fs::write(folder.path().join("file"), "x").unwrap();
        let long = "x".repeat(300);
        for (path, says) in [
            ("", "album.torrent is a folder"),
            (long.as_str(), "cannot write"),
            ("gone/", "there is no folder"),
            ("gone/.", "there is no folder"),
            ("file/x", "cannot write"),
        ] {
            let refused = to(&folder.path().join(path), true).unwrap_err();
            assert!(refused.to_string().contains(says), "{path}: {refused}");
            assert_eq!(refused.exit, Exit::Other, "{path}: {refused}");
        }
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink("gone", &link).unwrap();
            let refused = to(&link, true).unwrap_err().to_string();
            assert!(
                refused.ends_with("is a link to what is not there"),
                "{refused}"
            );
        }
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
