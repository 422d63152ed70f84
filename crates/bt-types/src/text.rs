/// Makes a stranger's bytes fit to be shown: at most `max_bytes` of UTF-8, without the NULs that
/// some programs append, and with everything escaped that could move a cursor or reorder a line.
///
/// ```
/// use bt_types::printable_text;
/// assert_eq!(printable_text(b"not\x1b[2J registered\0", 1024), r"not\u{1b}[2J registered");
/// assert_eq!(printable_text("ääää".as_bytes(), 5), "ää");
/// ```
#[must_use]
pub fn printable_text(bytes: &[u8], max_bytes: usize) -> String {
    let end = bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |i| i + 1);
    let bytes = &bytes[..end.min(max_bytes)];
    let mut text = String::with_capacity(bytes.len());
    let mut buffer = [0; 4];
    for char in String::from_utf8_lossy(bytes).chars() {
        let escaped: String;
        let shown = if is_unsafe(char) {
            escaped = char.escape_unicode().collect();
            &escaped
        } else {
            &*char.encode_utf8(&mut buffer)
        };
        if text.len() + shown.len() > max_bytes {
            break;
        }
        text.push_str(shown);
    }
    text
}

/// Control characters, and the invisible ones that turn the direction of writing or end a line.
fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
