use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bt_hash::sha1;
use bt_metainfo::{Info, InfoBuilder};
use bt_types::{FileExtent, PieceLayout};
use proptest::prelude::*;
use tempfile::TempDir;

use super::{hash::hash_through, *};
use crate::{
    FilePool, Storage,
    check::check,
    faults::{Call, Faults, Outcome},
};

/// A folder `t` with these files, by path and length.
fn folder(files: &[(&str, usize)]) -> TempDir {
    let root = TempDir::new().unwrap();
    fs::create_dir(root.path().join("t")).unwrap();
    for (path, length) in files {
        write(&root, path, *length);
    }
    root
}

fn write(root: &TempDir, path: &str, length: usize) {
    let on_disk = root.path().join("t").join(path);
    fs::create_dir_all(on_disk.parent().unwrap()).unwrap();
    fs::write(on_disk, bytes_of(path, length)).unwrap();
}

/// Bytes that differ between files and between positions.
fn bytes_of(path: &str, length: usize) -> Vec<u8> {
    let seed = path.bytes().map(u64::from).sum::<u64>();
    let byte = |at: u64| ((at + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    (0..length as u64).map(byte).collect()
}

fn find(root: &TempDir, selection: &Selection<'_>) -> Result<Content, CreateError> {
    Content::find(&root.path().join("t"), selection)
}

fn paths(content: &Content) -> Vec<String> {
    let files = content.files.iter();
    files.map(|file| file.path.join("/")).collect()
}

fn left_out(content: &Content) -> Vec<(&Path, Reason)> {
    let left_out = content.left_out.iter();
    let mut left_out: Vec<_> = left_out
        .map(|left| (left.path.as_path(), left.reason))
        .collect();
    left_out.sort();
    left_out
}

fn layout(content: &Content, piece_length: u32) -> PieceLayout {
    let lengths = content.files.iter();
    let lengths = lengths.map(|file| FileExtent::data(file.length));
    PieceLayout::packed(piece_length.into(), lengths).unwrap()
}

fn hash(content: &Content, piece_length: u32) -> Vec<[u8; 20]> {
    let never = AtomicBool::new(false);
    let layout = layout(content, piece_length);
    let hashes = hash_pieces(content, &layout, 3, &|_| (), &never);
    hashes.unwrap().unwrap()
}

fn info(content: &Content, piece_length: u32) -> Info {
    let mut info = InfoBuilder::new("t", piece_length);
    for file in &content.files {
        info = info.file(&file.path, file.length);
    }
    info.pieces(hash(content, piece_length)).build().unwrap()
}

fn hash_with_faults(
    content: &Content,
    faults: impl Faults + 'static,
) -> Result<Option<Vec<[u8; 20]>>, CreateError> {
    let pool = FilePool::with_faults(4, faults);
    let never = AtomicBool::new(false);
    let layout = layout(content, 16_384);
    hash_through(&pool, content, &layout, 2, &|_| (), &never)
}

#[test]
fn a_folder_in_canonical_order() {
    let root = folder(&[
        ("a.txt", 5),
        ("a/z", 20_000),
        ("B", 0),
        ("a-b/c", 16_384),
        ("ünï", 1),
    ]);
    let content = find(&root, &Selection::default()).unwrap();
    assert!(!content.is_single_file && content.left_out.is_empty());
    assert_eq!(paths(&content), ["B", "a/z", "a-b/c", "a.txt", "ünï"]);
    assert_eq!(content.length(), 36_390);
    let all = [
        bytes_of("a/z", 20_000),
        bytes_of("a-b/c", 16_384),
        bytes_of("a.txt", 5),
        bytes_of("ünï", 1),
    ]
    .concat();
    let expected: Vec<_> = all.chunks(16_384).map(sha1).collect();
    assert_eq!(hash(&content, 16_384), expected);
}

#[test]
fn a_single_file_whatever_the_selection_says() {
    let root = folder(&[(".a", 3)]);
    let selection = Selection {
        exclude: Some(&|_| true),
        ..Selection::default()
    };
    let content = Content::find(&root.path().join("t/.a"), &selection).unwrap();
    assert!(content.is_single_file && content.files[0].path.is_empty());
    assert_eq!(hash(&content, 16_384), [sha1(&bytes_of(".a", 3))]);
}

#[test]
fn what_is_left_out_is_told() {
    let root = folder(&[
        (".git/config", 1),
        (".hidden", 1),
        ("a/.b", 1),
        ("a/c", 1),
        ("skip/d", 1),
        ("skip/.e", 1),
    ]);
    for empty in ["empty", "z/1", "z/2/3"] {
        fs::create_dir_all(root.path().join("t").join(empty)).unwrap();
    }
    let exclude = |path: &Path| path == Path::new("skip");
    let mut selection = Selection {
        exclude: Some(&exclude),
        ..Selection::default()
    };
    let content = find(&root, &selection).unwrap();
    assert_eq!(paths(&content), ["a/c"]);
    let always = [
        (Path::new("empty"), Reason::EmptyFolder),
        (Path::new("skip"), Reason::Excluded),
        (Path::new("z/1"), Reason::EmptyFolder),
        (Path::new("z/2/3"), Reason::EmptyFolder),
    ];
    let mut expected = always.to_vec();
    for hidden in [".git", ".hidden", "a/.b"] {
        expected.push((Path::new(hidden), Reason::Hidden));
    }
    expected.sort();
    assert_eq!(left_out(&content), expected);

    selection.hidden = true;
    let content = find(&root, &selection).unwrap();
    assert_eq!(paths(&content), [".git/config", ".hidden", "a/.b", "a/c"]);
    assert_eq!(left_out(&content), always);
}

#[test]
fn nothing_at_all_is_no_error_yet() {
    let root = folder(&[]);
    let content = find(&root, &Selection::default()).unwrap();
    assert!(content.files.is_empty() && content.length() == 0);
    let gone = Content::find(&root.path().join("gone"), &Selection::default()).unwrap_err();
    assert!(
        gone.to_string()
            .ends_with("gone: no such file or directory"),
        "{gone}"
    );
}

#[test]
fn a_huge_piece_is_hashed_in_parts() {
    let root = folder(&[("a", 3 << 20), ("b", (2 << 20) + 77)]);
    let content = find(&root, &Selection::default()).unwrap();
    let all = [bytes_of("a", 3 << 20), bytes_of("b", (2 << 20) + 77)].concat();
    let expected: Vec<_> = all.chunks(4 << 20).map(sha1).collect();
    assert_eq!(hash(&content, 4 << 20), expected);
}

#[test]
fn progress_reaches_the_end() {
    let root = folder(&[("a", 5 << 20), ("b", 40)]);
    let content = find(&root, &Selection::default()).unwrap();
    for piece_length in [16_384, 4 << 20] {
        let most = AtomicU64::new(0);
        let progress = |now: HashProgress| {
            assert_eq!(now.bytes_total, content.length());
            most.fetch_max(now.bytes_done, Ordering::Relaxed);
        };
        let layout = layout(&content, piece_length);
        hash_pieces(&content, &layout, 2, &progress, &AtomicBool::new(false)).unwrap();
        assert_eq!(most.into_inner(), content.length());
    }
}

#[test]
fn cancelled_hashing_has_no_result() {
    let root = folder(&[("a", 32 << 20)]);
    let content = find(&root, &Selection::default()).unwrap();
    let (cancel, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    let progress = |_| {
        calls.fetch_add(1, Ordering::Relaxed);
        cancel.store(true, Ordering::Relaxed);
    };
    let layout = layout(&content, 1 << 20);
    let hashes = hash_pieces(&content, &layout, 2, &progress, &cancel).unwrap();
    assert_eq!(hashes, None);
    assert!((1..=2).contains(&calls.into_inner()));
}

#[test]
fn files_that_change_are_noticed() {
    ensure_noticed(&[
        |path| fs::write(path, [0; 39_999]).unwrap(),
        |path| fs::write(path, [0; 40_001]).unwrap(),
        |path| fs::remove_file(path).unwrap(),
        // Of the same size: only the time tells.
        |path| {
            let file = fs::File::options().write(true).open(path).unwrap();
            let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1 << 30);
            file.set_modified(then).unwrap();
        },
    ]);
}

fn ensure_noticed(changes: &[fn(&Path)]) {
    for (number, change) in changes.iter().enumerate() {
        let root = folder(&[("a", 10), ("b", 40_000), ("c", 10)]);
        let content = find(&root, &Selection::default()).unwrap();
        let victim = root.path().join("t/b");
        let layout = layout(&content, 16_384);
        // In the middle of it: the first part has been read.
        let once = AtomicBool::new(true);
        let progress = |_| {
            if once.swap(false, Ordering::Relaxed) {
                change(&victim);
            }
        };
        let never = AtomicBool::new(false);
        let error = hash_pieces(&content, &layout, 1, &progress, &never).unwrap_err();
        let CreateError::Changed(path) = error else {
            panic!("change {number}: {error}");
        };
        assert_eq!(path, victim, "change {number}");
    }
}

#[test]
fn what_the_files_are_is_known_by_any_path() {
    let root = folder(&[("a", 10), ("b/c", 10)]);
    let content = find(&root, &Selection::default()).unwrap();
    assert!(content.holds(&root.path().join("t/b/../a")));
    assert!(content.holds(&root.path().join("t/b/c")));
    assert!(!content.holds(&root.path().join("t/b")) && !content.holds(Path::new("gone")));
}

#[test]
fn a_failing_disk_is_an_error_that_names_the_file() {
    let root = folder(&[("a", 10), ("b", 40_000)]);
    let content = find(&root, &Selection::default()).unwrap();
    let error = hash_with_faults(&content, |call, bytes| match call {
        Call::Read if bytes > 10 => Outcome::Fail(std::io::Error::other("the disk is on fire")),
        _ => Outcome::Proceed,
    });
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("t/b: the disk is on fire"), "{error}");
    // As a file looks whose end has gone.
    let error = hash_with_faults(&content, |call, _| match call {
        Call::Read => Outcome::Short(0),
        _ => Outcome::Proceed,
    });
    assert!(matches!(error, Err(CreateError::Changed(_))));
}

#[test]
fn short_reads_are_completed() {
    let root = folder(&[("a", 10_000), ("b", 40_000)]);
    let content = find(&root, &Selection::default()).unwrap();
    let hashes = hash_with_faults(&content, |call, _| match call {
        Call::Read => Outcome::Short(777),
        _ => Outcome::Proceed,
    });
    assert_eq!(hashes.unwrap().unwrap(), hash(&content, 16_384));
}

#[cfg(unix)]
mod unix {
    use std::{
        ffi::OsStr,
        os::unix::{
            ffi::OsStrExt,
            fs::{MetadataExt, PermissionsExt, symlink},
        },
    };

    use super::*;

    #[test]
    fn a_link_to_nothing_is_called_so() {
        let root = folder(&[("a", 10)]);
        symlink("gone", root.path().join("t/b")).unwrap();
        let error = find(&root, &with_links(Links::Follow)).unwrap_err();
        assert!(matches!(error, CreateError::DanglingLink(_)), "{error}");
        assert!(find(&root, &with_links(Links::Skip)).is_ok());
    }

    #[test]
    fn changes_that_keep_length_and_time_are_noticed() {
        ensure_noticed(&[
            |path| {
                let before = fs::metadata(path).unwrap();
                let changed = || {
                    let now = fs::metadata(path).unwrap();
                    (now.ctime(), now.ctime_nsec())
                };
                let first = changed();
                // The system's clock for files may stand still for some milliseconds.
                while changed() == first {
                    fs::write(path, [0; 40_000]).unwrap();
                    let file = fs::File::options().write(true).open(path).unwrap();
                    file.set_modified(before.modified().unwrap()).unwrap();
                }
            },
            |path| {
                let before = fs::metadata(path).unwrap().modified().unwrap();
                let other = path.with_file_name("other");
                fs::write(&other, [0; 40_000]).unwrap();
                let file = fs::File::options().write(true).open(&other).unwrap();
                file.set_modified(before).unwrap();
                fs::rename(other, path).unwrap();
            },
        ]);
    }

    fn with_links(links: Links) -> Selection<'static> {
        Selection {
            links,
            ..Selection::default()
        }
    }

    #[test]
    fn links_are_refused_left_out_or_followed() {
        let root = folder(&[("a", 10), ("b/c", 20)]);
        let elsewhere = folder(&[("d", 30), ("e/f", 40)]);
        let top = root.path().join("t");
        symlink(elsewhere.path().join("t"), top.join("folder")).unwrap();
        symlink("a", top.join("file")).unwrap();

        let error = find(&root, &with_links(Links::Refuse)).unwrap_err();
        assert!(matches!(error, CreateError::Link(_)), "{error}");

        let content = find(&root, &with_links(Links::Skip)).unwrap();
        assert_eq!(paths(&content), ["a", "b/c"]);
        let expected = [("file", Reason::Link), ("folder", Reason::Link)];
        let expected = expected.map(|(path, reason)| (Path::new(path), reason));
        assert_eq!(left_out(&content), expected);

        let content = find(&root, &with_links(Links::Follow)).unwrap();
        let expected = ["a", "b/c", "file", "folder/d", "folder/e/f"];
        assert_eq!(paths(&content), expected);
        assert_eq!(content.length(), 10 + 20 + 10 + 30 + 40);
        assert_eq!(hash(&content, 16_384).len(), 1);
    }

    #[test]
    fn the_way_to_the_content_may_be_a_link() {
        let root = folder(&[("a", 10)]);
        let link = root.path().join("link");
        symlink("t", &link).unwrap();
        let content = Content::find(&link, &Selection::default()).unwrap();
        assert_eq!(paths(&content), ["a"]);
        let file = root.path().join("file");
        symlink("t/a", &file).unwrap();
        let content = Content::find(&file, &Selection::default()).unwrap();
        assert_eq!((content.is_single_file, content.length()), (true, 10));
    }

    #[test]
    fn links_that_lead_nowhere_or_round_are_named() {
        for (target, is_loop) in [("..", true), ("gone", false), ("round", false)] {
            let root = folder(&[("a/b", 10)]);
            let link = root.path().join("t/a/round");
            symlink(target, &link).unwrap();
            let error = find(&root, &with_links(Links::Follow)).unwrap_err();
            assert!(error.to_string().contains("t/a/round"), "{error}");
            let found = matches!(error, CreateError::LinkLoop(_));
            assert_eq!(found, is_loop, "{error}");

            // It does no harm where it is left out.
            let exclude = |path: &Path| path.ends_with("round");
            let selection = Selection {
                exclude: Some(&exclude),
                ..with_links(Links::Follow)
            };
            assert_eq!(paths(&find(&root, &selection).unwrap()), ["a/b"]);
            fs::rename(&link, link.with_file_name(".round")).unwrap();
            if target != "round" {
                let content = find(&root, &with_links(Links::Follow)).unwrap();
                assert_eq!(paths(&content), ["a/b"]);
            }
        }
    }

    #[test]
    fn what_is_no_file_is_left_out() {
        let root = folder(&[("a", 10)]);
        let path = root.path().join("t/socket");
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let content = find(&root, &Selection::default()).unwrap();
        assert_eq!(paths(&content), ["a"]);
        let expected = [(Path::new("socket"), Reason::Special)];
        assert_eq!(left_out(&content), expected);
        let error = Content::find(&path, &Selection::default()).unwrap_err();
        assert!(matches!(error, CreateError::NotAFile(_)), "{error}");
    }

    #[test]
    fn names_that_are_not_utf_8_are_refused_unless_left_out() {
        let root = folder(&[("a", 10)]);
        let name = OsStr::from_bytes(b"caf\xe9");
        fs::create_dir(root.path().join("t").join(name)).unwrap();
        fs::write(root.path().join("t").join(name).join("b"), "x").unwrap();
        let error = find(&root, &Selection::default()).unwrap_err();
        assert!(matches!(error, CreateError::NotUtf8(_)), "{error}");
        let exclude = |path: &Path| path.as_os_str() == name;
        let selection = Selection {
            exclude: Some(&exclude),
            ..Selection::default()
        };
        assert_eq!(paths(&find(&root, &selection).unwrap()), ["a"]);
    }

    #[test]
    fn programs_are_told_apart() {
        let root = folder(&[("a", 10), ("run", 10)]);
        let run = root.path().join("t/run");
        fs::set_permissions(&run, fs::Permissions::from_mode(0o744)).unwrap();
        let content = find(&root, &Selection::default()).unwrap();
        let executable = content.files.iter().map(|file| file.executable);
        assert!(executable.eq([false, true]));
    }
}

/// Names that sort in ways which surprise, as files and as folders.
fn any_tree() -> impl Strategy<Value = BTreeMap<String, usize>> {
    let name = prop::sample::select(vec!["a", "a-b", "a.b", "B", "é", "z", "a b", "0"]);
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    let length = prop_oneof![
        2 => Just(0),
        2 => Just(16_384),
        1 => Just(32_768),
        5 => 1..50_000_usize,
    ];
    prop::collection::btree_map(path, length, 1..12).prop_filter_map(
        "a name is a file or a folder, and something is in it",
        |mut tree| {
            let paths: Vec<_> = tree.keys().cloned().collect();
            for path in &paths {
                let inside = format!("{path}/");
                if paths.iter().any(|other| other.starts_with(&inside)) {
                    tree.remove(path);
                }
            }
            (tree.values().sum::<usize>() > 0).then_some(tree)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What is made of any tree is complete to whoever checks it, and does not depend on the order
    /// in which the files came to the disk, which on many file systems is that of listings.
    #[test]
    fn any_tree_makes_a_torrent_that_verifies(tree in any_tree(), exponent in 14..18_u32) {
        let files: Vec<_> = tree.iter().map(|(path, length)| (path.as_str(), *length)).collect();
        let root = folder(&files);
        let content = find(&root, &Selection::default()).unwrap();
        let made = info(&content, 1 << exponent);

        let backwards: Vec<_> = files.iter().rev().copied().collect();
        let other = find(&folder(&backwards), &Selection::default()).unwrap();
        prop_assert_eq!(paths(&content), paths(&other));

        let files = Arc::new(FilePool::new(4));
        let storage = Storage::new(root.path().to_owned(), Arc::new(made), files);
        let checked = check(&storage, 2, &|_| (), &AtomicBool::new(false)).unwrap();
        prop_assert!(checked.have.is_full());
        prop_assert_eq!(checked.bytes_have, content.length());
    }
}
