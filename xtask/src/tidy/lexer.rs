/// A Rust file taken apart, line by line the same as the file: what is code and what is comment.
/// The contents of string and character literals are in neither.
pub(super) struct Source {
    pub(super) code: String,
    pub(super) comments: String,
}

impl Source {
    /// Good enough for text that rustc accepts; never fails on other text.
    pub(super) fn parse(text: &str) -> Self {
        let mut lexer = Lexer {
            rest: text,
            source: Self {
                code: String::with_capacity(text.len()),
                comments: String::new(),
            },
        };
        while !lexer.rest.is_empty() {
            lexer.step();
        }
        lexer.source
    }
}

struct Lexer<'a> {
    rest: &'a str,
    source: Source,
}

#[derive(Clone, Copy)]
enum To {
    Code,
    Comments,
    Nowhere,
}

impl Lexer<'_> {
    fn step(&mut self) {
        let rest = self.rest;
        if rest.starts_with("//") {
            self.take(rest.find('\n').unwrap_or(rest.len()), To::Comments);
        } else if rest.starts_with("/*") {
            self.take(block_comment(rest), To::Comments);
        } else if let Some(length) = raw_string(rest).or_else(|| string(rest)) {
            self.take(length, To::Nowhere);
        } else if let Some(length) = char_literal(rest) {
            self.take(length, To::Nowhere);
        } else {
            self.take(word_or_char(rest), To::Code);
        }
    }

    /// Newlines go to both, so that line numbers stay right.
    fn take(&mut self, length: usize, to: To) {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        for c in taken.chars() {
            match to {
                _ if c == '\n' => {
                    self.source.code.push(c);
                    self.source.comments.push(c);
                }
                To::Code => self.source.code.push(c),
                To::Comments => self.source.comments.push(c),
                To::Nowhere => {}
            }
        }
    }
}

/// Comments nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else if let Some(c) = rest.chars().next() {
            at += c.len_utf8();
        } else {
            return at;
        }
    }
}

/// `"…"`, also after `b` or `c`.
fn string(text: &str) -> Option<usize> {
    let body = text.strip_prefix(['b', 'c']).unwrap_or(text);
    let body = body.strip_prefix('"')?;
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some(text.len() - body.len() + at + 1),
            '\\' => drop(chars.next()),
            _ => {}
        }
    }
    Some(text.len())
}

/// `r#"…"#` with any number of `#`, also after `b` or `c`.
fn raw_string(text: &str) -> Option<usize> {
    let body = text.strip_prefix(['b', 'c']).unwrap_or(text);
    let body = body.strip_prefix('r')?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let body = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

/// `'c'` or `b'\n'`, but not the lifetime `'c`.
fn char_literal(text: &str) -> Option<usize> {
    let body = text.strip_prefix('b').unwrap_or(text);
    let body = body.strip_prefix('\'')?;
    let prefix = text.len() - body.len();
    let mut chars = body.char_indices();
    let (_, first) = chars.next()?;
    if first == '\\' {
        chars.next()?;
        let end = chars.find(|(_, c)| *c == '\'')?;
        return Some(prefix + end.0 + 1);
    }
    let (at, second) = chars.next()?;
    (second == '\'').then_some(prefix + at + 1)
}

/// Whole words are taken at once, so that the `b` of `curb"` begins no byte string.
fn word_or_char(text: &str) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = text.find(|c| !is_word(c)).unwrap_or(text.len());
    let first = text.chars().next().map_or(0, char::len_utf8);
    word.max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, code: &str, comments: &str) {
        let source = Source::parse(text);
        assert_eq!(
            (source.code.as_str(), source.comments.as_str()),
            (code, comments)
        );
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        check("a // b\nc", "a \nc", "// b\n");
        check("a /* b /* c */ d */ e", "a  e", "/* b /* c */ d */");
        check(r#"f("x // y", b"\"", 'z', '\'', b'"')"#, "f(, , , , )", "");
        check("f(r#\"a \" // b\"#, br\"\\\") // c", "f(, ) ", "// c");
    }

    #[test]
    fn lifetimes_and_words_are_code() {
        check(
            "fn f<'a>(x: &'a str) -> r#type",
            "fn f<'a>(x: &'a str) -> r#type",
            "",
        );
        check("'outer: loop { curb\"x\" }", "'outer: loop { curb }", "");
    }

    #[test]
    fn lines_stay_where_they_are() {
        check("\"a\nb\"\nc", "\n\nc", "\n\n");
    }

    #[test]
    fn broken_text_ends() {
        for text in ["\"", "/*", "'", "b'", "r#\"", "'\\", "é'é"] {
            Source::parse(text);
        }
    }
}
