use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn check(paths: &[&str], expected: &[&str]) {
    let mut unique: Vec<String> = paths.iter().map(ToString::to_string).collect();
    make_unique(&mut unique, |_| true).unwrap();
    assert_eq!(unique, expected);
}

#[test]
fn the_first_keeps_its_name() {
    check(
        &["t/a.txt", "t/a.txt", "t/b", "t/a.txt", "t/b", "t/x/a.txt"],
        &[
            "t/a.txt",
            "t/a.1.txt",
            "t/b",
            "t/a.2.txt",
            "t/b.1",
            "t/x/a.txt",
        ],
    );
}

#[test]
fn upper_and_lower_case_are_the_same() {
    check(
        &["t/A.txt", "t/a.TXT", "T/a.Txt", "t/É", "t/é", "t/ſ", "t/S"],
        &[
            "t/A.txt",
            "t/a.1.TXT",
            "T/a.2.Txt",
            "t/É",
            "t/é.1",
            "t/ſ",
            "t/S.1",
        ],
    );
}

/// NFC and NFD, with and without a change of case; of `ǰ` only the lower case is composed.
#[test]
fn composed_and_decomposed_accents_are_the_same() {
    check(
        &["t/\u{e9}", "t/e\u{301}", "t/E\u{301}", "t/\u{c9}x"],
        &["t/\u{e9}", "t/e\u{301}.1", "t/E\u{301}.2", "t/\u{c9}x"],
    );
    check(
        &["t/o\u{323}\u{302}", "t/o\u{302}\u{323}", "t/\u{1ed9}"],
        &["t/o\u{323}\u{302}", "t/o\u{302}\u{323}.1", "t/\u{1ed9}.2"],
    );
    check(&["t/\u{1f0}", "t/J\u{30c}"], &["t/\u{1f0}", "t/J\u{30c}.1"]);
    // Folders are one, with what is in them.
    check(
        &[
            "t/\u{e9}/a",
            "t/e\u{301}/a",
            "t/\u{d55c}",
            "t/\u{1112}\u{1161}\u{11ab}",
        ],
        &[
            "t/\u{e9}/a",
            "t/e\u{301}/a.1",
            "t/\u{d55c}",
            "t/\u{1112}\u{1161}\u{11ab}.1",
        ],
    );
}

#[test]
fn there_are_not_too_many_folders() {
    let folders = |count: usize| (1..count).map(|n| format!("t/{n}/f"));
    let mut paths: Vec<_> = folders(MAX_FOLDERS).collect();
    assert_eq!(make_unique(&mut paths, |_| true), Ok(()));
    let mut paths: Vec<_> = folders(MAX_FOLDERS + 1).collect();
    assert_eq!(make_unique(&mut paths, |_| true), Err(TooManyFolders));
    // Padding makes none.
    assert_eq!(make_unique(&mut paths, |index| index > 0), Ok(()));
}

#[test]
fn a_file_yields_to_a_folder_wherever_it_stands() {
    check(
        &["t/a", "t/a/b", "t/c/d/e", "t/C"],
        &["t/a.1", "t/a/b", "t/c/d/e", "t/C.1"],
    );
    check(&["t/A/b", "t/a", "t/a.1"], &["t/A/b", "t/a.1", "t/a.1.1"]);
    // The new name may not be a folder either.
    check(&["t/a", "t/a/b", "t/a.1/b"], &["t/a.2", "t/a/b", "t/a.1/b"]);
}

#[test]
fn numbers_that_are_taken_are_passed_over() {
    check(
        &["t/a.1.txt", "t/a.txt", "t/A.txt", "t/a.txt"],
        &["t/a.1.txt", "t/a.txt", "t/A.2.txt", "t/a.3.txt"],
    );
}

#[test]
fn padding_takes_no_name_from_a_file() {
    let mut paths = ["t/a", "t/b/c", "t/a", "t/b", "t/a"].map(str::to_owned);
    make_unique(&mut paths, |index| index >= 2).unwrap();
    assert_eq!(paths, ["t/a.2", "t/b/c", "t/a", "t/b", "t/a.1"]);
}

#[test]
fn long_names_stay_within_bounds() {
    let long = format!("t/{}.mkv", "x".repeat(236));
    let mut paths = vec![long.clone(), long];
    make_unique(&mut paths, |_| true).unwrap();
    assert_eq!(paths[1], format!("t/{}.1.mkv", "x".repeat(227)));
}

/// 100,000 files that all want one name, or the names that the others are about to get.
#[test]
fn storms_of_collisions_take_linear_time() {
    let mut paths = vec!["t/a.txt".to_owned(); 50_000];
    paths.extend((0..50_000).map(|number| format!("t/A.{number}.txt")));
    make_unique(&mut paths, |_| true).unwrap();
    assert_unique(&paths);
    // Bases that differ only where they are cut.
    let base = "x".repeat(230);
    let mut paths: Vec<_> = (0..50_000).map(|i| format!("t/{base}{i:010}")).collect();
    paths.extend_from_within(..);
    make_unique(&mut paths, |_| true).unwrap();
    assert_unique(&paths);
}

fn assert_unique(paths: &[String]) {
    let folded: HashSet<_> = paths.iter().map(|path| fold(path)).collect();
    assert_eq!(folded.len(), paths.len());
}

proptest! {
    #[test]
    fn no_file_has_the_path_of_another_or_of_a_folder(
        mut paths in prop::collection::vec("t(/[aA](\\.1)?){1,3}(\\.txt)?", 1..20),
    ) {
        let original = paths.clone();
        make_unique(&mut paths, |_| true).unwrap();
        assert_unique(&paths);
        for (path, original) in paths.iter().zip(&original) {
            prop_assert_eq!(folder_of(path), folder_of(original));
            let inner = format!("{}/", fold(path));
            prop_assert!(!paths.iter().any(|other| fold(other).starts_with(&inner)));
        }
    }
}
