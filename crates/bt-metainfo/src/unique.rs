use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use crate::name::{MAX_NAME_LENGTH, shorten, split_extension};

/// Renames files until no two have the same path, and none that of a folder. Upper and lower case
/// are not told apart, nor are the ways in which Unicode composes a letter: Windows and macOS do not
/// tell the former, macOS not the latter.
///
/// The first of a kind keeps its name, others become `name.1.ext`. `is_written` tells real files
/// from padding, which never takes a name from a real one and makes no folders.
///
/// What is remembered of a path, or of a folder around it, is 16 bytes: a deep path has many
/// folders. Time is linear in the size of the paths, and in that of their folders.
///
/// # Errors
/// If there are more than [`MAX_FOLDERS`] folders.
pub(crate) fn make_unique(
    paths: &mut [String],
    is_written: impl Fn(usize) -> bool,
) -> Result<(), TooManyFolders> {
    let mut names = Names {
        files: HashSet::with_capacity(paths.len()),
        ..Names::default()
    };
    let mut last_folder = "";
    for (_, path) in paths.iter().enumerate().filter(|(i, _)| is_written(*i)) {
        let folder = folder_of(path);
        if folder != last_folder {
            names.add_folder(folder);
            if names.folders.len() > MAX_FOLDERS {
                return Err(TooManyFolders);
            }
            last_folder = folder;
        }
    }
    for written in [true, false] {
        for (index, path) in paths.iter_mut().enumerate() {
            if is_written(index) == written && !names.add_file(path) {
                names.rename(path);
            }
        }
    }
    Ok(())
}

/// Files make more folders than any real torrent's.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct TooManyFolders;

#[derive(Default)]
struct Names {
    /// All folders.
    folders: HashSet<Key>,
    /// The files seen so far.
    files: HashSet<Key>,
    /// For each path without its number: the last number given.
    numbers: HashMap<Key, u32>,
}

impl Names {
    /// Adds a folder and those around it.
    fn add_folder(&mut self, folder: &str) {
        let folded = fold(folder);
        let mut folder = folded.as_str();
        while !folder.is_empty() && self.folders.insert(key_of(folder)) {
            folder = folder_of(folder);
        }
    }

    /// Returns whether the path was free.
    fn add_file(&mut self, path: &str) -> bool {
        let key = key_of(&fold(path));
        !self.folders.contains(&key) && self.files.insert(key)
    }

    /// Numbers count on from file to file, and two families of numbered names have none in
    /// common, so that a name is found taken at most once for each file there is.
    fn rename(&mut self, path: &mut String) {
        let name_start = path.rfind('/').map_or(0, |slash| slash + 1);
        let name = shorten(&path[name_start..], MAX_NAME_LENGTH - NUMBER_LENGTH);
        let (stem, extension) = split_extension(&name);
        let family = key_of(&fold(&format!("{}{stem}/{extension}", &path[..name_start])));
        let mut number = self.numbers.get(&family).copied().unwrap_or(0);
        loop {
            number += 1;
            let candidate = format!("{}{stem}.{number}{extension}", &path[..name_start]);
            if self.add_file(&candidate) {
                *path = candidate;
                self.numbers.insert(family, number);
                return;
            }
        }
    }
}

/// Stands for a folded path: of two paths that differ, nobody can find such that have one key.
type Key = [u8; 16];

fn key_of(folded: &str) -> Key {
    let mut key = [0; 16];
    key.copy_from_slice(&bt_hash::sha1(folded.as_bytes())[..16]);
    key
}

fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |slash| &path[..slash])
}

/// A path in one case, and decomposed. Both ways, since some letters have a partner in one
/// direction only; decomposed again, since a letter's partner may be composed (Unicode 3.13,
/// canonical caseless matching).
fn fold(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    let lower = path.nfd().flat_map(char::to_uppercase);
    lower.flat_map(char::to_lowercase).nfd().collect()
}

/// Torrents of whole source trees have some 10,000. A small file of one long path could otherwise
/// make whoever prepares it create a million folders, which nothing shown before would tell.
pub(crate) const MAX_FOLDERS: usize = 100_000;

/// A dot and as many digits as there can be files.
const NUMBER_LENGTH: usize = ".10000000".len();

#[cfg(test)]
mod tests;
