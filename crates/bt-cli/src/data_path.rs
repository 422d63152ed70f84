use std::{
    fs,
    path::{Path, PathBuf},
};

use bt_metainfo::{File, FileKind, Info};

use crate::{
    exit::{Exit, Failure},
    format::printable,
};

/// The folder in which a torrent's file or top folder lies, given that folder, or the file or top
/// folder itself; these need not exist.
pub(crate) fn root(info: &Info, path: &Path) -> Result<PathBuf, Failure> {
    let candidates = candidates(info, path);
    for is_there in [has_whole_file, has_file, has_top] {
        let mut candidates = candidates.iter();
        if let Some(root) = candidates.find(|root| is_there(info, root)) {
            return Ok(root.clone());
        }
    }
    // Nothing is there: then it should be at the path itself.
    candidates.into_iter().nth(1).ok_or_else(|| {
        let message = format!(
            "{} neither is nor holds \"{}\", the name that the torrent gives its data",
            printable(&path.to_string_lossy()),
            printable(top_name(info))
        );
        Failure::new(Exit::Verification, message)
    })
}

/// Where the data may lie: in the folder of this path, or around it if it has the right name.
fn candidates(info: &Info, path: &Path) -> Vec<PathBuf> {
    let mut roots = vec![path.to_owned()];
    // `.`, `..` and links have another name, or none.
    for path in [path.to_owned(), path.canonicalize().unwrap_or_default()] {
        if path.file_name().is_some_and(|name| name == top_name(info)) {
            let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
            roots.push(folder.unwrap_or(Path::new(".")).to_owned());
        }
    }
    roots
}

fn has_whole_file(info: &Info, root: &Path) -> bool {
    let is_whole = |file: &File| {
        let found = fs::metadata(root.join(file.path.as_str()));
        found.is_ok_and(|found| found.is_file() && found.len() == file.length)
    };
    probes(info).any(is_whole)
}

fn has_file(info: &Info, root: &Path) -> bool {
    probes(info).any(|file| root.join(file.path.as_str()).is_file())
}

fn has_top(info: &Info, root: &Path) -> bool {
    let top = root.join(top_name(info));
    if info.is_single_file() {
        top.is_file()
    } else {
        top.is_dir()
    }
}

/// The files by whose places the right folder shows: names repeat in a torrent named like one of
/// its files or folders, whole paths hardly do.
fn probes(info: &Info) -> impl Iterator<Item = &File> {
    let data = || {
        let files = info.files().iter();
        files.filter(|file| file.kind == FileKind::Data)
    };
    let largest = data().max_by_key(|file| file.length);
    largest.into_iter().chain(data().next())
}

/// What lies in the download folder: the file, or the folder with all files.
fn top_name(info: &Info) -> &str {
    let first = info
        .files()
        .first()
        .and_then(|file| file.path.components().next());
    first.unwrap_or_else(|| info.name())
}

#[cfg(test)]
mod tests {
    use bt_metainfo::InfoBuilder;

    use super::*;

    fn folder_of(name: &str, files: &[(&[&str], u64)]) -> Info {
        let info = InfoBuilder::new(name, 16_384);
        let info = files.iter().fold(info, |info, (path, length)| {
            info.file(path.iter().copied(), *length)
        });
        info.pieces([[0; 20]]).build().unwrap()
    }

    fn file_called(name: &str) -> Info {
        let info = InfoBuilder::new(name, 16_384).single_file(1);
        info.pieces([[0; 20]]).build().unwrap()
    }

    fn write(path: &Path, length: usize) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![0; length]).unwrap();
    }

    #[test]
    fn the_data_and_the_folder_around_it_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().to_owned();
        fs::create_dir(base.join("album")).unwrap();
        let info = folder_of("album", &[(&["song"], 1)]);
        assert_eq!(root(&info, &base).unwrap(), base);
        assert_eq!(root(&info, &base.join("album")).unwrap(), base);
        assert_eq!(root(&info, &base.join("album/")).unwrap(), base);
        let inside = base.join("album").join("..").join("album");
        assert!(root(&info, &inside).is_ok());
    }

    #[test]
    fn a_folder_of_its_own_name_inside_is_found_first() {
        let folder = tempfile::tempdir().unwrap();
        let outer = folder.path().join("x");
        write(&outer.join("x"), 1);
        let info = file_called("x");
        assert_eq!(root(&info, &outer).unwrap(), outer);
        assert_eq!(root(&info, &outer.join("x")).unwrap(), outer);
        // Its data may be damaged.
        write(&outer.join("x"), 2);
        assert_eq!(root(&info, &outer).unwrap(), outer);
    }

    #[test]
    fn a_file_named_like_its_torrent_is_not_taken_for_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().to_owned();
        let info = folder_of("foo", &[(&["foo"], 5), (&["readme"], 2)]);
        // Whatever is there of it, even of a wrong length.
        for (file, length) in [("foo/readme", 1), ("foo/foo", 1), ("foo/foo", 5)] {
            write(&base.join(file), length);
            assert_eq!(root(&info, &base.join("foo")).unwrap(), base, "{file}");
            assert_eq!(root(&info, &base).unwrap(), base, "{file}");
        }
    }

    #[test]
    fn a_folder_named_like_its_torrent_is_not_taken_for_the_top() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().to_owned();
        let info = folder_of("foo", &[(&["foo", "foo"], 5), (&["small"], 1)]);
        write(&base.join("foo/foo/foo"), 5);
        assert_eq!(root(&info, &base.join("foo")).unwrap(), base);
        assert_eq!(root(&info, &base).unwrap(), base);
        // With the largest file gone, a smaller one tells.
        fs::remove_file(base.join("foo/foo/foo")).unwrap();
        let info = folder_of("foo", &[(&["small"], 1), (&["foo", "foo"], 5)]);
        write(&base.join("foo/small"), 1);
        assert_eq!(root(&info, &base.join("foo")).unwrap(), base);
    }

    #[test]
    fn the_whole_file_wins_over_a_part_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().to_owned();
        let info = folder_of("foo", &[(&["foo"], 5)]);
        write(&base.join("foo/foo/foo"), 5);
        assert_eq!(root(&info, &base.join("foo")).unwrap(), base.join("foo"));
    }

    #[test]
    fn data_that_is_not_there_is_looked_for_where_it_should_be() {
        let folder = tempfile::tempdir().unwrap();
        let info = file_called("x");
        assert_eq!(
            root(&info, &folder.path().join("x")).unwrap(),
            folder.path()
        );
        assert_eq!(root(&info, Path::new("x")).unwrap(), Path::new("."));
        let other = root(&info, &folder.path().join("y")).unwrap_err();
        assert_eq!(other.exit, Exit::Verification);
    }
}
