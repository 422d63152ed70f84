//! What stands on a command line, and what is shown of it.

use std::sync::LazyLock;

use bt_cli::format::{bytes, parse_size, printable};
use clap::Command;

/// The words are the lines, of any bytes; each is also read as a size and shown to people.
pub fn run(data: &[u8]) {
    let words: Vec<_> = data.split(|&byte| byte == b'\n').collect();
    for word in &words {
        let word = String::from_utf8_lossy(word);
        size(&word);
        shown(&word);
    }
    let words = words.into_iter().map(word);
    let command_line = [word(b"bt")].into_iter().chain(words);
    if let Err(error) = BT.clone().try_get_matches_from(command_line) {
        // Help and version are asked for, and succeed.
        assert_eq!(error.exit_code(), if error.use_stderr() { 2 } else { 0 });
        assert!(!error.to_string().is_empty());
    }
}

/// A size is what was written, in bytes, or refused.
fn size(text: &str) {
    let Ok(size) = parse_size(text) else { return };
    assert_eq!(parse_size(&size.to_string()), Ok(size));
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let count: u64 = digits.parse().expect("a size begins with a number");
    assert!(count == 0 || size.is_multiple_of(count) && (size / count).is_power_of_two());
    assert!(bytes(size).ends_with('B'));
}

/// Nothing that moves the cursor is left, and nothing is left to be escaped.
fn shown(text: &str) {
    let shown = printable(text);
    assert!(!shown.contains(char::is_control));
    assert_eq!(printable(&shown), shown);
}

#[cfg(unix)]
fn word(bytes: &[u8]) -> std::ffi::OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
fn word(bytes: &[u8]) -> std::ffi::OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

static BT: LazyLock<Command> = LazyLock::new(bt_cli::command);
