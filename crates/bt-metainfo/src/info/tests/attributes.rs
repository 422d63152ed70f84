use super::*;

#[test]
fn attributes_in_any_order() {
    let files = [
        file_with_attr("hx", 1, &["a"]),
        file_with_attr("?x", 1, &["b"]),
        file_with_attr("ph", 1, &["c"]),
    ];
    let info = Info::from_bytes(&v1(files)).unwrap();
    let flags = info
        .files()
        .iter()
        .map(|file| (file.executable, file.hidden));
    assert_eq!(
        flags.collect::<Vec<_>>(),
        [(true, true), (true, false), (false, true)]
    );
    assert_eq!(info.files()[2].kind, FileKind::Pad);
}

#[test]
fn padding_has_many_faces() {
    let no_path = dict([(&b"attr"[..], string("p")), (b"length", int(3))]);
    let files = [
        file(1, &["a"]),
        file_with_attr("p", 2, &[".pad", "2"]),
        file(1, &["_____padding_file_0_if you see this, update BitComet"]),
        no_path.clone(),
        no_path,
        file_with_attr("p", 2, &["a"]),
        file_with_attr("p", 0, &[]),
        file(1, &["b"]),
    ];
    let info = Info::from_bytes(&v1(files)).unwrap();
    let kinds = info.files().iter().map(|file| file.kind == FileKind::Pad);
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [false, true, true, true, true, true, true, false]
    );
    assert_eq!(info.layout().data_length(), 2);
    assert_eq!(info.layout().file_count(), 8);
    let unique: std::collections::HashSet<_> = info.files().iter().map(|file| &file.path).collect();
    assert_eq!(unique.len(), 8);
    assert_eq!(info.files()[0].path.as_str(), "t/a");
    assert_eq!(info.files()[7].path.as_str(), "t/b");
    refused(
        &v1([file_with_attr("p", 5, &["x"])]),
        "info cannot be laid out: the files hold no data",
    );
}

/// The kinds of `files`, links by their targets.
fn links(files: impl IntoIterator<Item = Bytes>) -> Vec<Option<String>> {
    let info = Info::from_bytes(&v1(files)).unwrap();
    let kinds = info.files().iter().map(|file| match &file.kind {
        FileKind::Symlink { target } => {
            assert_eq!(file.length, 0);
            Some(target.to_string())
        }
        FileKind::Data | FileKind::Pad => None,
    });
    kinds.collect()
}

#[test]
fn links_to_what_is_in_the_torrent_are_kept() {
    let found = links([
        file(1, &["d", "a"]),
        link(&["to file"], &["d", "a"]),
        link(&["to folder"], &["d"]),
        link(&["d", "to folder beside"], &["e"]),
        link(&["e", "f"], &["d", "a"]),
    ]);
    let some = |target: &str| Some(target.to_owned());
    assert_eq!(
        found,
        [None, some("t/d/a"), some("t/d"), some("t/e"), some("t/d/a")]
    );
}

/// As in a macOS bundle: `Versions/Current` is a link, and others lead through it.
#[test]
fn links_through_links_point_at_what_they_come_down_to() {
    let found = links([
        link(&["Foo"], &["Versions", "Current", "Foo"]),
        link(&["Resources"], &["Versions", "Current", "Resources"]),
        link(&["Versions", "Current"], &["Versions", "A"]),
        file(1, &["Versions", "A", "Foo"]),
        file(1, &["Versions", "A", "Resources", "icon"]),
    ]);
    let some = |target: &str| Some(target.to_owned());
    let current = some("t/Versions/A");
    let (foo, resources) = (some("t/Versions/A/Foo"), some("t/Versions/A/Resources"));
    assert_eq!(found, [foo, resources, current, None, None]);
}

/// As the file system counts, where counting from the torrent's folder leads nowhere.
#[test]
fn a_target_may_be_named_from_the_links_folder() {
    let found = links([
        link(&["Headers"], &["Versions", "Current", "Headers"]),
        link(&["Versions", "Current"], &["A"]),
        link(&["Versions", "B"], &["Headers"]),
        file(1, &["Versions", "A", "Headers", "x.h"]),
    ]);
    let some = |target: &str| Some(target.to_owned());
    let headers = some("t/Versions/A/Headers");
    assert_eq!(
        found,
        [headers.clone(), some("t/Versions/A"), headers, None]
    );
}

#[test]
fn other_links_become_empty_files() {
    let found = links([
        file(1, &["d", "a"]),
        link(&["1"], &["..", "..", "etc", "passwd"]),
        link(&["2"], &["/etc/passwd"]),
        link(&["3"], &["nowhere"]),
        link(&["4"], &["4"]),
        link(&["5"], &["6"]),
        link(&["6"], &["5"]),
        link(&["7"], &["7", "x"]),
        link(&["d", "8"], &["d"]),
        link(&["9"], &[]),
        link(&["10"], &["d", "a", "x"]),
        file_with_attr("l", 5, &["11"]),
        file_with_attr("p", 5, &["pad"]),
        link(&["12"], &["pad"]),
    ]);
    assert_eq!(found, vec![None; 14]);
}

/// What would lie behind a link, if names were taken as they are.
#[test]
fn nothing_lies_behind_a_link() {
    let files = [
        link(&["a"], &["d"]),
        file(1, &["A", "passwd"]),
        file(1, &["d", "x"]),
    ];
    paths(files.clone(), &["t/a.1", "t/A/passwd", "t/d/x"]);
    assert_eq!(links(files), [Some("t/d".to_owned()), None, None]);
    // A target is what the torrent calls so, whatever it is renamed to.
    let renamed = [file(1, &["a"]), file(1, &["a", "b"]), link(&["l"], &["a"])];
    assert_eq!(links(renamed), [None, None, Some("t/a.1".to_owned())]);
}

#[test]
fn a_malformed_target_is_refused() {
    let bad = dict([
        (&b"attr"[..], string("l")),
        (b"path", path(&["b"])),
        (b"symlink path", list([int(1)])),
    ]);
    refused(&v1([bad]), "info.files[0].symlink path[0] is not a string");
}

#[test]
fn webs_of_links_cost_little() {
    let deep = vec!["x"; 300];
    let bad = (0..9_000).map(|i| link(&[&i.to_string()], &deep));
    let files = bad.chain([file(1, &["a"])]);
    assert_eq!(links(files).into_iter().flatten().count(), 0);
}
