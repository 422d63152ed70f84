/// Appends `name` to `out`, made safe as the name of one file or folder on every platform; see the
/// front page for the rule. What is appended is never empty, and the same for the same `name`.
pub(crate) fn sanitise(name: &[u8], out: &mut String) {
    let start = out.len();
    for part in name.utf8_chunks() {
        out.extend(part.valid().chars().filter_map(replacement));
        if !part.invalid().is_empty() {
            out.push('_');
        }
    }
    trim_end(out, start);
    if is_reserved(&out[start..]) {
        out.insert(start, '_');
    }
    if out.len() - start > MAX_NAME_LENGTH {
        let shortened = shorten(&out[start..], MAX_NAME_LENGTH);
        out.truncate(start);
        out.push_str(&shortened);
        trim_end(out, start);
    }
    if out.len() == start {
        out.push('_');
    }
}

/// Appends a folder to a path that ends with a folder; leaves it out where no room would be left
/// for a file.
pub(crate) fn push_folder(path: &mut String, name: &[u8]) {
    let before = path.len();
    push_file(path, name);
    if path.len() > MAX_FOLDERS_LENGTH {
        path.truncate(before);
    }
}

/// Appends a file to a path that ends with a folder.
pub(crate) fn push_file(path: &mut String, name: &[u8]) {
    path.push('/');
    sanitise(name, path);
}

/// A name cut to `length` bytes between characters, its extension kept.
pub(crate) fn shorten(name: &str, length: usize) -> String {
    let (stem, extension) = split_extension(name);
    let stem = &stem[..floor_boundary(stem, length.saturating_sub(extension.len()))];
    [stem, extension].concat()
}

/// A name as what stands before and from its last dot on. A name that begins with its only dot
/// has no extension, and neither has one whose last dot is far from its end.
pub(crate) fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_EXTENSION_LENGTH => name.split_at(dot),
        _ => (name, ""),
    }
}

/// What stands for `c` in a name: itself, `_`, or nothing.
fn replacement(c: char) -> Option<char> {
    match c {
        // Separators of this platform or another.
        '/' | '\\' => None,
        // Invisible, or changing the direction: they hide what a name really ends with.
        '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => None,
        '?' | '<' | '>' | '"' | '|' | '*' | ':' => Some('_'),
        control if control.is_control() => Some('_'),
        plain => Some(plain),
    }
}

/// Windows drops dots and spaces at the end, so that two names become one; `.` and `..` vanish
/// wholly.
fn trim_end(out: &mut String, start: usize) {
    let kept = out[start..].trim_end_matches(['.', ' ']).len();
    out.truncate(start + kept);
}

/// Whether Windows takes `name` for a device, whatever its extension.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ');
    let is = |device: &str| stem.eq_ignore_ascii_case(device);
    if ["con", "prn", "aux", "nul", "conin$", "conout$"]
        .into_iter()
        .any(is)
    {
        return true;
    }
    let Some((port, number)) = stem.split_at_checked(3) else {
        return false;
    };
    let is_number = matches!(number, "¹" | "²" | "³")
        || matches!(number.as_bytes(), [digit] if digit.is_ascii_digit());
    is_number && (port.eq_ignore_ascii_case("com") || port.eq_ignore_ascii_case("lpt"))
}

/// The largest boundary between characters that is at most `index`.
fn floor_boundary(text: &str, index: usize) -> usize {
    let index = index.min(text.len());
    let is_boundary = |at: &usize| text.is_char_boundary(*at);
    (0..=index).rev().find(is_boundary).unwrap_or(0)
}

/// libtorrent's: file systems take 255, and a suffix may have to be added.
pub(crate) const MAX_NAME_LENGTH: usize = 240;
/// More is no extension but a sentence with a dot in it.
const MAX_EXTENSION_LENGTH: usize = 32;
/// With a file's name about 1,000 bytes, so that the path and the download folder before it fit
/// into the 1,024 of macOS. It also bounds what a deep file tree of v2 can be blown up to.
const MAX_FOLDERS_LENGTH: usize = 760;

#[cfg(test)]
mod tests;
