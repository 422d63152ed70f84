use std::path::{Path, PathBuf};

use bt_metainfo::Info;

use crate::{
    exit::{Exit, Failure},
    format::printable,
};

/// The folder in which a torrent's file or top folder lies, given that folder, or the file or top
/// folder itself; these need not exist.
pub(crate) fn root(info: &Info, path: &Path) -> Result<PathBuf, Failure> {
    let top = top_name(info);
    if path.join(top).exists() {
        return Ok(path.to_owned());
    }
    // `.`, `..` and links have another name, or none.
    for candidate in [path.to_owned(), path.canonicalize().unwrap_or_default()] {
        if candidate.file_name().is_some_and(|name| name == top) {
            let folder = candidate
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            return Ok(folder.unwrap_or(Path::new(".")).to_owned());
        }
    }
    let message = format!(
        "{} neither is nor holds \"{}\", the name that the torrent gives its data",
        path.display(),
        printable(top)
    );
    Err(Failure::new(Exit::Verification, message))
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
    use std::fs;

    use bt_metainfo::InfoBuilder;

    use super::*;

    #[test]
    fn the_data_and_the_folder_around_it_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().to_owned();
        fs::create_dir(base.join("album")).unwrap();
        let info = InfoBuilder::new("album", 16_384)
            .file(["song"], 1)
            .pieces([[0; 20]]);
        let info = info.build().unwrap();
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
        fs::create_dir(&outer).unwrap();
        fs::write(outer.join("x"), "1").unwrap();
        let info = InfoBuilder::new("x", 16_384)
            .single_file(1)
            .pieces([[0; 20]])
            .build()
            .unwrap();
        assert_eq!(root(&info, &outer).unwrap(), outer);
        assert_eq!(root(&info, &outer.join("x")).unwrap(), outer);
    }

    #[test]
    fn data_that_is_not_there_is_looked_for_where_it_should_be() {
        let folder = tempfile::tempdir().unwrap();
        let info = InfoBuilder::new("x", 16_384)
            .single_file(1)
            .pieces([[0; 20]])
            .build()
            .unwrap();
        assert_eq!(
            root(&info, &folder.path().join("x")).unwrap(),
            folder.path()
        );
        assert_eq!(root(&info, Path::new("x")).unwrap(), Path::new("."));
        let other = root(&info, &folder.path().join("y")).unwrap_err();
        assert_eq!(other.exit, Exit::Verification);
    }
}
