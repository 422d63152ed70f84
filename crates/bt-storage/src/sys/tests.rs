#![cfg(unix)]

use std::{
    fs,
    io::{ErrorKind, IoSlice},
    os::unix::fs::symlink,
    path::Path,
};

use tempfile::TempDir;

use super::*;

/// The same must hold of both ways to the file system.
macro_rules! holds_for {
    ($($module:ident),*) => {$(
        mod $module {
            use super::*;
            use crate::sys::$module::{File, make_folders};

            const WRITE: Access = Access::Write { executable: false };

            #[test]
            fn a_link_to_a_folder_is_not_entered() {
                let (root, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
                symlink(outside.path(), root.path().join("a")).unwrap();
                for access in [Access::Read, WRITE] {
                    let error = File::open(root.path(), ["a", "b"], access).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::NotADirectory);
                }
                let error = make_folders(root.path(), ["a", "b"]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotADirectory);
                assert!(is_empty(outside.path()));
            }

            #[test]
            fn a_link_to_a_file_is_not_opened() {
                let (root, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
                let (there, dangling) = (outside.path().join("there"), outside.path().join("new"));
                fs::write(&there, "kept").unwrap();
                symlink(&there, root.path().join("there")).unwrap();
                symlink(&dangling, root.path().join("new")).unwrap();
                for name in ["there", "new"] {
                    for access in [Access::Read, WRITE] {
                        let error = File::open(root.path(), [name], access).unwrap_err();
                        assert_eq!(error.kind(), ErrorKind::NotADirectory, "{name}");
                    }
                }
                assert_eq!(fs::read(there).unwrap(), b"kept");
                assert!(!dangling.exists());
            }

            #[test]
            fn the_root_may_be_a_link() {
                let (home, disk) = (TempDir::new().unwrap(), TempDir::new().unwrap());
                let root = home.path().join("downloads");
                symlink(disk.path(), &root).unwrap();
                File::open(&root, ["a", "b", "c"], WRITE).unwrap();
                assert!(disk.path().join("a/b/c").is_file());
            }

            #[test]
            fn a_missing_root_is_not_made() {
                let root = TempDir::new().unwrap().path().join("unmounted");
                let error = File::open(&root, ["a"], WRITE).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotFound);
                assert!(make_folders(&root, ["a"]).is_err() && !root.exists());
            }

            #[test]
            fn names_that_lead_elsewhere_are_refused() {
                let root = TempDir::new().unwrap();
                for name in ["", ".", "..", "/etc", "a/b", "a\0b"] {
                    for path in [vec![name], vec![name, "a"], vec!["a", name]] {
                        let error = File::open(root.path(), path.clone(), WRITE).unwrap_err();
                        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path:?}");
                    }
                }
                assert!(File::open(root.path(), [], WRITE).is_err());
            }

            #[test]
            fn files_are_written_in_place_and_never_cut() {
                let root = TempDir::new().unwrap();
                fs::write(root.path().join("file"), "0123456789").unwrap();
                let file = File::open(root.path(), ["file"], WRITE).unwrap();
                let bufs = [IoSlice::new(b"ab"), IoSlice::new(b"c")];
                assert_eq!(file.write_at(&bufs, 2).unwrap(), 3);
                assert_eq!(file.write_at(&bufs[..1], 12).unwrap(), 2);
                let mut all = [b'-'; 20];
                assert_eq!((file.len().unwrap(), file.read_at(&mut all, 0).unwrap()), (14, 14));
                assert_eq!(&all[..14], b"01abc56789\0\0ab");
                assert_eq!(file.read_at(&mut all, 14).unwrap(), 0);
            }

            #[test]
            fn what_is_no_file_is_in_the_way() {
                let root = TempDir::new().unwrap();
                fs::create_dir(root.path().join("folder")).unwrap();
                fs::write(root.path().join("file"), "").unwrap();
                rustix::fs::mknodat(
                    rustix::fs::CWD,
                    root.path().join("pipe"),
                    rustix::fs::FileType::Fifo,
                    rustix::fs::Mode::RWXU,
                    0,
                )
                .unwrap();
                let obstructed = |path: &[&'static str], access| {
                    let error = File::open(root.path(), path.iter().copied(), access).unwrap_err();
                    matches!(
                        error.kind(),
                        ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::AlreadyExists
                    )
                };
                for access in [Access::Read, WRITE] {
                    assert!(obstructed(&["folder"], access));
                    assert!(obstructed(&["file", "below"], access));
                    assert!(obstructed(&["pipe"], access));
                }
            }
        }
    )*};
}

holds_for!(unix, portable);

#[test]
fn programs_may_be_run() {
    use std::os::unix::fs::PermissionsExt;
    let root = TempDir::new().unwrap();
    for (name, executable) in [("run", true), ("text", false)] {
        File::open(root.path(), [name], Access::Write { executable }).unwrap();
        let mode = fs::metadata(root.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o100 != 0, executable, "{name}");
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}
