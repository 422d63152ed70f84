use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    layers::{Kind, layer},
    lexer::Source,
};
use crate::{Result, workspace};

/// One of our Rust files.
struct File<'a> {
    /// From the root of the workspace, with `/`.
    path: &'a str,
    text: &'a str,
}

pub(super) fn check_all() -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for folder in ["crates", "tests", "xtask", "fuzz"] {
        for path in rust_files(&workspace::root().join(folder))? {
            let text = fs::read_to_string(&path)?;
            let short = path.strip_prefix(workspace::root())?;
            let path = &short.to_string_lossy().replace('\\', "/");
            complaints.extend(check(&File { path, text: &text }));
        }
    }
    Ok(complaints)
}

fn check(file: &File<'_>) -> Vec<String> {
    let source = Source::parse(file.text);
    let mut complaints = placeholders(file, &source);
    if file.is_library() && !file.is_test() {
        complaints.extend(too_long(file));
    }
    if file.is_protocol() && !file.is_test() {
        complaints.extend(foreign_words(file, &source));
    }
    complaints
}

impl File<'_> {
    fn is_library(&self) -> bool {
        self.path.starts_with("crates/") && self.path.contains("/src/")
    }

    /// A file that is tests as a whole, by its name.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    fn is_protocol(&self) -> bool {
        let krate = self.path.split('/').nth(1).and_then(layer);
        self.is_library()
            && krate.is_some_and(|krate| matches!(krate.kind, Kind::Pure | Kind::SansIo))
    }

    /// The lines before the tests at the end.
    fn lines_without_tests(&self) -> usize {
        let tests = self.text.find("#[cfg(test)]\nmod tests");
        self.text[..tests.unwrap_or(self.text.len())]
            .lines()
            .count()
    }
}

/// What says "not finished", in code or beside it.
fn placeholders(file: &File<'_>, source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in (1..).zip(source.code.lines()) {
        let found = UNFINISHED_CODE.iter().filter(|word| has_word(line, word));
        complaints.extend(found.map(|word| format!("{}:{number}: {word}", file.path)));
    }
    for (number, line) in (1..).zip(source.comments.lines()) {
        let found = UNFINISHED_COMMENTS
            .iter()
            .filter(|word| has_word(line, word));
        complaints.extend(found.map(|word| format!("{}:{number}: {word}", file.path)));
    }
    complaints
}

fn has_word(line: &str, word: &str) -> bool {
    let mut starts = line.match_indices(word);
    starts.any(|(at, _)| !line[..at].ends_with(is_word_char))
}

fn too_long(file: &File<'_>) -> Option<String> {
    let lines = file.lines_without_tests();
    (lines > MAX_LINES).then(|| {
        format!(
            "{}: {lines} lines without tests, at most {MAX_LINES}: it wants to be two files",
            file.path
        )
    })
}

/// A piece has a hash, a block is requested: no third and fourth word for them in what we define.
/// Calling the standard library's methods is no definition.
fn foreign_words(file: &File<'_>, source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    let code = &source.code[..source
        .code
        .find("#[cfg(test)]\nmod tests")
        .unwrap_or(source.code.len())];
    for (number, line) in (1..).zip(code.lines()) {
        for name in defined_names(line).filter(|name| is_foreign(name)) {
            complaints.push(format!(
                "{}:{number}: call `{name}` a piece or a block",
                file.path
            ));
        }
    }
    complaints
}

/// The words of a line that stand after a keyword that defines something, or begin a field, a
/// variant or a parameter (`name:`, `Name(`, `Name {`, `Name,`).
fn defined_names(line: &str) -> impl Iterator<Item = &str> {
    let words = words(line);
    let starts_type = |name: &str| name.starts_with(char::is_uppercase);
    words.filter_map(move |(at, name)| {
        let (before, after) = (line[..at].trim_end(), line[at + name.len()..].trim_start());
        let is_defined = DEFINING
            .iter()
            .any(|keyword| ends_with_word(before, keyword));
        let is_typed = after.starts_with(':') && !after.starts_with("::");
        let is_variant = before.is_empty() && starts_type(name) && !after.starts_with("::");
        (is_defined || is_typed || is_variant).then_some(name)
    })
}

fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += line[at..].find(is_word_char)?;
        let length = line[at..]
            .find(|c| !is_word_char(c))
            .unwrap_or(line.len() - at);
        let start = at;
        at += length;
        Some((start, &line[start..at]))
    })
}

fn ends_with_word(text: &str, word: &str) -> bool {
    let rest = text.strip_suffix(word);
    rest.is_some_and(|rest| !rest.ends_with(is_word_char))
}

fn is_foreign(name: &str) -> bool {
    let name = name.to_lowercase();
    FOREIGN.iter().any(|word| name.contains(word))
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub(super) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

const MAX_LINES: usize = 600;
const UNFINISHED_CODE: &[&str] = &["todo!", "unimplemented!", "dbg!", "#[ignore"];
const UNFINISHED_COMMENTS: &[&str] = &["FIXME", "TODO"];
const FOREIGN: &[&str] = &["chunk", "fragment"];
const DEFINING: &[&str] = &[
    "fn", "struct", "enum", "union", "trait", "type", "const", "static", "mod",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn complaints(path: &str, text: &str) -> Vec<String> {
        check(&File { path, text })
    }

    const WIRE: &str = "crates/bt-wire/src/decode.rs";

    #[test]
    fn unfinished_things_are_found_in_code_and_in_comments() {
        for line in [
            "todo!()",
            "unimplemented!(\"x\")",
            "dbg!(x);",
            "#[ignore = \"slow\"]",
        ] {
            assert_eq!(complaints(WIRE, line).len(), 1, "{line}");
        }
        assert_eq!(
            complaints(WIRE, "\nlet x = 1; // FIXME later"),
            [format!("{WIRE}:2: FIXME")]
        );
    }

    #[test]
    fn unfinished_things_are_not_found_in_strings_and_longer_words() {
        assert!(complaints(WIRE, "let x = \"todo!()\"; // see todo! in the guide").is_empty());
        assert!(complaints(WIRE, "my_dbg!(x)").is_empty());
    }

    #[test]
    fn long_files_are_found_and_their_tests_are_not_counted() {
        let lines = "fn f() {}\n".repeat(MAX_LINES);
        assert!(complaints(WIRE, &lines).is_empty());
        let longer = format!("{lines}\n");
        assert!(complaints(WIRE, &longer)[0].contains("601 lines"));
        assert!(complaints("crates/bt-wire/src/decode/tests.rs", &longer).is_empty());
        let with_tests = format!("{lines}#[cfg(test)]\nmod tests {{\n{lines}}}\n");
        assert!(complaints(WIRE, &with_tests).is_empty());
    }

    #[test]
    fn foreign_words_are_found_where_something_is_defined() {
        for line in [
            "pub fn next_chunk(&self) {}",
            "pub struct Fragment;",
            "    pub chunk: u32,",
            "    ChunkStart { piece: u32 },",
            "fn f(chunk: &[u8]) {}",
            "const CHUNK_LENGTH: u32 = 1;",
        ] {
            assert_eq!(complaints(WIRE, line).len(), 1, "{line}");
        }
    }

    #[test]
    fn the_standard_library_may_be_called() {
        for line in [
            "for pair in bytes.chunks_exact(2) {}",
            "let Some((head, rest)) = bytes.split_first_chunk::<4>() else {}",
            "use std::slice::ChunksExact;",
            "let hashes = <[u8]>::chunks(bytes, 20);",
        ] {
            assert!(complaints(WIRE, line).is_empty(), "{line}");
        }
        assert!(complaints("crates/bt-client/src/net.rs", "struct Chunk;").is_empty());
    }
}
