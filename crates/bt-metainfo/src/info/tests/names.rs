use super::*;

#[test]
fn no_path_leaves_the_torrent() {
    paths(
        [
            file(1, &["..", "..", "etc", "passwd"]),
            file(1, &["/abs", "x"]),
            file(1, &["a\\..\\b"]),
            file(1, &["/", "/", "bar"]),
            file(1, &["abc/../def", "/", "bar"]),
            file(1, &["", "x"]),
            file(1, &["C:", "con"]),
            file(1, &["."]),
        ],
        &[
            "t/_/_/etc/passwd",
            "t/abs/x",
            "t/a..b",
            "t/_/_/bar",
            "t/abc..def/_/bar",
            "t/_/x",
            "t/C_/_con",
            "t/_.1", // since "_" is a folder
        ],
    );
}

#[test]
fn the_name_is_sanitised_for_one_file_and_for_many() {
    for (name, expected) in [("../../x", "....x"), ("", "_"), ("/", "_"), ("a\0", "a_")] {
        let single = InfoBuilder::new(name, 16_384)
            .single_file(1)
            .pieces([[7; 20]]);
        let single = single.build().unwrap();
        assert_eq!(
            (single.name(), single.file(FileIndex(0)).path.as_str()),
            (expected, expected)
        );
        let many = InfoBuilder::new(name, 16_384)
            .file(["f"], 1)
            .pieces([[7; 20]]);
        let path = format!("{expected}/f");
        assert_eq!(many.build().unwrap().file(FileIndex(0)).path.as_str(), path);
    }
}

#[test]
fn utf8_names_are_preferred() {
    let old = dict([
        (&b"length"[..], int(1)),
        (b"path", list([string(b"\xb2\xe2")])),
        (b"path.utf-8", path(&["测"])),
    ]);
    // One that is unusable is passed over.
    let empty = dict([
        (&b"length"[..], int(1)),
        (b"path", path(&["x"])),
        (b"path.utf-8", path(&[])),
    ]);
    let info = dict([
        (&b"files"[..], list([old, empty])),
        (b"name", string(b"\xca\xd4")),
        (b"name.utf-8", string("试")),
        (b"piece length", int(16_384)),
        (b"pieces", string([7; 20])),
    ]);
    let info = Info::from_bytes(&info).unwrap();
    assert_eq!(info.file(FileIndex(0)).path.to_string(), "试/测");
    assert_eq!(info.file(FileIndex(1)).path.to_string(), "试/x");
}

#[test]
fn files_of_one_name_are_told_apart() {
    paths(
        [
            file(1, &["foo", "bar.txt"]),
            file(1, &["foo", "bar.txt"]),
            file(1, &["Foo"]),
        ],
        &["t/foo/bar.txt", "t/foo/bar.1.txt", "t/Foo.1"],
    );
}

#[test]
fn deep_and_long_paths_are_shortened_and_stay_unique() {
    let deep: Vec<_> = (0..50_000).map(|_| "folder").collect();
    let info = Info::from_bytes(&v1([file(1, &deep), file(1, &deep)])).unwrap();
    for file in info.files() {
        assert!(file.path.as_str().len() <= 1001);
    }
    assert_ne!(info.files()[0].path, info.files()[1].path);
}

#[test]
fn there_are_not_too_many_folders() {
    let files =
        |count: u32| v1((0..count).map(|n| file(i64::from(n == 0), &[&n.to_string(), "f"])));
    assert!(Info::from_bytes(&files(99_999)).is_ok());
    refused(&files(100_000), "info makes more than 100000 folders");
    // A small dictionary could make a million: 300 for each of its paths.
    let path: Vec<_> = (0..300).map(|_| "d").collect();
    let deep = (0..4000_u32).map(|n| {
        let outermost = n.to_string();
        let path: Vec<_> = [outermost.as_str()]
            .into_iter()
            .chain(path.iter().copied())
            .collect();
        file(1, &path)
    });
    refused(&v1(deep), "info makes more than 100000 folders");
}
